"""Read and write YAML files that people edit."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ostinato.errors import ParamsError

EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
TEXT = "tag:yaml.org,2002:str"


def read(path: Path) -> dict[str, Any]:
    """Read a YAML mapping without validating its content.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict

    Raises
    ------
    ParamsError
        If the file is missing, or not YAML or not a mapping.
    """
    try:
        return parse(path.read_text(), str(path))
    except FileNotFoundError as error:
        raise ParamsError(f"{path}: is not there; run ostinato in the folder of params.yaml") from error


def parse(text: str, origin: str) -> dict[str, Any]:
    """Read a mapping from the text of a YAML file, such as another revision's params.yaml.

    Parameters
    ----------
    text : str
    origin : str
        Name of the file in errors.

    Raises
    ------
    ParamsError
        If it is not YAML or not a mapping, or has a number that YAML reads as text.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParamsError(f"{origin}: is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{origin}: must be a mapping of sections such as `seed` and `dataset`")
    if EXPONENT.search(text):
        _refuse_exponents(yaml.compose(text, Loader=yaml.SafeLoader), origin)
    return values


def _refuse_exponents(document: yaml.Node | None, origin: str) -> None:
    """Refuse numbers that YAML 1.1 reads as text as they lack a dot or the exponent's sign."""
    messages = []
    for keys, node in _walk_scalars(document):
        if node.style is None and node.tag == TEXT and EXPONENT.fullmatch(node.value):
            mantissa, _, exponent = node.value.lower().partition("e")
            integer, _, fraction = mantissa.partition(".")
            sign = "" if exponent[0] in "+-" else "+"
            number = f"{integer if integer.strip('+-') else integer + '0'}.{fraction or '0'}e{sign}{exponent}"
            other = f"{float(number):.0f} or " if 1 <= abs(float(number)) < 1e9 and float(number).is_integer() else ""
            messages.append(
                f"{'.'.join(keys)}: line {node.start_mark.line + 1}: YAML 1.1 reads {node.value} as text; "
                f"write {other}{number}, or '{node.value}' in quotes if it is text"
            )
    if messages:
        raise ParamsError(f"{origin}: {'; '.join(messages)}")


def _walk_scalars(node: yaml.Node | None, *keys: str) -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode]]:
    """Yield every scalar of a YAML document with its keys."""
    if isinstance(node, yaml.ScalarNode):
        yield keys, node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk_scalars(value, *keys, str(key.value))
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _walk_scalars(value, *keys, str(i))


def write(path: Path, values: dict[str, Any]) -> None:
    """Write a mapping as YAML, unless the file already equals it."""
    if not path.exists() or read(path) != values:
        path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
