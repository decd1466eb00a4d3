"""The gate on real pictures: no H&E is called anything else, nothing else H&E, none of it is a calibration."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import REPO, UM_PER_PX, at_scale, photos, seen, slides, tiles

CACHE = REPO / ".cache/real"
PLAUSIBLE, TOO_LITTLE, NOT_STAINED, EXCHANGED = range(4)


@pytest.fixture(scope="module", params=UM_PER_PX)
def slide(request):
    pixels, um = slides(CACHE)[request.param]
    return [part for to_um in (0.25, 0.5, 1.0) for whole in [at_scale(pixels, um, to_um)] for part in (whole, *tiles(whole, 512))]


# verifies: REQ-SLIDE-03
def test_stained_tissue_is_plausible(slide):
    rows = [row for row in seen("colours", slide) if row["tissue"] >= 0.05]
    assert rows and {row["verdict"] for row in rows} <= {PLAUSIBLE, TOO_LITTLE}
    told = [row["exchanged"] for row in rows if row["verdict"] == PLAUSIBLE]
    assert NOT_STAINED not in told
    assert np.mean([verdict == EXCHANGED for verdict in told]) >= 0.8


# verifies: REQ-SLIDE-03
def test_photographs_are_not_stained():
    for name, row in zip(photos(CACHE), seen("colours", list(photos(CACHE).values()))):
        assert row["verdict"] == NOT_STAINED, name


def test_tissue_and_photographs_are_no_calibration(slide):
    pictures = [*slide, *photos(CACHE).values()]
    for seen_of, row in zip(seen("colours", pictures), seen("calibration", pictures)):
        assert row["period"] == 0
        # The clear glass beside the tissue is a white field, specks of dirt and all.
        assert row["gain"] < (1.5 if seen_of["tissue"] < 0.03 else 1e-9), (seen_of, row)


def test_sharp_fields_have_no_artefacts():
    pixels, um = slides(CACHE)["cmu_small_region.svs"]
    picture = at_scale(pixels, um, 0.5)
    fields = [picture[y : y + 540, x : x + 960] for y in range(0, 1620, 540) for x in (500, 1460)]
    for row in seen("artefacts", fields):
        assert row["pen"] < 0.01 and row["bubble"] < 0.01, row
