"""The page of a listening study, behind the guards of the service.

It is served alone: the service's own page names tracks and recommends them, and a listener must not know either.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from ostinato.errors import OstinatoError
from ostinato.serving.guards import LOCAL_NAMES
from ostinato.serving.pages import create_application, require_key, serve
from ostinato.serving.upload import whole
from ostinato.study.answers import Answers
from ostinato.study.folder import CLIPS, Choice, Study

STUDY_PAGE = Path(__file__).with_name("study_page")
LOCK = ".lock"
MAX_BODY, BODY_SECONDS = 1_000, 10.0


class Answer(BaseModel):
    """A listener's answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    listener: str
    question: int
    choice: Choice


def application(answers: Answers, api_key: str | None = None, allowed_hosts: Sequence[str] = LOCAL_NAMES) -> FastAPI:
    """Create the application.

    Parameters
    ----------
    answers : Answers
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
    app, guards = create_application("ostinato study", STUDY_PAGE, allowed_hosts), [require_key(api_key)]
    clips = answers.study.folder.resolve() / CLIPS
    names = frozenset(answers.study.clips.values())

    @app.get("/v1/next", dependencies=guards)
    def next_question(listener: Annotated[str, Query(max_length=32)]) -> dict[str, Any]:
        """Return a listener's next question, without the names of spaces and tracks."""
        return answers.get_next(listener)

    @app.get("/v1/clip", dependencies=guards, response_class=FileResponse)
    def clip(name: Annotated[str, Query(max_length=32)]) -> FileResponse:
        """Return a clip; supports the header Range."""
        if name not in names:
            raise HTTPException(404, "no such clip in the study")
        return FileResponse(clips / name)

    @app.post("/v1/answer", dependencies=guards)
    async def answer(request: Request) -> dict[str, Any]:
        """Store an answer, and return the next question; a second answer to the same question changes nothing."""
        try:
            body = Answer.model_validate_json(await whole(request, MAX_BODY, BODY_SECONDS))
        except ValidationError as error:
            raise HTTPException(422, "send JSON with listener, question and choice") from error
        answers.add(body.listener, body.question, body.choice)
        return answers.get_next(body.listener)

    return app


def serve_study(folder: Path, host: str, port: int, api_key: str | None, allowed_hosts: Sequence[str]) -> None:
    """Serve a study until interrupted.

    Parameters
    ----------
    folder : Path
    host : str
    port : int
        0: any free port.
    api_key : str or None
    allowed_hosts : sequence of str

    Raises
    ------
    OstinatoError
        If the study is damaged or another process serves it, or it cannot listen on the address.
    """
    study = Study.open(folder)
    try:
        with FileLock(folder / LOCK, timeout=0):
            serve(application(Answers(study), api_key, allowed_hosts), host, port)
    except Timeout as error:
        raise OstinatoError(f"{folder}: another process serves this study; stop it first") from error
