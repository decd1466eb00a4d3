#!/usr/bin/env python3
"""Draws what tests/bench/scaling measured: case time against fields, slices and cores. The same figures give the same bytes.

    tests/bench/plot.py [CSV] [SVG]           out/scaling.csv and docs/scaling.svg unless said
"""

from __future__ import annotations

import csv
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[2]
CSV, SVG = ROOT / "out" / "scaling.csv", ROOT / "docs" / "scaling.svg"
USUAL_FIELDS, USUAL_SLICES = 6, 200  # of the patient as drawn: what is held in one series is varied in the other

WIDTH, HEIGHT = 900, 400
TOP, BOTTOM = 84, 318  # of all panels
INK, PALE, PAPER = "#1a1a1a", "#d9d9d9", "#ffffff"
# Blue and orange are told apart by everyone, and one is dark and the other light where there is no colour; marks differ as well.
LOOKS = {"tract": ("#0b4a86", "circle"), "tflite": ("#e07020", "square")}
NOTES = (
    "hilum analyze --explain none, lesion marked: wall time of the process, medians. Both axes are logarithmic. "
    "At a line's end: engine and cores.",
    "Modelled times were not measured: serial + parallel / cores (Amdahl), fitted to the times on 1 and 2 cores of the same point.",
)
SOLID, DASHED = ' stroke-width="1.7"', ' stroke-dasharray="5 3.5"'
GREY, DOTTED = "#8c8c8c", ' stroke-width="1.2" stroke-dasharray="1.5 3" stroke-linecap="round"'
OTHER_LOOKS = [("#5b2a86", "triangle"), ("#4d4d4d", "diamond"), ("#8a8a8a", "triangle")]


@dataclass(frozen=True)
class Point:
    what: str  # fields or slices
    n: int
    cores: int
    engine: str
    modelled: bool
    wall_s: float


def read(path: Path) -> list[Point]:
    with path.open(newline="", encoding="utf-8") as table:
        return [
            Point(row["what"], int(row["n"]), int(row["cores"]), row["engine"], row["how"] == "modelled", float(row["wall_s"]))
            for row in csv.DictReader(table)
        ]


@dataclass(frozen=True)
class Line:
    """Points of one look; `label` stands at its end."""

    engine: str
    label: str
    places: list[tuple[float, float, bool]]  # x, seconds, modelled


class Scale:
    """A logarithmic axis: equal steps are equal ratios, so that what grows in proportion is a line of slope one."""

    def __init__(self, values: list[float], start: float, end: float, inset: float) -> None:
        low, high = math.log(min(values)), math.log(max(values))
        if high - low < math.log(2):
            low, high = (low + high - math.log(2)) / 2, (low + high + math.log(2)) / 2
        self._low, self._start = low, start + math.copysign(inset, end - start)
        self.per_e = (end - start - 2 * math.copysign(inset, end - start)) / (high - low)
        self.least, self.most = (math.exp(low + (edge - self._start) / self.per_e) for edge in (start, end))

    def __call__(self, value: float) -> float:
        return self._start + (math.log(value) - self._low) * self.per_e

    def ticks(self) -> list[float]:
        """Round numbers, as few as say where one is."""
        for mantissas in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9)):
            steps = [mantissa * 10.0**power for power in range(-4, 7) for mantissa in mantissas]
            found = [step for step in steps if self.least <= step <= self.most]
            if len(found) >= 3:
                break
        return found


def number(value: float) -> str:
    """A coordinate, short and the same everywhere."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def stroke(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" stroke="{colour}"{more}/>'


def mark(x: float, y: float, look: tuple[str, str], hollow: bool) -> str:
    colour, shape = look
    paint = f'fill="{PAPER if hollow else colour}" stroke="{colour}" stroke-width="1.4"'
    if shape == "circle":
        return f'<circle cx="{number(x)}" cy="{number(y)}" r="3.4" {paint}/>'
    if shape == "square":
        return f'<rect x="{number(x - 3.1)}" y="{number(y - 3.1)}" width="6.2" height="6.2" {paint}/>'
    corners = {"triangle": [(0, -4.2), (3.9, 3), (-3.9, 3)], "diamond": [(0, -4.4), (4.4, 0), (0, 4.4), (-4.4, 0)]}[shape]
    places = " ".join(f"{number(x + across)},{number(y + down)}" for across, down in corners)
    return f'<polygon points="{places}" {paint}/>'


def apart(wanted: list[float], gap: float) -> list[float]:
    """The heights moved as little as needed for `gap` between neighbours, order kept."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    groups: list[list[float]] = []  # [centre, count] of labels that touch
    for index in order:
        groups.append([wanted[index], 1])
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < gap * (groups[-1][1] + groups[-2][1]) / 2:
            (upper, many), (lower, few) = groups[-2:]
            groups[-2:] = [[(upper * many + lower * few) / (many + few), many + few]]
    placed = [centre + gap * (at - (count - 1) / 2) for centre, count in groups for at in range(int(count))]
    return [place for _, place in sorted(zip(order, placed, strict=True))]


