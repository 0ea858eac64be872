"""Hash code, ignoring comments, docstrings and imports, to detect changes that may alter results."""

import ast
import hashlib
import importlib.util
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ostinato.errors import OstinatoError


class Code(NamedTuple):
    """A module's code.

    Parameters
    ----------
    tree : str
        Syntax tree without docstrings and imports.
    imports : tuple of str
        Dotted names that may be modules.
    """

    tree: str
    imports: tuple[str, ...]


@cache
def parse(module: str, omit: str | None = None) -> Code:
    """Parse a module's source.

    Parameters
    ----------
    module : str
        Dotted name; only its parent packages are imported.
    omit : str, optional
        A function to leave out.

    Returns
    -------
    Code

    Raises
    ------
    OstinatoError
        If there is no such module.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise OstinatoError(f"{module}: no such module; install ostinato again")
    tree = ast.parse(Path(spec.origin).read_text())
    imports = tuple(_find_imports(tree))
    tree.body = [node for node in tree.body if getattr(node, "name", omit) != omit or omit is None]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return Code(ast.dump(_WithoutImports().visit(tree)), imports)


def list_modules(package: str) -> list[str]:
    """List a module and, if it is a package, its modules.

    Examples
    --------
    >>> list_modules("ostinato.errors")
    ['ostinato.errors']
    """
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    inside = (f"{package}.{m.name}" for m in pkgutil.iter_modules(folders or ()))
    return [package, *(name for module in inside for name in list_modules(module))]


def hash_code(trees: Iterable[str]) -> str:
    """Return the SHA-256 of syntax trees, in hexadecimal, independent of order."""
    return hashlib.sha256("\n".join(sorted(trees)).encode()).hexdigest()


def hash_modules(modules: Iterable[str]) -> str:
    """Return the SHA-256 of the code of modules, in hexadecimal, independent of names and order.

    Parameters
    ----------
    modules : iterable of str
        Dotted names.

    Raises
    ------
    OstinatoError
        If a module does not exist.
    """
    return hash_code(parse(module).tree for module in modules)


class _WithoutImports(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None


def _find_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
