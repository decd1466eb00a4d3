"""A person at the mirror: sees the panel in a browser, taps on it, types."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

from chromium import Chromium

PATIENCE_S = 30.0
STEP_S = 0.02  # between two looks

# How the browser calls the keys that are no characters.
KEYS = {
    "Backspace": ("Backspace", 8, None),
    "Enter": ("Enter", 13, "\r"),
    "Tab": ("Tab", 9, None),
    "Shift-Tab": ("Tab", 9, None),
    "Escape": ("Escape", 27, None),
    "F6": ("F6", 117, None),
}
SHIFT = 8

# What happens on the page with its times: pointer and key events, and every picture that was drawn.
WATCH = """
(() => {
  const seen = [];
  window.watched = seen;
  const note = (what, event) => { seen.push([what, performance.now(), event.isTrusted]); if (seen.length > 10000) seen.shift(); };
  for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel", "keydown"])
    document.addEventListener(name, (event) => note(name, event), true);
  document.getElementById("live").addEventListener("painted", (event) => note("painted", event));
})();
"""

# Where a pixel of the panel is in the window: its middle.
PLACE = """
((x, y) => {
  const live = document.getElementById("live"), box = live.getBoundingClientRect();
  const scale = Math.min(box.width / live.width, box.height / live.height);
  return [box.left + (box.width - live.width * scale) / 2 + (x + 0.5) * scale,
          box.top + (box.height - live.height * scale) / 2 + (y + 0.5) * scale];
})
"""


class Person:
    """A tab of a browser on the mirror at `address`, such as 127.0.0.1:8733. Positions are pixels of the panel."""

    def __init__(
        self, driver: Chromium, address: str, window: tuple[int, int] = (1280, 900), phone: bool = False,
        before: str = "", patience_s: float = PATIENCE_S,
    ):
        """`before` is a script that runs before those of the page."""
        self.driver, self.address, self.patience_s = driver, address, patience_s
        self.context = driver.call("Target.createBrowserContext")["browserContextId"]
        self.target = driver.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = driver.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        width, height = window
        self.ask("Page.enable")
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        if phone:
            self.ask("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=5)
        # A tab that is not looked at draws no less.
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)
        if before:
            self.ask("Page.addScriptToEvaluateOnNewDocument", source=before)
        self.open()

    def ask(self, method: str, **parameters) -> dict:
        """The DevTools protocol, on this tab."""
        return self.driver.call(method, self.session, self.patience_s, **parameters)

    def run(self, script: str):
        """What a script on the page gives."""
        ended = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in ended, ended["exceptionDetails"]
        return ended["result"].get("value")

    def until(self, what: Callable[[], object], why: str):
        """Looks until `what` gives something that is true."""
        end = time.monotonic() + self.patience_s
        while not (found := what()):
            assert time.monotonic() < end, f"not within {self.patience_s} s: {why}; the page says: {self.words()}"
            time.sleep(STEP_S)
        return found

    # --- the page ---

    def open(self) -> None:
        """Opens the mirror, or opens it again."""
        self.ask("Page.navigate", url=f"http://{self.address}/")
        self.until(
            lambda: self.run(f"location.host === {self.address!r} && document.readyState === 'complete'"), "the page is there"
        )
        self.run(WATCH)

    def words(self) -> str:
        """What the page says beside the picture."""
        return self.run("(document.getElementById('state') || document.body).textContent.trim()")

    def state(self) -> str:
        """writing, looking, or off."""
        return self.run("document.getElementById('panel').dataset.state")

    def connected(self) -> Person:
        """Waits for the panel's first picture."""
        self.until(lambda: self.state() != "off" and self.serial(), "the panel is seen")
        return self

    def take(self) -> None:
        """Takes the control, as who only looks."""
        x, y = self.run(
            "(() => { const box = document.getElementById('take').getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        self._mouse("mousePressed", x, y, 1)
        self._mouse("mouseReleased", x, y, 0)
        self.until(lambda: self.state() == "writing", "the control was taken")

    # --- the picture ---

    def size(self) -> tuple[int, int]:
        """Width and height of the panel."""
        width, height = self.run("(({ width, height }) => [width, height])(document.getElementById('live'))")
        return width, height

    def serial(self) -> str:
        """Which picture is drawn; another after every change."""
        return self.run("document.getElementById('live').dataset.serial || ''")

    def screenshot(self) -> bytes:
        """The panel as it is drawn: a PNG of the panel's size."""
        text = self.run("document.getElementById('live').toDataURL('image/png')")
        return base64.b64decode(text.split(",", 1)[1])

    def window(self) -> bytes:
        """The whole window: a PNG of its size."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])

    def changed(self, since: str) -> str:
        """Waits for a picture after the one with the serial `since`."""
        return self.until(lambda: (now := self.serial()) != since and now, f"a picture after {since}")

    def settled(self, quiet_s: float = 0.3) -> str:
        """Waits until the picture has been the same for so long."""
        end = time.monotonic() + self.patience_s
        last, since = self.serial(), time.monotonic()
        while time.monotonic() - since < quiet_s:
            assert time.monotonic() < end, f"the picture changes all the time, for {self.patience_s} s"
            time.sleep(STEP_S)
            if (now := self.serial()) != last:
                last, since = now, time.monotonic()
        return last

    # --- hands ---

    def _place(self, x: float, y: float) -> tuple[float, float]:
        across, down = self.run(f"{PLACE}({x}, {y})")
        return across, down

    def _mouse(self, kind: str, x: float, y: float, buttons: int) -> None:
        button = "none" if kind == "mouseMoved" and not buttons else "left"
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=buttons, clickCount=1)

    def tap(self, x: int, y: int) -> None:
        """Touches a place and lets go."""
        across, down = self._place(x, y)
        self._mouse("mouseMoved", across, down, 0)
        self._mouse("mousePressed", across, down, 1)
        self._mouse("mouseReleased", across, down, 0)

    def drag(self, start: tuple[int, int], end: tuple[int, int], steps: int = 10) -> None:
        """Touches a place, moves to another, and lets go."""
        places = [
            self._place(start[0] + (end[0] - start[0]) * step / steps, start[1] + (end[1] - start[1]) * step / steps)
            for step in range(steps + 1)
        ]
        self._mouse("mousePressed", *places[0], 1)
        for place in places[1:]:
            self._mouse("mouseMoved", *place, 1)
        self._mouse("mouseReleased", *places[-1], 0)

    def fingers(self, *places: tuple[int, int], kind: str = "touchStart") -> None:
        """Fingers on a touch screen: touchStart and touchMove with where all of them are; touchEnd and touchCancel with none."""
        points = [dict(zip("xy", self._place(x, y)), id=number) for number, (x, y) in enumerate(places)]
        self.ask("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def key(self, name: str) -> None:
        """Presses one of `KEYS`."""
        key, code, text = KEYS[name]
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": SHIFT if "Shift" in name else 0}
        self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **common, **({"text": text} if text else {}))
        self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Types as a keyboard or a barcode scanner does."""
        for character in text:
            self.ask("Input.dispatchKeyEvent", type="keyDown", key=character, text=character)
            self.ask("Input.dispatchKeyEvent", type="keyUp", key=character)

    # --- time ---

    def watched(self) -> list[list]:
        """What happened on the page since the last call: what, when (ms), whether the browser did it and no script."""
        return self.run("window.watched.splice(0)")

    def tap_to_paint_ms(self, x: int, y: int, of: str = "pointerdown") -> float:
        """Taps, and measures in the page how long it takes from the pointer event to the next picture that differs.

        With `of="pointerup"` from the moment at which the finger is lifted."""
        self.watched()
        seen: list[list] = []
        self.tap(x, y)

        def painted() -> list[float]:
            seen.extend(self.watched())
            began = next((at for what, at, _ in seen if what == of), None)
            return [] if began is None else [at - began for what, at, _ in seen if what == "painted" and at >= began]

        return self.until(painted, f"a picture after the tap at {x}, {y}")[0]

    def close(self) -> None:
        self.driver.call("Target.closeTarget", targetId=self.target)
        self.driver.call("Target.disposeBrowserContext", browserContextId=self.context)

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_) -> None:
        self.close()
