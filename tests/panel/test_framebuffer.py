"""The panel where there is no graphics card, only the firmware's framebuffer; and what a box shows that cannot begin."""

from __future__ import annotations

import io

import numpy as np
import pytest
from guest import Guest, until
from PIL import Image
from test_card import HANDS, SITE

# Modes of the firmware: pixels, bits, its number.
MODES = {"32 bits": (800, 600, 32, 0x343), "16 bits": (800, 600, 16, 0x314)}


@pytest.fixture(scope="module", params=MODES)
def framed(opened, request) -> tuple[Guest, tuple[int, int, int]]:
    *layout, mode = MODES[request.param]
    return opened(["VGA", *HANDS], f"vga={mode}"), tuple(layout)


def kept(bits: int):
    """What of a picture so many bits a pixel can show, as QEMU spreads them to eight."""

    def keep(picture: Image.Image) -> Image.Image:
        if bits == 32:
            return picture
        pixels = np.asarray(picture)
        upper = [pixels[..., 0] >> 3, pixels[..., 1] >> 2, pixels[..., 2] >> 3]
        spread = [value << (8 - width) | value >> (2 * width - 8) for value, width in zip(upper, (5, 6, 5), strict=True)]
        return Image.fromarray(np.stack(spread, axis=2).astype(np.uint8))

    return keep


# verifies: REQ-SCREEN-02
def test_the_panel_is_on_the_framebuffer(framed):
    guest, (width, height, bits) = framed
    assert guest.do("cat /sys/class/graphics/fb0/bits_per_pixel; ls -d /dev/dri 2>/dev/null || true") == f"{bits}\n"
    guest.start(f'{SITE}display = "auto"\n')
    guest.says("/dev/fb0")
    assert guest.shows(kept(bits)).size == (width, height)
    guest.says('an input device="QEMU Virtio Keyboard"')
    before = guest.frame()
    guest.key("tab")
    until(lambda: guest.frame().tobytes() != before.tobytes(), "the focus moves")
    guest.shows(kept(bits))
    guest.stop()
    until(lambda: not np.asarray(guest.screen()).any(), "nothing of a patient stays there")


# verifies: REQ-SERVICE-03
def test_a_box_that_cannot_begin_says_why_on_its_display(framed):
    guest, (width, height, bits) = framed
    # Under a service manager it is a rescue.
    environment = "NOTIFY_SOCKET=/run/notify RUNTIME_DIRECTORY=/run/rescue"
    guest.start('[share]\nfolder = "relative"\n', board="rpi5", environment=environment)
    guest.says("/dev/fb0")
    guest.do("cp /run/rescue/rescue.png /share/rescue.png")
    page = Image.open(io.BytesIO((guest.share / "rescue.png").read_bytes())).convert("RGB")
    assert page.size == (width, height)
    until(lambda: kept(bits)(page).tobytes() == guest.screen().tobytes(), "the page is on the display")
