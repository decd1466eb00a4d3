"""The mirror of a running daemon: from a browser, from other sites, on an address that is taken."""

from __future__ import annotations

import http.client
import socket
import time

import pytest
from appliance import Appliance, Gone
from person import Person


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def mirrored(tmp_path):
    """Makes daemons with a mirror, which end with the test."""
    made = []

    def make(name: str, address: str) -> Appliance:
        made.append(Appliance(tmp_path / name, f'[mirror]\nlisten = "{address}"\n'))
        return made[-1]

    yield make
    for appliance in made:
        if appliance.process and appliance.process.poll() is None:
            appliance.kill()


def until_said(appliance: Appliance, words: str) -> None:
    end = time.monotonic() + 30
    while words not in appliance.said():
        assert time.monotonic() < end, appliance.said()[-2000:]
        time.sleep(0.02)


def asked(address: str, path: str = "/", **headers: str) -> int:
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_a_browser_is_connected_until_the_daemon_stops(chromium, mirrored):
    address = f"127.0.0.1:{free_port()}"
    appliance = mirrored("one", address).start()
    until_said(appliance, "mirror")
    with Person(chromium, address) as person:
        person.until(lambda: person.state() == "writing", "the page is connected")
        assert person.words().startswith("Connected")
        assert appliance.stop() == 0
        person.until(lambda: "Disconnected" in person.words(), "the page says that it is cut off")
        appliance.start()
        person.until(lambda: person.state() == "writing", "the page is connected again")
    assert "in time" not in appliance.said(), "the store closed in time"


# verifies: REQ-NET-05
def test_other_sites_get_nothing(mirrored):
    address = f"127.0.0.1:{free_port()}"
    until_said(mirrored("one", address).start(), "mirror")
    assert asked(address) == 200
    assert asked(address, Host="evil.example") == 403
    assert asked(address, "/frame.png", **{"Sec-Fetch-Site": "cross-site"}) == 403


def test_an_address_that_is_taken_keeps_no_daemon_from_working(mirrored):
    address = f"127.0.0.1:{free_port()}"
    until_said(mirrored("one", address).start(), "mirror")
    other = mirrored("two", address).start()
    until_said(other, "no mirror until the address is there")
    with other.desk() as desk:
        assert desk.ask("status")["ok"]


# verifies: REQ-NET-05
def test_an_address_that_others_reach_needs_a_certificate(mirrored):
    with pytest.raises(Gone, match="78"):
        mirrored("one", "0.0.0.0:8733").start()
