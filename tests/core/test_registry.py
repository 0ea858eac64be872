"""A plugin is its file."""

import subprocess
import sys

import pytest

from ostinato.core import registry
from ostinato.errors import OstinatoError


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path, monkeypatch):
    package = tmp_path / "plugins"
    package.mkdir()
    for name in ("__init__", "tuba", "harp", "_shared"):
        (package / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.names("plugins") == ("harp", "tuba")
    assert registry.load("plugins", "tuba").__name__ == "plugins.tuba"
    with pytest.raises(OstinatoError, match="there is no 'oboe'; there are harp, tuba"):
        registry.load("plugins", "oboe")


def test_a_name_is_checked_without_importing_what_it_is_looked_up_in():
    code = (
        "import sys; from ostinato.core import registry; from ostinato.errors import OstinatoError\n"
        "try: registry.check('ostinato.architectures', 'tmie')\n"
        "except OstinatoError as error: print(error)\n"
        "print('torch' in sys.modules, 'ostinato.architectures' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0].endswith("did you mean 'time'?")
    assert said[1] == "False False"
