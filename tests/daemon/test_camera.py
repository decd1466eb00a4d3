"""Cameras that come, go, hang and lie: each is named, and what they give is analysed only when it is a picture of now."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from appliance import Appliance, Denied, until
from lens import Lens, Pictures
from PIL import Image

# A camera is back within so many seconds after it is there again.
BACK_S = 3.0
PATIENCE_S = 20.0


@pytest.fixture(scope="session")
def slide(phantoms) -> Path:
    return sorted(phantoms[0]["he"].glob("*.png"))[0]


@pytest.fixture
def pictures(slide) -> Pictures:
    return Pictures(slide)


def box_of(appliance, uri: str, more: str = "um-per-px = 0.5") -> Appliance:
    return appliance(f"[camera]\nuri = {uri!r}\n{more}\n")


def there(box: Appliance, patience_s: float = PATIENCE_S) -> float:
    began = time.monotonic()
    box.until(lambda status: status["camera"] is True, patience_s)
    return time.monotonic() - began


def fault(box: Appliance, code: str, patience_s: float = PATIENCE_S) -> None:
    box.until(lambda status: status["camera"] is False and status["camera-fault"] == code, patience_s)


def captured(box: Appliance, case: str) -> dict:
    with box.desk() as desk:
        return desk.ask("capture", case=case)


def opened(box: Appliance, name: str = "P1") -> str:
    with box.desk() as desk:
        return desk.open_case(name)["case"]


def denied(box: Appliance, case: str) -> str:
    with pytest.raises(Denied) as no:
        captured(box, case)
    return f"{no.value.exit} {no.value}"


# verifies: REQ-SLIDE-05, REQ-SERVICE-04
def test_a_stream_that_stalls_is_cut_repeats_itself_and_comes_back(appliance, pictures):
    with Lens(pictures) as lens:
        box = box_of(appliance, lens.uri).start()
        there(box)
        case = opened(box)
        for mode, code in [
            ("stall", "stalled"),
            ("same", "frozen"),
            ("truncated", "damaged"),
            ("noise", "stalled"),
            ("placeholder", "stalled"),
            ("busy", "answered"),
            ("page", "no-usable-format"),
            ("silent", "stalled"),
        ]:
            lens.mode = mode
            if mode == "page":
                # The stream that is open ends first.
                lens.mode = "end"
                box.until(lambda status: status["camera"] is False, PATIENCE_S)
                lens.mode = mode
            fault(box, code)
            assert denied(box, case).startswith("75 ")
            lens.mode = "well"
            assert there(box, BACK_S + 2) <= BACK_S, mode
        assert captured(box, case)["fields"] == 1


# verifies: REQ-SERVICE-04
def test_a_camera_that_is_unplugged_and_plugged_in(appliance, pictures):
    with Lens(pictures) as lens:
        box = box_of(appliance, lens.uri).start()
        there(box)
        port = lens.port
    fault(box, "absent", 5)
    box.networks()
    pid = box.process.pid
    before, began = cpu_s(pid), time.monotonic()
    time.sleep(5)
    share = (cpu_s(pid) - before) / (time.monotonic() - began)
    assert share < 0.05, f"{share:.1%} of a core without a camera"
    with Lens(pictures, port=port):
        assert there(box, BACK_S + 2) <= BACK_S


def cpu_s(pid: int) -> float:
    """Processor time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# verifies: REQ-INPUT-01
def test_corrupt_pictures_end_nothing(appliance, pictures):
    with Lens(pictures, rate_hz=40) as lens:
        box = box_of(appliance, lens.uri).start()
        there(box)
        case = opened(box)
        lens.mode = "corrupt"
        seen = lens.served
        until(lambda: lens.served > seen + 100)
        lens.mode = "well"
        there(box)
        seen = lens.served
        until(lambda: lens.served > seen + 3)
        assert captured(box, case)["fields"] == 1
        assert box.until(lambda status: True)["parts-restarted"] == 0


