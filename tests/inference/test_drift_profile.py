"""Drift of a released model's input: new audio is held against what the model was made of."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from ostinato.audio.context import AudioContext
from ostinato.cache.store import find_folder
from ostinato.cli import app
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.features import mel
from ostinato.inference import drift_profile
from ostinato.io.files import write_json
from ostinato.release import release
from tiny_project import write_cache

RATE = 8_000


def clip(rng, loud=1.0, low=False):
    """Make two seconds of noise of some level, as a clip of the collection or of another one."""
    noise = rng.normal(size=2 * RATE) * rng.uniform(0.02, 0.04) * loud
    return (np.cumsum(noise) * 0.1 if low else noise).astype(np.float32)


@pytest.fixture
def released_project(copy_prepared, tmp_path):
    """Release a model whose tracks are noises."""
    project = copy_prepared(tmp_path, lambda p: p.make_candidates(good=0.9))
    rng, ids = np.random.default_rng(0), sorted(project.splits["track_id"].unique())
    rows = [mel.compute(AudioContext(clip(rng), RATE), sample_rate=RATE, n_mels=8) for _ in ids]
    write_cache(project.paths.feature("mel"), ids, [r.astype(np.float16) for r in rows])
    assert release.release(project.paths, project.params)["genre"]["answer"] == "released"
    return project


def compare_clips(project, folder, **how):
    rng = np.random.default_rng(1)
    folder.mkdir()
    for i in range(40):
        soundfile.write(folder / f"{i}.wav", clip(rng, **how), RATE, subtype="FLOAT")
    (folder / "broken.wav").write_text("no audio")
    return CliRunner().invoke(app, ["drift", str(folder), "--json", "--models", str(project.paths.releases)])


def test_a_profile_is_kept_and_other_music_is_told_from_the_same(released_project, tmp_path):
    assert (released_project.paths.current_release("genre") / drift_profile.PROFILE).exists()
    same = compare_clips(released_project, tmp_path / "same")
    assert same.exit_code == 0, same.output
    other = compare_clips(released_project, tmp_path / "other", low=True)
    assert other.exit_code == 1
    found = {c["group"]: c for c in json.loads(other.stdout)}
    assert set(found) == {"mel mean", "mel spread", "embedding"}
    assert found["mel mean"]["drifted"]
    assert found["mel mean"]["stability"] > 1


def test_a_profile_of_an_earlier_version_is_read(released_project, tmp_path):
    folder = released_project.paths.current_release("genre")
    kept = drift_profile.read_profile(folder)
    rows = [
        {"group": group, "number": i, "edges": edges, "counts": counts}
        for group, described in kept.items()
        for i, (edges, counts) in enumerate(zip(described["edges"], described["counts"], strict=True))
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / drift_profile.OLD_PROFILE, index=False)
    old = drift_profile.read_profile(tmp_path)
    assert list(old) == list(kept)
    for group, described in kept.items():
        for name, values in described.items():
            np.testing.assert_array_equal(old[group][name], values)


def test_a_model_without_a_profile_says_what_to_do(released_project, tmp_path):
    (released_project.paths.current_release("genre") / drift_profile.PROFILE).unlink()
    refused = compare_clips(released_project, tmp_path / "same")
    assert refused.exit_code == 1
    assert "ostinato release" in str(refused.exception)


def test_a_member_s_input_is_looked_up_by_its_feature_and_parameters(tmp_path):
    paths = Paths(tmp_path)
    for kind, n_mels in (("mel", 256), ("mel_short", 64)):
        write_json(paths.feature(kind) / "meta.json", {"parameters": {"n_mels": n_mels}})
    found = [
        find_folder(paths.features, name, "mel", {"n_mels": n_mels})
        for name, n_mels in (("time_mel", 256), ("mel_short", 64), ("time_mel", 96))
    ]
    assert found == [paths.feature("mel"), paths.feature("mel_short"), None]


def test_files_that_cannot_be_read_are_named(released_project, tmp_path, capsys):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "empty.mp3").touch()
    (folder / "lost.wav").symlink_to("nowhere.wav")
    with pytest.raises(OstinatoError, match="drift: no file can be read"):
        drift_profile.compare(released_project.paths.current_release("genre"), [folder], level=0.01)
    told = capsys.readouterr().err
    assert "empty.mp3: is empty (0 bytes)" in told
    assert "lost.wav: a link to nowhere.wav, which does not exist" in told
    with pytest.raises(OstinatoError, match=r"gone\.wav: no such file or folder"):
        drift_profile.compare(released_project.paths.current_release("genre"), [folder / "gone.wav"], level=0.01)
