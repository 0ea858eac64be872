"""Entry point of ``ostinato`` and ``python -m ostinato``."""

import os
import sys


def main() -> None:
    """Run a command; a mendable error, or a file that the system refuses, is one line on stderr and exit status 2."""
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


def _refuse(error: Exception) -> int:
    from ostinato.io.escapes import escape_lines

    print(f"ostinato: {escape_lines(str(error))}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
