import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """50 patients, 4 tiles each, in two shards."""
    import synthetic
    from hilum_models import data

    return data.load(synthetic.write(tmp_path_factory.mktemp("prepared"), 50, 4))
