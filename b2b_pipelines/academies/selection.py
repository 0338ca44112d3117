"""Read which academies an installation shows, and how it overrides the catalog."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError

from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.settings import Settings

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
LARGEST = 2**63 - 1


class Override(BaseModel):
    """An installation's override of the catalog for one academy.

    Omitted fields override nothing.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Line | None = None
    long_name: Line | None = None
    description: Line | None = None
    marketing_url: Line | None = None
    thumbnail_url: Line | None = None
    stripe_product_id: Line | None = None
    stripe_price_lookup_key: Line | None = None
    product_key: Line | None = None
    slug: Line | None = None
    display_order: int | None = Field(None, ge=0, le=LARGEST)
    catalog_query_id: int | None = Field(None, ge=0, le=LARGEST)


class OverrideFile(RootModel[dict[str, Override]]):
    """The file of overrides: an academy's uuid or name, with its overrides."""


@dataclass(frozen=True)
class Selection:
    """The settings about academies.

    `customer` is the enterprise customer that the academies belong to.

    An academy is kept if it is in `uuids` or in `names`; with both empty all are kept. `catalog_query_ids` and
    `overrides` are keyed by uuid or name. Names are compared trimmed and without case, uuids in any notation.
    """

    customer: UUID | None = None
    uuids: frozenset[UUID] = frozenset()
    names: tuple[str, ...] = ()
    catalog_query_ids: Mapping[str, int] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    max_deactivated: Decimal = Decimal("0.5")

    def override_of(self, uuid: UUID, name: str) -> dict[str, Any]:
        """Return the overrides of an academy. Those by uuid win over those by name, field by field."""
        return {**self.overrides.get(folded(name), {}), **self.overrides.get(str(uuid), {})}


def folded(key: str) -> str:
    """Return a name or uuid in the form used for comparison.

    It is trimmed and without case, a uuid in its standard notation.
    """
    word = key.strip().casefold()
    try:
        return str(UUID(word))
    except ValueError:
        return word


def read_selection(settings: Settings) -> Selection:
    """Return the selection of this installation.

    Raises `InvalidInput` for an invalid file of overrides.
    """
    return Selection(
        customer=settings.academy_customer,
        uuids=frozenset(settings.academy_uuids),
        names=tuple(name for name in settings.academy_names if name.strip()),
        catalog_query_ids={folded(key): number for key, number in settings.academy_catalog_query_ids.items()},
        overrides=read_overrides(settings.academy_overrides) if settings.academy_overrides else {},
        max_deactivated=settings.academy_max_deactivated,
    )


class _Unusable(Exception):
    """YAML with a duplicate key, or with a value that its type does not allow.

    The message has the line.
    """

    def __init__(self, complaint: str, node: yaml.Node) -> None:
        super().__init__(f"{complaint} at line {node.start_mark.line + 1}")


class _Loader(yaml.SafeLoader):
    """A loader of YAML and JSON that refuses duplicate keys and values such as 30 February."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key in [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]:
            if key.value in seen:
                raise _Unusable(f"the key {key.value} is repeated", key)
            seen.add(key.value)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError):  # as YAML's own types fail
            raise _Unusable("invalid value", node) from None


def read_overrides(path: Path) -> dict[str, dict[str, Any]]:
    """Return the overrides of a YAML or JSON file, by folded uuid or name.

    Each has the fields that it sets. Raises `InvalidInput`, naming the academy and the field, for a file that is
    missing, is not a mapping of mappings, or holds an unknown field or a value of the wrong type.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise InvalidInput(f"B2B_ACADEMY_OVERRIDES: {path} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise InvalidInput(f"B2B_ACADEMY_OVERRIDES: {path} is nested too deeply") from None
    except _Unusable as error:
        raise InvalidInput(f"B2B_ACADEMY_OVERRIDES: {path}: {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" at line {line + 1}" if line is not None else ""
        raise InvalidInput(f"B2B_ACADEMY_OVERRIDES: {path} is neither YAML nor JSON{where}") from None
    try:
        parsed = OverrideFile.model_validate(document if document is not None else {}).root
    except ValidationError as error:
        complaint = error.errors(include_url=False, include_input=False)[0]
        where = " → ".join(str(part) for part in complaint["loc"]) or "the file"
        raise InvalidInput(f"B2B_ACADEMY_OVERRIDES: {path}: {where}: {complaint['msg']}") from None
    overrides: dict[str, dict[str, Any]] = {}
    for key, override in parsed.items():
        if folded(key) in overrides:
            raise InvalidInput(f"B2B_ACADEMY_OVERRIDES: {path}: the academy {key} is repeated")
        overrides[folded(key)] = override.model_dump(exclude_none=True)
    return overrides
