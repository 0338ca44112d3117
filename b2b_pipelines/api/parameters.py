"""Parameters that a route does not have are refused, by name: a filter with a typing error would answer with everything."""

from typing import Any

from fastapi import Request

from b2b_pipelines.api.errors import Problem

LONGEST_NAME = 100


async def known_parameters(request: Request) -> None:
    """Check that every parameter in the query is one that the OpenAPI document lists for the route. Raises 400."""
    if not request.url.query:
        return
    known = _parameters(request)
    unknown = sorted({name[:LONGEST_NAME] for name in request.query_params if name not in known})
    if not unknown:
        return
    there = f"there are {', '.join(sorted(known))}" if known else "there are none here"
    fields = {name: [f"is unknown: {there}"] for name in unknown}
    raise Problem(
        400, f"Unknown parameter {', '.join(unknown)}: {there}.", "unknown_parameter", extra={"fields": fields}
    )


def _parameters(request: Request) -> set[str]:
    operations: dict[str, Any] = request.app.openapi()["paths"][request.scope["route"].path_format]
    operation = operations[request.method.lower()]
    return {item["name"] for item in operation.get("parameters", ()) if item["in"] == "query"}
