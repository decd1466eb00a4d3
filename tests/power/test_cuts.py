"""The model of a disk: what may be lost at a cut, and what may not. `python3 tests/power/test_cuts.py` runs these, too."""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cuts import ACK, CREATE, LATER, MKDIR, RENAME, SIZE, SYNC, SYNC_ALL, UNLINK, WRITE  # noqa: E402
from cuts import Bench, File, Image, Model, Plan, Promises, Record, Verdict, cut, judged  # noqa: E402

ROOT, A, B, SUB = 1, 10, 11, 12


def create(path: str, ino: int) -> Record:
    return Record(CREATE, ino, path=path)


def write(ino: int, data: bytes, offset: int = 0) -> Record:
    return Record(WRITE, ino, offset, data=data)


def sync(ino: int) -> Record:
    return Record(SYNC, ino)


def rename(old: str, new: str) -> Record:
    return Record(RENAME, path=old, data=new.encode())


def shown(image: Image) -> dict[str, bytes | None]:
    return {path: image.content(node) if isinstance(node, File) else None for path, node in image.entries.items()}


def possible(*records: Record) -> list[dict[str, bytes | None]]:
    """Every disk that is seen after a cut here: the two extremes first, then what many seeds give."""
    model = Model(ROOT)
    for record in records:
        model.apply(record)
    some = (shown(model.some(random.Random(seed))) for seed in range(400))
    return [shown(model.nothing()), shown(model.everything()), *some]


def test_a_write_without_a_sync_may_be_lost() -> None:
    seen = possible(create("a", A), sync(A), sync(ROOT), write(A, b"new"))
    assert seen[0] == {"a": b""} and seen[1] == {"a": b"new"}
    assert {"a": bytes(3)} in seen, "the length may be there without the data"


def test_a_write_with_a_sync_may_not_be_lost() -> None:
    seen = possible(create("a", A), sync(ROOT), write(A, b"new"), sync(A))
    assert all(disk == {"a": b"new"} for disk in seen)


def test_a_file_without_a_sync_of_its_folder_may_be_lost() -> None:
    seen = possible(create("a", A), write(A, b"new"), sync(A))
    assert seen[0] == {} and {"a": b"new"} in seen
    assert all(disk in ({}, {"a": b"new"}) for disk in seen)


def test_a_name_may_be_there_without_its_data() -> None:
    assert {"a": b""} in possible(create("a", A), write(A, b"new"), sync(ROOT))


def test_a_rename_without_a_sync_of_the_folder_may_be_lost() -> None:
    begun = (create("a", A), write(A, b"old"), sync(A), create("a.part", B), sync(ROOT), write(B, b"new"))
    seen = possible(*begun, sync(B), rename("a.part", "a"))
    assert all(disk in ({"a": b"old", "a.part": b"new"}, {"a": b"new"}) for disk in seen), "either all of it or nothing"
    assert seen[0]["a"] == b"old" and seen[1]["a"] == b"new"
    assert all(disk == {"a": b"new"} for disk in possible(*begun, sync(B), rename("a.part", "a"), sync(ROOT)))
    assert {"a": b""} in possible(*begun, rename("a.part", "a"), sync(ROOT)), "a name that came before its data"


def test_an_unlink_may_be_undone() -> None:
    begun = (create("a", A), write(A, b"old"), sync(A), sync(ROOT), Record(UNLINK, path="a"))
    assert {"a": b"old"} in possible(*begun) and {} in possible(*begun)
    assert all(disk == {} for disk in possible(*begun, sync(ROOT)))


def test_changes_of_a_folder_survive_in_order() -> None:
    seen = possible(create("a", A), create("b", B), Record(UNLINK, path="a"))
    assert all(sorted(disk) in ([], ["a"], ["a", "b"], ["b"]) for disk in seen)
    assert {"a": b"", "b": b""} in seen


def test_folders_do_not_wait_for_each_other() -> None:
    made = (Record(MKDIR, SUB, path="sub"), sync(ROOT), create("sub/a", A), create("b", B))
    seen = {tuple(sorted(disk)) for disk in possible(*made)}
    assert seen == {("sub",), ("sub", "sub/a"), ("b", "sub"), ("b", "sub", "sub/a")}
    lost = possible(Record(MKDIR, SUB, path="sub"), create("sub/a", A), write(A, b"new"), sync(A), sync(SUB))
    assert lost[0] == {}, "a folder that was not synced into the one above it takes all with it"


def test_a_write_is_torn_at_sectors() -> None:
    begun = (create("a", A), write(A, b"o" * 1536), sync(A), sync(ROOT), write(A, b"n" * 1536))
    parts = {tuple(disk["a"][at : at + 512] for at in (0, 512, 1024)) for disk in possible(*begun)}
    assert len(parts) == 8, "each sector for itself"
    assert all(part in (b"o" * 512, b"n" * 512) for sectors in parts for part in sectors)


def test_a_sector_written_twice_has_any_of_its_contents() -> None:
    seen = possible(create("a", A), write(A, b"1"), sync(A), sync(ROOT), write(A, b"2"), write(A, b"3"))
    assert {disk["a"] for disk in seen} == {b"1", b"2", b"3"}


