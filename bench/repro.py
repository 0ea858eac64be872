"""What `dvc repro` costs when there is nothing to do, with forty candidates.

Run it by `python bench/repro.py`. It builds a scratch project with forty
candidates on a dozen short clips, runs the stages before training, puts
placeholders where training would write, records them as they are (`dvc
commit`), and times a repro that finds nothing to do against one start of
Python with `import pandas`.
"""

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


def scratch(root: Path) -> None:
    """Copy the project with forty candidates and a dozen clips."""
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
    params["numbers"] = {}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)


def dvc(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run DVC in the scratch project."""
    environment = ENVIRONMENT | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=root, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"dvc {' '.join(words)}: {done.stderr}")
    return done


def placeholders(root: Path) -> None:
    """Write what training would, so that every stage can be recorded."""
    for out in _outs(root):
        path = root / out
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_text("{}\n")
        else:
            path.mkdir()
            (path / "placeholder.json").write_text("{}\n")


def _outs(root: Path) -> list[str]:
    text = dvc(root, "dag", "--outs", "--dot").stdout
    outs = {line.split('"')[1] for line in text.splitlines() if '"' in line}
    candidates = yaml.safe_load((root / "params.yaml").read_text())
    names = [name for group in ("candidates", "estimators", "stacked") for name in candidates[group]]
    return sorted(outs | {f"models/gated/{name}.json" for name in names})


def seconds(function, *arguments) -> float:
    """Time one call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        scratch(root)
        dvc(root, "init", "-q")
        dvc(root, "repro", "validate", "split", "featurize", "artists")
        placeholders(root)
        dvc(root, "commit", "--force")
        n_stages = len(dvc(root, "stage", "list", "--all").stdout.splitlines())
        start = seconds(subprocess.run, [sys.executable, "-c", "import pandas"])
        took = [seconds(dvc, root, "repro") for _ in range(3)]
        print(f"{N_CANDIDATES} candidates, {n_stages} stages")
        print(f"nothing to do: {min(took):.1f} s, {min(took) / start:.1f} x one `import pandas` ({start:.2f} s)")


if __name__ == "__main__":
    main()
