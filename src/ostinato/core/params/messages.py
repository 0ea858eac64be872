"""Messages: errors of validation in words that a person can act on."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ostinato.core.params.schema import Params
from ostinato.core.registry import instead


def readable(error: ValidationError, model: type[BaseModel] | None = None, within: Iterable[str] = ()) -> str:
    """Put a validation error in one line a person can act on.

    Parameters
    ----------
    error : ValidationError
    model : type of BaseModel, optional
        What was read, so that keys like an unknown one can be named; default: `Params`.
    within : iterable of str
        Keys that lead to what was read.

    Returns
    -------
    str
    """
    messages = []
    for problem in error.errors():
        where = [str(part) for part in (*within, *problem["loc"]) if "[" not in str(part)]  # those name types, no keys
        messages.append(f"{'.'.join(where)}: {describe_problem(problem, model or Params)}")
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
"""What pydantic says, and how a person would."""


def describe_problem(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    """Return what is wrong with a value, and what would be right.

    Parameters
    ----------
    problem : mapping
        Of the errors of a ValidationError.
    model : type of BaseModel
        What was read.

    Returns
    -------
    str
    """
    text = simplify_message(problem)
    if problem["type"] == "extra_forbidden":
        known = _list_keys(model, problem["loc"][:-1])
        return f"{text}; {instead(str(problem['loc'][-1]), known) if known else 'correct or delete it'}"
    is_clear = problem["type"] in ("former_key", "missing") or isinstance(problem["input"], dict)
    return text if is_clear else f"{text} (it is {problem['input']!r})"


def simplify_message(problem: Mapping[str, Any]) -> str:
    """Return pydantic's message in plain words, without the value that was given.

    Examples
    --------
    >>> simplify_message({"type": "int_type", "msg": "Input should be a valid integer"})
    'must be a whole number'
    """
    if problem["type"] == "extra_forbidden":
        return "is no key here"
    if problem["type"] == "missing":
        return "is missing; add it"
    message = re.sub(r" or (instance of \w+|object to extract fields from)", "", str(problem["msg"]))
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    return message


def _list_keys(annotation: Any, place: Iterable[Any]) -> list[str]:
    """List the keys of the section at a place below a model; empty where any key may stand."""
    for part in place:
        annotation = _find_part(annotation, part)
    models = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
    return [field.alias or name for model in models[:1] for name, field in model.model_fields.items()]


def _find_part(annotation: Any, part: Any) -> Any:
    """Return the type of what stands under a key, or at a position, of a value of a type; None if that is unknown."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return next((field.annotation for name, field in fields if part in (name, field.alias)), None)
    if get_origin(annotation) in (dict, list, tuple):
        return get_args(annotation)[-1]
    return next((found for a in get_args(annotation) if (found := _find_part(a, part)) is not None), None)
