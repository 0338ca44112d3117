"""How the API says no: always `{"detail": …}`, with an `error_code` for programs where there is one.

A body or parameter that cannot be understood is answered with 400 and names the field, never its value: values may be
e-mail addresses or codes, and answers are logged by others.
"""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from b2b_pipelines.db.engine import DatabaseUnavailable
from b2b_pipelines.db.locks import Busy
from b2b_pipelines.db.schema import SchemaOutdated
from b2b_pipelines.errors import (
    B2BError,
    Conflict,
    InvalidInput,
    NotConfigured,
    NotFound,
    PermanentError,
    Refused,
    TransientError,
)

RETRY_AFTER_SECONDS = 5
AWAY = "database_unavailable"
IN_USE = "Another request is changing the same thing. Retry later."
DATABASE_SAYS: Mapping[str, tuple[str, str]] = {
    "55P03": (IN_USE, Busy.code),  # lock_not_available
    "40P01": (IN_USE, Busy.code),  # deadlock_detected
    "57014": ("The database took too long to answer. Ask for less, or retry later.", "statement_timeout"),
}
"""Refusals of the database by SQLSTATE, as `(detail, error_code)`."""

CODE_OF = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
"""The error codes of refusals that the framework makes."""

STATUS_OF: tuple[tuple[type[B2BError], int], ...] = (
    (SchemaOutdated, 503),
    (NotFound, 404),
    (InvalidInput, 400),
    (Conflict, 409),
    (NotConfigured, 404),
    (Refused, 409),
    (TransientError, 503),
    (PermanentError, 409),
    (B2BError, 500),
)
"""The first class that fits says the status."""


class Problem(Exception):
    """A refusal of the API itself. `extra` goes into the body beside `detail`."""

    def __init__(
        self,
        status: int,
        detail: str,
        error_code: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.extra = dict(extra or {})
        self.status = status
        self.detail = detail
        self.error_code = error_code
        self.headers = dict(headers or {})


class ProblemBody(BaseModel):
    """The body of every refusal."""

    detail: str = Field(description="What is wrong, for people.")
    error_code: str | None = Field(None, description="What is wrong, for programs.")


class ValidationProblemBody(ProblemBody):
    """A body or parameters that cannot be understood."""

    fields: dict[str, list[str]] = Field(
        default_factory=dict, description="What is wrong with each field or parameter, by name."
    )


class SeenTooLate(BaseModel):
    """A change of terms that the client did not see. `fields` are `[before, after]` by name."""

    revision: int
    at: datetime
    who: str = Field(description="A person's address is masked unless the token has the scope `emails`.")
    fields: dict[str, list[Any]]


class ContractChangedBody(ProblemBody):
    """The contract has changes that the client did not see, the oldest first. `revision` is the present one."""

    revision: int
    changes: list[SeenTooLate]


DESCRIPTIONS = {
    400: ("A parameter or the body cannot be understood.", ValidationProblemBody),
    401: ("No token, or one that is wrong or revoked.", ProblemBody),
    402: ("Payment required.", ProblemBody),
    403: ("The token may not do this.", ProblemBody),
    404: ("Not found, or the token may not read it.", ProblemBody),
    409: ("Not allowed in the current state.", ProblemBody),
    412: ("The contract was changed since the revision of `If-Match`.", ContractChangedBody),
    413: ("The body is larger than 1 MB.", ProblemBody),
    422: ("The request contradicts stored data.", ProblemBody),
    429: ("Too many requests.", ProblemBody),
    503: (
        "The database does not answer, or another request changes the same thing (`busy`): retry later.",
        ProblemBody,
    ),
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for its `responses=`: they are part of the OpenAPI document. 503 comes by itself."""
    return {
        status: {"description": DESCRIPTIONS[status][0], "model": DESCRIPTIONS[status][1]}
        for status in (*statuses, 503)
    }


def body_of(detail: str, error_code: str | None = None) -> dict[str, Any]:
    return {"detail": detail} if error_code is None else {"detail": detail, "error_code": error_code}


def install(app: FastAPI) -> None:
    """Turn every refusal, ours and the framework's, into its answer."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return JSONResponse(body_of(error.detail, error.error_code) | error.extra, error.status, error.headers)

    @app.exception_handler(B2BError)
    async def _refusal(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, B2BError)
        status = next(status for kind, status in STATUS_OF if isinstance(error, kind))
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
        return JSONResponse(body_of(error.message, error.code), status, headers)

    @app.exception_handler(HTTPException)
    async def _of_the_framework(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code = CODE_OF.get(error.status_code)
        return JSONResponse(body_of(str(error.detail), code), error.status_code, error.headers)

    @app.exception_handler(405)
    async def _method_not_allowed(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        methods = _methods_of(app, request.url.path)
        return JSONResponse(
            body_of("Method Not Allowed", CODE_OF[405]), 405, {"Allow": methods} if methods else error.headers
        )

    @app.exception_handler(DatabaseUnavailable)  # its words name the server, which is not for outside
    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeout)
    async def _database_away(request: Request, error: Exception) -> JSONResponse:
        state = getattr(getattr(error, "orig", None), "pgcode", None)
        detail, code = DATABASE_SAYS.get(state or "", ("The database does not answer. Retry later.", AWAY))
        return JSONResponse(body_of(detail, code), 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})

    @app.exception_handler(RequestValidationError)
    async def _not_understood(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        fields: dict[str, list[str]] = {}
        for item in error.errors():
            fields.setdefault(_field(item), []).append(_message(item))
        detail = "; ".join(f"{field}: {message}" for field, messages in fields.items() for message in messages)
        body = ValidationProblemBody(detail=detail, error_code="invalid_input", fields=fields)
        return JSONResponse(body.model_dump(), 400)


def _methods_of(app: FastAPI, path: str) -> str:
    """The methods of a path, where the framework knows those of one route only. A literal path beats a template."""
    paths: dict[str, dict[str, Any]] = app.openapi()["paths"]
    matching = [path] if path in paths else [known for known in paths if compile_path(known)[0].match(path)]
    return ", ".join(sorted({method.upper() for known in matching for method in paths[known]}))


def _field(item: Mapping[str, Any]) -> str:
    """`body.learner.email`, or the bare name of a parameter."""
    if item["type"] == "json_invalid":  # which names a position
        return "body"
    where = [str(part).encode("utf-8", "replace").decode() for part in item["loc"]]
    return ".".join(where if where[0] == "body" else where[1:]) or "body"


def _message(item: Mapping[str, Any]) -> str:
    if item["type"] == "json_invalid":
        return "is not valid JSON"
    if item["type"] == "too_long" and isinstance(item["input"], str):
        return f"must be at most {item['ctx']['max_length']} characters long"
    return str(item["msg"]).removeprefix("Value error, ")
