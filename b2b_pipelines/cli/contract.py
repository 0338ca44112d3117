"""`b2b contract`: create a contract, change it, add courseware to it, show it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from b2b_pipelines.cli import console, files, opening
from b2b_pipelines.cli import contract_answers as answers
from b2b_pipelines.cli.console import AsJson, Surroundings, Verbose
from b2b_pipelines.cli.courseware import content_of
from b2b_pipelines.cli.options import ContractId, Yes
from b2b_pipelines.cli.who import actor
from b2b_pipelines.contracts.patch import UNSET, ContractPatch, Unset
from b2b_pipelines.contracts.rules import integration_type
from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.inputs.times import day

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from b2b_pipelines.delivery.changes import ContractChanged, CoursewareChanged
    from b2b_pipelines.delivery.losses import Losses

Value = TypeVar("Value")
Done = TypeVar("Done", "ContractChanged", "CoursewareChanged")

LATEST_CHANGES = 10

commands = console.app("Create contracts, change them, and add courseware to them.")


def _day(value: str) -> date:
    try:
        return day(value)
    except InvalidInput as error:
        raise typer.BadParameter(error.message) from None


def _amount(value: str) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation:
        raise typer.BadParameter(f"{value!r} is not an amount: use 199 or 199.00") from None


Start = Annotated[date | None, typer.Option("--start", parser=_day, metavar="DAY", help="First day, YYYY-MM-DD.")]
End = Annotated[date | None, typer.Option("--end", parser=_day, metavar="DAY", help="Last day, YYYY-MM-DD, included.")]
Cap = Annotated[int | None, typer.Option("--max-learners", min=0, help="Seat limit. 0 removes the limit.")]
Price = Annotated[
    Decimal | None, typer.Option("--price", parser=_amount, metavar="AMOUNT", help="Price of a seat. 0 is free.")
]
Description = Annotated[str | None, typer.Option("--description", help="Description of the contract.")]
Sheet = Annotated[
    str | None, typer.Option("--sheet", metavar="URL", help="The customer's Google Sheet: its URL or id.")
]
Tab = Annotated[str | None, typer.Option("--tab", help="The tab: its title, or its number starting at 0.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change. Change nothing.")]


@commands.command("create", epilog="Example: b2b contract create Acme 'Leadership 2026' non-sso --max-learners 25")
def create(
    organization: Annotated[str, typer.Argument(metavar="ORG", help="The organization's name or org key.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The contract's name.")],
    integration: Annotated[str, typer.Argument(metavar="TYPE", help="sso (managed, auto) or non-sso (code).")],
    create_organization: Annotated[
        bool, typer.Option("--create", help="Create the organization if it does not exist.")
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
    """Create a contract. Prints its ID and its slug, which is also the key of its Dagster partition."""
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
        answer = answers.as_listed(session, made.contract)
    if made.same_named:
        answer["same_name"] = list(made.same_named)
        if not as_json:
            console.warn(answers.same_name(made, dry_run=dry_run))
    if not dry_run:
        answer |= opening.opened(answer["slug"], sheet or tab, as_json=as_json)
    if as_json:
        console.print_json(answer)
    else:
        answers.show_contract(answer, "Would create the contract" if dry_run else "Created the contract")
        if note := answers.ended(answer):
            console.warn(note)


@commands.command(
    "modify",
    epilog="Examples: b2b contract modify leadership-2026 --max-learners 30 --dry-run, b2b contract modify 1 --no-sheet",
)
def modify(
    contract_id: ContractId,
    name: Annotated[str | None, typer.Option("--name", help="New name. The slug stays.")] = None,
    start: Start = None,
    end: End = None,
    max_learners: Cap = None,
    price: Price = None,
    description: Description = None,
    integration: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="sso or non-sso.")] = None,
    activate: Annotated[bool, typer.Option("--active", help="Reactivate the contract.")] = False,
    deactivate: Annotated[
        bool, typer.Option("--inactive", "--delete", help="Deactivate the contract. Nothing is deleted.")
    ] = False,
    no_price: Annotated[bool, typer.Option("--no-price", help="Remove the price.")] = False,
    no_learner_cap: Annotated[bool, typer.Option("--no-learner-cap", help="Remove the seat limit.")] = False,
    no_start_date: Annotated[bool, typer.Option("--no-start-date", help="Remove the start date.")] = False,
    no_end_date: Annotated[bool, typer.Option("--no-end-date", help="Remove the end date.")] = False,
    sheet: Sheet = None,
    tab: Tab = None,
    no_sheet: Annotated[bool, typer.Option("--no-sheet", help="Stop delivering codes to a sheet.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Change a contract. Its products and codes are updated at once. Dates of existing runs are never changed.

    On a terminal the command asks for confirmation before codes stop working.
    """
    from b2b_pipelines.contracts.early_runs import early_note, runs_ending_early
    from b2b_pipelines.delivery import changes as delivery
    from b2b_pipelines.delivery import losses

    for value, excluded, names in (
        (start, no_start_date, "--start or --no-start-date"),
        (end, no_end_date, "--end or --no-end-date"),
        (max_learners, no_learner_cap, "--max-learners or --no-learner-cap"),
        (price, no_price, "--price or --no-price"),
        (tab if sheet is None else sheet, no_sheet, "--sheet and --tab, or --no-sheet"),
        (activate or None, deactivate, "--active or --inactive"),
    ):
        if value is not None and excluded:
            console.wrong_usage(f"use either {names}")
    patch = ContractPatch(
        name=UNSET if name is None else name,
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
        console.wrong_usage("modify needs an option, such as --max-learners 25")

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
        answer |= opening.opened(answer["slug"], sheet or tab, as_json=as_json)
    if as_json:
        dry = {"dry_run": True, "losses": losses.as_json(changed.losses)} if dry_run else {}
        console.print_json(answer | dry)
        return
    answers.show_contract(answer, _lead(changed, dry_run=dry_run), changed.fields)
    _say_losses(changed.losses)
    if early:
        console.say(early_note(answer["slug"], early))


@commands.command("courseware", epilog="Example: b2b contract courseware leadership-2026 course-v1:UAI+LEAD101")
def courseware(
    contract_id: ContractId,
    courseware_id: Annotated[str, typer.Argument(metavar="COURSEWARE_ID", help="A course, a course run or a program.")],
    no_create_runs: Annotated[bool, typer.Option("--no-create-runs", help="Link it without creating runs.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it from the contract.")] = False,
    rerun: Annotated[bool, typer.Option("--rerun", help="Create another run even if the contract has one.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Add a course, a course run or a program to a contract, or remove it. Codes are updated at once."""
    from b2b_pipelines.delivery import changes as delivery

    if remove and (rerun or no_create_runs):
        console.wrong_usage("--remove cannot be combined with --rerun or --no-create-runs")
    if rerun and no_create_runs:
        console.wrong_usage("use either --rerun or --no-create-runs")

    def change(session: Session) -> CoursewareChanged:
        if remove:
            return delivery.take_courseware(session, contract_id, courseware_id, by=actor())
        return delivery.give_courseware(
            session, contract_id, courseware_id, by=actor(), create_runs=not no_create_runs, rerun=rerun
        )

    with console.surroundings() as here:
        changed, _ = _changed(here, contract_id, change, yes=yes or as_json or not remove, dry_run=dry_run)
    for course in changed.courseware.guessed_source:
        console.warn(f"Warning: no run of {course} is marked as source. Its first run is used.")
    if as_json:
        lists = {key: getattr(changed.courseware, key) for key in ("created", "removed", "skipped", "without_source")}
        console.print_json(lists | ({"dry_run": True} if dry_run else {}))
        return
    without_runs = "Removed. It had no run." if remove else answers.LINKED
    answers.show_courseware(changed.courseware, changed.codes, without_runs=without_runs, dry_run=dry_run)
    _say_losses(changed.losses)


@commands.command("show", epilog="Example: b2b contract show leadership-2026")
def show(contract_id: ContractId, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Show a contract: terms, seats, codes, sheet and tab, course runs, latest changes."""
    from b2b_pipelines.cli.listing import contract_id_of
    from b2b_pipelines.reports.contract_details import details

    with console.surroundings() as here, here.reading() as reading:
        found = details(reading.rows, contract_id_of(reading, contract_id), LATEST_CHANGES)
    if as_json:
        console.print_json(found)
    else:
        answers.show_details(found)


@commands.command("export", epilog="Example: b2b contract export leadership-2026 --output leadership.json")
def export_contract(
    contract_id: ContractId,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", dir_okay=False, help="Write to FILE instead of stdout.")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Print a contract and its courseware as JSON, for `import`. Runs, codes and learners are not included."""
    from b2b_pipelines.contracts import exchange

    with console.surroundings() as here, here.session() as session:
        document = exchange.export(session, contract_id)
    if output is None:
        console.print_json(document.model_dump(mode="json"))
        return
    with files.writing(output):
        output.write_text(document.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if as_json:
        console.print_json({"slug": document.contract.slug, "output": str(output)})
    else:
        console.say(f"Wrote the contract {document.contract.slug} to {output}.")


@commands.command("import", epilog="Example: b2b contract import leadership.json --dry-run")
def import_contract(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A file that `export` wrote.")
    ],
    dry_run: DryRun = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Create a contract from a file of `export`, with its own runs and codes. Refused if its slug exists."""
    from b2b_pipelines.contracts import exchange
    from b2b_pipelines.delivery import changes as delivery

    document = exchange.read(content_of(file))
    with console.surroundings() as here, _session(here, dry_run=dry_run) as session:
        made, change = delivery.import_contract(session, document, by=actor())
        answer = answers.as_listed(session, made.contract)
    if as_json:
        lists = {"created": change.created, "skipped": change.skipped, "without_source": change.without_source}
        console.print_json(answer | lists | {"dry_run": dry_run})
        return
    answers.show_contract(answer, "Would create the contract" if dry_run else "Created the contract")
    if document.courseware:
        answers.show_courseware(change, None, dry_run=dry_run)
    if note := answers.ended(answer):
        console.warn(note)


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
    """Make a change after asking for confirmation if people lose something. With `dry_run` roll it back."""
    from b2b_pipelines.delivery.rehearsal import rehearsal

    if dry_run or (not yes and sys.stdin.isatty()):
        with rehearsal(here.database, contract_id) as session:
            planned = change(session)
            answer = answers.as_listed(session, planned.contract)
        if dry_run:
            return planned, answer
        if not planned.losses.nothing:
            console.agreed("Go on?", planned.losses.sentences(), yes=yes)
    with here.session() as session:
        done = change(session)
        return done, answers.as_listed(session, done.contract)


def _say_losses(lost: Losses) -> None:
    for sentence in lost.sentences():
        console.say(sentence)


def _lead(changed: ContractChanged, *, dry_run: bool) -> str:
    if not changed.fields:
        return "No change to the contract"
    return "Would change the contract" if dry_run else "Changed the contract"
