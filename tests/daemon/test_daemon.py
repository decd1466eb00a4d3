"""The daemon from end to end, as people use it: the commands, their exit codes, what is kept and what must not be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import jsonschema
import pydicom
import pytest

from appliance import HILUM, ROOT, Appliance, Denied, Gone, until
from clinic import white

PATIENCE_S = 15.0


class Commands:
    """The program's commands, given to one appliance."""

    def __init__(self, box: Appliance):
        self.words = ["--board", str(box.board), "--site", str(box.site)]

    def __call__(self, *words: object, code: int = 0) -> str:
        """What a command says: on standard output if it ends well, else its one sentence on standard error."""
        ended = subprocess.run([HILUM, *map(str, words), *self.words], capture_output=True, text=True, timeout=120)
        assert ended.returncode == code, f"{ended.returncode}, not {code}\n{ended.stdout}{ended.stderr}"
        assert "panicked" not in ended.stderr
        if code == 0:
            assert ended.stderr == ""
            return ended.stdout.strip()
        assert ended.stderr.startswith("hilum: ") and len(ended.stderr.splitlines()) == 1, ended.stderr
        return ended.stderr.strip()

    def json(self, *words: object) -> dict:
        return json.loads(self(*words, "--json"))

    def open(self, first: str, *words: object) -> str:
        return self.json("case", "open", "--first", first, "--second", "1960-01-01", *words)["case"]


@pytest.fixture
def box(appliance) -> Appliance:
    return appliance()


@pytest.fixture
def explaining(appliance) -> Appliance:
    """With the explanation that a board has by default."""
    return appliance(explain=("gradcam++",))


@pytest.fixture
def hilum(box) -> Commands:
    return Commands(box)


def facts(row: dict) -> list[str]:
    return [word for name in ("age", "sex", "smoking", "specimen") for word in (f"--{name}", row[name])]


def place(row: dict) -> list[str]:
    return ["--lesion", ",".join(map(str, row["lesion"]))]


def checked(report: dict) -> dict:
    jsonschema.validate(report, json.loads((ROOT / "src/report/report.schema.json").read_text()))
    return report


# --- the way of a case ---


# verifies: REQ-RESULT-02
def test_from_draft_to_review(explaining, phantoms):
    box, hilum = explaining, Commands(explaining)
    patient = phantoms[0]
    box.start()
    case = hilum.open(patient["patient_id"], *facts(patient))
    assert case == "H000001"
    assert hilum("case", "ct", case, patient["ct"], *place(patient)) == f"{case} draft"
    assert hilum("case", "he", case, patient["he"]) == f"{case} draft; 2 fields"
    assert hilum("case", "submit", case) == f"{case} queued"
    assert hilum("case", "wait", case) == f"{case} assessed"
    shown = hilum("case", "show", case)
    assert patient["label"] in shown and "not a diagnosis" in shown
    assert shown.splitlines()[:2] == [f"{case} assessed", f"patient: {patient['patient_id']}, confirmed by 1960-01-01"]
    for line in ("given: CT of ", "opened: ", "result: ", "weights: CT ", "limit: ", "slices, 2 fields, age "):
        assert line in shown, shown
    report = checked(hilum.json("case", "show", case)["report"])
    assert report["outcome"] == "assessed" and report["ct"] and report["he"]
    assert report["plain"] == {"ct": "ct-plain.png", "he": ["he-plain-1.png", "he-plain-2.png"]}
    unknown = report["metadata"]["weights_unknown"]
    assert sum(unknown.values()) == pytest.approx(1) and unknown != report["weights"]
    assert [(entry["modality"], entry["method"]) for entry in report["explanations"]] == [("ct", "gradcam++"), ("he", "gradcam++")]
    assert hilum("case", "review", case, "--agree", "--reason", "as expected") == f"{case} reviewed"
    shown = hilum.json("case", "show", case)
    assert shown["state"] == "reviewed" and shown["review"]["agrees"] is True and shown["reviews"] == [shown["review"]]
    assert shown["identity"] == [patient["patient_id"], "1960-01-01"]
    assert hilum("store", "list") == f"{case} reviewed"
    assert hilum("store", "replay", case) == f"{case} replayed: identical"
    assert hilum.json("store", "replay", case)["differences"] == []
    whole = hilum("store", "verify")
    assert whole.startswith("whole; head ")
    head = whole.split()[-1]
    assert box.stop() == 0
    code, answer = box.offline("verify", "--head", head)
    assert code == 0 and answer["cases"][0]["state"] == "reviewed"
    actions = [entry["action"] for entry in box.audit() if entry["case"] == 1]
    assert actions == [
        "drafted", "input-taken", "input-taken", "queued", "begun", "assessed", "viewed", "viewed", "agreed", "viewed",
    ]  # fmt: skip
    assert not any("reason" in entry or patient["patient_id"] in json.dumps(entry) for entry in box.audit())


