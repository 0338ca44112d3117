"""A stand-in of Studio: course runs, clones of them, changes to them, and re-runs.

Its answers are those of the platform's course-run serializers, as recorded in `tests/recordings/studio.json`; comments
name the exchange that a behaviour comes from.
"""

import copy
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from sandbox.open_edx.lms import Lms
from sandbox.open_edx.rest import Refusal, broken, forbidden, json_object, route
from sandbox.vendor import Vendor

RUN_KEY = re.compile(r"course-v1:[^+\s/]+\+[^+\s/]+\+[^+\s/]+")
RUN_TAG = re.compile(r"[A-Za-z0-9_.~-]+")
MOMENTS = ("start", "end", "enrollment_start", "enrollment_end")
REQUIRED = "This field is required."
NOT_NULL = "This field may not be null."
BAD_MOMENT = (
    "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)
BAD_KEY = "Invalid key supplied. Ensure there are no special characters in the Course Number."


@dataclass(frozen=True)
class Clone:
    """A run that was made as a copy of another, by a clone or a re-run."""

    run: str
    source: str


class Studio(Vendor):
    """The runs there are. A run is known once it was added or made; any other source does not exist, unless
    `knows_every_source`, as in a sandbox whose courses were never entered. Only Django staff is let in."""

    name = "studio"
    prefix = "/studio"

    def __init__(self, world: Any, lms: Lms) -> None:
        super().__init__(world)
        self._lms = lms
        self.clear()

    def clear(self) -> None:
        self.knows_every_source = True
        self.clones: list[Clone] = []
        self._runs: dict[str, dict[str, Any]] = {}

    def dump(self) -> Any:
        clones = [asdict(clone) for clone in self.clones]
        return {"runs": self._runs, "clones": clones, "knows_every_source": self.knows_every_source}

    def load(self, state: Any) -> None:
        self._runs, self.clones = state["runs"], [Clone(**clone) for clone in state["clones"]]
        self.knows_every_source = state["knows_every_source"]

    def add(self, runs: Iterable[str], title: str = "Leading Teams") -> None:
        """Have these runs; sources that were not added are unknown from then on."""
        with self.world.lock:
            self._runs.update({key: _new_run(key, title) for key in runs})
            self.knows_every_source = False

    @property
    def runs(self) -> dict[str, dict[str, Any]]:
        """The runs by key, each as Studio shows it."""
        with self.world.lock:
            return copy.deepcopy(self._runs)

    def routes(self) -> Sequence[BaseRoute]:
        runs = "/api/v1/course_runs"
        return [
            route(f"{runs}/clone/", post=self._clone),
            route(runs + "/{key}/rerun/", post=self._rerun),
            route(runs + "/{key}/", get=self._show, patch=self._change, put=self._replace),
        ]

    async def _clone(self, request: Request) -> Response:
        self._admit(request)
        body = await json_object(request)
        names = ("source_course_id", "destination_course_id")
        if missing := {name: [REQUIRED] for name in names if name not in body}:
            raise Refusal(400, missing)
        source, destination = (str(body[name]) for name in names)
        if not (RUN_KEY.fullmatch(source) and RUN_KEY.fullmatch(destination)):  # clone-malformed-key
            raise broken()
        with self.world.lock:
            if not self._exists(source):
                raise Refusal(400, {"non_field_errors": ["Source course does not exist."]})
            if destination in self._runs:  # compared with case: clone-exists-in-another-case
                raise Refusal(400, {"non_field_errors": ["Destination course already exists."]})
            self._copy(source, destination)
        return JSONResponse({"message": "Course cloned successfully."}, 201)

    async def _rerun(self, request: Request) -> Response:
        self._admit(request)
        source = request.path_params["key"]
        if not self._exists(source):
            raise Refusal(404, {"detail": "Not found."})
        body = await json_object(request)
        wrong = _complaints(body, whole="schedule" in body)
        if "run" not in body:
            wrong["run"] = [REQUIRED]
        if wrong:
            raise Refusal(400, wrong)
        # `org` is not a field: the run is made in the source's organization (rerun-with-another-org).
        key = f"{source.rpartition('+')[0]}+{body['run']}"
        if not RUN_TAG.fullmatch(str(body["run"])):
            raise Refusal(400, {"non_field_errors": [BAD_KEY]})
        with self.world.lock:
            if key.lower() in map(str.lower, self._runs):  # without case: rerun-exists-in-another-case
                raise Refusal(400, {"run": [f"Course run {key} already exists"]})
            self._copy(source, key)
            return JSONResponse(self._update(key, body), 201)

    async def _show(self, request: Request) -> Response:
        self._admit(request)
        return JSONResponse(self._run(request))

    async def _change(self, request: Request) -> Response:
        return await self._patch(request, whole=False)

    async def _replace(self, request: Request) -> Response:
        return await self._patch(request, whole=True)

    async def _patch(self, request: Request, *, whole: bool) -> Response:
        self._admit(request)
        key, body = self._run(request)["id"], await json_object(request)
        if wrong := _complaints(body, whole=whole):
            raise Refusal(400, wrong)
        with self.world.lock:
            return JSONResponse(self._update(key, body))

    def _admit(self, request: Request) -> None:
        caller = self._lms.accounts.caller(request, "Signature has expired.")
        if not caller.is_staff:
            raise forbidden()

    def _exists(self, key: str) -> bool:
        return key in self._runs or (self.knows_every_source and RUN_KEY.fullmatch(key) is not None)

    def _run(self, request: Request) -> dict[str, Any]:
        with self.world.lock:
            if run := self._runs.get(request.path_params["key"]):
                return run
        raise Refusal(404, {"detail": "Not found."})

    def _copy(self, source: str, key: str) -> None:
        title = self._runs[source]["title"] if source in self._runs else "Leading Teams"
        self._runs[key] = _new_run(key, title)
        self.clones.append(Clone(key, source))

    def _update(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        run = self._runs[key]
        run["title"] = body.get("title", run["title"])
        if "pacing_type" in body:  # an unknown word is taken as instructor_paced: patch-unknown-pacing
            run["pacing_type"] = "self_paced" if body["pacing_type"] == "self_paced" else "instructor_paced"
        run["schedule"].update({name: body["schedule"][name] for name in MOMENTS if name in body.get("schedule", {})})
        return run


def _new_run(key: str, title: str) -> dict[str, Any]:
    image = f"http://studio.example/asset-v1:{key.removeprefix('course-v1:')}+type@asset+block@images_course_image.jpg"
    return {
        "schedule": dict.fromkeys(MOMENTS),
        "pacing_type": "instructor_paced",
        "team": [],
        "id": key,
        "title": title,
        "images": {"card_image": image},
    }


def _complaints(body: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """Return the faults by field. `whole`: a schedule must hold its start and end."""
    schedule = body.get("schedule", {})
    missing = {name: [REQUIRED] for name in ("start", "end") if whole and name not in schedule}
    null = {name: [NOT_NULL] for name in ("start", "end") if name in schedule and schedule[name] is None}
    malformed = {name: [BAD_MOMENT] for name, value in schedule.items() if value is not None and not _is_moment(value)}
    wrong = {**missing, **null, **malformed}
    return {"schedule": wrong} if wrong else {}


def _is_moment(value: object) -> bool:
    try:
        return bool(datetime.fromisoformat(str(value)))
    except ValueError:
        return False
