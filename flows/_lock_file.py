"""The ``dvc`` command with a faster reader of dvc.lock: run it as ``python flows/_lock_file.py repro ...``.

After each stage DVC reads and writes the whole of dvc.lock by a parser in Python
that keeps comments. With a few hundred stages that takes longer than many of the
stages, and no other stage can start meanwhile. The lock has no comments: libyaml
writes the same content in a quarter of the time, and who reads it takes the JSON that
lies beside it, if that was made of the same bytes. The file is replaced atomically, so
that a kill leaves the old one, and left alone where nothing in it has changed.
"""

import json
import os
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import dvc.dvcfile
from dvc.cli import main
from dvc.fs import LocalFileSystem
from ruamel.yaml import YAML, SafeRepresenter

from ostinato.core import parent
from ostinato.core.paths import Paths
from ostinato.io.files import atomic_write
from ostinato.pipeline import dvc_files

Context = AbstractContextManager[dict[str, Any]]
_modify_with_comments = dvc.dvcfile.modify_yaml
_load_and_validate = dvc.dvcfile.Lockfile._load_yaml


def modify_yaml(path: str | os.PathLike[str], fs: Any = None) -> Context:
    """Yield the content of a YAML file and write it back at the end; libyaml serves only the lock file."""
    return _modify_with_libyaml(Path(path)) if Path(path).suffix == ".lock" else _modify_with_comments(path, fs=fs)


@contextmanager
def _modify_with_libyaml(path: Path) -> Iterator[dict[str, Any]]:
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.Representer = _Representer
    parsed = Paths(path.parent).dvc_lock_cache
    content = (dvc_files.read_parsed(path, parsed) or yaml.load(path) or {}) if path.exists() else {}
    before = json.dumps(content)
    yield content
    if path.exists() and json.dumps(content, default=repr) == before:
        return
    with atomic_write(path) as partial:
        yaml.dump(content, partial)
    dvc_files.remember_yaml(path, content, parsed)


def load_lock(self: dvc.dvcfile.Lockfile, **options: Any) -> tuple[Any, str]:
    """Read dvc.lock for DVC; what an earlier run wrote or read needs no validation."""
    path = Path(self.path)
    if options or not isinstance(self.repo.fs, LocalFileSystem):
        return _load_and_validate(self, **options)
    parsed = Paths(path.parent).dvc_lock_cache
    if (known := dvc_files.read_parsed(path, parsed)) is None:
        known, _ = _load_and_validate(self)
        dvc_files.remember_yaml(path, known, parsed)
    return known, ""


class _Representer(SafeRepresenter):
    """Writes null as an empty string, as DVC does."""

    def represent_none(self, data: None) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:null", "")


_Representer.add_representer(type(None), _Representer.represent_none)
_Representer.add_representer(OrderedDict, _Representer.represent_dict)


if __name__ == "__main__":
    parent.die_with_caller()
    dvc.dvcfile.modify_yaml = modify_yaml
    dvc.dvcfile.Lockfile._load_yaml = load_lock
    sys.exit(main(sys.argv[1:]))
