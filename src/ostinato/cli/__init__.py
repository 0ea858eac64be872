"""The commands; each imports what it needs only when it runs."""

from ostinato.cli import doctor, labels, models, networks, origins, runs, serving, stages, structure, study, tagging
from ostinato.cli.root import app

__all__ = [
    "app",
    "doctor",
    "labels",
    "models",
    "networks",
    "origins",
    "runs",
    "serving",
    "stages",
    "structure",
    "study",
    "tagging",
]
