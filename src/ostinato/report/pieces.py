"""Cache of parts of the page, by their data and code: plots, and projections to a plane.

A run that changes one candidate draws only the plots of that candidate, and reads the
others from an earlier run. Parts that the page no longer uses are removed.
"""

import hashlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ostinato.core import code_hash
from ostinato.io.files import atomic_write

P = ParamSpec("P")
Piece = TypeVar("Piece", str, np.ndarray)

LIBRARIES = ("matplotlib", "numpy", "pandas", "pillow", "scikit-learn", "scipy")
"""Libraries whose versions change plots."""
TEXT, ARRAY = ".svg", ".npy"
OWN_PREFIX = "ostinato."


class _Folder:
    """A folder of parts, and which of them this run uses."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.used: set[str] = set()


_open_folder: ContextVar[_Folder | None] = ContextVar("open_folder", default=None)


@contextmanager
def cache_pieces(place: Path) -> Iterator[None]:
    """Read parts from a folder and write missing ones to it; at the end remove unused ones.

    Parameters
    ----------
    place : Path
        Safe to delete.
    """
    folder = _Folder(place)
    place.mkdir(parents=True, exist_ok=True)
    token = _open_folder.set(folder)
    try:
        yield
    finally:
        _open_folder.reset(token)
    for file in place.iterdir():
        if file.name not in folder.used:
            file.unlink()


def cache_piece(make: Callable[P, Piece]) -> Callable[P, Piece]:
    """Cache the results of a function by arguments, code and versions of libraries.

    Parameters
    ----------
    make : callable
        Returns SVG or an array of numbers. It may depend only on its arguments, and on code
        of its own module and of modules of ostinato that this imports.

    Returns
    -------
    callable
        Outside of `cache_pieces`, the function itself.
    """

    @wraps(make)
    def look_up(*args: P.args, **kwargs: P.kwargs) -> Piece:
        folder = _open_folder.get()
        if folder is None:
            return make(*args, **kwargs)
        name = _hash(make, args, kwargs)
        for suffix in (TEXT, ARRAY):
            if (file := folder.place / f"{name}{suffix}").is_file():
                folder.used.add(file.name)
                return _read(file)
        piece = make(*args, **kwargs)
        file = folder.place / f"{name}{TEXT if isinstance(piece, str) else ARRAY}"
        _write(file, piece)
        folder.used.add(file.name)
        return piece

    return look_up


def _hash(make: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> str:
    """Hash a call; equal arguments may differ in their pickles and be computed again, never the reverse."""
    call = pickle.dumps((make.__qualname__, args, sorted(kwargs.items())), protocol=5)
    return hashlib.sha256(_hash_code(make.__module__).encode() + call).hexdigest()


@cache
def _hash_code(module: str) -> str:
    """Hash the code of a module and of modules of ostinato that it imports, with the versions of libraries."""
    trees, stack = dict[str, str](), [module]
    while stack:
        name = stack.pop()
        if name not in trees and _is_module(name):
            trees[name], imports = code_hash.parse(name)
            stack += [other for other in imports if other.startswith(OWN_PREFIX) and other != __name__]
    return hashlib.sha256(repr((code_hash.hash_code(trees.values()), *map(version, LIBRARIES))).encode()).hexdigest()


def _is_module(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a name inside a module
        return False


def _read(file: Path) -> Any:
    return file.read_text(encoding="utf-8") if file.suffix == TEXT else np.load(file)


def _write(file: Path, piece: str | np.ndarray) -> None:
    with atomic_write(file) as partial, open(partial, "wb") as stream:
        if isinstance(piece, str):
            stream.write(piece.encode())
        else:
            np.save(stream, piece)
