"""A web page for labelling a folder of audio, behind the guards of the service."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, ValidationError

from ostinato.errors import DataError, OstinatoError
from ostinato.inference.answers import answer_file as ask_models
from ostinato.inference.model import ReleasedModel
from ostinato.io.delimited import read_table
from ostinato.io.versions import find_current
from ostinato.labelling.answers import Answers, check_person
from ostinato.labelling.table import LABEL, NEXT
from ostinato.serving.guards import LOCAL_NAMES
from ostinato.serving.pages import Guard, create_application, require_key, serve
from ostinato.serving.upload import whole

__all__ = ["application", "read_learned", "serve"]

LABEL_PAGE = Path(__file__).with_name("label_page")
MAX_BODY, BODY_SECONDS = 10_000, 10.0
MAX_SECONDS = 900.0
N_SUGGESTIONS = 1000
Person = Annotated[str, Query(max_length=30)]


class Change(BaseModel):
    """A person's label of a file; None removes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    person: str
    path: str
    label: str | None


def application(
    answers: Answers,
    order: Sequence[str] = (),
    model: ReleasedModel | None = None,
    api_key: str | None = None,
    allowed_hosts: Sequence[str] = LOCAL_NAMES,
) -> FastAPI:
    """Create the application.

    Parameters
    ----------
    answers : Answers
    order : sequence of str
        Files to label first.
    model : ReleasedModel, optional
        Suggests labels.
    api_key : str, optional
        Key that /v1 requires in the header X-API-Key.
    allowed_hosts : sequence of str
        Accepted values of the header Host; others are refused.

    Returns
    -------
    FastAPI

    Raises
    ------
    OstinatoError
        If the key is empty or cannot be sent in a header.
    """
    app = create_application("ostinato label", LABEL_PAGE, allowed_hosts)
    _add_routes(app, answers, _sort(answers, order), _make_suggestion(answers.folder, model), require_key(api_key))
    return app


def read_learned(folder: Path) -> tuple[list[str], ReleasedModel | None]:
    """Read the output of `ostinato learn`: the files to label next, and the released model.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    paths : list of str
    model : ReleasedModel or None
        None without a release.

    Raises
    ------
    DataError
        If the folder was not written by `ostinato learn`.
    """
    file = folder / NEXT
    if not file.is_file():
        raise DataError(f"{file}: is not there; give --learned a folder written by `ostinato learn`")
    table = read_table(file)
    released = find_current(folder / "models" / "released" / LABEL)
    return table["path"].dropna().tolist(), ReleasedModel(released) if released.is_dir() else None


def _sort(answers: Answers, first: Sequence[str]) -> list[str]:
    """Order files: those in `first`, then those without labels, then the others."""
    paths = set(answers.paths)
    rest = sorted(answers.paths, key=lambda path: bool(answers.get(path)))
    return list(dict.fromkeys([*(path for path in first if path in paths), *rest]))


def _make_suggestion(folder: Path, model: ReleasedModel | None) -> Callable[[str], dict[str, Any] | None]:
    """Return a function that predicts a file's label; None without a model or for unreadable files."""

    @lru_cache(N_SUGGESTIONS)
    def suggest(path: str) -> dict[str, Any] | None:
        if model is None:
            return None
        try:
            (answer,) = ask_models(folder / path, [model], max_seconds=MAX_SECONDS)
        except OstinatoError:
            return None
        label = answer["label"]
        return {"label": label, "score": answer["scores"][label]} if isinstance(label, str) else None

    return suggest


def _add_routes(
    app: FastAPI,
    answers: Answers,
    order: Sequence[str],
    suggest: Callable[[str], dict[str, Any] | None],
    guard: Guard,
) -> None:
    guards = [guard]

    def check_path(path: Annotated[str, Query(max_length=1000)]) -> str:
        if path not in answers.paths:
            raise HTTPException(404, "no such file in the folder")
        return path

    File = Annotated[str, Depends(check_path)]

    @app.get("/v1/state", dependencies=guards)
    def state(person: Person) -> dict[str, Any]:
        """List the files in labelling order with a person's labels, and the agreement between people."""
        check_person(person)
        tracks = [{"path": path, "label": answers.get(path).get(person)} for path in order]
        return _count(answers) | {"tracks": tracks}

    @app.get("/v1/audio", dependencies=guards, response_class=FileResponse)
    def audio(path: File) -> FileResponse:
        """Return the audio of a file; supports the header Range."""
        return FileResponse(answers.folder / path)

    @app.get("/v1/suggestion", dependencies=guards)
    def suggestion(path: File) -> dict[str, Any] | None:
        """Return the model's prediction for a file."""
        return suggest(path)

    @app.put("/v1/answer", dependencies=guards)
    async def answer(request: Request) -> dict[str, Any]:
        """Store a person's label of a file."""
        try:
            change = Change.model_validate_json(await whole(request, MAX_BODY, BODY_SECONDS))
        except ValidationError as error:
            raise HTTPException(422, "send JSON with person, path and label") from error
        answers.set(change.person, change.path, change.label)
        return _count(answers)

    @app.post("/v1/undo", dependencies=guards)
    def undo(person: Person) -> dict[str, Any]:
        """Undo a person's last label."""
        check_person(person)
        path = answers.undo(person)
        return _count(answers) | {"path": path, "label": None if path is None else answers.get(path).get(person)}


def _count(answers: Answers) -> dict[str, Any]:
    return {"classes": answers.classes, "people": answers.people, "summary": answers.summarise()}
