"""Closed-form figures against scikit-learn, scipy and statsmodels."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn import metrics

from conftest import same
from tables import CLASSES, REFUSED, Table, drawn, write

pytestmark = pytest.mark.filterwarnings("ignore")
ALL = list(range(5))


def check(found: dict, table: Table) -> None:
    labels, predicted, covered, p = table.labels, table.predicted, table.covered, table.probabilities
    assert found["n"] == len(labels) and found["classes"] == list(CLASSES) and found["refused"] == (~covered).sum()
    same(found["accuracy"], (labels == predicted).mean(), "accuracy")
    same(found["coverage"], covered.mean(), "coverage")
    columns = dict(zip(("precision", "recall", "f1", "support"),
                       metrics.precision_recall_fscore_support(labels, predicted, labels=ALL, zero_division=0), strict=True))
    for name in ("precision", "recall", "f1"):
        same(found["macro"][name], columns[name].mean(), f"macro {name}")
    areas = []
    for one, name in enumerate(CLASSES):
        of = found["per_class"][name]
        assert of["support"] == columns["support"][one]
        for figure in ("precision", "recall", "f1"):
            same(of[figure], columns[figure][one], f"{name} {figure}")
        truth, said = labels == one, predicted == one
        right_not = (~truth & ~said & covered).sum()
        same(of["specificity"], right_not / max((~truth).sum(), 1), f"{name} specificity")
        same(of["npv"], right_not / max((~said & covered).sum(), 1), f"{name} npv")
        if covered.any() and 0 < truth[covered].sum() < covered.sum():
            areas.append(metrics.roc_auc_score(truth[covered], p[covered, one]))
            same(of["auroc"], areas[-1], f"{name} auroc")
            same(of["average_precision"], metrics.average_precision_score(truth[covered], p[covered, one]), f"{name} average precision")
        else:
            assert of["auroc"] is None
    if areas:
        same(found["macro"]["auroc"], np.mean(areas), "macro auroc")
    for name in ("specificity", "npv"):
        same(found["macro"][name], np.mean([found["per_class"][one][name] for one in CLASSES]), f"macro {name}")
    precisions = [of["average_precision"] for of in found["per_class"].values() if of["average_precision"] is not None]
    if precisions:
        same(found["macro"]["average_precision"], np.mean(precisions), "macro average precision")
    counts = metrics.confusion_matrix(labels[covered], predicted[covered], labels=ALL)
    for row, shares in enumerate(found["confusion_shares"]):
        support = (labels == row).sum()
        assert shares == [None] * 5 if support == 0 else np.allclose(shares, counts[row] / support, rtol=1e-12)
    if covered.any():
        same(found["covered"]["accuracy"], (labels == predicted)[covered].mean(), "accuracy of the covered")
        part = metrics.precision_recall_fscore_support(labels[covered], predicted[covered], labels=ALL, zero_division=0, average="macro")
        for name, value in zip(("precision", "recall", "f1"), part, strict=False):
            same(found["covered"]["macro"][name], value, f"macro {name} of the covered")
    assert found["confusion"] == metrics.confusion_matrix(labels[covered], predicted[covered], labels=ALL).tolist()
    assert found["refused_per_class"] == [int((labels[~covered] == one).sum()) for one in ALL]
    same(found["balanced_accuracy"], metrics.balanced_accuracy_score(labels, predicted), "balanced accuracy")
    same(found["mcc"], metrics.matthews_corrcoef(labels, predicted), "mcc")
    kappa = metrics.cohen_kappa_score(labels, predicted)
    if np.isnan(kappa):
        assert found["kappa"] is None
    else:
        same(found["kappa"], kappa, "kappa")
    calibrated(found, labels[covered], predicted[covered], p[covered])


def calibrated(found: dict, labels: np.ndarray, predicted: np.ndarray, p: np.ndarray) -> None:
    """Brier (its sum form, over all classes), log loss, calibration errors by their definitions, temperature by scipy's minimiser."""
    brier = ((p - np.eye(5)[labels]) ** 2).sum(axis=1).mean()
    same(found["brier"], brier, "brier")
    shares = np.bincount(labels, minlength=5) / len(labels)
    if (spread := 1 - (shares**2).sum()) > 0:
        same(found["brier_skill"], 1 - brier / spread, "brier skill", 1e-8)
    same(found["log_loss"], metrics.log_loss(labels, p, labels=ALL), "log loss")
    top, right = p.max(axis=1), predicted == labels
    bins = np.clip(np.searchsorted(np.linspace(0, 1, 16), top, side="left") - 1, 0, 14)
    filled = [(abs(right[bins == one].mean() - top[bins == one].mean()), (bins == one).mean()) for one in range(15) if (bins == one).any()]
    same(found["ece"], sum(gap * share for gap, share in filled), "ece")
    same(found["mce"], max(gap for gap, _ in filled), "mce")
    drawn_bins = [one for one in range(15) if (bins == one).any()]
    assert [bin["n"] for bin in found["reliability"]] == [(bins == one).sum() for one in drawn_bins]
    for bin, one in zip(found["reliability"], drawn_bins, strict=True):
        same(bin["confidence"], top[bins == one].mean(), "confidence of a bin")
        same(bin["accuracy"], right[bins == one].mean(), "accuracy of a bin")
    if len(np.unique(top)) == len(top):
        parts = np.array_split(np.argsort(-top), 15)
        gaps = [abs(right[part].mean() - top[part].mean()) * len(part) for part in parts if len(part)]
        same(found["adaptive_ece"], sum(gaps) / len(top), "adaptive ece")
    logs = np.log(np.clip(p, np.finfo(float).eps, 1 - np.finfo(float).eps))

    def loss(beta: float) -> float:
        scaled = logs * beta
        return float(np.mean(np.log(np.exp(scaled - scaled.max(1, keepdims=True)).sum(1)) + scaled.max(1) - scaled[range(len(labels)), labels]))

    # The minimiser sees losses, whose last digits end at the square root of its own: what counts is that no temperature does better.
    best = optimize.minimize_scalar(loss, bounds=(0.01, 100), method="bounded", options={"xatol": 1e-10})
    assert found["log_loss_at_temperature"] <= best.fun + 1e-13
    same(loss(1 / found["temperature"]), found["log_loss_at_temperature"], "log loss at the temperature")
    # Where every probability is a fifth, any temperature does.
    if not found["temperature_at_end"] and abs(loss(0.5) - loss(2)) > 1e-9:
        same(found["temperature"], 1 / best.x, "temperature", 1e-5)


