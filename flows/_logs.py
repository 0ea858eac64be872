"""Logs of flows as text, or as JSON: Prefect's records, and the lines of the stages that they run."""

import argparse
import logging
import os
import sys
from typing import Any

from ostinato.core import logs

LOGGER = logging.getLogger("ostinato.flows")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--log-format`` to a command line; the environment gives its default."""
    text = f"json: log one JSON object per line; default: {logs.VARIABLE}, else text"
    parser.add_argument("--log-format", choices=("text", "json"), default=os.environ.get(logs.VARIABLE), help=text)


def set_format(log_format: str | None) -> None:
    """Log in a format from now on, in the processes that this one starts too.

    Parameters
    ----------
    log_format : {"text", "json"} or None
        None is text.
    """
    if log_format:
        os.environ[logs.VARIABLE] = log_format
    if logs.is_json():
        logs.log_as_json().addFilter(_describe_run)
        for name in ("uvicorn", "fastapi"):  # which Prefect gives handlers of their own
            logging.getLogger(name).handlers.clear()
            logging.getLogger(name).propagate = True


def log_event(text: str) -> None:
    """Log an event outside of runs: a JSON record, else a line on standard error."""
    if logs.is_json():
        LOGGER.info(text)
    else:
        print(text, file=sys.stderr)


def log_line(logger: Any, line: str) -> str:
    """Log a line of a process; a JSON record keeps its level, name and fields.

    Returns
    -------
    str
        Its text.
    """
    entry = logs.parse_line(line) if logs.is_json() else None
    if entry is None:
        logger.info(line)
        return line
    message, level = entry.pop("message"), logging.getLevelNamesMapping().get(entry.pop("level").upper(), logging.INFO)
    del entry["time"]
    logger.log(level, message, extra={"fields": entry})
    return str(message)


def _describe_run(record: logging.LogRecord) -> bool:
    """Name the flow, its run and the stage of a record in its fields."""
    stage = getattr(record, "task_run_name", None) if getattr(record, "task_name", None) == "run_stage" else None
    run = {"flow": getattr(record, "flow_name", None), "run": getattr(record, "flow_run_name", None), "stage": stage}
    record.fields = {k: v for k, v in run.items() if v is not None} | getattr(record, "fields", {})
    return True


if logs.is_json():  # a deployment's run is started by Prefect, not by `main` of a flow
    set_format("json")
