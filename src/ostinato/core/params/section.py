"""Base class of the sections of params.yaml, and the types of their keys."""

import difflib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

GATES = ("genre", "tags", "artist_embedding", "space", "regression", "listeners")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError("is not a name: use up to 100 of a-z, 0-9, _ . + and -, starting with a letter, a digit or _")
    return name


def _check_cron(cron: str) -> str:
    try:
        if len(cron.split()) != 5:
            raise CronSimError(f"has {len(cron.split())} fields")
        next(CronSim(cron, datetime(2024, 1, 1)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(
            f"{cron!r} is not a schedule ({str(error).lower() or 'it never occurs'}): give minute, hour, day, month "
            "and weekday, such as '0 3 * * 0' for Sundays at three"
        ) from None
    return cron


def _check_timezone(timezone: str) -> str:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        matches = difflib.get_close_matches(timezone, sorted(available_timezones()), n=1)
        hint = f", such as {matches[0]}" if matches else ", such as Europe/Vienna or UTC"
        raise ValueError(f"{timezone!r} is not a time zone: use a name of the IANA database{hint}") from None
    return timezone


def _check_gate(name: str) -> str:
    if name not in GATES:
        raise ValueError(f"must be {', '.join(map(repr, GATES[:-1]))} or {GATES[-1]!r}")
    return name


Key: TypeAlias = Annotated[str, AfterValidator(_check_name)]
"""A name given by users; it becomes part of commands, folders and pages."""
GateKey: TypeAlias = Annotated[str, AfterValidator(_check_gate)]
"""A task, the similarity spaces, the regressions, or recommendations from listening histories."""
Cron: TypeAlias = Annotated[str, AfterValidator(_check_cron)]
Timezone: TypeAlias = Annotated[str, AfterValidator(_check_timezone)]


class Section(BaseModel):
    """A section of params.yaml: frozen, with no unknown keys and no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    FORMER: ClassVar[Mapping[str, str]] = {}
    """Former keys, and what to do about each."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_former_keys(cls, values: Any) -> Any:
        for key in values if isinstance(values, dict) else ():
            if key in cls.FORMER:
                raise PydanticCustomError("former_key", "{text}", {"text": f"{key} {cls.FORMER[key]}"})
        return values
