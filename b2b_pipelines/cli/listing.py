"""`b2b_list`: organizations, contracts, courseware, learners, and a contract's codes as a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

commands = console.app("List organizations, contracts, courseware and learners.")

Org = Annotated[str | None, typer.Option("--org", help="Only this organization: its name or org key.")]
OfContract = Annotated[str | None, typer.Option("--contract", metavar="ID", help="Only this contract: its id or slug.")]
EVERY_CODE = (
    "Write every code of this contract to a CSV file, also those no longer valid. To hand out: b2b_codes output."
)
Codes = Annotated[
    str | None,
    typer.Option(
        "--codes",
        metavar="ID",
        help=EVERY_CODE,
    ),
]
CodesOut = Annotated[Path | None, typer.Option("--codes-out", help="That file; codes-<id>.csv when not said.")]


@commands.command("organizations")
def organizations(org: Org = None, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """The organizations, with how many contracts and learners they have."""
    from b2b_pipelines.contracts import service, store

    with console.surroundings() as here, here.session() as session:
        chosen = None if org is None else service.find_organization(session, org)
        rows = [dict(row._mapping) for row in store.organization_overview(session, chosen)]
    columns = {
        "id": "Id",
        "slug": "Slug",
        "name": "Name",
        "org_key": "Org key",
        "contracts": "Contracts",
        "learners": "Learners",
    }
    console.print_rows(rows, columns, as_json=as_json)


@commands.command("contracts")
def contracts(
    org: Org = None,
    codes: Codes = None,
    codes_out: CodesOut = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """The contracts. With --codes: every code of one, as a file."""
    from b2b_pipelines.enrollment_codes import reports

    _check_options(codes, codes_out, org)
    if codes is not None:
        return write_codes(codes, codes_out, as_json=as_json)
    if as_json:
        with console.surroundings() as here, here.session() as session:
            return console.print_json_list(reports.contract_overview_as_json(session, _organization_id(session, org)))
    with console.surroundings() as here, here.session() as session:
        rows = reports.contract_overview(session, organization_id=_organization_id(session, org))
    rows = [row | {"max_learners": row["max_learners"] or "unlimited"} for row in rows]
    columns = {
        "id": "Id",
        "slug": "Slug",
        "name": "Name",
        "organization": "Organization",
        "integration_type": "Type",
        "start": "Start",
        "end": "End",
        "active": "Active",
        "max_learners": "Cap",
        "price": "Price",
        "codes": "Codes",
        "learners": "Learners",
    }
    return console.print_rows(rows, columns, as_json=False)


@commands.command("courseware")
@commands.command("courses", hidden=True)
def courseware(
    contract: OfContract = None,
    org: Org = None,
    codes: Codes = None,
    codes_out: CodesOut = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """The contracts' course runs and their products. With --codes: every code of one contract, as a file."""
    from b2b_pipelines.contracts import store
    from b2b_pipelines.contracts.models import Contract

    _check_options(codes, codes_out, contract if org is None else org)
    if codes is not None:
        return write_codes(codes, codes_out, as_json=as_json)
    with console.surroundings() as here, here.session() as session:
        conditions = []
        if contract is not None:
            conditions.append(Contract.id == store.contract(session, contract).id)
        if org is not None:
            conditions.append(Contract.organization_id == _organization_id(session, org))
        rows = [_courseware_row(row) for row in store.courseware_overview(session, *conditions)]
    columns = {
        "courseware_id": "Courseware id",
        "course": "Course",
        "run_tag": "Run",
        "contract": "Contract",
        "start": "Start",
        "end": "End",
        "edx_state": "edX",
        "product_id": "Product",
        "price": "Price",
    }
    console.print_rows(rows, columns, as_json=as_json)
    for row in rows if not as_json else ():
        if row["edx_error"]:
            console.say(f"{row['courseware_id']} failed in edX: {row['edx_error']}")
    return None


@commands.command("learners")
def learners(contract: OfContract = None, org: Org = None, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """The learners who are attached to contracts."""
    from b2b_pipelines.contracts import store
    from b2b_pipelines.enrollment_codes import reports

    with console.surroundings() as here, here.session() as session:
        ids = None if contract is None else [store.contract(session, contract).id]
        rows = reports.learners(session, ids, _organization_id(session, org))
    columns = {"email": "E-mail", "name": "Name", "contract": "Contract", "how": "How", "attached_at": "Attached"}
    console.print_rows(rows, columns, as_json=as_json)


def write_codes(said: str, out: Path | None, *, as_json: bool) -> None:
    """Write every code of a contract to a file, which appears when it is complete."""
    from b2b_pipelines.contracts import store
    from b2b_pipelines.enrollment_codes import reports

    with console.surroundings() as here, here.session() as session:
        contract = store.contract(session, said)
        path = out or Path(f"codes-{contract.id}.csv")
        total = reports.contract_overview(session, [contract.id])[0]["codes"]
        with _completed(path) as file, console.progress("Writing codes", total) as bar:
            rows = reports.export_codes(session, contract, here.settings.product_url_base, file, bar.advance)
    if as_json:
        console.print_json({"contract": contract.slug, "file": str(path), "rows": rows})
    else:
        console.say(f"Wrote {console.counted(rows, 'code')} of {contract.slug} to {path}.")


def _check_options(codes: str | None, codes_out: Path | None, narrowed: str | None) -> None:
    """Refuse what would be overlooked: a file for a listing, a narrowing of what is one contract's."""
    if codes is None and codes_out is not None:
        console.wrong_usage("--codes-out goes with --codes")
    if codes is not None and narrowed is not None:
        console.wrong_usage("--codes goes with neither --org nor --contract")


@contextmanager
def _completed(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under that name when it is complete. A link is followed; a device is written to as it is.

    Raises `Refused` when it cannot be written.
    """
    target = path.resolve()
    with console.writing(path):
        if target.exists() and not target.is_file():
            with target.open("wb") as device:
                yield device
            return
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            unfinished = Path(file.name)
            try:
                yield file
                file.flush()
                unfinished.replace(target)
            finally:
                unfinished.unlink(missing_ok=True)


def run() -> NoReturn:
    console.run(commands, "b2b_list")


def _organization_id(session: Session, said: str | None) -> int | None:
    from b2b_pipelines.contracts import service

    return None if said is None else service.find_organization(session, said).id


def _courseware_row(row: Any) -> dict[str, Any]:
    run, course, contract, product_id, price = row
    return {
        "courseware_id": run.courseware_id,
        "course": course,
        "run_tag": run.run_tag,
        "contract": contract,
        "start": run.start,
        "end": run.end,
        "enrollment_start": run.enrollment_start,
        "enrollment_end": run.enrollment_end,
        "edx_state": run.edx_state,
        "edx_error": run.edx_error,
        "product_id": product_id,
        "price": price,
    }
