"""The commands: each imports what it needs only when it runs."""

from ostinato.cli import models, networks, runs, stages
from ostinato.cli.root import app

__all__ = ["app", "models", "networks", "runs", "stages"]
