"""The bundle's networks in ONNX Runtime against what `hilum` reports, and the arithmetic between them."""

from __future__ import annotations

import csv
import json
import tomllib

import numpy as np
import pytest

from hilum_models import exact

SEX = {"female": 0.0, "male": 1.0}
SMOKING = {"never": 0.0, "former": 1.0, "current": 2.0}


@pytest.fixture(scope="module")
def manifest(bundle):
    return tomllib.loads((bundle / "manifest.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def case(cohort):
    return cohort.one("squamous_cell_carcinoma")


@pytest.fixture(scope="module")
def analyze(hilum, check_report, tmp_path_factory):
    def run(*words: object) -> dict:
        out = tmp_path_factory.mktemp("out")
        hilum("analyze", *words, "--out", out)
        return check_report(out)

    return run


@pytest.fixture(scope="module")
def whole(analyze, case):
    """The report of a case of which everything is known."""
    return analyze(*case.words)


@pytest.fixture(scope="module")
def session(bundle):
    return lambda name: exact.session(bundle / name)


@pytest.fixture(scope="module")
def arrays(hilum, cohort, case, tmp_path_factory):
    """What the networks read: the lesion patch and the tiles of the case, as `prepare` writes them."""
    out = tmp_path_factory.mktemp("prepared")
    hilum("prepare", "--source", "phantom", "--in", cohort.folder, "--out", out)
    shard = out / "shard-1-of-1"
    with (shard / "cases.csv").open(newline="", encoding="utf-8") as table:
        (row,) = [row for row in csv.DictReader(table) if row["case_id"] == case.row["case_id"]]
    first = int(row["tile_first"])
    return np.load(shard / "ct.npy")[int(row["ct_row"])], np.load(shard / "he.npy")[first : first + int(row["tile_count"])]


def softmax(logits) -> np.ndarray:
    powers = np.exp(np.asarray(logits) - np.max(logits))
    return powers / powers.sum()


def quantised(session, contract: dict, levels: np.ndarray) -> dict[str, np.ndarray]:
    """One image through a QDQ network; int8 outputs in real units."""
    image = (levels.astype(np.int16) - 128).astype(np.int8)[None]
    assert contract["input"]["dtype"] == "int8" and contract["input"]["layout"] == "NHWC"
    wanted = session.get_inputs()[0]
    assert wanted.type == "tensor(int8)" and list(wanted.shape) == list(image.shape)
    values = session.run([output["name"] for output in contract["outputs"]], {wanted.name: image})
    return {
        output["name"]: (value.astype(np.float32) - output["zero_point"]) * output["scale"] if value.dtype == np.int8 else value
        for output, value in zip(contract["outputs"], values, strict=True)
    }


# verifies: REQ-RESULT-03
def test_ct_network(whole, session, manifest, arrays):
    """Within four quanta of ONNX Runtime: engines round sums differently, rarely and by little."""
    contract = manifest["quantisation"]["ct"]["onnx"]
    logits = quantised(session("ct.onnx"), contract, arrays[0])["logits"][0]
    quantum = contract["outputs"][0]["scale"]
    assert whole["ct"]["logits"] == pytest.approx(logits, abs=4.01 * quantum)


# verifies: REQ-RESULT-03
def test_he_network_and_attention(whole, session, manifest, arrays):
    contract, network = manifest["quantisation"]["he"]["onnx"], session("he.onnx")
    embeddings = np.concatenate([quantised(network, contract, tile)["embedding"] for tile in arrays[1]])
    mil = session("mil.onnx")
    logits, attention = mil.run(["logits", "attention"], {mil.get_inputs()[0].name: embeddings})
    tiles = whole["he"]["tiles"]
    assert len(tiles) == len(embeddings)
    assert [tile["attention"] for tile in tiles] == pytest.approx(attention.ravel(), abs=0.02)
    assert whole["he"]["logits"] == pytest.approx(logits.ravel(), abs=0.1)


def test_attention_sums_to_one(whole):
    attention = [tile["attention"] for tile in whole["he"]["tiles"]]
    assert min(attention) >= 0 and sum(attention) == pytest.approx(1, abs=1e-4)


# verifies: REQ-RESULT-03
def test_weights_are_the_metadata_networks(whole, session, manifest, case):
    person = [float(case.row["age"]), SEX[case.row["sex"]], SMOKING[case.row["smoking"]]]
    standard = (np.array(person) - manifest["metadata"]["mean"]) / manifest["metadata"]["std"]
    network = session("metadata.onnx")
    (weights,) = network.run(None, {network.get_inputs()[0].name: standard.astype(np.float32)[None]})
    assert [whole["weights"]["ct"], whole["weights"]["he"]] == pytest.approx(weights[0], abs=1e-4)
    assert whole["metadata"]["missing"] == []


# verifies: REQ-RESULT-01, REQ-RESULT-03, REQ-RESULT-08
def test_fusion_and_calibration(whole, manifest):
    weights = whole["weights"]
    assert weights["ct"] + weights["he"] == pytest.approx(1, abs=1e-5)
    logits = weights["ct"] * np.array(whole["ct"]["logits"]) + weights["he"] * np.array(whole["he"]["logits"])
    assert whole["fused"]["logits"] == pytest.approx(logits, abs=1e-4)
    for branch, temperature in (("fused", "fusion"), ("ct", "ct"), ("he", "he")):
        wanted = softmax(np.array(whole[branch]["logits"]) / manifest[temperature]["temperature"])
        assert whole[branch]["probabilities"] == pytest.approx(wanted, abs=1e-4), branch
    assert whole["fused"]["predicted"] == whole["classes"][int(np.argmax(whole["fused"]["probabilities"]))]
    assert whole["classes"] == manifest["classes"]


def codes(report: dict) -> set[str]:
    return {limit["code"] for limit in report["limits"]}


# verifies: REQ-RESULT-04
def test_ct_alone(analyze, case, manifest, whole):
    report = analyze(*case.ct_words, *case.person_words)
    assert report["outcome"] == "assessed" and "no-he" in codes(report) and "no-ct" not in codes(report)
    assert report["weights"] == {"ct": 1, "he": 0} and report["he"] is None
    assert report["ct"]["logits"] == whole["ct"]["logits"] == report["fused"]["logits"]
    wanted = softmax(np.array(report["ct"]["logits"]) / manifest["ct"]["temperature"])
    assert report["fused"]["probabilities"] == pytest.approx(wanted, abs=1e-4), "the branch's own temperature"


# verifies: REQ-RESULT-04
def test_he_alone(analyze, case, manifest, whole):
    report = analyze(*case.he_words, *case.person_words)
    assert report["outcome"] == "assessed" and "no-ct" in codes(report) and "no-he" not in codes(report)
    assert report["weights"] == {"ct": 0, "he": 1} and report["ct"] is None
    assert report["he"]["logits"] == whole["he"]["logits"] == report["fused"]["logits"]
    wanted = softmax(np.array(report["he"]["logits"]) / manifest["he"]["temperature"])
    assert report["fused"]["probabilities"] == pytest.approx(wanted, abs=1e-4), "the branch's own temperature"


# verifies: REQ-RESULT-04
def test_no_metadata(analyze, case, session):
    report = analyze(*case.ct_words, *case.he_words)
    assert set(report["metadata"]["missing"]) >= {"age", "sex", "smoking"} and "metadata-missing" in codes(report)
    network = session("metadata.onnx")
    (weights,) = network.run(None, {network.get_inputs()[0].name: np.zeros((1, 3), np.float32)})
    assert [report["weights"]["ct"], report["weights"]["he"]] == pytest.approx(weights[0], abs=1e-4)


# verifies: REQ-RESULT-04
def test_one_value_missing(analyze, case):
    words = case.person_words
    report = analyze(*case.ct_words, *case.he_words, *words[2:])
    assert "age" in report["metadata"]["missing"] and not {"sex", "smoking"} & set(report["metadata"]["missing"])


# verifies: REQ-CT-06
def test_lesion_not_marked(analyze, case):
    report = analyze("--ct", case.ct, *case.he_words, *case.person_words)
    assert "lesion-suggested" in codes(report) and report["outcome"] == "assessed"


# verifies: REQ-RESULT-06
def test_phantom_bundle_says_so(whole, manifest):
    assert ("phantom-bundle" in codes(whole)) == (manifest["training"]["trained_on"] == "phantom")


# verifies: REQ-RESULT-02
def test_same_input_same_report(analyze, case, whole):
    def steady(report: dict) -> str:
        kept = {key: value for key, value in report.items() if key != "timing_ms"}
        kept["provenance"] = {key: value for key, value in report["provenance"].items() if key != "created"}
        return json.dumps(kept, sort_keys=True)

    assert steady(analyze(*case.words)) == steady(whole)


# verifies: REQ-EXPLAIN-01
def test_explanations(whole):
    assert [entry["modality"] for entry in whole["explanations"]] == ["ct", "he"]
    for entry in whole["explanations"]:
        assert entry["class"] == whole["fused"]["predicted"]
        assert entry["method"] == "gradcam++"
        assert (entry["verdict"] != "faithful") == (entry["map"] is None) == (entry["overlay"] is None)
        faithful = entry["insertion_auc"] is not None and entry["insertion_auc"] > entry["random_auc"]
        assert (entry["verdict"] == "faithful") == faithful and abs(entry["twin_gap"]) < 1


def test_no_explanation_when_none_is_wanted(analyze, case, whole):
    report = analyze(*case.words, "--explain", "none")
    assert report["explanations"] == [] and report["fused"] == whole["fused"]


def test_predict_says_what_analyze_says(hilum, cohort, bundle, whole, case, tmp_path):
    out = tmp_path / "predictions.csv"
    hilum("predict", "--bundle", bundle, "--cohort", cohort.folder, "--split", "all", "--out", out)
    with out.open(newline="", encoding="utf-8") as table:
        rows = {row["case_id"]: row for row in csv.DictReader(table)}
    assert rows.keys() == {one.row["case_id"] for one in cohort.cases}
    row = rows[case.row["case_id"]]
    assert row["label"] == case.row["label"] and row["patient_id"] == case.row["patient_id"]
    assert [float(row[f"p_{name}"]) for name in whole["classes"]] == pytest.approx(whole["fused"]["probabilities"], abs=1e-4)


@pytest.mark.parametrize("branch", ["ct", "he"])
def test_predict_of_one_branch(hilum, cohort, bundle, whole, case, tmp_path, branch):
    out = tmp_path / "predictions.csv"
    hilum("predict", "--bundle", bundle, "--cohort", cohort.folder, "--split", "all", "--branch", branch, "--out", out)
    with out.open(newline="", encoding="utf-8") as table:
        (row,) = [row for row in csv.DictReader(table) if row["case_id"] == case.row["case_id"]]
    assert [float(row[f"p_{name}"]) for name in whole["classes"]] == pytest.approx(whole[branch]["probabilities"], abs=1e-4)
