"""What is in service changes whole or not at all, and only for a reason."""

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from finished_project import section
from kills import Disk, identify, kill_at_every_step
from ostinato.cli.runs import _time_network
from ostinato.errors import OstinatoError
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import read_json, write_json
from ostinato.io.versions import find_current, list_versions, read_pointer
from ostinato.release.release import exit_code, release, rollback, summary


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir()) if p.is_file()}


def with_incumbent(project):
    project.make_candidates(good=0.6)
    assert release(project.paths, project.params)["genre"]["answer"] == "released"


@pytest.fixture
def incumbent(copy_prepared, tmp_path):
    """Return a project with a released genre model of middling skill, and its digest."""
    project = copy_prepared(tmp_path, with_incumbent)
    return project, digest(project.paths.current_release("genre"))


def genre(project, **options) -> dict:
    return release(project.paths, project.params, **options)["genre"]


def test_with_nothing_released_the_thresholds_alone_decide(project):
    project.make_candidates(good=0.6, poor=0.55)
    verdicts = release(project.paths, project.params)
    assert verdicts["genre"]["answer"] == "released"
    assert (verdicts["genre"]["released"], verdicts["genre"]["previous"]) == ("good", None)
    assert exit_code(verdicts) == 0
    assert json.loads(project.paths.verdict.read_text()) == verdicts
    folder = project.paths.current_release("genre")
    assert {p.name for p in folder.iterdir()} == {
        "card.md", "model.json", "network.onnx", "reference.json", "release.json", "test.parquet",
    }  # fmt: skip
    assert (folder / "network.onnx").read_bytes() == (project.paths.onnx("good") / "network.onnx").read_bytes()


def test_a_task_that_the_dataset_lacks_is_skipped_without_refusal(project):
    project.make_candidates(good=0.6)
    verdicts = release(project.paths, project.params)
    assert verdicts["tags"]["answer"] == "skipped"
    assert verdicts["tags"]["reasons"] == ["skipped: the dataset has no lyrics"]
    assert exit_code(verdicts) == 0


def test_the_best_by_the_first_metric_of_the_gate_leads(project):
    project.make_candidates(good=0.6, poor=0.9)
    assert genre(project)["released"] == "poor"


def test_no_accepted_candidate_is_refused(project):
    project.make_candidates(good=0.05)
    verdicts = release(project.paths, project.params)
    assert verdicts["genre"]["answer"] == "rejected"
    assert "is below 0.4" in verdicts["genre"]["reasons"][0]
    assert exit_code(verdicts) == 3
    assert not project.paths.current_release("genre").exists()


def test_the_same_bytes_are_nothing_to_do(incumbent):
    project, before = incumbent
    verdict = genre(project)
    assert verdict["answer"] == "unchanged"
    assert digest(project.paths.current_release("genre")) == before
    assert verdict["previous"] is None


def test_versions_count_up_and_the_card_says_what_it_is(incumbent):
    project, _ = incumbent
    assert json.loads((project.paths.current_release("genre") / "release.json").read_text())["version"] == 1
    project.make_candidates(good=0.55, poor=0.95)
    assert genre(project)["released"] == "poor"
    folder = project.paths.current_release("genre")
    about = json.loads((folder / "release.json").read_text())
    assert about["version"] == 2
    assert about["latency_ms"] > 0
    assert _time_network(folder) > 0
    assert about["network"] == hashlib.sha256((folder / "network.onnx").read_bytes()).hexdigest()
    card = (folder / "card.md").read_text()
    assert card.startswith("# poor, version 2\n")
    for said in ("blues, jazz, rock", "synthetic, 120 tracks", "synthetic corpus"):
        assert said in card
    assert about["rules"]
    rollback(project.paths)
    assert (project.paths.current_release("genre") / "card.md").read_text().startswith("# good, version 1\n")
    project.make_candidates(good=0.99)
    assert genre(project, resume=True)["answer"] == "released"
    assert json.loads((project.paths.current_release("genre") / "release.json").read_text())["version"] == 3


def test_a_tagger_that_came_later_joins_its_network(incumbent):
    project, _ = incumbent
    (project.paths.onnx("good") / "tagger.onnx").write_bytes(b"the same network in another graph")
    assert genre(project)["answer"] == "released"
    assert (project.paths.current_release("genre") / "tagger.onnx").read_bytes() == b"the same network in another graph"
    assert genre(project)["answer"] == "unchanged"


