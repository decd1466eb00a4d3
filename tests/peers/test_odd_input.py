"""Input that is unusual and must be read all the same, to the values that others read."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import faults
import imagecodecs
import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.uid import JPEG2000, EnhancedCTImageStorage, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, RLELossless, generate_uid

HALF_UM = (50_800, 50_800)  # dots per inch of 0.5 µm


@pytest.fixture
def slices(cohort) -> list[pydicom.Dataset]:
    """A phantom's slices from the feet, for a test to change."""
    read = [pydicom.dcmread(path) for path in cohort.one("adenocarcinoma").ct.iterdir()]
    return sorted(read, key=lambda slice_: float(slice_.ImagePositionPatient[2]))


@pytest.fixture
def volume(hilum, tmp_path):
    """The voxels [i,j,k] that `ct volume` makes of slices or of a folder."""

    def run(given: list[pydicom.Dataset] | Path, *words: object) -> np.ndarray:
        folder = given
        if isinstance(given, list):
            folder = tmp_path / "series"
            folder.mkdir()
            for number, slice_ in enumerate(given):
                slice_.save_as(folder / f"{number:03}.dcm")
        hilum("ct", "volume", folder, *words, "--out", tmp_path / "x.nii")
        return np.asanyarray(nibabel.load(tmp_path / "x.nii").dataobj)

    return run


def hounsfield(slices: list[pydicom.Dataset]) -> np.ndarray:
    """[i,j,k], by pydicom's reader and the definition."""
    return np.stack([slice_.pixel_array * float(slice_.RescaleSlope) + float(slice_.RescaleIntercept) for slice_ in slices], -1).transpose(1, 0, 2)


# verifies: REQ-CT-03
@pytest.mark.parametrize("slope, intercept, dtype", [("1", "-1024", "int16"), ("0.5", "-1000.25", "float32"), ("20", "-1024", "float32")])
def test_hu_are_exact(volume, slices, slope, intercept, dtype):
    """Fractions and values beyond 16 bits are not rounded, cut off or wrapped."""
    for slice_ in slices:
        slice_.RescaleSlope, slice_.RescaleIntercept = slope, intercept
    found = volume(slices)
    assert found.dtype == dtype
    assert np.array_equal(found, hounsfield(slices))


def test_fractions_are_resampled_as_such(volume, slices):
    for slice_ in slices:
        slice_.RescaleSlope, slice_.RescaleIntercept = "1", "-1000.25"
        slice_.PixelData = bytes(len(slice_.PixelData))
    assert volume(slices, "--spacing", 4) == pytest.approx(-1000.25, abs=1e-3)


def test_run_lengths(volume, slices):
    want = hounsfield(slices)
    for slice_ in slices:
        slice_.compress(RLELossless)
    assert np.array_equal(volume(slices), want)


def test_lossless_jpeg(volume, slices):
    want = hounsfield(slices)
    for slice_ in slices:
        wrapped(slice_, imagecodecs.ljpeg_encode(slice_.pixel_array, bitspersample=16), JPEGLosslessSV1)
    assert np.array_equal(volume(slices), want)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("boxes", [False, True])
def test_lossless_jpeg_2000(volume, slices, signed, boxes):
    """By OpenJPEG, with samples of either kind; some writers put a whole file in."""
    want = hounsfield(slices)
    for slice_ in slices:
        stored = slice_.pixel_array.astype(np.int16) - 1024 if signed else slice_.pixel_array.astype(np.uint16)
        if signed:
            slice_.PixelRepresentation, slice_.RescaleIntercept = 1, float(slice_.RescaleIntercept) + 1024 * float(slice_.RescaleSlope)
        coded = imagecodecs.jpeg2k_encode(stored, level=0, reversible=True, codecformat="JP2" if boxes else "J2K")
        wrapped(slice_, coded, JPEG2000Lossless)
    assert np.array_equal(volume(slices), want)


@pytest.mark.parametrize("near", [0, 2])
def test_jpeg_ls(volume, slices, near):
    """By CharLS, lossless and within two levels. The build under test has the feature jpeg-ls; one without it names what is missing,
    which a unit test sees."""
    want = []
    for slice_ in slices:
        coded = imagecodecs.jpegls_encode(slice_.pixel_array.astype(np.uint16), level=near)
        want.append(imagecodecs.jpegls_decode(coded) * float(slice_.RescaleSlope) + float(slice_.RescaleIntercept))
        wrapped(slice_, coded, JPEGLSNearLossless if near else JPEGLSLossless)
    assert np.array_equal(volume(slices), np.stack(want, -1).transpose(1, 0, 2))


