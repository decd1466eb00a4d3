"""Bad input: the right exit code, one clear sentence on standard error, no panic, no half-written report."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageFilter
from pydicom.uid import RLELossless

HALF_UM = (50_800, 50_800)  # dots per inch of 0.5 µm


@pytest.fixture
def check(hilum, check_report, tmp_path):
    """Runs `analyze` (or another command), and judges how it ends."""

    def run(words: list[object], code: int, said: list[str], refusal: str | None = None, command: str = "analyze") -> None:
        out = tmp_path / "out"
        ended = hilum(command, *words, *(["--out", out] if command == "analyze" else []), code=None)
        everything = ended.out + ended.err
        assert "panicked" not in everything and "RUST_BACKTRACE" not in everything, everything
        assert ended.code == code, ended.err
        assert len(ended.err.splitlines()) == 1, f"one sentence, not:\n{ended.err}"
        for word in said:
            assert word in ended.err, ended.err
        # The name of a file on a share may be a patient's; these are the names of the slices below.
        assert not re.search(r"IM\d+|NOTES|\.dcm", ended.err), ended.err
        if code == 2:
            report = check_report(out)
            assert report["outcome"] == "refused"
            assert report["refusal"]["code"] == refusal
            assert report["refusal"]["message"] and report["refusal"]["next_step"]
            assert report.get("fused") is None
        else:
            assert not (out / "report.json").exists()

    return run


@pytest.fixture
def series(cohort, tmp_path) -> list[Path]:
    """A copy of a phantom's CT series that a case may spoil, by position from the feet."""
    folder = tmp_path / "series"
    shutil.copytree(cohort.one("adenocarcinoma").ct, folder)
    return sorted(folder.iterdir(), key=lambda path: float(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2]))


@pytest.fixture
def lesion(cohort) -> list[str]:
    return cohort.one("adenocarcinoma").lesion_words


@pytest.fixture
def field(cohort, tmp_path):
    """Saves a spoilt copy of a phantom's field."""
    original = Image.open(cohort.one("adenocarcinoma").he / "field-1.png").convert("RGB")

    def save(change, scale: bool = True) -> list[object]:
        path = tmp_path / "field.png"
        change(original).save(path, **({"dpi": HALF_UM} if scale else {}))
        return ["--he", path]

    return save


# --- CT that cannot be read ---


def test_no_such_path(check, tmp_path, lesion):
    check(["--ct", tmp_path / "nowhere", *lesion], 65, ["CT"])


def test_no_such_image(check, tmp_path):
    check(["--he", tmp_path / "nowhere.png", "--um-per-px", 0.5], 65, ["image 1"])


def test_empty_folder(check, tmp_path, lesion):
    (tmp_path / "empty").mkdir()
    check(["--ct", tmp_path / "empty", *lesion], 65, ["CT"])


def test_text_named_dicom(check, tmp_path, lesion):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "IM0001.dcm").write_text("this is a shopping list\n" * 50)
    check(["--ct", tmp_path / "text", *lesion], 65, ["DICOM"])


def test_text_beside_slices(check, series, lesion):
    (series[0].parent / "NOTES.dcm").write_text("not a slice")
    check(["--ct", series[0].parent, *lesion], 65, ["DICOM"])