def test_a_better_one_replaces_and_the_old_one_is_kept(incumbent):
    project, before = incumbent
    project.make_candidates(good=0.6, poor=0.95)
    verdict = genre(project)
    assert (verdict["answer"], verdict["released"], verdict["previous"]) == ("released", "poor", "good")
    assert digest(project.paths.releases / "genre" / "1") == before
    assert any("the lower end is no lower than -0.05" in r for r in verdict["reasons"])


def test_a_worse_one_leaves_the_released_folder_as_it_was(incumbent):
    project, before = incumbent
    project.make_candidates(poor=0.45)
    verdict = genre(project)
    assert (verdict["answer"], verdict["released"]) == ("rejected", "good")
    assert any("the lower end is below -0.05" in r for r in verdict["reasons"])
    assert digest(project.paths.current_release("genre")) == before


@pytest.mark.parametrize(("skill", "answer"), [(0.95, "released"), (0.45, "rejected")])
def test_a_loss_that_leads_is_better_when_lower(incumbent, skill, answer):
    project, _ = incumbent
    bound = project.params.gate["genre"].pop("f1_micro")
    bound.min, bound.max = None, 0.5
    project.params.gate["genre"]["hamming_loss"] = bound
    project.make_candidates(poor=skill)
    assert genre(project)["answer"] == answer


def test_equal_predictions_pass_with_no_drop_allowed(incumbent):
    project, _ = incumbent
    project.params.release.max_drop = 0.0
    project.export("good", weight=2.0)
    verdict = genre(project)
    assert verdict["answer"] == "released"
    assert "+0.0000 [+0.0000, +0.0000] on 30 tracks of 6 groups that neither was trained on" in verdict["reasons"][-1]


def test_only_tracks_that_both_were_tested_on_are_compared(incumbent):
    project, _ = incumbent
    other = project.splits.copy()
    moved = other.index[other["split"] == "test"][:10]
    other.loc[moved, "split"] = "train"
    project.splits = other
    other.to_parquet(project.paths.splits, index=False)
    project.make_candidates(poor=0.95)
    assert "on 20 tracks of 4 groups" in genre(project)["reasons"][-1]


def test_a_track_with_other_audio_is_another_track(incumbent):
    project, _ = incumbent
    project.tables(seed=1)
    project.make_candidates(poor=0.95)
    verdict = genre(project)
    assert verdict["answer"] == "not comparable"
    assert "no track was tested with both" in verdict["reasons"][-1]


@pytest.mark.parametrize(
    ("rule", "bound", "reason"),
    [("parity", 1e-7, "parity 1e-06 is above 1e-07"), ("max_bytes", 10, "bytes are above 10")],
)
def test_rules_of_the_file(project, rule, bound, reason):
    project.make_candidates(good=0.6)
    kept = getattr(project.params.release, rule)
    setattr(project.params.release, rule, bound)
    verdict = genre(project)
    assert verdict["answer"] == "rejected"
    assert any(reason in r for r in verdict["reasons"])
    assert not project.paths.current_release("genre").exists()
    setattr(project.params.release, rule, kept)
    assert genre(project)["answer"] == "released"


def test_an_encoder_whose_licence_forbids_the_declared_use_is_refused(project):
    project.make_candidates(good=0.6)
    model = project.paths.onnx("good") / "model.json"
    write_json(
        model, read_json(model) | {"encoders": {"effnet": {"license": "CC BY-NC-SA 4.0", "trained_on": "Discogs"}}}
    )
    project.params.release.use = "commercial"
    verdict = genre(project)
    assert verdict["answer"] == "rejected"
    assert "the licence of effnet, CC BY-NC-SA 4.0, forbids commercial use" in verdict["reasons"]
    assert not project.paths.current_release("genre").exists()
    project.params.release.use = "research"
    assert genre(project)["answer"] == "released"
    assert "licence CC BY-NC-SA 4.0" in (find_current(project.paths.current_release("genre")) / "card.md").read_text()


def test_encoders_count_among_the_bytes_and_go_where_the_network_goes(project):
    project.make_candidates(good=0.6)
    (project.paths.onnx("good") / "encoder-0123456789ab.onnx").write_bytes(bytes(20_000))
    verdict = genre(project)
    assert verdict["answer"] == "rejected"
    assert any("bytes are above 10,000" in reason for reason in verdict["reasons"])
    project.params.release.max_bytes = 100_000
    assert genre(project)["answer"] == "released"
    served = find_current(project.paths.current_release("genre"))
    assert (served / "encoder-0123456789ab.onnx").stat().st_size == 20_000
    (served / "encoder-0123456789ab.onnx").write_bytes(b"another")
    assert genre(project)["answer"] == "damaged"


