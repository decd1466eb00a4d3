"""Two models on the same cases, against scipy, statsmodels and R's pROC."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from conftest import same
from tables import CLASSES, drawn, write


def delong(truth: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """By its definition (DeLong, DeLong & Clarke-Pearson 1988): every pair of a case in the class and one outside."""
    pairs = [((x[truth][:, None] > x[~truth]) + 0.5 * (x[truth][:, None] == x[~truth])) for x in (a, b)]
    areas = [pair.mean() for pair in pairs]
    spread = np.cov([pair.mean(1) for pair in pairs]) / truth.sum() + np.cov([pair.mean(0) for pair in pairs]) / (~truth).sum()
    z = (areas[0] - areas[1]) / np.sqrt(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1])
    values = (*areas, spread[0, 0], spread[1, 1], spread[0, 1], z, 2 * stats.norm.sf(abs(z)))
    return dict(zip(("auc_a", "auc_b", "var_a", "var_b", "cov", "z", "p"), map(float, values), strict=True))


# verifies: REQ-EVALUATE-03
@pytest.mark.parametrize("how", [{}, {"steps": 6}, {"steps": 2}, {"refused": 0.2}, {"steps": 3, "refused": 0.1}], ids=str)
def test_two_models(evaluated, tmp_path, how):
    a, b = drawn(tmp_path / "a.csv", 500, 21, **how), drawn(tmp_path / "b.csv", 500, 21, model=1, skill=1.0, **how)
    found = evaluated(a, "--versus", b.path)["versus"]
    both = a.covered & b.covered
    assert (found["n"], found["covered"]) == (500, both.sum())
    unadjusted = []
    for one, name in enumerate(CLASSES):
        wanted = delong(a.labels[both] == one, a.probabilities[both, one], b.probabilities[both, one])
        unadjusted.append(wanted["p"])
        for figure, value in wanted.items():
            same(found["delong"][name][figure], value, f"{name} {figure}")
    for name, value in zip(CLASSES, multipletests(unadjusted, method="holm")[1], strict=True):
        same(found["delong"][name]["p_holm"], value, f"{name} adjusted")
    right = a.predicted == a.labels, b.predicted == b.labels
    a_only, b_only = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert (found["mcnemar"]["a_only"], found["mcnemar"]["b_only"]) == (a_only, b_only)
    same(found["mcnemar"]["exact_p"], mcnemar([[0, a_only], [b_only, 0]], exact=True).pvalue, "exact P")
    twice = stats.binom(a_only + b_only, 0.5)
    same(found["mcnemar"]["mid_p"], 2 * twice.cdf(min(a_only, b_only)) - twice.pmf(min(a_only, b_only)), "mid-P")


def test_the_same_model(evaluated, tmp_path):
    a = drawn(tmp_path / "a.csv", 100, 22)
    found = evaluated(a, "--versus", a.path)["versus"]
    assert found["mcnemar"] == {"a_only": 0, "b_only": 0, "exact_p": 1, "mid_p": 1}
    assert all((of["z"], of["p"]) == (None, 1) for of in found["delong"].values())


def test_a_far_better_model(evaluated, tmp_path):
    """P of a hundred cases that one alone got right: far out in the tail, and still right."""
    labels = np.arange(400) % 5
    a = write(tmp_path / "a.csv", labels, np.eye(5)[labels] * 0.6 + 0.08)
    b = write(tmp_path / "b.csv", labels, np.eye(5)[np.where(np.arange(400) < 300, (labels + 1) % 5, labels)] * 0.6 + 0.08)
    found = evaluated(a, "--versus", b.path)["versus"]["mcnemar"]
    same(found["exact_p"], 2 * stats.binom.cdf(0, 300, 0.5), "exact P")
    same(found["mid_p"], stats.binom.pmf(0, 300, 0.5), "mid-P")


def test_rows_in_another_order(evaluated, tmp_path):
    a, b = drawn(tmp_path / "a.csv", 300, 23), drawn(tmp_path / "b.csv", 300, 23, model=1)
    before = evaluated(a, "--versus", b.path)
    head, *rows = b.path.read_text(encoding="utf-8").splitlines()
    np.random.default_rng(1).shuffle(rows)
    b.path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    assert evaluated(a, "--versus", b.path) == before


def test_tables_that_do_not_belong_together(hilum, tmp_path):
    a = drawn(tmp_path / "a.csv", 60, 24)
    text = a.path.read_text(encoding="utf-8")
    head, first, second, *rest = text.splitlines()
    other = tmp_path / "other.csv"
    swapped = first.replace(next(name for name in CLASSES if name in first.split(",")), "normal" if ",normal," not in first else "adenocarcinoma", 1)
    for what, lines in {
        "1 are in the first alone, 0 in the second alone": [head, first, *rest],
        "1 cases have another label": [head, swapped, second, *rest],
        "another patient": [head, first.replace(",P0,", ",P1,"), second, *rest],
    }.items():
        other.write_text("\n".join(lines) + "\n", encoding="utf-8")
        assert what in hilum("evaluate", a.path, "--versus", other, "--out", tmp_path / "out", code=65).err


@pytest.fixture(scope="session")
def r():
    """Runs a script of R, which has pROC (Debian's r-cran-proc)."""
    if not shutil.which("Rscript"):
        pytest.skip("no R: tests/run installs it")

    def run(script: str) -> str:
        done = subprocess.run(["Rscript", "--vanilla", "-e", script], capture_output=True, encoding="utf-8", timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


# verifies: REQ-EVALUATE-03
def test_what_proc_publishes(evaluated, r, tmp_path):
    """The example of pROC's `roc.test` on its own data aSAH (Robin et al. 2011, BMC Bioinformatics 12, 77; help page roc.test):
    areas of 0.8236789 (wfns) and 0.7313686 (s100b), Z = 2.209, P = 0.02718. Our own figures are also those that it gives here."""
    said = r("""
        suppressMessages(library(pROC)); data(aSAH)
        write.csv(data.frame(poor=as.integer(aSAH$outcome == "Poor"), wfns=as.integer(aSAH$wfns), s100b=aSAH$s100b), row.names=FALSE)
        test <- roc.test(roc(aSAH$outcome, aSAH$wfns, quiet=TRUE), roc(aSAH$outcome, aSAH$s100b, quiet=TRUE), method="delong")
        a <- roc(aSAH$outcome, aSAH$wfns, quiet=TRUE); b <- roc(aSAH$outcome, aSAH$s100b, quiet=TRUE)
        cat(sprintf("%.17g\n", c(auc(a), auc(b), var(a), var(b), cov(a, b), test$statistic, test$p.value)))
    """)
    _, *lines = said.split()
    rows = np.array([[float(value) for value in line.split(",")] for line in lines if "," in line])
    wanted = [float(line) for line in lines if "," not in line]
    poor = rows[:, 0] == 1
    labels = np.where(poor, 0, 4)
    tables = []
    for column, name in ((1, "wfns"), (2, "s100b")):
        p = np.zeros((len(rows), 5))
        # Any score will do whose order is the marker's.
        p[:, 0] = rows[:, column] / (rows[:, column].max() + 1)
        p[:, 4] = 1 - p[:, 0]
        tables.append(write(tmp_path / f"{name}.csv", labels, p))
    of = evaluated(tables[0], "--versus", tables[1].path)["versus"]["delong"]["adenocarcinoma"]
    for figure, value in zip(("auc_a", "auc_b", "var_a", "var_b", "cov", "z", "p"), wanted, strict=True):
        same(of[figure], value, figure)
    assert (round(of["auc_a"], 7), round(of["auc_b"], 7), round(of["z"], 3), round(of["p"], 5)) == (0.8236789, 0.7313686, 2.209, 0.02718)


def test_proc_on_ties(evaluated, r, tmp_path):
    a, b = drawn(tmp_path / "a.csv", 400, 25, steps=4), drawn(tmp_path / "b.csv", 400, 25, model=1, steps=3)
    found = evaluated(a, "--versus", b.path)["versus"]["delong"]
    for name in CLASSES:
        said = r(f"""
            suppressMessages(library(pROC)); a <- read.csv("{a.path}"); b <- read.csv("{b.path}"); truth <- as.integer(a$label == "{name}")
            one <- function(table) roc(truth, table$p_{name}, direction="<", quiet=TRUE)
            test <- roc.test(one(a), one(b), method="delong")
            cat(sprintf("%.17g\n", c(auc(one(a)), auc(one(b)), var(one(a)), test$statistic, test$p.value)))
        """)
        for figure, value in zip(("auc_a", "auc_b", "var_a", "z", "p"), map(float, said.split()), strict=True):
            same(found[name][figure], value, f"{name} {figure}")
