"""What a disk may look like after a power cut: images from a recording, each put before a check.

The model is in README.md. `Model` walks the recording and knows at each point what is durable and what is pending;
`Image` is one choice among the pending; `Judge` holds what a check says of it against the promises given until then.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
import random
import shlex
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

SECTOR = 512
ZEROS = bytes(SECTOR)
NUMBERS = itertools.count()

# The kinds of records; recorder.c has the same list.
(CREATE, WRITE, SIZE, SYNC, SYNC_ALL, RENAME, UNLINK, MKDIR,
 RMDIR, LINK, SYMLINK, ACK, DROPPED, SPECIAL, START, DIED) = range(1, 17)  # fmt: skip
KINDS = ("", "create", "write", "size", "sync", "sync-all", "rename", "unlink", "mkdir",
         "rmdir", "link", "symlink", "ack", "dropped-sync", "special", "start", "died")  # fmt: skip
HEADER = struct.Struct("<IIQQII")


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the recording."""

    kind: int
    ino: int = 0
    offset: int = 0
    path: str = ""
    data: bytes = b""
    pid: int = 0

    def __str__(self) -> str:
        return f"{KINDS[self.kind]} {self.path} ino {self.ino} offset {self.offset} {len(self.data)} bytes"


def read_log(path: Path) -> list[Record]:
    """The recording, whole."""
    text = path.read_bytes()
    records, at = [], 0
    while at < len(text):
        kind, pid, ino, offset, name, more = HEADER.unpack_from(text, at)
        at += HEADER.size
        end = at + name + more
        if not 1 <= kind < len(KINDS) or end > len(text):
            raise ValueError(f"the recording is damaged at byte {at}")
        records.append(Record(kind, ino, offset, os.fsdecode(text[at : at + name]), text[at + name : end], pid))
        at = end
    return records


def sector_hash(sector: int, data: bytes) -> int:
    """A file's digest is the sum of its sectors', so that it follows each change. A hole is as zeros: it adds nothing."""
    if data == ZEROS:
        return 0
    return int.from_bytes(hashlib.blake2b(data, digest_size=16, key=sector.to_bytes(8, "little")).digest(), "little")


# --- what is on the disk ---


