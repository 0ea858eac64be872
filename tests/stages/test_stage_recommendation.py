"""From relations to a catalog: artists, a candidate that learns their space, rank and catalog."""

import hashlib

import numpy as np
import pandas as pd
import pytest

import tiny_project
from ostinato.cache import store
from ostinato.core.params import only
from ostinato.core.paths import Paths
from ostinato.curation import artist_graph as graphs
from ostinato.datasets import synthetic
from ostinato.errors import CatalogError, GraphError, ParamsError
from ostinato.evaluation.score_table import parse_scores
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import read_json, write_json
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.recommend import recommend
from ostinato.stages import artists, catalog, evaluate, export, gate, infer, member, rank, train, tune
from ostinato.training.settings import resolve

N_ARTISTS, COLD = 12, [0, 4, 8]
SETTINGS = {
    "dataset": {"n_artists": N_ARTISTS},
    "artists": {"dimension": 4, "max_epochs": 15, "phases": [{"lr": 0.05, "batch_size": 4, "patience": 3}]},
    "candidates": {
        "tiny_artists": {"architecture": "tiny", "feature": "mel", "task": "artist_embedding"},
        "other_artists": {
            "architecture": "tiny",
            "feature": "mel",
            "task": "artist_embedding",
            "network": {"width": 3},
        },
    },
    "stacked": {"joint": {"architecture": "timefreq", "task": "artist_embedding", "network": {"hidden": [8]}}},
    "members": {
        "joint.tiny_artists": {"of": "joint", "member": "tiny_artists"},
        "joint.other_artists": {"of": "joint", "member": "other_artists"},
    },
    "recommend": {"baseline": "mel", "k": 5},
    "gate": {
        "genre": {"f1_micro": {"min": 0.0}},
        "artist_embedding": {"cosine": {"min": -1.0}},
        "space": {"map": {"min": 0.0}},
    },
}
NAMES = ("tiny_mel", "tiny_artists", "other_artists", "svm_mel", "joint")
EXPORTED = ("tiny_mel", "tiny_artists", "svm_mel", "joint")
DIRECTIONS = ("tiny_artists", "other_artists", "joint")


