"""Exported files in other versions of ONNX Runtime, each in an environment of its own."""

import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest
import torch

from export.test_networks_and_estimators import SHAPE, small, stack
from export.test_tagger import RATE, describe_input, music, network
from ostinato.core import registry
from ostinato.export import estimators, graphs, networks, tagger
from ostinato.training import estimator

RUNTIMES = {"oldest": ("onnxruntime==1.17.3", "numpy<2"), "newest": ("onnxruntime",)}
RUN = """
import sys, numpy, onnxruntime
for path in sys.argv[1:]:
    session = onnxruntime.InferenceSession(path + ".onnx", providers=["CPUExecutionProvider"])
    with numpy.load(path + ".npz") as inputs:
        outputs = session.run(None, {name: inputs[name] for name in inputs.files})
    numpy.savez(path + ".out.npz", *outputs)
print(onnxruntime.__version__)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[Path, list[np.ndarray]]:
    """Write each kind of file with inputs, and give what the runtime of this environment makes of them."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, *SHAPE)).astype(np.float32)
    models = {"network": (networks.convert(small(0), {"mel": SHAPE}, opset=18), {"mel": x})}
    both = stack("single")
    models["stack"] = (
        networks.convert(both, dict.fromkeys(("one", "other"), SHAPE), opset=18),
        {"one": x, "other": x[:3]},
    )
    rows = rng.normal(size=(60, 6)).astype(np.float32)
    target = np.eye(3, dtype=np.float32)[np.arange(60) % 3]
    for name in registry.names("ostinato.estimators"):
        fitted = estimator.fit(registry.load("ostinato.estimators", name), rows, target, 0, {})
        content = estimator.to_onnx(fitted, 6, "single", 3)
        models[name] = (estimators.convert(content, "single", "mfcc"), {"mfcc": rows})
    inputs = {kind: describe_input(kind) for kind in registry.names("ostinato.export.twins")}
    for kind, read in inputs.items():
        about = {"name": kind, "kind": "single", "level": "chunk", "classes": ["a", "b", "c"], "inputs": {kind: read}}
        models[f"tagger_{kind}"] = (tagger.convert(network({kind: read}), about), {"waveform": music(3.0)[: 2 * RATE]})
    folder, expected = tmp_path_factory.mktemp("files"), {}
    for name, (model, feeds) in models.items():
        (folder / f"{name}.onnx").write_bytes(graphs.annotate(model, {}))
        np.savez(folder / f"{name}.npz", **feeds)
        expected[folder / name] = graphs.session((folder / f"{name}.onnx").read_bytes()).run(None, feeds)
    return expected


@pytest.mark.slow
@pytest.mark.parametrize("packages", RUNTIMES.values(), ids=RUNTIMES)
def test_files_give_the_same_in_another_runtime(files, tmp_path, packages):
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(packages)} cannot be had: {done.stderr.strip().splitlines()[-1]}")
    done = subprocess.run([python, "-c", RUN, *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path, expected in files.items():
        with np.load(f"{path}.out.npz") as outputs:
            assert len(outputs.files) == len(expected)
            for name, theirs in zip(outputs.files, expected, strict=True):
                largest = max(1.0, np.abs(theirs).max())
                # a tagger rounds its feature to float16, as the cache does, where the last bit of a product may decide
                allowed = 1e-4 if path.name.startswith("tagger") else 1e-5
                assert np.abs(outputs[name] - theirs).max() / largest < allowed, (path.name, name)
    assert done.stdout.strip() == packages[0].partition("==")[2] or "==" not in packages[0]