# verifies: REQ-EVALUATE-01
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"steps": 8},
        {"steps": 2},
        {"refused": 0.2},
        {"steps": 4, "refused": 0.1, "per_patient": 3},
        {"absent": 2},
        {"absent": 4, "refused": 0.3},
        {"skill": -1.0},
        {"skill": 9.0},
    ],
    ids=str,
)
def test_every_figure(evaluated, tmp_path, how):
    table = drawn(tmp_path / "table.csv", 600, 11, **how)
    check(evaluated(table), table)


def test_one_case(evaluated, tmp_path):
    table = write(tmp_path / "one.csv", np.array([1]), np.array([[0.1, 0.6, 0.1, 0.1, 0.1]]))
    found = evaluated(table, "--resamples", 50)
    assert (found["n"], found["accuracy"], found["macro"]["auroc"]) == (1, 1.0, None)
    # One patient says next to nothing, and that is what the exact interval says.
    assert found["intervals"].keys() == {"accuracy", "coverage"} and np.allclose(found["intervals"]["accuracy"], [0.025, 1])
    same(found["brier"], 0.4**2 + 4 * 0.1**2, "brier")
    assert found["kappa"] is None and found["mcc"] == 0


def test_who_is_always_right(evaluated, tmp_path):
    labels = np.arange(200) % 5
    table = write(tmp_path / "perfect.csv", labels, np.eye(5)[labels])
    found = evaluated(table)
    check(found, table)
    assert (found["accuracy"], found["macro"]["auroc"], found["ece"], found["brier"]) == (1, 1, 0, 0)
    intervals = evaluated(table, "--resamples", 100)["intervals"]
    assert np.allclose(intervals["accuracy"], stats.binomtest(200, 200).proportion_ci(method="exact"))
    assert "macro.auroc" not in intervals, "no resample says how far it may be from 1"


