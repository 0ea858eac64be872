"""Formats of answers: text for people, JSON for programs, CSV for spreadsheets."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from ostinato.inference.answers import Answer
from ostinato.inference.model import NO_PROMISE
from ostinato.io.escapes import escape_cell, escape_line, unescape_cell

HASHES = ("model_hash", "content_hash")
COLUMNS = ("path", "task", "model", "start", "seconds", "label", "score", "unsure", "reasons", "error", *HASHES)


class AnswerKey(NamedTuple):
    """Identity of an answer: path, task (None: a failure), chunks or not, hashes of model, file and catalog."""

    path: str
    task: str | None
    over_time: bool
    model_hash: str | None = None
    content_hash: str | None = None
    catalog_hash: str | None = None


class Format(Protocol):
    """A format writes answers as lines, and reads from a line which answer it is."""

    @property
    def header(self) -> str | None:
        """First line of a file."""

    def lines(self, answer: Answer) -> Iterator[str]:
        """Yield the lines of an answer, without line ends."""

    def read(self, line: str) -> AnswerKey | None:
        """Return which answer a line is; None if it is not an answer."""


class Text:
    """One line with the label and the three highest scores, followed by indented lines of chunks."""

    header: str | None = None

    def lines(self, answer: Answer) -> Iterator[str]:
        """Yield the lines of an answer."""
        return map(escape_line, self._lines(answer))

    def _lines(self, answer: Answer) -> Iterator[str]:
        if "error" in answer:
            yield f"{answer['path']}: {answer['error']}"
            return
        scores = answer["scores"]
        best = sorted(scores.items(), key=lambda item: -item[1])[:3]
        label = answer["label"]
        label = label if isinstance(label, str) else sorted(label, key=lambda tag: -scores[tag])
        reasons = "; ".join(reason for reason in answer.get("reasons", ()) if NO_PROMISE not in reason)
        doubt = f" (unsure: {reasons})" if reasons else " (unsure)" if answer["unsure"] else ""
        name = f"{answer['path']}" + (f" {answer['title']}" if "title" in answer else "")
        yield f"{name}: {_join(label)}{doubt} ({', '.join(f'{c} {s:.2f}' for c, s in best)})"
        for near in answer.get("neighbours", ()):
            yield f"    {near['score']:.3f} {near['track_id']}" + (f" {near['name']}" if "name" in near else "")
        for start, label, score in _iterate_chunks(answer):
            yield f"    {int(start) // 60}:{start % 60:04.1f} {label} {score:.2f}"

    def read(self, line: str) -> AnswerKey | None:
        """Return None: text cannot be read back."""
        return None


class Json:
    """One object per line."""

    header: str | None = None

    def lines(self, answer: Answer) -> Iterator[str]:
        """Yield the line of an answer."""
        yield escape_line(json.dumps(answer, ensure_ascii=False))

    def read(self, line: str) -> AnswerKey | None:
        """Read an object."""
        try:
            answer: Mapping[str, Any] = json.loads(line)
            return AnswerKey(
                answer["path"],
                None if "error" in answer else answer["task"],
                "over_time" in answer,
                answer.get("model_hash"),
                answer.get("content_hash"),
                answer.get("catalog_hash"),
            )
        except (ValueError, KeyError, TypeError):
            return None


class Csv:
    """One row per answer with its highest score, or one row per chunk."""

    header: str | None = ",".join(COLUMNS)

    def lines(self, answer: Answer) -> Iterator[str]:
        """Yield the rows of an answer."""
        if "error" in answer:
            yield _row({"path": answer["path"], "error": answer["error"]})
            return
        common = {k: answer[k] for k in ("path", "task", "model", "unsure", *HASHES) if k in answer}
        common["reasons"] = "; ".join(answer.get("reasons", ()))
        if "over_time" not in answer:
            score = max(answer["scores"].values())
            yield _row(common | {"label": _join(answer["label"]), "score": score})
            return
        seconds = answer["over_time"]["seconds"]
        for start, label, score in _iterate_chunks(answer):
            yield _row(common | {"start": start, "seconds": seconds, "label": label, "score": score})

    def read(self, line: str) -> AnswerKey | None:
        """Read a row."""
        row = [unescape_cell(cell) for cell in next(csv.reader([line]), [])]
        if len(row) != len(COLUMNS):
            return None
        values = dict(zip(COLUMNS, row, strict=True))
        task = None if values["error"] else values["task"]
        model, content = (values[name] or None for name in HASHES)
        return AnswerKey(values["path"], task, bool(values["start"]), model, content)


def _iterate_chunks(answer: Answer) -> Iterator[tuple[float, str, float]]:
    """Yield start, best class and its score for each chunk."""
    over_time = answer.get("over_time", {"starts": [], "scores": {}})
    for i, start in enumerate(over_time["starts"]):
        label, score = max(((c, s[i]) for c, s in over_time["scores"].items()), key=lambda pair: pair[1])
        yield start, label, score


def _join(label: str | list[str]) -> str:
    return label if isinstance(label, str) else "; ".join(label) or "-"


def _row(values: Mapping[str, Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([escape_cell(values.get(c, "")) for c in COLUMNS])
    return out.getvalue().replace("\r", " ").replace("\n", " ")
