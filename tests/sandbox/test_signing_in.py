"""The token endpoint: who gets a token, and which errors the others get."""

import time

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt
from google.auth.exceptions import RefreshError
from google.oauth2 import credentials, service_account

from tests.waiting import wait_until

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"
SHEETS = "https://www.googleapis.com/auth/spreadsheets"


@pytest.fixture
def key(sandbox):
    return sandbox.google.make_service_account("robot@example.com")


@pytest.fixture
def ask(sandbox, key):
    """Ask for a token with an assertion whose claims differ from good ones."""

    def asked(private_key=key["private_key"], **claims):
        now = int(time.time())
        good = {"iss": key["client_email"], "scope": SHEETS, "aud": AUDIENCE, "iat": now, "exp": now + 3600}
        signer = crypt.RSASigner.from_string(private_key, key["private_key_id"])
        assertion = jwt.encode(signer, {**good, **claims}).decode()
        return httpx.post(f"{sandbox.url}/token", data={"grant_type": GRANT, "assertion": assertion})

    return asked


def test_a_good_assertion_gets_a_token_for_its_account(sandbox, ask):
    answer = ask().json()
    assert answer["token_type"] == "Bearer"
    assert 3500 < answer["expires_in"] <= 3600
    token = sandbox.google.accounts.token(answer["access_token"])
    assert (token.account, token.scopes) == ("robot@example.com", {SHEETS})


def test_the_endpoints_own_url_is_an_audience_too(sandbox, ask):
    assert ask(aud=f"{sandbox.url}/token").status_code == 200


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": "nobody@example.com"}, "account not found"),
        ({"aud": "https://example.com/token"}, "audience"),
        ({"iat": 1000, "exp": 4600}, "reasonable timeframe"),
        ({"iat": 4102444800, "exp": 4102448400}, "reasonable timeframe"),
        ({"exp": 4102444800}, "short-lived token"),
        ({"exp": "later"}, "cannot be read"),
        ({"scope": ""}, "Invalid OAuth scope"),
    ],
)
def test_an_assertion_that_claims_too_much_is_refused(ask, claims, words):
    answer = ask(**claims)
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_grant", "invalid_scope")
    assert words in answer.json()["error_description"]


def test_another_key_cannot_sign_for_the_account(ask):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    answer = ask(private_key=other.decode())
    assert answer.json() == {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}


@pytest.mark.parametrize("assertion", ["", "a.b.c", "no dots"])
def test_what_is_no_jwt_is_refused(sandbox, assertion):
    answer = httpx.post(f"{sandbox.url}/token", data={"grant_type": GRANT, "assertion": assertion})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_another_grant_is_unknown(sandbox):
    answer = httpx.post(f"{sandbox.url}/token", data={"grant_type": "password"})
    assert answer.json()["error"] == "unsupported_grant_type"


def test_google_auth_signs_in_with_the_key(sandbox, key):
    signed_in = service_account.Credentials.from_service_account_info(key, scopes=[SHEETS])
    with httpx.Client() as client:
        signed_in.refresh(transport(client))
        assert sandbox.google.accounts.token(signed_in.token).account == "robot@example.com"
        sandbox.google.accounts.forget("robot@example.com")
        with pytest.raises(RefreshError, match="account not found"):
            signed_in.refresh(transport(client))


def test_an_authorized_user_signs_in_with_a_refresh_token(sandbox):
    user = sandbox.google.make_authorized_user("ann@example.com")
    codes = sandbox.google.create_spreadsheet(shared_with=["ann@example.com"])
    signed_in = credentials.Credentials(
        None,
        refresh_token=user["refresh_token"],
        token_uri=user["token_uri"],
        client_id=user["client_id"],
        client_secret=user["client_secret"],
    )
    with httpx.Client() as client:
        signed_in.refresh(transport(client))
        answer = client.get(
            f"{sandbox.url}/v4/spreadsheets/{codes}", headers={"authorization": f"Bearer {signed_in.token}"}
        )
        assert answer.status_code == 200
    bad = {**user, "grant_type": "refresh_token", "refresh_token": "1//other"}
    assert httpx.post(f"{sandbox.url}/token", data=bad).json()["error"] == "invalid_grant"
    bad = {**user, "grant_type": "refresh_token", "client_secret": "other"}
    assert httpx.post(f"{sandbox.url}/token", data=bad).json()["error"] == "invalid_client"


def test_a_token_expires(sandbox, ask, monkeypatch):
    monkeypatch.setattr(sandbox.google.accounts, "lifetime", 0.05)
    token = ask().json()["access_token"]
    assert sandbox.google.accounts.token(token) is not None
    wait_until(lambda: sandbox.google.accounts.token(token) is None)


def test_a_token_for_something_else_has_insufficient_scope(sandbox, ask):
    codes = sandbox.google.create_spreadsheet(shared_with=["robot@example.com"])

    def status(scope, method, path):
        token = ask(scope=f"https://www.googleapis.com/auth/{scope}").json()["access_token"]
        return httpx.request(method, sandbox.url + path, headers={"authorization": f"Bearer {token}"}).status_code

    sheet = f"/v4/spreadsheets/{codes}"
    assert status("calendar", "GET", sheet) == 403
    assert status("spreadsheets.readonly", "GET", sheet) == 200
    assert status("spreadsheets.readonly", "POST", f"{sheet}/values/A1:clear") == 403
    assert status("spreadsheets", "GET", f"/drive/v3/files/{codes}") == 403
    assert status("drive.file", "GET", f"/drive/v3/files/{codes}") == 200


def transport(client):
    """google-auth's way of making requests, without a pool of sockets that would stay open."""

    class Answer:
        def __init__(self, answer):
            self.status, self.headers, self.data = answer.status_code, answer.headers, answer.content

    def request(url, method="GET", body=None, headers=None, **_):
        return Answer(client.request(method, url, content=body, headers=headers))

    return request
