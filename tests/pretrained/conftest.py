"""The wheel of musicnn, fetched once from the package index into the cache of the tests."""

from pathlib import Path

import pytest

from ostinato.errors import DataError
from ostinato.pretrained import wheel


@pytest.fixture(scope="session")
def musicnn_wheel(tmp_path_factory) -> Path:
    """Return the wheel; skip where the index cannot be reached and pytest's folder does not hold it from before."""
    folder = tmp_path_factory.getbasetemp().parent / "ostinato-wheels"
    try:
        return wheel.download(folder)
    except DataError as error:
        pytest.skip(f"PyPI cannot be reached ({error}): put {wheel.FILE} into {folder}")
