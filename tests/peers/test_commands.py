"""What commands do around their work: folders, earlier results, summaries, words that do not fit."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def field(cohort, tmp_path) -> Path:
    """A good image in a folder of its own."""
    folder = tmp_path / "images"
    folder.mkdir()
    return Path(shutil.copy(cohort.one("normal").he / "field-1.png", folder / "he.png"))


# verifies: REQ-PATIENT-06
def test_reports_of_two_patients_never_mix(hilum, cohort, check_report, tmp_path):
    out = tmp_path / "out"
    hilum("analyze", *cohort.one("adenocarcinoma").he_words, "--out", out)
    (out / "letter.txt").write_text("mine")
    hilum("analyze", *cohort.one("normal").ct_words, "--out", out)
    check_report(out)
    left = {path.name for path in out.iterdir()}
    assert "letter.txt" in left and not any(name.startswith("he-") for name in left), left


# verifies: REQ-INPUT-03
def test_an_input_outlives_its_report(hilum, field):
    """The report goes into the folder of the image, twice; the image is there afterwards and nothing else was read."""
    before = field.read_bytes()
    for _ in range(2):
        ended = hilum("analyze", "--he", field.parent, "--json", "--out", field.parent).json
        assert len(ended["he"]["fields"]) == 1
    assert field.read_bytes() == before


# verifies: REQ-INPUT-03
def test_an_input_with_a_name_of_ours_is_not_written_over(hilum, field):
    taken = field.rename(field.with_name("result.png"))
    ended = hilum("analyze", "--he", taken, "--out", taken.parent, code=64)
    assert "result.png is an input" in ended.err and len(ended.err.splitlines()) == 1
    assert taken.is_file()


def test_a_smaller_cohort_takes_the_place_of_a_larger_one(hilum, tmp_path):
    slices = lambda: len(list((tmp_path / "case-0001" / "ct").iterdir()))
    (tmp_path / "case-0001" / "ct").mkdir(parents=True)
    (tmp_path / "case-0001" / "ct" / "IM9999.dcm").write_bytes(b"of an earlier cohort")
    hilum("phantom", "--patients", 1, "--seed", 1, "--out", tmp_path)
    assert slices() == 60
    assert hilum("phantom", "--patients", 0, "--seed", 1, "--out", tmp_path, code=64).err


def test_accuracy_is_given_on_all_and_on_covered_cases(hilum, cohort, tmp_path):
    copy = tmp_path / "cohort"
    shutil.copytree(cohort.folder, copy)
    slices = sorted((copy / "case-0002" / "ct").iterdir())
    slices[len(slices) // 2].unlink()
    found = hilum("predict", "--cohort", copy, "--split", "all", "--branch", "ct", "--json", "--out", tmp_path / "p.csv").json
    assert (found["cases"], found["refused"]) == (5, 1)
    assert found["coverage"] == 0.8
    assert found["accuracy"] == found["correct"] / 5 and found["accuracy_covered"] == found["correct"] / 4


def test_the_unreadable_case_of_a_cohort_is_named(hilum, cohort, tmp_path):
    copy = tmp_path / "cohort"
    shutil.copytree(cohort.folder, copy)
    (copy / "case-0003" / "he" / "field-1.png").write_bytes(b"no image")
    ended = hilum("predict", "--cohort", copy, "--split", "all", "--branch", "he", "--out", tmp_path / "p.csv", code=65)
    assert "case-0003" in ended.err and len(ended.err.splitlines()) == 1
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize("command", ["", "ct", "bundle"])
def test_a_missing_command_is_said(hilum, command):
    assert "say which command" in hilum(*command.split(), code=64).err


@pytest.mark.parametrize("command", [["predict", "--cohort", "."], ["ct", "volume", "."], ["stain", "x.png"]])
def test_a_file_that_cannot_be_is_found_before_the_work(hilum, tmp_path, command):
    nowhere = tmp_path / "no" / "folder" / "x.png"
    assert "there is no folder" in hilum(*command, "--out", nowhere, code=64).err
    assert "is a folder, not a file" in hilum(*command, "--out", tmp_path, code=64).err


def test_stain_writes_lossless_pictures_only(hilum, field, tmp_path):
    for name in ("x.jpg", "x.xyz", "x"):
        assert ".png" in hilum("stain", field, "--out", tmp_path / name, code=64).err
    assert "not a folder" in hilum("stain", field.parent, "--out", tmp_path / "x.png", code=64).err


def test_stain_by_each_method(hilum, field, tmp_path):
    """Only methods that look for stains have a matrix; each gives another picture, the same on every run."""
    pictures = {}
    for method in ("macenko", "vahadane", "reinhard"):
        said = [hilum("stain", field, "--method", method, "--out", tmp_path / name, "--json").json for name in ("a.png", "b.png")]
        assert all(answer.pop("timing_ms")["apply"] > 0 for answer in said) and said[0] == said[1]
        assert (said[0]["verdict"], said[0]["method"]) == ("ok", method)
        assert ("stain_matrix" in said[0], "lab_mean" in said[0]) == ((False, True) if method == "reinhard" else (True, False))
        pictures[method] = (tmp_path / "a.png").read_bytes()
        assert pictures[method] == (tmp_path / "b.png").read_bytes()
    assert len(set(pictures.values())) == 3
    assert hilum("stain", field, "--out", tmp_path / "a.png").code == 0 and (tmp_path / "a.png").read_bytes() == pictures["macenko"]
    assert "macenko, vahadane, reinhard" in hilum("stain", field, "--method", "khan", "--out", tmp_path / "a.png", code=64).err


def test_quality_judges_the_stain(hilum, field):
    """One dye only: eosin's share of the picture is taken out."""
    grey = Image.open(field).convert("L")
    shade = [Image.eval(grey, lambda level, power=power: round(255 * (level / 255) ** power)) for power in (0.56, 0.72, 0.41)]
    Image.merge("RGB", shade).save(field, dpi=(50_800, 50_800))
    judged = hilum("quality", field, "--json", code=2).json["images"][0]
    assert (judged["verdict"], judged["stain_distance"]) == ("refused", None)


