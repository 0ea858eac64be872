"""What asks a released model runs with the light install alone, outside a clone, by anyone."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import ostinato
from declarations import list_declared, write_metadata
from ostinato.cli import app
from ostinato.core import extras
from ostinato.core.extras import normalise_name
from ostinato.errors import OstinatoError
from ostinato.inference import drift, drift_profile
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import write_json
from serving.served_project import Served, play, release

SOURCE = Path(__file__).parents[2] / "src"
RUNNER = """
import json, sys
absent = set(json.loads(sys.argv.pop(1)))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from ostinato.__main__ import main
main()
"""


def close(names: Iterable[str]) -> set[str]:
    """Add what distributions bring themselves."""
    waiting, closed = sorted(names), set()
    while waiting:
        name = waiting.pop()
        if name not in closed:
            closed.add(name)
            lines = distribution(name).requires or []
            waiting += [normalise_name(re.match(r"[\w.-]+", line).group()) for line in lines if is_needed(line)]
    return closed


def is_needed(line: str) -> bool:
    return "extra ==" not in line and "win32" not in line and "Windows" not in line and "PyPy" not in line


@pytest.fixture(scope="module")
def absent_modules() -> str:
    """Return the modules of this environment that the light install lacks, as JSON."""
    names = close(list_declared("")) | {"ostinato"}
    owners = packages_distributions()
    return json.dumps([m for m, ds in owners.items() if not names & {normalise_name(d) for d in ds}])


@pytest.fixture
def run(absent_modules, tmp_path):
    """Return a function that runs a command in an empty folder, with the light install's modules and no HOME."""
    here, metadata = tmp_path / "empty", write_metadata(tmp_path / "installed")
    here.mkdir()

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{metadata}:{SOURCE}", "HOME": "/nonexistent"}
        command = [sys.executable, "-c", RUNNER, absent_modules, *map(str, arguments)]
        done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
        assert list(here.iterdir()) == []
        return done

    return call


@pytest.fixture(scope="module")
def served_project(tmp_path_factory) -> Served:
    """Return released models, a catalog, and a profile of the tones that they are asked about."""
    served = Served(tmp_path_factory.mktemp("served"))
    served.catalog(24)
    model = ReleasedModel(served.genre)
    tracks = list(drift_profile.iterate_rows(model, [served.sounds]))
    write_json(served.genre / drift_profile.PROFILE, drift.profile(drift_profile.collect_features(model, tracks)))
    return served


def test_help_and_version(run) -> None:
    assert run("--version").stdout.startswith("ostinato ")
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "predict" in done.stdout


@pytest.mark.parametrize("what", ["", "genre", "genre/model.json", "genre/network.onnx"])
def test_predict_finds_models_by_a_folder_or_a_file(run, served_project, what) -> None:
    done = run("predict", served_project.sounds / "tone 0.wav", "--json", "--models", served_project.releases / what)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["task"] == "genre"
    assert set(answer["scores"]) == {"blues", "jazz", "rock"}


def test_predict_takes_one_version_and_the_task_that_it_has(run, served_project, tmp_path) -> None:
    version = release(tmp_path / "tags" / "3", "tags")
    (tmp_path / "tags" / "current.json").write_text(json.dumps({"version": 3, "newest": 3, "hold": False}))
    for models in (tmp_path / "tags", version, version / "network.onnx"):
        done = run("predict", served_project.sounds / "tone 0.wav", "--json", "--models", models)
        assert json.loads(done.stdout)["task"] == "tags"
    refused = run("predict", served_project.sounds / "tone 0.wav", "--models", served_project.sounds)
    assert refused.returncode == 2
    assert "no model is released" in refused.stderr


def test_other_formats_are_read_by_ffmpeg(run, served_project, tmp_path) -> None:
    import av

    with av.open(str(tmp_path / "tone.m4a"), "w") as target:
        stream = target.add_stream("aac", rate=8000)
        with av.open(str(served_project.sounds / "tone 0.wav")) as source:
            for frame in source.decode(audio=0):
                target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    done = run("predict", tmp_path / "tone.m4a", "--json", "--models", served_project.releases)
    assert (done.returncode, json.loads(done.stdout)["task"]) == (0, "genre")


