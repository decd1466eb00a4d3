"""How often the suggestions hold the marked lesion: what counts as found, and the sums over cases."""

from __future__ import annotations

import csv
import json
import math
import subprocess
from pathlib import Path

import numpy as np

NEAREST_MM = 5.0
RANKS = (1, 3, 5, 10)


def reach_mm(diameter_mm: float) -> float:
    """How far from the lesion's centre a suggestion may lie.

    Within the radius, as in LUNA16 (Setio et al., Med Image Anal 2017): what is suggested lies in the lesion. Of a lesion under
    10 mm, 5 mm: three voxels of the scan's own 1.5 to 2 mm, and the lesion lies whole in the 96 mm that the network sees.
    """
    return max(diameter_mm / 2, NEAREST_MM)


def rank(case: dict) -> float:
    """The place of the first suggestion that lies in the lesion."""
    reach = reach_mm(case["diameter_mm"])
    hits = (place for place, one in enumerate(case["candidates"], 1) if one["from_lesion_mm"] <= reach)
    return next(hits, math.inf)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927)."""
    z = 1.959964
    share, shrink = hits / of, 1 + z * z / of
    middle = (share + z * z / (2 * of)) / shrink
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / shrink
    return middle - half, middle + half


def line(name: str, cases: list[dict]) -> str:
    """A row of the table: how many cases, the recall within the first so many, the interval at five."""
    ranks = [rank(case) for case in cases]
    shares = [f"{sum(place <= most for place in ranks) / len(ranks):.3f}" for most in RANKS]
    low, high = wilson(sum(place <= 5 for place in ranks), len(ranks))
    return f"| {name} | {len(cases)} | {' | '.join(shares)} | {low:.3f}–{high:.3f} |"


def table(cases: list[dict]) -> str:
    """Every group that has cases. Benign ones are apart: what is marked there is a mimic, and no tumour."""
    malignant = [case for case in cases if case["label"] != "normal"]
    groups = {
        "malignant, 6–60 mm": [case for case in malignant if 6 <= case["diameter_mm"] < 60],
        "malignant, all": malignant,
        "benign mimics": [case for case in cases if case["label"] == "normal"],
    }
    for low, high in ((0, 6), (6, 10), (10, 20), (20, 30), (30, 60), (60, 999)):
        groups[f"{low}–{high} mm"] = [case for case in malignant if low <= case["diameter_mm"] < high]
    for name in sorted({case["label"] for case in malignant}):
        groups[name.replace("_", " ")] = [case for case in malignant if case["label"] == name]
    if all("central" in case for case in cases):
        outer = [case for case in malignant if not case["central"]]
        groups["at the hilum"] = [case for case in malignant if case["central"]]
        groups["elsewhere"] = outer
        groups["elsewhere, 2 mm or less from the rib cage"] = [case for case in outer if case["to_wall_mm"] <= 2]
        groups["elsewhere, a quarter or more of its surface on vessel or pleura"] = [case for case in outer if case["enclosed"] >= 0.25]
        groups["ground glass, solid to half its radius at most"] = [case for case in malignant if case["solid"] <= 0.5]
    rows = [line(name, group) for name, group in groups.items() if group]
    head = f"| | scans | {' | '.join(f'first {most}' for most in RANKS)} | 95% of first 5 |\n|{'---|' * (len(RANKS) + 3)}"
    return "\n".join([head, *rows, "", summary(cases)])


def paired(cases: list[dict]) -> str:
    """The same malignant lesions of 6 to 60 mm in the scan that was drawn first and in each other picture of the same patient."""
    pictures: dict[str, dict[str, dict]] = {}
    for case in cases:
        if case["label"] != "normal" and 6 <= case["diameter_mm"] < 60:
            pictures.setdefault(case["scan"], {})[case["case"]] = case
    first, *others = pictures
    rows = ["| found within | lesions | in both | in the first alone | in the second alone | in neither | two-sided p |", f"|{'---|' * 7}"]
    for other in others:
        both = pictures[first].keys() & pictures[other].keys()
        pairs = [(rank(pictures[first][name]), rank(pictures[other][name])) for name in both]
        for most in RANKS:
            count = [sum((a <= most, b <= most) == kind for a, b in pairs) for kind in ((True, True), (True, False), (False, True), (False, False))]
            rows.append(f"| {most}, {first} and {other} | {len(pairs)} | {' | '.join(map(str, count))} | {mcnemar(count[1], count[2]):.2f} |")
        rows.append(f"| the same rank, {first} and {other} | {len(pairs)} | {sum(a == b for a, b in pairs)} | | | | |")
    return "\n".join(rows)


def mcnemar(one: int, other: int) -> float:
    """How often chance alone parts `one + other` disagreements at least so unevenly (McNemar's test, exact)."""
    of = one + other
    tail = sum(math.comb(of, few) for few in range(min(one, other) + 1))
    return min(1.0, 2 * tail / 2**of)


def summary(cases: list[dict]) -> str:
    """False suggestions, the error of the diameter, and time."""
    false = [sum(one["from_lesion_mm"] > reach_mm(case["diameter_mm"]) for one in case["candidates"][:5]) for case in cases]
    found = [(case, case["candidates"][int(place) - 1]) for case in cases if (place := rank(case)) <= 5]
    ratio = [one["diameter_mm"] / case["diameter_mm"] for case, one in found] or [math.nan]
    text = f"Of the first five {np.mean(false):.2f} a scan lie elsewhere. The suggested diameter is {np.median(ratio):.2f} times the true one"
    text += f" (median; a tenth below {np.quantile(ratio, 0.1):.2f}, a tenth above {np.quantile(ratio, 0.9):.2f})."
    if all("took_s" in case for case in cases):
        text += f" A search took {np.median([case['took_s'] for case in cases]):.2f} s (median), {max(case['took_s'] for case in cases):.2f} s at most."
    return text


def cohort(hilum: Path, folder: Path) -> list[dict]:
    """What the program suggests for the cases of a cohort that it wrote."""
    cases = []
    with (folder / "cohort.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            case = folder / row["case_id"]
            lesion = json.loads((case / "lesion.json").read_text())
            done = subprocess.run([hilum, "ct", "candidates", case / "ct", "--json"], check=True, capture_output=True, timeout=300)
            candidates = json.loads(done.stdout)["candidates"]
            for one in candidates:
                one["from_lesion_mm"] = math.dist(one["lps_mm"], lesion["center_lps_mm"])
            cases.append({"case": row["case_id"], "label": row["label"], "diameter_mm": lesion["diameter_mm"], "lesion_lps_mm": lesion["center_lps_mm"], "candidates": candidates})
    return cases
