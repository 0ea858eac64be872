"""Decide whether a run has anything to do, before Prefect is imported: that and its server take seconds."""

import argparse
import hashlib
import sys
from pathlib import Path

from _logs import add_option, log_event, set_format
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.io.files import atomic_write
from ostinato.pipeline import graph, sources
from ostinato.pipeline.reading import Reading


def leave_if_idle() -> None:
    """End this program if it was given no target and nothing has changed since the last release."""
    parser = argparse.ArgumentParser(add_help=False)
    add_option(parser)
    arguments, others = parser.parse_known_args()
    if not others and is_idle(Path.cwd()):
        set_format(arguments.log_format)
        log_event("nothing changed")
        sys.exit(0)


def is_idle(project: Path) -> bool:
    """Return whether no stage has work, no file of the dataset changed, and the last release judged what stands.

    Parameters
    ----------
    project : Path
        The folder of dvc.yaml. Of one that cannot be read the flow has words.
    """
    try:
        reading = Reading(project)
        changes = reading.find_changes()
        always = [name for name in reading.stages if changes.get(name) == graph.ALWAYS_CHANGED]
        return (
            not graph.find_stale(reading.find_upstream(), changes)
            and not reading.find_faults()
            and (not always or sources.is_unchanged(Paths(project), reading.hash_entries(always)))
            and not needs_release(project)
        )
    except (OstinatoError, OSError):
        return False


def needs_release(project: Path) -> bool:
    """Return whether the graph stands otherwise than at the last release, as after a kill in between."""
    if not Paths(project).verdict.is_file():
        return True
    mark = _mark(project)
    return mark.is_file() and mark.read_text() != _hash_lock(project)


def mark_release(project: Path) -> None:
    """Keep how the graph stood when it was released."""
    with atomic_write(_mark(project)) as partial:
        partial.write_text(_hash_lock(project))


def _mark(project: Path) -> Path:
    return Paths(project).state / "released.sha256"


def _hash_lock(project: Path) -> str:
    return hashlib.sha256((project / "dvc.lock").read_bytes()).hexdigest()
