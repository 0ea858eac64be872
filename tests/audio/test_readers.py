"""Measurement, loading, prediction, service and feature cache read the same samples of every kind of file."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import soxr
from fastapi.testclient import TestClient

from audio.zoo import RATE, SECONDS, ZOO, make_music, offset_seconds
from ostinato import audio
from ostinato.audio import limits, measurement
from ostinato.audio.context import AudioContext
from ostinato.cache import store
from ostinato.core.params.schema import Compute, Dataset, Features, Ingest, Validate
from ostinato.core.paths import Paths
from ostinato.features import mel
from ostinato.inference.formats import Json
from ostinato.inference.model import ReleasedModel
from ostinato.inference.predict import run
from ostinato.inference.streaming import decode_and_measure
from ostinato.io import tables
from ostinato.stages import featurize, ingest, validate
from serving.served_project import GENRES, Served

UNTOLD = {"joined.mp3"}
"""Encoders put silence where one file ends and the next begins, and nothing tells how much."""
LATE = {"stream.aac": 1_024 / RATE, "dolby.ac3": 256 / RATE, "windows.wma": -2_048 / RATE}
"""Seconds that the encoder's delay makes, where neither container nor codec tells it."""
MEL = {"n_mels": 16, "n_fft": 1024, "hop_length": 512}
TINY = 1e-6
FOLDER = "data/raw/folder/genre"


@dataclass
class Zoo:
    """Files of many kinds, and what each reader makes of them."""

    root: Path
    released: ReleasedModel
    measured: dict[str, dict[str, Any]]
    quarantine: list[str]
    warned: list[str]
    cached: dict[str, np.ndarray]
    predicted: dict[str, Any]
    served: dict[str, Any]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    project, music = tmp_path_factory.mktemp("zoo"), make_music()
    root = project / FOLDER
    root.mkdir(parents=True)
    for name, make in ZOO.items():
        make(root / name, music)
    return read_by_all(project)


def read_by_all(project):
    """Measure, cache, predict and serve the files of a folder."""
    paths, root = Paths(project), project / FOLDER
    every = sorted(path.name for path in root.iterdir())
    listed = {name for name in every if audio.is_audio(name)}
    params = SimpleNamespace(
        seed=1,
        compute=Compute(workers=1),
        ingest=Ingest(),
        dataset=Dataset(name="folder"),
        validate_=Validate(max_broken_share=1, min_tracks_per_class=1),
        features=Features(kinds={"mel": MEL}),
    )
    ingest.run(paths, params)
    with pytest.raises(Exception, match="fewer than two classes"):
        validate.run(paths, params)
    featurize.run(paths, params)
    served, cache, out = Served(project / "service"), store.Store(paths.feature("mel")), io.StringIO()
    run([root / name for name in every], served.releases, task="genre", form=Json(), out=out, err=io.StringIO())
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    with TestClient(served.app) as client:
        uploads = {n: client.post("/v1/predict?task=genre", content=(root / n).read_bytes()) for n in every}
    files = tables.read(paths.files)
    return Zoo(
        root,
        ReleasedModel(served.genre),
        {Path(row["path"]).name: row for row in files.to_dict("records")},
        tables.read(paths.quarantine)["reason"].tolist(),
        tables.read(paths.warnings)["path"].tolist(),
        {name: np.array(cache.read(f"genre/{name}")) for name in listed if f"genre/{name}" in cache},
        {Path(answer["path"]).name: answer for answer in answers},
        {name: answer.json() for name, answer in uploads.items()},
    )


def test_there_are_enough_kinds():
    assert len(ZOO) >= 60
    assert len({Path(name).suffix for name in ZOO}) >= 25


def test_good_files_raise_no_alarm(zoo):
    assert set(zoo.measured) == set(ZOO) - {"without_suffix"}
    assert zoo.quarantine == []
    assert {Path(path).name for path in zoo.warned} <= {"layer_2.mp2"}, "at 96 kbit/s half of its band is left out"


@pytest.mark.parametrize("name", ZOO)
def test_five_readers_agree(zoo, name):
    check_agreement(zoo, name)


@pytest.mark.slow
def test_five_readers_agree_on_real_clips(shared_data, tmp_path):
    (tmp_path / FOLDER).mkdir(parents=True)
    for number, path in enumerate(audio.find_audio(shared_data).paths):
        (tmp_path / FOLDER / f"{number:03d}_{Path(path).name}").symlink_to(shared_data / path)
    clips = read_by_all(tmp_path)
    assert len(clips.predicted) >= 150
    for name in clips.predicted:
        check_agreement(clips, name)


def check_agreement(zoo, name):
    """Hold each reader's samples, scores and rows of a file against those of `audio.load`."""
    y, rate = audio.load(zoo.root / name)
    measured = measurement.measure(zoo.root / name)
    assert measured.error is None
    assert (measured.sample_rate, measured.n_samples) == (rate, len(y))
    context, again = decode_and_measure(zoo.root / name, {None})
    assert (context.y == y).all()
    assert again.n_samples == len(y)
    scores = zoo.released.predict(AudioContext(y, rate)).scores
    predicted, (served,) = zoo.predicted[name], zoo.served[name]["predictions"]
    np.testing.assert_allclose([predicted["scores"][c] for c in GENRES], scores, atol=TINY)
    assert served["scores"] == predicted["scores"]
    assert served["reasons"] == predicted["reasons"]
    if name in zoo.measured:
        row = zoo.measured[name]
        assert (row["n_samples"], row["audio_hash"]) == (len(y), measured.audio_hash)
        expected = np.asarray(mel.compute(AudioContext(y, rate), sample_rate=22_050, **MEL), np.float16)
        assert (zoo.cached[name] == expected).all()


@pytest.mark.parametrize("name", ZOO)
def test_every_file_is_as_long_as_its_sound_and_starts_with_it(zoo, name):
    music = make_music()
    y, rate = audio.load(zoo.root / name)
    original = music if rate == RATE else soxr.resample(music, RATE, rate)
    duration = count_packets(zoo.root / name) if name in UNTOLD else SECONDS
    assert len(y) / rate == pytest.approx(duration, abs=0.05)
    assert measurement.measure(zoo.root / name).unheard_seconds < 0.01
    assert limits.find_faults(measurement.measure(zoo.root / name), limits.read_bounds(Validate())) == []
    assert offset_seconds(y, original, rate) == pytest.approx(LATE.get(name, 0.0), abs=1e-3)


def count_packets(path):
    """Add up what a demuxer says of each packet."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return float(sum((packet.duration or 0) * stream.time_base for packet in container.demux(stream)))
