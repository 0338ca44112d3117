"""`b2b_contract`: make a contract, change it, give it courseware."""

from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from sqlalchemy.orm import Session

from b2b_pipelines.cli import console, opening
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.cli.courseware import content_of
from b2b_pipelines.contracts import exchange, service, store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import integration_type
from b2b_pipelines.contracts.service import Changes, CoursewareChange
from b2b_pipelines.enrollment_codes import reports
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.sheets import service as sheets

LINKED = "Linked; no run was made."

commands = console.app("Make contracts, change them, give them courseware.")


def _day(said: str) -> date:
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise typer.BadParameter(f"{said!r} is no day: write YYYY-MM-DD") from None


def _amount(said: str) -> Decimal:
    try:
        return Decimal(said)
    except InvalidOperation:
        raise typer.BadParameter(f"{said!r} is no amount: write 199 or 199.00") from None


Start = Annotated[date | None, typer.Option("--start", parser=_day, metavar="DAY", help="First day, YYYY-MM-DD.")]
End = Annotated[date | None, typer.Option("--end", parser=_day, metavar="DAY", help="Last day, YYYY-MM-DD; it counts.")]
Cap = Annotated[int | None, typer.Option("--max-learners", min=0, help="Seats; 0 is no cap.")]
Price = Annotated[
    Decimal | None, typer.Option("--price", parser=_amount, metavar="AMOUNT", help="Price of a seat; 0 is free.")
]
Description = Annotated[str | None, typer.Option("--description", help="What the contract is about.")]
Sheet = Annotated[
    str | None, typer.Option("--sheet", metavar="URL", help="The customer's Google Sheet: its URL or id.")
]
Tab = Annotated[str | None, typer.Option("--tab", help="The tab: its title, or its number from 0.")]
ContractId = Annotated[str, typer.Argument(metavar="ID", help="The contract's id or slug.")]


