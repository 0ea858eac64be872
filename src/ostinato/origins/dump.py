"""The JSON dumps of MusicBrainz: archives with one entity a line, read once for all queries.

https://musicbrainz.org/doc/Development/JSON_Data_Dumps: ``artist.tar.xz`` holds ``mbdump/artist``, and so on.
"""

import json
import lzma
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tqdm import tqdm

from ostinato.errors import DataError
from ostinato.origins.query import Answer, Query, fold, list_names


class Dump:
    """MusicBrainz, from a folder of its dumps.

    Parameters
    ----------
    folder : Path
        With ``artist.tar.xz``; ``release-group.tar.xz`` to find artists by an album, and for years; and
        ``recording.tar.xz`` to find them by ISRC.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.n_requests = folder, 0
        self.artists: dict[str, Answer] = {}
        self.artists_by_name: dict[str, list[Answer]] = defaultdict(list)
        self.recordings: dict[str, list[Answer]] = defaultdict(list)
        self.albums: dict[str, list[Answer]] = defaultdict(list)
        self.albums_by_artist: dict[str, list[Answer]] = defaultdict(list)

    def prepare(self, queries: list[Query]) -> None:
        """Read what the queries are about.

        Raises
        ------
        DataError
            If an archive is missing or damaged.
        """
        isrcs = {q.isrc for q in queries if q.isrc}
        titles = {fold(q.album) for q in queries if q.album}
        ids = {q.mbid for q in queries if q.mbid}
        names = {fold(q.artist) for q in queries if q.artist and not q.mbid}
        for recording in self._read("recording") if isrcs else ():
            for isrc in isrcs.intersection(recording.get("isrcs", ())):
                self.recordings[isrc].append(recording)
        for album in self._read("release-group") if titles else ():
            if (title := fold(album.get("title"))) in titles:
                credits = album.get("artist-credit", ())
                if any(
                    c["artist"]["id"] in ids or names & {fold(c["name"]), fold(c["artist"]["name"])} for c in credits
                ):
                    self.albums[title].append(album)
        works = [work for group in (*self.recordings.values(), *self.albums.values()) for work in group]
        ids |= {credit["artist"]["id"] for work in works for credit in work.get("artist-credit", ())}
        for artist in self._read("artist"):
            if artist["id"] in ids:
                self.artists[artist["id"]] = artist
            for name in names.intersection(map(fold, list_names(artist))):
                self.artists_by_name[name].append(artist)
        for album in self._read("release-group") if not all(q.is_track for q in queries) else ():
            for mbid in ids.intersection(credit["artist"]["id"] for credit in album.get("artist-credit", ())):
                self.albums_by_artist[mbid].append({"first-release-date": album.get("first-release-date")})

    def find_artist(self, mbid: str) -> Answer:
        """Return an artist; empty if there is none with this MBID."""
        return self.artists.get(mbid, {})

    def find_artists(self, query: Query) -> list[Answer]:
        """Return the artists of a name."""
        return self.artists_by_name[fold(query.artist)]

    def find_recordings(self, query: Query) -> list[Answer]:
        """Return the recordings of an ISRC."""
        return self.recordings[query.isrc or ""]

    def find_albums(self, query: Query) -> list[Answer]:
        """Return the release groups of a title."""
        return self.albums[fold(query.album)]

    def list_albums(self, mbid: str) -> list[Answer]:
        """Return all release groups of an artist."""
        return self.albums_by_artist[mbid]

    def _read(self, entity: str) -> Iterator[Answer]:
        """Yield the entities of an archive."""
        path, n = self.folder / f"{entity}.tar.xz", 0
        try:
            with tarfile.open(path, "r|xz") as archive:
                for member in archive:
                    if member.name == f"mbdump/{entity}":
                        file: IO[bytes] = archive.extractfile(member)  # type: ignore[assignment]
                        for line in tqdm(file, f"reading {path.name}", unit=" lines", disable=None, leave=False):
                            n += 1
                            yield json.loads(line)
                        return
        except FileNotFoundError as error:
            raise DataError(f"{path}: is not there; download it, or ask the web service without --dump") from error
        except (tarfile.TarError, lzma.LZMAError, EOFError, OSError, ValueError) as error:
            raise DataError(f"{path}: is damaged after {n:,} lines ({error}); download it again") from error
        raise DataError(f"{path}: holds no file mbdump/{entity}; download the JSON dump of MusicBrainz")
