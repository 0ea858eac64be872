"""Which command needs which extra of the distribution, and what to install where one is missing.

``pip install ostinato`` brings what asks a released model. Everything else is an extra, named in pyproject.toml.
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
    **dict.fromkeys(("status", "clean", "release", "compare", "datasets", "download"), ("data",)),
    **dict.fromkeys(("ingest", "featurize", "evaluate", "gate", "rank", "catalog"), ("data",)),
    **dict.fromkeys(("plan", "explain", "robustness", "architectures", "describe"), ("train",)),
    **dict.fromkeys(("artists", "budget", "tune", "train", "member", "number"), ("train",)),
    **dict.fromkeys(("infer", "export", "report"), ("train",)),
    "import-weights": ("encoders",),
    **dict.fromkeys(("structure", "thumbnail"), ("structure",)),
    **dict.fromkeys(("push", "pull"), ("remote",)),
}
"""What a command imports; one that is not here works with the light install."""
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml", "PIL": "pillow"}
"""Modules whose distribution has another name."""
TITLES = {"torch": "PyTorch", "pyyaml": "PyYAML", "great-expectations": "Great Expectations", "onnx": "ONNX"}


class MissingExtraError(OstinatoError):
    """A command needs packages that are not installed; the message names the extra that brings them."""


def canonical(name: str) -> str:
    """Spell the name of a distribution as indexes do.

    Examples
    --------
    >>> canonical("Ruamel_YAML")
    'ruamel-yaml'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def read_extras() -> dict[str, tuple[str, ...]]:
    """Read what each extra brings from the metadata of the installed distribution.

    Returns
    -------
    dict of str to tuple of str
        Extra to distributions, those of the extras that it includes too; the light install under ``""``. Empty where
        the package is not installed but imported from a folder.
    """
    direct, included = _read_requirements()

    def resolve(extra: str) -> list[str]:
        return [*direct.get(extra, ()), *(name for other in included.get(extra, ()) for name in resolve(other))]

    names = dict.fromkeys(["", *direct, *included]) if direct else {}
    return {extra: tuple(dict.fromkeys(resolve(extra))) for extra in names}


def list_own(extra: str) -> list[str]:
    """List what no other extra and not the light install brings, beside those that include this one."""
    direct, included = _read_requirements()
    others = {n for e, names in direct.items() if e != extra and e not in included for n in names}
    return [name for name in direct.get(extra, ()) if name not in others]


def _read_requirements() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Read the distributions that each extra names itself, and the extras that it includes."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        lines = []
    direct: dict[str, list[str]] = {}
    included: dict[str, list[str]] = {}
    for line in lines:
        needed, _, marker = line.partition(";")
        extra = next(iter(re.findall(r"""extra == ['"]([^'"]+)""", marker)), "")
        name, more = re.match(r"([\w.-]+)(?:\[([^]]+)])?", needed.strip()).groups()  # type: ignore[union-attr]
        if canonical(name) == DISTRIBUTION:
            included.setdefault(extra, []).extend(part.strip() for part in more.split(","))
        else:
            direct.setdefault(extra, []).append(canonical(name))
    return direct, included


def find_missing(extra: str) -> list[str]:
    """Find the distributions of an extra that are not installed, in the order of pyproject.toml."""
    return [name for name in read_extras().get(extra, ()) if not _is_installed(name)]


def require(what: str, *extras: str) -> None:
    """Refuse to go on without some extras.

    Parameters
    ----------
    what : str
        What needs them, such as ``ostinato train``.
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
    """Say what is missing, and how to install it.

    Examples
    --------
    >>> describe_missing("ostinato train", ["train"], ["torch", "optuna", "librosa"])
    "ostinato train needs PyTorch and 2 more packages: pip install 'ostinato[train]'"
    """
    first, *others = [TITLES.get(name, name) for name in names]
    more = f" and {len(others)} more package{'s' if len(others) > 1 else ''}" if others else ""
    return f"{what} needs {first}{more}: pip install '{DISTRIBUTION}[{','.join(extras)}]'"


def explain(what: str, error: ModuleNotFoundError) -> str | None:
    """Say which extra brings a module that could not be imported; None if none does."""
    module = (error.name or "").partition(".")[0]
    name = canonical(DISTRIBUTIONS.get(module, module))
    extras = [extra for extra, names in read_extras().items() if name in names and extra]
    return describe_missing(what, extras[:1], [name]) if extras else None


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
