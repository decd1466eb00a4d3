"""The panel at graphics cards: pixels, fingers, keys, cables."""

from __future__ import annotations

import numpy as np
import pytest
from guest import Guest, until
from PIL import Image

TABLET = {"driver": "virtio-tablet-pci", "id": "tablet", "bus": "socket"}
# What is unplugged hangs at a socket of its own.
HANDS = ["pcie-root-port,id=socket", "virtio-tablet-pci,id=tablet,bus=socket", "virtio-keyboard-pci"]
SITE = "[control]\nevery-h = 0\n[panel]\n"
# Colours of src/screen/theme.rs.
KEY, PRESSED, CALL = (50, 60, 74), (90, 106, 128), (24, 94, 168)
PIN = "194603"
TURNS = {
    0: lambda frame: frame,
    90: lambda frame: frame.transpose(Image.Transpose.ROTATE_270),
    180: lambda frame: frame.transpose(Image.Transpose.ROTATE_180),
    270: lambda frame: frame.transpose(Image.Transpose.ROTATE_90),
}


@pytest.fixture(scope="module")
def virtio(opened) -> Guest:
    return opened(["virtio-gpu-pci,xres=800,yres=480", *HANDS], "load=virtio-gpu")


@pytest.fixture(scope="module")
def bochs(opened) -> Guest:
    return opened(["VGA,xres=800,yres=600", *HANDS], "load=bochs")


