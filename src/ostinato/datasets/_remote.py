"""Where a dataset's files come from, and how each is known to be the right one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Remote:
    """One file to fetch.

    Parameters
    ----------
    url : str
    name : str
        What the file is called below the dataset's root.
    checksum : str
        As ``md5:...``, ``sha1:...`` or ``sha256:...``.
    unpack : bool
        Whether it is an archive, to be unpacked below the root and then deleted.
    max_bytes : int
        What it may hold once unpacked.
    """

    url: str
    name: str
    checksum: str
    unpack: bool = True
    max_bytes: int = 2 * 2**30