def test_the_size_changes_while_it_is_watched(appliance, slide):
    pictures = Pictures(slide, (640, 480))
    with Lens(pictures) as lens:
        box = box_of(appliance, lens.uri).start()
        there(box)
        case = opened(box)
        assert captured(box, case)["fields"] == 1
        pictures.corner, pictures.size = (280, 300), (600, 560)
        seen = lens.served
        until(lambda: lens.served > seen + 5)
        assert captured(box, case)["fields"] == 2


def test_one_picture_for_each_asking(appliance, pictures):
    with Lens(pictures, kind="snapshot") as lens:
        box = box_of(appliance, lens.uri, "um-per-px = 0.5\nrate-hz = 10").start()
        there(box)
        asked = lens.asked
        until(lambda: lens.asked >= asked + 5)
        assert captured(box, opened(box))["fields"] == 1


def test_a_stream_that_is_too_large_is_named(appliance, slide):
    class Large(Pictures):
        def pixels(self):
            return np.zeros((3000, 4000, 3), np.uint8)

    with Lens(Large(slide), rate_hz=5) as lens:
        box = box_of(appliance, lens.uri).start()
        fault(box, "too-large")
        assert denied(box, opened(box)).startswith("75 ")


def writer(folder: Path, pictures: Pictures, how: str) -> str:
    """A command that writes pictures to its standard output, as gst-launch does."""
    frames = folder / "frames"
    frames.mkdir()
    for number in range(40):
        pixels = pictures.pixels()
        data = {"mjpeg": lambda: pictures.jpeg(pixels), "rgb": pixels.tobytes, "bgr": pixels[:, :, ::-1].tobytes}[how]()
        (frames / f"{number:03}").write_bytes(data)
    program = folder / "camera.py"
    program.write_text(
        "import pathlib, sys, time\n"
        f"frames = [path.read_bytes() for path in sorted(pathlib.Path({str(frames)!r}).iterdir())]\n"
        "while True:\n"
        "    for frame in frames:\n"
        "        sys.stdout.buffer.write(frame)\n"
        "        sys.stdout.buffer.flush()\n"
        "        time.sleep(0.05)\n"
    )
    return f"exec:{shlex.join([sys.executable, str(program)])}"


@pytest.mark.parametrize("how", ["mjpeg", "rgb", "bgr"])
def test_a_command_that_writes_pictures(appliance, folder, pictures, how):
    more = "um-per-px = 0.5" + ("" if how == "mjpeg" else f'\nraw = "{how}"\nsize = [640, 480]')
    box = box_of(appliance, writer(folder, pictures, how), more).start()
    there(box)
    case = opened(box)
    assert captured(box, case)["fields"] == 1
    assert box.stop() == 0
    # What it started ends with it.
    running = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(folder) in path.read_bytes().decode(errors="replace")]
    assert not running


def test_a_command_that_ends_is_started_again(appliance, folder, pictures):
    jpeg = folder / "one"
    jpeg.write_bytes(pictures.jpeg() + pictures.jpeg())
    box = box_of(appliance, f"exec:cat {jpeg}; exit 3").start()
    fault(box, "ended")
    said = until(lambda: "exit status: 3" in box.said())
    assert said


# verifies: REQ-SERVICE-04
@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("v4l2:/dev/no-such-camera", "absent"),
        ("v4l2:/dev/null", "no-usable-format"),
        ("http://127.0.0.1:9/stream", "absent"),
        ("http://no-such-host.invalid/stream", "absent"),
        ("exec:/nonexistent/camera", "ended"),
        ("phantom:/nonexistent/slide.png", "absent"),
        ("dir:/nonexistent", "absent"),
    ],
)
def test_no_camera_is_named(appliance, uri, code):
    box = box_of(appliance, uri).start()
    fault(box, code)
    assert denied(box, opened(box)).startswith("75 ")
    assert box.stop() == 0


def test_a_slide_of_ones_own_under_the_simulated_stage(appliance, folder, slide):
    picture = folder / "slide.png"
    Image.open(slide).save(picture, dpi=(50_800, 50_800))
    box = appliance(f"[camera]\nuri = 'phantom:{picture}'\nsize = [480, 360]\n").start()
    there(box)
    assert captured(box, opened(box))["fields"] == 1
