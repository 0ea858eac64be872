"""Results of the working tree or a git revision: metrics, scores of test tracks, gate and params."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ostinato.core.params import yaml_io
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.io.files import read_json

GROUPS = ("candidates", "estimators", "stacked")


@dataclass(frozen=True)
class Revision:
    """The results of one revision of a project.

    Parameters
    ----------
    label : str
        Name for messages.
    metrics : mapping
        Content of models/metrics/<name>.json by name.
    scores : mapping of str to str
        Text of models/test_scores/<name>.csv by name.
    gate : mapping
        Content of models/gate.json; empty if missing.
    params : mapping
        Content of params.yaml, not validated, since that of a revision may have other keys.
    """

    label: str
    metrics: Mapping[str, Mapping[str, Any]]
    scores: Mapping[str, str]
    gate: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The candidates of params.yaml, in its order."""
        return tuple(name for group in GROUPS for name in self.params.get(group) or {})

    def is_accepted(self, name: str) -> bool:
        """Return whether the gate accepted a candidate."""
        return bool(self.gate.get(name, {}).get("accepted"))


def read_folder(paths: Paths) -> Revision:
    """Read the results of the working tree."""
    params = yaml_io.read(paths.params)
    names = [name for group in GROUPS for name in params.get(group) or {}]
    scores = {n: paths.test_scores(n) for n in names}
    return Revision(
        "here",
        {n: read_json(path) for n in names if (path := paths.metrics(n)).exists()},
        {n: path.read_text(encoding="utf-8") for n, path in scores.items() if path.exists()},
        read_json(paths.gate) if paths.gate.exists() else {},
        params,
    )


def read_revision(paths: Paths, rev: str) -> Revision:
    """Read the results of a git revision; a shallow clone suffices.

    Parameters
    ----------
    paths : Paths
        Paths of a project inside a git repository.
    rev : str
        Branch, tag or hash.

    Raises
    ------
    OstinatoError
        If git knows no such revision, or it has no metrics.
    """
    root = paths.root
    _check(root, rev)
    metrics = {Path(p).stem: json.loads(text) for p, text in _read_files(root, rev, paths.metrics("any")).items()}
    if not metrics:
        raise OstinatoError(
            f"{rev}: holds no models/metrics; commit them there (`cache: false` in dvc.yaml) and compare again"
        )
    scores = {Path(p).stem: text for p, text in _read_files(root, rev, paths.test_scores("any")).items()}
    gate, text = (_read_file(root, rev, path) for path in (paths.gate, paths.params))
    params = {} if text is None else yaml_io.parse(text, f"{rev}: params.yaml")
    return Revision(rev, metrics, scores, json.loads(gate or "{}"), params)


def _check(root: Path, rev: str) -> None:
    """Raise an error if git does not know a revision, with instructions to fetch it."""
    if _run(root, "rev-parse", "--is-inside-work-tree").returncode:
        raise OstinatoError(f"{root}: is not inside a git repository; run `git clone` or `git init`")
    if not _run(root, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}").returncode:
        return
    if _run(root, "rev-parse", "--is-shallow-repository").stdout.strip() == "true":
        branch = rev.removeprefix("origin/")
        raise OstinatoError(
            f"{rev}: this clone is shallow and does not hold it; run `git fetch --depth=1 origin {branch}` and compare "
            "with FETCH_HEAD, or give actions/checkout `fetch-depth: 0`"
        )
    raise OstinatoError(f"{rev}: git has no such revision; name a revision such as main or HEAD~1, or fetch it first")


def _read_files(root: Path, rev: str, sibling: Path) -> dict[str, str]:
    """Read the files of a folder with the suffix of `sibling`, by path."""
    folder = sibling.parent.relative_to(root).as_posix()
    listing = _run(root, "ls-tree", "-z", "--name-only", rev, f"{folder}/").stdout.split("\0")
    return {path: _show(root, rev, path) or "" for path in listing if path.endswith(sibling.suffix)}


def _read_file(root: Path, rev: str, path: Path) -> str | None:
    return _show(root, rev, path.relative_to(root).as_posix())


def _show(root: Path, rev: str, path: str) -> str | None:
    """Read a file of a revision; None if missing."""
    process = _run(root, "show", f"{rev}:./{path}")
    return None if process.returncode else process.stdout


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in a folder."""
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, encoding="utf-8", check=False
        )
    except FileNotFoundError as error:
        raise OstinatoError("compare: git is not installed; install it") from error
