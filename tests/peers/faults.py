"""Faulty CT exports, each with the verdict that it must get.

    python tests/peers/faults.py DIR     writes one folder a fault, and DIR/verdicts.json

A verdict is the exit code of `ct volume` (0, 2 refused, 65 unreadable) and what must stand in its words: a refusal's code, or a part
of the sentence on standard error.
"""

from __future__ import annotations

import copy
import json
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedCTImageStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    RLELossless,
)

ROOT = "1.2.826.0.1.3680043.10.1618"
EDGE = 32


@dataclass(frozen=True)
class Fault:
    name: str
    make: Callable[[Path], Path | None]
    code: int
    said: str


FAULTS: list[Fault] = []


def fault(code: int, said: str = "") -> Callable:
    """Registers a maker; what it returns is the path to give, the folder itself if it returns nothing."""

    def register(make: Callable[[Path], Path | None]) -> Callable:
        FAULTS.append(Fault(make.__name__, make, code, said))
        return make

    return register


def slice_of(k: int, series: str = "1", patient: str = "P1", step: float = 2.0, edge: int = EDGE) -> FileDataset:
    """Slice k of a chest that is nothing but a ramp."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{ROOT}.{series}.{k + 1}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.Modality = "CT"
    image.PatientName, image.PatientID = "Fault^Made", patient
    image.StudyInstanceUID, image.SeriesInstanceUID = f"{ROOT}.9{patient[-1]}", f"{ROOT}.{series}"
    image.FrameOfReferenceUID = f"{ROOT}.8"
    image.InstanceNumber, image.AcquisitionNumber = k + 1, 1
    image.ImagePositionPatient = [-100.0, -80.0, -300.0 + step * k]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness = [0.8, 0.8], step
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleSlope, image.RescaleIntercept = "1", "-1024"
    picture(image, np.add.outer(np.arange(edge), np.arange(edge) * 3) + 40 * k)
    return image


def picture(image: Dataset, values: np.ndarray) -> None:
    image.Rows, image.Columns = values.shape
    image.PixelData = values.astype("<i2").tobytes()


def chest(count: int = 12, **options: object) -> list[FileDataset]:
    return [slice_of(k, **options) for k in range(count)]


def enhanced(slices: list[Dataset]) -> Dataset:
    """The slices as the frames of one object (PS3.3 A.38)."""
    whole = copy.deepcopy(slices[0])
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    moved = ("PixelSpacing", "SliceThickness", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept", "ImagePositionPatient")
    for name in moved:
        if name in whole:
            delattr(whole, name)

    def groups(slice_: Dataset, macros: dict[str, tuple[str, ...]]) -> Dataset:
        group = Dataset()
        for sequence, names in macros.items():
            item = Dataset()
            for name in names:
                setattr(item, name, getattr(slice_, name))
            setattr(group, sequence, [item])
        return group

    shared = {"PixelMeasuresSequence": moved[:2], "PlaneOrientationSequence": moved[2:3]}
    own = {"PixelValueTransformationSequence": moved[3:5], "PlanePositionSequence": moved[5:]}
    whole.SharedFunctionalGroupsSequence = [groups(slices[0], shared)]
    whole.PerFrameFunctionalGroupsSequence = [groups(slice_, own) for slice_ in slices]
    whole.NumberOfFrames = len(slices)
    whole.PixelData = b"".join(slice_.PixelData for slice_ in slices)
    return whole


def save(folder: Path, images: list[FileDataset], stem: str = "IM") -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{stem}{number:04}.dcm" for number in range(1, len(images) + 1)]
    for file, image in zip(files, images, strict=True):
        image.save_as(file, enforce_file_format=True)
    return files


def rewrite(file: Path, change: Callable[[bytes], bytes]) -> None:
    file.write_bytes(change(file.read_bytes()))


# --- what the slices of a series lack, or have too much ---


@fault(0)
def nothing_wrong(folder):
    save(folder, chest())


@fault(2, "missing-slice")
def a_slice_is_missing(folder):
    images = chest()
    save(folder, images[:5] + images[6:])


@fault(2, "missing-slice")
def several_slices_are_missing(folder):
    images = chest(20)
    save(folder, images[:4] + images[7:11] + images[12:])


@fault(2, "duplicate-slices")
def two_pictures_in_one_place(folder):
    images = chest()
    again = slice_of(6)
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.1.77"
    picture(again, np.zeros((EDGE, EDGE)))
    save(folder, [*images, again])


@fault(0)
def every_file_twice(folder):
    save(folder / "a", chest())
    save(folder / "b", chest())


@fault(2, "duplicate-slices")
def one_uid_on_two_pictures(folder):
    again = slice_of(6)
    picture(again, np.zeros((EDGE, EDGE)))
    save(folder, [*chest(), again])


@fault(2, "uneven-slices")
def a_slice_lies_between_two(folder):
    images = chest()
    images[6].ImagePositionPatient = [-100.0, -80.0, -300.0 + 2 * 6 + 0.7]
    save(folder, images)


@fault(2, "uneven-slices")
def the_step_changes_half_way(folder):
    images = chest()
    for k, image in enumerate(images[6:]):
        image.ImagePositionPatient = [-100.0, -80.0, -300.0 + 2 * 5 + 3.1 * (k + 1)]
    save(folder, images)


@fault(2, "mixed-geometry")
def a_slice_lies_beside_the_others(folder):
    images = chest()
    images[6].ImagePositionPatient = [-90.0, -80.0, -300.0 + 2 * 6]
    save(folder, images)


@fault(2, "slice 7 differs from slice 1 in its size")
def a_slice_of_another_size(folder):
    images = chest()
    picture(images[6], np.zeros((EDGE, EDGE + 4)))
    save(folder, images)


@fault(2, "slice 7 differs from slice 1 in its pixel spacing")
def a_slice_of_another_pixel_spacing(folder):
    images = chest()
    images[6].PixelSpacing = [0.7, 0.8]
    save(folder, images)


@fault(2, "slice 7 differs from slice 1 in its orientation")
def a_slice_turned_over(folder):
    images = chest()
    images[6].ImageOrientationPatient = [0.996, 0.087, 0, -0.087, 0.996, 0]
    save(folder, images)


@fault(2, "slice 7 differs from slice 1 in its frame of reference")
def a_slice_of_another_frame_of_reference(folder):
    images = chest()
    images[6].FrameOfReferenceUID = f"{ROOT}.81"
    save(folder, images)


@fault(2, "slice 7 differs from slice 1 in its study")
def a_slice_of_another_study(folder):
    images = chest()
    images[6].StudyInstanceUID = f"{ROOT}.99"
    save(folder, images)


@fault(2, "slice 7 is not of the patient of slice 1")
def a_slice_of_another_patient(folder):
    images = chest()
    images[6].PatientID = "P2"
    save(folder, images)


@fault(2, "two-patients")
def a_slice_without_a_patient_id(folder):
    images = chest()
    images[6].PatientID = ""
    save(folder, images)


@fault(2, "two-patients")
def two_patients_in_one_folder(folder):
    save(folder, chest(), "A")
    save(folder, chest(series="2", patient="P2"), "B")


@fault(2, "several-series")
def two_series_in_one_folder(folder):
    save(folder, chest(), "A")
    save(folder, chest(series="2"), "B")


@fault(2, "acquisitions of one CT series lie in one another")
def two_acquisitions_in_one_series(folder):
    late = chest()
    for image in late:
        image.AcquisitionNumber = 2
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{image.SOPInstanceUID}.2"
        picture(image, np.full((EDGE, EDGE), 7))
    save(folder, chest(), "A")
    save(folder, late, "B")


@fault(0)
def a_localiser_in_the_series(folder):
    scout = slice_of(40)
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    picture(scout, np.zeros((EDGE * 2, EDGE)))
    save(folder, [scout, *chest()])


@fault(0)
def derived_images_in_the_series(folder):
    derived = [slice_of(40 + k, step=5.0) for k in range(4)]
    for image in derived:
        image.ImageType = ["DERIVED", "SECONDARY", "MPR"]
    save(folder, [*chest(), *derived])


@fault(2, "no-volume")
def nothing_but_a_localiser(folder):
    images = chest(3)
    for image in images:
        image.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    save(folder, images)


@fault(2, "no-volume")
def a_coronal_series(folder):
    images = chest()
    for k, image in enumerate(images):
        image.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        image.ImagePositionPatient = [-100.0, -80.0 + 2 * k, 0.0]
    save(folder, images)


@fault(2, "no-volume")
def two_slices(folder):
    save(folder, chest(2))


@fault(65, "Rescale Slope")
def a_slope_of_nothing(folder):
    images = chest()
    images[6].RescaleSlope = "0"
    save(folder, images)


@fault(65, "Pixel Spacing")
def no_pixel_spacing(folder):
    images = chest()
    for image in images:
        del image.PixelSpacing
    save(folder, images)


@fault(65, "Image Orientation (Patient)")
def directions_that_are_none(folder):
    images = chest()
    images[6].ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
    save(folder, images)


@fault(65, "Image Position (Patient)")
def a_place_that_is_no_number(folder):
    file = save(folder, chest())[6]
    rewrite(file, lambda data: data.replace(b"-100.0\\-80.0", b"-1e999\\-80.0"))


@fault(65, "Bits Allocated")
def thirty_two_bits(folder):
    images = chest()
    images[6].BitsAllocated, images[6].BitsStored, images[6].HighBit = 32, 32, 31
    images[6].PixelData = images[6].PixelData * 2
    save(folder, images)


# --- files that are damaged, cut off, or something else ---


@fault(65, "cut off")
def a_file_that_is_cut_off(folder):
    rewrite(save(folder, chest())[6], lambda data: data[: len(data) - 700])


@fault(65, "empty")
def a_file_of_no_bytes(folder):
    rewrite(save(folder, chest())[6], lambda data: b"")


@fault(65, "DICOM file")
def a_file_of_zeros(folder):
    rewrite(save(folder, chest())[6], lambda data: bytes(len(data)))


@fault(65, "not a DICOM file")
def a_file_of_noise(folder):
    noise = np.random.default_rng(7).integers(0, 256, 5000, np.uint8).tobytes()
    rewrite(save(folder, chest())[6], lambda data: noise)


@fault(0)
def files_without_suffix(folder):
    for number, file in enumerate(save(folder, chest())):
        file.rename(folder / f"IMG{number}")


@fault(0)
def files_without_preamble(folder):
    for file in save(folder, chest()):
        rewrite(file, lambda data: data[128:])


@fault(0)
def files_without_file_meta_information(folder):
    for file in save(folder, chest()):
        image = pydicom.dcmread(file)
        buffer = DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, True
        pydicom.filewriter.write_dataset(buffer, Dataset(image))
        file.write_bytes(buffer.getvalue())


@fault(0)
def files_without_group_length(folder):
    for file in save(folder, chest()):
        # (0002,0000) is twelve bytes.
        rewrite(file, lambda data: data[:132] + data[144:])


@fault(0)
def a_letter_beside_the_slices(folder):
    save(folder, chest())
    (folder / "README.TXT").write_text("Dear colleague,\n")


@fault(65, "Rows")
def more_rows_than_any_scanner_has(folder):
    file = save(folder, chest())[6]
    big = struct.pack("<H", 65535)
    rewrite(file, lambda data: data.replace(b"\x28\x00\x10\x00US\x02\x00 \x00", b"\x28\x00\x10\x00US\x02\x00" + big))


@fault(65, "cut off")
def four_gigabytes_in_a_small_file(folder):
    file = save(folder, chest())[6]
    rewrite(file, lambda data: data[: data.index(b"\xe0\x7f\x10\x00OW") + 8] + struct.pack("<I", 0xFFFFFFF0) + bytes(3000))


@fault(65, "ends in the middle of an element")
def an_element_longer_than_the_file(folder):
    file = save(folder, chest())[6]
    rewrite(file, lambda data: data[:400][: data.index(b"\x10\x00\x20\x00")] + b"\x10\x00\x20\x00UT\x00\x00" + struct.pack("<I", 0x7FFFFFF0))


def nested(depth: int) -> bytes:
    start = b"\x40\x00\x30\x07SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    return start * depth + end * depth


@fault(65, "deep in one another")
def sequences_twenty_thousand_deep(folder):
    file = save(folder, chest())[6]
    rewrite(file, lambda data: data[: data.index(b"\xe0\x7f\x10\x00OW")] + nested(20_000) + data[data.index(b"\xe0\x7f\x10\x00OW") :])


@fault(65, "larger than any scanner's")
def a_deflate_bomb(folder):
    file = save(folder, chest())[6]
    image = pydicom.dcmread(file)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.save_as(file)
    data = file.read_bytes()
    meta = data[: 132 + 12 + int.from_bytes(data[140:144], "little")]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    rest = zlib.decompress(data[len(meta) :], -15)
    rest = rest[: rest.index(b"\xe0\x7f\x10\x00OW") + 8] + struct.pack("<I", 900 << 20)
    packed = packer.compress(rest)
    for _ in range(900):
        packed += packer.compress(bytes(1 << 20))
    file.write_bytes(meta + packed + packer.flush())


@fault(0)
def deflated(folder):
    for file in save(folder, chest()):
        image = pydicom.dcmread(file)
        image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        image.save_as(file)


@fault(0)
def implicit_vr(folder):
    for file in save(folder, chest()):
        image = pydicom.dcmread(file)
        image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        image.save_as(file, implicit_vr=True, little_endian=True)


@fault(65, "cannot decode its pixel data")
def run_lengths_that_are_changed(folder):
    images = chest()
    for image in images:
        image.compress(RLELossless)
    file = save(folder, images)[6]
    rewrite(file, lambda data: data[:-200] + b"\x7f" * 192 + data[-8:])


@fault(0)
def a_private_sequence_of_unknown_kind(folder):
    unknown = b"\x09\x00\x10\x10UN\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff\x09\x00\x11\x10\x04\x00\x00\x001234"
    unknown += b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    for file in save(folder, chest()):
        rewrite(file, lambda data: data[: data.index(b"\x10\x00\x10\x00PN")] + unknown + data[data.index(b"\x10\x00\x10\x00PN") :])


# --- folders, links, disks, archives ---


@fault(0)
def links_in_a_loop(folder):
    save(folder / "slices", chest())
    os.symlink(folder, folder / "slices" / "up")
    os.symlink(folder / "round", folder / "round")


def disk(folder: Path, names: list[list[str]], classes: str = CTImageStorage) -> Path:
    """A DICOMDIR that names files."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID = f"{ROOT}.7"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    index = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    index.FileSetID = "FAULTY"
    index.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    index.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    index.FileSetConsistencyFlag = 0
    records = []
    for name in names:
        record = Dataset()
        record.OffsetOfTheNextDirectoryRecord, record.RecordInUseFlag, record.OffsetOfReferencedLowerLevelDirectoryEntity = 0, 0xFFFF, 0
        record.DirectoryRecordType = "IMAGE"
        record.ReferencedFileID = name
        record.ReferencedSOPClassUIDInFile = classes
        records.append(record)
    index.DirectoryRecordSequence = Sequence(records)
    folder.mkdir(parents=True, exist_ok=True)
    index.save_as(folder / "DICOMDIR", enforce_file_format=True)
    return folder / "DICOMDIR"


