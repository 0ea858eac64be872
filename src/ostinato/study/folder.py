"""The folder of a study: its questions, clips and answers.

``study.json`` holds the questions and a digest of each space, ``clips/`` the audio under names that
tell nothing, ``answers.jsonl`` a line per answer.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from ostinato.errors import DataError
from ostinato.io.files import read_json, write_json
from ostinato.training.settings import derive

MANIFEST, ANSWERS, CLIPS = "study.json", "answers.jsonl", "clips"
LISTENER = re.compile(r"[0-9a-f]{16}")
"""A listener is a random number that the page draws, never a name."""
Choice: TypeAlias = Literal["first", "second", "same"]


@dataclass(frozen=True)
class Question:
    """A question: which of two recommendations goes better with a track.

    Parameters
    ----------
    track : str
        The track that both recommendations start from.
    group : str
        Its artist; the track itself if that is unknown.
    recommendations : dict of str to list of str
        Tracks that each of two spaces recommends.
    """

    track: str
    group: str
    recommendations: dict[str, list[str]]

    @property
    def tracks(self) -> list[str]:
        """All tracks that are heard."""
        return [self.track, *chain.from_iterable(self.recommendations.values())]


@dataclass(frozen=True)
class Source:
    """What a space was read from.

    Parameters
    ----------
    space : str
    file : str
        Relative to the folder of the study.
    sha256 : str
    """

    space: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Presentation:
    """A question as one listener gets it.

    Parameters
    ----------
    question : int
    first, second : str
        Spaces on either side.
    """

    question: int
    first: str
    second: str


@dataclass(frozen=True)
class Study:
    """A study.

    Parameters
    ----------
    folder : Path
    seed : int
    questions : list of Question
        For each pair of spaces equally many, an even number.
    clips : dict of str to str
        File name of each track's clip.
    sources : list of Source
    n_same : int
        Drawn tracks for which two spaces recommend the same, so that nobody is asked about them.
    """

    folder: Path
    seed: int
    questions: list[Question]
    clips: dict[str, str]
    sources: list[Source]
    n_same: int = 0

    @property
    def spaces(self) -> list[str]:
        """Names of the spaces, in the order of ``--spaces``."""
        return [source.space for source in self.sources]

    def order(self, listener: str) -> list[Presentation]:
        """Order the questions for a listener, each space of a pair first in exactly half of them.

        Parameters
        ----------
        listener : str
            The same listener always gets the same order and sides.
        """
        rng = np.random.default_rng(derive(self.seed, "listener", listener))
        sides: list[Presentation] = []
        for pair in combinations(self.spaces, 2):
            numbers = [i for i, question in enumerate(self.questions) if set(question.recommendations) == set(pair)]
            for position, i in enumerate(rng.permutation(numbers).tolist()):
                first, second = pair if position % 2 else pair[::-1]
                sides.append(Presentation(i, first, second))
        return [sides[i] for i in rng.permutation(len(sides))]

    def present(self, presentation: Presentation) -> dict[str, Any]:
        """Return what a listener may know of a question: its number and the names of clips."""
        question = self.questions[presentation.question]
        first, second = (
            [self.clips[track] for track in question.recommendations[side]]
            for side in (presentation.first, presentation.second)
        )
        return {
            "question": presentation.question, "track": self.clips[question.track], "first": first, "second": second,
        }  # fmt: skip

    def save(self) -> None:
        """Write the manifest."""
        write_json(self.folder / MANIFEST, {k: v for k, v in asdict(self).items() if k != "folder"})

    @classmethod
    def open(cls, folder: Path) -> "Study":
        """Read a study, and check that its spaces and clips are those that it was made with.

        Raises
        ------
        DataError
            If it is damaged, or a space has changed since.
        """
        if not (folder / MANIFEST).is_file():
            raise DataError(f"{folder}: holds no study; make one with `ostinato study make --out {folder}`")
        study = _read(folder, read_json(folder / MANIFEST))
        for source in study.sources:
            _check_source(folder, source)
        missing = [name for name in study.clips.values() if not (folder / CLIPS / name).is_file()]
        if missing:
            raise DataError(f"{folder / CLIPS / missing[0]}: is not there; restore it, or make a new study")
        return study


def compute_digest(source: Path) -> str:
    """Compute the SHA-256 of a source.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        return hashlib.sha256(source.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror})") from error


def _read(folder: Path, manifest: Mapping[str, Any]) -> Study:
    try:
        questions = [Question(**question) for question in manifest["questions"]]
        sources = [Source(**source) for source in manifest["sources"]]
        study = Study(folder, **{**manifest, "questions": questions, "sources": sources})
        if unknown := {track for question in questions for track in question.tracks} - set(study.clips):
            raise KeyError(min(unknown))
    except (TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{folder / MANIFEST}: is damaged ({error!r}); restore it, or make a new study") from error
    return study


def _check_source(folder: Path, source: Source) -> None:
    mend = "restore it (`dvc checkout`), or make a new study (`ostinato study make`) in another folder"
    file = Path(os.path.normpath(folder / source.file))
    if not file.is_file():
        raise DataError(
            f"{folder}: the space {source.space} is gone: {file} is not there (was the study moved?); {mend}"
        )
    if compute_digest(file) != source.sha256:
        raise DataError(f"{folder}: the space {source.space} has changed since the study was made ({file}); {mend}")
