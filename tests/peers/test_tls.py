"""C-STORE over TLS, both ways, with dcmtk and Orthanc as the other side; openssl makes the certificates."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pacs import Network, orthanc, receiver


def openssl(folder: Path, *words: object) -> None:
    done = subprocess.run(["openssl", *map(str, words)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    """An authority (clinic), whom it signed (box, scanner, archive), and who signed itself (stranger), for another name."""
    folder = tmp_path_factory.mktemp("keys")
    new = ("-newkey", "rsa:2048", "-nodes")
    openssl(folder, "req", "-x509", *new, "-keyout", "clinic.key", "-out", "clinic.pem", "-subj", "/CN=clinic", "-days", 30)
    for name in ("box", "scanner", "archive"):
        alternative = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl(folder, "req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", *alternative)
        by = ("-CA", "clinic.pem", "-CAkey", "clinic.key", "-CAcreateserial", "-copy_extensions", "copy", "-days", 30)
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *by, "-out", f"{name}.pem")
    openssl(folder, "req", "-x509", *new, "-keyout", "stranger.key", "-out", "stranger.pem", "-subj", "/CN=stranger", "-days", 30)
    return folder


def own(keys: Path, name: str, *more: object) -> list[object]:
    """Words of ours that show a certificate."""
    return ["--certificate", keys / f"{name}.pem", "--key", keys / f"{name}.key", *more]


def theirs(keys: Path, name: str, trusted: str = "clinic") -> list[object]:
    """Words of dcmtk's that show a certificate and ask for one."""
    return ["+tls", keys / f"{name}.key", keys / f"{name}.pem", "+cf", keys / f"{trusted}.pem"]


def test_a_series_comes_over_tls(network, program, keys, series, tmp_path):
    with receiver(network, program, tmp_path / "in", *own(keys, "box")) as receiving:
        # dcmtk verifies the receiver; the receiver asks for nothing.
        network.run("echoscu", "+tla", "+cf", keys / "clinic.pem", "-aec", "HILUM", "127.0.0.1", receiving.port)
        network.run("storescu", "+tla", "+cf", keys / "clinic.pem", "-aec", "HILUM", "127.0.0.1", receiving.port, *series)
        assert len(receiving.files()) == len(series)
        said = receiving.stop()
    assert said == f"{len(series)} objects taken, 0 were there already, 0 not taken\n"


# verifies: REQ-NET-02
@pytest.mark.parametrize("trusted, welcome, others", [("clinic", "scanner", "stranger"), ("stranger", "stranger", "scanner")])
def test_whoever_connects_needs_a_certificate(network, program, keys, series, tmp_path, trusted, welcome, others):
    """One that an authority signed, or one that is known as it is."""
    with receiver(network, program, tmp_path / "in", *own(keys, "box", "--authorities", keys / f"{trusted}.pem")) as receiving:
        send = ["storescu", "-aec", "HILUM", "127.0.0.1", receiving.port, series[0]]
        for words in ([], ["+tla", "-ic"], theirs(keys, others)):
            began = time.monotonic()
            assert network.run(*send, *words, code=None, timeout=60).returncode != 0, words
            assert time.monotonic() - began < 9, "it is told, not left to wait"
        assert receiving.files() == []
        network.run(*send, *theirs(keys, welcome))
        assert len(receiving.files()) == 1
        assert "a connection was turned away" in receiving.stop()


def test_tls_where_there_is_none(network, program, keys, series, tmp_path):
    with receiver(network, program, tmp_path / "in") as receiving:
        network.run("storescu", "+tla", "-ic", "-aec", "HILUM", "127.0.0.1", receiving.port, series[0], code=None)
        assert receiving.files() == []
        network.run("storescu", "-aec", "HILUM", "127.0.0.1", receiving.port, series[0])
        assert len(receiving.files()) == 1


GREETING = """
import socket, ssl, sys
port, how = int(sys.argv[1]), sys.argv[2]
out = ssl.MemoryBIO()
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
try:
    context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
except ssl.SSLWantReadError:
    greeting = out.read()
sent = {"half": greeting[: len(greeting) // 2], "record": greeting[:5], "nothing": b"", "noise": b"\\x16\\x03\\x01" + bytes(300)}[how]
peer = socket.create_connection(("127.0.0.1", port), timeout=20)
peer.sendall(sent)
peer.shutdown(socket.SHUT_WR)
while peer.recv(4096):
    pass
"""


