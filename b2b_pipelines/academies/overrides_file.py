"""Write the template of the overrides file, with every academy of the catalog.

`selection.read_overrides` accepts the file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from b2b_pipelines.academies.catalog import Academy
from b2b_pipelines.academies.selection import Override, Selection

TO_FILL_IN = ("stripe_product_id", "stripe_price_lookup_key")
HEADER = f"""\
# Overrides of academies. Fill in the Stripe product and the lookup key of its price, then set
#   B2B_ACADEMY_OVERRIDES=/path/to/this/file
# An empty value changes nothing. Further fields: {", ".join(name for name in Override.model_fields if name not in TO_FILL_IN)}.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """An academy in the file, with its overrides and empty values, which change nothing."""

    uuid: str
    name: str
    values: Mapping[str, Any]


def template_entries(academies: Sequence[Academy], selection: Selection) -> list[Entry]:
    """Return an entry for each academy, by name. Overrides by name become overrides by uuid."""
    entries = []
    for academy in sorted(academies, key=lambda each: (each.name.casefold(), str(each.uuid))):
        kept = selection.override_of(academy.uuid, academy.name)
        entries.append(Entry(str(academy.uuid), academy.name, {**dict.fromkeys(TO_FILL_IN), **kept}))
    return entries


def as_yaml_file(entries: Sequence[Entry]) -> str:
    """Return the file as YAML, each academy's name above it as a comment."""
    parts = [
        f"\n# {_one_line(entry.name)}\n"
        + yaml.safe_dump({entry.uuid: dict(entry.values)}, allow_unicode=True, sort_keys=False)
        for entry in entries
    ]
    return HEADER + "".join(parts)


def as_json_file(entries: Sequence[Entry]) -> str:
    """Return the file as JSON. Each academy's name is an override, because JSON has no comments."""
    document = {entry.uuid: {"name": _one_line(entry.name), **entry.values} for entry in entries}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _one_line(name: str) -> str:
    return "".join(character if character.isprintable() else " " for character in name)
