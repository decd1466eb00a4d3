"""The microscope at work: what may become a field and what may not, how it is calibrated, and what is said of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from appliance import HILUM, ROOT, Appliance, Denied, until
from lens import Lens, Pictures
from pictures import UM_PER_PX, slides
from PIL import Image, ImageDraw, ImageFilter

UM = 0.5


@pytest.fixture(scope="session")
def slide(phantoms) -> Path:
    return sorted(phantoms[0]["he"].glob("*.png"))[0]


class Shown(Pictures):
    """Pictures that are changed before the sensor sees them."""

    how = staticmethod(lambda pixels: pixels)

    def pixels(self) -> np.ndarray:
        pixels = self.how(super().pixels().astype(float))
        return np.clip(pixels + self.random.normal(0, 1, pixels.shape), 0, 255).astype(np.uint8)


def box_of(appliance, lens: Lens, more: str = f"um-per-px = {UM}", site: str = "") -> Appliance:
    box = appliance(f"[camera]\nuri = '{lens.uri}'\n{more}\n{site}").start()
    box.until(lambda status: status["camera"] is True)
    box.networks()
    return box


def opened(box: Appliance, name: str = "P1") -> str:
    with box.desk() as desk:
        return desk.open_case(name)["case"]


def asked(box: Appliance, what: str, **fields) -> dict:
    with box.desk() as desk:
        return desk.ask(what, **fields)


def denied(box: Appliance, code: int, what: str, **fields) -> str:
    with pytest.raises(Denied) as no:
        asked(box, what, **fields)
    assert no.value.exit == code, no.value
    return str(no.value)


def newer(lens: Lens, pictures: int = 4) -> None:
    """Waits until what the camera shows now has arrived."""
    seen = lens.served
    until(lambda: lens.served > seen + pictures)


def skin(pixels: np.ndarray) -> np.ndarray:
    """As light and as detailed as the slide, in the colours of a hand."""
    light = pixels.mean(axis=2, keepdims=True)
    return light * np.array([1.15, 0.86, 0.68]) * 0.9


def blurred(pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(8))
    return np.asarray(image).astype(float)


def bars(pixels: np.ndarray) -> np.ndarray:
    """What a video source without a signal gives."""
    levels = np.array([[bool(bar & bit) * 191.0 for bit in (2, 4, 1)] for bar in range(7, -1, -1)])
    across = np.arange(pixels.shape[1]) * len(levels) // pixels.shape[1]
    return np.repeat(levels[None, across], pixels.shape[0], axis=0)


NO_FIELDS = {
    "black": (lambda pixels: pixels * 0.02, "too dark"),
    "glass": (lambda pixels: np.full_like(pixels, 240.0), "shows no tissue"),
    "grey": (lambda pixels: np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2), "no colour"),
    "colour bars": (bars, "no tissue that is stained"),
    "a hand": (skin, "no tissue that is stained"),
    "blue for red": (lambda pixels: pixels[:, :, ::-1], "red and blue exchanged"),
    "blurred": (blurred, "out of focus"),
}


# verifies: REQ-SLIDE-01, REQ-SLIDE-03
def test_what_is_no_field_is_named_and_not_taken(appliance, slide):
    pictures = Shown(slide)
    with Lens(pictures) as lens:
        box = box_of(appliance, lens)
        case = opened(box)
        for what, (how, why) in NO_FIELDS.items():
            pictures.how = how
            newer(lens)
            assert why in denied(box, 2, "capture", case=case), what
        assert asked(box, "show", case=case)["fields"] == 0
        pictures.how = lambda pixels: pixels
        newer(lens)
        assert asked(box, "capture", case=case)["fields"] == 1


# verifies: REQ-SLIDE-05
def test_a_place_is_taken_once(appliance, slide):
    pictures = Pictures(slide)
    with Lens(pictures) as lens:
        box = box_of(appliance, lens)
        case = opened(box)
        assert asked(box, "capture", case=case)["fields"] == 1
        for corner, why in [((0, 0), "field 1 shows"), ((90, 60), "field 1 shows")]:
            pictures.corner = corner
            newer(lens)
            assert why in denied(box, 2, "capture", case=case), corner
        pictures.corner = (256, 400)
        newer(lens)
        assert asked(box, "capture", case=case)["fields"] == 2
        # A field that was taken out may be taken again; a start forgets nothing.
        asked(box, "drop-field", case=case, index=0)
        assert box.stop() == 0
        box.start().until(lambda status: status["camera"] is True)
        newer(lens)
        assert "field 1 shows" in denied(box, 2, "capture", case=case)
        pictures.corner = (0, 0)
        newer(lens)
        assert asked(box, "capture", case=case)["fields"] == 2
        # Another patient's case knows nothing of it.
        assert asked(box, "capture", case=opened(box, "P2"))["fields"] == 1


def micrometer(path: Path, size: tuple[int, int], period: float) -> None:
    """A ruling of 10 µm: every fifth line is longer, every tenth longest."""
    image = Image.new("RGB", (4 * size[0], 4 * size[1]), (238, 238, 236))
    draw = ImageDraw.Draw(image)
    for number in range(int(size[0] / period) + 1):
        x = 4 * (5 + number * period)
        length = size[1] * (0.8 if number % 10 == 0 else 0.6 if number % 5 == 0 else 0.45)
        draw.rectangle([x - 5, 4 * size[1] * 0.05, x + 5, 4 * (size[1] * 0.05 + length)], fill=(40, 40, 42))
    image.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1)).save(path)


def run(box: Appliance, *words: object, code: int = 0, **environment: str) -> str:
    ended = subprocess.run(
        [HILUM, *map(str, words), "--socket", str(box.socket)],
        capture_output=True, text=True, timeout=60, env=os.environ | environment,
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    return ended.stdout + ended.stderr


# verifies: REQ-SLIDE-02
def test_an_objective_is_calibrated_and_one_that_is_not_is_refused(appliance, slide, tmp_path):
    pictures = Pictures(slide)
    with Lens(pictures) as lens:
        box = box_of(appliance, lens, 'objective = "20x"')
        case = opened(box)
        assert "scale" in denied(box, 2, "capture", case=case)
        assert "not calibrated" in run(box, "calibrate", "list")
        micrometer(tmp_path / "ruling.png", (640, 480), 20.06)
        measured = json.loads(
            subprocess.run([HILUM, "calibrate", "measure", tmp_path / "ruling.png", "--json"], capture_output=True, check=True).stdout
        )
        assert abs(measured["um-per-px"] / (10 / 20.06) - 1) < 0.005, measured
        said = run(box, "calibrate", "scale", "--objective", "20x", "--image", tmp_path / "ruling.png")
        assert said.startswith("20x: 0.498"), said
        newer(lens)
        assert asked(box, "capture", case=case)["fields"] == 1
        # Another size may be a crop: it was not calibrated.
        pictures.size = (600, 440)
        newer(lens)
        assert "scale" in denied(box, 2, "capture", case=case)
        pictures.size, pictures.corner = (640, 480), (250, 400)
        # Another objective has a scale of its own.
        micrometer(tmp_path / "coarse.png", (640, 480), 10.03)
        run(box, "calibrate", "scale", "--objective", "10x", "--image", tmp_path / "coarse.png")
        assert asked(box, "optics")["objective"] == "10x"
        assert "40x" not in run(box, "calibrate", "use", "40x", code=64).replace("40x is", "")
        run(box, "calibrate", "use", "20x")
        assert box.stop() == 0
        assert [entry["action"] for entry in box.audit()].count("calibrated") == 2
        box.start().until(lambda status: status["camera"] is True)
        newer(lens)
        optics = asked(box, "optics")
        assert optics["objective"] == "20x" and len(optics["calibrated"]) == 2
        assert asked(box, "capture", case=case)["fields"] == 2
        # What is no ruling is none: the slide that is under the camera.
        assert "no stage micrometer" in run(box, "calibrate", "scale", "--objective", "20x", code=2)


def test_the_light_is_made_even(appliance, slide):
    pictures = Shown(slide)
    height, width = 480, 640
    y, x = np.mgrid[0:height, 0:width]
    light = 1 - 0.35 * (((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) / 0.5)
    pictures.how = lambda pixels: np.full_like(pixels, 235.0) * light[:, :, None]
    with Lens(pictures) as lens:
        box = box_of(appliance, lens, 'objective = "20x"')
        said = run(box, "calibrate", "white", "--json")
        assert 1.3 < json.loads(said)["largest-gain"] < 1.7
        pictures.how = lambda pixels: pixels * light[:, :, None]
        newer(lens)
        # Tissue is no white field, and what was kept still holds.
        assert "clear glass" in run(box, "calibrate", "white", code=2)
        optics = asked(box, "optics")
        assert optics["objective"] == "20x"
        run(box, "calibrate", "white", "--forget")


# verifies: REQ-ACCESS-01
def test_only_an_administrator_calibrates(appliance, slide):
    with Lens(Pictures(slide)) as lens:
        box = box_of(appliance, lens, 'objective = "20x"')
        for role in ("operator", "administrator"):
            with box.desk() as desk:
                if role == "operator":
                    desk.ask("set-pin", role="administrator", pin="135790")
                desk.ask("login", role="administrator", pin="135790")
                if role == "operator":
                    desk.ask("set-pin", role="operator", pin="246801")
        words = ("calibrate", "white", "--role")
        assert "the operator may not do this" in run(box, *words, "operator", code=64, HILUM_PIN="246801")
        run(box, *words, "administrator", code=2, HILUM_PIN="135790")


@pytest.fixture(scope="session")
def real() -> Path:
    """Pictures of real slides, in a folder."""
    slides(ROOT / ".cache/real")
    return ROOT / ".cache/real"


@pytest.mark.parametrize("name", UM_PER_PX)
@pytest.mark.parametrize("camera", ["dir", "phantom"])
def test_real_slides_from_the_camera_to_the_result(appliance, real, folder, name, camera):
    """What a person takes of them is assessed."""
    shown = folder / "slides"
    shown.mkdir()
    shutil.copy(real / name, shown)
    path = shown if camera == "dir" else shown / name
    size = "size = [800, 600]\n" if camera == "phantom" else ""
    box = appliance(f"[camera]\nuri = '{camera}:{path}'\num-per-px = {UM_PER_PX[name]}\nrate-hz = 10\n{size}").start()
    box.until(lambda status: status["camera"] is True)
    box.networks()
    case = opened(box)

    def taken() -> bool:
        # The stage moves, and is out of focus now and then.
        try:
            return asked(box, "capture", case=case)["fields"] == 1
        except Denied as no:
            assert no.exit == 2, no
            return False

    until(taken, 30)
    asked(box, "submit", case=case)
    assert asked(box, "wait", case=case, seconds=60)["state"] == "assessed"
    (field,) = asked(box, "show", case=case)["report"]["he"]["fields"]
    width, height = Image.open(real / name).size
    if camera == "phantom":
        width, height = min(width, 800), min(height, 600)
    assert (field["verdict"], field["um_per_px"], field["width"], field["height"]) == ("ok", UM_PER_PX[name], width, height)
