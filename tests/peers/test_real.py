"""`hilum` on real chest CT and real H&E. The class means nothing there; that the geometry and the colours are right does."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
from PIL import Image
from torchstain.numpy.normalizers import NumpyMacenkoNormalizer, NumpyReinhardNormalizer

from conftest import CLASSES

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture(params=["lung1", "lung2"])
def ct(real, request):
    return getattr(real, request.param)


@pytest.fixture(params=["region", "target"])
def field(real, request):
    return getattr(real, request.param)


def test_list(hilum, ct):
    (series,) = hilum("ct", "list", ct.series, "--json").json["series"]
    assert (series["columns"], series["rows"], series["slices"]) == ct.hu.shape
    spacing = np.linalg.norm(ct.affine_lps[:3, :3], axis=0)
    assert series["spacing_mm"] == pytest.approx([spacing[1], spacing[0], spacing[2]], abs=1e-6)
    assert series["verdict"] == "ok" and series["reasons"] == []


def test_voxels_are_the_nrrds(hilum, ct, tmp_path):
    out = tmp_path / "x.nii.gz"
    said = hilum("ct", "volume", ct.series, "--out", out, "--json").json
    image = nibabel.load(out)
    assert np.array_equal(np.asarray(image.dataobj), ct.hu)
    wanted = LPS_TO_RAS @ ct.affine_lps
    for affine in (image.get_sform(), image.get_qform()):
        assert affine == pytest.approx(wanted, abs=1e-3)
    assert image.header["sform_code"] > 0 and image.header["qform_code"] > 0
    assert said["shape"] == list(ct.hu.shape)
    assert np.asarray(said["affine"])[:3] == pytest.approx(wanted[:3], abs=1e-3)


def trilinear(ct, points_lps_mm: np.ndarray) -> np.ndarray:
    """HU at points [n,3] inside the volume, by the definition: eight voxels, weighed by nearness."""
    at = (points_lps_mm - ct.affine_lps[:3, 3]) @ np.linalg.inv(ct.affine_lps[:3, :3]).T
    last = np.array(ct.hu.shape) - 1
    assert (at > -0.5).all() and (at < last + 0.5).all()
    low = np.clip(np.floor(at).astype(int), 0, last - 1)
    share = np.clip(at - low, 0, 1)
    value = np.zeros(len(at))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(np.array(corner), share, 1 - share), axis=1)
        value += weight * ct.hu[tuple((low + corner).T)]
    return value


# verifies: REQ-CT-02
def test_resampled_voxels_lie_where_they_lay(hilum, ct, tmp_path):
    out = tmp_path / "x.nii.gz"
    hilum("ct", "volume", ct.series, "--spacing", 2, "--out", out)
    image = nibabel.load(out)
    assert image.header.get_zooms() == pytest.approx((2, 2, 2), abs=1e-4)
    extent = np.array(image.shape) * 2 - np.array(ct.hu.shape) * np.linalg.norm(ct.affine_lps[:3, :3], axis=0)
    assert np.abs(extent).max() <= 2, "the same part of the patient, to a voxel"
    found = np.asarray(image.dataobj)
    centre = np.linalg.inv(LPS_TO_RAS @ image.affine) @ np.append(ct.lesion_lps_mm, 1)
    voxels = np.round(centre[:3]).astype(int) + np.argwhere(np.ones((21, 21, 21))) - 10
    points = voxels @ (LPS_TO_RAS @ image.affine)[:3, :3].T + (LPS_TO_RAS @ image.affine)[:3, 3]
    assert found[tuple(voxels.T)] == pytest.approx(trilinear(ct, points), abs=1.0), "HU"


# verifies: REQ-CT-05
def test_the_network_sees_the_lesion(hilum, real, ct, tmp_path):
    """The patch of the training and of the device, pixel by pixel, from the NRRD: 96 mm around the lesion, three planes."""
    case = tmp_path / "cohort" / "case-1"
    (case / "he").mkdir(parents=True)
    (case / "ct").symlink_to(ct.series)
    (case / "he" / "field-1.png").symlink_to(real.target.path)
    (case / "he" / "fields.json").write_text(json.dumps({"um_per_px": real.target.um_per_px}))
    (case / "lesion.json").write_text(json.dumps({"center_lps_mm": list(ct.lesion_lps_mm), "diameter_mm": 30}))
    columns = "case_id,patient_id,label,age,sex,smoking,specimen,site,split"
    (tmp_path / "cohort" / "cohort.csv").write_text(f"{columns}\ncase-1,patient-1,adenocarcinoma,63,male,former,biopsy,site-1,test\n")
    hilum("prepare", "--source", "phantom", "--in", tmp_path / "cohort", "--out", tmp_path / "prepared")
    (patch,) = np.load(tmp_path / "prepared" / "shard-1-of-1" / "ct.npy")
    size, step_mm = patch.shape[0], 96 / patch.shape[0]
    row, column, plane = np.indices(patch.shape)
    offset = np.stack([(column - (size - 1) / 2) * step_mm, (row - (size - 1) / 2) * step_mm, (plane - 1) * 3.0], axis=-1)
    hu = trilinear(ct, (ct.lesion_lps_mm + offset).reshape(-1, 3)).reshape(patch.shape)
    levels = np.clip((hu + 1000) / 1400 * 255, 0, 255)
    assert np.abs(patch - levels).max() <= 1.0, "grey levels"


def test_candidates(hilum, ct):
    """Each suggestion lies in the volume, and the first one in the marked lesion: two scans are no rate, but they are real."""
    candidates = hilum("ct", "candidates", ct.series, "--json").json["candidates"]
    assert [one["rank"] for one in candidates] == list(range(1, len(candidates) + 1))
    for one in candidates:
        index = np.linalg.inv(ct.affine_lps) @ np.append(one["lps_mm"], 1)
        assert (index[:3] >= -0.5).all() and (index[:3] <= np.array(ct.hu.shape) - 0.5).all()
    voxel_mm3 = abs(np.linalg.det(ct.affine_lps[:3, :3]))
    diameter_mm = np.cbrt(6 / np.pi * voxel_mm3 * len(ct.label_lps_mm))
    first = candidates[0]
    assert np.linalg.norm(first["lps_mm"] - ct.lesion_lps_mm) <= max(diameter_mm / 2, 5)
    assert 0.5 <= first["diameter_mm"] / diameter_mm <= 1.5


@pytest.mark.parametrize("lung, slide", [("lung1", "region"), ("lung1", "target"), ("lung2", "region"), ("lung2", "target")])
def test_analyze(hilum, real, check_report, check_pictures, tmp_path, lung, slide):
    ct, field = getattr(real, lung), getattr(real, slide)
    lesion = ",".join(f"{value:.2f}" for value in ct.lesion_lps_mm)
    person = ["--age", 63, "--sex", "male", "--smoking", "former", "--specimen", "biopsy"]
    words = ["--ct", ct.series, "--lesion", lesion, "--he", field.path, "--um-per-px", field.um_per_px, *person]
    said = hilum("analyze", *words, "--out", tmp_path, "--json").json
    report = check_report(tmp_path)
    assert said == report
    assert report["outcome"] == "assessed" and report["refusal"] is None
    assert report["fused"]["predicted"] in CLASSES
    for branch in ("fused", "ct", "he"):
        assert sum(report[branch]["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert report["ct"]["lesion_lps_mm"] == pytest.approx(ct.lesion_lps_mm, abs=0.01)
    distance_mm = np.linalg.norm(ct.label_lps_mm - report["ct"]["lesion_lps_mm"], axis=1).min()
    assert distance_mm <= 3.0, "the patch's centre lies in the segmented lesion"
    codes = {limit["code"] for limit in report["limits"]}
    assert "thick-slices" in codes and "lesion-suggested" not in codes
    assert report["ct"]["slices"] == ct.hu.shape[2] and report["ct"]["patch_outside_share"] == 0
    width, height = Image.open(field.path).size
    for tile in report["he"]["tiles"]:
        assert tile["field"] == 0 and tile["size"] == pytest.approx(224 * 0.5 / field.um_per_px, abs=1)
        assert tile["x"] + tile["size"] <= width and tile["y"] + tile["size"] <= height
    assert [entry["modality"] for entry in report["explanations"]] == ["ct", "he"]
    check_pictures(tmp_path, report)
    assert "REAL-" not in (tmp_path / "report.json").read_text(encoding="utf-8"), "no patient identifier"


# verifies: REQ-SLIDE-04
def test_stain_is_torchstains(hilum, field, tmp_path):
    out = tmp_path / "normalised.png"
    said = hilum("stain", field.path, "--out", out, "--json").json
    pixels = np.asarray(Image.open(field.path).convert("RGB"))
    macenko = NumpyMacenkoNormalizer()
    theirs, _, _ = macenko.normalize(pixels, stains=False)
    matrix, _, concentration = macenko._NumpyMacenkoNormalizer__compute_matrices(pixels, 240, 1, 0.15)
    ours = np.asarray(Image.open(out))
    assert ours.shape == theirs.shape
    difference = np.abs(ours.astype(int) - theirs.astype(int))
    assert difference.mean() <= 1.5, "grey levels"
    assert said["verdict"] == "ok"
    assert np.asarray(said["stain_matrix"]) == pytest.approx(matrix, abs=0.01)
    assert said["max_concentration"] == pytest.approx(list(concentration), rel=0.02)


def test_colours_are_torchstains(hilum, field, tmp_path):
    out = tmp_path / "normalised.png"
    said = hilum("stain", field.path, "--method", "reinhard", "--out", out, "--json").json
    pixels = np.asarray(Image.open(field.path).convert("RGB"))
    reinhard = NumpyReinhardNormalizer()
    reinhard.fit(pixels)
    assert said["lab_mean"] == pytest.approx(list(reinhard.target_means), abs=0.01)
    assert said["lab_deviation"] == pytest.approx(list(reinhard.target_stds), abs=0.01)
    reinhard.target_means = np.array([70.39622, 11.843821, -19.952099], dtype=np.float32)
    reinhard.target_stds = np.array([14.0912075, 7.2329855, 10.121306], dtype=np.float32)
    difference = np.abs(np.asarray(Image.open(out)).astype(int) - reinhard.normalize(pixels))
    assert difference.max() <= 1 and difference.mean() < 0.01, "grey levels"


def test_quality_of_a_good_field(hilum, field):
    (image,) = hilum("quality", field.path, "--json").json["images"]
    assert image["verdict"] == "ok" and image["tissue_share"] > 0.3 and image["focus"] > 0