@pytest.mark.parametrize(
    ("rule", "bound", "broken"),
    [("parity", 1e-5, 1e-7), ("bytes", 10_000, 10), ("latency_ms", 1e6, 0.0), ("robustness", 0.2, 0.05)],
)
def test_a_task_may_have_rules_of_its_own(project, rule, bound, broken):
    project.make_candidates(good=0.6)
    network = hashlib.sha256((project.paths.onnx("good") / "network.onnx").read_bytes()).hexdigest()
    perturbed = {"mp3": {"value": 0.5, "drop": 0.1}, "gain": {"value": 0.6, "drop": 0.0}}
    measured = {"network": network, "metric": "accuracy", "clean": 0.6, "perturbed": perturbed}
    write_json(project.paths.robustness("good"), measured)
    project.params.gate["genre"][rule] = section(min=None, max=broken)
    verdict = genre(project)
    assert verdict["answer"] == "rejected"
    said = {r["rule"]: r for r in verdict["rules"]}[rule]
    assert (said["kept"], said["bound"]) == (False, broken)
    assert said["figure"] > broken
    assert f"above {broken:g}" in said["reason"]
    project.params.gate["genre"][rule].max = bound
    verdict = genre(project)
    assert verdict["answer"] == "released"
    assert {r["rule"]: r["kept"] for r in verdict["rules"]}[rule] is True


def test_an_allowed_drop_of_one_task(incumbent):
    project, _ = incumbent
    project.make_candidates(poor=0.45)
    project.params.gate["genre"]["drop"] = section(min=None, max=1.0)
    verdict = genre(project)
    assert verdict["answer"] == "released"
    said = {r["rule"]: r for r in verdict["rules"]}["drop"]
    assert (said["kept"], said["bound"]) == (True, -1.0)
    assert -1 < said["figure"] < -0.05


@pytest.mark.parametrize("network", [None, "another"])
def test_robustness_that_was_not_measured_of_this_file_is_refused(project, network):
    project.make_candidates(good=0.6)
    project.params.gate["genre"]["robustness"] = section(min=None, max=1.0)
    if network:
        write_json(project.paths.robustness("good"), {"network": network, "perturbed": {}})
    verdict = genre(project)
    assert verdict["answer"] == "rejected"
    assert "run `ostinato robustness good`" in verdict["reasons"][-1]


def test_a_rule_of_the_release_without_a_max_is_refused(project):
    project.make_candidates(good=0.6)
    project.params.gate["genre"]["bytes"] = section(min=3.0, max=None)
    with pytest.raises(OstinatoError, match="bytes in gate is an upper bound; give it a max"):
        genre(project)


def test_a_slower_one_is_refused_and_a_faster_one_is_not(incumbent, monkeypatch):
    project, before = incumbent
    project.make_candidates(poor=0.95)
    project.params.release.max_latency_ratio = 1.5
    monkeypatch.setattr("ostinato.inference.latency.compute_latency_ratio", lambda new, old: 1.6)
    verdict = genre(project)
    assert verdict["answer"] == "rejected"
    assert "1.60 times as long as before, above 1.5" in verdict["reasons"][-1]
    assert digest(project.paths.current_release("genre")) == before
    monkeypatch.setattr("ostinato.inference.latency.compute_latency_ratio", lambda new, old: 1.4)
    assert genre(project)["answer"] == "released"


def test_a_file_that_export_refused_is_not_released(project):
    project.make_candidates(good=0.6)
    project.export("good", accepted=False, reasons=["differs from the network by 0.2"])
    verdict = genre(project)
    assert verdict["answer"] == "rejected"
    assert verdict["reasons"][-1] == "differs from the network by 0.2"


def test_other_classes_need_to_be_told(incumbent):
    project, before = incumbent
    project.tables(genres=("blues", "jazz", "soul"))
    project.make_candidates(poor=0.95)
    verdicts = release(project.paths, project.params)
    assert verdicts["genre"]["answer"] == "not comparable"
    assert "gone: rock; new: soul" in verdicts["genre"]["reasons"][-1]
    assert exit_code(verdicts) == 3
    assert digest(project.paths.current_release("genre")) == before
    told = genre(project, replace=True)
    assert (told["answer"], told["released"], told["previous"]) == ("released", "poor", "good")


