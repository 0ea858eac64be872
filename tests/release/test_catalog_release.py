"""The catalog in service changes whole or not at all, and stays while the stage that makes it runs or fails."""

import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from finished_project import description, write_network
from kills import kill_at_every_step
from ostinato.cli.models import _find_catalog
from ostinato.core.paths import Paths
from ostinato.errors import CatalogError, OstinatoError
from ostinato.io import versions
from ostinato.io.files import read_json, write_json
from ostinato.recommendation.catalog import Catalog, find_served
from ostinato.release.release import exit_code, release, rollback
from ostinato.serving import models as serving_models
from ostinato.serving.models import ModelStore
from ostinato.stages import catalog as stage
from ostinato.study.answers import Answers
from ostinato.study.design import make_study
from ostinato.study.folder import Study
from study.study_project import write_catalogs

PARAMS = SimpleNamespace(gate={}, release=SimpleNamespace(keep=3, max_vanished_share=0.2))


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def write_catalog(paths: Paths, n: int = 10, weight: float = 1.0, exact_up_to: int = 100) -> Path:
    """Write what the stage `catalog` writes: n tracks placed by a network of a weight."""
    shutil.rmtree(paths.catalog, ignore_errors=True)
    paths.catalog.mkdir(parents=True)
    write_network(paths.catalog, ["a", "b"], weight)
    write_json(paths.catalog / "model.json", description("space", "genre", ["a", "b"]))
    version = hashlib.sha256((paths.catalog / "network.onnx").read_bytes()).hexdigest()
    vectors = np.random.default_rng(0).normal(size=(n, 4))
    Catalog([f"t{i}" for i in range(n)], vectors, version=version, exact_up_to=exact_up_to).save(paths.catalog)
    return paths.catalog


def release_catalog(paths: Paths, **options) -> dict:
    return release(paths, PARAMS, tasks=["catalog"], **options)["catalog"]


@pytest.fixture
def paths(tmp_path) -> Paths:
    """Return a project with a catalog of ten tracks in service."""
    paths = Paths(tmp_path)
    write_catalog(paths)
    assert release_catalog(paths)["answer"] == "released"
    return paths


def test_what_is_released_is_what_the_stage_made(paths):
    served = paths.current_release("catalog")
    assert served == paths.releases / "catalog" / "1"
    made = digest(paths.catalog)
    assert digest(served) == made | {"release.json": digest(served)["release.json"]}
    about = read_json(served / "release.json")
    assert about["files"] == made
    assert {rule["rule"]: rule["kept"] for rule in about["rules"]} == {"tracks": True, "network": True}
    assert release_catalog(paths)["answer"] == "unchanged"
    assert versions.find_models(paths.releases) == {}


def bound_preference(low: float) -> SimpleNamespace:
    bound = SimpleNamespace(min=low, max=None)
    return SimpleNamespace(gate={"space": {"preferred": bound}}, release=PARAMS.release)


def test_a_space_that_listeners_do_not_prefer_is_not_released(paths):
    write_catalog(paths, 9, weight=2.0)
    (reason,) = [r for r in release(paths, bound_preference(0.5))["catalog"]["reasons"] if "preferred" in r]
    assert "gate.space.preferred needs a study: " in reason
    assert "make one with `ostinato study make" in reason
    make_study(write_catalogs(paths.root, names=("space", "other")), 4, paths.study, seed=0, k=1, seconds=1.0)
    answers = Answers(Study.open(paths.study))
    for i, presentation in enumerate(answers.study.order("a" * 16)):
        wins = i < 3
        answers.add("a" * 16, presentation.question, "first" if (presentation.first == "space") == wins else "second")
    refused = release(paths, bound_preference(0.8))["catalog"]
    assert (refused["answer"], refused["rules"][-1]["figure"]) == ("rejected", 0.75)
    assert refused["reasons"][-1] == "listeners preferred space in 0.750 of the answers; the bounds are 0.8 and 1"
    released = release(paths, bound_preference(0.5))["catalog"]
    assert released["answer"] == "released"
    assert released["rules"][-1] == {"rule": "preferred", "kept": True, "figure": 0.75, "bound": 0.5} | {
        "reason": "listeners preferred space in 0.750 of the answers; the bounds are 0.5 and 1"
    }


def test_a_space_that_nobody_has_compared_is_not_released(paths):
    write_catalog(paths, 9, weight=2.0)
    make_study(write_catalogs(paths.root, 3, names=("near", "far", "space")), 4, paths.study, seed=0, k=1, seconds=1.0)
    answers = Answers(Study.open(paths.study))
    order = answers.study.order("a" * 16)
    other = next(p.question for p in order if "space" not in (p.first, p.second))
    answers.add("a" * 16, other, "first")
    refused = release(paths, bound_preference(0.5))["catalog"]
    assert (refused["answer"], refused["rules"][-1]["figure"]) == ("rejected", None)
    assert "nobody has compared space with another space yet" in refused["reasons"][-1]


