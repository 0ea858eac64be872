"""Recipes: sound overlays of params.yaml, run beside the user's project and never inside it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tiny_project
from inference.test_predict import play, put
from ostinato import features, recipes
from ostinato.architectures import count
from ostinato.architectures.recommendation import SCALARS
from ostinato.audio.context import AudioContext
from ostinato.core import params, registry
from ostinato.core.chunks import match_length
from ostinato.core.params import yaml_io
from ostinato.core.paths import Paths
from ostinato.core.task import COLUMNS
from ostinato.errors import OstinatoError, ParamsError
from ostinato.evaluation.classification import get_metrics
from ostinato.io.files import read_json, write_json
from ostinato.pipeline import graph
from ostinato.recipes import few_labels, leaky, neighbours, run, table
from ostinato.recipes.run import reproduce
from ostinato.recommendation.catalog import Catalog
from ostinato.training.network import build
from ostinato.training.settings import resolve

ROOT = Path(__file__).parents[2]
NAMES = recipes.names(ROOT / "recipes")


def write_params(file, recipe):
    """Write the params that a recipe makes and read them again."""
    yaml_io.write(file, recipes.overlay(yaml_io.read(ROOT / "params.yaml"), recipe.params))
    return params.load(file)


@pytest.fixture(scope="module", params=NAMES)
def recipe_and_params(request, tmp_path_factory):
    """Return a recipe and the params it makes."""
    recipe = recipes.load(ROOT / "recipes", request.param)
    return recipe, write_params(tmp_path_factory.mktemp("recipe") / "params.yaml", recipe)


def test_every_figure_is_of_a_candidate_and_of_a_metric_that_there_are(recipe_and_params):
    recipe, made = recipe_and_params
    entries = {**made.candidates, **made.estimators, **made.stacked}
    for figure in recipe.figures:
        if figure.candidate is not None:
            assert figure.metric in get_metrics(COLUMNS[entries[figure.candidate].task])
    for pair in recipe.pairs:
        assert pair.metric in get_metrics(COLUMNS[entries[pair.candidate].task])
        assert pair.over in entries or (pair.over, pair.metric) == (made.recommend.baseline, "map")
        printed = {f.candidate: f.value for f in recipe.figures if f.metric == pair.metric}
        if pair.value is None:
            assert None in (printed[pair.candidate], printed.get(pair.over))
        else:
            assert pair.value == pytest.approx(abs(printed[pair.candidate] - printed[pair.over]) * np.sign(pair.value))
    judged = {figure.candidate for figure in recipe.figures}
    assert judged >= set(made.candidates) | set(made.stacked)


def shape(made, kind, settings):
    """Return the shape of an input as a network sees it, of silence, a picture or words."""
    departures = made.features.kinds[kind]
    plugin = registry.load("ostinato.features", features.module(kind, departures))
    complete = features.parameters(kind, departures, made.features.sample_rate)
    if plugin.SOURCE == "cover":
        return 3, complete["size"], complete["size"]
    if plugin.SOURCE == "lyrics":
        return 1, settings.train.max_vocabulary + 2, settings.train.sequence_length
    rows = plugin.compute(AudioContext(np.zeros(9999), 22050), **complete)
    assert match_length(settings.train.chunk_frames, complete, complete) == settings.train.chunk_frames
    return 1, rows.shape[1], settings.train.chunk_frames


def test_every_network_takes_what_the_recipe_gives_it(recipe_and_params):
    _, made = recipe_and_params
    for name, candidate in made.candidates.items():
        settings = resolve(made, name)
        with torch.device("meta"):
            network = build(settings, {candidate.feature: shape(made, candidate.feature, settings)}, 10)
        assert network.head.out_features == 10


@pytest.mark.parametrize("name", ["gtzan_001", "gtzan_002", "gtzan_003"])
def test_a_small_size_departs_in_what_it_says_alone(name, tmp_path):
    recipe = recipes.load(ROOT / "recipes", name)
    made, reduced = (
        write_params(tmp_path / f"{number}.yaml", given)
        for number, given in enumerate((recipe, recipes.reduce(recipe, name)))
    )
    assert reduced != made
    assert (reduced.dataset, reduced.features, reduced.gate) == (made.dataset, made.features, made.gate)
    assert {n: (c.architecture, c.feature, c.network) for n, c in reduced.candidates.items()} == {
        n: (c.architecture, c.feature, c.network) for n, c in made.candidates.items()
    }


@pytest.mark.parametrize(
    ("stacked", "total"),
    [
        ("recommendation_by_lyrics", 42_753_312),
        ("recommendation_by_albums", 42_753_312),
        ("recommendation_by_audio_only", 39_311_136),
        ("recommendation_by_location", 41_540_384 + 512),
        ("recommendation_by_year", 41_409_312 + 512),
        ("recommendation", 50_522_912 + 2 * 512),
    ],
)
def test_recommendation_has_as_many_numbers_as_published_and_a_vector_for_what_is_absent(stacked, total, tmp_path):
    recipe = recipes.load(ROOT / "recipes", "artist_embedding_004")
    settings = resolve(write_params(tmp_path / "params.yaml", recipe), stacked)
    with torch.device("meta"):
        read = dict.fromkeys(settings.members, 800) | {name: SCALARS[name] for name in settings.numbers}
        assert count(build(settings, read, 800))["total"] == total


def test_the_papers_tables_are_there():
    expected = {"gtzan_001", "gtzan_002", "ballroom_002", "soundtracks_002", "gtzan_003", "ds1_003", "ds2_003"}
    expected |= {"fma_medium_004", "fma_large_004", "cifar100_004", "artist_embedding_004"}
    assert expected <= set(NAMES)


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith("_004")])
def test_the_hypothesis_is_asked_of_every_feature(name):
    recipe = recipes.load(ROOT / "recipes", name)
    assert recipe.hypothesis
    asked = {(pair.candidate, pair.over) for pair in recipe.pairs}
    for simple in (c for c in recipe.params["candidates"] if c.startswith("simple_")):
        kind = simple.removeprefix("simple_")
        both = [s for s in recipe.params["stacked"] if s in (f"timefreq_{kind}", f"timefreq_avg_{kind}")]
        assert f"timefreq_avg_{kind}" in both
        assert {(c, simple) for c in (f"time_{kind}", f"freq_{kind}", *both)} <= asked


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("gtzan")])
def test_absent_gtzan_is_told_how_to_be_fetched(name, project, monkeypatch):
    monkeypatch.delenv("OSTINATO_DATASET_PATH", raising=False)
    (project.root / "recipes" / f"{name}.yaml").write_bytes((ROOT / "recipes" / f"{name}.yaml").read_bytes())
    with pytest.raises(OstinatoError, match=r"data/raw/gtzan.*`ostinato download gtzan` puts it into data/raw/gtzan"):
        reproduce(project, name)


@pytest.mark.parametrize(
    ("name", "candidate", "metric", "value"),
    [
        ("gtzan_001", "mlp", "accuracy", 0.6024),
        ("gtzan_001", "mlp", "log_loss", 3.31),
        ("gtzan_001", "rnn_lstm", "accuracy", 0.6795),
        ("gtzan_001", "rnn_lstm", "log_loss", 1.12),
        ("gtzan_001", "cnn", "accuracy", 0.7443),
        ("gtzan_001", "cnn", "log_loss", 0.88),
        ("gtzan_003", "choi_sgd", "accuracy", 0.63),
        ("ds1_003", "choi_sgd", "f1_micro", 0.7),
        ("ds1_003", "choi_frozen", "f1_micro", None),
        ("ds2_003", "choi_sgd", "accuracy", 0.5),
        ("ds2_003", "choi_frozen", "accuracy", None),
        ("spotify_000", "random_forest", "accuracy", 0.25),
        ("gtzan_002", "mcclstm", "accuracy", 0.8469),
        ("ballroom_002", "r4", "accuracy", 0.9032),
        ("soundtracks_002", "mcclstm", "accuracy", 0.7435),
        ("fma_medium_004", "timefreq_stft_halved", "f1_micro", 0.630494),
        ("fma_medium_004", "genre_ensemble", "f1_micro", 0.654998),
        ("fma_large_004", "average_of_six", "mse", 0.014926),
        ("cifar100_004", "timefreq_image", "f1_micro", 0.01),
        ("artist_embedding_004", "recommendation_by_lyrics", "cosine", 0.5404221),
        ("artist_embedding_004", "recommendation_by_location", "cosine", 0.5387914),
    ],
)
def test_figures_are_the_papers(name, candidate, metric, value):
    recipe = recipes.load(ROOT / "recipes", name)
    found = [f for f in recipe.figures if (f.candidate, f.metric) == (candidate, metric)]
    assert [f.value for f in found if f.source != "section 7.4"] == [value]
    if name == "gtzan_001":
        leaky = [f.value for f in recipe.leaky.figures if (f.candidate, f.metric) == (candidate, metric)]
        assert leaky == [value]


def test_the_networks_of_paper_001_are_those_of_its_text(tmp_path):
    """Section 7.3: 512, 256 and 128 neurons; section 7.5 and table 1: three pools of 3 x 3, strides 3 x 3, padded."""
    recipe = recipes.load(ROOT / "recipes", "gtzan_001")
    for given in (recipe, recipes.reduce(recipe, "gtzan_001")):
        made = write_params(tmp_path / "params.yaml", given)
        networks = {name: build(resolve(made, name), {"mfcc13": (1, 13, 130)}, 10) for name in made.candidates}
        for name in ("mlp", "mlp_dropout"):
            assert [layer.out_features for layer in networks[name].dense.layers] == [512, 256, 128]
            assert networks[name].penalty() == 0
        assert (networks["mlp"].dense.dropout.p, networks["mlp_dropout"].dense.dropout.p) == (0, 0.3)
        sizes, x = [], torch.zeros(1, 1, 130, 13)
        for block in networks["cnn"].layers:
            conv, relu, pool, _ = block
            assert isinstance(relu, torch.nn.ReLU)
            assert (pool.kernel, pool.stride) == ((3, 3), (3, 3))
            x = block.eval()(x)
            sizes.append((conv.kernel_size, *x.shape[1:]))
        assert sizes == [((3, 3), 32, 44, 5), ((3, 3), 32, 15, 2), ((2, 2), 32, 5, 1)]
        assert [m.out_features for m in networks["cnn"].modules() if isinstance(m, torch.nn.Linear)] == [64, 10]
        lstm = [m for m in networks["rnn_lstm"].modules() if isinstance(m, torch.nn.LSTM)]
        assert sum(m.num_layers for m in lstm) == 2
        assert {m.hidden_size for m in lstm} == {64}


def test_what_paper_002_says_of_its_training_is_said():
    for name in ("gtzan_002", "ballroom_002", "soundtracks_002"):
        size = " ".join(recipes.load(ROOT / "recipes", name).size.split())
        assert "asynchronous stochastic gradient descent" in size
        assert "names neither optimiser" not in size


TOY = """
import json, os, pathlib
here = pathlib.Path("models/metrics")
here.mkdir(parents=True)
(here / "a.json").write_text(json.dumps({
    "test": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}},
    "confusion": [[3, 1], [0, 4]], "per_class": {"jazz": {}, "rock": {}},
    "spread": {"folds": {"accuracy": {"mean": 0.51, "deviation": 0.02, "n": 3}}},
}))
folder = pathlib.Path("models/checkpoints/a")
folder.mkdir(parents=True)
(folder / "curves.csv").write_text(
    "fold,epoch,train_loss,val_loss,val_score\\n0,0,2,2,0.2\\n0,1,1,1,0.6\\n1,0,2,2,0.4\\n1,1,1,1,0.8\\n"
)
pathlib.Path("models/where.txt").write_text(os.environ.get("OSTINATO_DATASET_PATH", ""))
"""
RECIPE = {
    "title": "A toy",
    "source": "Paper 9, table 1.",
    "size": "Tiny.",
    "data": "Fetch toys and put them into a box.",
    "figures": [
        {
            "row": "A",
            "candidate": "a",
            "metric": "accuracy",
            "value": 0.75,
            "deviation": 0.1,
            "source": "table 1",
        },
        {"row": "B [7]", "metric": "accuracy", "value": 0.8, "source": "table 1"},
    ],
    "params": {
        "dataset": {"name": "folder"},
        "features": {"kinds": {"mel": {}}},
        "candidates": {"a": {"architecture": "time", "feature": "mel", "task": "genre"}},
        "train": {"lr": 0.25},
    },
}


def load_toy(**more):
    """Return the toy recipe with more in it."""
    return recipes.Recipe.model_validate({**RECIPE, **more})


@pytest.fixture
def project(tmp_path):
    """Return a DVC project with one stage and one recipe."""
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "src" / "toy.py").write_text(TOY)
    stage = {"cmd": f"{sys.executable} src/toy.py", "deps": ["src/toy.py"], "params": ["train.lr"]}
    stage["outs"] = ["models/metrics", "models/checkpoints", "models/where.txt"]
    yaml_io.write(root / "dvc.yaml", {"stages": {"gate": stage}})
    (root / ".dvcignore").write_text("runs/\n")
    yaml_io.write(root / "params.yaml", yaml_io.read(ROOT / "params.yaml"))
    (root / "recipes").mkdir()
    yaml_io.write(root / "recipes" / "toy.yaml", RECIPE)
    subprocess.run(graph.dvc("init", "--no-scm", "--quiet"), cwd=root, env=graph.environment(), check=True)
    return Paths(root)


def read_user_files(root):
    """Read all files that are the user's: neither runs nor what DVC keeps for itself."""
    theirs = (".dvc/cache", ".dvc/tmp", "runs")
    files = (f for f in sorted(root.rglob("*")) if f.is_file())
    names = {str(f.relative_to(root)): f for f in files}
    return {name: f.read_bytes() for name, f in names.items() if not name.startswith(theirs)}


