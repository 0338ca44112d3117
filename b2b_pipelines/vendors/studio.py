"""Open edX Studio: asking for re-runs of courses."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import httpx

from b2b_pipelines.vendors.http import Authorization, HttpClient, Patience

ALREADY_THERE = re.compile(r"\balready\b.*\bexists?\b|\bexists?\b.*\balready\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class RerunRequest:
    """What Studio is asked for: a copy of the run `source` (a courseware id) under the key `org`, `number`, `run`.
    Times are UTC; None is open-ended."""

    source: str
    org: str
    number: str
    run: str
    title: str
    start: datetime | None = None
    end: datetime | None = None
    enrollment_start: datetime | None = None
    enrollment_end: datetime | None = None


class Studio:
    """A client of one Studio. Thread-safe. `timeout` is in seconds, for each wait."""

    def __init__(
        self, base_url: str, authorization: Authorization, *, timeout: float = 30.0, patience: Patience | None = None
    ) -> None:
        self._client = HttpClient(
            base_url, vendor="Studio", timeout=timeout, patience=patience, authorization=authorization
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def rerun(self, wanted: RerunRequest, *, patience: Patience | None = None) -> bool:
        """Have a re-run made; False when it was there already, which is as good.

        Raises `VendorUnavailable` after the attempts allowed, `VendorRefused` when Studio says no.
        """
        path = f"/api/v1/course_runs/{wanted.source}/rerun/"
        body = {
            "org": wanted.org,
            "number": wanted.number,
            "run": wanted.run,
            "title": wanted.title,
            "schedule": {
                "start": _moment(wanted.start),
                "end": _moment(wanted.end),
                "enrollment_start": _moment(wanted.enrollment_start),
                "enrollment_end": _moment(wanted.enrollment_end),
            },
        }
        answer = self._client.request("POST", path, body=body, expect=(200, 201, 400), patience=patience)
        if answer.status_code != httpx.codes.BAD_REQUEST:
            return True
        if _already_there(answer):
            return False
        raise self._client.refused("POST", path, answer)


def _already_there(answer: httpx.Response) -> bool:
    """Whether a refusal says, of the field `run`, that there is such a run."""
    try:
        said = answer.json()
    except ValueError:
        return False
    return isinstance(said, dict) and ALREADY_THERE.search(str(said.get("run", ""))) is not None


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
