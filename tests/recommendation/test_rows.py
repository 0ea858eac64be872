"""Rows of a table through the tabular system: a forest and a catalog of three recordings."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from ostinato.core import registry
from ostinato.core.summary import choose_metric
from ostinato.curation.attributes import CATEGORIES, NUMBERS, encode
from ostinato.errors import CatalogError, DataError, OstinatoError
from ostinato.export import estimators, graphs
from ostinato.inference.formats import Json
from ostinato.inference.predict import run
from ostinato.inference.tabular import row
from ostinato.io.files import write_json
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.command import Request, make_neighbour_lookup
from ostinato.recommendation.command import run as recommend
from ostinato.recommendation.playlist import path
from ostinato.recommendation.recommend import recommend as similar
from ostinato.recommendation.recommend import taste
from ostinato.training import estimator

GENRES = ("calm", "loud")


def table(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Return rows of two genres that energy parts."""
    numbers = {name: rng.random(n) for name in NUMBERS}
    rows = pd.DataFrame(numbers | {name: rng.integers(0, len(values), n) for name, values in CATEGORIES.items()})
    energy, milliseconds = np.arange(n) % 2 * 0.8 + rng.random(n) * 0.1, rng.integers(100_000, 300_000, n)
    return rows.assign(energy=energy, duration_ms=milliseconds, track_name=[f"song {i}" for i in range(n)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a released forest, a catalog of its space, and a table."""
    root, rows = tmp_path_factory.mktemp("rows"), table(np.random.default_rng(5), 60)
    x, target = encode(rows), np.eye(2, dtype=np.float32)[np.arange(60) % 2]
    fitted = estimator.fit(registry.load("ostinato.estimators", "random_forest"), x, target, 0, {"n_estimators": 20})
    content = estimators.convert(estimator.to_onnx(fitted, x.shape[1], "single", 2), "single", "attributes")
    given = {"feature": "attributes", "source": "attributes", "parameters": {}, "bins": 30, "channels": 1}
    about = {
        "name": "forest",
        "task": "genre",
        "kind": "single",
        "level": "track",
        "classes": list(GENRES),
        "dataset": {"embedded": False},
        "inputs": {"attributes": {**given, "chunk_frames": None, "normalise": "none", "summary": True}},
    }
    network = graphs.annotate(content, about)
    for place in (root / "released" / "genre", root / "catalog"):
        write_json(place / "model.json", about)
        (place / "network.onnx").write_bytes(network)
    known = [{"title": name} for name in rows["track_name"]]
    version = hashlib.sha256(network).hexdigest()
    catalog = Catalog(
        [f"t{i}" for i in range(60)],
        fitted.embedding(x),
        known,
        version=version,
        metric=choose_metric("attributes"),
        offset=fitted.embedding(x).mean(axis=0),
    )
    catalog.save(root / "catalog")
    rows.to_csv(root / "tracks.csv", index=False)
    return root


def run_predict(folder: Path, file: str, **options: object) -> list[dict]:
    out = io.StringIO()
    run([folder / file], folder / "released", form=Json(), out=out, err=io.StringIO(), **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_each_row_has_its_genre_and_its_neighbours(folder):
    answers = run_predict(folder, "tracks.csv", near=make_neighbour_lookup(folder / "catalog", 3))
    assert [a["label"] for a in answers] == [GENRES[i % 2] for i in range(60)]
    assert answers[4]["path"] == f"{folder / 'tracks.csv'}#5"
    assert answers[4]["title"] == "song 4"
    for i, answer in enumerate(answers):
        near = [n["track_id"] for n in answer["neighbours"]]
        assert len(near) == 3
        assert f"t{i}" not in near  # the seed itself is no answer
        assert answer["neighbours"] == sorted(answer["neighbours"], key=lambda n: -n["score"])


def test_neighbours_are_those_of_the_papers_code(folder):
    """Chapter 5 of paper 000: ten numbers standardised, indicators as they are, scikit-learn's default distance."""
    rows = pd.read_csv(folder / "tracks.csv")
    frame = pd.get_dummies(rows[[*NUMBERS, *CATEGORIES]], columns=list(CATEGORIES), dtype=float)
    frame[list(NUMBERS)] = StandardScaler().fit_transform(frame[list(NUMBERS)])
    distances, order = NearestNeighbors(n_neighbors=5).fit(frame.to_numpy()).kneighbors(frame.to_numpy())
    for answer, near, away in zip(
        run_predict(folder, "tracks.csv", near=make_neighbour_lookup(folder / "catalog", 4)),
        order,
        distances,
        strict=True,
    ):
        assert [n["track_id"] for n in answer["neighbours"]] == [f"t{i}" for i in near[1:]]
        assert [n["score"] for n in answer["neighbours"]] == pytest.approx(list(1 / (1 + away[1:])), abs=2e-5)


def test_distances_serve_wishes_paths_and_dislikes_too(folder):
    catalog = Catalog.load(folder / "catalog")
    assert catalog.metric == "euclidean"
    points = catalog.vectors.astype(float)
    middle = points[[3, 8]].mean(axis=0)
    nearest = [i for i in np.argsort(np.linalg.norm(points - middle, axis=1), kind="stable") if i not in (3, 8)]
    assert list(similar(catalog, ["t3", "t8"], k=5)[0]) == [f"t{i}" for i in nearest[:5]]
    away = taste(catalog, ["t3"], dislikes=["t8"])
    np.testing.assert_allclose(away, points[3] - 0.25 * (points[8] - points[3]), atol=1e-5)
    between = path(catalog, "t3", "t8", 3)[1]
    assert between == f"t{nearest[0]}"
    varied = similar(catalog, ["t3"], k=10, diversity=0.5)[0]
    assert set(varied) != set(similar(catalog, ["t3"], k=10)[0])
    catalog.exact_up_to = 10
    assert list(similar(catalog, ["t3", "t8"], k=5)[0]) == [f"t{i}" for i in nearest[:5]]


def test_a_row_without_an_attribute_is_an_error_of_its_own(folder):
    rows = pd.read_csv(folder / "tracks.csv").head(3)
    rows.loc[1, "tempo"] = np.nan
    rows.to_csv(folder / "holed.csv", index=False)
    answers = run_predict(folder, "holed.csv")
    assert ["error" in a for a in answers] == [False, True, False]
    assert answers[1]["error"] == "attributes: tempo is not known"


def test_a_table_that_lacks_columns_is_one_error(folder):
    rows = pd.read_csv(folder / "tracks.csv").drop(columns=["energy", "mode"])
    rows.to_csv(folder / "narrow.csv", index=False)
    (answer,) = run_predict(folder, "narrow.csv")
    assert answer["path"] == str(folder / "narrow.csv")
    assert "has no column energy, mode, which the released model reads" in answer["error"]


@pytest.mark.parametrize("content", [None, b'track,energy\n"' + b"a" * 200_000 + b'",1\n'], ids=["absent", "endless"])
def test_a_table_that_cannot_be_read_is_an_error_of_its_own(folder, tmp_path, content):
    path = tmp_path / "broken.csv"
    if content:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.csv: (cannot be read|is no table)"):
        row(f"{path}#1")


def test_a_row_and_a_name_are_seeds(folder):
    def recommend_tracks(seed: str) -> list[str]:
        out = io.StringIO()
        recommend([seed], folder / "catalog", Request(k=4), as_json=True, out=out)
        return json.loads(out.getvalue())["track_ids"]

    assert recommend_tracks(f"{folder / 'tracks.csv'}#8") == recommend_tracks("Song 7")
    with pytest.raises(DataError, match="the table has no such row"):
        row(f"{folder / 'tracks.csv'}#61")


def test_a_model_of_sound_says_what_the_table_lacks(folder, monkeypatch):
    from ostinato.inference.model import ReleasedModel

    model = ReleasedModel(folder / "released" / "genre")
    object.__setattr__(model.inputs["attributes"], "feature", "mel")
    with pytest.raises(OstinatoError, match="reads mel, which cannot be computed from this table"):
        model.predict_row({"tempo": 1.0})


def test_no_catalog_no_neighbours(folder, tmp_path):
    with pytest.raises(CatalogError, match="holds no catalog"):
        make_neighbour_lookup(tmp_path, 3)


@pytest.mark.parametrize(("suffix", "separator", "encoding"), [(".csv", ";", "utf-8-sig"), (".tsv", "\t", "utf-16")])
def test_a_table_of_a_spreadsheet_gets_the_same_answers(folder, suffix, separator, encoding):
    rows = pd.read_csv(folder / "tracks.csv").head(8)
    path = folder / f"saved{suffix}"
    rows.to_csv(path, index=False, sep=separator, decimal=",", encoding=encoding)
    plain, saved = run_predict(folder, "tracks.csv")[:8], run_predict(folder, path.name)
    assert [(a["label"], a["scores"]) for a in saved] == [(a["label"], a["scores"]) for a in plain]
