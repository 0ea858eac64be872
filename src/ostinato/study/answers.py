"""Answers of listeners: a line of JSON each, only ever appended, and on the disk before it is confirmed."""

import errno
import json
import os
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, get_args

from ostinato.errors import DataError
from ostinato.study.folder import ANSWERS, LISTENER, Choice, Presentation, Study

MAX_LISTENERS, N_ORDERS = 10_000, 1_000


class Answers:
    """The answers of a study, which one process at a time may append to.

    Parameters
    ----------
    study : Study

    Raises
    ------
    DataError
        If a line is not an answer to this study.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.file, self._lock = study, study.folder / ANSWERS, threading.Lock()
        self._questions: dict[str, set[int]] = {}
        self._order = lru_cache(N_ORDERS)(study.order)
        for answer in read_answers(study):
            self._questions.setdefault(answer["listener"], set()).add(answer["question"])
        self._cut_torn_line()

    def get_next(self, listener: str) -> dict[str, Any]:
        """Return a listener's next question and progress.

        Parameters
        ----------
        listener : str

        Returns
        -------
        dict
            n_answered, n_questions, and what `Study.present` gives, or None at the end, as ``next``.

        Raises
        ------
        DataError
            If that is no listener, or there are too many.
        """
        order, answered = self._get_order(listener), self._questions.get(listener, set())
        waiting = (self.study.present(p) for p in order if p.question not in answered)
        return {"n_answered": len(answered), "n_questions": len(order), "next": next(waiting, None)}

    def add(self, listener: str, question: int, choice: Choice) -> None:
        """Append an answer; a second one to the same question changes nothing.

        Raises
        ------
        DataError
            If there is no such listener, question or choice.
        """
        presentation = next((p for p in self._get_order(listener) if p.question == question), None)
        if presentation is None or choice not in get_args(Choice):
            raise DataError("there is no such question or choice; load the page again")
        sides = {"first": presentation.first, "second": presentation.second}
        line = json.dumps({"listener": listener, "question": question, "choice": choice, **sides}, sort_keys=True)
        with self._lock:
            if question in self._questions.get(listener, set()):
                return
            self._append(f"{line}\n".encode())
            self._questions.setdefault(listener, set()).add(question)

    def _get_order(self, listener: str) -> list[Presentation]:
        if not LISTENER.fullmatch(listener):
            raise DataError("a listener is a number of 16 hexadecimal digits; load the page again")
        if listener not in self._questions and len(self._questions) >= MAX_LISTENERS:
            raise DataError(f"the study has {MAX_LISTENERS:,} listeners; make another one")
        return self._order(listener)

    def _append(self, line: bytes) -> None:
        """Append a line and force it to the disk; if that fails, nothing of it stays."""
        is_new = not self.file.exists()
        with open(self.file, "ab", buffering=0) as file:
            end = file.tell()
            try:
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.file))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
        if is_new:
            folder = os.open(self.file.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    def _cut_torn_line(self) -> None:
        """Cut a last line that a killed process left unfinished; it was never confirmed, and is asked again."""
        content = self.file.read_bytes() if self.file.exists() else b""
        if not content.endswith(b"\n") and content:
            with open(self.file, "r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)


def read_answers(study: Study) -> Iterator[dict[str, Any]]:
    """Read answers, the first of each listener to each question.

    Parameters
    ----------
    study : Study

    Yields
    ------
    dict
        listener, question, choice, first, second.

    Raises
    ------
    DataError
        If a line is not an answer to this study.
    """
    file, seen = study.folder / ANSWERS, set[tuple[str, int]]()
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    for number, line in enumerate(lines, 1):
        answer = _parse(study, line)
        if answer is None:
            raise DataError(f"{file}, line {number}: is not an answer to this study; delete the line")
        if (key := (answer["listener"], answer["question"])) not in seen:
            seen.add(key)
            yield answer


def _parse(study: Study, line: bytes) -> dict[str, Any] | None:
    """Return an answer; None if it is none."""
    try:
        answer: dict[str, Any] = json.loads(line)
        pair = study.questions[answer["question"]].recommendations
        is_whole = (
            answer["question"] >= 0
            and LISTENER.fullmatch(answer["listener"])
            and answer["choice"] in get_args(Choice)
            and sorted((answer["first"], answer["second"])) == sorted(pair)
        )
        return answer if is_whole else None
    except (ValueError, LookupError, TypeError):
        return None
