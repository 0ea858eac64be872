"""State of the pipeline from dvc.yaml, dvc.lock and the files themselves, read without DVC's locks.

While a stage runs, DVC locks all files that it reads and writes, and `dvc status` waits.
Its files are public: dvc.yaml lists the stages, dvc.lock the MD5 of all files that each
stage read and wrote.
"""

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import translate
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import yaml

from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.io.files import atomic_write, write_json


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loader of plain scalars by YAML 1.2, as in DVC: 1e-05 is a number, yes is text."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


_SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    "float": (
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "merge": (r"<<", "<"),
}
for _tag, (_pattern, _first) in _SCALARS.items():
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first))
OUTS = ("outs", "metrics", "plots")
ALWAYS_CHANGED = ["always changed"]
THREADS = 8
LOCK_ADVICE = "`git restore dvc.lock`, or delete it and run `dvc commit --force`, which records the present outputs"
_TEMPLATE = re.compile(r"\$\{([^}]+)\}")
_IGNORED_PATTERNS = ("__pycache__", "*.partial")
"""Ignored besides the patterns of .dvcignore: unfinished files do not count."""


@dataclass(frozen=True)
class Stage:
    """One stage, with ``foreach`` expanded.

    Parameters
    ----------
    command : str
    deps, outs : tuple of str
        Paths below the project.
    cached : frozenset of str
        Those of `outs` in the cache of DVC.
    params : tuple of str
        Keys of params.yaml.
    is_always_changed : bool
        Whether it runs in every run.
    """

    command: str
    deps: tuple[str, ...] = ()
    outs: tuple[str, ...] = ()
    cached: frozenset[str] = frozenset()
    params: tuple[str, ...] = ()
    is_always_changed: bool = False


