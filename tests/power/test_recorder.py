"""The recorder: nothing is missed, and what it cannot record ends the program. `python3 tests/power/test_recorder.py`
runs these, too. The programs are Python's own interpreter: it makes the same calls of libc as any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from cuts import ACK, DIED, DROPPED, SYNC, Model, Promises, Record, differences, read_log  # noqa: E402

BEGIN = """
import ctypes, mmap, os, socket, sys, threading
root = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
def file(name, flags=os.O_RDWR | os.O_CREAT): return os.open(f"{root}/{name}", flags, 0o600)
"""


def recorded(tmp_path: Path, program: str, code: int = 0, **settings: str) -> tuple[list[Record], list[str]]:
    """The recording of a program, and where it is not what happened."""
    library, root, log = tmp_path / "recorder.so", tmp_path / "disk", tmp_path / "log"
    root.mkdir()
    wanted = ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", "-O2", *wanted, "-o", library, HERE / "recorder.c", "-ldl", "-lpthread"], check=True)
    given = {"LD_PRELOAD": str(library), "POWER_ROOT": str(root), "POWER_LOG": str(log), **settings}
    words = [sys.executable, "-B", "-c", BEGIN + program, str(root)]
    ended = subprocess.run(words, env={**os.environ, **given}, capture_output=True, text=True, timeout=60)
    assert ended.returncode == code, ended.stderr
    records = read_log(log)
    if code:
        return records, []
    model = Model(root.stat().st_ino)
    for record in records:
        model.apply(record)
    return records, differences(model, root)


def test_every_way_to_write_is_recorded(tmp_path: Path) -> None:
    _, wrong = recorded(
        tmp_path,
        """
a = file("a")
os.write(a, b"one"); os.pwrite(a, b"two", 700); os.writev(a, [b"th", b"", b"ree"]); os.pwritev(a, [b"fo", b"ur"], 1500)
b = os.dup(a); os.lseek(a, 0, os.SEEK_END); os.write(b, b"five"); os.close(a); os.ftruncate(b, 900); os.write(b, b"six")
c = file("c", os.O_WRONLY | os.O_CREAT | os.O_APPEND); os.write(c, b"1"); os.write(c, b"2"); os.pwrite(c, b"3", 0)
d = file("d"); os.copy_file_range(b, d, 500, 0); os.copy_file_range(b, d, 5, 0, 2000); os.sendfile(d, b, 10, 20)
os.posix_fallocate(d, 0, 5000); os.truncate(f"{root}/d", 4000); os.close(file("c", os.O_WRONLY | os.O_TRUNC))
os.mkdir(f"{root}/s"); os.chdir(f"{root}/s"); os.close(os.open("e", os.O_CREAT | os.O_WRONLY)); os.rename("e", "../f")
folder = os.open(root, os.O_RDONLY)
os.mkdir("t", dir_fd=folder); os.rename("f", "t/g", src_dir_fd=folder, dst_dir_fd=folder); os.link(f"{root}/t/g", "g2")
with open("g2", "ab") as g: g.write(b"through another name")
os.symlink("g2", "g3"); os.unlink("a", dir_fd=folder); os.write(b, b"gone"); os.mkdir("u"); os.rmdir("u")
with open("g3", "r+b") as g: g.write(b"through a link")
os.rename(f"{root}/t", "moved"); os.fsync(folder)
x = file("y-shm"); os.ftruncate(x, 4096); mmap.mmap(x, 4096)[:3] = b"shm"
""",
    )
    assert wrong == []


def test_threads_and_processes_are_in_one_order(tmp_path: Path) -> None:
    records, wrong = recorded(
        tmp_path,
        """
def write(name):
    fd = file(name)
    for step in range(300): os.pwrite(fd, bytes([step % 256]) * 600, step % 7 * 300)
child = os.fork()
threads = [threading.Thread(target=write, args=("same",)) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
if child: os.waitpid(child, 0)
""",
    )
    assert wrong == [] and len({record.pid for record in records}) == 2 and len(records) > 2400


def test_promises_are_what_goes_over_unix_sockets(tmp_path: Path) -> None:
    line = '{"ok":true,"case":"H00000%d","state":"queued"}\\n'
    records, _ = recorded(
        tmp_path,
        f"""
line = {line!r}.replace("\\\\n", chr(10))
one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
one.sendall((line % 1).encode()); one.sendmsg([(line % 2)[:9].encode(), (line % 2)[9:].encode()])
os.write(one.fileno(), (line % 3).encode()); os.writev(one.fileno(), [(line % 4).encode()])
other, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); other.send((line % 5).encode())
os.write(1, (line % 6).encode()); s = socket.socket(socket.AF_UNIX); s.bind(root + "/socket")
""",
    )
    promises = Promises()
    for record in records:
        if record.kind == ACK:
            promises.heard(record)
    assert sorted(promises.state) == [f"H00000{number}" for number in (1, 2, 3, 4)]


def test_settings_leave_out_their_syncs(tmp_path: Path) -> None:
    program = """
wal, db, blob, folder = file("hilum.db-wal"), file("hilum.db"), file("blob"), os.open(root, os.O_RDONLY)
os.write(wal, bytes(32)); os.fsync(wal)                                   # a header
os.write(wal, b"frame"); os.fdatasync(wal); os.fsync(wal)                 # a commit, a checkpoint
os.fsync(db); os.fsync(blob); os.fsync(folder)
"""
    for name, settings, wanted in (
        ("full", {}, "SSSSSS"),
        ("normal", {"POWER_SYNC": "NORMAL"}, "SDSSSS"),
        ("off", {"POWER_SYNC": "OFF"}, "DDDDSD"),
        ("lie", {"POWER_LIE": "1"}, "DDDDDD"),
    ):
        (tmp_path / name).mkdir()
        records, _ = recorded(tmp_path / name, program, **settings)
        letters = {SYNC: "S", DROPPED: "D"}
        assert "".join(letters.get(record.kind, "") for record in records) == wanted, name


def test_what_cannot_be_recorded_ends_the_program(tmp_path: Path) -> None:
    for number, program in enumerate((
        "a = file('a'); os.ftruncate(a, 4096); mmap.mmap(a, 4096)",
        "libc.fopen(f'{root}/a'.encode(), b'w')",
        "libc.fdopen(file('a'), b'w')",
        "libc.mkstemp(ctypes.create_string_buffer(f'{root}/aXXXXXX'.encode()))",
        "libc.syscall(1, 1, b'a', 1)" if os.uname().machine == "x86_64" else "libc.syscall(64, 1, b'a', 1)",
        "os.open(root, os.O_TMPFILE | os.O_WRONLY)",
        "os.mkfifo(f'{root}/a')",
        "libc.fallocate(file('a'), 3, ctypes.c_long(0), ctypes.c_long(5))",
        "os.close(file('a')); os.rename(f'{root}/a', f'{root}/../a')",
        "os.close(file('a-shm')); os.rename(f'{root}/a-shm', f'{root}/a')",
        "r, w = os.pipe(); os.write(w, b'a'); os.splice(r, file('a'), 1)",
    )):  # fmt: skip
        (tmp_path / str(number)).mkdir()
        records, _ = recorded(tmp_path / str(number), program, code=-6)
        assert records[-1].kind == DIED, program


def main() -> None:
    import tempfile

    for name, test in list(globals().items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory() as folder:
                test(Path(folder))
            print(f"{name} ok")


if __name__ == "__main__":
    main()
