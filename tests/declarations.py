"""What pyproject.toml declares, and the metadata of an installation of it."""

import re
import tomllib
from pathlib import Path

from ostinato.core.extras import normalise_name

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def list_declared(*chosen: str) -> set[str]:
    """List the distributions of some extras, ``""`` being the light install, with those that they include."""
    result = set()
    for extra in chosen:
        lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
        for name, included in (re.match(r"([\w.-]+)(?:\[([^]]+)])?", line).groups() for line in lines):
            result |= list_declared(*included.split(",")) if name == "ostinato" else {normalise_name(name)}
    return result


def write_metadata(place: Path) -> Path:
    """Write the metadata that an installation has, whatever stands in this environment; return where to find it."""
    folder = place / "ostinato-1.dist-info"
    folder.mkdir(parents=True)
    lines = [f"Requires-Dist: {line}" for line in PROJECT["dependencies"]]
    for extra, needed in PROJECT["optional-dependencies"].items():
        lines += [f'Requires-Dist: {line}; extra == "{extra}"' for line in needed]
    (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: ostinato", "Version: 1", *lines]))
    return place
