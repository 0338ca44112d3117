"""Bodies that the routes of the scope `manage` accept, and what they answer."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from b2b_pipelines.api.contracts import ContractOut
from b2b_pipelines.api.fields import NOT_BLANK, Body, LearnerIn, Text
from b2b_pipelines.contracts import rules
from b2b_pipelines.contracts.patch import MOST_LEARNERS, ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.delivery.history import COLUMN_OF
from b2b_pipelines.errors import InvalidInput


def _integration(value: str) -> str:
    try:
        return rules.integration_type(value).value
    except InvalidInput as error:
        raise ValueError(error.message) from None


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


Name = Annotated[
    Text,
    StringConstraints(max_length=255),
    AfterValidator(_not_blank),
    Field(min_length=1, json_schema_extra=NOT_BLANK),
]
Kind = Annotated[
    str,
    AfterValidator(_integration),
    Field(
        description="`sso` (also `managed`, `auto`) or `non-sso` (also `code`).",
        json_schema_extra={"enum": ["sso", "non-sso", "managed", "auto", "code"]},
    ),
]
Cap = Annotated[int, Field(strict=True, ge=0, le=MOST_LEARNERS, description="Seats; 0 and null are no cap.")]
Price = Annotated[
    str, Field(pattern=r"^\d{1,8}(\.\d{1,2})?$", description="Of a seat, in major units, as text; null is free.")
]
SheetUrl = Annotated[Text, Field(max_length=1024, description="The customer's Google Sheet: its URL or id.")]
SheetTab = Annotated[Text, Field(min_length=1, max_length=100, description="The tab: its title, or its number from 0.")]
OrgKey = Annotated[str, Field(pattern=f"^{rules.ORG_KEY.pattern}$")]
CoursewareId = Annotated[
    Text,
    Field(min_length=1, max_length=rules.LONGEST_ID, description="A course, a course run or a program."),
]


class OrganizationIn(Body):
    """A new organization. Without `org_key` the key is made from the name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Acme Corporation", "org_key": "ACME"}]})

    name: Name
    org_key: OrgKey | None = None
    description: Text = ""


class OrganizationMade(BaseModel):
    id: int
    slug: str
    name: str
    org_key: str
    description: str
    dry_run: bool = False


class TermsIn(Body):
    """Terms of a contract. A field that is left out stays as it is; null empties it."""

    description: Text = Field(default_factory=str)
    start: date | None = Field(default_factory=lambda: None, description="First day; it counts.")
    end: date | None = Field(default_factory=lambda: None, description="Last day; it counts.")
    max_learners: Cap | None = Field(default_factory=lambda: None)
    price: Price | None = Field(default_factory=lambda: None)
    sheet_url: SheetUrl | None = Field(default_factory=lambda: None)
    sheet_tab: SheetTab | None = Field(default_factory=lambda: None)

    def patch(self) -> ContractPatch:
        """Return the fields that were sent. Raises `InvalidInput`."""
        given: dict[str, Any] = {COLUMN_OF.get(name, name): getattr(self, name) for name in self.model_fields_set}
        if given.get("price") is not None:
            given["price"] = Decimal(given["price"])
        if "integration_type" in given:
            given["integration_type"] = IntegrationType(given["integration_type"])
        return ContractPatch(**{name: value for name, value in given.items() if name in ContractPatch.__slots__})


class ContractIn(TermsIn):
    """A new contract of an organization that exists, named by its name or org key."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "organization": "ACME",
                    "name": "Leadership 2026",
                    "integration_type": "non-sso",
                    "max_learners": 25,
                    "end": "2026-12-31",
                }
            ]
        }
    )

    organization: Name
    name: Name
    integration_type: Kind


class ContractPatchIn(TermsIn):
    """Changes to a contract: only the fields that are sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_learners": 30, "end": None}]})

    name: Name = Field(default_factory=str)
    integration_type: Kind = Field(default_factory=str)
    active: bool = Field(default_factory=bool)


class CodesFollowed(BaseModel):
    """Changes to the codes, as numbers of codes."""

    created: int
    converted: int
    repriced: int
    deactivated: int
    reactivated: int
    deleted: int


class LossesOut(BaseModel):
    """Losses that a change causes. `handed_out` counts those of the `codes` that are in the customer's sheet;
    `messages` say the same in sentences."""

    codes: int
    handed_out: int
    runs: list[str]
    closes: bool
    beyond_cap: int
    messages: list[str]


class ContractWritten(ContractOut):
    """A contract as it now is, or would be with `dry_run`."""

    changed: list[str] = Field(description="The fields that differ now.")
    codes_changed: CodesFollowed
    losses: LossesOut
    same_name: list[str] = Field(description="Older contracts of the organization with the name of a new one.")
    dry_run: bool = False


class CoursewareIn(Body):
    """Courseware to add to a contract. A course that was removed from it comes back with its run and its codes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"courseware_id": "course-v1:MITx+6.00"}]})

    courseware_id: CoursewareId
    create_runs: bool = Field(True, description="False: link it without creating runs.")
    rerun: bool = Field(False, description="Create another run even if the contract has one.")


class CoursewareWritten(BaseModel):
    """Changes to a contract's runs. `created` and `removed` are courseware ids, the others readable ids of courses."""

    contract: str
    revision: int
    created: list[str]
    restored: list[str] = Field(description="Those of `created` that the contract had before.")
    removed: list[str]
    skipped: list[str]
    without_source: list[str]
    guessed_source: list[str]
    codes_changed: CodesFollowed
    losses: LossesOut
    dry_run: bool = False


class SeatIn(LearnerIn):
    """A learner to attach by hand. `force` ignores the contract's days and its cap."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "jane@example.com", "name": "Jane"}]})

    force: StrictBool = False


class SeatWritten(BaseModel):
    result: str = Field(json_schema_extra={"enum": ["attached", "already_attached", "removed"]})
    contract: str
    learner: int | None = Field(description="The learner's id; null in a dry run for one who is new.")
    dry_run: bool = False