def test_a_study_of_other_spaces_releases_nothing(paths):
    write_catalog(paths, 9, weight=2.0)
    make_study(write_catalogs(paths.root), 4, paths.study, seed=0, k=1, seconds=1.0)
    answers = Answers(Study.open(paths.study))
    answers.add("a" * 16, 0, "same")
    refused = release(paths, bound_preference(0.5))["catalog"]
    assert refused["answer"] == "rejected"
    assert "does not ask about space, but near, far; make another with `ostinato study make`" in refused["reasons"][-1]


def test_recommendations_go_on_while_the_stage_runs_and_after_it_failed(paths, monkeypatch):
    before = digest(paths.current_release("catalog"))
    monkeypatch.setattr(serving_models, "LOOK_SECONDS", 0)
    store = ModelStore(paths.releases, paths.releases / "catalog")
    assert len(store.catalog()) == 10
    seen = []

    def fail(*_):
        seen.append((paths.catalog.exists(), len(store.catalog()), len(Catalog.load(find_served(paths)))))
        raise OSError("the disk is full")

    monkeypatch.setattr(stage, "_choose_space", fail)
    with pytest.raises(OSError, match="full"):
        stage.run(paths, SimpleNamespace(candidates={}, estimators={}, stacked={}))
    assert seen == [(True, 10, 10)]  # what the stage wrote before stands until the next catalog does
    assert len(store.catalog()) == len(Catalog.load(find_served(paths))) == 10
    assert digest(paths.current_release("catalog")) == before


def test_a_stage_that_finds_no_space_leaves_the_catalog_in_service(paths):
    shutil.rmtree(paths.catalog)
    write_json(paths.catalog / "skipped.json", {"skipped": "no space passed", "mend": "lower its bounds"})
    verdict = release_catalog(paths)
    assert (verdict["answer"], verdict["released"], verdict["reasons"]) == ("skipped", "space", ["no space passed"])
    assert exit_code({"catalog": verdict}) == 0
    assert len(Catalog.load(find_served(paths))) == 10


def test_before_the_first_release_one_is_told_why_there_is_no_catalog(tmp_path):
    paths = Paths(tmp_path)
    write_json(paths.catalog / "skipped.json", {"skipped": "no space passed", "mend": "lower its bounds"})
    with pytest.raises(CatalogError, match="no space passed; lower its bounds"):
        Catalog.load(find_served(paths))
    write_catalog(paths)
    with pytest.raises(CatalogError, match="holds no catalog; run `dvc repro catalog` and `ostinato release`"):
        Catalog.load(find_served(paths))
    with pytest.raises(OstinatoError, match="--task catalog: cannot be released: run `dvc repro catalog` first"):
        release_catalog(Paths(tmp_path / "empty"))


@pytest.mark.parametrize(("n", "answer"), [(8, "released"), (7, "rejected"), (20, "released")])
def test_a_catalog_that_lost_many_tracks_is_refused(paths, n, answer):
    write_catalog(paths, n)
    verdict = release_catalog(paths)
    assert verdict["answer"] == answer
    rule = {rule["rule"]: rule for rule in verdict["rules"]}["vanished"]
    assert (rule["figure"], rule["bound"]) == (max(0, 10 - n) / 10, 0.2)
    assert len(Catalog.load(find_served(paths))) == (n if answer == "released" else 10)
    assert exit_code({"catalog": verdict}) == (0 if answer == "released" else 3)


def test_as_many_tracks_that_are_others_have_vanished_too(paths):
    write_catalog(paths)
    made = Catalog.load(paths.catalog)
    Catalog([f"other{i}" for i in range(10)], made.vectors, version=made.version).save(paths.catalog)
    verdict = release_catalog(paths)
    assert verdict["answer"] == "rejected"
    assert "10 of 10 tracks in service are missing (1.000), above 0.2; if they were removed" in verdict["reasons"][-1]


def test_an_empty_catalog_is_refused(paths):
    write_catalog(paths, 0)
    assert "it has no tracks" in release_catalog(paths)["reasons"]
    assert len(Catalog.load(find_served(paths))) == 10