# verifies: REQ-RESULT-02
def test_the_result_is_the_one_that_analyze_gives(explaining, phantoms, tmp_path):
    """Bit for bit: the same steps on the same pixels."""
    box, hilum = explaining, Commands(explaining)
    box.start()
    for number, patient in enumerate(phantoms):
        inputs = [*place(patient), "--um-per-px", "0.5"] if number else place(patient)
        words = ["--ct", patient["ct"], "--he", patient["he"], *inputs, *facts(patient)]
        out = tmp_path / f"report-{number}"
        subprocess.run([HILUM, "analyze", *map(str, words), "--out", out], check=True, capture_output=True)
        alone = checked(json.loads((out / "report.json").read_text()))

        case = hilum.open(patient["patient_id"], *facts(patient))
        hilum("case", "ct", case, patient["ct"], *place(patient))
        hilum("case", "he", case, patient["he"], *inputs[2:])
        hilum("case", "submit", case)
        assert hilum("case", "wait", case) == f"{case} assessed"
        kept = checked(hilum.json("case", "show", case)["report"])
        for report in (alone, kept):
            del report["timing_ms"], report["provenance"]["created"]
        assert kept["fused"]["probabilities"] == alone["fused"]["probabilities"]
        assert kept == alone


# verifies: REQ-RESULT-07
def test_what_is_refused_is_a_result(box, hilum, tmp_path):
    white(tmp_path / "white.png")
    box.start()
    case = hilum.open("P1")
    hilum("case", "he", case, tmp_path / "white.png", "--um-per-px", 0.5)
    hilum("case", "submit", case)
    assert hilum("case", "wait", case) == f"{case} refused"
    shown = hilum("case", "show", case)
    assert "refused: " in shown and "move to tissue" in shown and "result: " not in shown
    report = checked(hilum.json("case", "show", case)["report"])
    assert report["outcome"] == "refused" and report.get("fused") is None
    assert report["refusal"]["code"] == "blank-image"
    assert report["refusal"]["message"] and report["refusal"]["next_step"]
    for words in ([], ["--reason", ""], ["--reason", " \t"], ["--reason", "x" * 2001]):
        hilum("case", "review", case, "--disagree", *words, code=64)
    hilum("case", "review", case, "--disagree", "--reason", "there is tissue")
    # A second look adds to what was said, and takes nothing away.
    hilum("case", "review", case, "--agree")
    shown = hilum.json("case", "show", case)
    assert shown["reviews"] == [
        {"agrees": False, "reason": "there is tissue", "by": "reviewer"}, {"agrees": True, "reason": "", "by": "reviewer"},
    ]  # fmt: skip
    assert shown["review"] == shown["reviews"][-1]
    with box.desk() as desk:
        actions = [json.loads(line)["action"] for line in desk.ask("log", **{"from": 1})["lines"]]
    assert actions[-3:] == ["disagreed", "agreed", "viewed"]
    assert hilum("store", "replay", case).endswith("identical")


def test_a_case_from_the_camera(appliance):
    box = appliance(camera=True)
    hilum = Commands(box)
    box.start().until(lambda status: status["camera"] is True, PATIENCE_S)
    case = hilum.open("P1")
    assert hilum("case", "capture", case) == f"{case} draft; 1 fields"
    # The simulated stage rests a while, and a place is taken once.
    assert "field 1 shows" in hilum("case", "capture", case, code=2)

    def moved_on() -> bool:
        with box.desk() as desk:
            try:
                return desk.ask("capture", case=case)["fields"] == 2
            except Denied as no:
                assert no.exit == 2, no
                return False

    until(moved_on, 30)
    hilum("case", "submit", case)
    assert hilum("case", "wait", case) == f"{case} assessed"
    assert "capture" not in hilum("case", "capture", case, code=64), "it is no draft any more"