@pytest.mark.parametrize("spoilt", ["cut", "changed", "larger"])
def test_jpeg_ls_that_is_damaged(hilum, slices, tmp_path, spoilt):
    stored = slices[3].pixel_array.astype(np.uint16)
    if spoilt == "larger":
        stored = np.tile(stored, (3, 3))
    coded = bytearray(imagecodecs.jpegls_encode(stored))
    if spoilt == "changed":
        coded[40:4000] = random.Random(1).randbytes(3960)
    wrapped(slices[3], bytes(coded[: len(coded) // 2] if spoilt == "cut" else coded), JPEGLSLossless)
    for number, slice_ in enumerate(slices):
        slice_.save_as(tmp_path / f"{number:03}.dcm")
    assert "cannot decode its pixel data" in hilum("ct", "volume", tmp_path, "--out", tmp_path / "x.nii", code=65).err


def test_lossy_jpeg_2000(volume, slices):
    """To what OpenJPEG decodes."""
    want = []
    for slice_ in slices:
        coded = imagecodecs.jpeg2k_encode(slice_.pixel_array.astype(np.uint16), level=70, reversible=False, codecformat="J2K")
        want.append(imagecodecs.jpeg2k_decode(coded) * float(slice_.RescaleSlope) + float(slice_.RescaleIntercept))
        wrapped(slice_, coded, JPEG2000)
    apart = np.abs(volume(slices) - np.stack(want, -1).transpose(1, 0, 2))
    assert apart.max() <= 1 and apart.mean() < 0.05


@pytest.mark.parametrize("spoilt", ["cut", "begun", "larger", "random"])
def test_jpeg_2000_that_is_damaged(hilum, slices, tmp_path, spoilt):
    stored = slices[3].pixel_array.astype(np.uint16)
    if spoilt == "larger":
        stored = np.tile(stored, (3, 3))
    coded = imagecodecs.jpeg2k_encode(stored, level=0, reversible=True, codecformat="J2K")
    coded = {"cut": coded[: len(coded) // 2], "begun": coded[:30], "random": bytes(1000)}.get(spoilt, coded)
    wrapped(slices[3], coded, JPEG2000Lossless)
    for number, slice_ in enumerate(slices):
        slice_.save_as(tmp_path / f"{number:03}.dcm")
    assert "cannot decode its pixel data" in hilum("ct", "volume", tmp_path, "--out", tmp_path / "x.nii", code=65).err


def wrapped(slice_: pydicom.Dataset, coded: bytes, syntax: str) -> None:
    """Puts a coded picture in place of the pixels."""
    slice_.PixelData = pydicom.encaps.encapsulate([coded])
    slice_["PixelData"].VR = "OB"
    slice_["PixelData"].is_undefined_length = True
    slice_.file_meta.TransferSyntaxUID = syntax


def test_links(volume, slices, cohort, tmp_path):
    """To slices, to the folder of them, and to the folder that holds the link."""
    folder = tmp_path / "links"
    folder.mkdir()
    original = cohort.one("adenocarcinoma").ct
    for path in original.iterdir():
        (folder / path.name).symlink_to(path)
    assert np.array_equal(volume(folder), hounsfield(slices))
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "ct").symlink_to(original)
    (folder / "loop").symlink_to(folder)
    assert np.array_equal(volume(folder), hounsfield(slices))


def no_spacing(slice_: pydicom.Dataset) -> None:
    del slice_.PixelSpacing
    slice_.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def eight_bits(slice_: pydicom.Dataset) -> None:
    slice_.PixelData = (slice_.pixel_array >> 4).clip(0, 255).astype(np.uint8).tobytes()
    slice_["PixelData"].VR = "OB"
    slice_.BitsAllocated = slice_.BitsStored = 8
    slice_.HighBit = 7


@pytest.mark.parametrize("change", [no_spacing, eight_bits])
def test_another_series_that_is_no_volume(volume, slices, cohort, change):
    extra = pydicom.dcmread(next(cohort.one("adenocarcinoma").ct.iterdir()))
    change(extra)
    extra.SeriesInstanceUID, extra.SOPInstanceUID = generate_uid(), generate_uid()
    extra.file_meta.MediaStorageSOPInstanceUID = extra.SOPInstanceUID
    assert np.array_equal(volume([*slices, extra]), hounsfield(slices))


# --- images ---


@pytest.fixture
def picture(cohort) -> Image.Image:
    return Image.open(cohort.one("adenocarcinoma").he / "field-1.png").convert("RGB")


@pytest.fixture
def analyze(hilum, tmp_path):
    """The H&E part of the report on a file or a folder."""

    def run(path: Path, *words: object) -> dict:
        hilum("analyze", "--he", path, *words, "--explain", "none", "--out", tmp_path / "out")
        return json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["he"]

    return run


def test_jpeg_with_something_behind_it(analyze, picture, tmp_path):
    path = tmp_path / "field.jpg"
    picture.save(path, quality=95, dpi=HALF_UM)
    with path.open("ab") as file:
        file.write(b"\xff\xd8 what a camera adds")
    assert len(analyze(path)["fields"]) == 1


def test_what_lies_beside_images(analyze, picture, tmp_path):
    folder = tmp_path / "he"
    folder.mkdir()
    for name in ("field-1.png", "field2"):
        picture.save(folder / name, format="PNG", dpi=HALF_UM)
    tifffile.imwrite(folder / "slide.svs", np.asarray(picture), photometric="rgb", description="Aperio|MPP = 0.5|AppMag = 20")
    picture.save(folder / "drawing.gif")
    for name, content in [("._field-1.png", b"\0\5\x16\7"), (".DS_Store", b"\0"), ("Thumbs.db", b"\xd0\xcf"), ("notes.txt", b"two fields")]:
        (folder / name).write_bytes(content)
    assert [field["um_per_px"] for field in analyze(folder)["fields"]] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("metadata", [None, {}])
@pytest.mark.parametrize("said", ["MPP = 0.4990", "MPP=0.4990"])
def test_scale_in_a_description(analyze, picture, tmp_path, said, metadata):
    """tifffile writes a second description with the shape unless told not to."""
    path = tmp_path / "field.tif"
    tifffile.imwrite(path, np.asarray(picture), photometric="rgb", description=f"Aperio |AppMag = 20|{said}", metadata=metadata)
    assert analyze(path)["fields"][0]["um_per_px"] == 0.499


def test_transparent_pixels_are_glass(hilum, picture, tmp_path):
    pixels = np.dstack([np.asarray(picture), np.full(picture.size[::-1], 255, np.uint8)])
    pixels[: len(pixels) // 2] = 0
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    pixels[: len(pixels) // 2] = 255
    Image.fromarray(pixels[..., :3]).save(tmp_path / "white.png")
    clear, white = hilum("quality", tmp_path / "clear.png", tmp_path / "white.png", "--json").json["images"]
    assert {**clear, "path": ""} == {**white, "path": ""}


@pytest.mark.parametrize("width, height, um_per_px", [(561, 561, 0.3993), (561, 600, 0.3993), (600, 561, 0.3993), (896, 449, 0.5049)])
def test_tiles_stay_inside(analyze, picture, tmp_path, width, height, um_per_px):
    path = tmp_path / "field.png"
    picture.crop((0, 0, width, height)).save(path)
    tiles = analyze(path, "--um-per-px", um_per_px)["tiles"]
    assert tiles
    for tile in tiles:
        assert tile["x"] + tile["size"] <= width and tile["y"] + tile["size"] <= height


def shifted_back(slices: list[pydicom.Dataset], rows: float) -> None:
    """A gantry tilted by 0.2: planes lean, and each slice starts where the table put it, `rows` rows from the last."""
    lean = np.array([0.0, np.cos(0.2), np.sin(0.2)])
    for number, slice_ in enumerate(slices):
        step = float(slice_.PixelSpacing[0]) * rows
        slice_.ImageOrientationPatient = [1, 0, 0, *map(float, lean)]
        # Along z: the plane's normal has the cosine of that, the rest is a shift within the plane.
        slice_.ImagePositionPatient = [-100, -100, number * step / float(np.sin(0.2))]


@pytest.mark.parametrize("spacing", [[], ["--spacing", 2]])
def test_a_tilted_gantry_is_set_upright(hilum, slices, tmp_path, spacing):
    """A point drawn into the tilted slices lies where it lay, by sform and by qform."""
    shifted_back(slices, 1.0)
    folder = tmp_path / "series"
    folder.mkdir()
    centre, row, column = len(slices) // 2, 120, 130
    for number, slice_ in enumerate(slices):
        pixels = np.full((slice_.Rows, slice_.Columns), 24, np.uint16)
        if abs(number - centre) <= 3:
            pixels[row - 6 : row + 7, column - 6 : column + 7] = 1064
        slice_.PixelData = pixels.tobytes()
        slice_.save_as(folder / f"{number:03}.dcm")
    across, down = float(slices[0].PixelSpacing[1]), float(slices[0].PixelSpacing[0])
    want = np.array(slices[centre].ImagePositionPatient, float) + [column * across, row * down * np.cos(0.2), row * down * np.sin(0.2)]
    said = hilum("ct", "volume", folder, *spacing, "--out", tmp_path / "x.nii", "--json").json
    image = nibabel.load(tmp_path / "x.nii")
    for affine, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        assert code == 1 and affine == pytest.approx(image.affine, abs=1e-3)
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-4)
    assert np.array(said["affine"]) == pytest.approx(image.affine, abs=1e-3)
    hu = image.get_fdata()
    weight = np.maximum(hu + 1000, 0)  # of the point; what lies outside the scan has less than air
    middle = [np.sum(weight * index) / np.sum(weight) for index in np.indices(hu.shape)]
    found = image.affine @ [*middle, 1]
    assert found[:3] * [-1, -1, 1] == pytest.approx(want, abs=0.2)
    assert np.unique(hu[hu < -999].round(2)).tolist() == [-1024, -1000]


def test_series_that_are_no_ct_are_listed(hilum, slices, tmp_path):
    other = generate_uid()
    for number, slice_ in enumerate(slices[:40]):
        slice_.save_as(tmp_path / f"{number:03}.dcm")
    for number, slice_ in enumerate(slices[:3]):
        slice_.SeriesInstanceUID, slice_.SOPInstanceUID = other, generate_uid()
        slice_.SOPClassUID = slice_.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        slice_.save_as(tmp_path / f"capture-{number}.dcm")
    listed = {series["uid"]: series for series in hilum("ct", "list", tmp_path, "--json").json["series"]}
    assert len(listed) == 2
    assert (listed[other]["verdict"], listed[other]["slices"]) == ("not_a_volume", 3)
    assert listed[slices[-1].SeriesInstanceUID]["verdict"] == "ok"
    hilum("ct", "volume", tmp_path, "--out", tmp_path / "x.nii")


@pytest.mark.parametrize("coded", [False, True])
def test_frames_of_one_object(volume, slices, coded):
    """In any order, each with a position and a rescaling of its own; coded, in pieces."""
    want = hounsfield(slices)
    random.Random(3).shuffle(slices)
    whole = faults.enhanced(slices)
    if coded:
        frames = [imagecodecs.jpeg2k_encode(slice_.pixel_array.astype(np.uint16), level=0, reversible=True, codecformat="J2K") for slice_ in slices]
        wrapped(whole, frames[0], JPEG2000Lossless)
        whole.PixelData = pydicom.encaps.encapsulate(frames, fragments_per_frame=3)
    assert np.array_equal(volume([whole]), want)


def test_frames_without_a_place_are_told(hilum, slices, tmp_path):
    slices[0].SOPClassUID = slices[0].file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    slices[0].save_as(tmp_path / "enhanced.dcm")
    assert "Number of Frames" in hilum("ct", "volume", tmp_path, "--out", tmp_path / "x.nii", code=65).err


# verifies: REQ-CT-03
def test_values_that_are_not_rescaled(hilum, slices, tmp_path):
    """Air is -1000 HU: without a sign and a rescale they would be shifted by a thousand."""
    whole = hounsfield(slices)
    for number, slice_ in enumerate(slices):
        del slice_.RescaleSlope, slice_.RescaleIntercept
        slice_.save_as(tmp_path / f"{number:03}.dcm")
    assert "Rescale Intercept" in hilum("ct", "volume", tmp_path, "--out", tmp_path / "x.nii", code=65).err
    for number, slice_ in enumerate(slices):
        slice_.PixelData, slice_.PixelRepresentation = whole[..., number].T.astype("<i2").tobytes(), 1
        slice_.save_as(tmp_path / f"{number:03}.dcm")
    hilum("ct", "volume", tmp_path, "--out", tmp_path / "x.nii")
    assert np.array_equal(np.asanyarray(nibabel.load(tmp_path / "x.nii").dataobj), whole)
    slices[5].RescaleSlope, slices[5].RescaleIntercept = "1", "-1024"
    slices[5].save_as(tmp_path / "005.dcm")
    refused = hilum("ct", "volume", tmp_path, "--out", tmp_path / "y.nii", "--json", code=2)
    assert (refused.json["verdict"], refused.json["refusal"]["code"]) == ("refused", "mixed-geometry")
    assert not (tmp_path / "y.nii").exists()


@pytest.mark.parametrize("edge", [5, 20, 60, 200])
def test_a_scrap_is_too_small_not_blurred(hilum, picture, tmp_path, edge):
    picture.crop((300, 300, 300 + edge, 300 + edge)).save(tmp_path / "scrap.png", dpi=HALF_UM)
    hilum("analyze", "--he", tmp_path / "scrap.png", "--out", tmp_path / "out", code=2)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["refusal"]["code"] in ("image-too-small", "blank-image", "too-little-tissue")


def test_light_that_grows_is_no_stain(hilum, tmp_path):
    """Noise of every colour, of which the estimate is a dye brighter than glass."""
    noise = np.random.default_rng(0).integers(0, 255, (500, 500, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png", dpi=HALF_UM)
    hilum("analyze", "--he", tmp_path / "noise.png", "--out", tmp_path / "out", code=2)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["refusal"]["code"] == "stain-degenerate"
