"""Figures against a git revision: worse is red, the same is green."""

import json
import subprocess
import sys

import pytest

from ostinato.errors import OstinatoError
from ostinato.evaluation.compare import compare
from ostinato.evaluation.contest import Difference
from ostinato.evaluation.earlier import Earlier
from ostinato.files import write_json

NAMES = ("good", "poor", "tagger", "svm", "stack")


def git(root, *arguments):
    subprocess.run(
        ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        check=True,
        capture_output=True,
    )


def in_a_repository(project):
    project.judged(good=0.7, tagger=0.7)
    git(project.paths.root, "init", "-q")
    git(project.paths.root, "add", "models/metrics", "models/gate.json")
    git(project.paths.root, "commit", "-qm", "Figures")


@pytest.fixture
def repository(prepared, tmp_path):
    """Give a project in a folder of a git repository, its figures committed."""
    return prepared(tmp_path, in_a_repository)


def change(project, name, metric, by):
    path = project.paths.metrics(name)
    metrics = json.loads(path.read_text())
    metrics["test"][metric]["value"] = round(metrics["test"][metric]["value"] + by, 6)
    write_json(path, metrics)


def test_nothing_changed_is_green(repository):
    found = compare(repository.paths.root, "HEAD", NAMES, 0.02)
    assert found.exit_code == 0
    assert "Nothing is worse by more than 0.02 and chance." in found.markdown
    assert "- unchanged: `good`, `tagger`\n" in found.markdown
    assert len(found.markdown.splitlines()) < 8  # however many metrics there are


@pytest.mark.parametrize(
    ("metric", "by", "code"),
    [
        ("f1_micro", -0.03, 1),
        ("f1_micro", -0.02, 0),
        ("f1_micro", +0.03, 0),
        ("log_loss", +0.03, 1),
        ("log_loss", -0.03, 0),
        ("hamming_loss", +0.03, 1),
    ],
)
def test_the_wrong_way_beyond_the_tolerance_is_red(repository, metric, by, code):
    change(repository, "good", metric, by)
    found = compare(repository.paths.root, "HEAD", NAMES, 0.02)
    assert found.exit_code == code
    assert (f"good: {metric} went from" in found.markdown) == bool(code)
    assert f"{by:+.4f}" in found.markdown


@pytest.mark.parametrize(("high", "code"), [(-0.001, 1), (0.0, 0), (0.05, 0)])
def test_a_fall_beyond_the_tolerance_counts_only_if_its_interval_excludes_zero(repository, high, code):
    change(repository, "good", "f1_micro", -0.1)
    asked = []

    def paired(*about):
        asked.append(about)
        return Difference(-0.1, -0.2, high, 30, 6)

    found = compare(repository.paths.root, "HEAD", NAMES, 0.02, paired)
    assert found.exit_code == code
    assert asked == [("good", "genre", "f1_micro")]  # what is within the tolerance is not asked about
    assert f"[-0.2000, {high:+.4f}] on 30 tracks" in found.markdown
    assert ("may be chance" in found.markdown) == (not code)


def test_without_predictions_the_figures_alone_decide_and_it_says_so(repository):
    change(repository, "good", "f1_micro", -0.1)
    earlier = Earlier(repository.paths, "HEAD", repository.params)
    found = compare(repository.paths.root, "HEAD", NAMES, 0.02, earlier.difference)
    assert found.exit_code == 1
    assert "figures alone: the predictions of both are not at hand" in found.markdown


@pytest.mark.slow
def test_predictions_that_dvc_kept_tell_a_fall_from_chance(repository):
    root, file = repository.paths.root, repository.paths.predictions("good") / "predictions.parquet"
    kept = ["models/predictions/good", "data/interim/tracks.parquet", "data/interim/splits.parquet"]
    for arguments in (["init", "-q"], ["add", "-q", *kept]):
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, check=True, capture_output=True)
    git(root, "add", "-A", "--", ".dvc", ".dvcignore", "models/predictions", "data/interim")
    git(root, "commit", "-qm", "Predictions")
    earlier, before = Earlier(repository.paths, "HEAD", repository.params), file.read_bytes()
    repository.judged(good=0.2, tagger=0.7)
    found = compare(root, "HEAD", NAMES, 0.02, earlier.difference)
    assert found.exit_code == 1
    assert "**worse**: paired -" in found.markdown
    file.write_bytes(before)
    same = earlier.difference("good", "genre", "f1_micro")
    assert (same.value, same.low, same.high, same.n_tracks) == (0, 0, 0, 30)


def test_a_worse_prediction_is_red(repository):
    repository.judged(good=0.5, tagger=0.7)
    found = compare(repository.paths.root, "HEAD", NAMES, 0.02)
    assert found.exit_code == 1
    assert any(r.startswith("good: f1_micro went from") for r in found.regressions)
    assert not any(r.startswith("tagger") for r in found.regressions)


def test_what_only_one_side_has_is_said_and_is_no_regression(repository):
    repository.params.candidates["newcomer"] = repository.params.candidates["good"]
    repository.judged(good=0.7, tagger=0.7, newcomer=0.6)
    repository.paths.metrics("poor").unlink()
    found = compare(repository.paths.root, "HEAD", ("good", "newcomer", "tagger", "poor"), 0.02)
    assert found.exit_code == 0
    assert "`newcomer` is new" in found.markdown
    assert "`stack` is gone" in found.markdown
    assert "`poor` is missing" in found.markdown


def test_a_candidate_that_the_gate_no_longer_accepts_is_red(repository):
    repository.params.gate["genre"]["f1_micro"].min = 0.99
    repository.gate()
    found = compare(repository.paths.root, "HEAD", NAMES, 0.02)
    assert found.regressions == ("good: the gate accepted it in HEAD and does not any more",)


def test_a_skipped_candidate_says_why(repository):
    found = compare(repository.paths.root, "HEAD", NAMES, 0.02).markdown
    assert "- skipped here, the dataset has no lyrics: `poor`, `svm`, `stack`\n" in found


def test_only_what_differs_has_a_row(repository):
    change(repository, "good", "f1_micro", -0.01)
    rows = [r for r in compare(repository.paths.root, "HEAD", NAMES, 0.02).markdown.splitlines() if r.startswith("| ")]
    assert [r.split()[1] for r in rows] == ["metric", "f1_micro"]


def test_another_split_is_pointed_out(repository):
    path = repository.paths.metrics("good")
    metrics = json.loads(path.read_text())
    metrics["split"]["hash"] = "other"
    write_json(path, metrics)
    assert "split otherwise than there" in compare(repository.paths.root, "HEAD", NAMES, 0.02).markdown


def test_an_undefined_figure_is_not_compared(repository):
    path = repository.paths.metrics("tagger")
    metrics = json.loads(path.read_text())
    metrics["test"]["map_macro"]["value"] = None
    write_json(path, metrics)
    found = compare(repository.paths.root, "HEAD", NAMES, 0.02)
    assert found.exit_code == 0
    assert "| undefined | | not comparable |" in found.markdown


def test_an_unknown_revision_and_one_without_figures_are_refused(repository):
    with pytest.raises(OstinatoError, match="name a revision such as main"):
        compare(repository.paths.root, "nowhere", NAMES, 0.02)
    git(repository.paths.root, "rm", "-rq", "--cached", "models")
    git(repository.paths.root, "commit", "-qm", "Remove the figures")
    with pytest.raises(OstinatoError, match="HEAD: holds no models/metrics"):
        compare(repository.paths.root, "HEAD", NAMES, 0.02)
