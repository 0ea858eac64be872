"""Members of a stack of which a track, or the whole dataset, may have nothing."""

import numpy as np
import pandas as pd
import pytest
from test_stage_numbers import STACK, make

import tiny_project
from ostinato.core.params import load
from ostinato.core.params.yaml_io import write
from ostinato.errors import ParamsError
from ostinato.export import graphs
from ostinato.io.files import read_json, write_json
from ostinato.stages import evaluate, export, infer, member, train, tune
from ostinato.training.data.member_logits import read_member, write_logits

ALBUMS = {
    **STACK,
    "optional": ["other_mel"],
    "network": {"hidden": [16], "roles": {"tiny_mel": "mfcc", "other_mel": "albums"}, "absent": ["albums"]},
}
LACKING = ["track000", "track010", "track020", "track035"]


def settings(**changes):
    untuned = {n: {**tiny_project.PARAMS["candidates"][n], "n_trials": 0} for n in ("tiny_mel", "other_mel")}
    stacked = {"both": {**ALBUMS, **changes}}
    return tiny_project.settings(candidates=untuned, stacked=stacked)


@pytest.fixture
def project(tmp_path):
    paths, params = make(tmp_path / "project"), settings()
    for name in ("tiny_mel", "other_mel"):
        for stage in (tune, train, infer):
            stage.run(paths, params, name)
    for edge in params.members:
        member.run(paths, params, edge)
    return paths


def change(paths, name, alter):
    """Alter a member's table and what is said about it."""
    file = paths.member_logits("both") / f"{name}.parquet"
    write_logits(file, *alter(*read_member(file)))


def fit(paths, params):
    for stage in (tune, train, infer, evaluate):
        stage.run(paths, params, "both")
    write_json(paths.gate_result("both"), {"accepted": True, "reasons": []})
    export.run(paths, params, "both")
    found = pd.read_parquet(paths.predictions("both") / "predictions.parquet")
    return found["track_id"].tolist(), np.stack(found["logits"])


def test_a_track_that_an_optional_member_lacks_is_taken_all_the_same(project):
    change(project, "other_mel", lambda table, about: (table[~table["track_id"].isin(LACKING)], about))
    track_ids, logits = fit(project, settings())
    assert set(LACKING) < set(track_ids)
    assert len(track_ids) == 36
    assert np.isfinite(logits).all()
    model = read_json(project.onnx("both") / "model.json")
    assert set(model["inputs"]) == {"tiny_mel", "other_mel"}
    assert "unknown" not in model


def test_a_track_that_another_member_lacks_is_passed_over(project):
    change(project, "tiny_mel", lambda table, about: (table[~table["track_id"].isin(LACKING)], about))
    track_ids, _ = fit(project, settings())
    assert not set(LACKING) & set(track_ids)
    assert len(track_ids) == 32


def of_pictures(table, about):
    ((name, given),) = about["inputs"].items()
    return table, about | {"inputs": {name: given | {"source": "cover"}}}


def skip_covers(table, about):
    return table.iloc[:0], {"skipped": "the dataset has no covers"}


@pytest.mark.parametrize("alter", [of_pictures, skip_covers])
def test_the_file_does_without_what_no_audio_tells(project, alter):
    change(project, "other_mel", alter)
    track_ids, logits = fit(project, settings())
    assert len(track_ids) == 36
    assert np.isfinite(logits).all()
    model = read_json(project.onnx("both") / "model.json")
    assert (list(model["inputs"]), model["unknown"]) == (["tiny_mel"], ["other_mel"])
    opened = graphs.session((project.onnx("both") / "network.onnx").read_bytes())
    assert [i.name for i in opened.get_inputs()] == ["tiny_mel"]
    chunks = np.random.default_rng(0).normal(size=(3, 1, 8, 16)).astype(np.float32)
    assert np.isfinite(opened.run(["logits"], {"tiny_mel": chunks})[0]).all()


def test_a_member_that_is_not_optional_skips_its_stack(project):
    change(project, "other_mel", skip_covers)
    tune.run(project, settings(optional=[]), "both")
    train.run(project, settings(optional=[]), "both")
    reason = read_json(project.checkpoints("both") / "skipped.json")["skipped"]
    assert reason == "its member other_mel was skipped: the dataset has no covers"


@pytest.mark.parametrize(
    ("optional", "message"),
    [
        (["other_mle"], r"stacked\.both: optional: 'other_mle' is not a member; .*did you mean 'other_mel'"),
        (["tiny_mel", "other_mel"], r"stacked\.both: all its members are optional; remove one"),
    ],
)
def test_what_cannot_be_optional_is_refused(tmp_path, optional, message):
    given = settings(optional=optional).model_dump(by_alias=True, exclude_unset=True)
    file = tmp_path / "params.yaml"
    write(file, given | {"features": {"kinds": {"mel": {}, "cqt": {}}}})
    with pytest.raises(ParamsError, match=message):
        load(file)
