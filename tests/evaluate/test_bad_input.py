"""What is no table of predictions, and what a spreadsheet makes of one."""

from __future__ import annotations

import os
import subprocess
import threading

import numpy as np
import pytest

from conftest import HILUM
from tables import CLASSES, drawn, write

HEAD = "case_id,patient_id,label," + ",".join(f"p_{name}" for name in CLASSES)
ROW = "C{},P{},normal,0.1,0.1,0.1,0.1,0.6"


@pytest.fixture
def said(hilum, tmp_path):
    """What is said of a file that is no table."""

    def run(content: str | bytes) -> str:
        path = tmp_path / "table.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        err = hilum("evaluate", path, "--out", tmp_path / "out", code=65).err
        assert str(path) in err and "panicked" not in err and "Jane" not in err
        assert not (tmp_path / "out").exists()
        return err

    return run


def rows(*more: str, head: str = HEAD) -> str:
    return "\n".join([head, ROW.format(1, 1), ROW.format(2, 2), *more]) + "\n"


# verifies: REQ-EVALUATE-05
@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        (HEAD + "\n", "only a header"),
        (rows(head=HEAD.replace("label,", "")), "no column label"),
        (rows(head=HEAD.replace("p_normal", "p_benign")), "no column p_normal"),
        (rows(head=HEAD.replace("p_normal", "p_adenocarcinoma")), "line 1, column 8 (p_adenocarcinoma): it stands in column 4 already"),
        (rows("C3,P3,Jane Doe,0.1,0.1,0.1,0.1,0.6"), "line 4, column 3 (label): this is none of adenocarcinoma, "),
        (rows("C3,P3,,0.1,0.1,0.1,0.1,0.6"), "line 4, column 3 (label): there is nothing"),
        (rows("C3,P3,normal,0.1,0.1,0.1,0.1,0.5"), "line 4, column 4 (p_adenocarcinoma): the five probabilities add up to 0.9"),
        (rows("C3,P3,normal,0.1,0.1,nan,0.1,0.6"), "line 4, column 6 (p_large_cell_carcinoma): NaN is no finite number"),
        (rows("C3,P3,normal,0.1,inf,0.1,0.1,0.6"), "line 4, column 5 (p_squamous_cell_carcinoma): inf is no finite number"),
        (rows("C3,P3,normal,-0.1,0.3,0.1,0.1,0.6"), "line 4, column 4 (p_adenocarcinoma): -0.1 is no probability"),
        (rows("C3,P3,normal,0.1,0.1,0.1,0.1,much"), "line 4, column 8 (p_normal): this is no number"),
        (rows("C3,P3,normal,0.1,0.1,,0.1,0.6"), "line 4, column 6 (p_large_cell_carcinoma): this probability is missing, and others are there"),
        (rows("C1,P3,normal,0.1,0.1,0.1,0.1,0.6"), "line 4, column 1 (case_id): this case stands in line 2 already"),
        (rows("C3,P3,normal,0.1,0.1"), "line 4, column 6 (p_large_cell_carcinoma): 5 fields, the header has 8"),
        (rows("C3,P3,normal,0.1,0.1,0.1,0.1,0.6,"), "line 4: 9 fields, the header has 8"),
        (rows(",P3,normal,0.1,0.1,0.1,0.1,0.6"), "line 4, column 1 (case_id): there is nothing"),
        (rows('"C3,P3,normal' + ",0.1" * 40_000), "line 4: the line is longer than 65536 bytes; is a quote open?"),
        (rows(head=HEAD).encode() + b"C\xff,P3,normal,0.1,0.1,0.1,0.1,0.6\n", "line 4, column 1 (case_id): this is no text in UTF-8"),
        (rows().encode("utf-16"), "save it as CSV in UTF-8"),
        ("\r\n".join(rows("C3,P3,benign,0.1,0.1,0.1,0.1,0.6").split("\n")), "line 4, column 3 (label)"),
        (rows("", "", "C3,P3,benign,0.1,0.1,0.1,0.1,0.6"), "line 6, column 3 (label)"),
        (rows('"C\n3",P3,normal,0.1,0.1,0.1,0.1,0.6'), "line 4: a field goes over the end of the line; is a quote open?"),
        (rows('C3,P3,normal,0.1,0.1,0.1,0.1,"0.6', ROW.format(4, 4)), "line 4: a field goes over the end of the line; is a quote open?"),
        (rows()[:-1] + '\n"C3,P3', "line 4: the file ends within a field; is a quote open?"),
        ("\r".join(rows("C3,P3,benign,0.1,0.1,0.1,0.1,0.6").split("\n")), "line 4, column 3 (label)"),
        ("\n\n" + rows("C3,P3,benign,0.1,0.1,0.1,0.1,0.6"), "line 6, column 3 (label)"),
    ],
)
def test_what_is_no_table(said, content, wanted):
    assert wanted in said(content)


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ("200,female,never,biopsy,", "line 2, column 9 (age): this is no age in years"),
        ("old,female,never,biopsy,", "line 2, column 9 (age): this is no number"),
        ("60,woman,never,biopsy,", "line 2, column 10 (sex): this is none of "),
        ("60,female,sometimes,biopsy,", "line 2, column 11 (smoking)"),
        ("60,female,never,blood,", "line 2, column 12 (specimen)"),
        ("60,female,never,biopsy,he-focus", "line 2, column 13 (refusal): a refused case has no probabilities"),
    ],
)
def test_metadata_that_nobody_has(said, known, wanted):
    assert wanted in said(f"{HEAD},age,sex,smoking,specimen,refusal\n{ROW.format(1, 1)},{known}\n")


