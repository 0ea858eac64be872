"""Logs as text, or as one JSON object a line, for programs that collect them."""

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, TypeAlias

VARIABLE = "OSTINATO_LOG_FORMAT"
"""Names the format for this process and those that it starts."""
LogFormat: TypeAlias = Literal["text", "json"]


class JsonFormatter(logging.Formatter):
    """One JSON object for a record: time, level, name of the logger, message, and its ``fields``.

    Parameters
    ----------
    **fields
        What every record bears, such as the stage.
    """

    def __init__(self, **fields: object) -> None:
        super().__init__()
        self.fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "name": record.name,
            "message": record.getMessage(),
            **self.fields,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def log_as_json(stream: TextIO | None = None, **fields: object) -> logging.Handler:
    """Write all records of this process as JSON, those of this package from INFO on, warnings of libraries too.

    Parameters
    ----------
    stream : file, optional
        Default: standard error.
    **fields
        What every record bears, such as the stage.

    Returns
    -------
    logging.Handler
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(**fields))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    logging.getLogger("ostinato").setLevel(logging.INFO)
    return handler


def is_json() -> bool:
    """Return whether the environment asks for JSON."""
    return os.environ.get(VARIABLE) == "json"


def parse_line(line: str) -> dict[str, Any] | None:
    """Read a line that `JsonFormatter` wrote; None of any other.

    Examples
    --------
    >>> parse_line('{"level": "info", "name": "a", "message": "b"}')["message"]
    'b'
    >>> parse_line("Running stage 'split':")
    """
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and {"level", "name", "message"} <= entry.keys() else None


class _Lines(io.TextIOBase):
    """A stream whose lines become records; of a progress bar, which redraws itself, the last drawing."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger, self.rest = logger, ""

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            if last := line.rstrip("\r").rpartition("\r")[2].strip():
                self.logger.info("%s", last)
        return len(text)


@contextmanager
def capture_prints(stage: str) -> Iterator[None]:
    """Log as JSON on standard error, and make records of what is printed meanwhile.

    Parameters
    ----------
    stage : str
        What every record bears.
    """
    log_as_json(stage=stage)
    lines = _Lines(logging.getLogger("ostinato.output"))
    with redirect_stdout(lines), redirect_stderr(lines):
        try:
            yield
        finally:
            lines.write("\n")