def read_yaml(path: Path, advice: str) -> dict[str, Any]:
    """Read a YAML mapping.

    Parameters
    ----------
    path : Path
    advice : str
        Advice for the error message.

    Returns
    -------
    dict

    Raises
    ------
    OstinatoError
        If the file is missing or is not a YAML mapping.
    """
    try:
        content = yaml.load(path.read_bytes(), Loader)
    except FileNotFoundError as error:
        raise OstinatoError(f"{path}: does not exist; {advice}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise OstinatoError(f"{path}: is truncated or damaged{line}; {advice}") from error
    if not isinstance(content, dict):
        raise OstinatoError(f"{path}: is truncated or damaged; {advice}")
    return content


def read_yaml_once(path: Path, advice: str, parsed: Path) -> dict[str, Any]:
    """Read a mapping as `read_yaml`, or from its JSON copy if that is of the same bytes.

    Parameters
    ----------
    path : Path
    advice : str
    parsed : Path
        JSON copy; safe to delete.

    Returns
    -------
    dict
    """
    if (content := read_parsed(path, parsed)) is not None:
        return content
    content = read_yaml(path, advice)
    remember_yaml(path, content, parsed)
    return content


def read_parsed(path: Path, parsed: Path) -> dict[str, Any] | None:
    """Read the JSON copy of a YAML file; None if there is none of the same bytes."""
    try:
        copy = json.loads(parsed.read_bytes())
        return dict(copy["content"]) if copy["sha256"] == _hash_file(path) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def remember_yaml(path: Path, content: Mapping[str, Any], parsed: Path) -> None:
    """Write the JSON copy of a file for `read_yaml_once`, unless JSON would change its content."""
    text = json.dumps({"sha256": _hash_file(path), "content": content})
    if json.loads(text)["content"] == content:
        with atomic_write(parsed) as partial:
            partial.write_text(text, encoding="utf-8")


def read_stages(project: Path) -> dict[str, Stage]:
    """Read the stages of dvc.yaml.

    Parameters
    ----------
    project : Path
        The folder of dvc.yaml.

    Returns
    -------
    dict of str to Stage
        In the order of the file; an entry of a ``foreach`` group is named ``group@entry``.

    Raises
    ------
    OstinatoError
        If dvc.yaml or params.yaml is missing or is not YAML, or a template has no value.
    """
    content = read_yaml(project / "dvc.yaml", "run this in the folder of a project")
    params = read_yaml(project / "params.yaml", "run this in the folder of a project")
    stages: dict[str, Stage] = {}
    for name, stage in (content.get("stages") or {}).items():
        if "foreach" not in stage:
            stages[name] = _resolve(stage, params)
            continue
        items = stage["foreach"]
        if isinstance(items, str):
            items = _look_up(items.strip()[2:-1], params)
        if isinstance(items, Mapping):
            entries = [(str(key), {"key": key, "item": item}) for key, item in items.items()]
        else:
            entries = [(str(item), {"item": item}) for item in items or ()]
        for key, names in entries:
            stages[f"{name}@{key}"] = _resolve(stage["do"], {**params, **names})
    return stages


def _look_up(name: str, context: Mapping[str, Any]) -> Any:
    """Look up a dotted name; a key may contain dots itself."""
    if name in context:
        return context[name]
    for key in context:
        if name.startswith(f"{key}.") and isinstance(context[key], Mapping):
            return _look_up(name[len(key) + 1 :], context[key])
    raise OstinatoError(f"dvc.yaml: ${{{name}}}: params.yaml has no such key; add it or correct dvc.yaml")


def _resolve(stage: Mapping[str, Any], context: Mapping[str, Any]) -> Stage:
    """Fill the templates of a stage."""

    def fill(text: Any) -> str:
        return _TEMPLATE.sub(lambda match: str(_look_up(match[1].strip(), context)), str(text))

    def split(entry: Any) -> tuple[str, Mapping[str, Any]]:
        path, options = next(iter(entry.items())) if isinstance(entry, Mapping) else (entry, None)
        return PurePosixPath(fill(path)).as_posix(), options or {}

    command = stage["cmd"]
    outs = [split(entry) for section in OUTS for entry in stage.get(section, ())]
    return Stage(
        command="\n".join(map(fill, command)) if isinstance(command, list) else fill(command),
        deps=tuple(split(entry)[0] for entry in stage.get("deps", ())),
        outs=tuple(path for path, _ in outs),
        cached=frozenset(path for path, options in outs if options.get("cache", True)),
        params=tuple(fill(key) for key in stage.get("params", ()) if isinstance(key, str)),
        is_always_changed=bool(stage.get("always_changed")),
    )


def read_lock(project: Path) -> dict[str, Any]:
    """Read the entries of dvc.lock: what each stage read and wrote in its last run.

    Parameters
    ----------
    project : Path

    Returns
    -------
    dict of str to dict
        Empty before the first run.

    Raises
    ------
    OstinatoError
        If dvc.lock is truncated.
    """
    path = project / "dvc.lock"
    if not path.exists():
        return {}
    stages = read_yaml_once(path, LOCK_ADVICE, Paths(project).lock_cache).get("stages")
    if stages is not None and not isinstance(stages, dict):
        raise OstinatoError(f"{path}: is truncated or damaged; {LOCK_ADVICE}")
    return stages or {}


def find_upstream(stages: Mapping[str, Stage]) -> dict[str, frozenset[str]]:
    """Find which stages each stage reads from.

    Parameters
    ----------
    stages : mapping of str to Stage

    Returns
    -------
    dict of str to frozenset of str
        In topological order.
    """
    writer = {out: name for name, stage in stages.items() for out in stage.outs}
    inside: dict[str, set[str]] = defaultdict(set)
    for out, name in writer.items():
        for parent in PurePosixPath(out).parents:
            inside[str(parent)].add(name)
    before = {}
    for name, stage in stages.items():
        names: set[str] = set()
        for dep in stage.deps:
            names |= inside.get(dep, set())
            names |= {writer[path] for path in (dep, *map(str, PurePosixPath(dep).parents)) if path in writer}
        before[name] = frozenset(names - {name})
    return {name: before[name] for name in TopologicalSorter(before).static_order()}


@dataclass
class Hashes:
    """MD5 of files and folders as in DVC, cached by inode, size and time.

    Parameters
    ----------
    project : Path
    cache : Path
        File of the cached hashes; safe to delete.
    """

    project: Path
    cache: Path
    _known: dict[str, list[Any]] = field(default_factory=dict)
    _is_changed: bool = False
    _is_ignored: Callable[[str], Any] = field(default=lambda name: None)

    def __post_init__(self) -> None:
        try:
            self._known = dict(json.loads(self.cache.read_text(encoding="utf-8"))["md5"])
        except (OSError, ValueError, LookupError, TypeError):
            self._known = {}
        ignore = self.project / ".dvcignore"
        lines = ignore.read_text(encoding="utf-8").split() if ignore.is_file() else []
        names = [*_IGNORED_PATTERNS, *(line.strip("/") for line in lines if not line.startswith(("#", "!")))]
        self._is_ignored = re.compile("|".join(map(translate, names))).match

    def compute(self, paths: Iterable[str]) -> dict[str, str | None]:
        """Compute the MD5 of paths below the project; None for a missing one."""
        paths = sorted(set(paths))
        if not self._known:
            with ThreadPoolExecutor(THREADS) as pool:  # hashing releases the GIL
                return dict(zip(paths, pool.map(self._hash, paths), strict=True))
        return {path: self._hash(path) for path in paths}

    def save(self) -> None:
        """Save the cache."""
        if self._is_changed:
            write_json(self.cache, {"md5": self._known})

    def _hash(self, path: str) -> str | None:
        folder = f"{self.project}/{path}"
        if not os.path.isdir(folder):
            return self._hash_file(path)
        digests = {name: self._hash_file(f"{path}/{name}") for name in sorted(self._list_files(folder))}
        entries = [{"md5": digest, "relpath": name} for name, digest in digests.items() if digest is not None]
        return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"

    def _hash_file(self, path: str) -> str | None:
        try:
            status = os.stat(f"{self.project}/{path}")
            entry, key = self._known.get(path), [status.st_ino, status.st_size, status.st_mtime_ns]
            if entry is None or entry[:3] != key:
                with open(self.project / path, "rb") as file:
                    digest = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
                self._known[path] = entry = [*key, digest]
                self._is_changed = True
            return str(entry[3])
        except OSError:
            return None

    def _list_files(self, folder: str) -> Iterator[str]:
        """List the files of a folder that are not ignored."""
        for root, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not self._is_ignored(name)]
            prefix = root[len(folder) + 1 :].replace(os.sep, "/")
            yield from (f"{prefix}/{name}" if prefix else name for name in names if not self._is_ignored(name))


