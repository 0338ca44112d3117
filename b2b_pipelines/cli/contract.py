"""`b2b_contract`: make a contract, change it, give it courseware."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from b2b_pipelines.cli import console, opening
from b2b_pipelines.cli.console import AsJson, Surroundings, Verbose
from b2b_pipelines.cli.courseware import content_of
from b2b_pipelines.cli.who import actor
from b2b_pipelines.contracts.patch import UNSET, ContractPatch, Unset, Value
from b2b_pipelines.contracts.rules import integration_type

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from b2b_pipelines.contracts.models import Contract
    from b2b_pipelines.contracts.service import CoursewareChange
    from b2b_pipelines.delivery.changes import ContractChanged, CoursewareChanged
    from b2b_pipelines.delivery.losses import Losses

LINKED = "Linked; no run was made."

Done = TypeVar("Done", "ContractChanged", "CoursewareChanged")

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
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before something is taken away.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
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
    dry_run: DryRun = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make a contract. Prints its id and its slug, which is also the key of its Dagster partition."""
    from b2b_pipelines.delivery import changes as delivery

    terms = ContractPatch(
        starts_on=_given(start),
        ends_on=_given(end),
        max_learners=_given(max_learners),
        price=_given(price),
        description=UNSET if description is None else description,
        sheet_url=_given(sheet),
        sheet_tab=_given(tab),
    )
    with console.surroundings() as here, _session(here, dry_run=dry_run) as session:
        made = delivery.create_contract(
            session,
            organization,
            name,
            integration_type(integration),
            terms,
            by=actor(),
            create_organization=create_organization,
            org_key=org_key,
        )
        answer = _as_listed(session, made.contract)
    if made.same_named:
        answer["same_name"] = list(made.same_named)
        if not as_json:
            console.warn(_same_name(made, dry_run=dry_run))
    if not dry_run:
        answer |= opening.opened(answer["slug"], sheet or tab)
    _show(answer, as_json=as_json, lead="Would make the contract" if dry_run else "Made the contract")


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
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Change a contract; its products and codes follow at once. Dates of runs that exist are never changed.

    On a terminal it asks before codes stop working.
    """
    from b2b_pipelines.contracts.early_runs import early_note, runs_ending_early
    from b2b_pipelines.delivery import changes as delivery
    from b2b_pipelines.delivery import losses

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
    patch = ContractPatch(
        starts_on=_given(start, emptied=no_start_date),
        ends_on=_given(end, emptied=no_end_date),
        max_learners=_given(max_learners, emptied=no_learner_cap),
        price=_given(price, emptied=no_price),
        description=UNSET if description is None else description,
        integration_type=UNSET if integration is None else integration_type(integration),
        active=True if activate else False if deactivate else UNSET,
        sheet_url=_given(sheet, emptied=no_sheet),
        sheet_tab=_given(tab),
    )
    if not patch.values:
        console.wrong_usage("modify changes nothing without an option: name a new value, such as --max-learners 25")

    early: list[str] = []

    def change(session: Session) -> ContractChanged:
        done = delivery.change_contract(session, contract_id, patch, by=actor())
        if {"starts_on", "ends_on"} & patch.values.keys():
            early[:] = runs_ending_early(session, [done.contract]).get(done.contract.slug, [])
        return done

    with console.surroundings() as here:
        changed, answer = _changed(here, contract_id, change, yes=yes or as_json, dry_run=dry_run)
    if early:
        answer["runs_ending_early"] = early
    if not dry_run:
        answer |= opening.opened(answer["slug"], sheet or tab)
    shown = answer | {"dry_run": True, "losses": losses.as_json(changed.losses)} if dry_run else answer
    _show(shown, as_json=as_json, lead="Would change the contract" if dry_run else "Changed the contract")
    if not as_json:
        _say_losses(changed.losses)
        if early:
            console.say(early_note(answer["slug"], early))


@commands.command("courseware")
def courseware(
    contract_id: ContractId,
    courseware_id: Annotated[str, typer.Argument(metavar="COURSEWARE_ID", help="A course, a course run or a program.")],
    no_create_runs: Annotated[bool, typer.Option("--no-create-runs", help="Link it without making runs.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it from the contract.")] = False,
    rerun: Annotated[bool, typer.Option("--rerun", help="Make a further run though the contract has one.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Give a contract a course, a course run or a program, or take it away. Its codes follow at once."""
    from b2b_pipelines.delivery import changes as delivery

    if remove and (rerun or no_create_runs):
        console.wrong_usage("--remove goes with neither --rerun nor --no-create-runs")
    if rerun and no_create_runs:
        console.wrong_usage("--rerun and --no-create-runs exclude each other")

    def change(session: Session) -> CoursewareChanged:
        if remove:
            return delivery.take_courseware(session, contract_id, courseware_id, by=actor())
        return delivery.give_courseware(
            session, contract_id, courseware_id, by=actor(), create_runs=not no_create_runs, rerun=rerun
        )

    with console.surroundings() as here:
        changed, _ = _changed(here, contract_id, change, yes=yes or as_json or not remove, dry_run=dry_run)
    _show_courseware(
        changed.courseware,
        as_json=as_json,
        without_runs="Taken away; it had no run." if remove else LINKED,
        dry_run=dry_run,
    )
    if not as_json:
        _say_losses(changed.losses)


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
    from b2b_pipelines.contracts import exchange

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
    dry_run: DryRun = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make a contract that `export` wrote, with runs and codes of its own. Refused if its slug exists."""
    from b2b_pipelines.contracts import exchange
    from b2b_pipelines.delivery import changes as delivery

    document = exchange.read(content_of(file))
    with console.surroundings() as here, _session(here, dry_run=dry_run) as session:
        made, change = delivery.import_contract(session, document, by=actor())
        answer = _as_listed(session, made.contract)
    if as_json:
        lists = {"created": change.created, "skipped": change.skipped, "without_source": change.without_source}
        console.print_json(answer | lists | {"dry_run": dry_run})
        return
    _show(answer, as_json=False, lead="Would make the contract" if dry_run else "Made the contract")
    if document.courseware:
        _show_courseware(change, as_json=False)


def run() -> NoReturn:
    console.run(commands, "b2b_contract")


def _given(value: Value | None, *, emptied: bool = False) -> Value | Unset | None:
    """Return an option's value for a patch: None for its `--no-…`, `UNSET` when neither was given."""
    if emptied:
        return None
    return UNSET if value is None else value


