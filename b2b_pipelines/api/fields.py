"""The prefix of the routes, and the types of what comes in: what PostgreSQL could not keep is refused before it gets there."""

from typing import Annotated

from email_validator import SPECIAL_USE_DOMAIN_NAMES
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.inputs.text import is_storable
from b2b_pipelines.learners.rules import email_address

API = "/api/v1"
"""The prefix of every feature's router."""

LARGEST_ID = 2**53 - 1
"""The largest whole number that every JSON reader has exactly."""


def _storable(value: str) -> str:
    if not is_storable(value):
        raise ValueError("must not contain the character NUL or half characters")
    return value


def says_something(value: str) -> str:
    """Return a text that is not blank. Raises `ValueError`."""
    if not value.strip():
        raise ValueError("must say something")
    return value


def _undeliverable() -> str:
    """Return a flagless pattern of undeliverable addresses' ends: `…@host.test`, `….invalid`."""
    names = (
        "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else f"[{letter}]" for letter in name)
        for name in SPECIAL_USE_DOMAIN_NAMES
    )
    return f"[.@]({'|'.join(names)})$"


def _email(value: str) -> str:
    try:
        return email_address(value)
    except InvalidInput as error:
        raise ValueError(error.message) from None


Text = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": "^[^\\x00]*$"})]
NOT_BLANK = {"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"}
"""The schema of a text that must not be blank, for the OpenAPI document."""
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Email = Annotated[
    str,
    Field(max_length=320, json_schema_extra={"format": "email", "not": {"pattern": _undeliverable()}}),
    AfterValidator(_storable),
    AfterValidator(_email),
]


class Body(BaseModel):
    """A request's body. Unknown fields are refused, because they are mistakes and would be lost."""

    model_config = ConfigDict(extra="forbid")


class LearnerIn(Body):
    """The learner that a request is about. A known `lms_user_id` decides, whatever the address, and the stored address
    follows; else the address decides. `name` and `lms_user_id` fill in what is not known yet."""

    email: Email
    name: Annotated[Text, Field(max_length=255)] = ""
    lms_user_id: Id | None = None
