"""Measure what `dvc repro` costs with forty candidates when nothing has changed.

``python -m bench.repro`` builds a temporary project with forty candidates on a dozen
short clips, runs the stages before training, writes placeholders for the outputs of
training, records them (`dvc commit`), and times `dvc repro` against one start of Python
with `import pandas`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[1]
N_CANDIDATES = 40
N_OTHERS = 3  # two estimators and a stack
ENVIRONMENT = os.environ | {
    "DVC_NO_ANALYTICS": "1",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


def write_project(root: Path) -> None:
    """Write a copy of the project with forty candidates and a dozen clips."""
    for name in ("src", "dvc.yaml", ".dvcignore", ".gitignore", "params.yaml"):
        source = PROJECT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["dataset"] |= {"n_genres": 2, "n_artists": 12, "tracks_per_artist": 1, "seconds": 4.0}
    n_networks = N_CANDIDATES - N_OTHERS
    params["candidates"] = {
        f"time_mel_{i:02d}": {"architecture": "time", "feature": "mel", "task": "genre"} for i in range(n_networks)
    }
    params["stacked"] = {"timefreq_mel": params["stacked"]["timefreq_mel"]}
    params["features"]["kinds"] = {kind: {} for kind in ("mel", "mfcc")}
    params["members"] = {
        "timefreq_mel.time_mel_00": {"of": "timefreq_mel", "member": "time_mel_00"},
        "timefreq_mel.time_mel_01": {"of": "timefreq_mel", "member": "time_mel_01"},
    }
    params["numbers"] = params["regressions"] = {}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)


def run_dvc(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run DVC in the temporary project."""
    environment = ENVIRONMENT | {"PYTHONPATH": str(root / "src")}
    result = subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=root, env=environment, capture_output=True, text=True
    )
    if result.returncode:
        sys.exit(f"dvc {' '.join(words)}: {result.stderr}")
    return result


def write_placeholders(root: Path) -> None:
    """Write placeholders for the outputs of training, so that every stage can be recorded."""
    for out in _list_outs(root):
        path = root / out
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_text("{}\n")
        else:
            path.mkdir()
            (path / "placeholder.json").write_text("{}\n")


def _list_outs(root: Path) -> list[str]:
    text = run_dvc(root, "dag", "--outs", "--dot").stdout
    outs = {line.split('"')[1] for line in text.splitlines() if '"' in line}
    candidates = yaml.safe_load((root / "params.yaml").read_text())
    names = [name for group in ("candidates", "estimators", "stacked") for name in candidates[group]]
    return sorted(outs | {f"models/gated/{name}.json" for name in names})


def time_call(function, *arguments) -> float:
    """Time one call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main() -> None:
    """Print the times."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_project(root)
        run_dvc(root, "init", "-q")
        run_dvc(root, "repro", "validate", "split", "featurize", "artists")
        write_placeholders(root)
        run_dvc(root, "commit", "--force")
        n_stages = len(run_dvc(root, "stage", "list", "--all").stdout.splitlines())
        start = time_call(subprocess.run, [sys.executable, "-c", "import pandas"])
        seconds = [time_call(run_dvc, root, "repro") for _ in range(3)]
        print(f"{N_CANDIDATES} candidates, {n_stages} stages")
        print(f"nothing to do: {min(seconds):.1f} s, {min(seconds) / start:.1f} x one `import pandas` ({start:.2f} s)")


if __name__ == "__main__":
    main()