def test_a_draft_is_changed_until_it_is_handed_over(box, hilum, phantoms):
    patient = phantoms[0]
    box.start()
    case = hilum.open(patient["patient_id"], *facts(patient))
    hilum("case", "lesion", case, "0,0,0", code=64), "there is no CT"
    hilum("case", "ct", case, patient["ct"])
    lesion = place(patient)[1]
    hilum("case", "lesion", case, "0,0,90000", code=2), "outside"
    assert hilum("case", "lesion", case, lesion) == f"{case} draft"
    hilum("case", "he", case, patient["he"])
    assert hilum("case", "drop-field", case, 1) == f"{case} draft; 1 fields"
    hilum("case", "drop-field", case, 2, code=64), "there is one"
    hilum("case", "drop-field", case, 0, code=64), "they count from 1"
    hilum("case", "submit", case)
    assert hilum("case", "wait", case) == f"{case} assessed"
    report = checked(hilum.json("case", "show", case)["report"])
    assert report["ct"]["lesion_suggested"] is False
    assert report["ct"]["lesion_lps_mm"] == pytest.approx([float(mm) for mm in lesion.split(",")])
    assert len(report["he"]["fields"]) == 1
    for words in (["lesion", case, lesion], ["drop-field", case, 1], ["cancel", case]):
        hilum("case", *words, code=64), "it is no draft any more"
    assert box.stop() == 0
    actions = [entry["action"] for entry in box.audit() if entry["case"] == 1]
    assert actions[:6] == ["drafted", "input-taken", "lesion-marked", "input-taken", "field-dropped", "queued"]


def test_a_case_that_waits_is_a_draft_again(box, hilum, phantoms):
    box.start()
    box.until(lambda status: status["networks"]["state"] == "ready", PATIENCE_S)
    with box.desk() as desk:
        cases = []
        # One is being assessed, or ends before it is cancelled; the others wait.
        for patient in (phantoms[0], phantoms[1], phantoms[0]):
            case = desk.open_case(patient["patient_id"])["case"]
            desk.ct(case, patient["ct"])
            desk.fields(case, patient["he"], um_per_px=0.5)
            cases.append(case)
        for case in cases:
            desk.ask("submit", case=case)
        for case in cases[1:]:
            assert desk.ask("cancel", case=case)["state"] == "draft"
        assert desk.wait(cases[0]) == "assessed"
        states = desk.states()
        assert [states[case] for case in cases] == ["assessed", "draft", "draft"]
        # It can be changed, and handed over again.
        desk.ask("drop-field", case=cases[1], index=0)
        desk.ask("submit", case=cases[1])
        assert desk.wait(cases[1]) == "assessed"
        # What is being assessed just now ends nothing.
        desk.ask("submit", case=cases[2])
        box.until(lambda status: status["running"] == cases[2], PATIENCE_S)
        desk.ask("cancel", case=cases[2])
        box.until(lambda status: status["running"] is None, PATIENCE_S)
        shown = desk.ask("show", case=cases[2])
        assert (shown["state"], shown["report"]) == ("draft", None)
        desk.ask("submit", case=cases[2])
        assert desk.wait(cases[2]) == "assessed"
    assert "ERROR" not in box.said()
    assert box.stop() == 0
    actions = [entry["action"] for entry in box.audit() if entry["case"] == 2]
    assert "withdrawn" in actions and actions.count("assessed") == 1
    box.verified()


# verifies: REQ-RESULT-09
def test_what_a_person_saw_before_the_result_is_said_once(box, hilum, phantoms):
    patient = phantoms[0]
    box.start()
    case = hilum.open(patient["patient_id"])
    hilum("case", "he", case, patient["he"], "--um-per-px", 0.5)
    hilum("case", "read-first", case, "--cannot-say", code=64), "there is no result yet"
    hilum("case", "submit", case)
    assert hilum("case", "wait", case) == f"{case} assessed"
    assert hilum.json("case", "show", case)["read-first"] is None
    hilum("case", "read-first", case, "--class", "teratoma", code=64)
    assert hilum("case", "read-first", case, "--class", "normal") == f"{case} assessed"
    hilum("case", "read-first", case, "--cannot-say", code=64), "it is said once"
    read = hilum.json("case", "show", case)["read-first"]
    assert read["class"] == "normal" and read["by"] == "operator" and read["claimed"]
    assert box.stop() == 0
    assert [entry["action"] for entry in box.audit() if entry["case"] == 1].count("read-first") == 1
    box.verified()


# --- what is denied ---


