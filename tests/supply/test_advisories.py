"""The matcher of `advisories`, and what makes it fail: a planted fault, an old snapshot, a stale acceptance."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize(
    ("requirement", "inside", "outside"),
    [
        (">= 1.2.3", "1.2.3 1.2.4 1.10.0 2.0.0 1.2.4-rc.1 1.2.3+build", "1.2.2 0.99.99 1.2.3-rc.1"),
        (">=0.10", "0.10.0 0.10.1 1.0.0", "0.9.99 0.10.0-alpha.1"),
        ("> 1.2.3", "1.2.4 1.3.0-rc.1", "1.2.3 1.2.3-rc.1 1.2.2"),
        ("> 1.2", "1.3.0 2.0.0", "1.2.0 1.2.9"),
        ("< 2.0.0", "1.99.99 0.1.0 1.99.99-rc.1", "2.0.0 2.0.1 2.0.0-rc.1"),
        ("< 2.0.0-rc.2", "1.9.9 2.0.0-rc.1 2.0.0-beta.9", "2.0.0-rc.2 2.0.0-rc.10 2.0.0"),
        ("<0.3.0-10", "0.3.0-9 0.2.0", "0.3.0-10 0.3.0-11 0.3.0-rc"),
        ("<= 1.2.3", "1.2.3 1.2.3-rc.1 0.0.1", "1.2.4 1.2.4-rc.1"),
        ("<= 1.2", "1.2.9 1.0.0", "1.3.0 1.3.0-rc.1"),
        (">= 1, < 2", "1.0.0 1.9.9", "0.9.9 2.0.0 2.0.0-alpha"),
        ("< 0.8.0, >= 0.7.1", "0.7.1 0.7.9", "0.7.0 0.8.0"),
        ("1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0"),
        ("^1.2.3", "1.2.3 1.99.0", "1.2.2 2.0.0 2.0.0-rc.1 1.2.3-rc.1"),
        ("^ 0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0 1.0.0"),
        ("^0.0.3", "0.0.3", "0.0.2 0.0.4 0.1.0"),
        ("^0.0", "0.0.0 0.0.9", "0.1.0"),
        ("^0", "0.0.1 0.9.0", "1.0.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0 1.3.0-rc.1"),
        ("~1.2", "1.2.0 1.2.9", "1.1.9 1.3.0"),
        ("~1", "1.0.0 1.9.0", "0.9.0 2.0.0"),
        ("=1.2.3", "1.2.3 1.2.3+build", "1.2.4 1.2.2 1.2.3-rc.1"),
        ("= 1.2", "1.2.0 1.2.9", "1.3.0 1.1.9"),
        ("1.2.*", "1.2.0 1.2.9", "1.3.0 1.1.9"),
        ("1.*", "1.0.0 1.9.9", "2.0.0 0.9.0"),
        ("*", "0.0.1 99.0.0 1.0.0-rc.1", ""),
    ],
)
def test_requirement(advisories, requirement, inside, outside):
    for text, wanted in [(text, True) for text in inside.split()] + [(text, False) for text in outside.split()]:
        assert advisories.meets(advisories.Version.parse(text), requirement) is wanted, f"{text} in {requirement!r}"


def test_order_of_pre_releases(advisories):
    """The chain of semver.org, section 11."""
    chain = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0"
    keys = [advisories.Version.parse(text).key for text in chain.split()]
    assert all(lower < higher for lower, higher in zip(keys, keys[1:]))


@pytest.mark.parametrize("text", ["", "1", "1.2", "01.2.3", "1.2.3.4", "v1.2.3"])
def test_not_a_version(advisories, text):
    with pytest.raises(advisories.Broken):
        advisories.Version.parse(text)


@pytest.mark.parametrize("requirement", ["", ">= ", "=> 1.2", "1.2.3 - 2.0.0", ">= 1.2.3 < 2", "1.*.3.4", ">= 1.0,"])
def test_not_a_requirement(advisories, requirement):
    """What is not understood is an error, never "not affected"."""
    with pytest.raises(advisories.Broken):
        advisories.meets(advisories.Version.parse("999999.0.0"), requirement)


def test_whole_snapshot_is_understood(advisories):
    for advisory in json.loads((HERE / "advisories.json").read_text())["advisories"]:
        advisories.affected(advisories.Version.parse("0.0.1-alpha.1"), advisory)
        for requirement in advisory["patched"] + advisory["unaffected"]:
            advisories.meets(advisories.Version.parse("0.0.0"), requirement)


@pytest.fixture
def checkout(advisories, tmp_path):
    """A checkout with one planted advisory on `hole`; returns a function that runs the check on it."""

    def run(versions=("1.0.0",), accepted="", today="2026-11-23", source="RustSec, snapshot of 2026-11-01", lock="Cargo.lock", **changes):
        path = tmp_path / "checkout" / lock
        path.parent.mkdir(parents=True, exist_ok=True)
        registry = 'source = "registry+index"'
        named = [("hilum", "0.1.0", ""), *(("hole", version, registry) for version in versions)]
        path.write_text("".join(f'[[package]]\nname = "{name}"\nversion = "{version}"\n{rest}\n' for name, version, rest in named))
        advisory = {"id": "RUSTSEC-2026-9999", "package": "hole", "date": "2026-10-01", "kind": "vulnerability"}
        advisory |= {"title": "a hole", "patched": [">= 1.2.0"], "unaffected": ["< 0.9.0"]} | changes
        ours = {**advisory, "id": "RUSTSEC-2026-9998", "package": "hilum", "patched": [], "unaffected": []}
        (tmp_path / "snapshot.json").write_text(json.dumps({"source": source, "advisories": [advisory, ours]}))
        (tmp_path / "accepted.toml").write_text(accepted)
        words = ["--root", tmp_path / "checkout", "--snapshot", tmp_path / "snapshot.json", "--accepted", tmp_path / "accepted.toml"]
        return advisories.main([*map(str, words), "--today", today, "--no-deny"])

    return run


ENTRY = '[[accepted]]\nid = "RUSTSEC-2026-9999"\npackage = "hole"\ndate = 2026-11-02\nreason = "not reached"\n'


def test_a_planted_version_is_found(checkout, capsys):
    assert checkout() == 1
    said = capsys.readouterr()
    assert "RUSTSEC-2026-9999 hole 1.0.0 (vulnerability) in Cargo.lock" in said.out
    assert "hole 1.0.0 is neither updated nor in accepted.toml" in said.err


@pytest.mark.parametrize("version", ["1.2.0", "2.0.0", "0.8.9"])
def test_a_safe_version_passes(checkout, version):
    assert checkout([version]) == 0


# verifies: REQ-SERVICE-05
@pytest.mark.parametrize("version", ["1.1.9", "0.9.0", "1.2.0-rc.1", "0.9.0-rc.1"])
def test_an_affected_version_fails(checkout, version):
    assert checkout([version]) == 1


def test_each_of_two_versions_is_looked_at(checkout, capsys):
    assert checkout(["1.3.0", "1.1.0"]) == 1
    assert "hole 1.1.0" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["unmaintained", "unsound", "notice"])
def test_every_kind_counts(checkout, kind):
    assert checkout(kind=kind, patched=[], unaffected=[]) == 1


def test_a_lock_file_further_down_is_read(checkout, capsys):
    assert checkout(["1.2.0"]) == 0
    assert checkout(lock="tests/fuzz/Cargo.lock") == 1
    assert "in tests/fuzz/Cargo.lock" in capsys.readouterr().out


def test_a_lock_file_of_a_build_is_not(checkout):
    assert checkout(["1.2.0"]) == 0
    assert checkout(lock="target/package/Cargo.lock") == 0


def test_a_checkout_without_a_lock_file_fails(advisories, tmp_path):
    assert advisories.main(["--root", str(tmp_path), "--no-deny"]) == 1


def test_accepted_with_a_reason_passes(checkout):
    assert checkout(accepted=ENTRY) == 0


@pytest.mark.parametrize("version", ["1.2.0", "0.8.0"])
def test_a_stale_acceptance_fails(checkout, capsys, version):
    assert checkout([version], accepted=ENTRY) == 1
    assert "hits nothing any more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('reason = "not reached"\n', ""),
        ('"not reached"', '" "'),
        ("date = 2026-11-02\n", ""),
        ("2026-11-02", '"soon"'),
        ("2026-11-02", "2027-01-01"),
        ("[[accepted]]", "[[acepted]]"),
        ('package = "hole"', 'package = "hole"\nuntil = 2027-01-01'),
        (ENTRY, ENTRY + ENTRY),
        (ENTRY, "[[accepted"),
    ],
)
def test_a_careless_acceptance_fails(checkout, old, new):
    assert old in ENTRY
    assert checkout(accepted=ENTRY.replace(old, new)) == 1


# verifies: REQ-SERVICE-05
def test_an_old_snapshot_fails(checkout, capsys):
    assert checkout(["1.2.0"], today="2027-04-30") == 0  # 180 days
    assert checkout(["1.2.0"], today="2027-05-01") == 1
    assert "181 days old" in capsys.readouterr().err


def test_a_snapshot_without_a_date_is_as_old_as_its_newest(checkout):
    assert checkout(["1.2.0"], source="RustSec", today="2026-11-23") == 0
    assert checkout(["1.2.0"], source="RustSec", today="2027-03-31") == 1


def test_a_snapshot_to_come_fails(checkout):
    assert checkout(["1.2.0"], today="2026-10-31") == 1


def test_deny_ignores_what_is_accepted():
    """cargo-deny has its own list, which must be ours."""
    ignored = tomllib.loads((HERE / "deny.toml").read_text())["advisories"]["ignore"]
    listed = [entry["id"] for entry in tomllib.loads((HERE / "accepted.toml").read_text())["accepted"]]
    assert sorted(ignored) == sorted(listed)
    assert all(re.fullmatch(r"RUSTSEC-\d{4}-\d{4}", id) for id in listed)
