"""The report in a real browser: every word of a plot lies in its picture, and nothing is wider than the page."""

from __future__ import annotations

import base64
import shutil
import sys
import time
from pathlib import Path

import pytest

from tables import drawn

sys.path.append(str(Path(__file__).resolve().parents[1] / "mirror"))

from chromium import Chromium  # noqa: E402

OUTSIDE = """
    [...document.querySelectorAll("svg text")].filter(text => {
        const box = text.getBoundingClientRect(), whole = text.ownerSVGElement.getBoundingClientRect();
        return box.left < whole.left - 1 || box.right > whole.right + 1 || box.top < whole.top - 1 || box.bottom > whole.bottom + 1;
    }).map(text => text.textContent).concat(document.documentElement.scrollWidth > innerWidth ? ["the page is wider than the screen"] : [])
"""
LOADED = "document.readyState === 'complete' && location.protocol === 'file:'"


def asked(browser: Chromium, session: str, words: str):
    return browser.call("Runtime.evaluate", session, expression=words, returnByValue=True)["result"].get("value")


# verifies: REQ-EVALUATE-06
def test_nothing_is_cut_off(hilum, tmp_path):
    if not shutil.which("chromium"):
        pytest.skip("no chromium: tests/run installs it")
    table, other = drawn(tmp_path / "table.csv", 400, 61, refused=0.1), drawn(tmp_path / "other.csv", 400, 61, model=1)
    hilum("evaluate", table.path, "--versus", other.path, "--resamples", 200, "--out", tmp_path / "out")
    with Chromium() as browser:
        tab = browser.call("Target.createTarget", url="about:blank")["targetId"]
        session = browser.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        browser.call("Emulation.setDeviceMetricsOverride", session, width=1100, height=900, deviceScaleFactor=1, mobile=False)
        browser.call("Page.navigate", session, url=(tmp_path / "out" / "report.html").as_uri())
        end = time.monotonic() + 30
        while not asked(browser, session, LOADED):
            assert time.monotonic() < end, "the report does not load"
            time.sleep(0.05)
        assert asked(browser, session, "document.querySelectorAll('svg').length") == 7
        assert asked(browser, session, OUTSIDE) == []
        paper = base64.b64decode(browser.call("Page.printToPDF", session, paperWidth=8.27, paperHeight=11.69)["data"])
        assert paper.startswith(b"%PDF") and 2 <= paper.count(b"/Type /Page\n") <= 12