# verifies: REQ-PATIENT-02
def test_another_patients_ct(box, hilum, phantoms):
    box.start()
    case = hilum.open("SOMEBODY")
    said = hilum("case", "ct", case, phantoms[0]["ct"], code=2)
    assert "another patient" in said and phantoms[0]["patient_id"] not in said
    assert hilum.json("case", "show", case)["ct"] is False
    hilum("case", "ct", case, phantoms[0]["ct"], "--other-id")
    shown = hilum.json("case", "show", case)
    assert shown["ct"] is True and shown["origin"]["other-id"] is True
    hilum("case", "submit", case)
    assert hilum("case", "wait", case) == f"{case} assessed"
    report = checked(hilum.json("case", "show", case)["report"])
    assert "other-patient-id" in [limit["code"] for limit in report["limits"]]
    assert hilum("store", "replay", case).endswith("identical")
    assert box.stop() == 0
    actions = [entry["action"] for entry in box.audit() if entry["case"] == 1]
    assert actions[:4] == ["drafted", "viewed", "input-taken", "identity-overridden"]
    assert actions.count("identity-overridden") == 1


# verifies: REQ-PATIENT-02
def test_an_override_ends_with_its_ct(box, hilum, phantoms, picture):
    box.start()
    case = hilum.open(phantoms[0]["patient_id"])
    hilum("case", "ct", case, phantoms[1]["ct"], "--other-id")
    hilum("case", "he", case, picture)
    hilum("case", "ct", case, phantoms[0]["ct"], "--other-id")
    assert hilum.json("case", "show", case)["origin"]["other-id"] is False, "the CT is this patient's after all"
    assert box.stop() == 0
    actions = [entry["action"] for entry in box.audit() if entry["case"] == 1]
    assert actions.count("identity-overridden") == 1


def test_an_id_in_other_letters_is_the_same_patients(box, hilum, phantoms):
    box.start()
    case = hilum.open(phantoms[0]["patient_id"].lower())
    hilum("case", "ct", case, phantoms[0]["ct"])


# verifies: REQ-PATIENT-03
def test_an_earlier_case_is_named(box, hilum):
    box.start()
    assert hilum("case", "open", "--first", "P1", "--second", "x") == "H000001 draft"
    assert hilum("case", "open", "--first", "P2", "--second", "x") == "H000002 draft"
    said = hilum("case", "open", "--first", "p1", "--second", "X")
    assert said == "H000003 draft; earlier cases of the same patient: H000001"
    answer = hilum.json("case", "open", "--first", "P1", "--second", "x")
    assert (answer["same-person"], answer["other-second"]) == (["H000001", "H000003"], [])


# verifies: REQ-PATIENT-03
def test_another_second_identifier_is_asked_about(box, hilum):
    box.start()
    hilum("case", "open", "--first", "A1", "--second", "1950-01-01")
    words = ["case", "open", "--first", "a1", "--second", "1999-12-31"]
    said = hilum(*words, code=2)
    assert "case H000001 has the same first identifier and another second one" in said and "1950" not in said
    assert hilum("store", "list") == "H000001 draft", "nothing was opened"
    said = hilum(*words, "--confirm-second")
    assert said == "H000002 draft; the same first identifier and another second one: H000001"
    assert hilum.json("case", "show", "H000002")["origin"]["other-second"] is True
    answer = hilum.json("case", "open", "--first", "A1", "--second", "1999-12-31", "--confirm-second")
    assert (answer["same-person"], answer["other-second"]) == (["H000002"], ["H000001"])
    assert box.stop() == 0
    actions = [entry["action"] for entry in box.audit() if entry["case"] == 2]
    assert actions[:2] == ["drafted", "identity-overridden"]


def test_words_that_do_not_fit(box, hilum, picture, tmp_path):
    box.start()
    case = hilum.open("P1")
    assert "needs a CT or a field" in hilum("case", "submit", case, code=64)
    assert "no such case" in hilum("case", "show", "H000099", code=64)
    for command in (["show"], ["submit"], ["wait"], ["review", "--agree", "--reason", "x"]):
        hilum("case", command[0], "H000099", *command[1:], code=64)
    hilum("case", "show", "99x", code=64)
    hilum("case", "review", case, "--agree", "--reason", "too early", code=64)
    hilum("case", "open", "--first", "", "--second", "x", code=64)
    hilum("case", "open", "--first", "P1", "--second", "", code=64)
    hilum("case", "capture", case, code=75)
    hilum("case", "he", case, picture, code=0)
    hilum("case", "he", case, tmp_path / "nowhere.png", code=65)
    (tmp_path / "text.png").write_text("a shopping list")
    hilum("case", "he", case, tmp_path / "text.png", code=65)
    hilum("case", "ct", case, tmp_path / "nowhere", code=65)
    (tmp_path / "empty").mkdir()
    hilum("case", "ct", case, tmp_path / "empty", code=65)
    assert hilum.json("case", "show", case)["fields"] == 1
    hilum("store", "verify", "--head", "yesterday", code=64)
    hilum("store", "verify", "--head", f"1-{'0' * 64}", code=70)


