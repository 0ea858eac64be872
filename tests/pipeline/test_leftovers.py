"""What is left of candidates that are gone: listed, removed on request, and seen by no stage."""

import logging
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from typer.testing import CliRunner

from ostinato.cli import app
from ostinato.core.paths import Paths
from ostinato.datasets import synthetic
from ostinato.io.locks import exclusive
from ostinato.pipeline import graph
from ostinato.pipeline.corpora import find_old_corpora
from ostinato.pipeline.leftovers import find_leftovers, remove, set_aside

ROOT = Path(__file__).parents[2]
HASH = "0123456789abcdef"
KEPT = (
    "models/metrics/a.json",
    "models/test_scores/svm.csv",
    "models/checkpoints/stack/model.safetensors",
    "models/predictions/a/predictions.parquet",
    "models/members/stack/a.parquet",
    "models/members/stack/year.parquet",
    "models/tuned/.gitignore",
    "models/metrics/.hidden.json",
    "models/released/genre/versions/1/network.onnx",
    "models/released/genre/.model.json.1.partial",
    "models/catalog/catalog.json",
    "data/raw/folder/old.partial",
    "data/raw/old/song.wav",
    "data/features/mel/meta.json",
    "data/interim/budget/a.json",
    "data/interim/tracks.parquet",
    f".ostinato/train/a-{HASH}/last.ckpt",
    "music/old.wav",
    "params.yaml",
)
LEFT = (
    "models/metrics/old.json",
    "models/test_scores/old.csv",
    "models/checkpoints/old",
    "models/predictions/old",
    "models/onnx/old",
    "models/tuned/old.json",
    "models/gated/old.json",
    "models/robustness/old.json",
    "models/members/gone",
    "models/members/stack/old.parquet",
    "data/features/cqt",
    "data/features/mel/.shard-00001.npy.0123.partial",
    "data/interim/budget/old.json",
    f".ostinato/train/old-{HASH}",
    f".ostinato/tune/old-{HASH}",
    ".ostinato/dvclive/old",
    ".ostinato/removed",
)
PARAMS = SimpleNamespace(
    candidates={"a": None},
    estimators={"svm": None},
    stacked={"stack": None},
    members={"stack.a": None},
    numbers={"stack.year": None},
    features=SimpleNamespace(kinds={"mel": None}),
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return a project with outputs of candidates that are there and of those that are gone."""
    for name in (*KEPT, *LEFT):
        place = tmp_path / name
        place = place if place.suffix in (".json", ".csv", ".parquet", ".partial") or name in KEPT else place / "file"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(name)
    return Paths(tmp_path)


def list_files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_what_is_left_is_found_and_nothing_else_is_removed(paths: Paths) -> None:
    before = list_files(paths.root)
    leftovers = find_leftovers(paths, PARAMS)
    assert {x.path.relative_to(paths.root).as_posix() for x in leftovers} == set(LEFT)
    assert list_files(paths.root) == before
    assert {x.n_bytes for x in leftovers if x.path.name == "cqt"} == {len("data/features/cqt")}
    assert not any(x.is_tracked for x in leftovers)
    remove(leftovers)
    assert list_files(paths.root) == set(KEPT)
    assert find_leftovers(paths, PARAMS) == []


def test_what_git_tracks_is_named(paths: Paths) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=paths.root, check=True)
    tracked = ("models/metrics/old.json", "models/onnx/old/file", "models/metrics/a.json")
    subprocess.run(["git", "add", *tracked], cwd=paths.root, check=True)
    names = {x.path.relative_to(paths.root).as_posix() for x in find_leftovers(paths, PARAMS) if x.is_tracked}
    assert names == {"models/metrics/old.json", "models/onnx/old"}


def test_stages_that_read_folders_do_not_see_what_is_set_aside(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    outputs = [name for name in LEFT if name.startswith(("models/", "data/interim"))]
    with caplog.at_level(logging.WARNING):
        moved = set_aside(paths, PARAMS)
    assert {path.relative_to(paths.root).as_posix() for path in moved} == set(outputs)
    assert f"{len(outputs)} outputs of candidates that are no longer in params.yaml" in caplog.text
    for name in outputs:
        assert not (paths.root / name).exists()
        assert (paths.removed_outputs / name).exists()
    assert set(KEPT) <= list_files(paths.root)
    assert set_aside(paths, PARAMS) == []
    (paths.root / "models/onnx/old").mkdir()  # once more, as after a candidate came and went again
    assert len(set_aside(paths, PARAMS)) == 1
    assert list((paths.removed_outputs / "models/onnx/old").iterdir()) == []


@pytest.fixture
def project(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Return it params.yaml, and stand in it."""
    given = {
        "dataset": {"name": "folder"},
        "features": {"kinds": {"mel": {}, "year": {}}},
        "candidates": {"a": {"architecture": "time", "feature": "mel", "task": "genre"}},
        "estimators": {"svm": {"estimator": "majority", "feature": "mel", "task": "genre"}},
        "stacked": {"stack": {"architecture": "timefreq", "task": "genre"}},
        "members": {"stack.a": {"of": "stack", "member": "a"}},
        "numbers": {"stack.year": {"of": "stack", "feature": "year"}},
    }
    paths.params.write_text(yaml.safe_dump(given))
    monkeypatch.chdir(paths.root)
    return paths


def test_the_command_lists_first_and_removes_on_request(project: Paths) -> None:
    before = list_files(project.root)
    shown = CliRunner().invoke(app, ["clean"], catch_exceptions=False).output.splitlines()
    assert shown[0] == f"{len(LEFT)} leftovers, 0.0 MB; --yes removes them"
    assert {line.split()[2] for line in shown[1:]} == set(LEFT)
    assert list_files(project.root) == before
    with exclusive(project.lock("train", "a")):
        assert "train@a: is running" in str(CliRunner().invoke(app, ["clean", "--yes"]).exception)
    assert set(LEFT) == {x.path.relative_to(project.root).as_posix() for x in find_leftovers(project, PARAMS)}
    CliRunner().invoke(app, ["clean", "--force"], catch_exceptions=False)
    assert {name for name in list_files(project.root) if "locks" not in name} == set(KEPT)
    assert CliRunner().invoke(app, ["clean"], catch_exceptions=False).output == "0 leftovers, 0.0 MB\n"


def test_a_fresh_clone_has_nothing_left_to_do_after_a_candidate_was_removed(tmp_path: Path) -> None:
    """A stage that reads a folder has the hash of what both machines have."""
    here, clone = tmp_path / "here", tmp_path / "clone"
    here.mkdir()
    (here / "write.py").write_text(
        "import sys; from pathlib import Path\n"
        "path = Path(sys.argv[1]); path.parent.mkdir(parents=True, exist_ok=True); path.write_text(sys.argv[1])\n"
    )
    (here / "budget.py").write_text(
        "import yaml; from pathlib import Path; from types import SimpleNamespace as N\n"
        "from ostinato.pipeline.leftovers import set_aside; from ostinato.core.paths import Paths\n"
        "named = yaml.safe_load(open('params.yaml'))['candidates']\n"
        "set_aside(Paths(Path.cwd()), N(candidates=named, estimators={}, stacked={}, members={}, numbers={}))\n"
        "Path('budget').write_text(str(sorted(named)))\n"
    )
    out = "models/predictions/${key}"
    infer = {"cmd": f"python write.py {out}/x", "deps": ["budget"], "outs": [out]}
    rank = {"cmd": "python write.py ranking", "deps": ["models/predictions"], "outs": ["ranking"]}
    stages = {
        "budget": {"cmd": "python budget.py", "params": ["candidates"], "outs": ["budget"]},
        "infer": {"foreach": "${candidates}", "do": infer},
        "rank": rank | {"params": ["candidates"]},
    }
    (here / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (here / "params.yaml").write_text("candidates: {a: {}, old: {}}\n")
    environment = graph.environment() | {"PYTHONPATH": ":".join(sys.path)}

    def run(*command: str, cwd: Path = here) -> str:
        return subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True, text=True).stdout

    run("git", "init", "--quiet")
    run(*graph.dvc("init", "--quiet"))
    run(*graph.dvc("repro", "--quiet"))
    (here / "params.yaml").write_text("candidates: {a: {}}\n")
    run(*graph.dvc("repro", "--quiet"))
    run("git", "add", "--all")
    run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "Remove a candidate")
    run("git", "clone", "--quiet", str(here), str(clone))
    shutil.copytree(here / ".dvc/cache", clone / ".dvc/cache")
    run(*graph.dvc("checkout", "--quiet"), cwd=clone)
    assert [path.name for path in (clone / "models/predictions").iterdir() if path.is_dir()] == ["a"]
    upstream, changes = graph.read_cached(clone, clone / ".ostinato/standing.json")
    assert graph.find_stale(upstream, changes) == []


