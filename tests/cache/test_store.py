import builtins
import errno
import io
import os
import pickle
import resource
from contextlib import ExitStack, suppress

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ostinato.cache import store
from ostinato.cache.shards import ShardIndex
from ostinato.cache.spec import SHARDS_PER_LEVEL, Kind, assign_shard
from ostinato.cache.store import Entry, Store
from ostinato.cache.writer import Writer, half
from ostinato.errors import OstinatoError, ReadError
from tiny_project import bytes_of, write_rows

DTYPES = st.sampled_from([np.float16, np.uint8, np.int32])


def write_cache(folder, tracks, shard_tracks=2):
    """Write arrays, a track each, as a whole cache."""
    store.write_meta(folder, {"kind": "any", "tail": list(tracks[0].shape[1:]), "dtype": tracks[0].dtype.name})
    entries = []
    for first in range(0, len(tracks), shard_tracks):
        group = tracks[first : first + shard_tracks]
        starts = np.cumsum([0, *map(len, group)])
        for i, rows in enumerate(group):
            entries.append(Entry(first + i, f"t{first + i}", "h", first // shard_tracks, int(starts[i]), len(rows)))
        write_rows(store.shard_file(folder, first // shard_tracks), group)
    store.write_index(folder, entries)
    return Store(folder)


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    tail=st.lists(st.integers(1, 5), max_size=2),
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=5),
)
def test_read_gives_what_was_written(tmp_path_factory, data, tail, lengths):
    dtype = data.draw(DTYPES)
    tracks = [data.draw(arrays.arrays(dtype, (n, *tail))) for n in lengths]
    cache = write_cache(tmp_path_factory.mktemp("cache"), tracks)
    assert (len(cache), cache.tail) == (len(tracks), tuple(tail))
    for i, rows in enumerate(tracks):
        got = cache.read(f"t{i}")
        assert (got.dtype, got.shape, got.tobytes()) == (rows.dtype, rows.shape, rows.tobytes())
        assert cache.read(f"t{i}", 2, 5).tobytes() == rows[2:5].tobytes()
        assert cache.n_rows(f"t{i}") == len(rows)


@pytest.fixture
def few_descriptors():
    """Let this process open twenty files more than it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_shards_are_read_than_files_may_be_open(tmp_path, few_descriptors):
    cache = write_cache(tmp_path, [np.full((2, 3), i, np.float16) for i in range(60)], shard_tracks=1)
    rows = [cache.read(f"t{i}") for i in range(60)]  # as training holds them
    assert [float(row[1, 2]) for row in rows] == list(range(60))


def test_a_process_out_of_descriptors_is_told_to_raise_the_limit(tmp_path, few_descriptors):
    """The cache is sound, so that featurize would not help."""
    cache = write_cache(tmp_path, [np.ones((2, 3), np.float16)])
    with ExitStack() as others:
        with suppress(OSError):
            while True:
                others.enter_context(open(os.devnull))
        with pytest.raises(ReadError, match=r"shard-00000\.npy: .*Too many open files.*ulimit -n") as refusal:
            cache.read("t0")
    assert "featurize" not in str(refusal.value)


@given(ordinal=st.integers(0, 10_000_000), shard_tracks=st.integers(1, 300))
def test_ordinals_fill_one_shard_after_another(ordinal, shard_tracks):
    here, after = (assign_shard(i, shard_tracks) for i in (ordinal, ordinal + 1))
    assert after - here in (0, 1)
    if ordinal < SHARDS_PER_LEVEL * shard_tracks:
        assert here == ordinal // shard_tracks


def test_a_million_tracks_are_some_thousand_files():
    assert assign_shard(999_999, 32) < 5200


def test_reading_copies_nothing_and_writes_nothing(tmp_path, rng):
    cache = write_cache(tmp_path, [rng.standard_normal((9, 4)).astype(np.float16) for _ in range(3)])
    rows = cache.read("t1", 2)
    assert rows.base is not None
    assert np.shares_memory(rows, cache.read("t1"))
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 0


def test_pickling_carries_the_folder_and_no_rows(tmp_path):
    cache = write_cache(tmp_path, [np.ones((4000, 40), np.float16)])
    cache.read("t0")
    carried = pickle.dumps(cache)
    assert len(carried) < 1000
    assert pickle.loads(carried).read("t0", 7, 8).tolist() == [[1.0] * 40]


def test_a_track_that_is_not_there_is_named(tmp_path):
    cache = write_cache(tmp_path, [np.zeros((3, 2), np.float16)])
    assert "t0" in cache
    assert "t9" not in cache
    with pytest.raises(OstinatoError, match="has no track 't9'; run `dvc repro featurize`"):
        cache.read("t9")


def test_a_folder_without_a_cache_is_named(tmp_path):
    with pytest.raises(OstinatoError, match=r"meta\.json: is not there; run the stage"):
        Store(tmp_path / "mel")


def test_a_cut_shard_is_named(tmp_path):
    cache = write_cache(tmp_path, [np.zeros((300, 20), np.float16)])
    path = store.shard_file(tmp_path, 0)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(OstinatoError, match=r"shard-00000\.npy: cannot be read .* run `ostinato featurize`"):
        cache.read("t0")


def test_a_broken_index_is_named(tmp_path):
    write_cache(tmp_path, [np.zeros((3, 2), np.float16)])
    (tmp_path / "index.parquet").write_text("no parquet")
    with pytest.raises(OstinatoError, match=r"index\.parquet: cannot be read"):
        Store(tmp_path)


def test_a_write_that_fails_leaves_the_old_rows(tmp_path, monkeypatch):
    cache = write_cache(tmp_path, [np.full((3, 2), 5, np.float16)])

    class Full:
        def __init__(self, *_):
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store.np.lib.format, "write_array_header_1_0", Full)
        with pytest.raises(OstinatoError, match=r"No space left on device.*free some disk"):
            write_rows(store.shard_file(tmp_path, 0), [np.zeros((3, 2), np.float16)])
    assert cache.read("t0").min() == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["index.parquet", "meta.json", "shard-00000.npy"]


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(np.float32, st.integers(0, 50), elements=st.floats(-65504, 65504, width=32)))
def test_half_rounds_as_numpy_does(x):
    """Below 2**-24 double rounding of a tie may cost one unit in the last place of the smallest halves."""
    expected = x.astype(np.float16)
    large = np.abs(x) >= 2.0**-14
    assert half(x)[large].tobytes() == expected[large].tobytes()
    np.testing.assert_allclose(half(x), expected, rtol=0, atol=2.0**-24)


def test_half_keeps_every_half_there_is():
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    assert half(finite.astype(np.float32)).tobytes() == finite.tobytes()


def test_half_takes_views_and_doubles(rng):
    x = rng.standard_normal((7, 90000)) * 30
    assert half(x[::2, 5:]).tobytes() == x[::2, 5:].astype(np.float32).astype(np.float16).tobytes()


@pytest.mark.parametrize("place", [70, 130, -1])
def test_a_flipped_byte_is_seen_before_a_row_is_read(tmp_path, place):
    write_cache(tmp_path, [np.ones((300, 20), np.float16)])
    path = store.shard_file(tmp_path, 0)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(OstinatoError, match=r"shard-00000\.npy: .* `ostinato featurize`"):
        Store(tmp_path).read("t0")


def test_a_shard_is_read_once_for_its_digest(tmp_path, monkeypatch):
    cache = write_cache(tmp_path, [np.ones((300, 20), np.float16)] * 4)
    digests = []
    monkeypatch.setattr(
        store, "compute_digest", lambda path, whole=store.compute_digest: digests.append(path) or whole(path)
    )
    for reader in (cache, Store(tmp_path)):
        for track in ("t0", "t1", "t3"):
            reader.read(track)
    assert digests == [store.shard_file(tmp_path, 0), store.shard_file(tmp_path, 1)]


def test_the_digest_made_while_writing_is_that_of_the_file(tmp_path):
    path = tmp_path / "shard-00000.npy"
    for n_kept, rows in ((0, [np.ones((3, 4), np.float16), np.zeros((2, 4), np.float16)]), (5, [np.ones((1, 4))])):
        with Writer(path, n_kept) as writer:
            for row in rows:
                writer.append(row.astype(np.float16))
            done = writer.finish()
        done.commit()
        assert done.digest == store.compute_digest(path)
    assert store.open_rows(path).sum() == 16


@pytest.mark.parametrize("name", ["meta.json", "index.parquet", "shard-00000.npy"])
def test_a_disk_that_is_away_says_nothing_of_the_cache(tmp_path, monkeypatch, name):
    """Neither reading it nor filling it takes a file that cannot be read for one that is broken."""
    folder = tmp_path / "mel"
    write_cache(folder, [np.ones((300, 20), np.float16)])
    store.write_meta(folder, {"key": "k"})
    before = bytes_of(folder)

    def make_refusing(call):
        def refuse(path, *others, **options):
            if str(path).endswith(name):
                raise OSError(errno.EIO, "Input/output error", str(path))
            return call(path, *others, **options)

        return refuse

    with monkeypatch.context() as patch:
        for module, door in ((builtins, "open"), (io, "open"), (pq, "read_table"), (pq, "read_schema")):
            patch.setattr(module, door, make_refusing(getattr(module, door)))
        with pytest.raises(ReadError, match=f"{name}: cannot be read: Input/output error; check the disk"):
            Store(folder).read("t0")
        with pytest.raises(ReadError, match=name):
            ShardIndex(tmp_path, Kind("mel", {}, "k", "mel", "audio"))
    assert bytes_of(folder) == before
