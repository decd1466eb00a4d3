"""Bootstrap intervals against scipy's, which draws others: they agree as far as two draws do."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tables import drawn, write

RESAMPLES = 10_000


# verifies: REQ-EVALUATE-04
@pytest.mark.parametrize("per_patient", [1, 4])
def test_intervals_are_scipys(evaluated, tmp_path, per_patient):
    """BCa of `scipy.stats.bootstrap`, of the same figure, patients being drawn."""
    table = drawn(tmp_path / "table.csv", 300 * per_patient, 31, per_patient=per_patient)
    found = evaluated(table, "--resamples", RESAMPLES)["intervals"]
    truth, predicted, p = table.labels, table.predicted, table.probabilities
    brier = ((p - np.eye(5)[truth]) ** 2).sum(axis=1)
    cases = np.arange(len(truth)).reshape(-1, per_patient)
    figures = {
        "accuracy": lambda at: (truth[at] == predicted[at]).mean(),
        "brier": lambda at: brier[at].mean(),
        "macro.recall": lambda at: metrics.recall_score(truth[at], predicted[at], labels=range(5), average="macro", zero_division=0),
        "per_class.normal.auroc": lambda at: area(p[at, 4], truth[at] == 4),
        "macro.auroc": lambda at: np.mean([area(p[at, one], truth[at] == one) for one in range(5)]),
    }
    for name, figure in figures.items():
        drawn_by = stats.bootstrap((np.arange(len(cases)),), lambda patients: figure(cases[patients.astype(int)].ravel()), method="BCa",
                                   n_resamples=2000, vectorized=False, rng=np.random.default_rng(5))
        wanted = drawn_by.confidence_interval
        assert np.allclose(found[name], [wanted.low, wanted.high], atol=0.01), f"{name}: {found[name]}, scipy has {wanted}"


# verifies: REQ-EVALUATE-04
def test_differences_are_scipys(evaluated, tmp_path):
    """Of two models, patients being drawn for both at once; one refuses some."""
    a, b = drawn(tmp_path / "a.csv", 400, 34), drawn(tmp_path / "b.csv", 400, 34, model=1, skill=1.0, refused=0.1)
    found = evaluated(a, "--versus", b.path, "--resamples", RESAMPLES)["versus"]
    right = [(table.predicted == table.labels).astype(float) for table in (a, b)]
    both = a.covered & b.covered
    truth, p, q = a.labels[both], a.probabilities[both], b.probabilities[both]

    def macro(of: np.ndarray, at: np.ndarray) -> float:
        return float(np.mean([area(of[at, one], truth[at] == one) for one in range(5)]))

    for name, cases, figure in (
        ("accuracy", 400, lambda at: right[0][at].mean() - right[1][at].mean()),
        ("macro_auroc", both.sum(), lambda at: macro(p, at) - macro(q, at)),
    ):
        by = stats.bootstrap((np.arange(cases),), lambda at: figure(at.astype(int)), method="BCa", n_resamples=2000, vectorized=False,
                             rng=np.random.default_rng(6))
        of, whole = found[name], figure(np.arange(cases))
        assert abs(of["difference"] - whole) < 1e-12 and abs(of["a"] - of["b"] - whole) < 1e-12
        assert np.allclose(of["interval"], [by.confidence_interval.low, by.confidence_interval.high], atol=0.01), name


# verifies: REQ-EVALUATE-04
def test_a_mean_is_of_the_same_classes_in_every_resample(evaluated, tmp_path):
    """A class of one patient is missing in a third of the resamples: its mean has no interval, and the others' have."""
    labels = np.concatenate([[4], np.arange(199) % 4])
    p = np.random.default_rng(7).dirichlet(np.ones(5), 200)
    p[np.arange(200), labels] += 0.5
    found = evaluated(write(tmp_path / "rare.csv", labels, p / p.sum(axis=1, keepdims=True)), "--resamples", 500)
    assert found["macro"]["auroc"] is not None and not {"macro.auroc", "balanced_accuracy"} & found["intervals"].keys()
    assert {"accuracy", "per_class.adenocarcinoma.auroc"} <= found["intervals"].keys()


def test_an_interval_has_its_figure(evaluated, tmp_path):
    """Calibration errors are larger in any resample of an honest model: where all lie above, there is no interval."""
    for seed in range(6):
        table = drawn(tmp_path / "table.csv", 200, 70 + seed, skill=1.0)
        found = evaluated(table, "--resamples", 400)
        for name, (low, high) in found["intervals"].items():
            of = found
            for part in name.split("."):
                of = of[part] if part != "accuracy_covered" else found["covered"]["accuracy"]
            assert low <= of <= high, f"{name}: {of} is not in {low} to {high}"


def area(p: np.ndarray, positive: np.ndarray) -> float:
    ranks = stats.rankdata(p)
    return (ranks[positive].sum() - positive.sum() * (positive.sum() + 1) / 2) / (positive.sum() * (~positive).sum())


# verifies: REQ-EVALUATE-04
def test_the_same_on_any_number_of_threads(hilum, tmp_path):
    table = drawn(tmp_path / "table.csv", 400, 32, refused=0.1, per_patient=2)
    other = drawn(tmp_path / "other.csv", 400, 32, model=1, per_patient=2)
    said = []
    for threads in (1, 2, 5):
        hilum("evaluate", table.path, "--versus", other.path, "--resamples", 300, "--out", tmp_path / "out", threads=threads)
        said.append((tmp_path / "out" / "metrics.json").read_bytes())
    assert said[0] == said[1] == said[2]
    hilum("evaluate", table.path, "--resamples", 300, "--seed", 2, "--out", tmp_path / "out")
    assert json.loads(said[0])["intervals"] != json.loads((tmp_path / "out" / "metrics.json").read_bytes())["intervals"]


def test_who_has_many_cases_widens_the_interval(evaluated, tmp_path):
    """The same rows, of fewer patients whose cases are alike: less is known."""
    one = drawn(tmp_path / "one.csv", 100, 33)
    alike = np.repeat(np.arange(100), 5)
    many = write(tmp_path / "many.csv", one.labels[alike], one.probabilities[alike], alike)
    apart = write(tmp_path / "apart.csv", one.labels[alike], one.probabilities[alike])

    def width(table) -> float:
        low, high = evaluated(table, "--resamples", 2000)["intervals"]["accuracy"]
        return high - low

    assert width(many) > 1.8 * width(apart)
