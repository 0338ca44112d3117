"""`b2b learner`: learners join contracts and leave them."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.cli.who import actor
from b2b_pipelines.delivery import changes as delivery
from b2b_pipelines.learners import service
from b2b_pipelines.learners.rules import email_address
from b2b_pipelines.learners.service import Attachment, Person

commands = console.app("Let learners join contracts, and take them out.")

ContractId = Annotated[str, typer.Argument(metavar="ID", help="The contract's id or slug.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The learner's e-mail address.")]
Name = Annotated[str, typer.Option("--name", help="The learner's name, if it is not known yet.")]


@commands.command("attach")
def attach(
    code: Annotated[str, typer.Argument(metavar="CODE", help="An enrollment code of the contract.")],
    email: Email,
    name: Name = "",
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Attach a learner to the contract of a code, as if they had redeemed it."""
    person = Person(email_address(email), name)
    with console.surroundings() as here, here.session() as session:
        done = service.attach(session, code, person, datetime.now(UTC))
    _show(done, as_json=as_json)


@commands.command("add")
def add(
    contract: ContractId,
    email: Email,
    name: Name = "",
    force: Annotated[bool, typer.Option("--force", help="Overlook the contract's days and its cap.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Attach a learner by hand, without a code. The contract's days and its cap hold."""
    person = Person(email_address(email), name)
    with console.surroundings() as here, here.session() as session:
        done = delivery.add_learner(session, contract, person, by=actor(), forced=force)
    _show(done, as_json=as_json)


@commands.command("remove")
def remove(contract: ContractId, email: Email, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Take a learner from a contract. Their seat is free again, with a new code."""
    address = email_address(email)
    with console.surroundings() as here, here.session() as session:
        slug = delivery.remove_learner(session, contract, address, by=actor())
    if as_json:
        console.print_json({"result": "removed", "contract": slug})
    else:
        console.say(f"Removed from {slug}.")


def _show(done: Attachment, *, as_json: bool) -> None:
    if as_json:
        console.print_json({"result": done.result.value, "contract": done.contract})
    else:
        console.say(f"{'Attached' if done.result == 'attached' else 'Already attached'} to {done.contract}.")
