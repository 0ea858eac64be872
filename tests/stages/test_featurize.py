import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from threadpoolctl import threadpool_limits

from kills import kill_at_every_step
from ostinato import audio, features
from ostinato.audio.context import AudioContext
from ostinato.cache import shards, store
from ostinato.cache.build import Summary
from ostinato.cache.store import Store
from ostinato.cache.writer import Writer
from ostinato.core import registry
from ostinato.core.paths import Paths
from ostinato.curation import side_inputs
from ostinato.datasets._synthesis.covers import png
from ostinato.errors import DataError, OstinatoError, ParamsError, ReadError
from ostinato.io import files
from ostinato.stages import featurize
from toy_encoder import MELS, PATCH, WIDTH, describe_encoder, write_model

RATE = 22050
ALL = [kind for kind in registry.names("ostinato.features") if not features.needs_file(kind)]
KINDS = [kind for kind in ALL if registry.load("ostinato.features", kind).SOURCE == "audio"]
FIRST_SHARD = 6  # changes up to the index that names it
FORKED = multiprocessing.get_context("fork")


class Project:
    """A project of short noisy tones, a second each."""

    def __init__(self, root: Path, n_tracks: int = 10) -> None:
        self.paths = Paths(root)
        self.rows: list[dict] = []
        self.quarantined: list[str] = []
        self.kinds: dict[str, dict] = {"mel": {"n_mels": 16}, "chroma": {}}
        self.shard_tracks, self.workers, self.dask, self.most = 4, 1, None, 0.05
        self.grow(n_tracks)

    def grow(self, n_tracks: int) -> None:
        for _ in range(n_tracks):
            ordinal = len(self.rows)
            path = f"some artist/song {ordinal} 🎵.wav"
            self.rows.append({"ordinal": ordinal, "track_id": f"t{ordinal}", "path": path})
            self.render(ordinal, seed=ordinal)

    def file(self, ordinal: int) -> Path:
        return self.paths.raw("folder") / self.rows[ordinal]["path"]

    def render(self, ordinal: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        y = np.sin(np.arange(RATE + 700 * (seed % 5)) * rng.uniform(0.02, 0.2)) * 0.3 + 0.01 * rng.standard_normal()
        self.write(ordinal, y + 0.01 * rng.standard_normal(y.size))

    def write(self, ordinal: int, y: np.ndarray, rate: int = RATE) -> None:
        path = self.file(ordinal)
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, y, rate)
        self.sign(ordinal)

    def sign(self, ordinal: int) -> None:
        self.rows[ordinal]["content_hash"] = hashlib.sha256(self.file(ordinal).read_bytes()).hexdigest()

    @property
    def params(self) -> SimpleNamespace:
        return SimpleNamespace(
            compute=SimpleNamespace(workers=self.workers, dask=self.dask),
            dataset=SimpleNamespace(name="folder", path=None),
            features=SimpleNamespace(
                sample_rate=RATE, shard_tracks=self.shard_tracks, kinds=self.kinds, max_undecodable_share=self.most
            ),
        )

    def tables(self) -> None:
        self.paths.tracks.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(self.rows).to_parquet(self.paths.tracks)
        pd.DataFrame({"track_id": pd.Series(self.quarantined, dtype=str)}).to_parquet(self.paths.quarantine)

    def run(self) -> Summary:
        self.tables()
        return featurize.update(self.paths, self.params)

    def store(self, kind: str) -> Store:
        return Store(self.paths.feature(kind))

    def bytes(self) -> dict[str, bytes]:
        files = (p for p in sorted(self.paths.features.rglob("*")) if p.is_file())
        return {str(p.relative_to(self.paths.features)): p.read_bytes() for p in files}

    def read_times(self) -> dict[str, int]:
        return {name: (self.paths.features / name).stat().st_mtime_ns for name in self.bytes()}


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture
def decoded_names(monkeypatch):
    """Count how often each file is decoded."""
    names = []

    def load(path, sample_rate=None, **given):
        names.append(path.name)
        return original(path, sample_rate, **given)

    original = audio.load
    monkeypatch.setattr(audio, "load", load)
    return names


