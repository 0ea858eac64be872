"""Validation errors as readable messages."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ostinato.core.params.schema import Params
from ostinato.core.registry import instead


def format_error(error: ValidationError, model: type[BaseModel] | None = None, within: Iterable[str] = ()) -> str:
    """Format a validation error as one readable line.

    Parameters
    ----------
    error : ValidationError
    model : type of BaseModel, optional
        Model that was validated, to suggest keys like an unknown one; default: `Params`.
    within : iterable of str
        Keys that lead to the validated value.

    Returns
    -------
    str
    """
    messages = []
    for problem in error.errors():
        keys = [str(part) for part in (*within, *problem["loc"]) if "[" not in str(part)]  # those name types, not keys
        messages.append(f"{'.'.join(keys)}: {describe_problem(problem, model or Params)}")
    return "; ".join(dict.fromkeys(messages))


WORDS = {
    "Value error, ": "",
    "Input should be": "must be",
    "Input should have": "must have",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text (in quotation marks)",
    "a valid boolean": "true or false",
    "a valid list": "a list such as [a, b]",
    "a valid dictionary": "keys with values, such as {a: b}",
}
"""Replacements for pydantic's wording."""


def describe_problem(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    """Describe what is wrong with a value, and how to correct it.

    Parameters
    ----------
    problem : mapping
        One of the errors of a ValidationError.
    model : type of BaseModel
        Model that was validated.

    Returns
    -------
    str
    """
    text = simplify_message(problem)
    if problem["type"] == "extra_forbidden":
        keys = _list_keys(model, problem["loc"][:-1])
        return f"{text}; {instead(str(problem['loc'][-1]), keys) if keys else 'correct or delete it'}"
    is_clear = problem["type"] in ("former_key", "missing") or isinstance(problem["input"], dict)
    return text if is_clear else f"{text} (it is {problem['input']!r})"


def simplify_message(problem: Mapping[str, Any]) -> str:
    """Return pydantic's message in plain words, without the input value.

    Examples
    --------
    >>> simplify_message({"type": "int_type", "msg": "Input should be a valid integer"})
    'must be a whole number'
    """
    if problem["type"] == "extra_forbidden":
        return "unknown key"
    if problem["type"] == "missing":
        return "is missing; add it"
    message = re.sub(r" or (instance of \w+|object to extract fields from)", "", str(problem["msg"]))
    for old, new in WORDS.items():
        message = message.replace(old, new)
    return message


def _list_keys(annotation: Any, keys: Iterable[Any]) -> list[str]:
    """List the keys of a nested section of a model; empty if any key is allowed."""
    for part in keys:
        annotation = _find_part(annotation, part)
    models = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
    return [field.alias or name for model in models[:1] for name, field in model.model_fields.items()]


def _find_part(annotation: Any, part: Any) -> Any:
    """Return the type under a key or index of an annotation; None if unknown."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return next((field.annotation for name, field in fields if part in (name, field.alias)), None)
    if get_origin(annotation) in (dict, list, tuple):
        return get_args(annotation)[-1]
    return next((type_ for a in get_args(annotation) if (type_ := _find_part(a, part)) is not None), None)