@contextmanager
def _session(here: Surroundings, *, dry_run: bool) -> Iterator[Session]:
    from b2b_pipelines.delivery.rehearsal import rehearsal

    with rehearsal(here.database) if dry_run else here.session() as session:
        yield session


def _changed(
    here: Surroundings, contract_id: str, change: Callable[[Session], Done], *, yes: bool, dry_run: bool
) -> tuple[Done, dict[str, Any]]:
    """Make a change, after asking when it takes something away; with `dry_run` only rehearse it."""
    from b2b_pipelines.delivery.rehearsal import rehearsal

    if dry_run or (not yes and sys.stdin.isatty()):
        with rehearsal(here.database, contract_id) as session:
            planned = change(session)
            answer = _as_listed(session, planned.contract)
        if dry_run:
            return planned, answer
        if not planned.losses.nothing:
            console.agreed("Go on?", planned.losses.sentences(), yes=yes)
    with here.session() as session:
        done = change(session)
        return done, _as_listed(session, done.contract)


def _say_losses(lost: Losses) -> None:
    for sentence in lost.sentences():
        console.say(sentence)


def _same_name(made: ContractChanged, *, dry_run: bool) -> str:
    one = f"A contract named {made.contract.name!r} of {made.contract.organization.name} exists already: "
    would = "would be" if dry_run else "is"
    return f"{one}{', '.join(made.same_named)}. This one {would} {made.contract.slug}."


def _as_listed(session: Session, contract: Contract) -> dict[str, Any]:
    from b2b_pipelines.enrollment_codes import reports

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


def _show_courseware(
    change: CoursewareChange, *, as_json: bool, without_runs: str = LINKED, dry_run: bool = False
) -> None:
    shown = {
        "created": change.created,
        "removed": change.removed,
        "skipped": change.skipped,
        "without_source": change.without_source,
    }
    for course in change.guessed_source:
        console.warn(f"Warning: no run of {course} is marked as source: its first run is used")
    if as_json:
        console.print_json(shown | ({"dry_run": True} if dry_run else {}))
        return
    for course in change.restored:
        console.say(f"Brought back with its codes: {course}")
    for words, ids in zip(("Created", "Removed", "Skipped", "Without a source run"), shown.values(), strict=True):
        for item in ids:
            console.say(f"{words}: {item}")
    if not any(shown.values()):
        console.say(without_runs)
