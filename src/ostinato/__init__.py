"""Music understanding as one pipeline."""

import os
from typing import Any

# unless this stands before it is imported, ONNX Runtime numbers the machine and reports to its maker
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> Any:
    """Look up what takes time only when it is asked for."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("ostinato")
        except PackageNotFoundError:  # imported from a folder
            return "0+unknown"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
