"""The mirror's page in a real browser, with a panel that is not there."""

from __future__ import annotations

import io
import threading

import pytest
from person import Person
from PIL import Image


def seen(person: Person) -> Image.Image:
    return Image.open(io.BytesIO(person.screenshot())).convert("RGB")


def same(left: Image.Image, right: Image.Image) -> bool:
    return left.size == right.size and left.tobytes() == right.tobytes()


@pytest.fixture
def person(chromium, panel):
    """A person at a panel: both."""
    shown = panel()
    with Person(chromium, shown.address) as person:
        yield person.connected(), shown


# verifies: REQ-SCREEN-02
def test_every_pixel_is_the_panels(person):
    person, panel = person
    assert person.size() == (800, 480) and same(seen(person), panel.picture)
    noise = Image.effect_noise((70, 50), 90).convert("RGB")
    for x, y, piece, as_png in [
        (0, 0, Image.new("RGB", (1, 1), (1, 2, 3)), False),
        (799, 479, Image.new("RGB", (1, 1), (255, 0, 254)), False),
        (10, 20, noise, True),
        (300, 100, noise, False),
    ]:
        before = person.serial()
        panel.paint(x, y, piece, as_png)
        person.changed(before)
        assert same(seen(person), panel.picture), (x, y, as_png)
    assert f"seen {panel.serial}" in panel.said


# verifies: REQ-SCREEN-02
def test_taps_are_where_they_are_made(person):
    person, panel = person
    for x, y in [(0, 0), (799, 479), (400, 240), (17, 333)]:
        person.tap(x, y)
        panel.heard(f"down 0 {x} {y}", f"up 0 {x} {y}")
    assert all(trusted for what, _, trusted in person.watched() if what.startswith("pointer"))


def test_a_window_of_any_shape_has_the_whole_panel(chromium, panel):
    shown = panel((720, 1280))
    for window in [(1280, 500), (500, 1000)]:
        with Person(chromium, shown.address, window) as person:
            person.connected()
            for x, y in [(0, 0), (719, 1279), (100, 900)]:
                shown.said.clear()
                person.tap(x, y)
                person.until(lambda: [said for said in shown.said if said.startswith("up")], "the tap was heard")
                _, _, across, down = next(said for said in shown.said if said.startswith("down")).split()
                # A pixel of the panel may be smaller than one of the window.
                assert abs(int(across) - x) <= 3 and abs(int(down) - y) <= 3


def test_a_drag_is_a_way(person):
    person, panel = person
    person.drag((100, 100), (300, 200))
    person.until(lambda: any(said.startswith("up") for said in panel.said), "the drag ended")
    said = [words for words in panel.said if not words.startswith("seen")]
    assert said[0] == "down 0 100 100" and said[-1] == "up 0 300 200"
    assert len(said) >= 3 and all(words.startswith("move 0 ") for words in said[1:-1])


def test_a_drag_goes_on_beside_the_panel(person):
    person, panel = person
    person.drag((5, 240), (-15, 240), 3)
    person.until(lambda: any(said.startswith("up") for said in panel.said), "the drag ended")
    assert panel.said[-1] == "up 0 -15 240", "the device sees to what is outside"
    panel.said.clear()
    person.tap(-10, 240)
    person.tap(7, 7)
    panel.heard("down 0 7 7", "up 0 7 7")


def test_fingers_are_told_apart_at_phone_size(chromium, panel):
    shown = panel()
    with Person(chromium, shown.address, (390, 844), phone=True) as person:
        person.connected()
        assert person.run("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
        person.fingers((100, 100), (600, 300))
        person.fingers((120, 100), (600, 320), kind="touchMove")
        person.fingers(kind="touchEnd")
        person.until(lambda: sum(said.startswith("up") for said in shown.said) == 2, "two fingers were lifted")
        words = [said.split()[:2] for said in shown.said if not said.startswith("seen")]
        assert words[:2] == [["down", "0"], ["down", "1"]] and words[-2:] == [["up", "0"], ["up", "1"]]
        shown.said.clear()
        person.fingers((100, 100))
        person.fingers(kind="touchCancel")
        person.until(lambda: any(said.startswith("lost 0") for said in shown.said), "the finger was lost")


def test_keys_reach_the_panel(person):
    person, panel = person
    person.type("A7é ")
    for key in ["Enter", "Tab", "Shift-Tab", "Backspace", "Escape"]:
        person.key(key)
    panel.heard(
        "text A", "text 7", "text é", "text  ", "key enter", "key next", "key previous", "key backspace", "key escape"
    )


def test_who_looks_does_nothing_and_may_take_over(person):
    person, panel = person
    panel.tell(writing=False)
    person.until(lambda: person.state() == "looking", "somebody else works")
    assert "Only looking" in person.words()
    person.tap(5, 5)
    person.type("x")
    person.run("document.getElementById('take').click()")
    panel.heard("take")
    panel.tell(writing=True, locked=True)
    person.until(lambda: "locked" in person.words(), "it is said that the panel is locked")
    assert person.run("document.getElementById('take').hidden")


def test_a_page_that_was_cut_off_says_so_and_comes_back(person):
    person, panel = person
    panel.hang_up()
    person.until(lambda: "Disconnected" in person.words(), "it is said")
    assert person.state() == "off"
    panel.paint(3, 3, Image.new("RGB", (9, 9), "red"))
    person.until(lambda: person.state() == "writing" and same(seen(person), panel.picture), "it is back")


def test_without_sockets_it_works_by_requests(chromium, panel):
    shown = panel(sockets=False)
    with Person(chromium, shown.address) as person:
        person.connected()
        person.until(lambda: same(seen(person), shown.picture), "the picture is there")
        person.tap(40, 50)
        person.type("7")
        shown.heard("down 0 40 50", "up 0 40 50", "text 7")
        shown.paint(3, 3, Image.new("RGB", (9, 9), "red"))
        person.until(lambda: same(seen(person), shown.picture), "the next picture is there")


def test_without_scripts_there_is_a_picture(chromium, panel):
    shown = panel()
    with Person(chromium, shown.address) as person:
        person.ask("Emulation.setScriptExecutionDisabled", value=True)
        person.ask("Page.navigate", url=f"http://{shown.address}/")
        # The page's own scripts do not run; this one is the browser's.
        person.until(lambda: person.run("document.getElementById('still')?.naturalWidth") == 800, "the picture is there")
        assert not any(said.startswith("seen") for said in shown.said[1:])


def test_tap_to_paint_is_measured(person):
    person, panel = person
    def react() -> None:
        panel.heard("down 0 100 100", "up 0 100 100")
        panel.paint(90, 90, Image.new("RGB", (20, 20), "blue"))

    reacting = threading.Thread(target=react)
    reacting.start()
    took = person.tap_to_paint_ms(100, 100)
    reacting.join()
    assert took > 0
    assert person.settled() == str(panel.serial)