# verifies: REQ-CT-01
@pytest.mark.parametrize("share, said", [(0.6, "cut off"), (0.004, "DICOM")])
def test_truncated_slice(check, series, lesion, share, said):
    middle = series[len(series) // 2]
    whole = middle.read_bytes()
    middle.write_bytes(whole[: int(len(whole) * share)])
    check(["--ct", series[0].parent, *lesion], 65, ["DICOM", said])


# verifies: REQ-CT-01
@pytest.mark.parametrize("name", ["IM0001", "1.2.840.113619.2.5"])
@pytest.mark.parametrize("kept", [0, 100])
@pytest.mark.parametrize("which", [0, -1])
def test_what_is_left_of_an_outer_slice(check, series, lesion, name, kept, which):
    """No gap tells that it is missing, and no suffix that it is DICOM."""
    rest = series[which].read_bytes()[:kept]
    series[which].unlink()
    (series[0].parent / name).write_bytes(rest)
    check(["--ct", series[0].parent, *lesion], 65, ["DICOM", "cut off" if kept else "empty"])


def test_damaged_run_lengths(check, series, lesion):
    slice_ = pydicom.dcmread(series[0])
    slice_.compress(RLELossless)
    slice_.PixelData = slice_.PixelData[: len(slice_.PixelData) // 2] + b"\x80" * (len(slice_.PixelData) // 2 - 8) + slice_.PixelData[-8:]
    slice_.save_as(series[0])
    check(["--ct", series[0].parent, *lesion], 65, ["DICOM", "too early"])


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_jpeg(check, cohort, tmp_path, options, share):
    path = tmp_path / "field.jpg"
    Image.open(cohort.one("adenocarcinoma").he / "field-1.png").convert("RGB").save(path, quality=95, dpi=HALF_UM, **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    check(["--he", path], 65, ["image 1", "cut off"])


def test_a_cause_is_told_once(hilum, tmp_path):
    path = tmp_path / "field.png"
    path.write_text("not a picture")
    assert hilum("quality", path, code=65).err.count("signature") == 1


def test_damaged_image(check, tmp_path):
    path = tmp_path / "field.png"
    path.write_text("not a picture")
    check(["--he", path, "--um-per-px", 0.5], 65, ["image 1"])


# --- CT that would give a wrong volume ---


# verifies: REQ-CT-01
def test_missing_slice(check, series, lesion):
    series[len(series) // 2].unlink()
    check(["--ct", series[0].parent, *lesion], 2, ["missing"], "missing-slice")


# verifies: REQ-CT-01
def test_missing_slice_of_four(check, series, lesion):
    for path in [*series[:20], series[22], *series[24:]]:
        path.unlink()
    check(["--ct", series[0].parent, *lesion], 2, ["1 slice is missing"], "missing-slice")


# verifies: REQ-PATIENT-01
def test_patient_without_id(check, series, lesion):
    slice_ = pydicom.dcmread(series[3])
    slice_.PatientID = ""
    slice_.save_as(series[3])
    check(["--ct", series[0].parent, *lesion], 2, ["no patient id"], "two-patients")


# verifies: REQ-PATIENT-01
def test_two_patients(check, series, lesion):
    for path in series[: len(series) // 2]:
        slice_ = pydicom.dcmread(path)
        slice_.PatientID = "SOMEBODY-ELSE"
        slice_.save_as(path)
    check(["--ct", series[0].parent, *lesion], 2, ["patients"], "two-patients")


# verifies: REQ-CT-06
@pytest.mark.parametrize("place", ["9000,0,0", "0,-9000,0", "-32,10,-9611"])
def test_lesion_outside(check, series, place):
    check(["--ct", series[0].parent, "--lesion", place], 2, ["lesion"], "lesion-outside-volume")


# --- images that must not be read ---


# verifies: REQ-SLIDE-01
def test_white(check, field):
    check(field(lambda image: Image.new("RGB", image.size, (255, 255, 255))), 2, ["image 1"], "blank-image")


# verifies: REQ-SLIDE-01
def test_black(check, field):
    check(field(lambda image: Image.new("RGB", image.size, (0, 0, 0))), 2, ["image 1"], "too-dark")


# verifies: REQ-SLIDE-01
def test_blurred(check, field):
    check(field(lambda image: image.filter(ImageFilter.GaussianBlur(6))), 2, ["image 1"], "blurred-image")


# verifies: REQ-SLIDE-01
def test_greyscale(check, field):
    check(field(lambda image: image.convert("L")), 2, ["image 1"], "not-colour")


# verifies: REQ-SLIDE-01
def test_grey_in_three_channels(check, field):
    check(field(lambda image: image.convert("L").convert("RGB")), 2, ["image 1"], "not-colour")


def test_greyscale_without_scale(check, field):
    """The scale would not help: the picture is refused for what it shows."""
    check(field(lambda image: image.convert("L"), scale=False), 2, ["image 1"], "not-colour")


# verifies: REQ-SLIDE-02
def test_unknown_scale(check, field):
    check(field(lambda image: image, scale=False), 2, ["scale"], "scale-unknown")


# verifies: REQ-SLIDE-02
def test_screen_resolution_is_no_scale(check, field, tmp_path):
    words = field(lambda image: image, scale=False)
    Image.open(tmp_path / "field.png").save(tmp_path / "field.png", dpi=(96, 96))
    check(words, 2, ["scale"], "scale-unknown")


# verifies: REQ-SLIDE-02
@pytest.mark.parametrize("um_per_px", [2.1, 5, 20, 100, 1e9])
def test_coarse_scale(check, field, um_per_px):
    """Refused before anything is enlarged: at 100 µm that would take 100 GB."""
    check([*field(lambda image: image), "--um-per-px", um_per_px], 2, ["nuclei"], "scale-too-coarse")


# verifies: REQ-SLIDE-04
def test_one_colour(check, field):
    """Pixels of one hue: no two stains can be told apart."""

    def one_hue(image: Image.Image) -> Image.Image:
        amount = np.asarray(image.convert("L"), float)[..., None] / 255
        return Image.fromarray((255 * np.exp(-(1 - amount) * np.array([1.2, 1.9, 1.0]))).astype(np.uint8))

    check(field(one_hue), 2, ["stain"], "stain-degenerate")


# --- words that make no sense ---


@pytest.mark.parametrize("age", [400, -3, 120.5, "old"])
def test_age(check, cohort, age):
    check([*cohort.one("normal").ct_words, "--age", age], 64, ["age"])


NONSENSE = [("--sex", "yes"), ("--smoking", "sometimes"), ("--specimen", "guess"), ("--lesion", "1,2"), ("--um-per-px", -1), ("--um-per-px", "nan")]


@pytest.mark.parametrize("option, value", NONSENSE)
def test_value(check, cohort, option, value):
    check([*cohort.one("normal").he_words, option, value], 64, [option.strip("-")])


@pytest.mark.parametrize("spacing", [0.1, 1e-9])
def test_spacing_of_a_volume_that_nothing_can_hold(check, cohort, tmp_path, spacing):
    words = ["volume", cohort.one("normal").ct, "--spacing", spacing, "--out", tmp_path / "x.nii"]
    check(words, 64, ["--spacing"], command="ct")
    assert not (tmp_path / "x.nii").exists()


def test_unknown_option(check, cohort):
    check([*cohort.one("normal").ct_words, "--colour", "blue"], 64, ["--colour"])


def test_unknown_command(check):
    check([], 64, ["divine"], command="divine")


def test_nothing_to_read(check):
    check(["--age", 60], 64, ["--ct"])


def test_unknown_method(check, cohort):
    check([*cohort.one("normal").words, "--explain", "tea-leaves"], 64, ["tea-leaves"])


@pytest.mark.parametrize("name, method, said", [("teratoma", "gradcam++", "teratoma"), ("normal", "tea-leaves", "tea-leaves")])
def test_unknown_class_or_method_of_explain(check, bundle, tmp_path, name, method, said):
    np.save(tmp_path / "patch.npy", np.zeros((128, 128, 3), np.float32))
    common = ["--bundle", bundle, "--modality", "ct", "--input", tmp_path / "patch.npy", "--out", tmp_path / "map.npy"]
    check([*common, "--class", name, "--method", method], 64, [said], command="explain")


# --- bundles that are not what was signed ---


def flipped(bundle: Path, tmp_path: Path, name: str) -> Path:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    return copy


# verifies: REQ-BUNDLE-01
@pytest.mark.parametrize("name", ["ct.onnx", "he.onnx", "mil.onnx", "metadata.onnx", "ct_head.npy", "manifest.toml", "manifest.sig"])
def test_changed_bundle(check, cohort, bundle, tmp_path, name):
    check([*cohort.one("normal").words, "--bundle", flipped(bundle, tmp_path, name)], 78, ["manifest" if name.startswith("manifest") else name])


# verifies: REQ-BUNDLE-01
@pytest.mark.parametrize("name", ["manifest.sig", "manifest.toml", "ct.onnx"])
def test_incomplete_bundle(check, cohort, bundle, tmp_path, name):
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    (copy / name).unlink()
    check([*cohort.one("normal").words, "--bundle", copy], 78, [name])


def test_no_bundle(check, cohort, tmp_path):
    check([*cohort.one("normal").words, "--bundle", tmp_path / "nowhere"], 78, ["bundle"])


# --- what is left behind ---


# verifies: REQ-PATIENT-06
def test_an_old_report_does_not_survive_a_failure(hilum, cohort, tmp_path):
    """Whoever looks into the folder after a failure must not find the last patient's result."""
    (tmp_path / "report.json").write_text("{}")
    hilum("analyze", "--ct", tmp_path / "nowhere", *cohort.one("normal").lesion_words, "--out", tmp_path, code=65)
    assert not (tmp_path / "report.json").exists()


# verifies: REQ-PATIENT-06
def test_a_refusal_replaces_the_last_result(hilum, check_report, cohort, tmp_path):
    case = cohort.one("adenocarcinoma")
    hilum("analyze", *case.words, "--out", tmp_path)
    assert list(tmp_path.glob("**/*.png"))
    hilum("analyze", "--ct", case.ct, "--lesion", "9000,0,0", "--out", tmp_path, code=2)
    assert check_report(tmp_path)["outcome"] == "refused"
    assert not list(tmp_path.glob("**/*.png")), "the last patient's pictures"


# verifies: REQ-RESULT-04
def test_a_bad_field_beside_a_good_one_is_a_limit(hilum, check_report, cohort, tmp_path):
    white = tmp_path / "white.png"
    Image.new("RGB", (896, 896), (255, 255, 255)).save(white, dpi=HALF_UM)
    out = tmp_path / "out"
    hilum("analyze", *cohort.one("adenocarcinoma").words, "--he", white, "--out", out)
    report = check_report(out)
    assert report["outcome"] == "assessed"
    assert "field-left-out" in {limit["code"] for limit in report["limits"]}


def test_quality_needs_no_scale(hilum, field):
    words = field(lambda image: image, scale=False)
    (image,) = hilum("quality", words[1], "--json").json["images"]
    assert image["verdict"] == "ok"


def test_quality_ranks_focus(hilum, cohort, tmp_path):
    original = Image.open(cohort.one("adenocarcinoma").he / "field-1.png").convert("RGB")
    paths = []
    for sigma in (0, 1, 2, 4):
        paths.append(tmp_path / f"sigma-{sigma}.png")
        original.filter(ImageFilter.GaussianBlur(sigma)).save(paths[-1])
    focus = [image["focus"] for image in hilum("quality", *paths, "--json", code=None).json["images"]]
    assert focus == sorted(focus, reverse=True)