def squares(picture: Image.Image, color: tuple[int, int, int]) -> list[tuple[int, int]]:
    """The middles of all squares of a colour that are inside of something that is touched, from the top."""
    edge = 16
    same = (np.asarray(picture) == color).all(axis=2).astype(int)
    sums = np.pad(same.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    full = sums[edge:, edge:] - sums[:-edge, edge:] - sums[edge:, :-edge] + sums[:-edge, :-edge] == edge * edge
    rows, columns = np.nonzero(full)
    return [(int(x) + edge // 2, int(y) + edge // 2) for x, y in zip(columns, rows, strict=True)]


def opens(guest: Guest, site: str = "", device: str = "QEMU Virtio Tablet") -> Image.Image:
    """Starts the daemon. Gives the first page, which is open to everybody."""
    guest.start(f'{SITE}display = "auto"\n{site}')
    guest.says('an input device="QEMU Virtio Keyboard"')
    guest.says(f'an input device="{device}"')
    return until(lambda: squares(frame := guest.frame(), CALL) and frame, "the panel is open")


def key(page: Image.Image) -> tuple[int, int]:
    """Where something can be touched: the lowest key of a page."""
    return squares(page, KEY)[-1]


def title(page: Image.Image) -> bytes:
    """What a page is called."""
    return page.crop((0, 0, 300, 60)).tobytes()


def held(guest: Guest, down, lift, at: tuple[int, int]) -> None:
    """Has a finger on a key. A page that has just come takes no touch, so it may take some."""

    def pressed() -> bool:
        down()
        try:
            until(lambda: guest.frame().getpixel(at) == PRESSED, "the key is pressed", 5)
        except AssertionError:
            lift()
            return False
        return True

    until(pressed, "a finger is felt")


def let_go(guest: Guest, at: tuple[int, int], page: Image.Image) -> None:
    """Waits until a key is held no longer, without having done anything."""
    until(lambda: guest.frame().getpixel(at) == KEY, "the key is let go of")
    assert title(guest.frame()) == title(page)


def goes_on(guest: Guest, page: Image.Image) -> Image.Image:
    """Waits for another page."""
    return until(lambda: title(frame := guest.frame()) != title(page) and frame, "another page comes")


# verifies: REQ-SCREEN-02
@pytest.mark.parametrize("turn", TURNS)
def test_pixels_and_fingers_are_where_they_belong(virtio, turn):
    page = opens(virtio, f"rotation = {turn}\n")
    assert page.size == ((480, 800) if turn % 180 else (800, 480))
    turned = TURNS[turn]
    virtio.shows(turned)
    x, y = key(page)
    # Where that pixel of the picture is on the display: it alone is white.
    mark = Image.new("L", page.size)
    mark.putpixel((x, y), 255)
    [row], [column] = np.nonzero(np.asarray(turned(mark)))
    at = int(column), int(row)
    held(virtio, lambda: virtio.point(*at, down=True), lambda: virtio.point(*at, down=False), (x, y))
    virtio.shows(turned)
    virtio.point(*at, down=False)
    goes_on(virtio, page)
    virtio.shows(turned)


def test_a_pin_is_touched_and_typed(virtio):
    page = opens(virtio)
    virtio.do(f"HILUM_NEW_PIN={PIN} hilum pin set administrator --socket /run/{virtio.started}/run/hilum.sock")
    locked = goes_on(virtio, page)
    at = key(locked)
    held(virtio, lambda: virtio.point(*at, down=True), lambda: virtio.point(*at, down=False), at)
    virtio.point(*at, down=False)
    until(lambda: virtio.frame().getpixel(at) == KEY, "the key is let go of")
    assert virtio.shows().tobytes() != locked.tobytes(), "a digit was typed"
    for name in ["backspace", *PIN, "ret"]:
        virtio.key(name)
    goes_on(virtio, locked)
    virtio.shows()


def test_a_tablet_that_is_unplugged_leaves_no_finger_behind(virtio):
    page = opens(virtio)
    at = key(page)
    down, up = (lambda: virtio.point(*at, down=True)), (lambda: virtio.point(*at, down=False))
    held(virtio, down, up, at)
    virtio.monitor.unplug("tablet")
    virtio.says('an input went away device="QEMU Virtio Tablet"')
    let_go(virtio, at, page)
    virtio.monitor.do("device_add", **TABLET)
    virtio.says('an input device="QEMU Virtio Tablet"', 2)
    held(virtio, down, up, at)
    up()
    goes_on(virtio, page)


def test_twelve_fingers_and_more_events_than_the_kernel_keeps(virtio):
    virtio.do("rm -f /run/fingers; mkfifo /run/fingers; multitouch 12 7999 </run/fingers & sleep 1000 >/run/fingers &")
    page = opens(virtio, device="a touch screen")
    x, y = at = key(page)
    on = f"mx={10 * x + 5} my={(8000 * y + 4000) // 480}"

    def tell(words: str) -> None:
        virtio.do(f"echo '{words}' >/run/fingers")

    # Eleven fingers beside everything, and the twelfth on a key.
    tell(" ".join(f"slot={slot} id={slot} mx=3 my=7990" for slot in range(11)) + " report")
    held(virtio, lambda: tell(f"slot=11 id=77 {on} report"), lambda: tell("slot=11 id=-1 report"), at)
    # Nobody listens for a while, and the kernel keeps some hundred events: what follows is about nothing that is known.
    virtio.do("kill -STOP $(cat /run/pid)")
    tell("\n".join(f"slot=11 mx={3 + step % 9} my={4 + step % 7} report" for step in range(2000)))
    virtio.do("kill -CONT $(cat /run/pid)")
    virtio.says("events of an input were lost")
    let_go(virtio, at, page)
    tell(" ".join(f"slot={slot} id=-1" for slot in range(12)) + " report")
    # The next touch counts; the kernel says only what of it is new.
    held(virtio, lambda: tell(f"slot=5 id=99 {on} report"), lambda: tell("slot=5 id=-1 report"), at)
    tell("slot=5 id=-1 report")
    goes_on(virtio, page)
    virtio.do("killall sleep")
    virtio.says('an input went away device="a touch screen"')


def test_a_cable_is_pulled_and_plugged_in(virtio):
    virtio.start(f'{SITE}display = "auto"\n')
    virtio.shows()
    status = "/sys/class/drm/card0-Virtual-1/status"
    virtio.do(f"echo off >{status}")
    virtio.says("the display went away")
    virtio.says("no display is connected")
    # What is typed now is nobody's: it would be the console's, which has the keyboard again.
    virtio.key("tab")
    virtio.do(f"echo detect >{status}")
    virtio.says("a display name=", 2)
    virtio.says('an input device="QEMU Virtio Keyboard"', 2)
    virtio.shows()


def test_a_smaller_picture_is_in_the_middle(virtio):
    status = "/sys/class/drm/card0-Virtual-1/status"
    virtio.do(f"echo off >{status}")
    virtio.start(f'{SITE}display = "auto"\nsize = [600, 320]\n')
    virtio.says("no display is connected")
    virtio.do(f"echo detect >{status}")

    def framed(frame: Image.Image) -> Image.Image:
        display = Image.new("RGB", (800, 480))
        display.paste(frame, (100, 80))
        return display

    assert virtio.shows(framed).size == (600, 320)


def test_a_display_has_the_size_that_the_board_says(virtio):
    virtio.start(f'{SITE}display = "/dev/dri/card0"\nsize = [1024, 768]\n')
    virtio.says("width=1024 height=768")
    assert virtio.shows().size == (1024, 768)


def test_a_card_that_another_program_has_is_waited_for(virtio):
    virtio.stop()
    # Whoever opens a card first is its master.
    virtio.do("sh -c 'exec 3<>/dev/dri/card0; echo $$ >/run/master; exec sleep 1000' &\nusleep 200000")
    virtio.start(f'{SITE}display = "auto"\n')
    virtio.says("nothing is shown at this machine why=\"/dev/dri/card0 is another program's, or may not be used\"")
    assert "an input" not in virtio.log(), "what is typed is the other program's"
    virtio.do("kill $(cat /run/master)")
    virtio.says("a display name=")
    virtio.shows()
    assert virtio.log().count("another program's") == 1, "it is said once"


def test_pages_take_turns_where_nobody_wants_to_be_told(bochs):
    page = opens(bochs)
    assert page.size == (800, 600)
    # Each picture is drawn over the one before the last.
    for _ in range(5):
        bochs.key("tab")
        bochs.shows()
    at = key(page)
    held(bochs, lambda: bochs.point(*at, down=True), lambda: bochs.point(*at, down=False), at)
    bochs.shows()
    bochs.point(*at, down=False)
    goes_on(bochs, page)
    bochs.shows()


def test_the_display_is_given_back_at_the_end(bochs):
    bochs.start(f'{SITE}display = "auto"\n')
    shown = bochs.shows()
    bochs.stop()
    assert "did not close" not in bochs.log()
    until(lambda: bochs.screen().tobytes() != shown.tobytes(), "nothing of the panel is seen")
    assert not squares(bochs.screen(), CALL)