def test_a_run_leaves_the_project_as_it_was_and_prints_both_figures(project, tmp_path, monkeypatch):
    audio = tmp_path / "audio"
    audio.mkdir()
    (audio / "a.wav").touch()
    monkeypatch.setenv("OSTINATO_DATASET_PATH", str(audio))
    before = read_user_files(project.root)
    text = reproduce(project, "toy")
    assert read_user_files(project.root) == before
    assert "| A | accuracy | 0.75 ± 0.1 | table 1 | 0.5000 [0.4000, 0.6000] | 0.5100 ± 0.0200 |  |" in text
    assert "| B [7] | accuracy | 0.8 | table 1 |  |  | quoted from another paper |" in text
    inside = project.root / "runs" / "toy"
    assert (inside / "models" / "where.txt").read_text() == str(audio)
    made = params.load(inside / "params.yaml")
    assert (made.train.lr, made.train.patience) == (0.25, params.load(project.params).train.patience)
    assert (list(made.candidates), made.stacked, made.members) == (["a"], {}, {})
    assert made.paper == {"a": {"accuracy": 0.75}}
    assert (inside / "dvc.lock").exists()
    cached = project.root / ".dvc" / "cache" / "files"
    assert any(cached.rglob("*"))
    assert not (inside / ".dvc" / "cache").exists()