def test_the_cache_holds_what_the_kinds_compute(project):
    project.kinds = dict.fromkeys(KINDS, None)
    project.run()
    for kind in KINDS:
        module, parameters = registry.load("ostinato.features", kind), features.parameters(kind, {}, RATE)
        cache = project.store(kind)
        assert len(cache) == 10
        assert cache.meta["parameters"] == parameters
        for ordinal in (0, 5, 9):
            with threadpool_limits(1):  # as the stage's workers; more threads change the last bits
                rows = module.compute(AudioContext(*audio.load(project.file(ordinal))), **parameters)
            assert cache.tail == rows.shape[1:]
            stored = rows.astype(np.float16) if rows.dtype == np.float32 else rows
            assert cache.read(f"t{ordinal}").tobytes() == stored.tobytes()


def test_one_decode_serves_all_kinds(project, decoded_names):
    project.kinds = {kind: {} for kind in KINDS}
    assert project.run().n_computed == 10
    assert len(decoded_names) == len(set(decoded_names)) == 10


def test_nothing_new_touches_nothing(project, decoded_names):
    project.run()
    before = project.read_times()
    decoded_names.clear()
    assert project.run().n_computed == 0
    assert decoded_names == []
    assert project.read_times() == before


def test_workers_do_not_change_the_bytes(project):
    project.grow(30)
    project.run()
    alone = project.bytes()
    shutil.rmtree(project.paths.features)
    project.workers = 2
    project.run()
    assert project.bytes() == alone


def test_growth_rewrites_the_last_shard_alone_and_equals_a_rebuild(project, decoded_names):
    project.run()
    before = project.read_times()
    decoded_names.clear()
    project.grow(2)
    assert project.run().n_computed == len(decoded_names) == 2
    changed = {name for name, when in project.read_times().items() if before.get(name) != when}
    assert {name for name in changed if "shard" in name} == {"mel/shard-00002.npy", "chroma/shard-00002.npy"}
    grown = project.bytes()
    shutil.rmtree(project.paths.features)
    project.run()
    assert project.bytes() == grown


def test_a_changed_kind_alone_is_computed(project, decoded_names, monkeypatch):
    project.run()
    before = project.read_times()
    decoded_names.clear()
    project.kinds["mel"] = {"n_mels": 20}
    monkeypatch.setattr(registry.load("ostinato.features", "chroma"), "_folding", lambda *_: pytest.fail("computed"))
    project.run()
    after = project.read_times()
    assert len(decoded_names) == 10
    assert project.store("mel").tail == (20,)
    assert {name for name in after if after[name] == before.get(name)} == {n for n in after if n.startswith("chroma")}


def test_changed_code_of_a_kind_computes_it_again(project, monkeypatch):
    project.run()
    before = project.read_times()
    fingerprint = features.fingerprint
    monkeypatch.setattr(features, "fingerprint", lambda m: fingerprint(m) + ("edited" if m.endswith(".chroma") else ""))
    assert project.run().n_computed == 10
    after = project.read_times()
    assert {name for name in after if after[name] == before.get(name)} == {n for n in after if n.startswith("mel")}


def test_a_kind_that_left_params_leaves_the_disk(project):
    project.run()
    del project.kinds["chroma"]
    project.run()
    assert [p.name for p in project.paths.features.iterdir()] == ["mel"]


def test_a_changed_file_is_computed_again_and_equals_a_rebuild(project, decoded_names):
    project.run()
    old = project.store("mel").read("t5").copy()
    decoded_names.clear()
    project.render(5, seed=99)
    assert project.run().n_computed == len(decoded_names) == 1
    assert project.store("mel").read("t5").shape != old.shape
    changed = project.bytes()
    shutil.rmtree(project.paths.features)
    project.run()
    assert project.bytes() == changed


def test_tracks_that_left_or_are_in_quarantine_are_not_there(project, decoded_names):
    project.run()
    decoded_names.clear()
    project.quarantined = ["t1"]
    del project.rows[8:]
    project.run()
    assert decoded_names == []
    cache = project.store("mel")
    assert "t1" not in cache
    assert "t9" not in cache
    assert sorted(p.name for p in cache.folder.glob("shard*")) == ["shard-00000.npy", "shard-00001.npy"]
    left = project.bytes()
    shutil.rmtree(project.paths.features)
    project.run()
    assert project.bytes() == left