# verifies: REQ-NET-03
@pytest.mark.parametrize("how", ["half", "record", "nothing", "noise"])
def test_greetings_without_an_end(network, program, keys, series, tmp_path, how):
    """Whoever hangs up in the middle of one is let go at once, and leaves no thread that turns in circles."""
    with receiver(network, program, tmp_path / "in", *own(keys, "box")) as receiving:
        threads = Path(f"/proc/{receiving.process.pid}/task")
        for _ in range(20):
            network.run(sys.executable, "-c", GREETING, receiving.port, how, timeout=30)
        end = time.monotonic() + 5
        while "association\n" in [name.read_text() for name in threads.glob("*/comm")]:
            assert time.monotonic() < end
            time.sleep(0.05)
        network.run("storescu", "+tla", "-ic", "-aec", "HILUM", "127.0.0.1", receiving.port, series[0])
        assert len(receiving.files()) == 1


def test_files_that_make_no_connection(hilum, keys, tmp_path):
    receive = ["ct", "receive", "--ae", "A", "--listen", "127.0.0.1:0", "--out", tmp_path / "in"]
    for words, said in (
        (["--certificate", keys / "box.pem", "--key", keys / "scanner.key"], "certificates and keys that cannot be used"),
        (["--certificate", keys / "box.key", "--key", keys / "box.key"], "there is no certificate in it"),
        (["--certificate", keys / "box.pem", "--key", keys / "box.pem"], f"cannot read {keys / 'box.pem'}"),
        (["--certificate", keys / "none.pem", "--key", keys / "box.key"], f"cannot read {keys / 'none.pem'}"),
    ):
        ended = hilum(*receive, *words, code=75)
        assert said in ended.err and len(ended.err.splitlines()) == 1, ended.err
    hilum(*receive, "--certificate", keys / "box.pem", code=64)
    hilum(*receive, "--authorities", keys / "clinic.pem", code=64)


# --- the other way ---


def listening(network: Network, port: int) -> None:
    end = time.monotonic() + 20
    probe = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=5)"
    while network.run(sys.executable, "-c", probe, port, code=None).returncode:
        assert time.monotonic() < end
        time.sleep(0.1)


# verifies: REQ-NET-02
@pytest.mark.parametrize("name, trusted", [("archive", "clinic"), ("archive", "archive"), ("stranger", "stranger")])
def test_objects_go_to_storescp_over_tls(network, program, keys, series, tmp_path, name, trusted):
    """Its certificate is signed by whom we trust, or is known as it is, be it for another name."""
    into = tmp_path / "into"
    into.mkdir()
    process = network.start("storescp", "--fork", "-od", into, *theirs(keys, name), "-rc", 11_112)
    try:
        listening(network, 11_112)
        send = [program, "ct", "send", "--to", "ANY@127.0.0.1:11112"]
        network.run(*send, "--authorities", keys / f"{trusted}.pem", *own(keys, "box"), *series[:3])
        assert len(list(into.iterdir())) == 3
        other = "stranger" if trusted != "stranger" else "clinic"
        for words in (["--authorities", keys / f"{other}.pem", *own(keys, "box")], ["--authorities", keys / f"{trusted}.pem"], []):
            refused = network.run(*send, *words, series[3], code=75)
            assert len(refused.stderr.splitlines()) == 1, refused.stderr
        assert len(list(into.iterdir())) == 3
        unread = network.run(*send, "--authorities", keys / "none.pem", series[3], code=75)
        assert "cannot be secured" in unread.stderr and "none.pem" in unread.stderr
    finally:
        process.kill()
        process.wait(10)


def test_orthanc_both_ways_over_tls(network, program, keys, series, tmp_path):
    with receiver(network, program, tmp_path / "in", *own(keys, "box", "--authorities", keys / "clinic.pem")) as receiving:
        settings = {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(keys / "archive.pem"),
            "DicomTlsPrivateKey": str(keys / "archive.key"),
            "DicomTlsTrustedCertificates": str(keys / "clinic.pem"),
            "DicomTlsRemoteCertificateRequired": True,
            "DicomModalities": {"hilum": {"AET": "HILUM", "Port": receiving.port, "Host": "127.0.0.1", "UseDicomTls": True}},
        }
        with orthanc(network, tmp_path / "orthanc", *theirs(keys, "scanner"), **settings) as port:
            send = [program, "ct", "send", "--to", f"ORTHANC@127.0.0.1:{port}"]
            secured = ["--authorities", keys / "clinic.pem", *own(keys, "box")]
            assert network.run(*send, *secured, *series[:5]).stdout == "5 objects taken, and found there\n"
            (held,) = json.loads(network.get(f"http://127.0.0.1:{port + 1}/series"))
            network.get(f"http://127.0.0.1:{port + 1}/modalities/hilum/store", held)
        assert len(receiving.files()) == 5
