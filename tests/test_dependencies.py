"""pyproject.toml declares what the code imports, and each command names the extras that it needs."""

import ast
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

from declarations import PROJECT, list_declared
from ostinato.core import extras
from ostinato.core.extras import normalise_name
from ostinato.core.registry import names

ROOT = Path(__file__).parents[1]
USED_BY_OTHERS = {
    "h11": "uvicorn parses requests with it",
    "uvloop": "uvicorn's event loop",
    "sqlalchemy": "a bound for Prefect",
    "onnxscript": "torch.onnx writes with it",
    "psycopg": "SQLAlchemy's driver",
}
BROUGHT_BY_OTHERS = {
    "pydantic-core": "pydantic pins it",
    "protobuf": "ONNX is made of it",
    "ruamel-yaml-clib": "a part of ruamel.yaml",
}


def imported_modules(*patterns: str) -> Iterator[str]:
    """Yield the top-level name of each module that files import."""
    for file in (file for pattern in patterns for file in ROOT.glob(pattern)):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0]


def find_distributions(modules: Iterable[str]) -> set[str]:
    """Find the distributions of modules, leaving out the standard library and the project's own."""
    owners = packages_distributions()
    foreign = {m for m in modules if m in owners and m not in sys.stdlib_module_names}
    return {normalise_name(owner) for module in foreign for owner in owners[module]} - {"ostinato"}


RUNTIME = ("", *(extra for extra in PROJECT["optional-dependencies"] if extra not in ("docs", "dev")))


def test_every_declared_package_is_imported_and_every_imported_one_declared() -> None:
    imported = find_distributions(imported_modules("src/**/*.py", "flows/**/*.py"))
    assert list_declared(*RUNTIME) - imported == set(USED_BY_OTHERS)
    assert imported - list_declared(*RUNTIME) == set(BROUGHT_BY_OTHERS)


def test_the_light_install_has_none_of_the_heavy_packages() -> None:
    heavy = {"torch", "prefect", "dvc", "optuna", "great-expectations", "dask", "pandas", "scipy", "pyarrow"}
    assert not list_declared("") & heavy
    assert not list_declared("", "serve", "encoders") & heavy


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("ostinato", include_external_packages=True, exclude_type_checking_imports=True)


def find_reach(graph, module: str) -> set[str]:
    """Find the distributions that a module imports, itself or through others, at once or when it runs."""
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph.find_modules_directly_imported_by(name)
    return find_distributions(seen)


@pytest.mark.parametrize("stage", names("ostinato.stages"))
def test_a_stage_finds_what_it_imports_in_the_extras_of_its_command(graph, stage: str) -> None:
    allowed = list_declared("", *extras.COMMANDS[stage]) | set(BROUGHT_BY_OTHERS)
    assert find_reach(graph, f"ostinato.stages.{stage}") - allowed <= LAZY.get(stage, set())


LAZY = {stage: {"distributed"} for stage in ("ingest", "featurize", "tune")}
"""What a stage imports only where params.yaml asks for it."""


def test_the_metadata_is_read_as_pyproject_says(metadata) -> None:
    expected = {extra: list_declared(extra) for extra in ("", *PROJECT["optional-dependencies"])}
    assert {extra: set(names) for extra, names in extras.read_extras().items()} == expected
