"""Pages of people and codes: a contract's codes and learners, and finding a code or an address over all contracts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from b2b_pipelines.api import wording
from b2b_pipelines.api.catalog import code_shown
from b2b_pipelines.api.contract_pages import sheet_sentence, view_of
from b2b_pipelines.api.contracts import seen_contract
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.fields import LARGEST_ID
from b2b_pipelines.api.notes import answered
from b2b_pipelines.api.page_routes import Fields, Managing, PageNumber, PageRoute, sentence, slice_of, turning
from b2b_pipelines.api.rendering import render
from b2b_pipelines.api.sign_in import OurForm, SignedIn
from b2b_pipelines.api.writing import actor
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.delivery import changes as delivery
from b2b_pipelines.delivery.rehearsal import rehearsal
from b2b_pipelines.enrollment_codes import reports
from b2b_pipelines.errors import B2BError, NotFound
from b2b_pipelines.learners import store as learner_store
from b2b_pipelines.learners.rules import Outcome, email_address
from b2b_pipelines.learners.service import Person
from b2b_pipelines.privacy import masked_text
from b2b_pipelines.reports import people
from b2b_pipelines.reports.found_codes import CodeSearch
from b2b_pipelines.tokens.service import Caller

A_PAGE = 100
IN_MEMORY = 1_000_000
STATES = {"unused": "Unused", "used": "Used", "inactive": "Inactive"}

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Text = Annotated[str, Query(max_length=320)]


@router.get("/contracts/{slug}/codes", name="codes_page")
def codes_page(
    *, request: Request, db: Db, caller: SignedIn, slug: str, page: PageNumber = 1, search: Text = "", state: Text = ""
) -> Response:
    """A contract's codes, each with whether it still admits a learner and why not."""
    with db.session() as session:
        view = view_of(request, session, caller, slug)
        count, rows = people.contract_codes(
            session,
            view.contract.id,
            datetime.now(UTC),
            slice_of(page, A_PAGE),
            search=search,
            state=state if state in STATES else None,
            emails=caller.sees_emails,
        )
    return view.page(
        "codes.html",
        codes=[code_shown(row, caller) for row in rows],
        count=count,
        search=search,
        state=state,
        code_states=STATES,
        turning=turning(request, page, count, A_PAGE),
    )


@router.get("/contracts/{slug}/codes.csv", name="codes_csv")
def codes_csv(request: Request, db: Db, caller: SignedIn, slug: str) -> Response:
    """Every code of the contract as CSV. Cells that a spreadsheet would take for formulas are made texts."""
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
        base = request.app.state.settings.product_url_base
        kept: Any = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the answer closes it when it was sent
        try:
            reports.export_codes(session, contract, base, kept, lambda _: None)
        except BaseException:
            kept.close()
            raise
    kept.seek(0)

    def lines() -> Iterator[bytes]:
        with kept:
            for line in kept:
                yield line if caller.sees_emails else masked_text(line.decode()).encode()

    name = f"attachment; filename=codes-{contract.slug}.csv"
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})


@router.get("/contracts/{slug}/learners", name="learners_page")
def learners_page(
    *, request: Request, db: Db, caller: SignedIn, slug: str, page: PageNumber = 1, search: Text = ""
) -> Response:
    """A contract's attached learners. Only callers who see addresses may search in them."""
    with db.session() as session:
        view = view_of(request, session, caller, slug)
        wanted = search if caller.sees_emails else None
        count, rows = people.learners(session, view.contract.id, slice_of(page, A_PAGE), search=wanted)
    return view.page(
        "learners.html",
        learners=[{**row, "email": caller.address(row["email"])} for row in rows],
        count=count,
        search=search,
        turning=turning(request, page, count, A_PAGE),
    )


@router.post("/contracts/{slug}/learners", name="learner_form", dependencies=[OurForm])
def learner_form(*, request: Request, db: Db, caller: Managing, slug: str, fields: Fields) -> Response:
    """Attach a learner by hand."""
    page = request.url_for("learners_page", slug=slug).path
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
    try:
        person = Person(email_address(fields.get("email", "")), fields.get("name", "").strip()[:255])
        with db.session() as session:
            forced = fields.get("force") == "yes"
            done = delivery.add_learner(session, contract.id, person, by=actor(caller), forced=forced)
            follows = sheet_sentence(session, contract)
    except B2BError as error:
        return answered(request, page, sentence(error), "No learner was added.", good=False)
    if done.result == Outcome.ALREADY_ATTACHED:
        return answered(request, page, "This learner has a seat already. Nothing was changed.")
    return answered(request, page, "The learner has a seat now. No code was used for it.", follows)


@router.get("/contracts/{slug}/learners/{learner}/remove", name="remove_learner_page")
def remove_learner_page(request: Request, db: Db, caller: Managing, slug: str, learner: int) -> Response:
    with db.session() as session:
        view = view_of(request, session, caller, slug)
        email = _attached_email(session, view.contract, learner)
    with rehearsal(db.open(), view.contract.id) as session:
        codes = _removed(session, view.contract, email, caller)
    return view.confirmation(
        title=f"Remove {caller.address(email)}?",
        lines=[
            "The learner loses the seat and can no longer enroll in the contract's courses.",
            "The seat is free again. A code that the learner came with stays spent for others.",
            codes,
        ],
        action=request.url_for("remove_learner_form", slug=slug, learner=learner).path,
        hidden={},
        button="Remove the learner",
    )


@router.post("/contracts/{slug}/learners/{learner}/remove", name="remove_learner_form", dependencies=[OurForm])
def remove_learner_form(request: Request, db: Db, caller: Managing, slug: str, learner: int) -> Response:
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
        codes = _removed(session, contract, _attached_email(session, contract, learner), caller)
        follows = sheet_sentence(session, contract)
    page = request.url_for("learners_page", slug=slug).path
    return answered(request, page, "The learner was removed. The seat is free.", codes, follows)


def _attached_email(session: Session, contract: Contract, learner: int) -> str:
    email = learner_store.attached_email(session, contract.id, learner) if 0 < learner <= LARGEST_ID else None
    if email is None:
        raise NotFound("no such learner of this contract")
    return email


def _removed(session: Session, contract: Contract, email: str, caller: Caller) -> str:
    """Remove a learner and return what becomes of the codes, as a sentence."""
    before = reports.contract_overview(session, contract.id)["codes"]
    delivery.remove_learner(session, contract.id, email, by=actor(caller))
    new = reports.contract_overview(session, contract.id)["codes"] - before
    return wording.codes_followed({"created": max(new, 0)})


@router.get("/find", name="find_page")
def find_page(*, request: Request, db: Db, caller: SignedIn, q: Text = "") -> Response:
    """A code, or an address with its seats and codes, over all contracts that the caller sees."""
    wanted, now = q.strip(), datetime.now(UTC)
    is_address = "@" in wanted
    hidden = is_address and not caller.sees_emails
    codes: list[Any] = []
    seats: list[Any] = []
    count = 0
    if wanted and not hidden:
        search = CodeSearch(None if is_address else wanted, wanted if is_address else None, caller.organization_id)
        with db.session() as session:
            count, rows = people.codes(session, search, now, slice_of(1, A_PAGE))
            codes = [code_shown(row, caller) for row in rows]
            if is_address:
                seats = list(people.seats_of_address(session, wanted, caller.organization_id))
    return render(
        request,
        "find.html",
        caller,
        q=q,
        wanted=wanted,
        is_address=is_address,
        hidden=hidden,
        codes=codes,
        count=count,
        seats=seats,
    )
