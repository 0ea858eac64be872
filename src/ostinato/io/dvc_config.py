"""DVC's settings of a project, read without DVC."""

from configparser import ConfigParser, Error
from pathlib import Path

from ostinato.errors import OstinatoError

FILES = ("config", "config.local")
"""In ``.dvc``; the latter overrides the former."""


def read_dvc_config(root: Path) -> ConfigParser:
    """Read the settings of a project.

    Parameters
    ----------
    root : Path
        Of the project; without ``.dvc`` there are none.

    Returns
    -------
    ConfigParser

    Raises
    ------
    OstinatoError
        If a file is not in the format of settings.
    """
    config = ConfigParser(interpolation=None)  # a URL may hold "%"
    for name in FILES:
        try:
            config.read(root / ".dvc" / name)
        except Error as error:
            first = str(error).partition("\n")[0]
            raise OstinatoError(
                f".dvc/{name} cannot be read: {first}; correct that line (dvc config --list)"
            ) from error
    return config


def list_remotes(config: ConfigParser) -> dict[str, str]:
    """List the URLs of remotes by name.

    Examples
    --------
    >>> config = ConfigParser(interpolation=None)
    >>> config.read_dict({"remote store": {"url": "../store"}})
    >>> list_remotes(config)
    {'store': '../store'}
    """
    names = {section: section.strip("'").removeprefix("remote").strip(' "') for section in config.sections()}
    return {name: config.get(s, "url", fallback="") for s, name in names.items() if s.strip("'").startswith("remote ")}


def resolve_path(root: Path, path: str) -> Path:
    """Resolve a path in the settings, which is relative to their folder."""
    return (root / ".dvc" / path).resolve()
