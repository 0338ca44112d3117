"""Pages that give a contract courseware and take it. A removal is confirmed first, with what people lose by it."""

from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from b2b_pipelines.api import wording
from b2b_pipelines.api.contract_pages import sheet_sentence, view_of
from b2b_pipelines.api.contracts import seen_contract
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.notes import answered
from b2b_pipelines.api.page_routes import Chosen, Fields, Managing, PageRoute, sentence
from b2b_pipelines.api.sign_in import OurForm
from b2b_pipelines.api.writing import actor
from b2b_pipelines.delivery import changes as delivery
from b2b_pipelines.delivery.changes import CoursewareChanged
from b2b_pipelines.delivery.losses import Losses
from b2b_pipelines.delivery.rehearsal import rehearsal
from b2b_pipelines.errors import B2BError, Conflict, InvalidInput
from b2b_pipelines.reports import courseware

MOST_OFFERED = 200

router = APIRouter(route_class=PageRoute, include_in_schema=False)


class NumbersChanged(Conflict):
    """The losses of a change differ from those that the confirmation page listed."""

    code = "numbers_changed"


@router.get("/contracts/{slug}/courseware", name="courseware_page")
def courseware_page(request: Request, db: Db, caller: Managing, slug: str) -> Response:
    with db.session() as session:
        view = view_of(request, session, caller, slug)
        offered = courseware.offered(session, MOST_OFFERED)
        return view.page("courseware.html", offered=offered, given=courseware.given(session, view.contract.id))


@router.post("/contracts/{slug}/courseware", name="courseware_form", dependencies=[OurForm])
def courseware_form(
    *, request: Request, db: Db, caller: Managing, slug: str, fields: Fields, chosen: Chosen
) -> Response:
    """Give the contract what was chosen, and what was typed; all or nothing."""
    page = request.url_for("contract_page", slug=slug).path
    wanted = chosen_courseware(fields, chosen)
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
    try:
        if not wanted:
            raise InvalidInput("choose a course or a program, or type its id")
        with db.session() as session:
            rerun = fields.get("rerun") == "yes"
            done = [
                delivery.give_courseware(session, contract.id, each, by=actor(caller), rerun=rerun) for each in wanted
            ]
            lines = [*_given(done), sheet_sentence(session, contract)]
    except B2BError as error:
        back = request.url_for("courseware_page", slug=slug).path
        return answered(request, back, sentence(error), "Nothing was added.", good=False)
    return answered(request, page, *lines)


@router.get("/contracts/{slug}/courseware/remove", name="remove_courseware_page")
def remove_courseware_page(request: Request, db: Db, caller: Managing, slug: str, courseware: str) -> Response:
    """Show the effects of removing the courseware, in numbers."""
    with db.session() as session:
        view = view_of(request, session, caller, slug)
    with rehearsal(db.open(), slug) as session:
        would = delivery.take_courseware(session, slug, courseware, by=actor(caller))
        lines = [
            *would.losses.sentences(),
            "Nothing is deleted: adding the course again brings its run and codes back.",
        ]
        lost = wording.lost(would.losses)
    return view.confirmation(
        title=f"Remove {courseware}?",
        lines=lines,
        action=request.url_for("remove_courseware_form", slug=slug).path,
        hidden={"courseware_id": courseware, "agreed": lost},
        button="Remove it",
    )


@router.post("/contracts/{slug}/courseware/remove", name="remove_courseware_form", dependencies=[OurForm])
def remove_courseware_form(request: Request, db: Db, caller: Managing, slug: str, fields: Fields) -> Response:
    """Remove it, unless the losses differ from those that the confirmation page listed."""
    courseware_id = fields.get("courseware_id", "")
    try:
        with db.session() as session:
            contract = seen_contract(session, caller, slug)
            done = delivery.take_courseware(session, contract.id, courseware_id, by=actor(caller))
            _require_agreed(done.losses, fields)
            removed = ", ".join(done.courseware.removed) or courseware_id
            stopped = f"Codes: {wording.counted(done.losses.codes, 'code')} deactivated."
            lines = [f"Removed {removed}.", stopped, sheet_sentence(session, contract)]
    except NumbersChanged as error:
        path = request.url_for("remove_courseware_page", slug=slug).path
        return answered(request, f"{path}?{urlencode({'courseware': courseware_id})}", sentence(error), good=False)
    return answered(request, request.url_for("contract_page", slug=slug).path, *lines)


def _require_agreed(losses: Losses, fields: Mapping[str, str]) -> None:
    if wording.lost(losses) != fields.get("agreed"):
        raise NumbersChanged("the numbers changed meanwhile: look again")


def chosen_courseware(fields: Mapping[str, str], chosen: list[str]) -> list[str]:
    """Return what a form has chosen and what was typed into it, each once."""
    return list(dict.fromkeys([*chosen, *fields.get("more", "").split()]))


def _given(done: list[CoursewareChanged]) -> list[str]:
    created = [run for change in done for run in change.courseware.created]
    skipped = [course for change in done for course in change.courseware.skipped]
    lines = [
        f"Added {', '.join(created[:5])}{' and more' if len(created) > 5 else ''}." if created else "No run was added."
    ]
    if skipped:
        lines.append(f"The contract has {', '.join(skipped[:5])} already.")
    missing = [course for change in done for course in change.courseware.without_source]
    if missing:
        lines.append(f"Without a run to copy: {', '.join(missing[:5])}.")
    back = [run for change in done for run in change.courseware.restored]
    if back:
        lines.append(f"{wording.counted(len(back), 'course run')} came back with the codes that were deactivated then.")
    totals = {name: sum(getattr(change.codes, name) for change in done) for name in wording.CODE_VERBS}
    return [*lines, wording.codes_followed(totals)]