def find_changes(stages: Mapping[str, Stage], lock: Mapping[str, Any], hashes: Hashes) -> dict[str, list[Any]]:
    """Find the stages that differ from their last run.

    Parameters
    ----------
    stages : mapping of str to Stage
    lock : mapping
        From `read_lock`.
    hashes : Hashes

    Returns
    -------
    dict of str to list
        Changes of each stage that differs, as of ``dvc status --json``.
    """
    with_entry = {name: stage for name, stage in stages.items() if name in lock}
    digests = hashes.compute(path for stage in with_entry.values() for path in (*stage.deps, *stage.outs))
    params = read_yaml(hashes.project / "params.yaml", "run this in the folder of a project")
    changes: dict[str, list[Any]] = {}
    for name, stage in stages.items():
        differences = _compare(stage, lock[name], digests, params) if name in lock else ["never ran"]
        if stage.is_always_changed:
            differences = [*differences, *ALWAYS_CHANGED]
        if differences:
            changes[name] = differences
    return changes


def _compare(
    stage: Stage, last: Mapping[str, Any], digests: Mapping[str, str | None], params: Mapping[str, Any]
) -> list[Any]:
    """Return how a stage differs from its last run."""
    changes: list[Any] = []
    deps = _compare_paths(stage.deps, last.get("deps"), digests)
    old = (last.get("params") or {}).get("params.yaml") or {}
    keys: dict[str, str] = {}
    for key in stage.params:
        try:
            value = _look_up(key, params)
        except OstinatoError:
            keys[key] = "deleted"
            continue
        if key not in old:
            keys[key] = "new"
        elif old[key] != value:
            keys[key] = "modified"
    if deps or keys:
        changes.append({"changed deps": deps | ({"params.yaml": keys} if keys else {})})
    if outs := _compare_paths(stage.outs, last.get("outs"), digests):
        changes.append({"changed outs": outs})
    if last.get("cmd") != stage.command:
        changes.append("changed command")
    return changes


def _compare_paths(paths: Iterable[str], last: Any, digests: Mapping[str, str | None]) -> dict[str, Any]:
    """Return how paths differ from those of the last run."""
    old = {entry["path"]: entry.get("md5") for entry in last or ()}
    changes = {}
    for path in paths:
        if digests[path] is None:
            changes[path] = "deleted"
        elif old.get(path) != digests[path]:
            changes[path] = "modified"
    return changes