class File:
    """A file: what is durable, what the program sees, and what is on its way.

    `pending`: sector → every content it had since the last sync, with the time it got it. `lengths`: the same for its
    length.
    """

    def __init__(self, content: bytes = b"") -> None:
        self.number = next(NUMBERS)
        self._settle(content)

    def _settle(self, content: bytes) -> None:
        self.now = bytearray(content)
        self.durable = bytearray(content)
        self.hashes: dict[int, int] = {}
        for sector in range(-(-len(content) // SECTOR)):
            self.hashes[sector] = sector_hash(sector, self._sector(sector))
        self.digest = sum(self.hashes.values())
        self.pending: dict[int, list[tuple[int, bytes, int]]] = {}
        self.lengths: list[tuple[int, int]] = []

    def _sector(self, sector: int) -> bytes:
        return bytes(self.now[sector * SECTOR : (sector + 1) * SECTOR]).ljust(SECTOR, b"\0")

    @property
    def dirty(self) -> bool:
        return bool(self.pending or self.lengths)

    def write(self, time: int, offset: int, data: bytes) -> None:
        end = offset + len(data)
        if end > len(self.now):
            self.now.extend(bytes(end - len(self.now)))
            self.lengths.append((time, end))
        self.now[offset:end] = data
        for sector in range(offset // SECTOR, -(-end // SECTOR)):
            content = self._sector(sector)
            self.pending.setdefault(sector, []).append((time, content, sector_hash(sector, content)))

    def resize(self, time: int, length: int) -> None:
        if length == len(self.now):
            return
        if length < len(self.now):
            del self.now[length:]
        else:
            self.now.extend(bytes(length - len(self.now)))
        self.lengths.append((time, length))

    def sync(self) -> None:
        shrunk = min((length for _, length in self.lengths), default=len(self.durable)) < len(self.durable)
        if shrunk:
            self._settle(bytes(self.now))
            return
        if len(self.now) > len(self.durable):
            self.durable.extend(bytes(len(self.now) - len(self.durable)))
        for sector, versions in self.pending.items():
            start = sector * SECTOR
            # After a write and a cut of the length the last version may reach past the end.
            content = self._sector(sector)
            self.durable[start : min(start + SECTOR, len(self.now))] = content[: max(0, len(self.now) - start)]
            new = versions[-1][2] if versions[-1][1] == content else sector_hash(sector, content)
            self.digest += new - self.hashes.get(sector, 0)
            self.hashes[sector] = new
        self.pending.clear()
        self.lengths.clear()


class Folder:
    """A folder: durable names, names now, and the changes on their way, in order. A change sets and takes names at once."""

    def __init__(self) -> None:
        self.now: dict[str, Node] = {}
        self.durable: dict[str, Node] = {}
        self.pending: list[dict[str, Node | None]] = []

    def change(self, names: dict[str, Node | None]) -> None:
        self.pending.append(names)
        self._apply(self.now, names)

    def after(self, count: int) -> dict[str, Node]:
        """The names if the first `count` of the pending changes survive."""
        if count == 0:
            return self.durable
        if count == len(self.pending):
            return self.now
        names = dict(self.durable)
        for change in self.pending[:count]:
            self._apply(names, change)
        return names

    @staticmethod
    def _apply(names: dict[str, Node], change: dict[str, Node | None]) -> None:
        for name, node in change.items():
            if node is None:
                names.pop(name, None)
            else:
                names[name] = node

    def sync(self) -> None:
        self.durable = dict(self.now)
        self.pending.clear()


@dataclass(eq=False)
class Symlink:
    """A symbolic link."""

    says: str


class Special:
    """A socket: there while the program runs, not part of an image."""


Node = File | Folder | Symlink | Special


class Model:
    """The disk while the program ran."""

    def __init__(self, root_ino: int = 0) -> None:
        self.root = Folder()
        self.inodes: dict[int, Node] = {root_ino: self.root}
        self.time = 0
        self.dirty_files: set[File] = set()
        self.dirty_folders: set[Folder] = set()

    @classmethod
    def of(cls, listing: dict, base: Path) -> Model:
        """The disk as it was before the program began: everything durable."""
        model = cls(listing["root"])
        for path, ino in listing["entries"]:
            parent, name = model._parent(path)
            whole = base / path
            if whole.is_symlink():
                node: Node = Symlink(os.readlink(whole))
            elif whole.is_dir():
                node = Folder()
            else:
                node = File(whole.read_bytes())
            model.inodes[ino] = node
            parent.now[name] = parent.durable[name] = node
        return model

    def _parent(self, path: str) -> tuple[Folder, str]:
        *parts, name = path.split("/")
        folder = self.root
        for part in parts:
            node = folder.now[part]
            assert isinstance(node, Folder), path
            folder = node
        return folder, name

    def _change(self, folder: Folder, names: dict[str, Node | None]) -> None:
        folder.change(names)
        self.dirty_folders.add(folder)

    def _file(self, record: Record) -> File:
        node = self.inodes.get(record.ino)
        if not isinstance(node, File):
            raise ValueError(f"the recording changes a file that it does not know: {record}")
        self.dirty_files.add(node)
        return node

    def apply(self, record: Record) -> None:
        self.time += 1
        match record.kind:
            case 2:  # WRITE
                self._file(record).write(self.time, record.offset, record.data)
            case 3:  # SIZE
                self._file(record).resize(self.time, record.offset)
            case 4:  # SYNC
                node = self.inodes.get(record.ino)
                if not isinstance(node, File | Folder):
                    raise ValueError(f"the recording syncs what it does not know: {record}")
                self._sync(node)
            case 5:  # SYNC_ALL
                for node in [*self.dirty_files, *self.dirty_folders]:
                    self._sync(node)
            case 1 | 8 | 11 | 14:  # CREATE MKDIR SYMLINK SPECIAL
                folder, name = self._parent(record.path)
                if record.kind == SYMLINK:
                    node = Symlink(os.fsdecode(record.data))
                else:
                    node = {CREATE: File, MKDIR: Folder, SPECIAL: Special}[record.kind]()
                if record.ino:
                    self.inodes[record.ino] = node
                self._change(folder, {name: node})
            case 7 | 9:  # UNLINK RMDIR
                folder, name = self._parent(record.path)
                if name not in folder.now:
                    raise ValueError(f"the recording removes what it does not know: {record}")
                self._change(folder, {name: None})
            case 10:  # LINK
                source, old = self._parent(record.path)
                target, new = self._parent(os.fsdecode(record.data))
                self._change(target, {new: source.now[old]})
            case 6:  # RENAME
                source, old = self._parent(record.path)
                target, new = self._parent(os.fsdecode(record.data))
                node = source.now[old]
                if target.now.get(new) is node:
                    return  # two names of one file: POSIX says that nothing happens
                if source is target:
                    self._change(source, {old: None, new: node})
                else:
                    self._change(target, {new: node})
                    self._change(source, {old: None})
            case 16:  # DIED
                raise ValueError(f"the recorder gave up: {record.path}")

    def _sync(self, node: File | Folder) -> None:
        node.sync()
        self.dirty_files.discard(node)
        self.dirty_folders.discard(node)

    def unsynced(self) -> bool:
        return bool(self.dirty_files or self.dirty_folders)

    # --- images ---

    def nothing(self) -> Image:
        """The extreme: nothing un-synced survives."""
        return Image(self, {}, {})

    def everything(self) -> Image:
        """The extreme: all survives."""
        return Image(
            self,
            {file: Survivors.all_of(file) for file in self.dirty_files},
            {folder: len(folder.pending) for folder in self.dirty_folders},
        )

    def some(self, rng: random.Random) -> Image:
        """One choice. Either each sector for itself, or all until some moment and of the last write a part."""
        files = {}
        ordered = rng.random() < 0.3
        until = rng.randint(max(0, self.time - 40), self.time)
        share = rng.choice((0.03, 0.5, 0.97))
        # A set's order is that of addresses: sorted, so that a seed means the same in every process.
        for file in sorted(self.dirty_files, key=lambda file: file.number):
            sectors = {}
            for sector, versions in file.pending.items():
                if ordered:
                    there = [version for version in versions if version[0] <= until]
                    if there and (there[-1][0] != until or rng.random() < 0.5):
                        sectors[sector] = there[-1]
                elif rng.random() < share:
                    sectors[sector] = versions[-1] if rng.random() < 0.7 else rng.choice(versions)
            lengths = sum(time <= until for time, _ in file.lengths) if ordered else rng.randint(0, len(file.lengths))
            if not ordered and rng.random() < 0.5:
                lengths = len(file.lengths)
            files[file] = Survivors(sectors, lengths)
        folders = {folder: rng.randint(0, len(folder.pending)) for folder in self._folders() if folder.pending}
        return Image(self, files, folders)

    def _folders(self) -> Iterator[Folder]:
        """All folders that have or may have a name, in a fixed order."""
        seen: dict[Folder, None] = {}
        waiting = [self.root]
        while waiting:
            folder = waiting.pop()
            if folder in seen:
                continue
            seen[folder] = None
            for names in (folder.durable, *folder.pending):
                waiting.extend(node for node in names.values() if isinstance(node, Folder))
        return iter(seen)


@dataclass(frozen=True)
class Survivors:
    """What survives of a file's pending changes: a version for some sectors, and the first so many of its lengths."""

    sectors: dict[int, tuple[int, bytes, int]]
    lengths: int

    @classmethod
    def all_of(cls, file: File) -> Survivors:
        return cls({sector: versions[-1] for sector, versions in file.pending.items()}, len(file.lengths))


class Image:
    """A disk after a cut."""

    def __init__(self, model: Model, files: dict[File, Survivors], folders: dict[Folder, int]) -> None:
        self.files = files
        self.folders = folders
        self.entries: dict[str, Node] = {}
        self._walk("", model.root)

    def _walk(self, path: str, folder: Folder) -> None:
        for name, node in folder.after(self.folders.get(folder, 0)).items():
            if isinstance(node, Special):
                continue
            self.entries[path + name] = node
            if isinstance(node, Folder):
                self._walk(f"{path}{name}/", node)

    def _survived(self, file: File) -> tuple[int, int, dict[int, tuple[bytes, int]]]:
        """Length, how much of the durable content no surviving truncation took, and the sectors that differ from it."""
        survivors = self.files[file]
        events = file.lengths[: survivors.lengths]
        length = events[-1][1] if events else len(file.durable)
        floor = min([len(file.durable), *(reached for _, reached in events)])
        sectors = {}
        for sector, (time, content, digest) in survivors.sectors.items():
            start = sector * SECTOR
            # What was written before a truncation that survived is gone with it; and nothing is past the end.
            end = min([length, *(reached for when, reached in events if when > time)]) - start
            if end <= 0:
                continue
            if end < SECTOR and any(content[end:]):
                content = content[:end].ljust(SECTOR, b"\0")
                digest = sector_hash(sector, content)
            sectors[sector] = (content, digest)
        return length, floor, sectors

    def digest_of(self, file: File) -> tuple[int, int]:
        """A number that is the same for the same content."""
        if file not in self.files:
            return file.digest, len(file.durable)
        length, floor, sectors = self._survived(file)
        if floor < len(file.durable):
            return File(self.content(file)).digest, length
        digest = file.digest
        for sector, (_, new) in sectors.items():
            digest += new - file.hashes.get(sector, 0)
        return digest, length

    def content(self, file: File) -> bytes:
        if file not in self.files:
            return bytes(file.durable)
        length, floor, sectors = self._survived(file)
        content = bytearray(file.durable[:floor])
        content.extend(bytes(length - floor))
        for sector, (data, _) in sectors.items():
            start = sector * SECTOR
            content[start : start + SECTOR] = data[: length - start]
        return bytes(content)

    def digests(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for path, node in self.entries.items():
            match node:
                case File():
                    found[path] = self.digest_of(node)
                case Symlink():
                    found[path] = node.says
                case _:
                    found[path] = None
        return found

    def write(self, folder: Path) -> None:
        """Puts the image into an empty folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for path, node in self.entries.items():
            match node:
                case Folder():
                    (folder / path).mkdir(exist_ok=True)
                case Symlink():
                    (folder / path).symlink_to(node.says)
                case File():
                    (folder / path).write_bytes(self.content(node))


class Bench:
    """A folder that holds one image after the other. What two have in common is not written again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.known: dict[str, tuple[object, int]] = {}

    def put(self, image: Image, digests: dict[str, object]) -> None:
        there = dict(self._there(self.folder, ""))
        for path, entry in sorted(there.items(), reverse=True):
            wanted = image.entries.get(path)
            folder, file = entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)
            if not (isinstance(wanted, Folder) and folder or isinstance(wanted, File) and file):
                (os.rmdir if folder else os.unlink)(entry.path)
                self.known.pop(path, None)
                del there[path]
        for path, node in image.entries.items():
            where = f"{self.folder}/{path}"
            match node:
                case Folder():
                    if path not in there:
                        os.mkdir(where)
                case Symlink():
                    os.symlink(node.says, where)
                case File():
                    entry = there.get(path)
                    if entry is not None:
                        about = entry.stat(follow_symlinks=False)
                        # Each file gets a time of its own from long ago: who writes to it changes that.
                        if self.known.get(path) == (digests[path], about.st_ino) and about.st_mtime_ns == 1_000_000_000:
                            continue
                    with open(where, "wb", buffering=0) as file:
                        file.write(image.content(node))
                        ino = os.fstat(file.fileno()).st_ino
                    os.utime(where, ns=(1_000_000_000, 1_000_000_000))
                    self.known[path] = (digests[path], ino)

    def _there(self, folder: Path | str, prefix: str) -> Iterator[tuple[str, os.DirEntry]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield prefix + entry.name, entry
                if entry.is_dir(follow_symlinks=False):
                    yield from self._there(entry.path, f"{prefix}{entry.name}/")


def differences(model: Model, real: Path) -> list[str]:
    """Where the folder after a run without a cut is not what the recording makes of it."""
    image = model.everything()
    found = {}
    for path, folders, files in os.walk(real):
        for name in [*folders, *files]:
            whole = Path(path, name)
            if not (volatile(name) or whole.is_socket()):
                found[str(whole.relative_to(real))] = whole
    wrong = [f"{path} is there and not in the recording" for path in found.keys() - image.entries.keys()]
    wrong += [f"{path} is in the recording and not there" for path in image.entries.keys() - found.keys()]
    for path in sorted(found.keys() & image.entries.keys()):
        node, whole = image.entries[path], found[path]
        match node:
            case Symlink():
                same = whole.is_symlink() and os.readlink(whole) == node.says
            case Folder():
                same = whole.is_dir() and not whole.is_symlink()
            case _:
                same = whole.is_file() and whole.read_bytes() == image.content(node) == node.now
        if not same:
            wrong.append(f"{path} is not as recorded")
    return sorted(wrong)


def volatile(name: str) -> bool:
    """SQLite's shared index of the WAL, which is made anew after every start. recorder.c has the same rule."""
    _, shm, rest = name.partition("-shm")
    return bool(shm) and (not rest or rest[0] in ". ")


# --- promises ---

NEXT = {
    "draft": ("queued", "expired"),
    "queued": ("assessed", "refused", "set-aside"),
    "set-aside": ("queued", "expired"),
    "assessed": ("reviewed", "expired"),
    "refused": ("reviewed", "expired"),
    "reviewed": ("exported", "expired"),
    "exported": ("expired",),
    "expired": (),
}


def reachable(state: str) -> frozenset[str]:
    """A state and all that a case may come to from it."""
    found, waiting = set(), [state]
    while waiting:
        state = waiting.pop()
        if state not in found:
            found.add(state)
            waiting.extend(NEXT[state])
    return frozenset(found)


LATER = {state: reachable(state) for state in NEXT}


class Promises:
    """What was acknowledged so far: the last state of each case."""

    def __init__(self, before: tuple[tuple[str, str], ...] = ()) -> None:
        self.state: dict[str, str] = dict(before)
        self.count = len(self.state)
        self._lines: dict[tuple[int, int], bytes] = {}

    def heard(self, record: Record) -> None:
        """Takes what was sent. It is a promise once its line is whole."""
        stream = (record.pid, record.ino)
        *lines, rest = (self._lines.get(stream, b"") + record.data).split(b"\n")
        self._lines[stream] = rest
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if not isinstance(told, dict) or told.get("ok") is not True:
                continue
            if isinstance(told.get("case"), str) and told.get("state") in NEXT:
                self.state[told["case"]] = told["state"]
                self.count += 1


@dataclass(frozen=True)
class Verdict:
    """What the check says of an image."""

    code: int
    cases: tuple[tuple[str, str], ...] = ()
    opened: str = ""
    said: str = ""


Check = Callable[[Path], Verdict]


@dataclass(frozen=True)
class CommandCheck:
    """The program's own verification. `{data}` in the command is the folder of the store in the image."""

    command: tuple[str, ...]
    data: str
    limit_s: float = 60.0

    def __call__(self, image: Path) -> Verdict:
        # A disk on which the store never came to be, or is lost: the daemon begins anew there, without any case. The check makes
        # no store where none is, so it is given a database without anything.
        store = image / self.data
        store.mkdir(parents=True, exist_ok=True)
        if not any((store / name).exists() for name in ("hilum.db", "copy/hilum.db")):
            (store / "hilum.db").touch()
        words = [word.replace("{data}", str(image / self.data)) for word in self.command]
        try:
            ended = subprocess.run(words, capture_output=True, timeout=self.limit_s, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return Verdict(-1, said=f"no answer in {self.limit_s} s")
        try:
            told = json.loads(ended.stdout)
            cases = tuple((case["number"], case["state"]) for case in told["cases"])
            return Verdict(ended.returncode, cases, told["opened"], ended.stderr.decode(errors="replace"))
        except (ValueError, KeyError, TypeError):
            return Verdict(ended.returncode or -1, said=(ended.stdout + ended.stderr).decode(errors="replace"))


def judged(verdict: Verdict, promised: dict[str, str], begun: frozenset[str] | None) -> tuple[str, str] | None:
    """What is wrong, as a kind and in words: `unopenable`, `lost`, or `odd` for a case that cannot be."""
    if verdict.code != 0:
        return "unopenable", f"exit code {verdict.code}: {verdict.said}"
    found = dict(verdict.cases)
    for case, state in promised.items():
        if found.get(case) not in LATER[state]:
            return "lost", f"{case} was promised as {state} and is {found.get(case, 'not there')}"
    if len(found) != len(verdict.cases):
        return "odd", "a case is there twice"
    if begun is not None and not begun.issuperset(found):
        return "odd", f"never begun: {sorted(found.keys() - begun)}"
    return None


# --- cuts ---


@dataclass
class Tally:
    """What came of the cuts."""

    cuts: int = 0
    images: int = 0
    distinct: int = 0
    promises: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    opened: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.cuts += other.cuts
        self.images += other.images
        self.distinct += other.distinct
        self.promises = max(self.promises, other.promises)
        self.faults += other.faults
        self.opened += other.opened
        self.first += other.first


@dataclass(frozen=True)
class Plan:
    """What is done at each cut."""

    check: Check
    images: int  # at each cut, the two extremes among them
    seed: int
    bench: Path  # a folder in memory
    keep: Path  # where images with faults go
    keep_at_most: int = 5  # of each range of cuts
    begun: frozenset[str] | None = None
    before: tuple[tuple[str, str], ...] = ()  # what the disk held before the run is promised, too


def cut(model: Model, records: list[Record], cuts: list[int], plan: Plan) -> Tally:
    """Walks the recording; after each record whose index is in `cuts` (-1: before the first) the power fails."""
    tally, bench = Tally(), Bench(plan.bench)
    promises, verdicts = Promises(plan.before), {}
    wanted = set(cuts)
    for at in range(-1, cuts[-1] + 1 if cuts else 0):
        if at >= 0:
            model.apply(records[at])
            if records[at].kind == ACK:
                promises.heard(records[at])
        if at not in wanted:
            continue
        tally.cuts += 1
        for number in range(plan.images if model.unsynced() else 1):
            if number == 0:
                image = model.nothing()
            elif number == 1:
                image = model.everything()
            else:
                image = model.some(random.Random(f"{plan.seed} {at} {number}"))
            digests = image.digests()
            key = hashlib.blake2b(repr(sorted(digests.items())).encode(), digest_size=16).digest()
            verdict = verdicts.get(key)
            if verdict is None:
                bench.put(image, digests)
                verdict = verdicts[key] = plan.check(plan.bench)
                tally.distinct += 1
            tally.images += 1
            tally.opened[verdict.opened or "not"] += 1
            fault = judged(verdict, promises.state, plan.begun)
            if fault:
                tally.faults[fault[0]] += 1
                if len(tally.first) < plan.keep_at_most:
                    tally.first.append(kept(plan, image, records, at, number, fault, promises))
    tally.promises = promises.count
    return tally


def kept(
    plan: Plan, image: Image, records: list[Record], at: int, number: int, fault: tuple[str, str], promises: Promises
) -> str:
    """Keeps an image with a fault, and says what it is."""
    folder = plan.keep / f"cut-{at:06d}-image-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    image.write(folder / "image")
    about = {
        "cut_after": at,
        "fault": fault[0],
        "why": fault[1],
        "image": ("nothing un-synced", "everything")[number] if number < 2 else f"seed {plan.seed}",
        "survived_sectors": {
            path: [sorted(image.files[node].sectors), sorted(node.pending)]
            for path, node in image.entries.items()
            if isinstance(node, File) and node in image.files
        },
        "last_records": [f"{index} {records[index]}" for index in range(max(0, at - 30), at + 1)],
        "promises": promises.state,
    }
    (folder / "cut.json").write_text(json.dumps(about, indent=1) + "\n")
    return f"{fault[0]} at cut {at}, image {number}: {fault[1].strip()} (kept in {folder})"


def chosen(records: list[Record], count: int | None, seed: int) -> list[int]:
    """The cuts: after every record that changes the disk or gives a promise, or `count` of them, evenly with a seed."""
    every = [-1, *(at for at, record in enumerate(records) if record.kind not in (START, DROPPED, SPECIAL))]
    if count is None or count >= len(every):
        return every
    rng = random.Random(f"{seed} cuts")
    step = len(every) / count
    return [every[rng.randrange(int(index * step), int((index + 1) * step))] for index in range(count)]


@dataclass(frozen=True)
class Recording:
    """A recording and what it began with."""

    log: Path
    listing: dict
    base: Path

    def model(self) -> Model:
        return Model.of(self.listing, self.base)


_SHARED: tuple[Recording, list[Record], Plan] | None = None


def _range(cuts: list[int]) -> Tally:
    assert _SHARED
    recording, records, plan = _SHARED
    bench = plan.bench / f"bench-{os.getpid()}"
    mine = replace(plan, bench=bench)
    try:
        return cut(recording.model(), records, cuts, mine)
    finally:
        shutil.rmtree(bench, ignore_errors=True)


def cut_all(recording: Recording, records: list[Record], cuts: list[int], plan: Plan, processes: int) -> Tally:
    """All cuts, in ranges. A range walks the recording up to its first cut without making an image."""
    global _SHARED
    _SHARED = (recording, records, plan)
    ranges = processes * 4 if processes > 1 and len(cuts) > 400 else processes
    size = -(-len(cuts) // ranges)
    parts = [cuts[start : start + size] for start in range(0, len(cuts), size)]
    tally = Tally()
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        # The last ranges have the most to check: they go first.
        for part in pool.imap_unordered(_range, parts[::-1], chunksize=1):
            tally.add(part)
    if tally.cuts != len(cuts):
        raise RuntimeError(f"{tally.cuts} of {len(cuts)} cuts were made")
    return tally


def words(command: str) -> tuple[str, ...]:
    """A command line as words."""
    return tuple(shlex.split(command))