def test_curves_and_confusion_matrices_are_drawn_beside_the_table(project, monkeypatch):
    monkeypatch.setenv("OSTINATO_DATASET_PATH", str(project.root))
    reproduce(project, "toy")
    folder = project.root / "runs" / "toy" / "report"
    drawn = {str(f.relative_to(folder)): f.read_text() for f in folder.rglob("*") if f.is_file()}
    assert set(drawn) == {"index.html", "curves.svg", "confusion/a.svg"}
    for label in ("validation score", "validation loss", "epoch", ">a<"):
        assert label in drawn["curves.svg"]
    for label in ("jazz", "rock", ">3<", ">1<", ">4<", "predicted", "actual"):
        assert label in drawn["confusion/a.svg"]
    page = drawn["index.html"]
    assert page.count("<svg") == 2
    assert "<td>0.75 ± 0.1</td><td>table 1</td><td>0.5000 [0.4000, 0.6000]</td>" in page
    assert str(project.root) not in "".join(drawn.values())
    reproduce(project, "toy")
    assert {str(f.relative_to(folder)): f.read_text() for f in folder.rglob("*") if f.is_file()} == drawn


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, r"A: has no source; name the paper's table"),
        ("the paper", r"A: the source 'the paper' is not a place in the paper; name"),
    ],
)
def test_a_paper_figure_without_a_place_is_refused(tmp_path, source, said):
    figure = {"row": "A", "candidate": "a", "metric": "accuracy", "value": 0.75, "source": source}
    yaml_io.write(tmp_path / "odd.yaml", {**RECIPE, "figures": [figure]})
    with pytest.raises(ParamsError, match=rf"odd\.yaml: figures\.0: .*{said}"):
        recipes.load(tmp_path, "odd")
    yaml_io.write(tmp_path / "odd.yaml", {**RECIPE, "leaky": {"figures": [figure]}})
    with pytest.raises(ParamsError, match=rf"odd\.yaml: leaky\.figures\.0: .*{said}"):
        recipes.load(tmp_path, "odd")
    yaml_io.write(tmp_path / "odd.yaml", {**RECIPE, "figures": [{**figure, "value": None, "source": "table 1"}]})
    with pytest.raises(ParamsError, match=r"A: has a source but no value; add the value, or remove the source"):
        recipes.load(tmp_path, "odd")


