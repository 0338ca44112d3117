"""Arguments and options that several commands share."""

from typing import Annotated

import typer

ContractId = Annotated[str, typer.Argument(metavar="ID", help="The contract's id or slug.")]
OfContract = Annotated[str | None, typer.Option("--contract", metavar="ID", help="Only this contract: its id or slug.")]
ShowEmails = Annotated[bool, typer.Option("--show-emails", help="Show the learners' e-mail addresses.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