@pytest.mark.parametrize("fault", ["cut", "gone", "another shard", "flipped", "flipped head", "longer"])
def test_a_broken_shard_is_made_again(project, decoded_names, caplog, fault):
    project.run()
    before = project.bytes()
    path = project.paths.feature("mel") / "shard-00001.npy"
    whole = path.read_bytes()
    path.unlink()
    if fault == "cut":
        path.write_bytes(whole[:900])
    if fault == "another shard":
        path.write_bytes(before["mel/shard-00002.npy"])
    if fault.startswith("flipped"):
        place = whole.index(b"f2") + 1 if fault == "flipped head" else len(whole) // 2
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    if fault == "longer":
        path.write_bytes(whole + b"\0")
    decoded_names.clear()
    assert project.run().n_computed == len(decoded_names) == 4
    assert [m for m in caplog.messages if "damaged" in m] == [f"{path}: is damaged and computed again"]
    assert project.bytes() == before


def test_rows_beside_a_flipped_byte_are_not_kept_where_a_shard_grows(project):
    """What grows is added to, so its other rows are read before."""
    project.run()
    path = project.paths.feature("mel") / "shard-00002.npy"
    content = bytearray(path.read_bytes())
    content[-7] ^= 64
    path.write_bytes(content)
    project.grow(1)
    project.run()
    grown = project.bytes()
    shutil.rmtree(project.paths.features)
    project.run()
    assert project.bytes() == grown


@pytest.mark.parametrize("name", ["meta.json", "index.parquet"])
def test_a_broken_description_is_made_again(project, name):
    project.run()
    before = project.bytes()
    (project.paths.feature("mel") / name).write_text("{")
    assert project.run().n_computed == 10
    assert project.bytes() == before


@pytest.mark.parametrize("content", [b"", b"These are words, and no music."])
def test_a_bad_track_stops_no_other_and_is_told(project, content, caplog):
    project.file(3).write_bytes(content)
    project.sign(3)
    summary = project.run()
    assert summary.n_computed == 9
    assert "t3" not in project.store("mel")
    assert "1 of 10 tracks are not in the cache: some artist/song 3 🎵.wav (" in caplog.text
    before = project.read_times()
    project.run()
    assert project.read_times() == before


def test_all_tracks_bad_is_an_error(tmp_path):
    project = Project(tmp_path, 2)
    for ordinal in range(2):
        project.file(ordinal).write_bytes(b"no music")
        project.sign(ordinal)
    with pytest.raises(OstinatoError, match="no track can be decoded: some artist/song 0"):
        project.run()


def test_files_that_cannot_be_read_fail_the_stage_and_the_next_run_computes_them_alone(
    tmp_path, decoded_names, monkeypatch
):
    """As where a share is away for a moment: it says nothing of what they hold."""
    monkeypatch.setattr(files, "PAUSES", (0,))
    reference, project = Project(tmp_path / "reference", 40), Project(tmp_path / "project", 40)
    reference.run()
    away = list(range(3, 16))
    for ordinal in away:
        project.file(ordinal).rename(project.file(ordinal).with_suffix(".away"))
    with pytest.raises(ReadError, match=r"13 of 40 tracks cannot be read: .*song 3 .*is not there.*and 3 more"):
        project.run()
    assert len(project.store("mel")) == 27
    for ordinal in away:
        project.file(ordinal).with_suffix(".away").rename(project.file(ordinal))
    decoded_names.clear()
    project.run()
    assert len(decoded_names) == 13
    assert project.bytes() == reference.bytes()


def test_another_file_than_the_measured_one_is_not_filed_under_its_hash(project):
    project.run()
    before = project.bytes()
    measured = project.rows[5]["content_hash"]
    shutil.rmtree(project.paths.features)
    project.render(5, seed=99)
    project.rows[5]["content_hash"] = measured
    with pytest.raises(ReadError, match=r"song 5 .*is not the file that was measured; run `dvc repro`"):
        project.run()
    assert "t5" not in project.store("mel")
    project.render(5, seed=5)
    project.run()
    assert project.bytes() == before


