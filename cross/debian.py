"""Debian's packages, unpacked and not configured: no program of another processor is run, and no maintainer's script."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from boards import Board, Processor
from machine import run
from making import CACHE, CROSS, Making, say

SUITE, BACKPORTS = "trixie", "trixie-backports"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What was unpacked, from the packages themselves: nothing writes it down where nothing is installed.
LIST_PACKAGES = ('for deb in "$1"/var/cache/apt/archives/*.deb; do dpkg-deb -f "$deb" Package Source Version Architecture; echo; done '
                 '>"$1/packages"')


def mirror() -> str:
    """Where this machine gets its own Debian from."""
    own = re.search(r'^VERSION_CODENAME="?([^"\n]+)', Path("/etc/os-release").read_text(), re.MULTILINE)[1]
    found = run("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages", "Component: main")
    for line in found.splitlines():
        release, address = line.split(" ", 1)
        if release == own:
            return address
    raise SystemExit("image: apt knows no mirror of this machine's own Debian suite")


def packages(board: Board, processor: Processor) -> list[str]:
    lines = (line.partition("#")[0].split() for line in (CROSS / "packages").read_text().splitlines())
    wanted = [words[0] for words in lines if words]
    if board.loader != "vendor":
        wanted.append(f"linux-image-{processor.debian}/{BACKPORTS}")
    if board.loader == "grub":
        wanted.append(f"grub-efi-{processor.debian}-unsigned")
    return wanted


def unpacked(board: Board, processor: Processor) -> Path:
    """A tar archive of the packages; made once for each list of them."""
    wanted = packages(board, processor)
    key = hashlib.sha256("\n".join([SUITE, LIST_PACKAGES, *wanted]).encode()).hexdigest()[:12]
    archive = CACHE / f"debian-{processor.debian}-{key}.tar"
    if not archive.exists():
        say(f"fetching Debian {SUITE} for {processor.debian}")
        CACHE.mkdir(parents=True, exist_ok=True)
        sources = "".join(f"deb [signed-by={KEYS}] {mirror()} {suite} main\n" for suite in (SUITE, f"{SUITE}-updates", BACKPORTS))
        fresh = archive.with_suffix(".new")
        run("mmdebstrap", "--quiet", f"--mode={'root' if os.geteuid() == 0 else 'unshare'}", f"--arch={processor.debian}",
            "--variant=extract", "--skip=check/qemu", f"--include={','.join(wanted)}", "--aptopt=Acquire::Languages \"none\"",
            "--aptopt=APT::Install-Recommends \"false\"", f"--extract-hook={LIST_PACKAGES}", "--format=tar",
            SUITE, fresh, "-", input=sources)
        fresh.rename(archive)
    return archive


def bill(making: Making) -> str:
    """CycloneDX 1.5: the packages. The program's own crates are in its bill (tests/supply/sbom)."""
    components = []
    for paragraph in (making.root / "packages").read_text().strip().split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        source = fields.get("Source", fields["Package"]).split(" ")[0]
        version = fields["Version"].replace("+", "%2B").replace(":", "%3A")
        components.append({
            "type": "operating-system" if fields["Package"].startswith("linux-image") else "library",
            "name": fields["Package"], "version": fields["Version"], "bom-ref": fields["Package"],
            "purl": f"pkg:deb/debian/{fields['Package']}@{version}?arch={fields['Architecture']}&distro={SUITE}",
            "properties": [{"name": "debian:source", "value": source}],
        })
    main = {"type": "firmware", "name": f"hilum-{making.name}", "version": making.version, "bom-ref": "image"}
    components.append({"type": "application", "name": "hilum", "version": making.version, "bom-ref": "hilum",
                       "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(making.program.read_bytes()).hexdigest()}]})
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": {"component": main},
                       "components": sorted(components, key=lambda one: one["name"])}, indent=1) + "\n"
