"""Extras of the distribution: which command needs which one, and how to install it.

``pip install ostinato`` installs what is needed to use a released model; all else are extras in pyproject.toml.
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib import metadata

from ostinato.errors import OstinatoError

DISTRIBUTION = "ostinato"
COMMANDS: dict[str, tuple[str, ...]] = {
    "serve": ("serve",),
    "label": ("data", "serve"),
    **dict.fromkeys(("learn", "reproduce", "validate", "split"), ("pipeline",)),
    **dict.fromkeys(("status", "clean", "release", "compare", "datasets", "download", "fill"), ("data",)),
    **dict.fromkeys(("ingest", "featurize", "evaluate", "gate", "rank", "catalog"), ("data",)),
    **dict.fromkeys(("plan", "explain", "robustness", "architectures", "describe"), ("train",)),
    **dict.fromkeys(("artists", "budget", "tune", "train", "member", "number", "regress"), ("train",)),
    **dict.fromkeys(("infer", "export", "report"), ("train",)),
    "plays": ("data",),
    "listeners": ("data", "listening"),
    "import-weights": ("encoders",),
    **dict.fromkeys(("structure", "thumbnail"), ("structure",)),
    "study make": ("data", "structure"),
    "study report": ("data",),
    **dict.fromkeys(("push", "pull"), ("remote",)),
}
"""Extras by command; other commands work with the light install."""
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml", "PIL": "pillow"}
"""Distributions by module, if their names differ."""
TITLES = {"torch": "PyTorch", "pyyaml": "PyYAML", "great-expectations": "Great Expectations", "onnx": "ONNX"}


class MissingExtraError(OstinatoError):
    """A command needs packages that are not installed; the message names their extra."""


def normalise_name(name: str) -> str:
    """Return the normalised name of a distribution, as package indexes spell it.

    Examples
    --------
    >>> normalise_name("Ruamel_YAML")
    'ruamel-yaml'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def read_extras() -> dict[str, tuple[str, ...]]:
    """Read the distributions of each extra from the metadata of the installed package.

    Returns
    -------
    dict of str to tuple of str
        Distributions by extra, with those of included extras; those of the light install under ``""``. Empty if the
        package is not installed but imported from a folder.
    """
    direct, included = _read_requirements()

    def resolve(extra: str) -> list[str]:
        return [*direct.get(extra, ()), *(name for other in included.get(extra, ()) for name in resolve(other))]

    names = dict.fromkeys(["", *direct, *included]) if direct else {}
    return {extra: tuple(dict.fromkeys(resolve(extra))) for extra in names}


def list_own(extra: str) -> list[str]:
    """List the distributions of an extra that neither the light install nor an unrelated extra contains."""
    direct, included = _read_requirements()
    others = {n for e, names in direct.items() if e != extra and e not in included for n in names}
    return [name for name in direct.get(extra, ()) if name not in others]


def _read_requirements() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Read the distributions that each extra lists itself, and the extras that it includes."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        lines = []
    direct: dict[str, list[str]] = {}
    included: dict[str, list[str]] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        extra = next(iter(re.findall(r"""extra == ['"]([^'"]+)""", marker)), "")
        name, more = re.match(r"([\w.-]+)(?:\[([^]]+)])?", requirement.strip()).groups()  # type: ignore[union-attr]
        if normalise_name(name) == DISTRIBUTION:
            included.setdefault(extra, []).extend(part.strip() for part in more.split(","))
        else:
            direct.setdefault(extra, []).append(normalise_name(name))
    return direct, included


def find_missing(extra: str) -> list[str]:
    """Find the distributions of an extra that are not installed, in the order of pyproject.toml."""
    return [name for name in read_extras().get(extra, ()) if not _is_installed(name)]


def require(what: str, *extras: str) -> None:
    """Raise an error if extras are not installed.

    Parameters
    ----------
    what : str
        The command that needs them, such as ``ostinato train``.
    *extras : str

    Raises
    ------
    MissingExtraError
        If a distribution of one of them is not installed.
    """
    missing = {extra: names for extra in extras if (names := find_missing(extra))}
    if missing:
        raise MissingExtraError(describe_missing(what, missing, [name for names in missing.values() for name in names]))


def describe_missing(what: str, extras: Iterable[str], names: Iterable[str]) -> str:
    """Describe missing packages and how to install them.

    Examples
    --------
    >>> describe_missing("ostinato train", ["train"], ["torch", "optuna", "librosa"])
    "ostinato train needs PyTorch and 2 more packages: pip install 'ostinato[train]'"
    """
    first, *others = [TITLES.get(name, name) for name in names]
    more = f" and {len(others)} more package{'s' if len(others) > 1 else ''}" if others else ""
    return f"{what} needs {first}{more}: pip install '{DISTRIBUTION}[{','.join(extras)}]'"


def explain(what: str, error: ModuleNotFoundError) -> str | None:
    """Say which extra contains a module that could not be imported; None if none does."""
    module = (error.name or "").partition(".")[0]
    name = normalise_name(DISTRIBUTIONS.get(module, module))
    extras = [extra for extra, names in read_extras().items() if name in names and extra]
    return describe_missing(what, extras[:1], [name]) if extras else None


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
