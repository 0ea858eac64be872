"""Make torchaudio importable where torch has no CUDA.

The published torchaudio holds one library, ``_torchaudio``, that links against
CUDA; without CUDA it cannot be loaded and takes the whole import with it, while
nothing else needs it: torchaudio skips what is not there.
"""

import importlib.util
import sys
from pathlib import Path


def main() -> None:
    """Delete that library if this Python's torch was built without CUDA."""
    import torch

    found = importlib.util.find_spec("torchaudio")
    if torch.version.cuda is not None or found is None or not found.submodule_search_locations:
        return
    for library in Path(found.submodule_search_locations[0], "lib").glob("_torchaudio*.so"):
        library.unlink()
        print(f"removed {library.name}: torch has no CUDA", file=sys.stderr)


if __name__ == "__main__":
    main()
