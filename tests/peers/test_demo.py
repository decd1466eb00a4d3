"""`hilum demo --once`: the whole way of a case, without a person."""

from __future__ import annotations


def test_demo(hilum, check_report, check_pictures, tmp_path):
    hilum("demo", "--once", "--out", tmp_path)
    report = check_report(tmp_path)
    assert report["outcome"] == "assessed"
    assert [entry["modality"] for entry in report["explanations"]] == ["ct", "he"]
    check_pictures(tmp_path, report)


def test_demo_into_a_folder_that_is_there(hilum, check_report, tmp_path):
    (tmp_path / "kept.txt").write_text("somebody's note")
    hilum("demo", "--once", "--out", tmp_path)
    check_report(tmp_path)
    assert (tmp_path / "kept.txt").read_text() == "somebody's note"
