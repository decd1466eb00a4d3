"""Control cases: the device proves itself on a phantom whose answer is known, and says so on every result."""

from appliance import Appliance

LIMITS = {"control-overdue", "control-failed", "clock-not-trusted"}


def limits(desk, case):
    return {limit["code"] for limit in desk.ask("show", case=case)["report"]["limits"]} & LIMITS


def assessed(desk, picture, first):
    case = desk.open_case(first)["case"]
    desk.fields(case, picture, um_per_px=0.5)
    desk.ask("submit", case=case)
    assert desk.wait(case) == "assessed"
    return case


# verifies: REQ-CONTROL-01
def test_a_control_case_comes_by_itself_and_its_trend_is_kept(tmp_path, picture):
    with Appliance(tmp_path, control_h=24).start() as appliance:
        good = appliance.until(lambda status: (status["control"] or {}).get("good") is not None)
        assert good["control"]["good"] is True, good["control"]
        assert good["control-limit"] is None
        with appliance.desk() as desk:
            first = good["control"]["case"]
            assert limits(desk, assessed(desk, picture, "4711")) == set()
            again = desk.ask("control")["case"]
            assert desk.wait(again) == "assessed"
            trend = desk.ask("controls")["controls"]
            assert [point["case"] for point in trend] == [first, again]
            assert [point["good"] for point in trend] == [True, True] and trend[1]["drift"] == 0
            listed = {case["number"]: case["control"] for case in desk.ask("list")["cases"]}
            assert listed[first] and listed[again] and len(listed) == 3
            assert desk.ask("replay", case=again)["identical"]
        # The interval has not passed: a restart within this boot begins no other.
        appliance.kill()
        appliance.start()
        appliance.networks()
        with appliance.desk() as desk:
            assessed(desk, picture, "4712")
            assert len(desk.ask("controls")["controls"]) == 2
        inputs = [path for path in (appliance.data / "store" / "files").iterdir()]
        # A phantom's three inputs and fourteen pictures and maps, and a field twice assessed; twice would be 41.
        assert len(inputs) < 30, "the same phantom is kept once"


# verifies: REQ-CONTROL-01
def test_without_a_control_case_every_result_says_so(tmp_path, picture):
    appliance = Appliance(tmp_path, control_h=24)
    hot = tmp_path / "zone"
    hot.write_text("95000")
    appliance.site.write_text(appliance.site.read_text() + f'[thermal]\nzones = ["{hot}"]\npoll-s = 0.5\n')
    with appliance.start():
        appliance.networks()
        with appliance.desk() as desk:
            case = desk.open_case("4711")["case"]
            desk.fields(case, picture, um_per_px=0.5)
            desk.ask("submit", case=case)
            status = desk.ask("status")
            assert status["warmth"] == "hot" and status["control-limit"] == "control-overdue"
            hot.write_text("40000")
            assert desk.wait(case) == "assessed"
            found = desk.ask("list")["cases"]
            number = {entry["number"]: entry["control"] for entry in found}
            # Whichever came first: the limit is there exactly if the control case was not answered before.
            first = min(entry["number"] for entry in found)
            assert limits(desk, case) == (set() if number[first] else {"control-overdue"})


# verifies: REQ-CONTROL-01
def test_a_control_case_without_an_answer_is_a_limit(tmp_path, picture):
    appliance = Appliance(tmp_path, control_h=24)
    with appliance:
        for _ in range(2):
            appliance.start()
            appliance.until(lambda status: status["running"])
            appliance.kill()
        appliance.start()
        status = appliance.until(lambda status: (status["control"] or {}).get("good") is False)
        assert status["control-limit"] == "control-failed"
        with appliance.desk() as desk:
            assert limits(desk, assessed(desk, picture, "4711")) == {"control-failed"}
            again = desk.ask("control")["case"]
            assert desk.wait(again) == "assessed"
            assert desk.ask("status")["control-limit"] is None, "a person had it assessed again"
            assert limits(desk, assessed(desk, picture, "4712")) == set()


# verifies: REQ-STORE-06
def test_an_untrusted_clock_is_a_limit(tmp_path, picture):
    appliance = Appliance(tmp_path, '[clock]\ntrusted = "never"\n')
    with appliance.start(), appliance.desk() as desk:
        case = assessed(desk, picture, "4711")
        assert limits(desk, case) == {"clock-not-trusted"}
        assert desk.ask("replay", case=case)["identical"]