@commands.command("create")
def create(
    organization: Annotated[str, typer.Argument(metavar="ORG", help="The organization's name or org key.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The contract's name.")],
    integration: Annotated[str, typer.Argument(metavar="TYPE", help="sso (managed, auto) or non-sso (code).")],
    create_organization: Annotated[
        bool, typer.Option("--create", help="Make the organization if there is none.")
    ] = False,
    org_key: Annotated[str | None, typer.Option("--org-key", help="With --create: its key in edX course ids.")] = None,
    start: Start = None,
    end: End = None,
    max_learners: Cap = None,
    price: Price = None,
    description: Description = None,
    sheet: Sheet = None,
    tab: Tab = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make a contract. Prints its id and its slug, which is also the key of its Dagster partition."""
    changes = Changes(
        _given(
            starts_on=start,
            ends_on=end,
            max_learners=max_learners,
            price=price,
            description=description,
            sheet_url=sheet,
            sheet_tab=tab,
        )
    )
    with console.surroundings() as here, here.session() as session:
        contract = service.create_contract(
            session,
            organization,
            name,
            integration_type(integration),
            changes,
            create_organization=create_organization,
            org_key=org_key,
        )
        codes.ensure_codes(session, contract.slug)
        answer = _as_listed(session, contract)
    _show(answer | opening.opened(answer["slug"], sheet or tab), as_json=as_json, lead="Made the contract")


@commands.command("modify")
def modify(
    contract_id: ContractId,
    start: Start = None,
    end: End = None,
    max_learners: Cap = None,
    price: Price = None,
    description: Description = None,
    integration: Annotated[str | None, typer.Option("--type", help="sso or non-sso.")] = None,
    activate: Annotated[bool, typer.Option("--active", help="Open the contract again.")] = False,
    deactivate: Annotated[
        bool, typer.Option("--inactive", "--delete", help="Close the contract. Nothing is deleted.")
    ] = False,
    no_price: Annotated[bool, typer.Option("--no-price", help="Make it free.")] = False,
    no_learner_cap: Annotated[bool, typer.Option("--no-learner-cap", help="Lift the cap.")] = False,
    no_start_date: Annotated[bool, typer.Option("--no-start-date", help="Open from now on.")] = False,
    no_end_date: Annotated[bool, typer.Option("--no-end-date", help="Open for good.")] = False,
    sheet: Sheet = None,
    tab: Tab = None,
    no_sheet: Annotated[bool, typer.Option("--no-sheet", help="Deliver no codes to a sheet any more.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Change a contract; its products and codes follow at once. Dates of runs that exist are never changed."""
    for value, excluded, names in (
        (start, no_start_date, "--start and --no-start-date"),
        (end, no_end_date, "--end and --no-end-date"),
        (max_learners, no_learner_cap, "--max-learners and --no-learner-cap"),
        (price, no_price, "--price and --no-price"),
        (tab if sheet is None else sheet, no_sheet, "--sheet or --tab and --no-sheet"),
        (activate or None, deactivate, "--active and --inactive"),
    ):
        if value is not None and excluded:
            console.wrong_usage(f"{names} exclude each other")
    values = _given(
        starts_on=start,
        ends_on=end,
        max_learners=max_learners,
        price=price,
        description=description,
        integration_type=None if integration is None else integration_type(integration),
        active=True if activate else False if deactivate else None,
        sheet_url=sheet,
        sheet_tab=tab,
    )
    emptied = {
        "starts_on": no_start_date,
        "ends_on": no_end_date,
        "max_learners": no_learner_cap,
        "price": no_price,
        "sheet_url": no_sheet,
    }
    changes = Changes(values | {key: None for key, chosen in emptied.items() if chosen})
    with console.surroundings() as here, here.session() as session:
        contract = service.modify_contract(session, contract_id, changes)
        codes.ensure_codes(session, contract.slug)
        if sheet is not None:
            sheets.resume(session, contract.slug)
        answer = _as_listed(session, contract)
    _show(answer | opening.opened(answer["slug"], sheet or tab), as_json=as_json, lead="Changed the contract")


@commands.command("courseware")
def courseware(
    contract_id: ContractId,
    courseware_id: Annotated[str, typer.Argument(metavar="COURSEWARE_ID", help="A course, a course run or a program.")],
    no_create_runs: Annotated[bool, typer.Option("--no-create-runs", help="Link it without making runs.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it from the contract.")] = False,
    rerun: Annotated[bool, typer.Option("--rerun", help="Make a further run though the contract has one.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Give a contract a course, a course run or a program, or take it away. Its codes follow at once."""
    if remove and (rerun or no_create_runs):
        console.wrong_usage("--remove goes with neither --rerun nor --no-create-runs")
    if rerun and no_create_runs:
        console.wrong_usage("--rerun and --no-create-runs exclude each other")
    with console.surroundings() as here, here.session() as session:
        change = (
            service.take_courseware(session, contract_id, courseware_id)
            if remove
            else service.give_courseware(
                session,
                contract_id,
                courseware_id,
                store.transaction_time(session),
                create_runs=not no_create_runs,
                rerun=rerun,
            )
        )
        codes.withdraw(session, change.products_withdrawn)
        codes.ensure_codes(session, contract_id)
    _show_courseware(change, as_json=as_json, without_runs="Taken away; it had no run." if remove else LINKED)


@commands.command("export")
def export_contract(
    contract_id: ContractId,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", dir_okay=False, help="Write to FILE, not to stdout.")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Print a contract and its courseware as JSON, for `import`. Its runs, codes and learners are not part of it."""
    with console.surroundings() as here, here.session() as session:
        document = exchange.export(session, contract_id)
    if output is None:
        console.print_json(document.model_dump(mode="json"))
        return
    with console.writing(output):
        output.write_text(document.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if as_json:
        console.print_json({"slug": document.contract.slug, "output": str(output)})
    else:
        console.say(f"Wrote the contract {document.contract.slug} to {output}.")


@commands.command("import")
def import_contract(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="What `export` wrote.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make a contract that `export` wrote, with runs and codes of its own. Refused if its slug exists."""
    document = exchange.read(content_of(file))
    with console.surroundings() as here, here.session(dry_run=dry_run) as session:
        contract, change = exchange.make(session, document, store.transaction_time(session))
        codes.ensure_codes(session, contract.slug)
        answer = _as_listed(session, contract)
    if as_json:
        lists = {"created": change.created, "skipped": change.skipped, "without_source": change.without_source}
        console.print_json(answer | lists | {"dry_run": dry_run})
        return
    _show(answer, as_json=False, lead="Would make the contract" if dry_run else "Made the contract")
    if document.courseware:
        _show_courseware(change, as_json=False)


def run() -> NoReturn:
    console.run(commands, "b2b_contract")


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _as_listed(session: Session, contract: Contract) -> dict[str, Any]:
    session.flush()
    return reports.contract_overview(session, [contract.id])[0]


def _show(answer: dict[str, Any], *, as_json: bool, lead: str) -> None:
    if as_json:
        console.print_json(answer)
        return
    cap = answer["max_learners"] or "unlimited"
    console.say(f"{lead} {answer['slug']} (id {answer['id']}) of {answer['organization']}.")
    console.say(f"{console.counted(answer['codes'], 'code')}, {answer['learners']} of {cap} seats taken.")
    opening.show(answer["slug"], answer.get("sheet"))


def _show_courseware(change: CoursewareChange, *, as_json: bool, without_runs: str = LINKED) -> None:
    shown = {
        "created": change.created,
        "removed": change.removed,
        "skipped": change.skipped,
        "without_source": change.without_source,
    }
    for course in change.guessed_source:
        console.warn(f"Warning: no run of {course} is marked as source: its first run is used")
    if as_json:
        console.print_json(shown)
        return
    for words, ids in zip(("Created", "Removed", "Skipped", "Without a source run"), shown.values(), strict=True):
        for item in ids:
            console.say(f"{words}: {item}")
    if not any(shown.values()):
        console.say(without_runs)