def test_corpora_of_former_settings_are_left_and_those_of_runs_are_not(project: Paths, tmp_path: Path) -> None:
    def write(folder: Path, dataset: dict, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        given = yaml.safe_load(project.params.read_text()) | {"dataset": {"name": "synthetic", **dataset}, "seed": seed}
        (folder / "params.yaml").write_text(yaml.safe_dump(given))

    write(project.root, {"seconds": 2.0}, 1)
    write(project.root / "runs" / "paper", {"seconds": 3.0}, 1)
    (project.root / "runs/paper/data").mkdir()
    (project.root / "runs/paper/data/raw").symlink_to(project.root / "data/raw")
    own, of_run, old = (
        synthetic.edition(synthetic.Options(seconds=s), seed) for s, seed in ((2.0, 1), (3.0, 1), (2.0, 2))
    )
    for name in (own, of_run, old, "mine"):
        (project.raw("synthetic") / name / "audio").mkdir(parents=True)
        (project.raw("synthetic") / name / "audio" / "a.flac").write_bytes(bytes(1000))
    (project.raw("folder") / old).mkdir()
    shown = CliRunner().invoke(app, ["clean"], catch_exceptions=False).output
    assert f"data/raw/synthetic/{old}  (rendered with other settings" in shown
    assert [x.path for x in find_old_corpora(project)] == [project.raw("synthetic") / old]
    assert [x.n_bytes for x in find_old_corpora(project)] == [1000]
    assert find_old_corpora(Paths(project.root / "runs/paper")) == []
    CliRunner().invoke(app, ["clean", "--yes"], catch_exceptions=False)
    assert {p.name for p in project.raw("synthetic").iterdir()} == {own, of_run, "mine"}
    assert (project.raw("folder") / old).is_dir()
    shutil.rmtree(project.root / "runs")
    write(project.root, {"name": "folder"}, 1)
    assert {x.path.name for x in find_old_corpora(project)} == {own, of_run}
