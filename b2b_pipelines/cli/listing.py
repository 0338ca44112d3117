"""`b2b_list`: organizations, contracts, courseware, learners, and a contract's codes as a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from b2b_pipelines.cli import console, files
from b2b_pipelines.cli.console import AsCsv, AsJson, Verbose
from b2b_pipelines.cli.options import OfContract
from b2b_pipelines.contracts.rules import is_open
from b2b_pipelines.enrollment_codes import statements
from b2b_pipelines.errors import NotFound
from b2b_pipelines.plural import counted
from b2b_pipelines.reports import listings

if TYPE_CHECKING:
    from b2b_pipelines.db.reading import Reading

commands = console.app("List organizations, contracts, courseware and learners.")

Org = Annotated[str | None, typer.Option("--org", help="Only this organization: its name or org key.")]
EVERY_CODE = "Write every code of this contract to a CSV file, revoked ones too. Codes to hand out: `b2b codes output`."
Codes = Annotated[str | None, typer.Option("--codes", metavar="ID", help=EVERY_CODE)]
CodesOut = Annotated[
    Path | None, typer.Option("--codes-out", metavar="FILE", help="The file for --codes. Default: codes-<id>.csv.")
]


@commands.command("organizations", epilog="Example: b2b list organizations --csv > organizations.csv")
def organizations(org: Org = None, as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the organizations with their numbers of contracts and learners."""
    with console.surroundings() as here, here.reading() as reading:
        found = reading.rows(listings.ORGANIZATIONS, organization=_organization_id(reading, org), pattern=None)
    columns = {
        "id": "ID",
        "slug": "Slug",
        "name": "Name",
        "org_key": "Org key",
        "contracts": "Contracts",
        "learners": "Learners",
    }
    console.print_rows(console.without(found, "description"), columns, as_json=as_json, as_csv=as_csv)


@commands.command(
    "contracts", epilog="Examples: b2b list contracts --org Acme, b2b list contracts --codes leadership-2026"
)
def contracts(
    org: Org = None,
    codes: Codes = None,
    codes_out: CodesOut = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List the contracts. With --codes: write every code of one contract to a file."""
    _check_options(codes, codes_out, org)
    if codes is not None:
        return write_codes(codes, codes_out, as_json=as_json)
    with console.surroundings() as here, here.reading() as reading:
        organization = _organization_id(reading, org)
        if as_json:
            return console.print_json_list(reading.texts(statements.OVERVIEW_AS_JSON, organization=organization))
        rows = reading.rows(statements.OVERVIEW, contracts=None, organization=organization)
    if not as_csv:
        today = datetime.now(UTC).date()
        rows = [row | {"max_learners": row["max_learners"] or "no limit", "active": _state(row, today)} for row in rows]
    columns = {
        "id": "ID",
        "slug": "Slug",
        "name": "Name",
        "organization": "Organization",
        "integration_type": "Type",
        "start": "Start",
        "end": "End",
        "active": "Active",
        "max_learners": "Seats",
        "price": "Price",
        "codes": "Codes",
        "learners": "Learners",
    }
    return console.print_rows(rows, columns, as_json=False, as_csv=as_csv)


@commands.command("courseware", epilog="Example: b2b list courseware --contract leadership-2026")
@commands.command("courses", hidden=True)
def courseware(
    contract: OfContract = None,
    org: Org = None,
    codes: Codes = None,
    codes_out: CodesOut = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List the contracts' course runs and products. With --codes: write every code of one contract to a file."""
    _check_options(codes, codes_out, contract if org is None else org)
    if codes is not None:
        return write_codes(codes, codes_out, as_json=as_json)
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(
            statements.COURSEWARE,
            contracts=contract_ids(reading, contract),
            organization=_organization_id(reading, org),
        )
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
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)
    for row in () if as_json or as_csv else rows:
        if row["edx_error"]:
            console.say(f"{row['courseware_id']} failed in edX: {row['edx_error']}")
    return None


@commands.command("learners", epilog="Example: b2b list learners --contract leadership-2026 --csv")
def learners(
    contract: OfContract = None,
    org: Org = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List the learners who are attached to contracts."""
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(
            statements.LEARNERS, contracts=contract_ids(reading, contract), organization=_organization_id(reading, org)
        )
    columns = {"email": "E-mail", "name": "Name", "contract": "Contract", "how": "How", "attached_at": "Attached"}
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)


def contract_ids(reading: Reading, contract: str | None) -> list[int] | None:
    """Return the id of the contract that an option names, in a list; None without the option. Raises `NotFound`."""
    return None if contract is None else [contract_id_of(reading, contract)]


def contract_id_of(reading: Reading, reference: str) -> int:
    """Return the id of the contract with that slug or id. Raises `NotFound`."""
    return contract_of(reading, reference)[0]


def contract_of(reading: Reading, reference: str) -> tuple[int, str]:
    """Return the id and the slug of the contract with that slug or id. Raises `NotFound`."""
    number = int(reference) if reference.isascii() and reference.isdecimal() and len(reference) < 19 else None
    found = reading.rows(listings.CONTRACT, reference=reference, id=number)
    if not found:
        raise NotFound(f"no contract {reference}: `b2b_list contracts` lists ids and slugs")
    return int(found[0]["id"]), str(found[0]["slug"])


def write_codes(contract_id: str, out: Path | None, *, as_json: bool) -> None:
    """Write every code of a contract to a file, which appears when it is complete."""
    from b2b_pipelines.contracts import store
    from b2b_pipelines.enrollment_codes import reports

    with console.surroundings() as here, here.session() as session:
        contract = store.contract(session, contract_id)
        path = out or Path(f"codes-{contract.id}.csv")
        total = reports.contract_overview(session, contract.id)["codes"]
        with files.writing(path):
            replaced = files.replacing(path)
        with _completed(path) as file, console.progress("Writing codes", total) as advance:
            rows = reports.export_codes(session, contract, here.settings.product_url_base, file, advance)
    if as_json:
        console.print_json({"contract": contract.slug, "file": str(path), "rows": rows})
    else:
        console.say(f"Wrote {counted(rows, 'code')} of {contract.slug} to {path}.{replaced}")


def _state(row: Mapping[str, Any], today: date) -> str:
    """Return whether learners can join the contract today, in a word; its end day counts."""
    if not row["active"]:
        return "no"
    if is_open(row["active"], row["start"], row["end"], today):
        return "yes"
    return "not yet" if row["start"] and today < row["start"] else "ended"


def _check_options(codes: str | None, codes_out: Path | None, condition: str | None) -> None:
    """Refuse options that would have no effect."""
    if codes is None and codes_out is not None:
        console.wrong_usage("--codes-out needs --codes")
    if codes is not None and condition is not None:
        console.wrong_usage("--codes cannot be combined with --org or --contract")


@contextmanager
def _completed(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under that name when it is complete. A link is followed; a device is written to as it is.

    Raises `Refused` when it cannot be written.
    """
    target = path.resolve()
    with files.writing(path):
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


def _organization_id(reading: Reading, organization: str | None) -> int | None:
    if organization is None:
        return None
    found = reading.rows(listings.ORGANIZATION, reference=organization.strip())
    if not found:
        raise NotFound(f"no organization {organization!r}: `b2b_list organizations` lists the organizations")
    return int(found[0]["id"])
