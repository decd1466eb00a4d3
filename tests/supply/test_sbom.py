"""What `sbom` finds wrong with a bill of materials."""

from __future__ import annotations

import pytest

WANTED = {("hilum", "0.1.0"), ("outer", "1.2.3+spec-1"), ("inner", "0.4.0")}


def component(name: str, version: str, purl: str | None = None, licence: str = "MIT OR Apache-2.0") -> dict:
    purl = purl or f"pkg:cargo/{name}@{version.replace('+', '%2B')}"
    return {"type": "library", "bom-ref": name, "name": name, "version": version, "purl": purl, "licenses": [{"expression": licence}]}


@pytest.fixture
def document() -> dict:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component("hilum", "0.1.0")},
        "components": [component("outer", "1.2.3+spec-1"), component("inner", "0.4.0", licence="Apache-2.0 WITH LLVM-exception")],
        "dependencies": [{"ref": "hilum", "dependsOn": ["outer"]}, {"ref": "outer", "dependsOn": ["inner"]}, {"ref": "inner"}],
    }


def test_in_order(sbom, document):
    assert sbom.check(document, WANTED) == []


# verifies: REQ-SERVICE-05
def test_a_package_that_is_missing(sbom, document):
    assert sbom.check(document, WANTED | {("inner", "0.5.0")}) == ["inner 0.5.0 is missing"]


def test_a_package_that_is_too_many(sbom, document):
    document["components"].append(component("builder", "1.0.0"))
    document["dependencies"].append({"ref": "builder", "dependsOn": ["inner"]})
    document["dependencies"][1]["dependsOn"].append("builder")
    assert sbom.check(document, WANTED) == ["builder 1.0.0 is not in the program"]
    assert sbom.prune(document, WANTED) == ["builder 1.0.0"]
    assert sbom.check(document, WANTED) == []
    assert "builder" not in str(document)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("licenses", [], "no licence"),
        ("licenses", [{"expression": "Do What You Like"}], "'Do What You Like'"),
        ("licenses", [{"expression": "MIT/Apache-2.0"}], "'MIT/Apache-2.0'"),
        ("purl", "", "no package URL"),
        ("purl", "https://example.org/inner", "no package URL"),
        ("purl", "pkg:cargo/inner@0.3.0", "of another"),
        ("type", "thing", "schema: "),
    ],
)
def test_a_component_that_says_too_little(sbom, document, key, value, said):
    document["components"][1][key] = value
    wrong = sbom.check(document, WANTED)
    assert wrong and any(said in line for line in wrong), wrong


@pytest.mark.parametrize(("key", "value"), [("bomFormat", "SPDX"), ("specVersion", "1.3"), ("version", "one")])
def test_another_format(sbom, document, key, value):
    assert sbom.check({**document, key: value}, WANTED)


def test_a_reference_to_nothing(sbom, document):
    document["dependencies"][2]["dependsOn"] = ["nobody"]
    assert sbom.check(document, WANTED) == ["depends on nobody, which is not listed"]
