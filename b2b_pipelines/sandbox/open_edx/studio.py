"""A stand-in of Studio: course runs, and the re-runs that are asked for."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from json import JSONDecodeError
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from b2b_pipelines.sandbox.open_edx.lms import Lms
from b2b_pipelines.sandbox.vendor import Vendor

RUN_KEY = re.compile(r"course-v1:[^+\s/]+\+[^+\s/]+\+[^+\s/]+")
KEY_PART = re.compile(r"[A-Za-z0-9_.~-]+")
MOMENTS = ("start", "end", "enrollment_start", "enrollment_end")


@dataclass(frozen=True)
class Rerun:
    """A run that was made as a copy of another. `schedule` holds the four times as they were sent."""

    run: str
    source: str
    title: str
    schedule: dict[str, str | None]


class Studio(Vendor):
    """The runs there are. A run is known once it was added, or made by a re-run; any other source is answered with 404,
    unless `knows_every_source`, as in a sandbox whose courses nobody has entered."""

    name = "studio"
    prefix = "/studio"

    def __init__(self, world: Any, lms: Lms) -> None:
        super().__init__(world)
        self._lms = lms
        self.clear()

    def clear(self) -> None:
        self.knows_every_source = True
        self.reruns: list[Rerun] = []
        self._runs: set[str] = set()

    def dump(self) -> Any:
        return {"runs": sorted(self._runs), "reruns": [asdict(rerun) for rerun in self.reruns]}

    def load(self, state: Any) -> None:
        self._runs, self.reruns = set(state["runs"]), [Rerun(**rerun) for rerun in state["reruns"]]

    def add(self, runs: Iterable[str]) -> None:
        """Have these runs; sources that were not added are unknown from then on."""
        with self.world.lock:
            self._runs.update(runs)
            self.knows_every_source = False

    @property
    def runs(self) -> set[str]:
        with self.world.lock:
            return set(self._runs)

    def owns(self, path: str) -> bool:
        return path.startswith(f"{self.prefix}/")

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/api/v1/course_runs/{source}/rerun/", self._rerun, methods=["POST"])]

    async def _rerun(self, request: Request) -> Response:
        if not self._lms.knows(request):
            return JSONResponse({"detail": "Authentication credentials were not provided."}, 401)
        source = request.path_params["source"]
        if not RUN_KEY.fullmatch(source) or not (self.knows_every_source or source in self._runs):
            return JSONResponse({"detail": "Not found."}, 404)
        try:
            body = await request.json()
        except (JSONDecodeError, UnicodeDecodeError):
            return JSONResponse({"detail": "JSON parse error"}, 400)
        if wrong := _wrong(body):
            return JSONResponse(wrong, 400)
        key = f"course-v1:{body['org']}+{body['number']}+{body['run']}"
        with self.world.lock:
            if key in self._runs:
                return JSONResponse({"run": [f"Course run {key} already exists"]}, 400)
            self._runs.add(key)
            self.reruns.append(Rerun(key, source, body["title"], {name: body["schedule"][name] for name in MOMENTS}))
        return JSONResponse({"id": key, **body}, 201)


def _wrong(body: Any) -> dict[str, list[str]]:
    """What is wrong with a request, field by field, in the words of Django REST framework."""
    if not isinstance(body, dict):
        return {"non_field_errors": ["Invalid data. Expected a dictionary."]}
    wrong = {}
    for name in ("org", "number", "run"):
        if not isinstance(body.get(name), str) or not KEY_PART.fullmatch(body[name]):
            wrong[name] = ["Enter a valid value."]
    if not isinstance(body.get("title"), str) or not body["title"]:
        wrong["title"] = ["This field may not be blank."]
    schedule = body.get("schedule")
    if not isinstance(schedule, dict) or not all(name in schedule for name in MOMENTS):
        wrong["schedule"] = ["This field is required."]
    elif not all(value is None or _is_moment(value) for value in schedule.values()):
        wrong["schedule"] = ["Datetime has wrong format."]
    return wrong


def _is_moment(value: object) -> bool:
    try:
        return datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False