def test_no_file_and_no_folder(hilum, tmp_path):
    assert "cannot read" in hilum("evaluate", tmp_path / "none.csv", "--out", tmp_path / "out", code=65).err
    table = drawn(tmp_path / "table.csv", 20, 41)
    assert "is a file" in hilum("evaluate", table.path, "--out", table.path, code=64).err


# verifies: REQ-EVALUATE-05
def test_what_a_spreadsheet_writes(evaluated, tmp_path):
    """A byte order mark, Windows line ends, semicolons with decimal commas, tabs, quotes, other columns: the same figures."""
    table = drawn(tmp_path / "table.csv", 200, 42, refused=0.1)
    wanted = evaluated(table)
    lines = table.path.read_text(encoding="utf-8").splitlines()
    cells = [line.split(",") for line in lines]
    forms = {
        "mark": "\ufeff" + "\n".join(lines) + "\n",
        "Windows": "\r\n".join(lines) + "\r\n",
        "mark and Windows": "\ufeff" + "\r\n".join(lines) + "\r\n",
        "no last line end": "\n".join(lines),
        "semicolons": "\r\n".join(";".join(cell.replace(".", ",") for cell in row) for row in cells) + "\r\n",
        "tabs": "\n".join("\t".join(row) for row in cells) + "\n",
        "quotes": "\n".join(",".join(f'"{cell}"' for cell in row) for row in cells) + "\n",
        "blanks": "\n".join(" , ".join(row) for row in cells) + "\n",
        "empty lines": "\n\n" + "\n\n".join(lines) + "\n\n",
        "empty rows": "\n".join(lines + ["," * 12] * 3 + [", ,"]) + "\n",
        "old Macintosh": "\r".join(lines) + "\r",
        "last fields left out": "\n".join(line.rstrip(",") if not line.startswith("case_id") and "he-" not in line else line for line in lines) + "\n",
        "quoted decimal commas": "\n".join(",".join(f'"{cell.replace(".", ",")}"' for cell in row) for row in cells) + "\n",
        "semicolons below an empty line": "\ufeff\r\n" + "\r\n".join(";".join(row) for row in cells) + "\r\n",
        "other order": "\n".join(",".join(["note", *row[::-1]] if at == 0 else ["x", *row[::-1]]) for at, row in enumerate(cells)) + "\n",
    }
    for what, text in forms.items():
        table.path.write_text(text, encoding="utf-8", newline="")
        assert evaluated(table) == wanted, what


def test_rounded_probabilities_are_taken_as_they_are(evaluated, tmp_path):
    """Five of them with three digits may add up to 1.001; nothing is made of them."""
    p = np.array([[0.201, 0.2, 0.2, 0.2, 0.2]] * 10)
    table = write(tmp_path / "rounded.csv", np.zeros(10, dtype=int), p)
    assert abs(evaluated(table)["brier"] - (0.799**2 + 4 * 0.04)) < 1e-12


def test_a_large_file_with_a_broken_last_line(tmp_path):
    """300 MB, of which the last line is half: said with its number, in a memory that does not go with the file's length."""
    path = tmp_path / "large.csv"
    filler = "x" * 1000
    lines = 290_000
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{HEAD},note\n")
        for at in range(lines):
            file.write(f"{ROW.format(at, at)},{filler}\n")
        file.write("C,P,normal,0.1,0.")
    assert path.stat().st_size > 300e6
    child = subprocess.Popen([HILUM, "evaluate", path, "--out", tmp_path / "out"], stderr=subprocess.PIPE, text=True)
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 65
    assert f"line {lines + 2}, column 6 (p_large_cell_carcinoma): 5 fields, the header has 9" in said
    # Half a kilobyte a case, while it grows.
    assert used.ru_maxrss < 200_000, f"{used.ru_maxrss} kB"
    path.unlink()


def test_a_pipe(hilum, tmp_path):
    """What comes in pieces is read as a file is."""
    table = drawn(tmp_path / "table.csv", 50, 43)
    program, content = table.path.with_name("pipe"), table.path.read_text(encoding="utf-8")
    os.mkfifo(program)
    writer = threading.Thread(target=written_in_pieces, args=(program, "\ufeff" + content.replace(",", ";")))
    writer.start()
    hilum("evaluate", program, "--resamples", 0, "--out", tmp_path / "piped")
    writer.join()
    hilum("evaluate", table.path, "--resamples", 0, "--out", tmp_path / "whole")
    assert (tmp_path / "piped" / "metrics.json").read_bytes() == (tmp_path / "whole" / "metrics.json").read_bytes()


def written_in_pieces(path, text: str) -> None:
    with path.open("wb", buffering=0) as pipe:
        body = text.encode()
        for at in range(0, len(body), 7):
            pipe.write(body[at : at + 7])