def test_who_always_says_the_same(evaluated, tmp_path):
    labels = np.arange(200) % 5
    for p in ([0.2] * 5, [0.1, 0.6, 0.1, 0.1, 0.1]):
        table = write(tmp_path / "constant.csv", labels, np.tile(p, (200, 1)))
        found = evaluated(table)
        check(found, table)
        assert (found["macro"]["auroc"], found["mcc"]) == (0.5, 0)


def test_all_are_refused(evaluated, tmp_path):
    table = write(tmp_path / "refused.csv", np.arange(50) % 5, np.full((50, 5), np.nan))
    found = evaluated(table, "--resamples", 50)
    assert (found["accuracy"], found["coverage"], found["refused"], found["covered"]["accuracy"]) == (0, 0, 50, None)
    assert found["macro"]["auroc"] is None and found["brier"] is None and found["temperature"] is None
    assert (table.predicted == REFUSED).all()


# verifies: REQ-EVALUATE-02
def test_to_refuse_hard_cases_buys_nothing(evaluated, tmp_path):
    """Accuracy, recall and specificity: refusing what one gets wrong makes none of them better."""
    table = drawn(tmp_path / "table.csv", 600, 12)
    before = evaluated(table)
    hard = table.predicted != table.labels
    after = evaluated(write(tmp_path / "refused.csv", table.labels, np.where(hard[:, None], np.nan, table.probabilities)))
    assert after["covered"]["accuracy"] == 1 and after["accuracy"] == before["accuracy"]
    for name in ("recall", "specificity"):
        assert after["macro"][name] <= before["macro"][name]
    assert after["balanced_accuracy"] <= before["balanced_accuracy"]


def test_risk_over_coverage(evaluated, tmp_path):
    """AURC by its definition: the mean risk over every number of the surest cases."""
    table = drawn(tmp_path / "table.csv", 500, 13, refused=0.1)
    order = np.argsort(-table.probabilities[table.covered].max(axis=1), kind="stable")
    wrong = (table.predicted != table.labels)[table.covered][order]
    same(evaluated(table)["risk_coverage"]["aurc"], (np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean(), "aurc")


def test_net_benefit(evaluated, tmp_path):
    """Vickers & Elkin 2006, by its definition."""
    table = drawn(tmp_path / "table.csv", 500, 14)
    malignant, truth = table.probabilities[:, :4].sum(axis=1), table.labels != 4
    for at in evaluated(table)["decision"]:
        t = at["threshold"]
        acted = malignant >= t
        same(at["model"], ((acted & truth).sum() - (acted & ~truth).sum() * t / (1 - t)) / len(truth), f"at {t}", 1e-8)
        same(at["all"], (truth.sum() - (~truth).sum() * t / (1 - t)) / len(truth), f"all at {t}", 1e-8)


def test_subgroups(evaluated, tmp_path):
    table = drawn(tmp_path / "table.csv", 900, 15)
    import csv

    rows = list(csv.DictReader(table.path.open(encoding="utf-8")))
    found = {(group["by"], group["name"]): group for group in evaluated(table)["subgroups"]}
    right = table.predicted == table.labels
    for by, name, members in (
        ("sex", "female", [row["sex"] == "female" for row in rows]),
        ("sex", "unknown", [row["sex"] == "" for row in rows]),
        ("age", "60 to 69", [60 <= float(row["age"]) < 70 for row in rows]),
        ("specimen", "resection", [row["specimen"] == "resection" for row in rows]),
    ):
        members = np.array(members)
        assert found[by, name]["n"] == members.sum()
        same(found[by, name]["accuracy"], right[members].mean(), f"{by} {name}")
        part = table.labels[members], table.probabilities[members]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            balanced = metrics.balanced_accuracy_score(table.labels[members], table.predicted[members])
            same(found[by, name]["balanced_accuracy"], balanced, f"{by} {name} balanced accuracy")
            same(found[by, name]["macro"]["auroc"], metrics.roc_auc_score(*part, multi_class="ovr", average="macro"), f"{by} {name} auroc")
