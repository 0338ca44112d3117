"""Open edX Studio: course runs that are clones of others, under the caller's key.

`rerun/` is not used: it takes the organization of the source run, whatever it is asked for (recorded:
`rerun-with-another-org`), and refuses a schedule without an end.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from b2b_pipelines.errors import PermanentError
from b2b_pipelines.vendors.http.client import Patience, VendorClient
from b2b_pipelines.vendors.http.errors import AnswerMalformed

CLONE = "/api/v1/course_runs/clone/"
RUN = "/api/v1/course_runs/{key}/"
ALREADY_THERE = "Destination course already exists."
NO_SUCH_RUN = "course-v1:B2B+DOCTOR+NONE"
SELF_PACED = "self_paced"


class RunKeyDiffers(PermanentError):
    """Studio answered with another key than the one of the run that was asked for."""

    code = "run_key_differs"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A copy of the run `source` under `key` (both courseware ids).

    Times are UTC; None is open-ended.
    """

    source: str
    key: str
    title: str
    start: datetime | None = None
    end: datetime | None = None
    enrollment_start: datetime | None = None
    enrollment_end: datetime | None = None

    @property
    def schedule(self) -> dict[str, str]:
        """Return the known times of a run, and omit the others.

        Studio refuses `"end": null` (recorded: `patch-null-end`), and keeps omitted values.
        """
        times = {
            "start": self.start,
            "end": self.end,
            "enrollment_start": self.enrollment_start,
            "enrollment_end": self.enrollment_end,
        }
        return {name: f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for name, time in times.items() if time is not None}


class Studio(VendorClient):
    """A client of one Studio."""

    vendor = "Studio"

    def make_run(self, run: RunRequest, *, patience: Patience | None = None) -> None:
        """Clone the source and set title, pacing and times.

        Idempotent: an existing clone is only changed. Raises `VendorUnavailable` after the attempts allowed,
        `VendorRefused` when Studio refuses one of the two, `RunKeyDiffers` when the changed run has another key.
        """
        self._clone(run, patience)
        self._describe(run, patience)

    def check_access(self) -> None:
        """Ask for a run that does not exist.

        Raises `VendorRefused` (403) when the user is not Django staff. Studio checks the permission before it looks for
        the run, so 404 means that the user may work with runs.
        """
        self.http.request("GET", RUN.format(key=NO_SUCH_RUN), expect=(200, 404))

    def _clone(self, run: RunRequest, patience: Patience | None) -> None:
        body = {"source_course_id": run.source, "destination_course_id": run.key}
        answer = self.http.request("POST", CLONE, body=body, expect=(200, 201, 400), patience=patience)
        if answer.status_code == httpx.codes.BAD_REQUEST and not _says_already_there(answer):
            raise self.http.refused("POST", CLONE, answer)

    def _describe(self, run: RunRequest, patience: Patience | None) -> None:
        path = RUN.format(key=run.key)
        body: dict[str, Any] = {"title": run.title, "pacing_type": SELF_PACED}
        if run.schedule:
            body["schedule"] = run.schedule
        answer = self.http.json("PATCH", path, body=body, patience=patience)
        key = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(key, str):
            raise AnswerMalformed(f"Studio answered PATCH {path} without the run's id")
        if key != run.key:
            raise RunKeyDiffers(f"Studio has the run under the key {key[:255]}, and not under {run.key}")


def _says_already_there(answer: httpx.Response) -> bool:
    try:
        return ALREADY_THERE in answer.json()["non_field_errors"]
    except (ValueError, KeyError, TypeError):
        return False