@fault(0)
def a_disk(folder):
    files = save(folder / "DICOM" / "S1", chest())
    save(folder / "OTHER", chest(series="2", patient="P2"))
    for file in files:
        file.rename(file.with_suffix(""))
    return disk(folder, [["DICOM", "S1", file.stem] for file in files])


@fault(0)
def a_disk_that_was_copied_in_other_letters(folder):
    files = save(folder / "dicom" / "s1", chest(), "im")
    return disk(folder, [["DICOM", "S1", file.stem.upper()] for file in files])


@fault(65, "not there")
def a_disk_that_was_not_copied_whole(folder):
    files = save(folder / "DICOM", chest(), "IM")
    files[3].unlink()
    return disk(folder, [["DICOM", file.stem] for file in files])


@fault(65, "outside its folder")
def a_disk_that_leads_to_etc(folder):
    save(folder / "DICOM", chest())
    return disk(folder, [["..", "..", "..", "..", "etc", "passwd"]])


@fault(65, "outside its folder")
def a_disk_with_a_link_to_etc(folder):
    save(folder / "DICOM", chest())
    os.symlink("/etc", folder / "DICOM" / "LINK")
    return disk(folder, [["DICOM", "LINK", "passwd"]])


@fault(65, "outside its folder")
def a_disk_that_names_a_path(folder):
    save(folder / "DICOM", chest())
    return disk(folder, [["/etc/passwd"]])


