"""Logs as text, or as one JSON object per line for log collectors."""

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from typing import Any, TextIO

VARIABLE = "OSTINATO_LOG_FORMAT"
"""Environment variable with the format, for this process and its children."""


class JsonFormatter(logging.Formatter):
    """Format records as JSON: time, level, name of the logger, message, and their ``fields``.

    Parameters
    ----------
    **fields
        Fields of every record, such as the stage.
    """

    def __init__(self, **fields: object) -> None:
        super().__init__()
        self.fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line."""
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
    """Log as JSON: this package from level INFO, other libraries and Python's warnings from WARNING.

    Parameters
    ----------
    stream : file, optional
        Default: standard error.
    **fields
        Fields of every record, such as the stage.

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
    """Return whether the environment selects JSON."""
    return os.environ.get(VARIABLE) == "json"


def parse_line(line: str) -> dict[str, Any] | None:
    """Parse a line from `JsonFormatter`; None for other lines.

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
    """A stream that logs each line; of a progress bar only its last state."""

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
    """Log as JSON to standard error, including what is printed in the meantime.

    Parameters
    ----------
    stage : str
        Field of every record.
    """
    log_as_json(stage=stage)
    lines = _Lines(logging.getLogger("ostinato.output"))
    with redirect_stdout(lines), redirect_stderr(lines):
        try:
            yield
        finally:
            lines.write("\n")