def test_what_a_truncation_took_does_not_come_back_behind_it() -> None:
    begun = (create("a", A), write(A, b"o" * 1024), sync(A), sync(ROOT), Record(SIZE, A, 100))
    assert {disk["a"] for disk in possible(*begun)} == {b"o" * 1024, b"o" * 100}
    again = {disk["a"] for disk in possible(*begun, write(A, b"n" * 512, 512))}
    assert b"o" * 100 + bytes(412) + b"n" * 512 in again and b"o" * 512 + b"n" * 512 in again
    assert b"o" * 512 + bytes(512) not in again


def test_a_sync_of_the_file_system_is_one_of_everything() -> None:
    made = (Record(MKDIR, SUB, path="sub"), create("sub/a", A), write(A, b"new"), Record(SYNC_ALL))
    assert all(disk == {"sub": None, "sub/a": b"new"} for disk in possible(*made))


def test_the_digest_of_a_file_is_that_of_its_content() -> None:
    model, rng = Model(ROOT), random.Random(1)
    model.apply(create("a", A))
    model.apply(sync(ROOT))
    for step in range(300):
        match rng.randrange(8):
            case 0:
                model.apply(sync(A))
            case 1:
                model.apply(Record(SIZE, A, rng.randrange(5000)))
            case _:
                model.apply(write(A, rng.randbytes(rng.randrange(1, 1500)), rng.randrange(5000)))
        file = model.inodes[A]
        assert isinstance(file, File)
        for image in (model.nothing(), model.everything(), model.some(random.Random(step))):
            content = image.content(file)
            assert image.digest_of(file) == (File(content).digest, len(content)), step
        assert model.everything().content(file) == file.now


def test_a_bench_holds_the_image_whatever_the_check_did_to_it(tmp_path: Path) -> None:
    model, bench, rng = Model(ROOT), Bench(tmp_path / "bench"), random.Random(2)
    for record in (Record(MKDIR, SUB, path="sub"), create("sub/a", A), create("b", B), sync(SUB), sync(ROOT)):
        model.apply(record)
    for step in range(60):
        model.apply(write(rng.choice((A, B)), rng.randbytes(700), rng.randrange(2000)))
        image = model.some(random.Random(step))
        bench.put(image, image.digests())
        there = {str(path.relative_to(bench.folder)): path for path in bench.folder.rglob("*")}
        read = {name: path.read_bytes() if path.is_file() else None for name, path in there.items()}
        assert read == shown(image), step
        (bench.folder / "b").write_bytes(bytes((bench.folder / "b").stat().st_size))
        (bench.folder / "sub" / "more").write_bytes(b"more")
        if step % 3 == 0:
            (bench.folder / "sub" / "a").unlink()


def promised(case: str, state: str) -> Record:
    return Record(ACK, 77, data=f'{{"ok":true,"case":"{case}","state":"{state}"}}\n'.encode())


def test_a_promise_is_a_whole_line() -> None:
    promises = Promises()
    whole = promised("H000001", "queued").data
    for ino, data in ((77, whole[:9]), (78, b"no JSON\n"), (77, whole[9:-1])):
        promises.heard(Record(ACK, ino, data=data))
    assert promises.count == 0
    promises.heard(Record(ACK, 77, data=b"\n"))
    promises.heard(Record(ACK, 77, data=b'{"ok":false,"case":"H000002","state":"queued"}\n'))
    assert promises.state == {"H000001": "queued"}


def test_what_was_promised_is_there_in_that_state_or_a_later_one() -> None:
    held = [state for state in LATER if judged(Verdict(0, (("H000001", state),)), {"H000001": "queued"}, None) is None]
    assert held == ["queued", "set-aside", "assessed", "refused", "reviewed", "exported", "expired"]
    fault = judged(Verdict(0), {"H000001": "draft"}, None)
    assert fault and fault[0] == "lost"
    twice = judged(Verdict(0, (("H000001", "draft"), ("H000001", "draft"))), {}, None)
    unknown = judged(Verdict(0, (("H000009", "draft"),)), {}, frozenset({"H000001"}))
    assert twice and twice[0] == "odd" and unknown and unknown[0] == "odd"
    assert judged(Verdict(1), {}, None)


def faults(tmp_path: Path, *records: Record) -> dict[str, int]:
    """A store that is one file, a line a case, under a check that reads it."""

    def check(image: Path) -> Verdict:
        store = image / "a"
        return Verdict(0, tuple((line, "queued") for line in store.read_text().split()) if store.exists() else ())

    plan = Plan(check, 6, 1, tmp_path / "bench", tmp_path / "keep")
    return dict(cut(Model(ROOT), list(records), list(range(-1, len(records))), plan).faults)


def test_a_promise_before_the_sync_is_found_out(tmp_path: Path) -> None:
    begun = (create("a", A), sync(ROOT), write(A, b"H000001\n"))
    assert faults(tmp_path, *begun, sync(A), promised("H000001", "queued")) == {}
    assert faults(tmp_path, *begun, promised("H000001", "queued"), sync(A))["lost"] > 0
    assert (next((tmp_path / "keep").iterdir()) / "cut.json").exists()


def main() -> None:
    import inspect
    import tempfile

    for name, test in list(globals().items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory() as folder:
                test(*([Path(folder)] if inspect.signature(test).parameters else []))
            print(f"{name} ok")


if __name__ == "__main__":
    main()
