"""Eyes for the person at the mirror: what is on the panel is read from its pixels, by Debian's tesseract."""

from __future__ import annotations

import csv
import difflib
import io
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from person import STEP_S, Person
from PIL import Image, ImageChops, ImageFilter

ALIKE = 0.84  # letters that are read wrongly now and then
PATIENCE_S = 60.0
# Colours of the panel on which words stand.
PAPER = (16, 20, 26)
CHOSEN = (222, 228, 236)  # with dark letters
GROUNDS = [PAPER, (30, 36, 45), (50, 60, 74), (24, 94, 168), (90, 106, 128), CHOSEN]
HEADER = 64  # its height in pixels
REACH = 12  # so far from a letter there is some of its ground


@dataclass
class Word:
    """A word, with where it is in pixels of the panel."""

    text: str
    left: float
    top: float
    width: float
    height: float

    def is_on(self, other: Word) -> bool:
        """Whether it is read where the other one was."""
        x, y = self.left + self.width / 2, self.top + self.height / 2
        return other.left <= x <= other.left + other.width and other.top <= y <= other.top + other.height

    def follows(self, other: Word) -> bool:
        """Whether it is the next one on the same line."""
        level = abs((self.top + self.height / 2) - (other.top + other.height / 2)) < max(self.height, other.height)
        # Boxes are wider than their words now and then.
        return level and self.left > other.left and self.left - (other.left + other.width) < 30


