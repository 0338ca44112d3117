"""Fields of resources: the settings in Dagster's UI, with secrets by variable name.

A field that is not set falls back to the setting of the same name when the resource is used, so the environment alone
configures an installation. A field that is set, say in a test or the launchpad, wins.
"""

import os
from typing import Any, TypeVar

import dagster as dg

from b2b_pipelines.settings import PREFIX, Settings, read_settings

Resource = TypeVar("Resource", bound=dg.ConfigurableResource[Any])


def from_environment(resource: type[Resource], **given: Any) -> Resource:
    """Make a resource from the `B2B_…` variables that are set.

    Dagster shows `EnvVar`s, not values.
    """
    fields: dict[str, Any] = {}
    for name, field in resource.model_fields.items():
        variable = f"{PREFIX}{name}".upper()
        if name in Settings.model_fields and os.environ.get(variable):
            whole = field.annotation in (int, int | None)
            fields[name] = dg.EnvVar.int(variable) if whole else dg.EnvVar(variable)
    return resource(**given, **fields)


def settings_of(resource: dg.ConfigurableResource[Any]) -> Settings:
    """Return the settings, with the fields of the resource that are set."""
    chosen = {
        name: value
        for name in type(resource).model_fields
        if name in Settings.model_fields and (value := getattr(resource, name)) is not None
    }
    return Settings(**chosen) if chosen else read_settings()
