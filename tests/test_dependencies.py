"""The packages that pyproject.toml names are those that the code imports."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
USED_BY_OTHERS = {
    "h11": "uvicorn parses requests with it",
    "uvloop": "uvicorn's event loop",
    "sqlalchemy": "a bound for Prefect",
    "onnxscript": "torch.onnx writes with it",
}


def imported_names() -> Iterator[str]:
    """Return the top-level name of each module that src/ and flows/ import."""
    for file in [*ROOT.glob("src/**/*.py"), *ROOT.glob("flows/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0]


def normalise(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_every_package_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {normalise(re.split(r"[\[<>=!~ ]", spec)[0]) for spec in project["dependencies"]}
    names = set(imported_names())
    imported = {normalise(d) for name, owners in packages_distributions().items() if name in names for d in owners}
    assert declared - imported == set(USED_BY_OTHERS)
