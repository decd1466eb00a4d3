import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from appliance import cohort  # noqa: E402


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    """Two phantoms."""
    return cohort(tmp_path_factory.mktemp("cohort"), 2)


@pytest.fixture(scope="session")
def picture(phantoms, tmp_path_factory):
    """A part of a phantom's field as a picture without a scale: a case that takes little time."""
    from PIL import Image

    path = tmp_path_factory.mktemp("picture") / "field.png"
    Image.open(sorted(phantoms[0]["he"].glob("*.png"))[0]).crop((0, 0, 448, 448)).save(path)
    return path
