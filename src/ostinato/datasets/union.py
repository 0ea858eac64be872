"""Several datasets as one; the origin of each track can be a label.

Size, origin, licence and paper are those of its parts: see `ostinato datasets NAME`.

```yaml
dataset:
  name: union
  origin: tag              # or genre: learn to distinguish the parts
  of:
    ours: {name: folder, path: punjabi}
    gtzan: {name: gtzan, path: gtzan}
```

Each part is in its `path` below the root and keeps its own options. A track's id
begins with its part, so that two parts may have tracks of the same name. Duplicates
are found across parts too.
"""

from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, Field

from ostinato.curation.remarks import add_remarks, get_remarks
from ostinato.datasets import load
from ostinato.errors import ParamsError

LICENSE = "those of its parts"
CITATION = ""
SOURCE = "its parts"
FILES = ("path", "lyrics", "cover")


class Options(BaseModel, frozen=True, extra="forbid"):
    """Options of a union.

    Parameters
    ----------
    of : dict
        By label, a dataset's `name`, its `path` below the root (default: the label), and its options.
    origin : {"tag", "genre", "none"}
        Use of the label: as one more tag ("from gtzan"), as the genre, or none.
    """

    of: dict[str, dict[str, Any]] = Field(min_length=1)
    origin: Literal["tag", "genre", "none"] = "tag"


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the tracks of all parts.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Passed to the parts.

    Returns
    -------
    DataFrame
        Rows of the parts; track_id is "<label>/<track_id of the part>".

    Raises
    ------
    ParamsError
        If a part has no name, is a union itself, or is outside the root.
    """
    parts = [_part(root, label, dict(config), seed, workers) for label, config in options.of.items()]
    frame = pd.concat([part for _, part in parts], ignore_index=True)
    frame.attrs = {}
    remarks = [remark | {"what": f"{label}: {remark['what']}"} for label, part in parts for remark in get_remarks(part)]
    add_remarks(frame, remarks)
    origin = [label for label, part in parts for _ in range(len(part))]
    if options.origin == "genre":
        frame["genre"] = origin
    elif options.origin == "tag":
        tags: Any = frame["tags"] if "tags" in frame else [[]] * len(frame)
        frame["tags"] = [
            sorted({*(cell if pd.api.types.is_list_like(cell) else ()), f"from {label}"})
            for cell, label in zip(tags, origin, strict=True)
        ]
    return frame


def _part(root: Path, label: str, config: dict[str, Any], seed: int, workers: int) -> tuple[str, pd.DataFrame]:
    name, path = config.pop("name", None), PurePosixPath(str(config.pop("path", label)))
    if not name or name == "union":
        raise ParamsError(f"dataset.of.{label}: needs the name of a dataset other than union")
    if path.is_absolute() or ".." in path.parts:
        raise ParamsError(
            f"dataset.of.{label}.path: {path} is outside the root; move the part, or a link to it, into the root"
        )
    plugin, options = load(SimpleNamespace(name=name, options=config))
    if not getattr(plugin, "AUDIO", True):
        raise ParamsError(f"dataset.of.{label}: {name} has no audio, so it cannot be part of a union")
    part = plugin.tracks(root / path, options, seed=seed, workers=workers).copy()
    part["track_id"] = f"{label}/" + part["track_id"]
    for column in FILES:
        if column in part:
            part[column] = [str(path / file) if isinstance(file, str) else None for file in part[column]]
    return label, part
