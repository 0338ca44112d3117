"""`b2b learner`: learners join contracts and leave them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.cli.who import actor
from b2b_pipelines.learners.rules import email_address

if TYPE_CHECKING:
    from b2b_pipelines.learners.service import Attachment

commands = console.app("Let learners join contracts, and take them out.")

ContractId = Annotated[str, typer.Argument(metavar="ID", help="The contract's id or slug.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The learner's e-mail address.")]
LmsUser = Annotated[
    int | None, typer.Option("--lms-user-id", min=1, help="The learner's user id in the LMS; a known one decides.")
]
Name = Annotated[str, typer.Option("--name", help="The learner's name, if it is not known yet.")]


@commands.command("attach")
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


@commands.command("add")
def add(
    contract: ContractId,
    email: Email,
    name: Name = "",
    lms_user_id: LmsUser = None,
    force: Annotated[bool, typer.Option("--force", help="Overlook the contract's days and its cap.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Attach a learner by hand, without a code. The contract's days and its cap hold."""
    from b2b_pipelines.delivery import changes as delivery
    from b2b_pipelines.learners.service import Person, reporting_conflicts

    person = Person(email_address(email), name, lms_user_id)
    with console.surroundings() as here, reporting_conflicts(here) as session:
        done = delivery.add_learner(session, contract, person, by=actor(), forced=force)
    _show(done, as_json=as_json)


@commands.command("remove")
def remove(contract: ContractId, email: Email, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Take a learner from a contract. Their seat is free again, with a new code."""
    from b2b_pipelines.delivery import changes as delivery

    address = email_address(email)
    with console.surroundings() as here, here.session() as session:
        slug = delivery.remove_learner(session, contract, address, by=actor())
    if as_json:
        console.print_json({"result": "removed", "contract": slug})
    else:
        console.say(f"Removed from {slug}.")


@commands.command("conflicts")
def conflicts(
    show_emails: Annotated[bool, typer.Option("--show-emails", help="Show the learners' e-mail addresses.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List pairs of learners who may be one person: one has the LMS user id, the other the address of a request."""
    from b2b_pipelines.learners import store

    with console.surroundings() as here, here.session() as session:
        rows = [_pair(row, show_emails=show_emails) for row in store.conflicts(session)]
    columns = {
        "lms_user_id": "LMS user",
        "learner": "Learner",
        **({"email": "Address"} if show_emails else {}),
        "other_learner": "Other learner",
        **({"other_email": "Other address"} if show_emails else {}),
        "times": "Times",
        "last_seen_at": "Last seen",
    }
    console.print_rows(rows, columns, as_json=as_json)


def _pair(row: Any, *, show_emails: bool) -> dict[str, Any]:
    noted = row.LearnerConflict
    pair = {
        "lms_user_id": noted.lms_user_id,
        "learner": noted.learner_id,
        "other_learner": noted.other_learner_id,
        "times": noted.times,
        "first_seen_at": noted.first_seen_at,
        "last_seen_at": noted.last_seen_at,
    }
    return pair | ({"email": row.email, "other_email": row.other_email} if show_emails else {})


def _show(done: Attachment, *, as_json: bool) -> None:
    if as_json:
        console.print_json({"result": done.result.value, "contract": done.contract})
    else:
        console.say(f"{'Attached' if done.result == 'attached' else 'Already attached'} to {done.contract}.")