def test_a_cover_that_changes_while_the_stage_runs_is_not_filed_under_its_hash(rich_project, monkeypatch):
    read = side_inputs.read

    def change_cover(material):
        if material.source == "cover" and material.value and material.value.name == "2.png":
            material.value.write_bytes(png(np.full((8, 8, 3), 99, np.uint8)))
        return read(material)

    with monkeypatch.context() as patch:
        patch.setattr(side_inputs, "read", change_cover)
        with pytest.raises(ReadError, match=r"2\.png: changed while the stage ran"):
            rich_project.run()
    rich_project.run()
    assert int(rich_project.store("cover").read("t2")[0, 0, 0]) == 99


def test_a_cover_that_cannot_be_read_is_tried_again_then_fails_the_stage(rich_project, monkeypatch):
    monkeypatch.setattr(files, "PAUSES", (0,))
    cover = rich_project.paths.raw("folder") / "3.png"
    monkeypatch.setattr(files.time, "sleep", lambda seconds: cover.with_suffix(".away").rename(cover))
    cover.rename(cover.with_suffix(".away"))
    rich_project.run()
    assert int(rich_project.store("cover").read("t3")[0, 0, 0]) == 40
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    shutil.rmtree(rich_project.paths.features)
    cover.rename(cover.with_suffix(".away"))
    with pytest.raises(ReadError, match=r"1 of 4 tracks cannot be read: .*3\.png: cannot be read .* restore it"):
        rich_project.run()
    assert "t3" in rich_project.store("mel")


def test_what_cannot_be_decoded_is_written_to_an_output_and_bounded(rich_project):
    rich_project.most = 0.2
    (rich_project.paths.raw("folder") / "3.png").write_text("no image")
    rich_project.tables()
    with pytest.raises(
        DataError, match=r"1 of 4 tracks cannot be decoded, .* features\.max_undecodable_share \(0\.2\)"
    ):
        featurize.run(rich_project.paths, rich_project.params)
    rich_project.most = 0.25
    featurize.run(rich_project.paths, rich_project.params)
    told = json.loads(rich_project.paths.receipt("features").read_text())
    assert told["n_tracks"] == 4
    assert [track["track"] for track in told["undecodable"]] == [rich_project.rows[3]["path"]]
    assert told["undecodable"][0]["reason"].startswith("3.png: is not an image of a known format")


def test_many_channels_and_a_high_rate_give_the_frames_of_the_common_rate(project):
    rng = np.random.default_rng(0)
    project.write(0, 0.1 * rng.standard_normal((96000, 8)), 96000)
    project.run()
    assert project.store("mel").n_rows("t0") == 1 + RATE // 1024


def test_two_kinds_may_want_two_rates(project, decoded_names):
    project.kinds = {"mel": {"sample_rate": 12000, "n_mels": 16}, "chroma": {}}
    project.run()
    assert len(decoded_names) == 10
    assert project.store("mel").n_rows("t0") == 1 + 12000 // 1024
    assert project.store("chroma").n_rows("t0") == 1 + RATE // 1024


def test_params_that_cannot_be_used_are_named(project):
    project.kinds = {}
    with pytest.raises(OstinatoError, match=r"features\.kinds: is empty"):
        project.run()
    project.kinds = {"mel": {"n_mel": 3}}
    with pytest.raises(OstinatoError, match=r"features\.kinds\.mel: n_mel is not a parameter"):
        project.run()


def test_a_full_disk_keeps_what_is_done(project, monkeypatch):
    project.run()
    before = project.bytes()
    project.grow(3)
    with monkeypatch.context() as patch:
        refused = iter([OSError(28, "No space left on device")])
        write_header = Writer._write_header

        def fail(writer, file):
            for error in refused:
                raise error
            write_header(writer, file)

        patch.setattr(Writer, "_write_header", fail)
        with pytest.raises(OstinatoError, match=r"shard-00002.npy: cannot be written \(No space left on device\)"):
            project.run()
    assert project.bytes() == before
    project.run()
    grown = project.bytes()
    shutil.rmtree(project.paths.features)
    project.run()
    assert project.bytes() == grown


def killed_before(project: Project, monkeypatch, n: int) -> bool:
    """Run in a process that dies before it renames or removes files for the n-th time; False if it has fewer."""

    def count(original):
        def count_and_kill(*args, **keywords):
            nonlocal n
            n -= 1
            if n == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **keywords)

        return count_and_kill

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", count(os.replace))
        patch.setattr(Path, "unlink", count(Path.unlink))
        patch.setattr(shutil, "rmtree", count(shutil.rmtree))
        process = FORKED.Process(target=project.run)
        process.start()
        process.join()
    return process.exitcode == -signal.SIGKILL