def make_project(root, folds: int = 0) -> Paths:
    """Return the tiny project artists of the made-up world."""
    paths = tiny_project.make(root, folds=folds)
    people = synthetic.artists(root, synthetic.Options(n_artists=N_ARTISTS), seed=3)["artist"].tolist()
    tracks = pd.read_parquet(paths.tracks)
    about = dict.fromkeys(("album", "title", "year", "latitude", "longitude"))
    tracks.assign(
        artist=[people[i // 3] for i in range(len(tracks))],
        path="x.flac",
        duration=9.0,
        content_hash=[str(i) for i in range(len(tracks))],
        **about,
    ).to_parquet(paths.tracks)
    store.write_meta(
        paths.feature("mel"), {"kind": "mel", "parameters": {"sample_rate": 22050, "n_mels": 8}, "tail": [8]}
    )
    write_json(paths.classes, read_json(paths.classes) | {"name": "holdout", "n_tracks": 36})
    return paths


def settings(**changes):
    made = tiny_project.settings(**{**SETTINGS, **changes})
    kept = {n: c for n, c in made.candidates.items() if n in NAMES}
    return made.model_copy(
        update={
            "candidates": kept,
            "stacked": {"joint": made.stacked["joint"]},
            "members": {edge: m for edge, m in made.members.items() if m.of == "joint"},
        }
    )


@pytest.fixture(scope="module")
def finished_paths(tmp_path_factory):
    """Run the chain on one holdout."""
    paths, params = make_project(tmp_path_factory.mktemp("recommend") / "project"), settings()
    artists.run(paths, params)
    for name in NAMES:
        for edge in (e for e, m in params.members.items() if m.of == name):
            member.run(paths, params, edge)
        for stage in (tune, train, infer, evaluate):
            stage.run(paths, params, name)
    gate.run(paths, params)
    for name in EXPORTED:
        export.run(paths, params, name)
    write_json(paths.onnx("other_artists") / "export.json", {"accepted": False, "reasons": ["left out, to be quick"]})
    rank.run(paths, params)
    catalog.run(paths, only(params, catalog.SECTIONS))
    return paths, params


def test_relations_of_cold_artists_are_not_trained_on(finished_paths, monkeypatch, tmp_path):
    """Where cold artists' relations are others, the space of the known ones is the same."""
    paths, params = finished_paths
    table = pd.read_parquet(paths.target("artist_embedding") / "artists.parquet")
    assert np.flatnonzero(table["cold"]).tolist() == COLD
    original = synthetic.artists

    def other(*args, **options):
        listed = original(*args, **options)
        names = listed["artist"].tolist()
        cold = {names[i] for i in COLD}
        listed["related"] = [
            sorted({n for n in near if not {a, n} & cold} | ({names[1]} if a in cold else set()))
            for a, near in zip(names, listed["related"], strict=True)
        ]
        return listed

    monkeypatch.setattr(synthetic, "artists", other)
    again = make_project(tmp_path / "other")
    artists.run(again, params)
    changed = pd.read_parquet(again.target("artist_embedding") / "artists.parquet")
    known = ~table["cold"]
    assert np.stack(table["vector"][known]).tobytes() == np.stack(changed["vector"][known]).tobytes()
    assert changed["related"][0].tolist() != table["related"][0].tolist()


def test_a_cold_artist_stands_amid_its_known_relatives(finished_paths):
    paths, _ = finished_paths
    table = pd.read_parquet(paths.target("artist_embedding") / "artists.parquet").set_index("artist")
    cold = table[table["cold"]].iloc[0]
    near = np.stack([table.loc[n, "vector"] for n in cold["related"] if not table.loc[n, "cold"]])
    mean = near.mean(axis=0)
    np.testing.assert_allclose(cold["vector"], mean / np.linalg.norm(mean), atol=1e-6)


def test_the_space_s_quality_is_written_with_intervals(finished_paths):
    paths, _ = finished_paths
    quality = read_json(paths.artists)
    assert (quality["n_artists"], quality["n_cold"]) == (12, 3)
    for name in ("jaccard_cosine", "jaccard_euclidean", "jaccard_cosine_with_self", "links_found"):
        assert 0 <= quality[name]["low"] <= quality[name]["value"] <= quality[name]["high"] <= 1
    assert quality["jaccard_cosine_with_self"]["value"] < quality["jaccard_cosine"]["value"]


def test_other_tasks_do_not_depend_on_the_space(finished_paths):
    paths, _ = finished_paths
    assert read_json(paths.target("genre") / "about.json") == {"kind": "single", "column": "genre"}
    assert read_json(paths.target("tags") / "about.json") == {"kind": "multi", "column": "tags"}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_candidate_learns_directions(finished_paths, name):
    paths, _ = finished_paths
    metrics = read_json(paths.metrics(name))
    assert set(metrics["test"]) == {"map", "ndcg", "jaccard", "cosine"}
    assert metrics["split"]["n_test"] == 9
    table = parse_scores(paths.test_scores(name).read_text(), "embedding", name)
    means = dict(zip(table.classes, np.nanmean(table.rows.scores, axis=0), strict=True))
    for metric in ("map", "ndcg", "jaccard"):
        assert means[metric] == pytest.approx(metrics["test"][metric]["value"], abs=1e-5)
    curves = pd.read_csv(paths.checkpoints(name) / "curves.csv")
    np.testing.assert_allclose(curves["val_loss"], -curves["val_score"], atol=1e-5)
    assert read_json(paths.gate)[name]["accepted"]


def test_every_candidate_is_ranked_beside_chance_and_statistics(finished_paths):
    paths, _ = finished_paths
    ranking = read_json(paths.ranking)
    assert set(ranking["spaces"]) == {*NAMES, "mel", "random", "popular"}
    assert ranking["question"] == "related_cold"
    assert set(ranking["spaces"]["tiny_mel"]) == {"map", "map_above_mel"}
    assert set(ranking["gate"]) == set(NAMES)


def test_a_space_must_surely_be_better_than_the_baseline(finished_paths):
    """What has the baseline's own figures gains nothing; what is a little better may have been lucky."""

    def space(low: float, value: float) -> dict:
        return {"map": {"value": 0.3}, "map_above_mel": {"value": value, "low": low, "high": 2 * value}}

    found = {"better": space(0.01, 0.1), "lucky": space(-0.01, 0.1), "mel": {"map": {"value": 0.2}}, "mute": {}}
    bounds = settings(gate={"space": {"sure_gain": {"min": 0.0}}}).gate
    answers = rank._gate(found, ["better", "lucky", "mute"], "map_above_mel", bounds)
    assert {name: answer["accepted"] for name, answer in answers.items()} == {
        "better": True,
        "lucky": False,
        "mute": False,
    }
    assert answers["lucky"]["reasons"] == ["sure_gain -0.0100 is below 0"]
    heard = settings(gate={"space": {"sure_gain": {"min": 0.0}, "preferred": {"min": 0.5}}}).gate
    assert rank._gate(found, ["better", "lucky", "mute"], "map_above_mel", heard) == answers, "a release asks listeners"


def test_what_looks_at_nothing_is_no_space(finished_paths):
    paths, params = finished_paths
    most = {"most": tiny_project.settings().estimators["svm_mel"].model_copy(update={"estimator": "majority"})}
    read, skipped = rank._read_vectors(paths, params.model_copy(update={"estimators": params.estimators | most}))
    assert set(read) == set(NAMES)
    assert skipped == {"most": "it ignores its input, so it has no embeddings"}


def test_every_question_has_its_rows_in_the_table(finished_paths):
    paths, _ = finished_paths
    table, ranking = pd.read_parquet(paths.ranking_table), read_json(paths.ranking)
    asked = {(q, s) for q in ("related", "genre", "tags") for s in ("cold", "known")}
    for space, rows in table.groupby("space"):
        assert set(zip(rows["question"], rows["artists"], strict=True)) == asked
        leading = rows[(rows["question"] == "related") & (rows["artists"] == "cold")].set_index("metric")
        written = leading.loc["map", ["value", "low", "high"]].astype(object)
        assert written.where(written.notna(), None).to_dict() == ranking["spaces"][space]["map"]
        assert leading.filter(regex="^recommended_", axis=0)["value"].sum() == pytest.approx(1, abs=1e-5)


def test_the_catalog_is_of_the_best_space_and_bound_to_its_network(finished_paths):
    paths, _ = finished_paths
    spaces, found = read_json(paths.ranking)["spaces"], Catalog.load(paths.catalog)
    best = max(EXPORTED, key=lambda n: spaces[n]["map"]["value"])
    network = (paths.catalog / "network.onnx").read_bytes()
    assert network == (paths.onnx(best) / "network.onnx").read_bytes()
    assert found.version == hashlib.sha256(network).hexdigest()
    assert len(found) == 36
    assert "year" not in found.metadata[0]


@pytest.mark.parametrize("name", [n for n in EXPORTED if n != "joint"])
def test_the_exported_network_places_tracks_as_infer_does(finished_paths, monkeypatch, name):
    paths, params = finished_paths
    ranking = read_json(paths.ranking)
    monkeypatch.setattr("ostinato.stages.catalog.read_json", lambda file: (
        {**ranking, "gate": {n: {"accepted": n == name, "reasons": ["other"]} for n in NAMES}}
        if file == paths.ranking else read_json(file)
    ))  # fmt: skip
    catalog.run(paths, only(params, catalog.SECTIONS))
    found = Catalog.load(paths.catalog)
    column = "logits" if name in DIRECTIONS else "embedding"
    table = pd.read_parquet(paths.predictions(name) / "predictions.parquet").set_index("track_id")[column]
    vectors = np.stack(table.reindex(found.ids).to_list())
    if name not in DIRECTIONS:
        splits = pd.read_parquet(paths.splits).set_index("track_id")["split"].reindex(found.ids).to_numpy()
        vectors = vectors - vectors[splits == "train"].mean(axis=0)
    np.testing.assert_allclose(found.vectors, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), atol=1e-4)
    ids, _ = recommend(found, [found.ids[0]], k=3)
    assert found.ids[0] not in ids


def test_a_catalog_that_fails_half_way_leaves_the_old_one(finished_paths, monkeypatch):
    paths, params = finished_paths
    before = tiny_project.bytes_of(paths.catalog)
    calls = iter(range(1000))

    def embed(network, given, embedding=ReleasedModel.embedding):
        if next(calls) == 30:
            raise OSError(24, "Too many open files")
        return embedding(network, given)

    monkeypatch.setattr(ReleasedModel, "embedding", embed)
    with pytest.raises(OSError, match="Too many open files"):
        catalog.run(paths, only(params, catalog.SECTIONS))
    assert tiny_project.bytes_of(paths.catalog) == before
    assert not list(paths.catalog.parent.glob(".catalog*"))


def test_no_space_good_enough_leaves_the_reason(finished_paths, tmp_path):
    paths, params = finished_paths
    ranking = read_json(paths.ranking)
    for name in NAMES:
        ranking["gate"][name] = {"accepted": False, "reasons": ["map 0.1000 is below 0.5"]}
    other = Paths(tmp_path)
    write_json(other.ranking, ranking)
    for name in NAMES:
        write_json(other.onnx(name) / "export.json", {"accepted": True})
    catalog.run(other, only(params, catalog.SECTIONS))
    with pytest.raises(CatalogError, match=r"is accepted for recommendations: tiny_mel: map 0\.1000 is below 0\.5"):
        Catalog.load(other.catalog)
    ranking["gate"]["tiny_mel"]["rules"] = [{"rule": "map", "kept": False, "reason": "map 0.1000 is below 0.5"}]
    write_json(other.ranking, ranking)
    catalog.run(other, only(params, catalog.SECTIONS))
    with pytest.raises(CatalogError, match=r"gate\.space in params\.yaml rejects them: lower its bounds"):
        Catalog.load(other.catalog)


def test_without_the_baseline_s_feature_nothing_is_ranked(finished_paths, tmp_path):
    paths, params = make_project(tmp_path / "project"), finished_paths[1]
    lacking = params.model_copy(update={"recommend": params.recommend.model_copy(update={"baseline": "mfcc"})})
    rank.run(paths, lacking)
    catalog.run(paths, only(lacking, catalog.SECTIONS))
    with pytest.raises(CatalogError, match="the dataset has no feature mfcc"):
        Catalog.load(paths.catalog)


def test_with_folds_there_is_no_one_space(tmp_path):
    paths, params = make_project(tmp_path / "folded", folds=4), settings()
    artists.run(paths, params)
    assert "set split.folds: 0" in read_json(paths.artists)["skipped"]
    tune.run(paths, params, "tiny_artists")
    train.run(paths, params, "tiny_artists")
    assert "set split.folds: 0" in read_json(paths.checkpoints("tiny_artists") / "skipped.json")["skipped"]


def test_a_dataset_without_relations_skips_the_space(tmp_path):
    paths, params = make_project(tmp_path / "folder"), settings(dataset={"name": "folder", "n_artists": 12})
    params = params.model_copy(update={"dataset": params.dataset.model_copy(update={"name": "folder"})})
    with pytest.raises(ParamsError, match="n_artists"):
        artists.run(paths, params)  # an option of another dataset is still an error
    bare = type(params.dataset)(name="folder")
    artists.run(paths, params.model_copy(update={"dataset": bare}))
    assert read_json(paths.artists) == {"skipped": "the dataset has no relations between artists"}


def test_weights_of_classes_make_no_sense_for_directions(finished_paths):
    from ostinato.stages import _candidate
    from ostinato.training.network import fit_network

    paths, params = finished_paths
    chosen = resolve(params, "tiny_artists").with_overrides({"train": {"class_weights": "balanced"}})
    opened = _candidate.open_candidate(paths, chosen)
    with pytest.raises(ParamsError, match="tiny_artists: train: artist_embedding has no classes"):
        fit_network(chosen, opened.labelled, opened.sources[0], np.arange(9), None, label="x", epochs=1)


def test_a_relation_to_nobody_names_both(monkeypatch, tmp_path):
    paths = make_project(tmp_path / "project")
    original = synthetic.artists
    monkeypatch.setattr(
        synthetic, "artists", lambda *a, **o: original(*a, **o).assign(related=[["nobody"]] * N_ARTISTS)
    )
    with pytest.raises(GraphError, match="'nobody' is not listed"):
        artists.run(paths, settings())
    assert graphs.build_relations(["a"], []).pairs.size == 0
