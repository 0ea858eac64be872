"""Entry point of ``ostinato`` and ``python -m ostinato``."""

import os
import sys
from typing import Any


def main() -> None:
    """Run a command; an error of the user or a file that the system refuses is one line on stderr and exit status 2."""
    if address := os.environ.get("OSTINATO_WARM"):
        from ostinato.pipeline import forkserver

        if (status := forkserver.ask(address, sys.argv[1:])) is not None:
            sys.exit(status)
    from ostinato.cli import app
    from ostinato.errors import OstinatoError
    from ostinato.io.files import ADVICE, explain_refusal

    try:
        app(prog_name="ostinato")
    except OstinatoError as error:
        sys.exit(_refuse(error))
    except OSError as error:
        if error.errno not in ADVICE:
            raise
        place = error.filename or f"a file below {os.getcwd()}"  # a write that fails names none
        sys.exit(_refuse(OstinatoError(f"{place}: {explain_refusal(error)}")))
    except Exception:
        if os.environ.get("OSTINATO_LOG_FORMAT") != "json":
            raise
        _find_logger().exception("ended by an error that it did not expect")
        sys.exit(1)


def _refuse(error: Exception) -> int:
    from ostinato.io.escapes import escape_lines

    if os.environ.get("OSTINATO_LOG_FORMAT") == "json":
        _find_logger().error(str(error))
    else:
        print(f"ostinato: {escape_lines(str(error))}", file=sys.stderr)
    return 2


def _find_logger() -> Any:
    """Return a logger that writes JSON: as a stage or the service set it up, else as here."""
    import logging

    from ostinato.core import logs

    if not any(isinstance(handler.formatter, logs.JsonFormatter) for handler in logging.getLogger().handlers):
        logs.log_as_json()
    return logging.getLogger("ostinato")


if __name__ == "__main__":
    main()
