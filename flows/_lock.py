"""The ``dvc`` command, quick with dvc.lock: run it as ``python flows/_lock.py repro ...``.

After each stage DVC reads and writes the whole of dvc.lock by a parser in Python
that keeps comments; with some hundred stages that takes longer than many a stage,
and no other stage can start meanwhile. The lock has no comments. Read and written
by libyaml it says the same in a quarter of the time; and it is replaced whole, so
that a kill leaves the old one.
"""

import os
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import dvc.dvcfile
from dvc.cli import main
from ruamel.yaml import YAML, SafeRepresenter

from ostinato.core import parent
from ostinato.io.files import atomic_write

Modified = AbstractContextManager[dict[str, Any]]
_patient = dvc.dvcfile.modify_yaml


def modify(path: str | os.PathLike[str], fs: Any = None) -> Modified:
    """Return the content of a file, to be written back when the caller is done; only a lock is taken the quick way."""
    return _quick(Path(path)) if Path(path).suffix == ".lock" else _patient(path, fs=fs)


@contextmanager
def _quick(path: Path) -> Iterator[dict[str, Any]]:
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.Representer = _Representer
    content = (yaml.load(path) or {}) if path.exists() else {}
    yield content
    with atomic_write(path) as partial:
        yaml.dump(content, partial)


class _Representer(SafeRepresenter):
    """Spells nothing as DVC's own way does."""

    def represent_none(self, data: None) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:null", "")


_Representer.add_representer(type(None), _Representer.represent_none)
_Representer.add_representer(OrderedDict, _Representer.represent_dict)


if __name__ == "__main__":
    parent.die_with_caller()
    dvc.dvcfile.modify_yaml = modify
    sys.exit(main(sys.argv[1:]))
