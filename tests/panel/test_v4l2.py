"""The microscope's camera by Video4Linux: the kernel's own simulated one (vivid), which can be busy and pulled out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from eyes import places, read
from guest import Guest, until
from test_card import HANDS

SITE = """
[control]
every-h = 0
[store]
watermark-mb = 64
[panel]
display = "auto"
[camera]
uri = "v4l2:/dev/video0"
size = [640, 480]
rate-hz = 10
"""
DRIVER = "/sys/bus/platform/drivers/vivid"
# The bars of its picture at three quarters, from the left.
BARS = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191)]


@pytest.fixture(scope="module")
def camera(opened) -> Guest:
    guest = opened(["virtio-gpu-pci,xres=1280,yres=800", *HANDS], "load=virtio-gpu")
    # Inputs: a webcam. Nodes: one that gives pictures, one that takes them.
    guest.do(
        "for module in $(grep -v ^vivid /modules/vivid.list); do insmod /modules/$module 2>/dev/null; done\n"
        "insmod /modules/vivid.ko n_devs=1 num_inputs=1 input_types=0x0 node_types=0x101"
    )
    return guest


def status(guest: Guest) -> dict:
    return json.loads(guest.do(f"hilum status --json --socket /run/{guest.started}/run/hilum.sock"))


def starts(guest: Guest, more: str = "", node: str = "/dev/video0") -> None:
    guest.start(f"{SITE}{more}".replace("/dev/video0", node))
    until(lambda: guest.do(f"[ -S /run/{guest.started}/run/hilum.sock ] && echo there || true"), "the daemon answers")


def comes(guest: Guest) -> dict:
    return until(lambda: (said := status(guest))["camera"] is True and said, "pictures come")


def fails(guest: Guest, fault: str) -> None:
    until(lambda: status(guest)["camera-fault"] == fault, fault)


def touches(guest: Guest, words: str, then: str) -> None:
    """Touches what stands on the panel until something else does: a page that has just come takes no touch."""
    place = until(lambda: places(read(guest.frame()), words), words)[-1]

    def answered() -> bool:
        guest.point(*place, down=True)
        guest.point(*place, down=False)
        return bool(places(read(guest.frame()), then))

    until(answered, then)


def test_its_picture_is_on_the_panel(camera):
    starts(camera, "gain = 77\nexposure-ms = 10\n")
    comes(camera)
    assert camera.do("v4l2-ctl -d /dev/video0 --get-ctrl gain,gain_automatic") == "gain: 77\ngain_automatic: 0\n"
    # It has no exposure: that is said, and pictures come.
    camera.says("the camera does not take what the board says")
    socket = f"--socket /run/{camera.started}/run/hilum.sock"
    case = json.loads(camera.do(f"hilum case open --first 4711 --second 815 --json {socket}"))["case"]
    # Every instruction is emulated: the networks take minutes to be proved. Until then nothing is taken.
    denied = camera.do(f"hilum case capture {case} {socket} 2>&1 || true")
    assert "the networks are not loaded" in denied, denied
    touches(camera, case, "To the microscope")
    touches(camera, "To the microscope", "Preview: nothing of it is kept")

    def bars() -> bool:
        pixels = np.asarray(camera.frame()).astype(int)
        middles = []
        for bar in BARS:
            _, columns = np.nonzero((np.abs(pixels - bar) < 12).all(axis=2))
            if len(columns) < 2000:
                return False
            middles.append(np.median(columns))
        return middles == sorted(middles)

    until(bars, "the bars are on the panel, from left to right")
    camera.shows()


def test_one_that_is_busy_is_waited_for(camera):
    # The daemon of the test before has let go of it, and the other has it: it prints a "<" for each picture.
    camera.stop()
    camera.do(
        "v4l2-ctl -d /dev/video0 --stream-mmap --stream-to=/dev/null >/run/said 2>&1 &\necho $! >/run/other\n"
        "while ! grep -q '<' /run/said; do [ -d /proc/$(cat /run/other) ] || exit 1; usleep 20000; done"
    )
    starts(camera)
    fails(camera, "busy")
    camera.do("kill $(cat /run/other)")
    comes(camera)


# verifies: REQ-SERVICE-04
def test_one_that_is_pulled_out_comes_back(camera):
    starts(camera)
    comes(camera)
    camera.do(f"echo vivid.0 >{DRIVER}/unbind")
    fails(camera, "absent")
    camera.do(f"echo vivid.0 >{DRIVER}/bind")
    comes(camera)


def test_what_the_driver_says_is_damaged_is_left_out(camera):
    starts(camera)
    comes(camera)
    # A picture that is marked; then none comes any more, and it is opened again.
    for error in ("inject_v4l2_buf_flag_error", "inject_fatal_streaming_error"):
        camera.do(f"v4l2-ctl -d /dev/video0 --set-ctrl {error}=1")
    camera.says("no camera")
    comes(camera)


def test_a_node_that_gives_no_pictures_is_named(camera):
    starts(camera, node="/dev/video1")
    fails(camera, "no-usable-format")