def test_another_dataset_needs_to_be_told(incumbent):
    project, _ = incumbent
    project.make_candidates(poor=0.95)
    project.export("poor", weight=3.0, dataset="folder")
    assert genre(project)["answer"] == "not comparable"
    assert genre(project, replace=True)["answer"] == "released"


def test_replace_does_not_wave_a_worse_one_through(incumbent):
    project, before = incumbent
    project.make_candidates(poor=0.45)
    assert genre(project, replace=True)["answer"] == "rejected"
    assert digest(project.paths.current_release("genre")) == before


def test_rollback_goes_back_a_version_at_a_time_and_holds(incumbent):
    project, first = incumbent
    project.make_candidates(poor=0.8)
    genre(project)
    second = digest(project.paths.current_release("genre"))
    project.make_candidates(poor=0.97)
    genre(project)
    verdict = rollback(project.paths)["genre"]
    assert (verdict["answer"], verdict["released"], verdict["previous"]) == ("rolled back", "poor", "good")
    assert "from version 3 (poor) to version 2 (poor)" in verdict["reasons"][0]
    assert digest(project.paths.current_release("genre")) == second
    assert rollback(project.paths, ["genre"])["genre"]["previous"] is None
    assert digest(project.paths.current_release("genre")) == first
    held = genre(project)
    assert (held["answer"], held["released"]) == ("held", "good")
    assert exit_code({"genre": held}) == 0
    assert digest(project.paths.current_release("genre")) == first
    assert genre(project, resume=True)["answer"] == "released"
    assert read_pointer(project.paths.releases / "genre") == (4, 4, False)


def test_a_held_task_does_not_hold_another(incumbent):
    project, _ = incumbent
    project.make_candidates(poor=0.95, tagger=0.9)
    release(project.paths, project.params)
    rollback(project.paths, ["genre"])
    project.make_candidates(tagger=0.95)
    answers = {task: verdict["answer"] for task, verdict in release(project.paths, project.params).items()}
    assert answers == {"genre": "held", "tags": "released"}


def test_as_many_versions_stay_as_params_say(incumbent):
    project, _ = incumbent
    project.params.release.keep = 2
    project.params.release.max_drop = 1.0
    for skill in (0.8, 0.85, 0.9):
        project.make_candidates(poor=skill)
        project.export("poor", weight=skill)
        genre(project)
    assert list_versions(project.paths.releases / "genre") == [3, 4]


def test_a_model_reads_each_of_its_files_once_for_its_digests(incumbent, monkeypatch):
    project, _ = incumbent
    folder, reads = project.paths.current_release("genre"), Counter()
    read_bytes = Path.read_bytes

    def count(path: Path) -> bytes:
        reads[path.name] += 1
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", count)
    model = ReleasedModel(folder)
    monkeypatch.undo()
    assert reads["network.onnx"] == 1
    (folder / "release.json").unlink()
    assert ReleasedModel(folder).hash == model.hash, "the hash does not depend on how its digests are known"