def panel(left: float, right: float, title: str, axis: str, lines: list[Line], looks: dict, slope: int) -> list[str]:
    """Axes, lines and labels; `slope` is that of the grey line for comparison: 1 in proportion, -1 inversely."""
    xs = sorted({x for line in lines for x, _, _ in line.places})
    across = Scale(xs, left, right, 12)
    up = Scale([seconds for line in lines for _, seconds, _ in line.places], BOTTOM, TOP, 14)
    drawn = [text(left, TOP - 12, title, more=' font-weight="bold" font-size="13"')]
    for tick in up.ticks():
        drawn += [stroke(left, up(tick), right, up(tick), PALE), text(left - 6, up(tick) + 4, f"{tick:g}", "end")]
    drawn += [stroke(across(x), BOTTOM, across(x), BOTTOM + 4, INK) for x in xs]
    drawn += [text(across(x), BOTTOM + 17, f"{x:g}", "middle") for x in said(xs, across)]
    beside, middle = left - 34, (TOP + BOTTOM) / 2
    drawn += [
        f'<path d="M{number(left)} {TOP}V{BOTTOM}H{number(right)}" fill="none" stroke="{INK}"/>',
        text((left + right) / 2, BOTTOM + 35, axis, "middle"),
        text(beside, middle, "case time, s", "middle", f' transform="rotate(-90 {number(beside)} {number(middle)})"'),
    ]
    drawn.append(comparison(across, up, (left, right), xs, lines, slope))
    for line in lines:
        look = looks[line.engine]
        places = [(across(x), up(seconds), modelled) for x, seconds, modelled in sorted(line.places)]
        for (x1, y1, _), (x2, y2, modelled) in zip(places, places[1:]):
            drawn.append(stroke(x1, y1, x2, y2, look[0], SOLID + (DASHED if modelled else "")))
        drawn += [mark(x, y, look, modelled) for x, y, modelled in places]
    ends = [max(line.places) for line in lines]
    heights = apart([up(seconds) for _, seconds, _ in ends], 12.5)
    for line, (x, seconds, _), height in zip(lines, ends, heights):
        bent = stroke(across(x) + 5, up(seconds), right + 4, height, INK, ' stroke-width="0.6"')
        drawn += [bent if abs(up(seconds) - height) > 2 else "", text(right + 6, height + 4, line.label)]
    return [piece for piece in drawn if piece]


def said(xs: list[float], across: Scale) -> list[float]:
    """The sizes that have room for their number: the ends first."""
    room = lambda a, b: abs(across(a) - across(b)) >= 3 + 3.6 * (len(f"{a:g}") + len(f"{b:g}"))
    found: list[float] = []
    for x in [xs[0], xs[-1], *xs[1:-1]]:
        if all(room(x, other) for other in found):
            found.append(x)
    return found


def comparison(across: Scale, up: Scale, sides: tuple[float, float], xs: list[float], lines: list[Line], slope: int) -> str:
    """What grows in proportion, through the slowest line's last point; what falls inversely, through its first."""
    places = sorted(max(lines, key=lambda line: max(line.places)[1]).places)
    x0, y0, _ = places[-1] if slope > 0 else places[0]
    ends = []
    for x in (xs[0], xs[-1]):
        # As far as the panel goes.
        seconds = min(max(y0 * (x / x0) ** slope, up.least), up.most)
        ends.append((across(x0 * (seconds / y0) ** (1 / slope)), up(seconds)))
    (x1, y1), (x2, y2) = ends
    return stroke(max(x1, sides[0]), y1, min(x2, sides[1]), y2, GREY, DOTTED)