def test_recommend(run, served_project) -> None:
    sound = play(served_project.root / "asked.wav", frequency=210.0)
    done = run("recommend", sound, "--catalog", served_project.root / "catalog", "-k", 3, "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["track_ids"]) == 3


def test_a_program_gets_the_answers_of_the_command(run, served_project) -> None:
    sound = served_project.sounds / "tone 0.wav"
    printed = json.loads(run("predict", sound, "--json", "--models", served_project.releases).stdout)
    answer = {key: value for key, value in printed.items() if key not in ("content_hash", "model_hash")}  # for resuming
    model = ostinato.load_model(served_project.releases)
    assert (model.task, model.classes) == ("genre", ("blues", "jazz", "rock"))
    assert model.predict(sound) == answer
    assert model.predict(str(sound)) == answer
    samples, sample_rate = soundfile.read(sound, dtype="float32")
    of_samples = model.predict(samples, sample_rate)
    assert of_samples["scores"] == answer["scores"]
    assert "path" not in of_samples
    stereo = np.stack([samples, samples], axis=1)
    assert model.predict(stereo, sample_rate)["scores"] == answer["scores"]
    catalog = ostinato.load_catalog(served_project.root / "catalog")
    np.testing.assert_allclose(model.embed(sound), model.embed(samples, sample_rate))
    own = catalog.vectors[catalog.row("tone0")]
    place = model.embed(sound)
    np.testing.assert_allclose(place / np.linalg.norm(place), own / np.linalg.norm(own), atol=1e-3)


def test_a_program_is_told_what_it_must_say(served_project) -> None:
    model = ostinato.load_model(served_project.releases, task="tags")
    assert model.task == "tags"
    with pytest.raises(OstinatoError, match="samples need their sample_rate"):
        model.predict(np.zeros(8000, np.float32))
    with pytest.raises(OstinatoError, match="no model is released"):
        ostinato.load_model(served_project.sounds)
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        _ = ostinato.load_modle


def test_importing_the_package_imports_nothing_heavy() -> None:
    asked = "import ostinato, sys; print(sorted({'numpy', 'onnxruntime', 'ostinato.api'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_drift(run, served_project) -> None:
    done = run("drift", served_project.sounds, "--json", "--models", served_project.releases)
    assert done.returncode == 0, done.stderr
    assert {change["group"] for change in json.loads(done.stdout)} == {"mel mean", "mel spread", "embedding"}


@pytest.mark.parametrize(
    ("arguments", "needs", "extra"),
    [
        (["train", "time_mel"], "ostinato train needs PyTorch", "train"),
        (["serve"], "ostinato serve needs fastapi", "serve"),
        (["validate"], "ostinato validate needs", "pipeline"),
        (["label", ".", "--labels", "t.csv"], "ostinato label needs", "data,serve"),
        (["predict", "a.wav", "--model", "musicnn"], "--model musicnn needs ONNX", "encoders"),
        (["predict", "a.csv", "--models", "MODELS"], "a.csv needs pandas", "data"),
        (["import-weights", "a", "b"], "ostinato import-weights needs ONNX", "encoders"),
    ],
)
def test_a_missing_extra_is_named_by_what_needs_it(
    metadata, monkeypatch, served_project, tmp_path, arguments, needs, extra
) -> None:
    light = close(list_declared(""))
    monkeypatch.setattr(extras, "_is_installed", lambda name: name in light)
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "a.csv"):
        (tmp_path / name).touch()
    refused = CliRunner().invoke(app, [str(served_project.releases) if a == "MODELS" else a for a in arguments])
    text = f"{refused.exception}\n{refused.output}"
    assert needs in text
    assert f"pip install 'ostinato[{extra}]'" in text


def test_a_module_that_turns_out_to_be_missing_is_explained(run, served_project, tmp_path) -> None:
    shutil.copytree(served_project.releases / "genre", tmp_path / "old" / "genre")
    folder = tmp_path / "old" / "genre"
    (folder / drift_profile.PROFILE).rename(folder / drift_profile.OLD_PROFILE)
    refused = run("drift", served_project.sounds, "--models", tmp_path / "old")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1] == "ostinato: ostinato drift needs pandas: pip install 'ostinato[data]'"


def test_a_library_of_another_machine_is_named(served_project, tmp_path) -> None:
    package = tmp_path / "soxr"
    package.mkdir()
    (package / "__init__.py").write_text("from soxr import soxr_ext\n")
    library = package / f"soxr_ext{EXTENSION_SUFFIXES[0]}"
    library.write_bytes(b"\x7fELF\x01" + bytes(200))  # of 32 bits
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{SOURCE}"}
    command = [sys.executable, "-m", "ostinato", "predict", served_project.sounds / "tone 0.wav"]
    done = subprocess.run(
        [*command, "--models", served_project.releases], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"ostinato: {library}: cannot be loaded (")
    assert done.stderr.endswith("; `ostinato doctor` names the package\n")
    assert len(done.stderr.splitlines()) == 1
