"""Who may do what, and what opens the records."""

import os
import subprocess

import pytest
from appliance import Appliance, Denied

ADMINISTRATOR, REVIEWER, OPERATOR = "194603", "281746", "350917"


def login(desk, role, pin):
    return desk.ask("login", role=role, pin=pin)


def people(desk):
    """Sets every role's PIN; the connection is the administrator's afterwards."""
    desk.ask("set-pin", role="administrator", pin=ADMINISTRATOR)
    login(desk, "administrator", ADMINISTRATOR)
    desk.ask("set-pin", role="reviewer", pin=REVIEWER)
    desk.ask("set-pin", role="operator", pin=OPERATOR)


def refused(exit, what, *words, **fields):
    with pytest.raises(Denied) as denied:
        what(*words, **fields)
    assert denied.value.exit == exit, denied.value
    return str(denied.value)


# verifies: REQ-ACCESS-01, REQ-ACCESS-02
def test_roles(tmp_path):
    with Appliance(tmp_path).start() as appliance, appliance.desk() as desk:
        case = desk.open_case("4711")["case"]
        people(desk)
        with appliance.desk() as stranger:
            assert "log in" in refused(64, stranger.open_case, "4712")
            assert stranger.ask("status")["store"]["pins"] == ["administrator", "operator", "reviewer"]
            login(stranger, "operator", OPERATOR)
            stranger.open_case("4712")
            assert "may not" in refused(64, stranger.ask, "set-pin", role="operator", pin="111112")
            assert "may not" in refused(64, stranger.ask, "review", case=case, agrees=True, reason="x")
        refused(64, desk.ask, "review", case=case, agrees=True, reason="x")
        login(desk, "reviewer", REVIEWER)
        assert "draft" in refused(64, desk.ask, "review", case=case, agrees=True, reason="x"), "may, but there is no result"
        for easy in ("123456", "000000", "12345", "12345x"):
            login(desk, "administrator", ADMINISTRATOR)
            refused(64, desk.ask, "set-pin", role="operator", pin=easy)
        # A wrong PIN ends the session that was there.
        refused(64, login, desk, "reviewer", "999998")
        refused(64, desk.ask, "list")


# verifies: REQ-ACCESS-02
def test_wrong_pins_wait_and_a_restart_does_not_help(tmp_path):
    appliance = Appliance(tmp_path, "[access]\nwrong-pins = 3\nwait-s = 3600\n")
    with appliance.start():
        with appliance.desk() as desk:
            people(desk)
            told = [refused(64, login, desk, "reviewer", "28174" + last) for last in "345"]
            assert [" 2 more" in told[0], " 1 more" in told[1], "wait 3600" in told[2]] == [True] * 3
            assert "wait" in refused(75, login, desk, "reviewer", REVIEWER), "even the right one"
            login(desk, "operator", OPERATOR)
        appliance.kill()
        appliance.start()
        with appliance.desk() as desk:
            assert "wait 3600" in refused(75, login, desk, "reviewer", REVIEWER)
            login(desk, "administrator", ADMINISTRATOR)
    log = appliance.said()
    for pin in (ADMINISTRATOR, REVIEWER, OPERATOR, "281743"):
        assert pin not in log


# verifies: REQ-PRIVACY-01
def test_the_pin_is_the_key(tmp_path):
    appliance = Appliance(tmp_path, '[key]\nsource = "pin"\n')
    with appliance.start():
        with appliance.desk() as desk:
            assert desk.ask("status")["store"]["locked"]
            assert "administrator's PIN first" in refused(75, desk.open_case, "4711")
            refused(64, desk.ask, "set-pin", role="reviewer", pin=REVIEWER)
            people(desk)
            case = desk.open_case("4711")["case"]
            assert desk.ask("show", case=case)["identity"][0] == "4711"
        assert not list(appliance.data.glob("*key*")), "no key lies open"
        appliance.kill()
        appliance.start()
        with appliance.desk() as desk:
            assert desk.ask("status")["store"]["locked"]
            refused(64, login, desk, "operator", "350918")
            assert desk.ask("status")["store"]["locked"]
            login(desk, "operator", OPERATOR)
            assert not desk.ask("status")["store"]["locked"]
            assert desk.ask("show", case=case)["identity"][0] == "4711"


def test_a_queued_case_waits_for_the_pin(tmp_path, picture):
    appliance = Appliance(tmp_path, '[key]\nsource = "pin"\n')
    with appliance.start():
        with appliance.desk() as desk:
            people(desk)
            case = desk.open_case("4711")["case"]
            desk.fields(case, picture, um_per_px=0.5)
            desk.ask("submit", case=case)
        appliance.kill()
        appliance.start()
        appliance.networks()
        with appliance.desk() as desk:
            status = desk.ask("status")
            assert status["store"]["cases"]["queued"] == 1 and status["running"] is None
            login(desk, "operator", OPERATOR)
            assert desk.wait(case) == "assessed"


# verifies: REQ-PRIVACY-01
def test_a_credential_is_the_key(tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    site = '[key]\nsource = "credential"\n'
    appliance = Appliance(tmp_path, site)
    environment = {"CREDENTIALS_DIRECTORY": str(credentials)}

    def ended():
        words = appliance.words()
        process = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)
        return process.returncode, process.stderr

    code, said = ended()
    assert code == 78 and "no credential" in said
    key = credentials / "hilum-data-key"
    key.write_bytes(bytes(31))
    code, said = ended()
    assert code == 78 and "32 bytes" in said
    key.write_bytes(bytes(range(32)))
    with appliance.start(env=environment):
        with appliance.desk() as desk:
            desk.open_case("4711")
        assert appliance.stop() == 0
    key.write_bytes(bytes(range(1, 33)))
    code, said = ended()
    assert code == 78 and "does not open with this key" in said
    code, _ = appliance.offline("verify", "--key-file", str(key))
    assert code == 78
    code, answer = appliance.offline("verify")
    assert code == 0 and len(answer["cases"]) == 1, "what is checked needs no key"