@fault(2, "two-patients")
def a_disk_of_two_patients(folder):
    first = save(folder / "A", chest())
    second = save(folder / "B", chest(series="2", patient="P2"))
    return disk(folder, [["A", file.stem] for file in first] + [["B", file.stem] for file in second])


def archive(folder: Path, compression: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipFile:
    folder.mkdir(parents=True, exist_ok=True)
    return zipfile.ZipFile(folder / "export.zip", "w", compression)


def pack(folder: Path, names: Callable[[Path], str], **options: int) -> Path:
    files = save(folder / "files", chest())
    with archive(folder, **options) as packed:
        for file in files:
            packed.write(file, names(file))
    return folder / "export.zip"


@fault(0)
def an_archive(folder):
    return pack(folder, lambda file: f"study/series/{file.name}")


@fault(0)
def an_archive_without_compression(folder):
    return pack(folder, lambda file: file.name, compression=zipfile.ZIP_STORED)


@fault(0)
def an_archive_with_names_that_lead_out(folder):
    """Names are never paths: nothing is written, and what leads out is passed over."""
    path = pack(folder, lambda file: f"series/{file.name}")
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("../../hilum-was-here.dcm", b"out")
    return path


@fault(65, "more than")
def a_zip_bomb(folder):
    path = pack(folder, lambda file: file.name)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as packed, packed.open("IM9999.dcm", "w", force_zip64=True) as bomb:
        bomb.write(bytes(128) + b"DICM")
        for _ in range(600):
            bomb.write(bytes(1 << 20))
    return path


@fault(65, "zip archive")
def an_archive_that_is_cut_off(folder):
    path = pack(folder, lambda file: file.name)
    path.write_bytes(path.read_bytes()[:4000])
    return path


@fault(65, "no DICOM file")
def an_archive_of_nothing(folder):
    with archive(folder) as packed:
        packed.writestr("README.TXT", "nothing")
    return folder / "export.zip"


@fault(65, "no such file")
def a_path_that_is_not_there(folder):
    return folder / "nowhere"


@fault(65, "no DICOM file")
def an_empty_folder(folder):
    folder.mkdir(parents=True)


def main() -> None:
    into = Path(sys.argv[1])
    verdicts = {}
    for each in FAULTS:
        path = each.make(into / each.name) or into / each.name
        verdicts[each.name] = {"path": str(path.relative_to(into)), "exit": each.code, "said": each.said}
    (into / "verdicts.json").write_text(json.dumps(verdicts, indent=2) + "\n")


if __name__ == "__main__":
    main()
