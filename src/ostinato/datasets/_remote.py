"""Downloads of a dataset and their checksums."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Remote:
    """One file to download.

    Parameters
    ----------
    url : str
    name : str
        Path below the dataset's root.
    checksum : str
        ``md5:...``, ``sha1:...`` or ``sha256:...``.
    unpack : bool
        Whether it is an archive, to be unpacked into the root and then deleted.
    max_bytes : int
        Limit of its size once unpacked.
    """

    url: str
    name: str
    checksum: str
    unpack: bool = True
    max_bytes: int = 2 * 2**30
