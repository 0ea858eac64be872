"""Every dataset keeps the contract, on a miniature of its original's layout."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import miniatures
import pandas as pd
import pytest
from pydantic import BaseModel

from ostinato import datasets
from ostinato.core import registry
from ostinato.core.params.schema import Compute, Dataset, Ingest
from ostinato.core.paths import Paths
from ostinato.curation import inventory
from ostinato.datasets._remote import Remote
from ostinato.errors import ParamsError
from ostinato.io import tables
from ostinato.stages import ingest

NAMES = registry.names("ostinato.datasets")


@pytest.fixture(params=NAMES)
def dataset(request, tmp_path):
    """Return a dataset's module, its options, and the root of its miniature."""
    plugin = registry.load("ostinato.datasets", request.param)
    root = tmp_path / "root"
    options = getattr(miniatures, request.param)(root)
    return SimpleNamespace(
        name=request.param, plugin=plugin, given=options, options=plugin.Options(**options), root=root
    )


def list_tracks(dataset):
    return dataset.plugin.tracks(dataset.root, dataset.options, seed=1, workers=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_says_where_it_is_from(name):
    plugin = registry.load("ostinato.datasets", name)
    assert plugin.LICENSE
    assert plugin.SOURCE
    assert isinstance(plugin.CITATION, str)
    for word in ("Size", "rigin", "icence", "aper"):
        assert word in (plugin.__doc__ or ""), f"the docstring lacks {word}"
    assert issubclass(plugin.Options, BaseModel)
    assert list(inspect.signature(plugin.tracks).parameters) == ["root", "options", "seed", "workers"]
    assert all(number > 0 for number in getattr(plugin, "EXPECTED", {}).values())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_fetched_has_a_checksum_and_a_place_of_its_own(name):
    plugin = registry.load("ostinato.datasets", name)
    remotes = plugin.remotes(plugin.Options()) if hasattr(plugin, "remotes") else getattr(plugin, "REMOTES", ())
    lengths = {"md5": 32, "sha1": 40, "sha256": 64}
    for remote in remotes:
        assert isinstance(remote, Remote)
        kind, _, digits = remote.checksum.partition(":")
        assert re.fullmatch(f"[0-9a-f]{{{lengths[kind]}}}", digits)
        assert remote.url.startswith(("https://", "http://"))
        assert Path(remote.name).name == remote.name
    assert len({remote.name for remote in remotes}) == len(remotes)


def test_a_listing_keeps_the_contract(dataset):
    frame = list_tracks(dataset)
    assert len(frame)
    assert frame["track_id"].is_unique
    assert frame["track_id"].map(type).eq(str).all()
    known = {*tables.LISTED_COLUMNS, *getattr(dataset.plugin, "ATTRIBUTES", ()), "content_hash"}
    assert set(frame.columns) <= known
    paths = frame["path"].dropna()
    assert getattr(dataset.plugin, "AUDIO", True) == (len(paths) > 0)
    assert all(not path.startswith("/") and ".." not in path and "\\" not in path for path in paths)
    complete = inventory.complete(frame)
    assert set(complete["split"].dropna()) <= {"train", "validation", "test"}
    classes = getattr(dataset.plugin, "CLASSES", {})
    if "genre" in classes:
        assert set(complete["genre"].dropna()) <= set(classes["genre"])


def test_listing_twice_gives_the_same_and_changes_no_file(dataset):
    first = list_tracks(dataset)
    before = {path: path.stat().st_mtime_ns for path in dataset.root.rglob("*")}
    pd.testing.assert_frame_equal(first, list_tracks(dataset))
    assert {path: path.stat().st_mtime_ns for path in dataset.root.rglob("*")} == before


def test_ingest_takes_it(dataset, tmp_path):
    paths = Paths(tmp_path)
    given = Dataset(name=dataset.name, path=str(dataset.root), **dataset.given)
    ingest.run(paths, SimpleNamespace(seed=1, compute=Compute(workers=1), ingest=Ingest(), dataset=given))
    tracks, files = tables.read(paths.tracks), tables.read(paths.files)
    assert len(tracks) == len(list_tracks(dataset))
    assert tracks["content_hash"].notna().sum() >= len(tracks) - 1
    assert files["track_id"].tolist() == tracks.loc[tracks["path"].notna(), "track_id"].tolist()
    told = tables.read(paths.attributes)
    assert told["track_id"].tolist() == tracks["track_id"].tolist()
    assert told.columns.tolist() == ["track_id", *getattr(dataset.plugin, "ATTRIBUTES", ())]


def test_a_misspelt_option_is_named(dataset):
    with pytest.raises(ParamsError, match=r"dataset\.subzet: is not a key of dataset: .*there are name, path"):
        datasets.load(Dataset(name=dataset.name, subzet="small"))


def test_the_keys_that_every_dataset_has_are_named_too():
    with pytest.raises(
        ParamsError, match=r"dataset\.paht: .*there are name, path, .*read_tags.*; did you mean 'path'\?"
    ):
        datasets.load(Dataset(name="folder", paht="music"))
    with pytest.raises(ParamsError, match=r"dataset\.read_tags: must be true or false, .*\(it is 'often'\)"):
        datasets.load(Dataset(name="folder", read_tags="often"))
