"""Ballroom: clips of dances, classified by rhythm.

Size: 698 clips of 30 s in 8 dances. Origin: ballroomdancers.com, for the tempo contest
of ISMIR 2004. Licence: none stated; the beats are CC BY-NC-SA 4.0. Paper: F. Gouyon, A.
Klapuri, S. Dixon, M. Alonso, G. Tzanetakis, C. Uhle, P. Cano: An Experimental Comparison
of Audio Tempo Induction Algorithms. IEEE TASLP 14(5), 2006.

The root holds ``<dance>/<clip>.wav``, perhaps one folder deeper (BallroomData); the
three folders Rumba-* are one dance. A clip's name contains its album (``Media-103501`` is
the first clip of album 1035, ``Albums-AnaBelen_Veneo-01`` of that album), and clips of
one album are in one split. It is known to have duplicates, which validation finds.
"""

from pathlib import Path, PurePosixPath

import pandas as pd
from pydantic import BaseModel

from ostinato.datasets._remote import Remote
from ostinato.datasets._tables import audio_files
from ostinato.errors import DataError

LICENSE = "none stated; for research by custom"
CITATION = """@article{gouyon2006experimental,
  title = {An Experimental Comparison of Audio Tempo Induction Algorithms},
  author = {Gouyon, F. and Klapuri, A. and Dixon, S. and Alonso, M. and Tzanetakis, G. and Uhle, C. and Cano, P.},
  journal = {IEEE Transactions on Audio, Speech, and Language Processing},
  volume = {14}, number = {5}, pages = {1832--1844}, year = {2006}, doi = {10.1109/TSA.2005.858509}
}"""
SOURCE = "http://mtg.upf.edu/ismir2004/contest/tempoContest/node5.html (the checksum is mirdata's)"
REMOTES = (
    Remote(
        "https://mtg.upf.edu/ismir2004/contest/tempoContest/data1.tar.gz",
        "data1.tar.gz",
        "md5:2872a3e52070bc342a4510a95e2fa0b8",
    ),
)
INDEX = Remote(
    "https://zenodo.org/records/13993346/files/ballroom_full_index_1.0.json?download=1",
    "ballroom_full_index_1.0.json",
    "md5:ca5a5c68e59c608ae8b73b23454d5707",
    unpack=False,
)
EXPECTED = {"tracks": 698, "genre": 8}
CLASSES = {"genre": ("ChaChaCha", "Jive", "Quickstep", "Rumba", "Samba", "Tango", "VienneseWaltz", "Waltz")}


class Options(BaseModel, frozen=True, extra="forbid"):
    """No options."""


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the clips.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Not used.

    Returns
    -------
    DataFrame
        track_id ("Waltz/Media-103501"), path, genre, album.

    Raises
    ------
    DataError
        If no clip is in a dance's folder.
    """
    rows = []
    for path in audio_files(root):
        clip = PurePosixPath(path)
        dance = clip.parent.name.split("-")[0]
        if dance in CLASSES["genre"]:
            rows.append((f"{clip.parent.name}/{clip.stem}", path, dance, album(clip.stem)))
    if not rows:
        raise DataError(
            f"{root}: has no clip such as Waltz/Media-103501.wav; set dataset.path to the folder BallroomData"
        )
    return pd.DataFrame(rows, columns=["track_id", "path", "genre", "album"])


def album(clip: str) -> str:
    """Return the album in a clip's name.

    Examples
    --------
    >>> album("Media-103501"), album("Albums-AnaBelen_Veneo-01")
    ('Media-1035', 'Albums-AnaBelen_Veneo')
    """
    return clip[:-2] if clip.startswith("Media-") else clip.rpartition("-")[0] or clip
