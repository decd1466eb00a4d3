"""A person at the panel of the real daemon, who knows nothing but what they read on it: patients from name to result.

Whoever sets `HILUM_ALBUM` to a folder finds every page there that they saw.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
from appliance import HILUM, Appliance, cohort, until
from eyes import PAPER, Seeing
from lens import Lens, Pictures
from PIL import Image, ImageChops, ImageFilter
from test_daemon import free_port

PINS = {"administrator": "194603", "reviewer": "281746", "operator": "350917"}
SECOND = "1954-03-02"
REASON = "The ring lies on a vessel"
# What the panel calls a class of a biopsy.
CLASSES = {
    "adenocarcinoma": "adenocarcinoma",
    "squamous_cell_carcinoma": "squamous cell carcinoma",
    "large_cell_carcinoma": "NSCLC-NOS, large-cell pattern",
    "small_cell_carcinoma": "small cell carcinoma",
    "normal": "no tumour pattern",
}


def percent(share: float) -> str:
    """As the panel writes it."""
    return "<1%" if 100 * share < 0.5 else f"{round(100 * share)}%"


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory) -> list[dict]:
    return cohort(tmp_path_factory.mktemp("cohort"), 2, 5)


class Clinic:
    """A box with a share, a stick for exports, a camera, and a person before it."""

    def __init__(self, folder: Path, chromium, name: str, slide: Path):
        self.share, self.stick = folder / "share", folder / "stick"
        for made in (self.share, self.stick):
            made.mkdir()
        address = f"127.0.0.1:{free_port()}"
        share = f'[share]\nfolder = "{self.share}"\npoll-s = 0.5\nquiet-s = 0.5\n'
        access = "[access]\nwrong-pins = 3\nwait-s = 600\n"
        # The person moves the slide.
        self.stage = Pictures(slide, (640, 480))
        self.lens = Lens(self.stage, rate_hz=10)
        camera = f"[camera]\nuri = '{self.lens.uri}'\num-per-px = 0.5\n"
        site = f'exports = "{self.stick}"\n[mirror]\nlisten = "{address}"\n{share}{access}{camera}'
        self.appliance = Appliance(folder / "box", site, explain=("gradcam", "gradcam++")).start()
        album = os.environ.get("HILUM_ALBUM")
        self.person = Seeing(chromium, address, album=Path(album) / name if album else None).connected()

    def people(self) -> None:
        """Every role has a PIN, set where the box is set up."""
        with self.appliance.desk() as desk:
            desk.ask("set-pin", role="administrator", pin=PINS["administrator"])
            desk.ask("login", role="administrator", pin=PINS["administrator"])
            desk.ask("set-pin", role="reviewer", pin=PINS["reviewer"])
            desk.ask("set-pin", role="operator", pin=PINS["operator"])

    def asked(self, what: str, **fields) -> dict:
        """What the daemon says of it to whoever may know everything."""
        with self.appliance.desk() as desk:
            if desk.ask("status")["store"]["pins"]:
                desk.ask("login", role="administrator", pin=PINS["administrator"])
            return desk.ask(what, **fields)

    def unlocks(self, role: str, pin: str | None = None) -> None:
        """Somebody logs in, or tries to."""
        person = self.person
        person.sees("Who are you?")
        if f"PIN of the {role.capitalize()}" not in person.text():
            person.touches(role.capitalize())
        person.pad(pin or PINS[role])
        person.keep(f"pin-of-{role}")
        person.touches("Done")

    def exports(self, name: str, row: dict, **said: str) -> None:
        """A CT comes to the share; `said` are attributes that it has instead of its own."""
        made = self.share / f".{name}"
        shutil.copytree(row["ct"], made)
        for path in made.iterdir() if said else ():
            slice = pydicom.dcmread(path)
            for attribute, value in said.items():
                setattr(slice, attribute, value)
            slice.save_as(path)
        made.rename(self.share / name)

    def close(self) -> None:
        self.person.close()
        if self.appliance.process and self.appliance.process.poll() is None:
            self.appliance.kill()
        self.lens.close()


@pytest.fixture(scope="module")
def slide(phantoms, tmp_path_factory) -> Path:
    """Both fields of a patient, side by side."""
    fields = [Image.open(path).convert("RGB") for path in sorted(phantoms[0]["he"].glob("*.png"))]
    slide = Image.new("RGB", (sum(field.width for field in fields), fields[0].height))
    for number, field in enumerate(fields):
        slide.paste(field, (number * fields[0].width, 0))
    path = tmp_path_factory.mktemp("slide") / "slide.png"
    slide.save(path)
    return path


@pytest.fixture
def clinic(tmp_path, chromium, slide, request):
    made = Clinic(tmp_path, chromium, request.node.name.removeprefix("test_"), slide)
    yield made
    made.close()


def opens_a_case(person: Seeing, first: str, age: str = "63") -> None:
    """From the first page to the draft of a patient, whose identifiers come from a scanner."""
    person.touches("New case")
    for typed in (first, SECOND, age):
        person.type(typed)
        person.key("Enter")
    for touched in ("female", "former", "biopsy"):
        person.touches(touched)
    person.settled()
    person.keep("new-case")
    person.touches("Open the case")


def to_the_lesion(person: Seeing, row: dict) -> tuple[int, int]:
    """Scrolls to the slice of a phantom's lesion, which the person knows, and says where it lies on the panel."""
    slices = [pydicom.dcmread(path) for path in sorted(row["ct"].iterdir())]
    heights = sorted(float(slice.ImagePositionPatient[2]) for slice in slices)
    lesion = row["lesion"]
    goal = min(range(len(heights)), key=lambda index: abs(heights[index] - lesion[2])) + 1
    for _ in range(20):
        number = int(re.search(r"slice (\d+) of", person.line("Axial slice"))[1])
        if number == goal:
            break
        # The four buttons stand in a row: -10, -1, +1, +10.
        person.touches("10" if abs(goal - number) >= 10 else "1", which=-1 if goal > number else 0)
    assert number == goal
    across, below = person.place("Axial slice")
    picture, first = person.picture(), slices[0]
    column = [picture.getpixel((across, height)) for height in range(below - 15)]
    bottom = max(height for height, color in enumerate(column) if color != PAPER)
    top = max(height for height, color in enumerate(column) if color == PAPER and height < bottom - 50) + 1
    side = bottom - top + 1
    left = max(x for x in range(across) if picture.getpixel((x, top + 5)) == PAPER) + 1
    extent = float(first.PixelSpacing[0]) * first.Rows
    at = [(position - float(corner)) / extent for position, corner in zip(lesion[:2], first.ImagePositionPatient)]
    return round(left + at[0] * side), round(top + at[1] * side)