def test_a_damaged_file_is_neither_served_nor_compared_with(incumbent):
    project, _ = incumbent
    network = project.paths.current_release("genre") / "network.onnx"
    content = bytearray(network.read_bytes())
    content[len(content) // 2] ^= 1
    network.write_bytes(content)
    with pytest.raises(OstinatoError, match=r"network\.onnx: is not the file that was released"):
        ReleasedModel(network.parent)
    project.make_candidates(poor=0.95)
    verdicts = release(project.paths, project.params)
    assert verdicts["genre"]["answer"] == "damaged"
    assert exit_code(verdicts) == 3
    assert "genre: damaged; in service: good" in summary(verdicts)
    for words in ("network.onnx: is not the file that was released", "dvc checkout", "--rollback", "--replace"):
        assert words in verdicts["genre"]["reasons"][-1]
    assert genre(project, replace=True)["answer"] == "released"
    assert ReleasedModel(project.paths.current_release("genre")).name == "poor"
    with pytest.raises(OstinatoError, match=r"network\.onnx: is not the file that was released"):
        rollback(project.paths)


def test_a_model_released_without_versions_stays_in_service_and_gets_one(incumbent):
    project, before = incumbent
    project.make_candidates(poor=0.95)
    genre(project)
    folder = project.paths.releases / "genre"
    new = digest(project.paths.current_release("genre"))
    shutil.copytree(folder / "1", folder.parent / ".previous" / "genre")
    for file in (folder / "2").iterdir():
        file.rename(folder / file.name)
    for leftover in ("1", "2"):
        shutil.rmtree(folder / leftover)
    (folder / "current.json").unlink()
    assert find_current(folder) == folder
    assert ReleasedModel(find_current(folder)).name == "poor"
    assert genre(project)["answer"] == "unchanged"
    assert digest(project.paths.current_release("genre")) == new
    assert {path.name for path in folder.iterdir()} == {"1", "2", "current.json"}
    rollback(project.paths)
    assert digest(project.paths.current_release("genre")) == before


def test_an_earlier_refusal_of_another_task_is_no_refusal_now(incumbent):
    project, _ = incumbent
    write_json(project.paths.verdict, {"embedding": {"answer": "rejected", "reasons": []}})
    assert exit_code(release(project.paths, project.params)) == 0


def test_rollback_without_a_previous_model_says_so(incumbent):
    project, _ = incumbent
    with pytest.raises(OstinatoError, match="nothing to go back to"):
        rollback(project.paths)
    with pytest.raises(OstinatoError, match="no earlier version of tags"):
        rollback(project.paths, ["tags"])
    with pytest.raises(OstinatoError, match="unknown task 'bogus'; choose from genre"):
        rollback(project.paths, ["bogus"])


def test_rollback_brings_back_what_was_deleted_by_hand(incumbent):
    project, before = incumbent
    project.make_candidates(poor=0.95)
    genre(project)
    shutil.rmtree(project.paths.current_release("genre"))
    assert rollback(project.paths)["genre"]["released"] == "good"
    assert digest(project.paths.current_release("genre")) == before


def test_a_gate_older_than_the_params_is_named(incumbent):
    project, before = incumbent
    gate = json.loads(project.paths.gate.read_text())
    write_json(project.paths.gate, {name: said for name, said in gate.items() if name != "poor"})
    with pytest.raises(OstinatoError, match=r"gate\.json: has no entry for poor; run `dvc repro gate`"):
        genre(project)
    assert digest(project.paths.current_release("genre")) == before


def test_what_the_gate_rejects_is_not_released_though_its_file_lies_there(incumbent):
    """An export older than the gate says accepted; what stood in service stays."""
    project, before = incumbent
    project.make_candidates(poor=0.95)
    gate = json.loads(project.paths.gate.read_text())
    for verdict in gate.values():
        verdict["accepted"] = False
    write_json(project.paths.gate, gate)
    assert json.loads((project.paths.onnx("poor") / "export.json").read_text())["accepted"]
    assert genre(project)["answer"] == "rejected"
    assert digest(project.paths.current_release("genre")) == before


def test_a_missing_export_changes_nothing(incumbent):
    project, before = incumbent
    project.make_candidates(poor=0.95)
    shutil.rmtree(project.paths.onnx("poor"))
    with pytest.raises(OstinatoError, match=r"export\.json: is not there"):
        release(project.paths, project.params)
    assert digest(project.paths.current_release("genre")) == before


@pytest.mark.parametrize("with_power", [True, False])
def test_a_kill_at_any_step_leaves_a_whole_model_and_the_next_run_completes(incumbent, tmp_path_factory, with_power):
    project, _ = incumbent
    project.params.release.keep = 2
    project.make_candidates(poor=0.8)
    genre(project)  # so that the next one removes the first
    middle = digest(project.paths.current_release("genre"))
    project.make_candidates(poor=0.97)
    models, start = project.paths.root / "models", tmp_path_factory.mktemp("start") / "models"
    shutil.copytree(models, start)
    new = hashlib.sha256((project.paths.onnx("poor") / "network.onnx").read_bytes()).hexdigest()
    seen = set()

    def check():
        now = digest(project.paths.current_release("genre"))
        assert now == middle or (now["network.onnx"] == new and set(now) == set(middle))
        assert ReleasedModel(project.paths.current_release("genre")).name == "poor"
        seen.add(now["network.onnx"])
        verdict = genre(project)
        assert digest(project.paths.current_release("genre"))["network.onnx"] == new
        assert (verdict["released"], verdict["previous"]) == ("poor", "poor")
        assert digest(project.paths.releases / "genre" / "2") == middle

    steps = kill_at_every_step(
        models, start, lambda: release(project.paths, project.params), check, with_power=with_power
    )
    assert steps > 15
    assert seen == {middle["network.onnx"], new}


@pytest.mark.parametrize("with_power", [True, False])
def test_a_kill_in_a_rollback_loses_neither_model(incumbent, tmp_path_factory, with_power):
    project, old = incumbent
    project.make_candidates(poor=0.95)
    genre(project)
    new = digest(project.paths.current_release("genre"))
    models, start = project.paths.root / "models", tmp_path_factory.mktemp("start") / "models"
    shutil.copytree(models, start)
    seen = []

    def check():
        seen.append(digest(project.paths.current_release("genre")))
        assert [digest(project.paths.releases / "genre" / version) for version in "12"] == [old, new]

    assert kill_at_every_step(models, start, lambda: rollback(project.paths), check, with_power=with_power) > 3
    assert seen[0] == new
    assert seen[-1] == old
    assert all(state in (old, new) for state in seen)


@pytest.mark.parametrize("with_power", [True, False])
def test_a_kill_while_a_release_gets_its_first_version_loses_nothing(incumbent, tmp_path_factory, with_power):
    project, before = incumbent
    folder = project.paths.releases / "genre"
    for file in (folder / "1").iterdir():
        file.rename(folder / file.name)
    (folder / "1").rmdir()
    (folder / "current.json").unlink()
    models, start = project.paths.root / "models", tmp_path_factory.mktemp("start") / "models"
    shutil.copytree(models, start)

    def check():
        assert digest(project.paths.current_release("genre")).items() >= before.items()
        assert genre(project)["answer"] == "unchanged"
        assert {path.name for path in folder.iterdir()} == {"1", "current.json"}
        assert digest(project.paths.current_release("genre")) == before

    assert (
        kill_at_every_step(models, start, lambda: release(project.paths, project.params), check, with_power=with_power)
        > 10
    )


@pytest.mark.parametrize("with_power", [True, False])
def test_a_first_release_that_was_killed_is_completed_by_the_next(project, tmp_path_factory, with_power):
    project.make_candidates(good=0.6)
    models, start = project.paths.root / "models", tmp_path_factory.mktemp("start") / "models"
    shutil.copytree(models, start)

    def check():
        assert genre(project)["released"] == "good"
        assert ReleasedModel(project.paths.current_release("genre")).name == "good"
        assert {path.name for path in (project.paths.releases / "genre").iterdir()} == {"1", "current.json"}

    steps = kill_at_every_step(
        models, start, lambda: release(project.paths, project.params), check, with_power=with_power
    )
    assert steps > 30


def test_a_release_that_ended_is_on_the_disk(project):
    """The power may go at once: every name and every byte of what is in service was forced to the disk."""
    project.make_candidates(good=0.6)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(project.paths.root, patch.setattr)
        release(project.paths, project.params)
    releases = project.paths.releases
    names = [path for path in disk.unsynced_folders if path == releases.parent or path.is_relative_to(releases)]
    assert names == [project.paths.verdict.parent]
    assert not {identify(path) for path in releases.rglob("*") if path.is_file()} & disk.unsynced


@pytest.mark.parametrize(
    "content",
    ['{"version": 1, "newest', '{"version": 1, "newer": 1, "hold": false}', '{"version": "1", "newest": 1}', "[]"],
)
def test_a_damaged_pointer_is_refused_with_the_mend_which_helps(incumbent, content):
    project, before = incumbent
    pointer = project.paths.releases / "genre" / "current.json"
    pointer.write_text(content)
    with pytest.raises(OstinatoError, match=r"current\.json: is damaged; delete it and run `ostinato release`"):
        genre(project)
    pointer.unlink()
    assert genre(project)["answer"] == "unchanged"
    assert digest(project.paths.current_release("genre")) == before


def test_verdicts_of_other_tasks_stand(incumbent):
    project, _ = incumbent
    write_json(
        project.paths.verdict, {"embedding": {"answer": "released", "released": "x", "previous": None, "reasons": []}}
    )
    assert set(release(project.paths, project.params)) == {"genre", "tags"}
    assert set(json.loads(project.paths.verdict.read_text())) == {"embedding", "genre", "tags"}


def test_a_summary_ends_with_why_something_was_refused(project):
    project.make_candidates(good=0.05, tagger=0.9)
    lines = summary(release(project.paths, project.params)).splitlines()
    assert lines[0] == "tags: released; in service: tagger"
    assert "genre: rejected; in service: nothing" in lines
    assert "is below 0.4" in lines[-1]
