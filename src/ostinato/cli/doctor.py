"""The command that checks this machine, installation and project."""

from json import dumps
from pathlib import Path

import typer

from ostinato.cli.root import LOOK, Json, Models, app, echo


@app.command(rich_help_panel=LOOK)
def doctor(models: Models = None, json: Json = False) -> None:
    """Check Python, packages, decoders, cores, memory, disk, servers and released models; exit status 1 on an error."""
    from ostinato.core.paths import Paths
    from ostinato.doctor import Machine, diagnose, format_findings

    root = Path.cwd()
    findings = diagnose(Machine(root, models or Paths(root).releases))
    echo(dumps([f._asdict() for f in findings], indent=2, ensure_ascii=False) if json else format_findings(findings))
    raise typer.Exit(int(any(finding.state == "error" for finding in findings)))