def framed(picture: Image.Image) -> bool:
    """Whether tiles that a network read have frames: cyan, which no tissue has."""
    # Left of the buttons and above the caption.
    red, green, blue = picture.crop((0, 70, 830, 690)).split()
    least = ImageChops.subtract(ImageChops.darker(green, blue), red).point(lambda value: 255 * (value > 40))
    return least.histogram()[255] > 1000


# verifies: REQ-CT-05, REQ-ACCESS-03
def test_from_name_to_result(clinic, phantoms):
    person, patient = clinic.person, phantoms[0]
    clinic.people()
    person.sees("Who are you?")
    person.keep("locked")
    # Two CTs say this patient: a person picks.
    clinic.exports("first", patient)
    clinic.exports("second", phantoms[1], PatientID=patient["patient_id"], StudyDate="20260112")
    clinic.unlocks("operator")
    person.sees("No case today")
    person.keep("home")
    opens_a_case(person, patient["patient_id"])
    person.sees("A CT or a field is needed first")
    person.keep("draft")

    person.touches("Choose the CT")
    person.sees("Compare the identifier")
    person.sees("12 Jan 2026")
    person.keep("choosing")
    person.touches("5 Jan 2026")
    person.sees("Set the lesion here")
    person.settled()
    person.keep("ct")
    person.touches("Suggest")
    person.settled()
    person.keep("ct-suggested")
    person.touches("Mediast.")
    person.touches("Coronal")
    person.keep("ct-coronal")
    person.touches("Axial")
    person.touches("Lung")
    place = to_the_lesion(person, patient)
    before = person.settled()
    person.tap(*place)
    person.changed(before)
    person.keep("ct-marked")
    person.touches("Set the lesion here")
    person.settled()
    person.keep("ct-set")
    person.touches("Back")
    person.sees("There is a CT with a marked lesion")
    person.keep("draft-ct")

    person.touches("To the microscope")
    person.sees("Sharp, with tissue: take it")
    assert not framed(person.picture())
    person.touches("Where it looks", moving=True)
    person.sees("Preview with where the network looks")
    until(lambda: framed(person.picture()), 30)
    person.keep("microscope-heat")
    person.touches("Where it looks", moving=True)
    person.sees("Preview: nothing of it is kept")
    until(lambda: not framed(person.picture()), 30)
    for taken, corner in enumerate([(0, 0), (620, 30)], 1):
        clinic.stage.corner = corner
        person.sees("Sharp, with tissue: take it")
        person.keep("microscope")
        person.touches("Take this field", moving=True)
        person.sees("One field" if taken == 1 else f"{taken} fields")
        person.sees("This place was taken: move on")
        person.keep("microscope-taken")
    # The third is taken by itself, where the slide rests on something that was not taken.
    person.touches("Auto", moving=True)
    person.sees("This place was taken: move on")
    assert clinic.asked("show", case="H000001")["fields"] == 2
    clinic.stage.corner = (1140, 400)
    person.sees("3 fields")
    person.keep("microscope-auto")
    person.touches("Back", moving=True)
    person.sees("3 fields were taken")
    person.keep("draft-whole")
    person.touches("Have it assessed")
    person.sees("The case is being assessed")
    person.keep("processing")
    person.sees("The evidence favours")
    person.settled()
    person.keep("result")

    shown = clinic.asked("show", case="H000001")
    report = shown["report"]
    assert shown["identity"] == [patient["patient_id"], SECOND]
    assert shown["metadata"] == {"age": 63.0, "sex": "female", "smoking": "former", "specimen": "biopsy"}
    assert shown["origin"]["study-date"] == "2026-01-05" and shown["fields"] == 3
    assert math.dist(report["ct"]["lesion_lps_mm"], patient["lesion"]) < 4, "what was touched is what was read"
    assert not report["ct"]["lesion_suggested"]
    fused = dict(zip(report["classes"], report["fused"]["probabilities"]))
    best = max(fused, key=fused.get)
    person.sees(f"The evidence favours: {CLASSES[best]} ({percent(fused[best])})")
    for name, words in CLASSES.items():
        assert percent(fused[name]) in person.line(words), (words, person.line(words))
    for tab in ("Where it looked", "Limits"):
        person.touches(tab)
        person.settled()
        person.keep(tab.lower().replace(" ", "-"))

    def disagrees() -> None:
        person.touches("Your opinion")
        person.touches("I disagree")
        person.type(REASON)
        person.touches("Keep my opinion")
        person.settled()

    disagrees()
    person.sees("Your role may not do this")
    person.keep("opinion-denied")
    person.touches("Close")
    person.touches("Lock")
    clinic.unlocks("reviewer")
    person.sees("Device")
    person.settled()
    person.keep("home-of-reviewer")
    person.touches("H000001")
    person.sees("The evidence favours")
    disagrees()
    person.sees("The evidence favours")
    person.keep("opinion-kept")
    review = clinic.asked("show", case="H000001")["review"]
    assert (review["agrees"], review["reason"]) == (False, REASON)

    person.touches("Export")
    person.touches("Without identifiers")
    person.keep("export")
    person.touches("Write the file")
    person.sees("The case was written and read back")
    person.keep("exported")
    (written,) = clinic.stick.glob("*.tar")
    checked = subprocess.run([HILUM, "store", "check", written, "--json"], check=True, capture_output=True)
    checked = json.loads(checked.stdout)
    assert (checked["kind"], checked["case"], checked["identity"]) == ("case", "H000001", False)
    person.touches("Close")
    person.touches("Lock")
    person.sees("Who are you?")
    person.does_not_see(patient["patient_id"])
    assert clinic.appliance.stop() == 0