def make_tiny(root: Path) -> Project:
    project = Project(root, 3)
    project.kinds, project.shard_tracks = {"mfcc": {"n_mels": 16}}, 2
    return project


def change_nothing(project: Project) -> None:
    """Leave a first run to be killed."""


def change_file(project: Project) -> None:
    project.run()
    project.render(1, seed=50)
    project.tables()


def grow(project: Project) -> None:
    project.run()
    project.grow(1)
    project.tables()


def read_rows(project: Project) -> set[tuple[str, bytes]]:
    """Read what the cache gives out of each track; what it refuses is left out."""
    rows = set()
    with suppress(OstinatoError):
        cache = project.store("mfcc")
        for row in project.rows:
            with suppress(OstinatoError):
                rows.add((row["track_id"], cache.read(row["track_id"]).tobytes()))
    return rows


@pytest.mark.parametrize("with_power", [True, False])
@pytest.mark.parametrize("period", [0, shards.SAVE_SECONDS])
@pytest.mark.parametrize("change", [change_nothing, change_file, grow])
def test_a_kill_at_any_write_is_completed_by_the_next_run(
    tmp_path, tmp_path_factory, monkeypatch, change, period, with_power
):
    """Of a first run, of one that finds a file changed, and of one that adds rows to a shard in its place."""
    monkeypatch.setattr(shards, "SAVE_SECONDS", period)
    reference, project = make_tiny(tmp_path / "reference"), make_tiny(tmp_path / "project")
    for each in (reference, project):
        change(each)
    reference.run()
    project.paths.features.mkdir(exist_ok=True)
    start = tmp_path_factory.mktemp("start") / "features"
    shutil.copytree(project.paths.features, start)
    expected = reference.bytes()

    known = read_rows(project) | read_rows(reference)

    def check():
        assert read_rows(project) <= known
        project.run()
        assert project.bytes() == expected

    n_calls = kill_at_every_step(project.paths.features, start, project.run, check, with_power=with_power)
    assert n_calls > 10


def test_a_kill_wastes_no_finished_shard_that_the_index_names(tmp_path, monkeypatch, decoded_names):
    monkeypatch.setattr(shards, "SAVE_SECONDS", 0)
    project = make_tiny(tmp_path)
    assert killed_before(project, monkeypatch, FIRST_SHARD + 1)
    project.run()
    assert decoded_names == ["song 2 🎵.wav"]


def test_an_error_wastes_no_finished_shard(tmp_path, monkeypatch, decoded_names):
    project = make_tiny(tmp_path)
    with monkeypatch.context() as patch:
        load = audio.load

        def refuse_song(path, **given):
            if path.name.startswith("song 2"):
                raise OstinatoError("the disk is gone")
            return load(path, **given)

        patch.setattr(audio, "load", refuse_song)
        with pytest.raises(OstinatoError, match="the disk is gone"):
            project.run()
    decoded_names.clear()
    project.run()
    assert decoded_names == ["song 2 🎵.wav"]


def test_rows_added_without_their_head_are_written_over(project):
    project.run()
    with open(project.paths.feature("mel") / "shard-00002.npy", "ab") as file:
        file.write(b"rows of a run that was killed")
    project.grow(1)
    project.run()
    grown = project.bytes()
    shutil.rmtree(project.paths.features)
    project.run()
    assert project.bytes() == grown


def test_growth_leaves_a_file_alone_that_has_another_name(project, tmp_path):
    """As a file of DVC's cache has, where that is linked."""
    project.run()
    file = project.paths.feature("mel") / "shard-00002.npy"
    os.link(file, tmp_path / "cached.npy")
    before = file.read_bytes()
    project.grow(1)
    project.run()
    assert (tmp_path / "cached.npy").read_bytes() == before != file.read_bytes()


def test_growth_touches_no_row_that_was_there(project):
    project.run()
    file = project.paths.feature("mel") / "shard-00002.npy"
    there = file.stat().st_ino
    project.grow(1)
    project.run()
    assert file.stat().st_ino == there
    assert len(project.store("mel")) == 11


