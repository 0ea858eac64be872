"""The command line's own words."""

import pytest
from typer.testing import CliRunner

from ostinato.cli import app

COMMANDS = sorted(str(command.name or command.callback.__name__) for command in app.registered_commands)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_shows_a_flag_without_a_type(command):
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert "--help" in shown.stdout
    assert "<bool>" not in shown.stdout
