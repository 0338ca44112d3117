"""The part of the admin API that sets how Google behaves: its quota, its refusals, and what no recording settles."""

from dataclasses import asdict
from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.admin import API
from sandbox.asked import AdminRefused, Body, body_of, refusing
from sandbox.google.errors import REFUSALS
from sandbox.google.quota import Quota
from sandbox.google.workspace import Workspace


class QuotaBody(Body):
    """Requests allowed in a window of seconds, for each account."""

    reads: int | None = Field(None, ge=0)
    writes: int | None = Field(None, ge=0)
    window: float = Field(60.0, gt=0)


class Exhausted(Body):
    """A kind of request that Google refuses for so long."""

    kind: Literal["read", "write"]
    seconds: float = Field(gt=0)


class Refusal(Body):
    """A reason for which Google refuses with 403; `times` and `kind` as those of a fault."""

    reason: str
    times: int = Field(1, ge=1)
    skip: int = Field(0, ge=0)
    kind: Literal["read", "write"] | None = None


class HypothesesBody(Body):
    """Google's behaviour where no recording decides. Omitted switches keep their setting."""

    covered_cells: Literal["drop", "hide"] | None = None
    plain_text_numbers: Literal["text", "number"] | None = None
    hidden_rows: Literal["write", "skip"] | None = None
    typed_columns: Literal["keep", "refuse"] | None = None
    vanished_tab: Literal["refuse", "omit"] | None = None


def routes(google: Workspace) -> list[BaseRoute]:
    """Routes that set a switch."""

    async def quota(request: Request) -> Response:
        body = await body_of(request, QuotaBody)
        google.quota = Quota(body.reads, body.writes, body.window)
        return JSONResponse(body.model_dump())

    async def exhausted(request: Request) -> Response:
        body = await body_of(request, Exhausted)
        google.quota.exhaust(body.kind, body.seconds)
        return JSONResponse(body.model_dump())

    async def refusal(request: Request) -> Response:
        body = await body_of(request, Refusal)
        if body.reason not in REFUSALS:
            raise AdminRefused(f"no reason {body.reason!r}: there are {', '.join(REFUSALS)}")
        google.refuse(body.reason, times=body.times, skip=body.skip, kind=body.kind)
        return JSONResponse({})

    async def hypotheses(request: Request) -> Response:
        if request.method == "PUT":
            for name, value in (await body_of(request, HypothesesBody)).model_dump(exclude_none=True).items():
                setattr(google.hypotheses, name, value)
        return JSONResponse(asdict(google.hypotheses))

    return [
        Route(f"{API}/quota", refusing(quota), methods=["PUT"]),
        Route(f"{API}/quota/exhausted", refusing(exhausted), methods=["POST"]),
        Route(f"{API}/faults/refusal", refusing(refusal), methods=["POST"]),
        Route(f"{API}/hypotheses", refusing(hypotheses), methods=["GET", "PUT"]),
    ]