def test_a_case_that_still_waits(box, hilum, phantoms):
    box.start()
    case = hilum.open(phantoms[0]["patient_id"])
    hilum("case", "ct", case, phantoms[0]["ct"])
    hilum("case", "submit", case)
    ended = subprocess.run([HILUM, "case", "wait", case, "--seconds", "0", *hilum.words], capture_output=True, text=True)
    assert ended.returncode == 75 and ended.stdout.strip() == f"{case} queued"
    assert "still waits" in ended.stderr
    assert hilum("case", "wait", case) == f"{case} assessed"
    hilum("case", "submit", case, code=64)


def test_without_a_daemon(box, hilum):
    for words in (["status"], ["case", "show", "H000001"], ["store", "list"]):
        assert "no daemon answers" in hilum(*words, code=75)
    box.start()
    hilum("status")
    box.kill()
    hilum("status", code=75)


def test_nonsense_on_the_socket(box):
    """Answered with a sentence, or with the end of the connection; never the end of the daemon."""
    box.start()
    for line, answered in [(b"{}\n", True), (b"\xff\xfe\n", True), (b'{"ask":"open"}\n', True), (b"x" * 70_000 + b"\n", True), (b"x" * 3_000_000, True)]:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(PATIENCE_S)
            stream.connect(str(box.socket))
            stream.sendall(line)
            answer = stream.recv(4096)
            assert (b'"exit":64' in answer) == answered, answer
    with box.desk() as desk:
        assert desk.ask("status")["ok"]