def test_what_a_lost_worker_left_is_cleared_away(project):
    project.run()
    before = project.bytes()
    (project.paths.feature("mel") / ".shard-00001.npy.0123.partial").write_bytes(b"half a shard")
    project.run()
    assert project.bytes() == before


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to find the worker processes")
def test_killing_a_run_over_processes_leaves_no_worker_and_a_cache_to_complete(tmp_path):
    reference, project = Project(tmp_path / "reference", 60), Project(tmp_path / "project", 60)
    reference.run()
    project.tables()
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom types import SimpleNamespace as N\n"
        "from ostinato.core.paths import Paths\nfrom ostinato.stages import featurize\n"
        "if __name__ == '__main__':\n"
        "    kinds = {'mel': {'n_mels': 16}, 'chroma': {}}\n"
        "    params = N(compute=N(workers=2, dask=None), dataset=N(name='folder', path=None),\n"
        f"               features=N(sample_rate={RATE}, shard_tracks=4, max_undecodable_share=0, kinds=kinds))\n"
        f"    featurize.run(Paths(Path({str(project.paths.root)!r})), params)\n"
    )
    run = subprocess.Popen([sys.executable, script], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(project.paths.features.rglob("shard*.npy")):
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    workers = [int(pid) for pid in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]
    run.kill()
    run.wait()
    while any(map(is_alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    project.run()
    assert len(workers) >= 2
    assert project.bytes() == reference.bytes()


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_gives_the_same_bytes(tmp_path):
    distributed = pytest.importorskip("distributed")
    reference, project = Project(tmp_path / "reference", 40), Project(tmp_path / "project", 40)
    reference.run()
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        project.dask = cluster.scheduler_address
        victim = next(iter(cluster.workers.values()))

        def strike():
            while not any(project.paths.features.rglob("shard*.npy")):
                time.sleep(0.002)
            os.kill(victim.pid, signal.SIGKILL)

        striker = threading.Thread(target=strike)
        striker.start()
        summary = project.run()
        striker.join()
    assert summary.n_computed == 40
    assert project.bytes() == reference.bytes()


def add_what_is_beside(project: Project, ordinal: int, words: str | None, shade: int | None, year: float) -> None:
    root, row = project.paths.raw("folder"), project.rows[ordinal]
    row |= {"lyrics": None, "cover": None, "year": year}
    if words is not None:
        row["lyrics"] = f"{ordinal}.txt"
        (root / row["lyrics"]).write_text(words)
    if shade is not None:
        row["cover"] = f"{ordinal}.png"
        (root / row["cover"]).write_bytes(png(np.full((8, 8, 3), shade, np.uint8)))


@pytest.fixture
def rich_project(tmp_path):
    project = Project(tmp_path / "project", 4)
    project.kinds = {"mel": {"n_mels": 16}, "lyrics": {"min_characters": 3}, "cover": {"size": 4}, "year": {}}
    for ordinal, (words, shade) in enumerate([("one two", 10), ("three", None), (None, 30), ("four", 40)]):
        add_what_is_beside(project, ordinal, words, shade, 1990.0 + ordinal)
    return project


def test_lyrics_covers_and_numbers_lie_in_the_same_cache(rich_project):
    assert rich_project.run().n_computed == 4
    sung = [bytes(rich_project.store("lyrics").read(f"t{i}")) for i in range(4)]
    assert sung == [b"one two\n", b"three\n", b"\n", b"four\n"]
    covers = rich_project.store("cover")
    assert (covers.read("t3").dtype, covers.read("t3").shape, covers.tail) == (np.uint8, (4, 4, 3), (4, 3))
    assert [int(covers.read(f"t{i}")[0, 0, 0]) for i in range(4)] == [10, 0, 30, 40]
    assert rich_project.store("year").read("t2").tolist() == [[1992.0]]
    assert rich_project.store("lyrics").meta["source"] == "lyrics"


def test_of_a_track_only_what_changed_is_computed_again(rich_project, decoded_names):
    rich_project.run()
    before = rich_project.read_times()
    decoded_names.clear()
    add_what_is_beside(rich_project, 0, "other words", 10, 1990.0)
    rich_project.run()
    assert decoded_names == []
    assert bytes(rich_project.store("lyrics").read("t0")) == b"other words\n"
    changed = {name.split("/")[0] for name, when in rich_project.read_times().items() if before.get(name) != when}
    assert changed == {"lyrics"}


def test_a_broken_cover_costs_its_kind_the_track_and_no_other(rich_project):
    (rich_project.paths.raw("folder") / "3.png").write_text("no image")
    summary = rich_project.run()
    assert list(summary.failed) == [rich_project.rows[3]["path"]]
    assert "3.png: is not an image of a known format" in summary.failed[rich_project.rows[3]["path"]]
    assert ["t3" in rich_project.store(kind) for kind in ("mel", "lyrics", "cover", "year")] == [
        True,
        True,
        False,
        True,
    ]


def test_a_kind_that_no_track_has_says_so(rich_project):
    for row in rich_project.rows:
        row["lyrics"] = None
    rich_project.kinds["mel+lyrics"] = {}
    rich_project.run()
    reason = "the dataset has no lyrics"
    assert [store.find_obstacle(rich_project.paths.feature(k)) for k in ("lyrics", "mel+lyrics", "mel")] == [
        reason,
        reason,
        None,
    ]
    add_what_is_beside(rich_project, 1, "words at last", None, 1991.0)
    rich_project.run()
    assert [store.find_obstacle(rich_project.paths.feature(k)) for k in ("lyrics", "mel+lyrics")] == [None, None]
    assert bytes(rich_project.store("lyrics").read("t1")) == b"words at last\n"


def test_a_joint_changes_with_each_of_its_kinds_and_with_nothing_else(project):
    project.kinds = {"mel": {"n_mels": 16}, "chroma": {}, "mfcc": {}, "mel+chroma": {}}

    def joint() -> bytes:
        project.run()
        (file,) = project.paths.feature("mel+chroma").iterdir()
        return file.read_bytes()

    seen = [joint()]
    project.kinds["mfcc"] = {"n_mfcc": 5}
    assert joint() == seen[0]
    written = project.read_times()
    project.run()
    assert project.read_times() == written
    for change in (lambda: project.kinds.update(chroma={"n_octaves": 6}), lambda: project.render(3, seed=77)):
        change()
        seen.append(joint())
    assert len(set(seen)) == 3
    del project.kinds["mel+chroma"]
    project.run()
    assert not project.paths.feature("mel+chroma").exists()


def test_a_kind_stands_twice_under_two_names(project):
    project.kinds = {"mel": {"n_mels": 16}, "short": {"kind": "mel", "n_mels": 8, "n_fft": 512, "hop_length": 256}}
    project.run()
    meta = project.store("short").meta
    assert (meta["kind"], meta["module"], meta["parameters"]["n_fft"]) == ("short", "mel", 512)
    assert project.store("short").tail == (8,)
    assert project.store("short").n_rows("t0") == 1 + RATE // 256


def test_an_encoder_gives_a_row_a_patch_and_another_file_is_computed_anew(project, tmp_path, decoded_names):
    model = write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS))
    project.kinds = {"mel": {"n_mels": 16}, "toy": describe_encoder(model)}
    project.write(3, np.zeros(RATE // 8))
    project.most = 0.5
    summary = project.run()
    assert list(summary.failed) == ["some artist/song 3 🎵.wav"]
    assert "needs 0.3 s of audio, the track has 0.1 s" in summary.failed["some artist/song 3 🎵.wav"]
    cache = project.store("toy")
    assert cache.tail == (WIDTH,)
    assert (cache.n_rows("t0"), len(cache)) == ((1 + 16000 // 256) // PATCH, 9)
    decoded_names.clear()
    moved = model.rename(tmp_path / "moved.onnx")
    project.kinds["toy"] = describe_encoder(moved)
    project.run()
    assert decoded_names == ["song 3 🎵.wav"], "only the track that could not be embedded is tried again"
    before = project.store("toy").read("t0").copy()
    write_model(moved, ("batch", PATCH, MELS), seed=1)
    with pytest.raises(ParamsError, match=r"is not the file of params\.yaml"):
        project.run()
    np.testing.assert_array_equal(project.store("toy").read("t0"), before)
    project.kinds["toy"] = describe_encoder(moved)
    project.run()
    assert not np.array_equal(project.store("toy").read("t0"), before)
