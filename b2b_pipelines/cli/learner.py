"""`b2b learner`: attach learners to contracts, and remove them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsCsv, AsJson, Verbose
from b2b_pipelines.cli.options import ContractId, ShowEmails
from b2b_pipelines.cli.who import actor
from b2b_pipelines.learners.rules import email_address
from b2b_pipelines.reports import listings

if TYPE_CHECKING:
    from b2b_pipelines.learners.service import Attachment

commands = console.app("Attach learners to contracts, and remove them.")

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The learner's e-mail address.")]
LmsUser = Annotated[
    int | None,
    typer.Option(
        "--lms-user-id",
        min=1,
        metavar="ID",
        help="The LMS user id. It takes precedence over the address.",
    ),
]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="The name of a new learner.")]


@commands.command("attach", epilog="Example: b2b learner attach CODE kim@example.com")
def attach(
    code: Annotated[str, typer.Argument(metavar="CODE", help="An enrollment code of the contract.")],
    email: Email,
    name: Name = "",
    lms_user_id: LmsUser = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Attach a learner to the contract of a code, as if they had redeemed it."""
    from b2b_pipelines.learners import service
    from b2b_pipelines.learners.service import Person, reporting_conflicts

    person = Person(email_address(email), name, lms_user_id)
    with console.surroundings() as here, reporting_conflicts(here) as session:
        done = service.attach(session, code, person, datetime.now(UTC))
    _show(done, as_json=as_json)


@commands.command("add", epilog="Example: b2b learner add leadership-2026 kim@example.com")
def add(
    contract: ContractId,
    email: Email,
    name: Name = "",
    lms_user_id: LmsUser = None,
    force: Annotated[bool, typer.Option("--force", help="Ignore the contract's dates and seat limit.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Attach a learner without a code. The contract must be open and have a free seat."""
    from b2b_pipelines.delivery import changes as delivery
    from b2b_pipelines.learners.service import Person, reporting_conflicts

    person = Person(email_address(email), name, lms_user_id)
    with console.surroundings() as here, reporting_conflicts(here) as session:
        done = delivery.add_learner(session, contract, person, by=actor(), forced=force)
    _show(done, as_json=as_json)


@commands.command("remove", epilog="Example: b2b learner remove leadership-2026 kim@example.com")
def remove(contract: ContractId, email: Email, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Remove a learner from a contract. The seat is free again, with a new code."""
    from b2b_pipelines.delivery import changes as delivery

    address = email_address(email)
    with console.surroundings() as here, here.session() as session:
        slug = delivery.remove_learner(session, contract, address, by=actor())
    if as_json:
        console.print_json({"result": "removed", "contract": slug})
    else:
        console.say(f"Removed from {slug}.")


@commands.command("conflicts", epilog="Example: b2b learner conflicts --show-emails --csv")
def conflicts(
    show_emails: ShowEmails = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List pairs of learners who may be one person: one has the LMS user id, the other the e-mail address."""
    hidden = () if show_emails else ("email", "other_email")
    with console.surroundings() as here, here.reading() as reading:
        found = reading.rows(listings.LEARNER_CONFLICTS)
    rows = console.without(found, *hidden)
    columns = {
        "lms_user_id": "LMS user",
        "learner": "Learner",
        **({"email": "Address"} if show_emails else {}),
        "other_learner": "Other learner",
        **({"other_email": "Other address"} if show_emails else {}),
        "times": "Times",
        "last_seen_at": "Last seen",
    }
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)


def _show(done: Attachment, *, as_json: bool) -> None:
    if as_json:
        console.print_json({"result": done.result.value, "contract": done.contract})
    else:
        console.say(f"{'Attached' if done.result == 'attached' else 'Already attached'} to {done.contract}.")
