"""Pages that make a contract and change its terms. A change is confirmed first if people lose something by it."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from b2b_pipelines.api import terms, wording
from b2b_pipelines.api.catalog import change_shown
from b2b_pipelines.api.contract_pages import ContractView, sheet_sentence, view_of
from b2b_pipelines.api.courseware_pages import MOST_OFFERED, chosen_courseware
from b2b_pipelines.api.database import Connection, Db, without_a_turn
from b2b_pipelines.api.notes import answered
from b2b_pipelines.api.page_routes import Chosen, Fields, Managing, PageRoute, sentence, slice_of
from b2b_pipelines.api.rendering import render
from b2b_pipelines.api.sign_in import OurForm
from b2b_pipelines.api.vendors import Vendors
from b2b_pipelines.api.writing import actor
from b2b_pipelines.contracts import rules
from b2b_pipelines.delivery import changes as delivery
from b2b_pipelines.delivery.changes import ContractChanged, CoursewareChanged
from b2b_pipelines.delivery.history import ContractWasChanged, as_json
from b2b_pipelines.delivery.losses import Losses
from b2b_pipelines.delivery.rehearsal import rehearsal
from b2b_pipelines.errors import B2BError, InvalidInput, NotFound
from b2b_pipelines.reports import contracts as listed
from b2b_pipelines.reports import courseware
from b2b_pipelines.sheets import service as sheets
from b2b_pipelines.tokens.service import Caller

NEW = "new"
"""The value of the choice of an organization that is made with the contract."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/new-contract", name="new_contract_page")
def new_contract_page(request: Request, db: Db, caller: Managing) -> Response:
    return _new(request, db, caller, {})


@router.post("/new-contract", name="new_contract_form", dependencies=[OurForm])
@without_a_turn
def new_contract_form(request: Request, db: Db, caller: Managing, fields: Fields, chosen: Chosen) -> Response:
    """Make the contract with its courseware, or with `do=check` try the sheet's address first."""
    if fields.get("do") == "check":
        return _new(request, db, caller, fields, chosen=chosen, tried=_tried_sheet(request, db, fields))
    try:
        with db.session() as session:
            made, given = _make(session, caller, fields, chosen)
            slug, lines = made.contract.slug, _made(session, made, given)
    except B2BError as error:
        return _new(request, db, caller, fields, chosen=chosen, problem=sentence(error))
    return answered(request, request.url_for("contract_page", slug=slug).path, *lines)


@router.get("/contracts/{slug}/edit", name="edit_page")
def edit_page(request: Request, db: Db, caller: Managing, slug: str) -> Response:
    with db.session() as session:
        view = view_of(request, session, caller, slug)
    return _edit(view, terms.shown(view.contract))


@router.post("/contracts/{slug}/edit", name="edit_form", dependencies=[OurForm])
@without_a_turn
def edit_form(request: Request, db: Db, caller: Managing, slug: str, fields: Fields) -> Response:
    """Change the terms that were touched. Asks first when people lose something by it."""
    with db.session() as session:
        view = view_of(request, session, caller, slug)
    if fields.get("do") == "check":
        return _edit(view, fields, tried=_tried_sheet(request, db, fields))
    try:
        return _changed(db, view, fields)
    except ContractWasChanged:
        with db.session() as session:
            current = view_of(request, session, caller, slug)
            between = _between(session, current, fields)
        mine = terms.shown(current.contract) | terms.touched(fields)
        names = sorted({wording.FIELDS.get(name, name) for change in between for name in change["fields"]})
        problem = f"The terms were changed while you edited them: {', '.join(names)}. Nothing was saved."
        return _edit(current, mine, between=between, problem=problem)
    except B2BError as error:
        return _edit(view, fields, problem=sentence(error))