def test_a_ct_that_comes_is_seen_at_once(clinic, phantoms):
    """Whoever has opened a case waits at its page: the only CT of this patient goes to it by itself."""
    person = clinic.person
    opens_a_case(person, phantoms[1]["patient_id"])
    person.sees("No CT yet")
    clinic.exports("later", phantoms[1])
    person.sees("There is a CT. No lesion is marked")
    person.keep("draft")


# verifies: REQ-RESULT-07
def test_a_refusal_is_no_result(clinic, phantoms, tmp_path):
    """A colleague took the fields and went; whoever hands the case over reads why it is none."""
    person, blurred = clinic.person, tmp_path / "blurred.png"
    field = Image.open(sorted(phantoms[0]["he"].glob("*.png"))[0])
    field.filter(ImageFilter.GaussianBlur(12)).save(blurred)
    with clinic.appliance.desk() as desk:
        case = desk.open_case("4711", SECOND, age=63, sex="male", smoking="never", specimen="resection")["case"]
        desk.fields(case, blurred, um_per_px=0.5)
    person.touches(case)
    person.sees("One field was taken")
    person.keep("draft")
    person.touches("Have it assessed")
    person.sees("These images must not be scored")
    person.settled()
    person.keep("refusal")
    person.sees("The image is out of focus.")
    person.sees("What to do")
    person.sees("Turn the fine focus")
    person.does_not_see("The evidence favours")
    assert "%" not in person.text(), "no figure of a result"
    person.touches("Close")
    person.sees("refused")
    person.keep("home")


# verifies: REQ-ACCESS-02
def test_wrong_pins_open_nothing(clinic):
    person = clinic.person
    clinic.people()
    clinic.asked("open", first="4711", second=SECOND, age=None, sex=None, smoking=None, specimen=None)
    for _ in range(2):
        clinic.unlocks("operator", "350918")
        person.sees("The PIN is wrong")
    person.keep("wrong")
    clinic.unlocks("operator", "350918")
    person.sees("The PIN is wrong", "Too many wrong PINs")
    # Even the right one has to wait now.
    clinic.unlocks("operator")
    person.sees("Too many wrong PINs")
    person.keep("wait")
    person.does_not_see("4711")
    person.does_not_see("H000001")
    # Whoever else has a PIN is not kept out.
    clinic.unlocks("reviewer")
    person.sees("4711")
    person.keep("home")