def test_small_runs_beside_the_full_size_with_its_departures(project, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("OSTINATO_DATASET_PATH", str(project.root))
    small = {"size": "Tinier.", "params": {"train": {"lr": 0.5}}}
    yaml_io.write(project.root / "recipes" / "toy.yaml", {**RECIPE, "small": small})
    text = reproduce(project, "toy", small=True)
    assert "Tiny. Tinier." in text
    assert "[1/1] Running stage 'gate'" in capfd.readouterr().err
    assert params.load(project.root / "runs" / "toy_small" / "params.yaml").train.lr == 0.5
    assert not (project.root / "runs" / "toy").exists()
    reproduce(project, "toy", small=True)
    assert "[1/1] Stage 'gate' didn't change, skipping" in capfd.readouterr().err
    yaml_io.write(project.root / "recipes" / "toy.yaml", RECIPE)
    with pytest.raises(ParamsError, match=r"toy: has no small size; omit --small"):
        reproduce(project, "toy", small=True)


def test_absent_data_are_named_with_what_to_fetch_and_where_to_put_it(project, monkeypatch):
    monkeypatch.delenv("OSTINATO_DATASET_PATH", raising=False)
    with pytest.raises(OstinatoError, match=r"data/raw/folder: missing or empty\. Fetch toys and put them"):
        reproduce(project, "toy")


def test_an_unknown_recipe_is_told_the_known_ones(tmp_path):
    with pytest.raises(ParamsError, match=r"there is no recipe 'gtzan'; there are .*ballroom_002, .*gtzan_001"):
        recipes.load(ROOT / "recipes", "gtzan")
    yaml_io.write(tmp_path / "odd.yaml", {**RECIPE, "figure": []})
    with pytest.raises(ParamsError, match=r"odd\.yaml: figure: unknown key"):
        recipes.load(tmp_path, "odd")


@pytest.mark.parametrize(("wanted", "said"), [(3, "; 3 left, the 3 of the paper."), (4, "; 3 left, NOT the 4")])
def test_tracks_left_once_broken_ones_are_out_are_held_against_the_papers(tmp_path, wanted, said):
    paths = Paths(tmp_path)
    paths.tracks.parent.mkdir(parents=True)
    pd.DataFrame({"track_id": list("abcd")}).to_parquet(paths.tracks)
    faults = pd.DataFrame({"track_id": ["b", "b"], "reason": ["unreadable", "genre of too few tracks"]})
    faults.to_parquet(paths.quarantine)
    recipe = load_toy(tracks=wanted, figures=[{"row": "quoted", "metric": "accuracy"}])
    assert f"Tracks: 4, of which 1 in quarantine{said}" in table.report(paths, recipe)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"figures": [{"row": "A", "candidate": "aa", "metric": "accuracy"}]}, "no candidate 'aa' of the recipe"),
        ({"figures": [{"row": "A", "candidate": "a", "metric": "acuracy"}]}, "a has no figure 'acuracy'.*'accuracy'"),
        ({"pairs": [{"candidate": "a", "over": "b", "metric": "accuracy"}]}, "no candidate 'b' of the recipe"),
        ({"leaky": {"figures": [{"row": "A", "metric": "accuracy"}]}}, "no candidate 'None' of the recipe"),
    ],
)
def test_a_figure_that_nothing_will_give_is_refused_before_anything_runs(project, monkeypatch, wrong, said):
    monkeypatch.setenv("OSTINATO_DATASET_PATH", str(project.root))
    yaml_io.write(project.root / "recipes" / "toy.yaml", {**RECIPE, **wrong})
    with pytest.raises(ParamsError, match=said):
        reproduce(project, "toy")
    assert not (project.root / "runs" / "toy" / "models").exists()


