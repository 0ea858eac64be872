"""A plugin is its file."""

import pytest

from ostinato import registry
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