def test_quality_says_which_image_of_a_folder_it_means(hilum, field, tmp_path):
    folder = tmp_path / "fields"
    folder.mkdir()
    for name in ("b.png", "a.png"):
        shutil.copy(field, folder / name)
    judged = hilum("quality", field, folder, "--json").json["images"]
    assert [image["path"] for image in judged] == [str(field), str(folder / "a.png"), str(folder / "b.png")]
    assert len({image["focus"] for image in judged}) == 1
    (folder / "b.png").write_bytes(b"no picture")
    assert "image 3" in hilum("quality", field, folder, code=65).err


# verifies: REQ-RESULT-02
def test_figures_do_not_depend_on_threads(program, field, tmp_path):
    """Sums of floats depend on their order, and the order must not depend on who is done first."""
    said = set()
    for threads in ("1", "2", "3", "5") * 3:
        words = [program, "stain", field, "--out", tmp_path / "x.png", "--json"]
        done = subprocess.run(words, env={**os.environ, "RAYON_NUM_THREADS": threads}, capture_output=True, encoding="utf-8", timeout=300, check=True)
        answer = json.loads(done.stdout)
        said.add(json.dumps([answer["stain_matrix"], answer["max_concentration"]]))
    assert len(said) == 1


def test_a_case_with_one_modality_is_predicted_by_it(hilum, cohort, tmp_path):
    copy = tmp_path / "cohort"
    shutil.copytree(cohort.folder, copy)
    cases = sorted(path for path in copy.iterdir() if path.is_dir())
    shutil.rmtree(cases[0] / "he")
    shutil.rmtree(cases[1] / "ct")
    table = {}
    for branch in ("fused", "ct", "he"):
        out = tmp_path / f"{branch}.csv"
        whole = branch == "fused"
        hilum("predict", "--cohort", copy if whole else cohort.folder, "--split", "all", "--branch", branch, "--out", out)
        with open(out, newline="") as rows:
            table[branch] = {row["case_id"]: [row[name] for name in row if name.startswith("p_")] for row in csv.DictReader(rows)}
    for case, branch in ((cases[0].name, "ct"), (cases[1].name, "he")):
        assert table["fused"][case] == table[branch][case]
    hilum("predict", "--cohort", copy, "--split", "all", "--branch", "he", "--out", tmp_path / "x.csv", code=65)


def test_an_empty_variable_names_no_bundle(program, bundle, cohort, tmp_path):
    """Not the current folder, whatever lies there."""
    spoilt = tmp_path / "bundle"
    shutil.copytree(bundle, spoilt)
    (spoilt / "manifest.sig").write_text("")
    words = [program, "analyze", *cohort.one("normal").ct_words, "--out", tmp_path / "out"]
    done = subprocess.run(words, cwd=spoilt, env={**os.environ, "HILUM_BUNDLE": ""}, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr


# verifies: REQ-BUNDLE-01
def test_no_byte_of_a_signature_is_free(hilum, bundle, tmp_path):
    spoilt = tmp_path / "bundle"
    shutil.copytree(bundle, spoilt)
    signature = spoilt / "manifest.sig"
    whole = signature.read_bytes()
    for at in [*range(0, len(whole), 7), len(whole) - 1]:
        signature.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        hilum("bundle", "inspect", spoilt, code=78)
    signature.write_bytes(whole + b"\n")
    hilum("bundle", "inspect", spoilt, code=78)
    signature.write_bytes(whole)
    assert hilum("bundle", "verify", spoilt, "--json").json["golden"] > 0


def test_a_reader_that_has_seen_enough_is_no_failure(program, bundle):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([program, "bundle", "inspect", str(bundle)], stdout=write, stderr=subprocess.PIPE, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_quality_says_that_a_scale_is_too_coarse(hilum, field):
    with Image.open(field) as picture:
        picture.save(field, dpi=(5_080, 5_080))
    judged = hilum("quality", field, "--json", code=2)
    assert judged.json["images"][0]["verdict"] == "refused" and "per pixel" in judged.err
