"""Music understanding as one pipeline.

>>> model = ostinato.load_model("models/released")  # doctest: +SKIP
>>> model.predict("song.mp3")["label"]  # doctest: +SKIP
'jazz'
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ostinato.api import Model, load_catalog, load_model

    __version__: str

__all__ = ["Model", "__version__", "load_catalog", "load_model"]

# unless this stands before it is imported, ONNX Runtime numbers the machine and reports to its maker
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> Any:
    """Look up what takes time to import only when it is asked for."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("ostinato")
        except PackageNotFoundError:  # imported from a folder
            return "0+unknown"
    if name in __all__:
        return getattr(importlib.import_module("ostinato.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
