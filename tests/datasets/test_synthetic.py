from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from pydantic import ValidationError
from scipy.stats import spearmanr

from ostinato.datasets import synthetic
from ostinato.datasets._synthesis.faults import KINDS
from ostinato.datasets._synthesis.lyrics import proper_name
from ostinato.datasets.synthetic import Options

TINY = {"n_artists": 3, "tracks_per_artist": 2, "n_genres": 3, "seconds": 1.0}


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    return root, synthetic.tracks(root, Options(**TINY, faults=len(KINDS)), seed=3, workers=1)


def test_same_seed_and_options_give_the_same_bytes_with_any_number_of_workers(tiny, tmp_path):
    root, table = tiny
    again = synthetic.tracks(tmp_path, Options(**TINY, faults=len(KINDS)), seed=3, workers=2)
    assert contents(tmp_path) == contents(root)
    assert again.equals(table)


def test_another_seed_gives_another_folder_and_other_sound(tiny, tmp_path):
    root, table = tiny
    other = synthetic.tracks(tmp_path, Options(**{**TINY, "n_artists": 1}), seed=4, workers=1)
    assert other.path[0].split("/")[0] != table.path[0].split("/")[0]
    assert (tmp_path / other.path[0]).read_bytes() != (root / table.path[0]).read_bytes()


def test_growth_changes_no_file_and_no_row(tiny, tmp_path):
    root, table = tiny
    grown = Options(**{**TINY, "n_artists": 4, "tracks_per_artist": 3})
    rows = synthetic.tracks(tmp_path, grown, seed=3, workers=1).set_index("track_id")
    clean = table[~table.track_id.str.contains("-x")].set_index("track_id")
    assert len(rows) == 12
    assert rows.loc[clean.index].equals(clean)
    after = contents(tmp_path)
    assert all(
        after[name] == data for name, data in contents(root).items() if "-x" not in name and "planted" not in name
    )


def test_what_is_rendered_is_not_rendered_again_and_what_is_missing_is(tiny):
    root, table = tiny
    first, second = root / table.path[0], root / table.path[1]
    before, kept = first.read_bytes(), second.stat().st_mtime_ns
    first.unlink()
    synthetic.tracks(root, Options(**TINY, faults=len(KINDS)), seed=3, workers=1)
    assert first.read_bytes() == before
    assert second.stat().st_mtime_ns == kept
    assert not list(root.rglob("*.partial"))


def test_a_track_is_as_long_and_as_loud_as_said(tiny):
    root, table = tiny
    for path in table.path[:6]:
        y, rate = soundfile.read(root / path)
        assert (rate, y.shape) == (22050, (22050,))
        assert 0.25 < np.abs(y).max() < 0.95
        assert np.sqrt(np.mean(y**2)) > 0.02


def test_genres_and_tags_are_as_declared(tiny):
    _, table = tiny
    assert set(table.genre) <= set(synthetic.CLASSES["genre"])
    assert {t for tags in table.tags for t in tags} <= set(synthetic.CLASSES["tags"])
    assert table.tags.map(len).min() >= 4
    assert list(table.tags) == [sorted(set(t)) for t in table.tags]
    assert table.track_id.is_unique


def test_covers_and_lyrics_stand_where_the_table_says(tiny):
    root, table = tiny
    for path in table.cover.unique():
        with av.open(str(root / path)) as image:
            frame = next(image.decode(video=0)).to_ndarray(format="rgb24")
        assert frame.shape == (96, 96, 3)
        assert frame.std() > 5
    sung = table.lyrics.dropna()
    assert len(sung) > 0
    assert all(len((root / p).read_text().split()) > 50 for p in sung)


def test_each_fault_is_planted_as_named(tiny):
    root, table = tiny
    folder = root / table.path[0].split("/")[0]
    planted = [line.split(",") for line in (folder / "planted.csv").read_text().splitlines()[1:]]
    assert [kind for _, kind, _ in planted] == list(KINDS)
    where = table.set_index("track_id").path
    found = {kind: (root / where[name], root / where[source]) for name, kind, source in planted}
    assert np.all(soundfile.read(found["silence"][0])[0] == 0)
    assert np.isnan(soundfile.read(found["nan"][0])[0]).sum() == 100
    assert found["empty"][0].stat().st_size == 0
    assert found["copy"][0].read_bytes() == found["copy"][1].read_bytes()
    assert found["truncated"][1].read_bytes().startswith(found["truncated"][0].read_bytes())
    assert found["truncated"][0].stat().st_size < found["truncated"][1].stat().st_size
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(found["text"][0])


def test_artists_are_related_both_ways_to_artists_of_the_table(tmp_path):
    table = synthetic.artists(tmp_path, Options(n_artists=50), seed=0).set_index("artist")
    assert table.index.is_unique
    for name, row in table.iterrows():
        assert name not in row.related
        assert len(row.related) >= 8
        assert all(name in table.related[other] for other in row.related)


@pytest.mark.parametrize("seed", [0, 11])
def test_no_two_artists_share_a_name(seed):
    assert len({proper_name(seed, i) for i in range(100_000)}) == 100_000


def test_homes_and_years_lie_in_range_and_follow_the_genre():
    table = synthetic.artists(Path(), Options(n_artists=300), seed=1)
    assert table.latitude.between(-90, 90).all()
    assert table.longitude.between(-180, 180).all()
    assert table.year.between(1955, 2023).all()
    for column in ("latitude", "longitude", "year"):
        genre = table.groupby("genre")[column].transform("mean")
        assert spearmanr(genre, table[column]).statistic > 0.3


@pytest.mark.parametrize("bad", [{"n_genres": 1}, {"n_genres": 99}, {"difficulty": 2}, {"seconds": 0}, {"colour": 1}])
def test_options_out_of_range_are_refused(bad):
    with pytest.raises(ValidationError, match=next(iter(bad))):
        Options(**bad)
