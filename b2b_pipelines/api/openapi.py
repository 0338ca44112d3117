"""The OpenAPI document: what FastAPI derives from the routes, with this API's own way of refusing input."""

import json
import re
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from b2b_pipelines.api.errors import DESCRIPTIONS, ContractChangedBody, ProblemBody, ValidationProblemBody

DESCRIPTION = """Contracts, their enrollment codes and sheets, learners and checkout.

Everything but the academy products, the health pages and this document takes `Authorization: Bearer <token>`: 401
without one, 403 when it lacks the scope. A token bound to an organization sees that organization only. Lists come in
pages. E-mail addresses are masked unless the token has the scope `emails`. Every answer carries `X-Request-ID`.
"""
REFUSALS = {ProblemBody.__name__, ValidationProblemBody.__name__, ContractChangedBody.__name__}


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once for each app."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=DESCRIPTION,
            routes=app.routes,
            tags=app.openapi_tags,
            servers=[{"url": app.state.settings.public_url or "/"}],
        )
        for path in made["paths"].values():
            for operation in path.values():
                _refuse_with_400(operation)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        problem = ValidationProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs", {}) | {ValidationProblemBody.__name__: problem}
        app.openapi_schema = made
    return app.openapi_schema


@dataclass(frozen=True, slots=True)
class Operation:
    """A route as the reference shows it. `parameters` are `(name, where, required, type, description)`, `answers` are
    `(status, description, fields)`, fields `(name, type, description)`."""

    method: str
    path: str
    summary: str
    description: str
    public: bool
    parameters: list[tuple[str, str, bool, str, str]]
    body: list[tuple[str, str, str]]
    body_example: str | None
    answers: list[tuple[str, str, list[tuple[str, str, str]], str | None]]

    @property
    def anchor(self) -> str:
        return f"{self.method.lower()}-{re.sub('[^a-z0-9]+', '-', self.path.lower()).strip('-')}"


@dataclass(frozen=True, slots=True)
class Readable:
    """The whole document as a page shows it: operations by tag, and by name the types that their fields name, each
    `(description, fields)`."""

    title: str
    version: str
    description: list[str]
    groups: dict[str, list[Operation]]
    types: dict[str, tuple[str, list[tuple[str, str, str]]]]


def readable(app: FastAPI) -> Readable:
    """The document in the order and the words in which a page shows it."""
    made = document(app)
    groups: dict[str, list[Operation]] = {}
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_operation(made, method, path, operation))
    info = made["info"]
    paragraphs = info["description"].strip().split("\n\n")
    return Readable(info["title"], info["version"], paragraphs, groups, _types(made, groups))


def _types(
    made: dict[str, Any], groups: dict[str, list[Operation]]
) -> dict[str, tuple[str, list[tuple[str, str, str]]]]:
    """The types that fields name, the fields of these types too, and the bodies of refusals."""
    every = {
        name: (schema.get("description", ""), _fields(made, schema))
        for name, schema in made["components"]["schemas"].items()
        if "properties" in schema
    }
    operations = [operation for group in groups.values() for operation in group]
    rows = [row for _, fields in every.values() for row in fields]
    rows += [row for operation in operations for row in operation.body]
    rows += [row for operation in operations for *_, fields, _ in operation.answers for row in fields]
    named = {word for _, type_, _ in rows for word in type_.split()} | REFUSALS
    return {name: every[name] for name in sorted(named & every.keys())}


def _operation(made: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Operation:
    parameters = [
        (
            item["name"],
            item["in"],
            item.get("required", False),
            _type(made, item["schema"]),
            item.get("description") or item["schema"].get("description", ""),
        )
        for item in operation.get("parameters", [])
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    answers = [
        (status, answer.get("description", ""), *_content(made, answer))
        for status, answer in sorted(operation["responses"].items())
    ]
    return Operation(
        method.upper(),
        path,
        operation.get("summary", ""),
        operation.get("description", ""),
        not operation.get("security"),
        parameters,
        _fields(made, body.get("schema", {})),
        _first_example(body),
        answers,
    )


def _content(made: dict[str, Any], answer: dict[str, Any]) -> tuple[list[tuple[str, str, str]], str | None]:
    content = answer.get("content", {}).get("application/json", {})
    schema = _resolved(made, content.get("schema", {}))
    example = next(iter(schema.get("examples", [])), None)
    return _fields(made, schema), None if example is None else _pretty(example)


def _first_example(content: dict[str, Any]) -> str | None:
    for example in content.get("examples", {}).values():
        return _pretty(example["value"])
    return None


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _resolved(made: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return made["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def _fields(made: dict[str, Any], schema: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = _resolved(made, schema)
    required = found.get("required", [])
    return [
        (name + ("" if name in required else "?"), _type(made, field), field.get("description", ""))
        for name, field in found.get("properties", {}).items()
    ]


def _type(made: dict[str, Any], schema: dict[str, Any]) -> str:
    """A schema in few words: `text`, `list of ContractOut`, `number or null`."""
    if "$ref" in schema:
        found = _resolved(made, schema)
        return " | ".join(map(str, found["enum"])) if "enum" in found else schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(made, part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_type(made, schema.get('items', {}))}"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    kind = words.get(schema.get("type", ""), schema.get("type", "anything"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _refuse_with_400(operation: dict[str, Any]) -> None:
    """FastAPI documents 422 for input that it cannot understand; here that is 400."""
    answers = operation["responses"]
    schema = answers.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if schema.get("$ref", "").endswith("/HTTPValidationError"):
        del answers["422"]
    if "parameters" in operation or "requestBody" in operation:
        reference = {"$ref": f"#/components/schemas/{ValidationProblemBody.__name__}"}
        refusal = {"description": DESCRIPTIONS[400][0], "content": {"application/json": {"schema": reference}}}
        answers.setdefault("400", refusal)
