"""Spaces of candidates are those that `rank` evaluates."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ostinato.core.paths import Paths
from ostinato.errors import DataError
from ostinato.io.files import write_json
from ostinato.recommendation.recommend import recommend
from ostinato.study.spaces import load_spaces

N = 30
SPLITS = ["train"] * 20 + ["test"] * 10


@pytest.fixture
def project(tmp_path):
    """Write predictions of a classifier and of an embedding candidate, in two folds."""
    paths, rng = Paths(tmp_path), np.random.default_rng(0)
    ids = [f"t{i:02d}" for i in range(N)]
    vectors = {name: rng.normal(5, 1, (2, N, 3)) for name in ("embedding", "logits")}
    for name in ("genres", "artists"):
        folds = [
            pd.DataFrame({"track_id": ids, "fold": fold, "split": SPLITS if fold == 0 else SPLITS[::-1]}
                | {column: list(values[fold]) for column, values in vectors.items()})
            for fold in (1, 0)
        ]  # fmt: skip
        paths.predictions(name).mkdir(parents=True)
        pd.concat(folds).to_parquet(paths.predictions(name) / "predictions.parquet")
    known = ("artist", "album", "title", "genre", "tags", "year", "latitude", "longitude", "path", "duration")
    tracks = pd.DataFrame({"track_id": ids[::-1]} | {column: None for column in known})
    tracks["path"] = [f"{i}.wav" for i in tracks["track_id"]]
    paths.tracks.parent.mkdir(parents=True)
    tracks.to_parquet(paths.tracks)
    candidates = {
        name: SimpleNamespace(architecture="time", feature="mel", task=task)
        for name, task in (("genres", "genre"), ("artists", "artist_embedding"), ("later", "genre"), ("mute", "genre"))
    }
    write_json(paths.predictions("mute") / "skipped.json", {"skipped": "the dataset has no lyrics"})
    dataset = SimpleNamespace(name="folder", path=str(tmp_path / "music"))
    return paths, SimpleNamespace(candidates=candidates, estimators={}, stacked={}, dataset=dataset), vectors


@pytest.mark.parametrize(("name", "column"), [("genres", "embedding"), ("artists", "logits")])
def test_a_candidate_ranks_by_the_embeddings_of_its_first_fold(project, name, column):
    paths, params, vectors = project
    (space,) = load_spaces(paths, params, [name])
    x = vectors[column][0]
    if column == "embedding":
        x = x - x[:20].mean(axis=0)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    order = [f"t{i:02d}" for i in np.argsort(-(x @ x[4])) if i != 4]
    assert recommend(space.catalog, ["t04"], k=N - 1)[0].tolist() == order
    assert space.test_tracks == {f"t{i}" for i in range(20, 30)}
    assert space.root == (paths.root / "music").resolve()
    assert space.catalog.metadata[space.catalog.row("t07")] == {"path": "t07.wav"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("later", r"predictions\.parquet: is not there; run `dvc repro infer@later`"),
        ("mute", "mute has no space: the dataset has no lyrics"),
        ("none", r"none is no space; give a candidate of params\.yaml \(genres, artists, later, mute\) or the folder"),
    ],
)
def test_a_candidate_without_a_space_is_named(project, name, words):
    paths, params, _ = project
    with pytest.raises(DataError, match=words):
        load_spaces(paths, params, ["genres", name])