@pytest.mark.parametrize("name", ["vectors.npy", "graph.voyager", "network.onnx", "catalog.json"])
def test_a_flipped_byte_is_never_put_in_service(paths, name):
    write_catalog(paths, 12, exact_up_to=5)
    content = bytearray((paths.catalog / name).read_bytes())
    content[len(content) // 2 if name != "catalog.json" else 0] ^= 1
    (paths.catalog / name).write_bytes(content)
    assert release_catalog(paths)["answer"] == "rejected"
    assert len(Catalog.load(find_served(paths))) == 10


@pytest.mark.parametrize("name", ["vectors.npy", "catalog.json", "network.onnx"])
def test_a_flipped_byte_in_service_is_told_and_can_be_mended(paths, name):
    file = paths.current_release("catalog") / name
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(OstinatoError, match=f"{name}: is not the file that was released"):
        Catalog.load(find_served(paths))
    store = ModelStore(paths.releases, paths.releases / "catalog")
    assert store.catalog() is None
    assert "is not the file that was released" in store.explain_no_catalog()
    assert release_catalog(paths)["answer"] == "released"
    assert len(Catalog.load(find_served(paths))) == 10


def test_rollback_goes_back_a_catalog_at_a_time_and_holds(paths):
    for n in (11, 12):
        write_catalog(paths, n)
        release_catalog(paths)
    verdict = rollback(paths, ["catalog"])["catalog"]
    assert verdict["answer"] == "rolled back"
    assert "from version 3 (space) to version 2 (space)" in verdict["reasons"][0]
    rollback(paths, ["catalog"])
    assert len(Catalog.load(find_served(paths))) == 10
    assert release_catalog(paths)["answer"] == "held"
    assert len(Catalog.load(find_served(paths))) == 10
    with pytest.raises(OstinatoError, match="no earlier version of catalog"):
        rollback(paths, ["catalog"])
    assert release_catalog(paths, resume=True)["answer"] == "released"
    assert versions.read_pointer(paths.releases / "catalog") == (4, 4, False)
    assert versions.list_versions(paths.releases / "catalog") == [2, 3, 4]


def test_a_model_that_steps_back_leaves_the_catalog_with_its_own_network(paths):
    """The catalog answers with the network it was placed by; one placed by a withdrawn training is not released."""
    for version, weight in enumerate((1.0, 2.0), 1):
        folder = paths.releases / "genre" / str(version)
        folder.mkdir(parents=True)
        write_network(folder, ["a", "b"], weight)
        write_json(folder / "model.json", description("space", "genre", ["a", "b"]))
        write_json(folder / "release.json", {"version": version})
    versions.set_pointer(paths.releases / "genre", versions.Pointer(2, 2))
    write_catalog(paths, weight=2.0)
    assert release_catalog(paths)["answer"] == "released"
    before = digest(paths.current_release("catalog"))
    reasons = rollback(paths, ["genre"])["genre"]["reasons"]
    assert "built by another training run of space than the model in service for genre" in reasons[-1]
    assert "`ostinato release --rollback --task catalog`" in reasons[-1]
    assert digest(paths.current_release("catalog")) == before
    store = ModelStore(paths.releases, paths.releases / "catalog")
    assert store.placement_model().version == store.catalog().version != store.models()["genre"].version
    write_catalog(paths, 11, weight=2.0)
    refused = release_catalog(paths)
    assert refused["answer"] == "rejected"
    assert "built by another training run of space" in refused["reasons"][1]
    assert len(rollback(paths, ["catalog"])["catalog"]["reasons"]) == 1
    assert (
        serving_models.open_space(paths.current_release("catalog")).placement_model.version
        == store.models()["genre"].version
    )


def test_a_network_and_a_catalog_of_different_versions_are_never_served_together(paths, monkeypatch):
    monkeypatch.setattr(serving_models, "LOOK_SECONDS", 0)
    store = ModelStore(paths.releases, paths.releases / "catalog")
    first = store.catalog().version
    assert store.placement_model().version == first
    write_catalog(paths, weight=3.0)
    release_catalog(paths)
    assert store.placement_model().version == store.catalog().version != first


@pytest.mark.parametrize("with_power", [True, False])
def test_a_kill_at_any_step_leaves_a_whole_catalog_and_the_next_run_completes(paths, tmp_path_factory, with_power):
    for n in (11, 12):
        write_catalog(paths, n)
        release_catalog(paths)
    write_catalog(paths, 13, weight=2.0)  # its release removes the first version
    models, start = paths.root / "models", tmp_path_factory.mktemp("start") / "models"
    shutil.copytree(models, start)
    seen = set()

    def check():
        served = find_served(paths)
        versions.check_digests(served)
        seen.add(len(serving_models.open_space(served).catalog))
        assert release_catalog(paths)["answer"] in ("released", "unchanged")
        assert len(Catalog.load(find_served(paths))) == 13
        assert versions.list_versions(paths.releases / "catalog")[-3:] == [2, 3, 4]  # one more may wait to be removed
        assert not list((paths.releases / "catalog").glob(".*"))

    assert kill_at_every_step(models, start, lambda: release_catalog(paths), check, with_power=with_power) > 15
    assert seen == {12, 13}


@pytest.mark.parametrize("with_power", [True, False])
def test_a_kill_in_a_rollback_loses_neither_catalog(paths, tmp_path_factory, with_power):
    write_catalog(paths, 11)
    release_catalog(paths)
    models, start = paths.root / "models", tmp_path_factory.mktemp("start") / "models"
    shutil.copytree(models, start)
    seen = []

    def check():
        seen.append(len(Catalog.load(find_served(paths))))
        for version in versions.list_versions(paths.releases / "catalog"):
            versions.check_digests(paths.releases / "catalog" / str(version))

    assert kill_at_every_step(models, start, lambda: rollback(paths, ["catalog"]), check, with_power=with_power) > 3
    assert (seen[0], seen[-1]) == (11, 10)


def test_the_command_answers_from_what_is_in_service(paths, monkeypatch):
    monkeypatch.chdir(paths.root)
    (paths.root / "params.yaml").write_text("dataset: {name: folder}\nfeatures: {kinds: {mel: {}}}\n")
    assert _find_catalog(None)[0] == Path.cwd() / "models" / "released" / "catalog" / "1"
