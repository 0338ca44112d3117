"""The OpenAPI document: what FastAPI derives from the routes, with this API's own way of refusing input."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from b2b_pipelines.api.errors import DESCRIPTIONS

DESCRIPTION = """Contracts, their enrollment codes and sheets, learners and checkout.

Everything but the academy products, the health pages and this document takes `Authorization: Bearer <token>`: 401
without one, 403 when it lacks the scope. A token bound to an organization sees that organization only. Lists come in
pages. E-mail addresses are masked unless the token has the scope `emails`. Every answer carries `X-Request-ID`.
"""


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once for each app."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
        )
        for path in made["paths"].values():
            for operation in path.values():
                _refuse_with_400(operation)
        for unused in ("HTTPValidationError", "ValidationError"):
            made["components"]["schemas"].pop(unused, None)
        app.openapi_schema = made
    return app.openapi_schema


def _refuse_with_400(operation: dict[str, Any]) -> None:
    """FastAPI documents 422 for input that it cannot understand; here that is 400."""
    ours = operation["responses"]
    schema = ours.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if schema.get("$ref", "").endswith("/HTTPValidationError"):
        del ours["422"]
        description, model = DESCRIPTIONS[400]
        reference = {"$ref": f"#/components/schemas/{model.__name__}"}
        ours.setdefault("400", {"description": description, "content": {"application/json": {"schema": reference}}})