def _tried_sheet(request: Request, db: Connection, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what the sheet's address of a form leads to."""
    vendors: Vendors = request.app.state.vendors
    address, tab = fields.get("sheet_url", "").strip(), fields.get("sheet_tab", "").strip() or None
    if not address:
        return {"message": "type or paste the address of the sheet first"}
    try:
        return sheets.try_address(db.open(), vendors.sheets(), address, tab)
    except B2BError as error:
        return {"message": error.message}


def _new(
    request: Request,
    db: Connection,
    caller: Caller,
    fields: Mapping[str, str],
    *,
    chosen: list[str] | None = None,
    problem: str = "",
    tried: Mapping[str, Any] | None = None,
) -> Response:
    with db.session() as session:
        return render(
            request,
            "new_contract.html",
            caller,
            status=409 if problem else 200,
            values=terms.BLANK | {"organization": "", "new_organization": "", "org_key": "", "more": ""} | dict(fields),
            organizations=listed.organization_names(session, caller.organization_id),
            may_make_organization=caller.organization_id is None,
            offered=courseware.offered(session, MOST_OFFERED),
            chosen=chosen or [],
            problem=problem,
            tried=tried,
        )


def _make(
    session: Session, caller: Caller, fields: Mapping[str, str], chosen: list[str]
) -> tuple[ContractChanged, list[CoursewareChanged]]:
    given = {name: fields[name] for name in terms.EDITED if fields.get(name, "").strip()}
    name, kind = given.pop("name", ""), given.pop("integration_type", "non-sso")
    given.pop("active", None)
    new, org_key = fields.get("organization") == NEW, fields.get("org_key", "").strip() or None
    organization = fields.get("new_organization", "").strip() if new else _organization(session, caller, fields)
    if not organization:
        raise InvalidInput("choose an organization, or type the name of a new one")
    if new and caller.organization_id is not None:
        raise NotFound("no such organization")
    made = delivery.create_contract(
        session,
        organization,
        name.strip(),
        rules.integration_type(kind),
        terms.patch(given),
        by=actor(caller),
        create_organization=new,
        org_key=org_key if new else None,
    )
    if made.same_named and fields.get("same_name") != "yes":
        raise _SameName(made)
    who = actor(caller)
    slug = made.contract.slug
    return made, [delivery.give_courseware(session, slug, each, by=who) for each in chosen_courseware(fields, chosen)]


class _SameName(InvalidInput):
    """The organization has a contract of that name already."""

    def __init__(self, made: ContractChanged) -> None:
        super().__init__(
            f"the organization has a contract of that name already ({', '.join(made.same_named)}): "
            "choose another name, or tick “Make another contract of the same name”"
        )


def _organization(session: Session, caller: Caller, fields: Mapping[str, str]) -> str:
    text = fields.get("organization", "")
    known = listed.organization_of_id(session, int(text)) if text.isdecimal() and len(text) < 16 else None
    if known is None or caller.organization_id not in (None, known[0]):
        raise InvalidInput("choose an organization, or type the name of a new one")
    return known[1]


def _edit(
    view: ContractView,
    values: Mapping[str, str],
    *,
    problem: str = "",
    tried: Mapping[str, Any] | None = None,
    between: list[dict[str, Any]] | None = None,
) -> Response:
    """Return the form. What it was loaded with is kept in it, unless others changed the terms `between`."""
    shown = terms.shown(view.contract)
    loaded = "was_name" in values and between is None
    was = {name: values.get(f"was_{name}", "") for name in terms.EDITED} if loaded else shown
    return view.page(
        "edit.html",
        status=409 if problem else 200,
        values=shown | dict(values),
        was=was,
        revision=values.get("revision") if loaded else view.contract.revision,
        problem=problem,
        tried=tried,
        between=between or [],
    )


def _changed(db: Connection, view: ContractView, fields: Mapping[str, str]) -> Response:
    request, contract, by = view.request, view.contract, actor(view.caller)
    page = request.url_for("contract_page", slug=contract.slug).path
    given = terms.touched(fields)
    if not given:
        return answered(request, page, "Nothing was changed.")
    patch = terms.patch(given)
    text = fields.get("revision", "")
    expected = int(text) if text.isdecimal() and len(text) < 16 else None

    def change(session: Session) -> ContractChanged:
        return delivery.change_contract(session, contract.id, patch, by=by, expected_revision=expected)

    with rehearsal(db.open(), contract.id) as session:
        would = change(session)
        asked = _asked(would.losses)
        differs = [
            f"{wording.FIELDS.get(name, name)}: {wording.value(name, before)} → {wording.value(name, after)}."
            for name, (before, after) in as_json(would.fields).items()
        ]
    if asked and fields.get("agreed") != wording.lost(would.losses):
        return _ask(view, fields, [*differs, *asked], would.losses)
    with db.session() as session:
        done = change(session)
        lines = [_saved(done), wording.codes_followed(done.codes), sheet_sentence(session, done.contract)]
        if patch.names_a_sheet and done.contract.sheet_url:
            lines.append("Preview shows what the first sync would write.")
    return answered(request, page, *lines)


def _ask(view: ContractView, fields: Mapping[str, str], lines: list[str], losses: Losses) -> Response:
    kept = {name: text for name, text in fields.items() if name not in ("form", "agreed", "do")}
    return view.confirmation(
        title="Change the terms?",
        lines=lines,
        action=view.request.url_for("edit_form", slug=view.contract.slug).path,
        hidden=kept | {"agreed": wording.lost(losses)},
        button="Change the terms",
    )


def _asked(losses: Losses) -> list[str]:
    return [] if losses.nothing and not losses.beyond_cap else losses.sentences()


def _between(session: Session, view: ContractView, fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the changes of terms since the form was loaded, oldest first."""
    since = int(fields.get("revision", "0"))
    _, rows = listed.changes(session, view.contract.id, slice_of(1, 50))
    return [
        change_shown(row, view.caller)
        for row in reversed(rows)
        if row["revision"] > since and row["action"] == "changed"
    ]


def _saved(done: ContractChanged) -> str:
    names = [wording.FIELDS.get(name, name) for name in done.fields]
    return f"Changed: {', '.join(names)}." if names else "Nothing was changed."


def _made(session: Session, made: ContractChanged, given: list[CoursewareChanged]) -> list[str]:
    followed = [change.codes for change in given] or [made.codes]
    created = sum(change.created for change in followed)
    lines = [f"Created {made.contract.name}.", f"Codes: {wording.counted(created, 'code')} created."]
    if not given:
        lines.append("Add courseware next: learners have nothing to enroll in yet.")
    runs = sum(len(change.courseware.created) for change in given)
    if runs:
        lines.append(f"{wording.counted(runs, 'course run')} made; Set up now asks edX for them and fills the sheet.")
    return [*lines, sheet_sentence(session, made.contract)]