def test_a_gain_is_that_of_the_same_tracks(tmp_path):
    """Of twelve tracks one network names nine and the other three, all of them among the nine."""
    inside = Paths(tmp_path)
    over = {"candidates": {name: RECIPE["params"]["candidates"]["a"] for name in "ab"}}
    yaml_io.write(inside.params, recipes.overlay(yaml_io.read(ROOT / "params.yaml"), {**RECIPE["params"], **over}))
    write_json(inside.classes, {"genre": ["x", "y"]})
    ids = [f"t{i}" for i in range(12)]
    pd.DataFrame({"track_id": ids, "content_hash": ids, "genre": "x"}).to_parquet(inside.tracks)
    splits = {"track_id": ids, "fold": 0, "split": "test", "group": ids, "evaluable": True}
    pd.DataFrame(splits).to_parquet(inside.splits)
    for name, n_right in (("a", 9), ("b", 3)):
        logits = [[1.0, 0.0] if i < n_right else [0.0, 1.0] for i in range(12)]
        inside.predictions(name).mkdir(parents=True)
        predicted = pd.DataFrame({"track_id": ids, "fold": 0, "split": "test", "logits": logits})
        predicted.to_parquet(inside.predictions(name) / "predictions.parquet")
    pairs = [recipes.Pair(candidate=a, over=b, metric="accuracy") for a, b in ("ab", "ba", "aa")]
    found = table._gain(inside, pairs[0])
    assert found["value"] == 0.5
    assert 0.1 < found["low"] < 0.5 < found["high"] < 0.9
    lines = table._pairs(inside, load_toy(pairs=pairs, hypothesis="A beats B."))
    assert "| a over b | accuracy |  | +0.5000 [" in lines[2]
    assert [line.split("|")[-2].strip() for line in lines[2:5]] == ["better", "worse", "undecided"]
    assert "Hypothesis: A beats B. Of 3 comparisons: 1 better, 1 worse, 1 undecided." in lines


