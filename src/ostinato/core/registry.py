"""Plugins are modules: the file name is the plugin's name.

>>> "registry" in names("ostinato.core")
True
"""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from types import ModuleType

from ostinato.errors import OstinatoError


def names(package: str) -> tuple[str, ...]:
    """List the plugins of a package in alphabetical order.

    Parameters
    ----------
    package : str
        Dotted name such as ``"ostinato.features"``. Modules whose name starts
        with an underscore are shared code, not plugins.

    Returns
    -------
    tuple of str
    """
    folder = getattr(sys.modules.get(package), "__path__", None)
    if folder is None:  # avoids an import, which may take seconds
        spec = importlib.util.find_spec(package)
        folder = spec.submodule_search_locations if spec else None
    return tuple(sorted(m.name for m in pkgutil.iter_modules(folder or ()) if not m.name.startswith("_")))


def check(package: str, name: str) -> None:
    """Refuse an unknown plugin name, without importing anything.

    Parameters
    ----------
    package, name : str
        As for `load`.

    Raises
    ------
    OstinatoError
        If the package has no plugin of that name; the message lists those it has.
    """
    available = names(package)
    if name not in available:
        raise OstinatoError(f"{package.rsplit('.', 1)[-1]}: there is no {name!r}; {instead(name, available)}")


@cache
def load(package: str, name: str) -> ModuleType:
    """Import one plugin.

    Parameters
    ----------
    package : str
        Dotted name of the package that holds the plugin.
    name : str
        The plugin's file name without ``.py``.

    Returns
    -------
    module

    Raises
    ------
    OstinatoError
        If the package has no plugin of that name; the message lists those it has.
    """
    check(package, name)
    return importlib.import_module(f"{package}.{name}")


def instead(name: str, known: Iterable[str]) -> str:
    """Return an error hint for an unknown name: the known names and the closest match.

    Parameters
    ----------
    name : str
    known : iterable of str

    Returns
    -------
    str
        The end of a sentence.

    Examples
    --------
    >>> instead("tmie", ["freq", "time"])
    "there are freq, time; did you mean 'time'?"
    """
    known = list(known)
    near = get_close_matches(name, known, 1)
    suggestion = f"; did you mean {near[0]!r}?" if near else ""
    return f"there are {', '.join(known) or 'none'}{suggestion}"
