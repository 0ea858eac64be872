"""Flows say when and how often; what and in which order stands in dvc.yaml and src."""

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FLOWS = sorted((ROOT / "flows").glob("*.py"))
STAGES = set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
DVC = "_lock_file.py"  # the command itself
# logs and their words, settings, file names, the graph, which GPUs there are, and the means to read and refuse
MAY_IMPORT = {
    "ostinato.core.counts",
    "ostinato.core.logs",
    "ostinato.core.parallel",
    "ostinato.core.parent",
    "ostinato.core.params",
    "ostinato.core.params.schema",
    "ostinato.core.paths",
    "ostinato.errors",
    "ostinato.io.files",
    "ostinato.io.locks",
    "ostinato.io.versions",
    "ostinato.pipeline.dvc_files",
    "ostinato.pipeline.forkserver",
    "ostinato.pipeline.graph",
    "ostinato.pipeline.reading",
    "ostinato.pipeline.sources",
}


def list_imports(source: str) -> set[str]:
    """List the parts of ostinato, and the other packages that matter, a text imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ostinato"):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if _is_module(name) else node.module for name in names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def _is_module(name: str) -> bool:
    path = ROOT / "src" / Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_a_flow_knows_little_of_the_package_and_nothing_of_dvc(path: Path) -> None:
    """What computes runs in a process of its own."""
    ours = {name for name in list_imports(path.read_text()) if name.startswith("ostinato.")}
    assert ours <= MAY_IMPORT
    strange = {name.split(".")[0] for name in list_imports(path.read_text())} & {"dvc", "torch", "pandas"}
    assert strange == ({"dvc"} if path.name == DVC else set())


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_a_flow_may_name_a_target_but_lists_no_steps(path: Path) -> None:
    """At most one stage by name."""
    words = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    named = {word.split("@")[0] for word in words if isinstance(word, str)} & STAGES - {path.stem}
    assert len(named) <= 1


def test_every_way_to_import_is_seen() -> None:
    """Else the tests above would miss one."""
    source = "import dvc.api\nfrom ostinato.cache import store\ndef go():\n    from ostinato.training.fit import fit\n"
    assert list_imports(source) == {"dvc.api", "ostinato.cache.store", "ostinato.training.fit"}