def plain(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def figures(text: str) -> str:
    """The digits of a text. The letter O beside a digit is a nought."""
    words = [word for word in text.upper().split() if any(character.isdigit() for character in word)]
    return "".join(character for word in words for character in word.replace("O", "0") if character.isdigit())


def likeness(said: str, wanted: str) -> float:
    """How far a text says this, up to 1; 0 if it does not. Letters are misread now and then, figures are not to be."""
    ratio = difflib.SequenceMatcher(None, plain(said), plain(wanted)).ratio()
    return ratio if figures(said) == figures(wanted) and ratio >= (ALIKE if len(plain(wanted)) > 4 else 1.0) else 0.0


def exactly(picture: Image.Image, color: tuple[int, int, int]) -> Image.Image:
    """Where a picture has a colour: 255, elsewhere 0."""
    red, green, blue = ImageChops.difference(picture, Image.new("RGB", picture.size, color)).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return most.point(lambda value: 255 * (not value))


def inked(picture: Image.Image) -> Image.Image:
    """Black letters on white, as the reader knows them: the panel has light ones on several dark grounds, dark ones where
    something is chosen."""
    gray = picture.convert("L")
    light = gray.point(lambda value: 255 - min(max((value - 110) * 2, 0), 255))
    ink = Image.composite(gray, light, exactly(picture, CHOSEN).filter(ImageFilter.MaxFilter(15)))
    # What is on no ground is a photograph.
    ground = Image.new("L", picture.size)
    for color in GROUNDS:
        ground = ImageChops.lighter(ground, exactly(picture, color))
    words = ground.filter(ImageFilter.BoxBlur(REACH)).point(lambda value: 255 * (value > 50))
    return Image.composite(ink, Image.new("L", picture.size, 255), words)


def reader(picture: bytes, words: list[str]) -> subprocess.CompletedProcess:
    # Its threads wait for each other more than they read.
    env = os.environ | {"OMP_THREAD_LIMIT": "1"}
    return subprocess.run(words, input=picture, capture_output=True, check=True, timeout=120, env=env)


def read(picture: Image.Image) -> list[Word]:
    """The words of a picture. The reader looks twice, for scattered words and for a page of lines: neither sees all of them."""
    ink, looks = inked(picture), []
    for enlarged, layout in [(2.0, "11"), (1.5, "6")]:
        data = io.BytesIO()
        ink.resize((round(picture.width * enlarged), round(picture.height * enlarged)), Image.LANCZOS).save(data, "PNG")
        words = ["tesseract", "-", "-", "--psm", layout, "--dpi", "300", "tsv"]
        looks.append((enlarged, data.getvalue(), words))
    with ThreadPoolExecutor() as pool:
        told = pool.map(lambda look: reader(*look[1:]), looks)
    found: list[Word] = []
    for (enlarged, _, _), said in zip(looks, told):
        rows = csv.DictReader(io.StringIO(said.stdout.decode()), delimiter="\t", quoting=csv.QUOTE_NONE)
        seen = [
            Word(row["text"], *(float(row[name]) / enlarged for name in ("left", "top", "width", "height")))
            for row in rows
            if plain(row["text"] or "")
        ]
        found += [word for word in seen if not any(word.is_on(other) for other in found)]
    return found


def places(words: list[Word], wanted: str) -> list[tuple[int, int]]:
    """The middles of all places where `wanted` stands on one line; where nothing is quite that, of what is most like it."""
    found = []
    for index, first in enumerate(words):
        line = [first]
        while True:
            said = " ".join(word.text for word in line)
            if like := likeness(said, wanted):
                right = line[-1].left + line[-1].width
                found.append((like, (round((first.left + right) / 2), round(first.top + first.height / 2))))
            after = [word for word in words if word not in line and word.follows(line[-1])]
            if not after or len(plain(said)) > len(plain(wanted)) + 4:
                break
            line.append(min(after, key=lambda word: word.left))
    most = max((like for like, _ in found), default=0.0)
    return [place for like, place in found if like == most]


class Seeing(Person):
    """A person who reads the panel and touches what they read. Keeps a picture of every page they saw."""

    def __init__(self, *of, album: Path | None = None, **how):
        super().__init__(*of, **how)
        self.album, self.kept, self.known = album, 0, ("", [])

    def picture(self) -> Image.Image:
        return Image.open(io.BytesIO(self.screenshot())).convert("RGB")

    def keep(self, name: str) -> None:
        """Keeps what is on the panel as a picture."""
        if self.album:
            self.album.mkdir(parents=True, exist_ok=True)
            self.kept += 1
            (self.album / f"{self.kept:02d}-{name}.png").write_bytes(self.screenshot())

    def reads(self) -> list[Word]:
        """The words on the panel; the same picture is not read twice."""
        serial = self.serial()
        if self.known[0] != serial:
            self.known = (serial, read(self.picture()))
        return self.known[1]

    def text(self) -> str:
        return " ".join(word.text for word in self.reads())

    def is_seen(self, wanted: str) -> bool:
        """Whether something stands on the panel, on one line or several."""
        return bool(places(self.reads(), wanted)) or plain(wanted) in plain(self.text())

    def sees(self, *wanted: str, patience_s: float = PATIENCE_S) -> str:
        """Waits until one of these stands on the panel, and says which."""
        end = time.monotonic() + patience_s
        while not (found := next((one for one in wanted if self.is_seen(one)), None)):
            assert time.monotonic() < end, f"not on the panel within {patience_s} s: {wanted}; there is: {self.text()}"
            time.sleep(STEP_S)
        return found

    def place(self, wanted: str, which: int = -1) -> tuple[int, int]:
        """Waits until something stands on one line of the panel, and says where: from the left if there are several. What also
        stands below the header is meant there: the header has the clock, and on the first of a month a 1."""
        end = time.monotonic() + PATIENCE_S
        while not (found := sorted(places(self.reads(), wanted))):
            assert time.monotonic() < end, f"on no line within {PATIENCE_S} s: {wanted}; there is: {self.text()}"
            time.sleep(STEP_S)
        below = [place for place in found if place[1] > HEADER]
        return (below or found)[which]

    def line(self, beginning: str) -> str:
        """What stands on a line from where these words begin."""
        across, height = self.place(beginning)
        width = max(word.width for word in self.reads() if plain(word.text) in plain(beginning))
        beside = [word for word in self.reads() if abs(word.top + word.height / 2 - height) < word.height]
        return " ".join(word.text for word in sorted(beside, key=lambda word: word.left) if word.left > across - 2 * width)

    def does_not_see(self, unwanted: str) -> None:
        assert not self.is_seen(unwanted), f"on the panel: {unwanted}"

    def touches(self, wanted: str, moving: bool = False, which: int = -1) -> None:
        """Touches what stands on the panel, once nothing moves any more: a page that came up just now takes no touch.

        Where something always moves, such as what the camera sees, reading takes longer than that anyway. Where it stands
        several times, `which` says which from the left."""
        self.place(wanted)
        if not moving:
            self.settled(0.3)
        place = self.place(wanted, which)
        before = self.serial()
        self.tap(*place)
        self.changed(before)

    def pad(self, digits: str) -> None:
        """Touches the digits of a PIN."""
        self.sees("Erase")
        self.settled(0.3)
        keys = {digit: self.place(digit) for digit in set(digits)}
        for digit in digits:
            before = self.serial()
            self.tap(*keys[digit])
            self.changed(before)