def test_what_is_no_file_is_not_waited_for(appliance, folder, picture):
    """A pipe, a device, a socket: whoever opened one would wait for who writes, and everybody for the reader."""
    box = appliance("[worker]\ntime-s = 60\n")
    pipe, plug, inside = folder / "pipe.png", folder / "plug.png", folder / "inside"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(plug))
        inside.mkdir()
        shutil.copy(picture, inside)
        for name in ("b.png", "c", "fields.json"):
            os.mkfifo(inside / name)
        with box.start().desk() as desk:
            case = desk.open_case("P1")["case"]
            began = time.monotonic()
            for other in (pipe, plug, Path("/dev/zero")):
                for take in (desk.fields, desk.ct):
                    with pytest.raises(Denied) as caught:
                        take(case, other)
                    assert caught.value.exit == 65
            assert desk.fields(case, inside, um_per_px=0.5)["fields"] == 1
            assert time.monotonic() - began < PATIENCE_S
    ended = subprocess.run([HILUM, "check-config", pipe], capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == 78 and "no regular file" in ended.stderr


def test_a_path_must_be_absolute(box):
    with box.start().desk() as desk:
        case = desk.open_case("P1")["case"]
        for ask in (
            lambda: desk.ct(case, Path("ct")),
            lambda: desk.fields(case, Path("field.png")),
            lambda: desk.ask("export", case=case, to="out", recipient=None, identity=False),
        ):
            with pytest.raises(Denied, match="absolute") as caught:
                ask()
            assert caught.value.exit == 64


def test_a_bad_board_says_everything_that_is_wrong(box):
    box.site.write_text(box.site.read_text() + "[store]\nwatermark-mb = 1\n[worker]\ntime = 5\n[share]\npoll-s = 0\n")
    ended = subprocess.run(box.words(), capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == 78
    for said in ("watermark-mb = 1 is outside", "unknown key time", "poll-s = 0 is outside", "folder"):
        assert said in ended.stderr, ended.stderr
    assert not box.data.exists(), "nothing was begun"


def test_a_key_that_is_none(appliance, folder):
    key = folder / "key"
    key.write_bytes(b"short")
    box = appliance(f'[key]\nsource = "file"\nfile = "{key}"\n')
    with pytest.raises(Gone):
        box.start()
    assert box.process.returncode == 78 and "32 bytes" in box.said()


# --- status, log, share ---


def test_status(box, hilum, picture):
    box.start().networks()
    with box.desk() as desk:
        desk.wait(desk.field_case("P1", picture))
    status = hilum.json("status")
    assert {
        "board", "version", "up-s", "store", "opened", "networks", "running", "attempts-ended", "warmth", "celsius", "share",
        "exports-waiting", "camera", "clock",
    } <= set(status)  # fmt: skip
    assert {"cases", "head", "full", "copy-is-behind"} <= set(status["store"])
    assert status["networks"]["state"] == "ready" and status["networks"]["engine"] == "tract"
    assert status["store"]["cases"] == dict.fromkeys(status["store"]["cases"], 0) | {"assessed": 1}
    assert {"claimed", "trusted", "boot"} == set(status["clock"])
    assert (status["board"], status["opened"], status["attempts-ended"], status["warmth"]) == ("sim", "new", 1, "cool")
    assert (status["share"], status["camera"], status["running"], status["exports-waiting"]) == (None, None, None, 0)
    text = hilum("status")
    for word in ("networks: hilum-phantom-reference", "cases: 1 assessed", "camera: none", "clock: "):
        assert word in text


# verifies: REQ-STORE-03
def test_every_look_is_in_the_log(box, hilum, picture):
    with box.start().desk() as desk:
        case = desk.field_case("P1", picture)
        assert desk.wait(case) == "assessed"
    for _ in range(3):
        hilum("case", "show", case)
    hilum("case", "show", "H000002", code=64)
    assert box.stop() == 0
    views = [entry for entry in box.audit() if entry["action"] == "viewed"]
    assert [entry["case"] for entry in views] == [1, 1, 1]
    assert {entry["actor"] for entry in views} == {"operator"}


# verifies: REQ-STORE-03
def test_a_changed_log_is_seen(box, picture):
    """Whoever may write the files, and changes both databases alike, is seen by the head that was saved."""
    with box.start().desk() as desk:
        case = desk.field_case("P1", picture)
        assert desk.wait(case) == "assessed"
    assert box.stop() == 0
    head = box.verified()["head"]
    for name in ("hilum.db", "copy/hilum.db"):
        database = sqlite3.connect(box.data / "store" / name)
        with database:
            database.execute("DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)")
        database.close()
    box.verified()
    code, answer = box.offline("verify", "--head", head)
    assert code == 70 and "saved head" in str(answer), answer


# verifies: REQ-PATIENT-04
@pytest.mark.parametrize("first", ["the draft", "the export"])
def test_a_ct_by_the_share(appliance, phantoms, folder, first):
    share = folder / "share"
    share.mkdir()
    box = appliance(f'[share]\nfolder = "{share}"\npoll-s = 0.5\nquiet-s = 0\n')
    patient, other = phantoms
    box.start()
    with box.desk() as desk:
        somebody = desk.open_case("SOMEBODY")["case"]
        if first == "the draft":
            case = desk.open_case(patient["patient_id"])["case"]
        shutil.copytree(patient["ct"], share / "export")
        shutil.copytree(other["ct"], share / "of nobody")
        if first == "the export":
            box.until(lambda status: status["exports-waiting"] == 2, PATIENCE_S)
            case = desk.open_case(patient["patient_id"])["case"]
        until(lambda: desk.ask("show", case=case)["ct"])
        box.until(lambda status: status["exports-waiting"] == 1, PATIENCE_S)
        assert desk.ask("show", case=somebody)["ct"] is False
        desk.ask("submit", case=case)
        assert desk.wait(case) == "assessed"
    assert (share / "export").is_dir(), "nothing on the share is touched"


# verifies: REQ-PATIENT-04
def test_an_export_goes_to_one_case(appliance, phantoms, folder):
    """The CT of an earlier case does not come into a new one because the daemon was started in between."""
    share = folder / "share"
    share.mkdir()
    box = appliance(f'[share]\nfolder = "{share}"\npoll-s = 0.5\nquiet-s = 0\n')
    with box.start().desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        shutil.copytree(phantoms[0]["ct"], share / "export")
        until(lambda: desk.ask("show", case=case)["ct"])
        second = desk.open_case(phantoms[0]["patient_id"])["case"]
    assert box.stop() == 0
    with box.start().desk() as desk:
        until(lambda: box.said().count("an export came to rest") == 2)
        deadline = time.monotonic() + 5
        while not desk.ask("show", case=second)["ct"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert desk.ask("show", case=second)["ct"] is False


# verifies: REQ-INPUT-02
def test_a_damaged_export_does_no_harm(appliance, phantoms, folder):
    share = folder / "share"
    share.mkdir()
    box = appliance(f'[share]\nfolder = "{share}"\npoll-s = 0.5\nquiet-s = 0\n')
    box.start()
    (share / "broken").mkdir()
    (share / "broken" / "IM1.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 4000)
    until(lambda: "an export is not read" in box.said())
    with box.desk() as desk:
        case = desk.open_case(phantoms[0]["patient_id"])["case"]
        shutil.copytree(phantoms[0]["ct"], share / "whole")
        until(lambda: desk.ask("show", case=case)["ct"])
    assert "broken" not in box.said() and "whole" not in box.said()


# --- the service manager ---


class Manager:
    """What a service manager hears."""

    def __init__(self, folder: Path):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))

    def env(self, watchdog_us: int | None = None) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.path)} | ({"WATCHDOG_USEC": str(watchdog_us)} if watchdog_us else {})

    def hears(self, within_s: float) -> list[str]:
        """The lines of the next message, or none in time."""
        self.socket.settimeout(within_s)
        try:
            return self.socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return []

    def until(self, word: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while word not in self.hears(1):
            assert time.monotonic() < end, f"{word} was not heard"


# verifies: REQ-SERVICE-01
def test_the_service_manager_is_told(box, folder):
    manager = Manager(folder)
    box.start(wait=False, env=manager.env(900_000))
    assert manager.hears(PATIENCE_S) == ["READY=1"]
    with box.desk() as desk:
        assert desk.ask("status")["ok"], "ready is said when it answers"
    for _ in range(5):
        assert manager.hears(0.9) == ["WATCHDOG=1"]
    box.process.terminate()
    manager.until("STOPPING=1")
    assert box.process.wait(PATIENCE_S) == 0


# verifies: REQ-SERVICE-01
def test_the_watchdog_is_not_fed_while_the_store_hangs(box, folder):
    """A disk that does not answer, played by a lock on the database: a write waits for it for up to 5 s."""
    manager = Manager(folder)
    box.start(wait=False, env=manager.env(900_000))
    manager.until("WATCHDOG=1")
    other = sqlite3.connect(box.data / "store" / "hilum.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with box.desk() as desk:
        line = json.dumps({"ask": "open", "first": "P1", "second": "x", "age": None, "sex": None, "smoking": None, "specimen": None})
        desk.socket.sendall(line.encode() + b"\n")
        silent = time.monotonic()
        while manager.hears(1.5):
            assert time.monotonic() - silent < 4, "fed all the time"
        other.execute("ROLLBACK")
        other.close()
        assert json.loads(desk.file.readline())["ok"], "and the case is opened after all"
    manager.until("WATCHDOG=1")
    assert "not fed" in box.said()


def test_an_interrupt_is_a_stop(box):
    box.start()
    box.process.send_signal(signal.SIGINT)
    assert box.process.wait(PATIENCE_S) == 0
    assert not box.socket.exists()


# --- what must not be anywhere ---

CANARIES = {
    word: f"{word}CANARY7"
    for word in ("FIRST", "SECOND", "REASON", "FILE", "FOLDER", "SLICE", "PERSON", "EXPORT", "ABSENT")
}


def found(data: bytes) -> set[str]:
    """The canaries in some bytes, as UTF-8 or UTF-16, in letters of either size."""
    data = data.lower()
    plain = lambda word: (word.lower().encode(), word.lower().encode("utf-16-le"))  # noqa: E731
    return {name for name, word in CANARIES.items() if any(form in data for form in plain(word))}


def scanned(box: Appliance) -> dict[str, set[str]]:
    """Where canaries are, in names and contents of all files and in the log. What goes away meanwhile has a name all the same."""
    there = {}
    for root in (box.data, box.run):
        for place, folders, files in os.walk(root):
            for name in folders + files:
                path = Path(place, name)
                try:
                    content = path.read_bytes() if name in files and path.is_file() else b""
                except FileNotFoundError:
                    content = b""
                there[str(path.relative_to(box.folder))] = found(os.fsencode(path.relative_to(box.folder)) + b"\0" + content)
    there["log"] = found(box.log.read_bytes())
    return {name: words for name, words in there.items() if words}


@pytest.fixture
def planted(phantoms, picture, folder):
    """A patient whose names are canaries, everywhere that a name can be."""
    inputs = folder / CANARIES["FOLDER"]
    inputs.mkdir()
    field = inputs / f"{CANARIES['FILE']}.png"
    shutil.copy(picture, field)
    series = inputs / "ct"
    series.mkdir()
    for number, path in enumerate(sorted(phantoms[0]["ct"].iterdir())):
        slice_ = pydicom.dcmread(path)
        slice_.PatientID = CANARIES["FIRST"]
        slice_.PatientName = CANARIES["PERSON"]
        slice_.PatientBirthDate = "19600101"
        slice_.save_as(series / f"{CANARIES['SLICE']}-{number}.dcm")
    return inputs, field, series


@pytest.fixture
def told(appliance, planted, folder):
    """An appliance that was told all canaries, was killed once, and now rests."""
    inputs, field, series = planted
    share = folder / "share"
    share.mkdir()
    # A panel that nobody locks shows the cases of the day, and has them in memory.
    site = f'[share]\nfolder = "{share}"\npoll-s = 0.5\nquiet-s = 0\n[panel]\nenabled = false\n'
    box = appliance(site, camera=True)
    answers = []
    with box.start(env={"HILUM_LOG": "debug"}).desk() as desk:
        person = {"first": CANARIES["FIRST"], "second": CANARIES["SECOND"]}
        case = desk.open_case(**person)["case"]
        desk.fields(case, field, um_per_px=0.5)
        desk.ct(case, series)
        absent = inputs / f"{CANARIES['ABSENT']}.png"
        for wrong in (lambda: desk.fields(case, absent), lambda: desk.ct(case, absent), lambda: desk.fields(case, series), lambda: desk.ct(case, field)):  # fmt: skip
            with pytest.raises(Denied) as caught:
                wrong()
            answers.append(str(caught.value))
        desk.ask("submit", case=case)
        assert desk.wait(case) == "assessed"
        desk.ask("show", case=case)
        desk.ask("review", case=case, agrees=False, reason=CANARIES["REASON"])
        by_share = desk.open_case(**person)["case"]
        shutil.copytree(series, share / CANARIES["EXPORT"])
        until(lambda: desk.ask("show", case=by_share)["ct"])
        desk.ask("submit", case=by_share)
        box.until(lambda status: status["running"] is not None, PATIENCE_S)
    box.kill()
    assert scanned(box) == {}, "after the kill"
    with box.start(env={"HILUM_LOG": "debug"}).desk() as desk:
        assert desk.wait(by_share, PATIENCE_S) == "assessed"
        assert desk.ask("show", case=case)["review"]["reason"] == CANARIES["REASON"]
    return box, answers


# verifies: REQ-PRIVACY-01, REQ-PRIVACY-02
def test_no_name_is_on_the_disk_or_in_the_log(told):
    box, answers = told
    assert scanned(box) == {}, "while it runs"
    assert found("\n".join(answers).encode()) == set(), answers
    assert box.stop() == 0
    assert scanned(box) == {}, "after the stop"
    box.verified()


def memory(pid: int) -> bytes | None:
    """What a process may write, as a core would have it; nothing if it gave some of it back meanwhile."""
    parts = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as mem:
        for line in maps:
            place, access = line.split()[:2]
            begin, end = (int(edge, 16) for edge in place.split("-"))
            if access.startswith("rw"):
                mem.seek(begin)
                try:
                    parts.append(mem.read(end - begin))
                except OSError:
                    return None
    return b"".join(parts)


# verifies: REQ-PRIVACY-02
def test_no_person_is_in_the_memory_of_a_daemon_at_rest(told):
    """Names of files on the share stay in the C library's buffers; that no core is written is the daemon's own limit."""
    box, _ = told
    # The last answer is freed a moment after it was heard.
    until(lambda: (seen := memory(box.process.pid)) is not None and found(seen) <= {"EXPORT", "SLICE"})
    limits = Path(f"/proc/{box.process.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"], core


@pytest.fixture
def journal(mounted):
    """A journal where the system's would be, in mounts of our own: what it was sent."""
    place = mounted(Path("/run/systemd"), "-t", "tmpfs", "none") / "journal" / "socket"
    place.parent.mkdir()
    entries: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(place))
        listener.settimeout(0.2)
        over = threading.Event()

        def read():
            while not over.is_set():
                try:
                    entries.append(listener.recv(1 << 20))
                except TimeoutError:
                    pass

        reader = threading.Thread(target=read)
        reader.start()
        yield entries
        over.set()
        reader.join()


# verifies: REQ-PRIVACY-02
def test_no_name_is_in_the_journal(appliance, planted, journal):
    inputs, field, series = planted
    box = appliance()
    with box.start(env={"HILUM_LOG": "debug", "JOURNAL_STREAM": "1:1"}).desk() as desk:
        case = desk.open_case(CANARIES["FIRST"], CANARIES["SECOND"])["case"]
        desk.fields(case, field, um_per_px=0.5)
        desk.ct(case, series)
        for wrong in (lambda: desk.fields(case, inputs / f"{CANARIES['ABSENT']}.png"), lambda: desk.ct(case, field)):
            with pytest.raises(Denied):
                wrong()
        desk.ask("submit", case=case)
        assert desk.wait(case) == "assessed"
        desk.ask("review", case=case, agrees=False, reason=CANARIES["REASON"])
    assert box.stop() == 0
    said = b"\n".join(journal)
    assert case.encode() in said and b"an input was not read" in said and box.said() == ""
    assert found(said) == set()
