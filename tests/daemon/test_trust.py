"""What makes a record worth trusting: exports, the audit log, the bundle for support, retention. By the released program."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from appliance import HILUM, Appliance, Denied, cohort  # noqa: E402

CANARIES = ["CANARY-4711", "CANARY-1954", "CANARY-REASON", "CANARY-FILE"]
GENESIS = hashlib.sha256(b"hilum.audit/1").digest()
# A pair for tests; nothing is encrypted to it that anybody needs.
SECRET = "AGE-SECRET-KEY-18C9XZXYRANDM0U0JWYHH25XUJ6NRQJ2LH0GNYMNN6N3CFU445P4SG9N7UK"
PUBLIC = "age1wqjfwd5ddnvyjla9u643f2p2z4xdaccpahqyhvtnq3dyf9t2mcasnpk8ue"


def run(*words, wrap: list[str] = []) -> tuple[int, str, str]:
    ended = subprocess.run([*wrap, str(HILUM), *map(str, words)], capture_output=True, text=True)
    return ended.returncode, ended.stdout, ended.stderr


def check(path: Path, *words) -> tuple[int, dict | str]:
    code, out, err = run("store", "check", path, "--json", *words)
    return code, json.loads(out) if code == 0 else err


def small(folder: Path, out: Path) -> Path:
    """One tile of a phantom's field: a case that takes little time."""
    from PIL import Image

    Image.open(sorted(folder.glob("*.png"))[0]).crop((0, 0, 448, 448)).save(out)
    return out


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A daemon with a case with CT and fields that was reviewed, one that was not, and a draft."""
    folder = tmp_path_factory.mktemp("trust")
    media = folder / "media"
    (media / "stick").mkdir(parents=True)
    box = Appliance(folder / "box", f'exports = "{media}"\n', explain=("gradcam++",))
    box.media, box.stick = media, media / "stick"
    phantom = cohort(folder / "cohort", 1)[0]
    source = folder / "CANARY-FILE"
    shutil.copytree(phantom["ct"], source / "ct")
    picture = small(phantom["he"], source / "CANARY-FILE.png")
    with box.start():
        box.networks()
        with box.desk() as desk:
            box.reviewed = desk.open_case(CANARIES[0], CANARIES[1], age=63, sex="male", smoking="former")["case"]
            desk.ct(box.reviewed, source / "ct", lesion=phantom["lesion"], other_id=True)
            desk.fields(box.reviewed, picture, um_per_px=0.5)
            desk.ask("submit", case=box.reviewed)
            assert desk.wait(box.reviewed, 300) in ("assessed", "refused")
            desk.ask("review", case=box.reviewed, agrees=False, reason="a second opinion: " + CANARIES[2])
            desk.ask("review", case=box.reviewed, agrees=True, reason=CANARIES[2])
            box.shown = desk.ask("show", case=box.reviewed)
            box.plain = desk.open_case("SECOND-2", "second")["case"]
            desk.fields(box.plain, picture, um_per_px=0.5)
            desk.ask("submit", case=box.plain)
            assert desk.wait(box.plain, 300) in ("assessed", "refused")
            box.draft = desk.open_case("A-3", "second")["case"]
        yield box


def export(box, case: str, *words, to: Path | None = None) -> tuple[int, dict | str]:
    words = ["store", "export", case, "--out", to or box.stick, "--json", "--socket", box.socket, *words]
    code, out, err = run(*words)
    return code, json.loads(out) if code == 0 else err


def entries(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        members = tar.getmembers()
        assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {(0, 0, "", 0o644)}
        return {member.name: tar.extractfile(member).read() for member in members}


# verifies: REQ-STORE-07
def test_a_case_goes_out_whole_and_says_so(box):
    code, answer = export(box, box.reviewed)
    assert code == 0, answer
    name = hashlib.sha256(GENESIS + log(box)[0].encode()).hexdigest()[:8]
    assert answer["state"] == "exported" and answer["file"] == f"hilum-{name}-{box.reviewed}.tar"
    data = (box.stick / answer["file"]).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (answer["bytes"], answer["sha256"])
    assert sorted(path.name for path in box.stick.iterdir()) == [answer["file"], "hilum-head.txt"]
    files = entries(data)
    sums = "".join(f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in files.items() if name != "SHA256SUMS")
    assert files["SHA256SUMS"].decode() == sums
    report = json.loads(files["report.json"])
    assert report == box.shown["report"]
    for explanation in report["explanations"]:
        assert set(filter(None, [explanation["map"], *explanation["overlays"]])) <= files.keys()
    case = json.loads(files["case.json"])
    assert case["review"] == {"agrees": True, "by": "reviewer"}
    assert case["reviews"] == [{"agrees": False, "by": "reviewer"}, case["review"]]
    assert case["metadata"]["age"] == 63 and "identity" not in case
    assert {"ct.hilum", "field-1.png", "result.png", "log.jsonl", "chain.txt"} <= files.keys()
    # A person's reason may name the patient, too.
    for canary in CANARIES:
        assert canary.encode() not in data, canary
    header = json.loads(files["ct.hilum"].split(b"\n")[1])
    assert header["patient_id"] == "" and header["series_uid"]
    head = files["head.txt"].decode().strip()
    assert (box.stick / "hilum-head.txt").read_text().split("\n")[-2].split()[1:] == [name, head]
    # The lines are in the chain, and the log has the file's own hash after it left.
    for line, link in zip(files["log.jsonl"].splitlines(), files["chain.txt"].decode().splitlines(), strict=True):
        _, before, after = link.split()
        assert hashlib.sha256(bytes.fromhex(before) + line).hexdigest() == after
    last = json.loads(log(box)[-1])
    assert (last["action"], last["file"]) == ("exported", answer["sha256"])
    code, checked = check(box.stick / answer["file"])
    assert code == 0, checked
    assert (checked["kind"], checked["case"], checked["sha256"]) == ("case", box.reviewed, answer["sha256"])
    assert checked["box"] == case["box"] == name
    assert not checked["identity"] and checked["head"] == head
    with box.desk(300) as desk:
        assert desk.ask("replay", case=box.reviewed)["identical"]
        assert desk.ask("verify", head=head)["entries"] >= 1
    # Once more: the same file but for what was entered since, beside the first.
    code, again = export(box, box.reviewed)
    assert code == 0 and again["state"] == "exported" and again["file"] == f"hilum-{name}-{box.reviewed}-2.tar"
    assert (box.stick / answer["file"]).read_bytes() == data


# verifies: REQ-PATIENT-06
def test_a_stick_that_goes_from_box_to_box(tmp_path):
    """Each box has a first case, and they are different patients: no export replaces another, whoever wrote it."""
    stick = tmp_path / "stick"
    stick.mkdir()
    picture = small(cohort(tmp_path / "cohort", 1)[0]["he"], tmp_path / "field.png")
    names, files = [], {}
    for first in ("A-1", "B-1"):
        box = Appliance(tmp_path / first, "[case]\nexplain = []\n")
        with box.start():
            box.networks()
            with box.desk(300) as desk:
                case = desk.field_case(first, picture)
                assert desk.wait(case, 300) in ("assessed", "refused")
                for _ in range(2):
                    answer = desk.ask("export", case=case, to=str(stick), recipient=None, identity=True)
                    files[answer["file"]] = (answer["sha256"], first)
                # An export that fails takes nothing away either.
                lines, kept = stick / "hilum-head.txt", (stick / "hilum-head.txt").read_bytes()
                lines.unlink()
                lines.mkdir()
                with pytest.raises(Denied):
                    desk.ask("export", case=case, to=str(stick), recipient=None, identity=True)
                lines.rmdir()
                lines.write_bytes(kept)
            names.append(hashlib.sha256(GENESIS + log(box)[0].encode()).hexdigest()[:8])
            assert box.stop() == 0
    assert sorted(files) == sorted(f"hilum-{name}-{case}{more}.tar" for name in names for more in ("", "-2"))
    assert {path.name for path in stick.iterdir()} == {*files, "hilum-head.txt"}
    for file, (sha256, first) in files.items():
        data = (stick / file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == sha256
        assert json.loads(entries(data)["case.json"])["identity"][0] == first
    assert [line.split()[1] for line in (stick / "hilum-head.txt").read_text().splitlines()] == [names[0]] * 2 + [names[1]] * 2


# verifies: REQ-PRIVACY-03
def test_with_the_identity_only_on_purpose(box):
    code, answer = export(box, box.reviewed, "--with-identity")
    assert code == 0, answer
    files = entries((box.stick / answer["file"]).read_bytes())
    case = json.loads(files["case.json"])
    assert case["identity"] == CANARIES[:2]
    assert [review["reason"] for review in case["reviews"]] == ["a second opinion: " + CANARIES[2], CANARIES[2]]
    assert json.loads(files["ct.hilum"].split(b"\n")[1])["patient_id"]
    assert check(box.stick / answer["file"])[1]["identity"]


# verifies: REQ-STORE-07
def test_every_flipped_byte_is_found(box, tmp_path):
    code, answer = export(box, box.plain)
    assert code == 0, answer
    assert answer["state"] in ("assessed", "refused"), "what nobody reviewed is still to be reviewed"
    whole = (box.stick / answer["file"]).read_bytes()
    spoilt = tmp_path / "spoilt.tar"
    spoilt.write_bytes(whole)
    with tarfile.open(spoilt) as tar:
        headers = [member.offset for member in tar.getmembers()]
    # Every bit of a small file is flipped beside the code; here the program is started for each.
    rng = random.Random(7)
    places = {offset + at for offset in headers for at in rng.sample(range(512), 80)}
    places |= set(rng.sample(range(len(whole)), 1500)) | set(rng.sample(range(len(whole) - 1024, len(whole)), 100))
    with spoilt.open("r+b", buffering=0) as file:
        missed = []
        for at in sorted(places):
            os.pwrite(file.fileno(), bytes([whole[at] ^ 1 << rng.randrange(8)]), at)
            if subprocess.run([HILUM, "store", "check", spoilt], capture_output=True).returncode != 65:
                missed.append(at)
            os.pwrite(file.fileno(), whole[at : at + 1], at)
    assert missed == []
    assert check(spoilt)[0] == 0
    print(f"{len(places)} of {len(whole)} bytes flipped, each found")
    for end in [0, 1, 511, 512, len(whole) // 2, len(whole) - 1]:
        spoilt.write_bytes(whole[:end])
        assert check(spoilt)[0] == 65, end


# verifies: REQ-PRIVACY-03
def test_an_encrypted_export_opens_with_the_reference_tool(box, tmp_path):
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    code, answer = export(box, box.reviewed, "--recipient", str(identity.to_public()))
    assert code == 0, answer
    assert answer["file"].startswith("hilum-") and answer["file"].endswith(f"-{box.reviewed}.tar.age")
    path = box.stick / answer["file"]
    sealed = path.read_bytes()
    assert hashlib.sha256(sealed).hexdigest() == answer["sha256"]
    assert b"report.json" not in sealed and b"ustar" not in sealed
    files = entries(pyrage.decrypt(sealed, [identity]))
    assert json.loads(files["case.json"])["case"] == box.reviewed
    key = tmp_path / "key.txt"
    key.write_text(f"# a comment\n{identity}\n")
    code, checked = check(path, "--age-identity", key)
    assert code == 0 and checked["encrypted"] and checked["case"] == box.reviewed
    assert check(path)[0] == 64, "an encrypted file needs a key"
    key.write_text(str(pyrage.x25519.Identity.generate()))
    assert check(path, "--age-identity", key)[0] == 65
    # And the other way: what the reference tool encrypted is read here.
    other = tmp_path / "other.tar.age"
    plain = (box.stick / export(box, box.reviewed)[1]["file"]).read_bytes()
    other.write_bytes(pyrage.encrypt(plain, [pyrage.x25519.Identity.generate().to_public(), identity.to_public()]))
    key.write_text(str(identity))
    assert check(other, "--age-identity", key)[0] == 0


def test_flips_in_an_encrypted_export_are_found(box, tmp_path):
    key = tmp_path / "key.txt"
    key.write_text(SECRET)
    code, answer = export(box, box.plain, "--recipient", PUBLIC)
    assert code == 0, answer
    whole = (box.stick / answer["file"]).read_bytes()
    spoilt = tmp_path / "spoilt.age"
    assert check(box.stick / answer["file"], "--age-identity", key)[0] == 0
    for at in [*range(240), *random.Random(3).sample(range(len(whole)), 60)]:
        spoilt.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert check(spoilt, "--age-identity", key)[0] == 65, at


# verifies: REQ-PRIVACY-03
def test_what_may_not_leave_and_where_it_may_not_go(box, tmp_path):
    before = log(box)
    outside = tmp_path / "outside"
    outside.mkdir()
    (box.media / "link").symlink_to(outside)
    for to in [outside, box.media / "link", box.media / ".." / "box", box.media / "missing", box.stick / "hilum-head.txt"]:
        code, said = export(box, box.plain, to=to)
        assert code == 64, (to, said)
    assert list(outside.iterdir()) == []
    assert export(box, box.draft)[0] == 64
    assert export(box, "H999999")[0] == 64
    for recipient in ["age1", "ssh-ed25519 AAAA", SECRET]:
        assert export(box, box.plain, "--recipient", recipient)[0] == 64
    with box.desk() as desk, pytest.raises(Denied) as denied:
        desk.ask("export", case=box.plain, to="relative", recipient=None, identity=False)
    assert denied.value.exit == 64
    assert log(box) == before


# verifies: REQ-STORE-07
def test_a_full_stick_leaves_nothing(tmp_path):
    """A file system of its own in a mount namespace of its own, so that nothing of the machine is touched."""
    wrap = ["unshare", "-m", "--propagation", "private"]
    if os.geteuid() != 0 or subprocess.run([*wrap, "true"], capture_output=True).returncode:
        pytest.skip("needs root and mount namespaces")
    stick = tmp_path / "stick"
    stick.mkdir()
    box = Appliance(tmp_path / "box")
    phantom = cohort(tmp_path / "cohort", 1)[0]
    picture = small(phantom["he"], tmp_path / "field.png")
    mounted = [*wrap, "sh", "-c", f'mount -t tmpfs -o size=256k none {stick} && exec "$@"', "sh"]
    with box.start(wrap=mounted):
        # With its root, too: the one of a chroot is not that of the mounts.
        inside = ["nsenter", "-m", "-r", "-t", str(box.process.pid)]
        box.networks()
        with box.desk(300) as desk:
            case = desk.open_case("A-1")["case"]
            desk.fields(case, picture, um_per_px=0.5)
            desk.ask("submit", case=case)
            desk.wait(case, 300)
            desk.ask("review", case=case, agrees=True, reason="as expected")
            before = log(box)
            with pytest.raises(Denied) as denied:
                desk.ask("export", case=case, to=str(stick), recipient=None, identity=False)
            assert denied.value.exit == 75
            assert desk.ask("show", case=case)["state"] == "reviewed"
        assert subprocess.run([*inside, "ls", "-A", str(stick)], capture_output=True, check=True).stdout == b""
        assert [json.loads(line)["action"] for line in log(box)[len(before) :]] == ["viewed"]
        # With room it goes.
        subprocess.run([*inside, "mount", "-o", "remount,size=64m", str(stick)], check=True)
        with box.desk(300) as desk:
            answer = desk.ask("export", case=case, to=str(stick), recipient=None, identity=False)
        assert answer["state"] == "exported"
        assert subprocess.run([*inside, str(HILUM), "store", "check", str(stick / answer["file"])]).returncode == 0
        assert box.stop() == 0


def log(box, *words) -> list[str]:
    code, out, err = run("store", "log", "--json", *(words or ["--socket", box.socket]))
    assert code == 0, err
    return out.splitlines()


def head_of(lines: list[str]) -> str:
    """The head of a log, as anybody computes it."""
    head = GENESIS
    for line in lines:
        head = hashlib.sha256(head + line.encode()).digest()
    return f"{len(lines)}-{head.hex()}"


# verifies: REQ-STORE-03
def test_the_log_is_a_chain(box):
    lines = log(box)
    with box.desk() as desk:
        assert desk.ask("status")["store"]["head"] == head_of(lines)
        assert desk.ask("log", **{"from": 3})["lines"] == lines[2:]
    assert [json.loads(line)["number"] for line in lines] == list(range(1, len(lines) + 1))
    code, out, _ = run("store", "log", "--socket", box.socket)
    assert code == 0 and len(out.splitlines()) == len(lines)
    assert "operator" in out and f"drafted {box.draft}" in out
    assert "the day's head" in box.said()


# verifies: REQ-PRIVACY-02
def test_support_has_nothing_of_a_patient(box, tmp_path):
    out = tmp_path / "support.tar"
    words = ["support", "--out", out, "--board", box.board, "--site", box.site]
    for running in (True, False):
        if running:
            code, said, err = run(*words, "--socket", box.socket)
        else:
            code, said, err = run(*words, "--socket", tmp_path / "none")
        assert code == 0, err
        data = out.read_bytes()
        for canary in CANARIES + ["SECOND-2", box.shown["report"]["provenance"].get("series", "no series")]:
            assert canary.encode() not in data, canary
        files = entries(data)
        about = json.loads(files["support.json"])
        assert (about["daemon"] == "answers") == running
        assert {"board/0.toml", "board/1.toml", "board/site.toml", "machine/meminfo.txt", "machine/mount.txt"} <= files.keys()
        assert ("status.json" in files) == running
        assert {case["number"] for case in json.loads(files["cases.json"])} >= {box.reviewed, box.plain, box.draft}
        assert all(case.keys() == {"number", "state", "attempts", "control"} for case in json.loads(files["cases.json"]))
        lines = files["log.jsonl"].decode().splitlines()
        assert lines == log(box)[: len(lines)] and len(lines) > 5
        assert check(out)[1]["kind"] == "support"
    assert "no daemon answers" in said


# verifies: REQ-STORE-03
def test_every_flip_in_the_log_is_found(tmp_path):
    """Both copies changed alike: then only the chain and a saved head can tell."""
    box = Appliance(tmp_path / "box", "[case]\nexplain = []\n")
    with box.start():
        with box.desk() as desk:
            for name in ("A-1", "A-2"):
                desk.open_case(name)
            head = desk.ask("status")["store"]["head"]
        # What the stop adds comes after the saved head.
        assert box.stop() == 0
    store = box.data / "store"
    code, answer = box.offline("verify", "--head", head)
    assert code == 0, answer
    lines = log(box, "--data", store)
    assert head_of(lines[: int(head.split("-")[0])]) == head
    copies = [store / "hilum.db", store / "copy" / "hilum.db"]
    for copy in copies:
        edited(copy, "PRAGMA wal_checkpoint(TRUNCATE)")
    kept = [copy.read_bytes() for copy in copies]

    def spoil(statement: str, rows: list[tuple]) -> None:
        for copy, whole in zip(copies, kept):
            for suffix in ("-wal", "-shm"):
                Path(f"{copy}{suffix}").unlink(missing_ok=True)
            copy.write_bytes(whole)
            edited(copy, statement, rows)

    rng = random.Random(11)
    found = 0
    for number, line in enumerate(lines, 1):
        for bit in rng.sample(range(len(line.encode()) * 8), 12):
            spoilt = bytearray(line.encode())
            spoilt[bit // 8] ^= 1 << bit % 8
            spoil("UPDATE audit SET line = CAST(? AS TEXT) WHERE number = ?", [(bytes(spoilt), number)])
            code, answer = box.offline("verify", "--head", head)
            assert code != 0, (number, bit)
            found += 1
    print(f"{found} flips in {len(lines)} lines, each found")
    # Everything written again, with hashes that fit: the head that somebody kept does not.
    chain, rows = GENESIS, []
    for number, line in enumerate(lines, 1):
        changed = line.replace('"operator"', '"reviewer"')
        chain = hashlib.sha256(chain + changed.encode()).digest()
        rows.append((changed, chain, number))
    spoil("UPDATE audit SET line = ?, hash = ? WHERE number = ?", rows)
    assert box.offline("verify")[0] == 0, "by itself it looks whole"
    assert box.offline("verify", "--head", head)[0] != 0


def test_a_wrong_folder_is_not_whole(tmp_path):
    """An unmounted disk, a slip of the pen: no store is made, and nobody is told that it is whole."""
    for words in (["verify"], ["list"], ["log"], ["verify", "--head", f"1-{'0' * 64}"]):
        code, out, err = run("store", *words, "--data", tmp_path)
        assert (code, out) == (65, ""), err
        assert "there is no store in" in err and err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
    assert run("store", "verify", "--data", tmp_path / "nowhere")[0] == 64
    # What is left of one is a store.
    (tmp_path / "hilum.db").write_bytes(bytes(9))
    assert run("store", "verify", "--data", tmp_path)[0] == 75


def edited(path: Path, statement: str, rows: list[tuple] = [()]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for row in rows:
            database.execute(statement, row)


# verifies: REQ-PRIVACY-04, REQ-STORE-06
def test_what_is_over_is_removed_by_the_rules(tmp_path):
    """Drafts a day old, by a clock that is trusted; and by one that is not, nothing."""
    site = "[store]\ndrafts-days = 1\nretention-days = 1\n[case]\nexplain = []\n"
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("needs libfaketime")
    later = {"LD_PRELOAD": str(library), "FAKETIME": "+20y", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    for trusted, wanted in (("always", "expired"), ("never", "draft")):
        box = Appliance(tmp_path / trusted, site + f'[clock]\ntrusted = "{trusted}"\n')
        with box.start():
            with box.desk() as desk:
                case = desk.open_case("A-1")["case"]
            assert box.stop() == 0
        # What is set aside when the database is restored has the draft, too.
        (box.data / "store" / "hilum.db").write_bytes(b"Z" * 8192)
        with box.start(env=later):
            assert box.until(lambda status: True)["clock"]["claimed"] > "2040"
            box.until(lambda status: status["store"]["cases"][wanted] == 1)
            assert box.stop() == 0
        assert ("removed, as the retention rules want it" in box.said()) == (wanted == "expired")
        assert (box.data / "store" / "hilum.db.aside").exists() == (wanted == "draft")
        assert case
