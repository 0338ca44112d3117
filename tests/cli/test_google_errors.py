"""The message for each answer of Google's, as `docs/google-errors.md` lists it.

The page is made from what the commands print: `UPDATE_DOCS=1 pytest tests/cli/test_google_errors.py` writes it.
"""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.server import Sandbox
from tests.cli.conftest import ADDRESS

PAGE = Path(__file__).parents[2] / "docs" / "google-errors.md"
HEAD = """# Google's refusals and what they mean

Made by `tests/cli/test_google_errors.py`, which sends each body and records the output of `b2b sheet sync`. `ADDRESS` stands for
the address of the installation's account. `google_refused` concerns the account, so it fails all contracts alike. Answers that
may pass (429, 403 rate limits, 408, 409, 499, 5xx, none) show the message of the fifth try. After a 429 without `Retry-After`,
each try waits until the minute is over.

| Google answers | to a | error | message |
|---|---|---|---|
"""


def body(status: int, name: str, message: str, reason: str | None = None) -> dict[str, Any]:
    """A body as Google sends it today: no `errors` list, the reason in `details`."""
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if reason:
        error["details"] = [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        ]
    return {"error": error}


DENIED = "The caller does not have permission"
ANSWERS: list[tuple[str, str, int, Any]] = [
    ("404 NOT_FOUND", "read", 404, body(404, "NOT_FOUND", "Requested entity was not found.")),
    ("403 without a reason", "read", 403, body(403, "PERMISSION_DENIED", DENIED)),
    ("403 without a reason", "write", 403, body(403, "PERMISSION_DENIED", DENIED)),
    *(
        (f"403 {reason}", "read", 403, body(403, "PERMISSION_DENIED", words, reason))
        for reason, words in {
            "SERVICE_DISABLED": "Google Sheets API has not been used in project 42 before or it is disabled.",
            "CONSUMER_SUSPENDED": "Permission denied: Consumer 'projects/42' has been suspended.",
            "USER_PROJECT_DENIED": "Caller does not have required permission to use project 42.",
            "BILLING_DISABLED": "This API method requires billing to be enabled.",
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "Request had insufficient authentication scopes.",
            "SECURITY_POLICY_VIOLATED": "Request is prohibited by organization's policy.",
        }.items()
    ),
    ("403, the page of a proxy", "read", 403, "<html><h1>Access Denied</h1></html>"),
    (
        "401 UNAUTHENTICATED",
        "read",
        401,
        body(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    ),
    (
        "400 FAILED_PRECONDITION",
        "read",
        400,
        body(400, "FAILED_PRECONDITION", "This operation is not supported for this document"),
    ),
    (
        "400, a protected range",
        "write",
        400,
        body(400, "INVALID_ARGUMENT", "You are trying to edit a protected cell or object."),
    ),
    (
        "400, ten million cells",
        "write",
        400,
        body(
            400,
            "INVALID_ARGUMENT",
            "This action would increase the number of cells in the workbook above the limit of 10000000 cells.",
        ),
    ),
    ("400, anything else", "write", 400, body(400, "INVALID_ARGUMENT", "Invalid value at 'requests[0]'")),
    (
        "429 RESOURCE_EXHAUSTED",
        "read",
        429,
        body(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Read requests'", "RATE_LIMIT_EXCEEDED"),
    ),
    (
        "403 rate limit",
        "write",
        403,
        body(403, "PERMISSION_DENIED", "Rate Limit Exceeded", "RATE_LIMIT_EXCEEDED"),
    ),
    ("408", "read", 408, body(408, "DEADLINE_EXCEEDED", "Request timed out.")),
    ("409 ABORTED", "read", 409, body(409, "ABORTED", "The operation was aborted.")),
    ("499 CANCELLED", "read", 499, body(499, "CANCELLED", "The operation was cancelled.")),
    ("503 UNAVAILABLE", "write", 503, body(503, "UNAVAILABLE", "The service is currently unavailable.")),
    *(
        (f"400 invalid_grant, {name}", "token", 400, {"error": "invalid_grant", "error_description": words})
        for name, words in {
            "a deleted key": "Invalid JWT Signature.",
            "an unknown account": "Invalid grant: account not found",
            "a wrong clock": "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            " Check your iat and exp values in the JWT claim.",
        }.items()
    ),
    ("503, no sign-in", "token", 503, {"error": "backend_error"}),
    ("nothing, the connection is cut", "read", 0, "reset"),
    ("half an answer", "read", 0, "partway"),
]
"""Answers of Google: their name, the kind of request, status and body; with status 0, how the connection ends."""


@pytest.fixture
def contract(make) -> None:
    make()


def test_each_answer_is_told_as_the_page_says(run, contract, sandbox: Sandbox, monkeypatch):
    monkeypatch.setattr("b2b_pipelines.vendors.google_sheets.client.LONGEST_BACKOFF", 0)
    monkeypatch.setattr("google.auth._exponential_backoff.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr("b2b_pipelines.db.limiter.Limiter.pause_until_minute_ends", lambda *_: None)
    monkeypatch.setenv("B2B_GSHEETS_REQUESTS_PER_MINUTE", "300")
    rows = []
    for name, kind, status, answer in ANSWERS:
        if status:
            sandbox.faults.answer(status, answer, kind=kind, times=50 if kind == "token" else 5)
        else:
            sandbox.faults.cut("after", answer, kind=kind, times=5)
        done = run("b2b sheet sync acme --json")
        sandbox.faults.clear()
        assert done.status == 1, name
        error = done.json["error"]
        message = error["message"].replace(ADDRESS, "ADDRESS").replace("|", "\\|")
        rows.append(f"| {name} | {kind} | `{error['code']}` | {message} |")
    text = HEAD + "\n".join(rows) + "\n"
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text