def legend(engines: list[str], looks: dict, measured: str, modelled: str) -> list[str]:
    drawn, x, y = [], 52.0, 44
    for engine in engines:
        line = stroke(x, y - 4, x + 26, y - 4, looks[engine][0], SOLID)
        drawn += [line, mark(x + 13, y - 4, looks[engine], False), text(x + 32, y, engine)]
        x += 46 + 7 * len(engine)
    x += 8
    for words, dashes, hollow in ((f"measured: {measured}", "", False), (f"modelled: {modelled}", DASHED, True)):
        if words.endswith(": "):
            continue
        line = stroke(x, y - 4, x + 30, y - 4, INK, SOLID + dashes)
        drawn += [line, mark(x + 15, y - 4, (INK, "circle"), hollow), text(x + 36, y, words)]
        x += 54 + 6.4 * len(words)
    drawn += [stroke(x, y - 4, x + 30, y - 4, GREY, DOTTED), text(x + 36, y, "in proportion")]
    return drawn


def short(engine: str) -> str:
    """What has room between two panels: gpu for litert-gpu."""
    return engine.split("-")[-1]


def counted(cores: list[int]) -> str:
    words = " and ".join(map(str, cores))
    return f"{words} core{'' if cores == [1] else 's'}" if cores else ""


def svg(points: list[Point]) -> str:
    points = [point for point in points if point.n > 0]  # a logarithm has no place for the case without fields, or without CT
    engines = sorted({point.engine for point in points}, key=lambda name: ([*LOOKS, name].index(name), name))
    others = iter(OTHER_LOOKS * len(engines))
    looks = {engine: LOOKS[engine] if engine in LOOKS else next(others) for engine in engines}
    cores = lambda modelled: sorted({point.cores for point in points if point.modelled == modelled})

    def sized(what: str) -> list[Line]:
        found = []
        for engine in engines:
            for count in sorted({point.cores for point in points}):
                those = [point for point in points if (point.what, point.engine, point.cores) == (what, engine, count)]
                if those:
                    found.append(Line(engine, f"{short(engine)} {count}", [(point.n, point.wall_s, point.modelled) for point in those]))
        return found

    usual = [point for point in points if (point.what, point.n) == ("fields", USUAL_FIELDS)]
    by_core = [
        Line(engine, short(engine), [(point.cores, point.wall_s, point.modelled) for point in usual if point.engine == engine])
        for engine in engines
        if any(point.engine == engine for point in usual)
    ]
    panels = [
        (52, 256, f"H&E fields, {USUAL_SLICES} CT slices", "fields of 1920×1080", sized("fields"), 1),
        (366, 570, f"CT slices, {USUAL_FIELDS} fields", "slices of 512×512", sized("slices"), 1),
        (680, 848, f"Cores, {USUAL_FIELDS} fields, {USUAL_SLICES} slices", "cores", by_core, -1),
    ]
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"',
        f' font-family="sans-serif" font-size="11.5" fill="{INK}" role="img">',
        "<title>Time of a case against the number of H&amp;E fields, of CT slices, and of cores</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>',
        text(52, 22, "How the time of a case grows", more=' font-weight="bold" font-size="15"'),
        *legend(engines, looks, counted(cores(False)), counted(cores(True))),
    ]
    for left, right, title, axis, lines, slope in panels:
        drawn += panel(left, right, title, axis, lines, looks, slope) if lines else []
    drawn += [
        *[text(52, HEIGHT - 26 + 16 * at, words) for at, words in enumerate(NOTES)],
        "</svg>",
    ]
    return "\n".join(drawn) + "\n"


def write(csv_path: Path, svg_path: Path) -> None:
    points = read(csv_path)
    if not any(point.n > 0 for point in points):
        raise SystemExit(f"plot: {csv_path} has no times")
    svg_path.parent.mkdir(parents=True, exist_ok=True)
    svg_path.write_text(svg(points), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 3 or "--help" in sys.argv:
        sys.exit("tests/bench/plot.py [CSV] [SVG]")
    given = [Path(word) for word in sys.argv[1:]]
    write(given[0] if given else CSV, given[1] if len(given) > 1 else SVG)