def test_pieces_of_a_track_stand_on_both_sides_of_a_leaky_split():
    protocol = recipes.Leaky(test=0.3, validation=0.2, figures=[recipes.Figure(row="A", metric="accuracy")])
    split = leaky.split_randomly(400, protocol, seed=7)
    assert {name: len(rows) for name, rows in split.items()} == {"train": 224, "validation": 56, "test": 120}
    assert sorted(np.concatenate(list(split.values()))) == list(range(400))
    tested, learnt = ({int(piece) // 10 for piece in split[name]} for name in ("test", "train"))
    assert len(tested & learnt) == len(tested) > 30


def test_a_leaky_figure_rewards_knowing_the_track(tmp_path, capsys):
    """Each track has a sound of its own and a genre by lot: whole tracks tell nothing, pieces all."""
    inside = tiny_project.make(tmp_path, n_tracks=30)
    rng = np.random.default_rng(1)
    sounds = {f"track{i:03d}": rng.normal(size=(1, 8)) + np.zeros((160, 1)) for i in range(30)}
    tiny_project.change(inside.feature("mel"), {k: v.astype(np.float16) for k, v in sounds.items()})
    tracks = pd.read_parquet(inside.tracks)
    tracks["genre"] = rng.permutation(tracks["genre"].to_numpy())
    tracks.to_parquet(inside.tracks)
    candidate = {"architecture": "mlp", "feature": "mel", "task": "genre", "network": {"hidden": [64]}}
    made = {**tiny_project.PARAMS, "candidates": {"a": candidate}, "stacked": {}, "members": {}}
    made["train"] = {"max_epochs": 60, "patience": 60, "batch_size": 8, "lr": 0.005, "chunk_frames": 16}
    yaml_io.write(inside.params, made)
    protocol = recipes.Leaky(
        figures=[recipes.Figure(row="A", candidate="a", metric="accuracy", value=0.6, source="table 1")]
    )
    leaky.run(inside, protocol)
    found = read_json(inside.root / "leaky.json")["a"]["test"]["accuracy"]
    assert found["value"] > 0.9
    assert found["low"] <= found["value"] <= found["high"]
    said = capsys.readouterr().err
    assert "a pieces at random (leaky)" in said
    leaky.run(inside, protocol)
    assert capsys.readouterr().err == ""
    inside.metrics("a").parent.mkdir(parents=True)
    write_json(inside.metrics("a"), {"test": {"accuracy": {"value": 0.25, "low": 0.125, "high": 0.5}}})
    lines = table._leaky(inside, protocol)
    assert lines[0].startswith("LEAKY, as published")
    assert lines[-1] == f"| A | accuracy | 0.6 | {table._interval(found)} | 0.2500 [0.1250, 0.5000] |"


def test_a_gain_of_directions_is_that_of_cosines(tmp_path):
    """Eight artists all point one way; one network says so, the other is off by a right angle every other time."""
    inside = Paths(tmp_path)
    candidate = {**RECIPE["params"]["candidates"]["a"], "task": "artist_embedding"}
    over = {"candidates": {name: candidate for name in "ab"}}
    yaml_io.write(inside.params, recipes.overlay(yaml_io.read(ROOT / "params.yaml"), {**RECIPE["params"], **over}))
    write_json(inside.classes, {})
    target = inside.target("artist_embedding")
    write_json(target / "about.json", {"dimension": 2})
    ids = [f"t{i}" for i in range(8)]
    pd.DataFrame({"artist": ids, "vector": [[3.0, 0.0]] * 8}).to_parquet(target / "artists.parquet")
    pd.DataFrame({"track_id": ids, "content_hash": ids, "artist": ids}).to_parquet(inside.tracks)
    splits = {"track_id": ids, "fold": 0, "split": "test", "group": ids, "evaluable": True}
    pd.DataFrame(splits).to_parquet(inside.splits)
    for name, every in (("a", 9), ("b", 2)):
        inside.predictions(name).mkdir(parents=True)
        logits = [[0.0, 2.0] if i % every == 1 and every == 2 else [2.0, 0.0] for i in range(8)]
        predicted = pd.DataFrame({"track_id": ids, "fold": 0, "split": "test", "logits": logits})
        predicted.to_parquet(inside.predictions(name) / "predictions.parquet")
    found = table._gain(inside, recipes.Pair(candidate="a", over="b", metric="cosine"))
    assert found["value"] == pytest.approx(0.5)
    assert 0 < found["low"] < 0.5 < found["high"]


def test_a_gain_in_ranking_is_over_all_artists_by_the_same_cold_ones(tmp_path):
    """Twelve artists on a circle, each related to its neighbours: one network knows the circle, the other nothing."""
    inside, made = Paths(tmp_path), {**RECIPE["params"]["candidates"]["a"], "task": "artist_embedding"}
    over = {"candidates": {name: made for name in "ab"}, "recommend": {"baseline": "mfcc"}}
    yaml_io.write(inside.params, recipes.overlay(yaml_io.read(ROOT / "params.yaml"), {**RECIPE["params"], **over}))
    write_json(inside.classes, {})
    target, ids = inside.target("artist_embedding"), [f"t{i:02}" for i in range(12)]
    angle = np.arange(12) * np.pi / 6
    circle = [list(point) for point in np.stack([np.cos(angle), np.sin(angle)], 1)]
    write_json(target / "about.json", {"dimension": 2})
    related = [[ids[i - 1], ids[(i + 1) % 12]] for i in range(12)]
    pd.DataFrame({"artist": ids, "vector": circle, "related": related}).to_parquet(target / "artists.parquet")
    tracks = {"track_id": ids, "content_hash": ids, "artist": ids, "genre": "x", "tags": [["y"]] * 12}
    pd.DataFrame(tracks).to_parquet(inside.tracks)
    split = ["test" if i % 2 else "train" for i in range(12)]
    pd.DataFrame({"track_id": ids, "fold": 0, "split": split, "group": ids, "evaluable": True}).to_parquet(
        inside.splits
    )
    for name, logits in (("a", circle), ("b", [[1.0, 0.0]] * 12)):
        inside.predictions(name).mkdir(parents=True)
        predicted = pd.DataFrame({"track_id": ids, "fold": 0, "split": split, "logits": logits})
        predicted.to_parquet(inside.predictions(name) / "predictions.parquet")
    found = table._gain(inside, recipes.Pair(candidate="a", over="b", metric="map"))
    # without similarity artists come in their own order, so that the two neighbours of the i-th stand at i and i + 1
    blind = [(1 / i + 2 / (i + 1)) / 2 for i in (1, 3, 5, 7, 9)] + [(1 + 2 / 11) / 2]
    assert found["value"] == pytest.approx(1 - np.mean(blind), abs=1e-6)
    assert 0 < found["low"] < found["value"] < found["high"]
    assert table._gain(inside, recipes.Pair(candidate="a", over="a", metric="map"))["value"] == 0
    spaces = {"a": {"map_above_mfcc": {"value": 0.2, "low": 0.1, "high": 0.3}}}
    write_json(inside.ranking, {"spaces": spaces})
    lines = table._pairs(inside, load_toy(pairs=[{"candidate": c, "over": "mfcc", "metric": "map"} for c in "ab"]))
    assert lines[2:] == [
        "| a over mfcc | map |  | +0.2000 [+0.1000, +0.3000] | better |",
        "| b over mfcc | map |  | b was skipped |  |",
    ]


def test_a_recipe_that_compares_spaces_with_statistics_ranks_them():
    whole = params.load(ROOT / "params.yaml")
    made = whole.model_copy(update={"regressions": {}})
    pair = {"candidate": "a", "metric": "map"}
    assert run._targets(load_toy(), whole) == ("gate", "regress")
    assert run._targets(load_toy(pairs=[{**pair, "over": "b"}]), made) == ("gate",)
    assert run._targets(load_toy(pairs=[{**pair, "over": made.recommend.baseline}]), made) == ("gate", "rank")


def test_neighbours_in_another_folder_are_those_of_its_catalogs(tmp_path):
    """Low and high tones are two genres: what a network places by pitch has its own genre first."""
    paths, inside = Paths(tmp_path), Paths(tmp_path / "runs" / "toy")
    over = {"candidates": {name: RECIPE["params"]["candidates"]["a"] for name in "abc"}, "recommend": {"k": 2}}
    inside.root.mkdir(parents=True)
    yaml_io.write(inside.params, recipes.overlay(yaml_io.read(ROOT / "params.yaml"), {**RECIPE["params"], **over}))
    for i, pitch in enumerate((200, 230, 260, 2900, 3300, 3700)):
        play(tmp_path / "songs" / ("low" if i < 3 else "high") / f"{i}.wav", frequency=pitch)
    for name, weight in (("a", 0.05), ("b", 0.05)):
        put(inside.onnx(name), weight=weight)
    asked = recipes.Catalogs(of="songs", candidates=["a", "b", "c"], source="section 4.9", claim="B is better.")
    lines = neighbours.compare(paths, inside, asked)
    assert lines[0] == "Neighbours among the 6 tracks of songs by genre (paper: section 4.9): B is better."
    catalog = Catalog.load(inside.root / "catalogs" / "a")
    order = [catalog.search(v, 3)[0][1:] for v in catalog.vectors]
    hits = np.array([[(row < 3) == (seed < 3) for row in rows] for seed, rows in enumerate(order)])
    expected = ((hits[:, 0] + hits[:, 1] * (hits[:, 0] + 1) / 2) / 2).mean()
    assert lines[4].startswith(f"| a | {expected:.3f} [")
    assert expected > 0.9
    assert lines[5] == lines[4].replace("| a |", "| b |").replace("|  |", "| +0.000 [+0.000, +0.000] |")
    assert lines[6] == "| c | was not exported; see the gate | |"
    (tmp_path / "songs" / "high").rename(tmp_path / "songs" / "low" / "more")
    with pytest.raises(ParamsError, match=r"songs: no two tracks by different artists share a tags; add tracks, or a"):
        neighbours.compare(paths, inside, asked.model_copy(update={"by": "tags"}))


def test_a_recipe_with_catalogs_exports_their_networks_and_needs_the_folder(project, monkeypatch):
    catalogs = {"of": "songs", "candidates": ["a"], "source": "section 4.9", "claim": "So it is."}
    made = params.load(ROOT / "params.yaml").model_copy(update={"regressions": {}})
    assert run._targets(load_toy(catalogs=catalogs), made) == ("gate", "export@a")
    monkeypatch.setenv("OSTINATO_DATASET_PATH", str(project.root))
    yaml_io.write(project.root / "recipes" / "toy.yaml", {**RECIPE, "catalogs": catalogs})
    with pytest.raises(OstinatoError, match=r"toy: songs: missing or empty\. Fetch toys"):
        reproduce(project, "toy")
    yaml_io.write(project.root / "recipes" / "toy.yaml", {**RECIPE, "catalogs": {**catalogs, "candidates": ["b"]}})
    with pytest.raises(ParamsError, match=r"catalogs: has no network 'b'"):
        reproduce(project, "toy")
    yaml_io.write(project.root / "recipes" / "toy.yaml", {**RECIPE, "catalogs": {**catalogs, "source": "somewhere"}})
    with pytest.raises(ParamsError, match=r"'somewhere' is not a place in the paper; name a section"):
        recipes.load(project.recipes, "toy")


def test_experiment_7_asks_the_first_layers(tmp_path):
    """Section 4.10: layer 1, layers 1 and 2, 1 to 3, 1 to 4; all five beside them."""
    recipe = recipes.load(ROOT / "recipes", "layers_003")
    made = write_params(tmp_path / "params.yaml", recipe)
    widths = [
        build(resolve(made, name), {"mel96": (1, 96, 1360)}, 10).space_width for name in recipe.catalogs.candidates
    ]
    assert widths == [32, 64, 96, 128, None]


def test_few_labels_are_subsets_of_the_training_tracks(tmp_path):
    made = tiny_project.make(tmp_path, folds=4)
    sections = {
        "estimators": {"line": {"estimator": "logistic", "feature": "mel", "task": "genre", "options": {"C": 0.1}}},
        "features": {"kinds": {"mel": {}}},
    }
    params.yaml_io.write(
        made.params, {**tiny_project.PARAMS, **sections, "candidates": {}, "stacked": {}, "members": {}}
    )
    few = recipes.Few(labels=[6, 12, 500], draws=3, candidates=["line"])
    few_labels.run(made, few)
    accuracy = read_json(made.root / "few_labels.json")["line"]
    n_train = 36 - 9  # of four folds of three artists with three tracks each
    assert set(accuracy) == {"6", "12", str(n_train)}
    assert all(len(draws) == 3 for draws in accuracy.values())
    assert len(set(accuracy[str(n_train)])) == 1, "all training tracks are the same in every draw"
    assert np.mean(accuracy[str(n_train)]) > np.mean(accuracy["6"])
    problem = few_labels.read_problem(made, params.load(made.params).estimators["line"])
    assert all(not {*problem.groups[a]} & {*problem.groups[b]} for a, b in problem.folds)
    lines = few_labels.describe(made)
    assert lines[2] == "| candidate | 6 labels | 12 labels | 27 labels |"
    assert lines[-1].startswith("| line | ")


def test_few_labels_of_no_estimator_are_refused(project):
    recipe = recipes.load(ROOT / "recipes", "few_labels")
    wrong = recipe.model_copy(update={"few": recipe.few.model_copy(update={"candidates": ["nobody"]})})
    with pytest.raises(ParamsError, match="few: has no estimator 'nobody'; there are majority"):
        run.prepare(project, wrong, "few_labels")
