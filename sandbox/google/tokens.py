"""Signing in: service accounts and authorized users, and the token endpoint that serves both."""

import base64
import json
import secrets
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions, jwt

AUDIENCE = "https://oauth2.googleapis.com/token"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LONGEST_ASSERTION = 3600
CLOCK_SKEW = 10
SERVICE_ACCOUNT = "b2b-pipelines@sandbox-project.iam.gserviceaccount.com"
PROJECT = "sandbox-project"


class TokenRefused(Exception):
    """Why no token is issued, as OAuth 2.0 says it (RFC 6749, 5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.status = status


@dataclass(frozen=True, slots=True)
class Token:
    """An access token's account and scopes; `expires` in seconds since the epoch."""

    account: str
    scopes: frozenset[str]
    expires: float


@cache
def private_key() -> tuple[str, str]:
    """A key pair of this process, PEM, private and public. Making one takes about a tenth of a second."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


class Accounts:
    """The accounts that may sign in, and the tokens that were issued. `lifetime` is of new access tokens, in seconds."""

    def __init__(self) -> None:
        self.lifetime = 3599.0
        self.public_keys: dict[str, list[str]] = {}
        self.refresh_tokens: dict[str, dict[str, str]] = {}
        self._issued: dict[str, Token] = {}

    def make_service_account(self, base_url: str, email: str = SERVICE_ACCOUNT) -> dict[str, str]:
        """A service account and its key, as the JSON that Google's console gives out."""
        private, public = private_key()
        keys = self.public_keys.setdefault(email, [])
        if public not in keys:
            keys.append(public)
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": secrets.token_hex(20),
            "private_key": private,
            "client_email": email,
            "client_id": str(10**20 + secrets.randbelow(10**20)),
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": f"{base_url}/token",
            "universe_domain": "googleapis.com",
        }

    def make_authorized_user(self, base_url: str, email: str) -> dict[str, str]:
        """A person who let the product act for them, as the JSON that google-auth keeps of it."""
        user = {
            "type": "authorized_user",
            "client_id": f"{secrets.token_hex(8)}.apps.googleusercontent.com",
            "client_secret": f"GOCSPX-{secrets.token_urlsafe(21)}",
            "refresh_token": f"1//{secrets.token_urlsafe(48)}",
            "token_uri": f"{base_url}/token",
        }
        self.refresh_tokens[user["refresh_token"]] = {
            "email": email,
            "client_id": user["client_id"],
            "client_secret": user["client_secret"],
        }
        return user

    def forget(self, email: str) -> None:
        """Delete an account: its key and its tokens are good for nothing from now on."""
        self.public_keys.pop(email, None)
        self.refresh_tokens = {token: user for token, user in self.refresh_tokens.items() if user["email"] != email}
        self._issued = {text: token for text, token in self._issued.items() if token.account != email}

    def expire_tokens(self) -> None:
        """Let every access token be past its time."""
        self._issued.clear()

    def token(self, text: str) -> Token | None:
        """Return the token of this text, if it was issued here and has not expired."""
        token = self._issued.get(text)
        return token if token and token.expires > time.time() else None

    def grant(self, form: dict[str, str], own_url: str) -> dict[str, Any]:
        """Answer a request of the token endpoint. Raises `TokenRefused`."""
        kind = form.get("grant_type")
        if kind == JWT_GRANT:
            return self._issue(*self._assertion(form.get("assertion", ""), own_url))
        if kind == "refresh_token":
            return self._issue(*self._refresh(form))
        raise TokenRefused("unsupported_grant_type", f"Invalid grant_type: {kind}")

    def _assertion(self, assertion: str, own_url: str) -> tuple[str, frozenset[str]]:
        try:
            header = jwt.decode_header(assertion)
            claims = json.loads(_segment(assertion, 1))
            issuer, life = claims["iss"], claims["exp"] - claims["iat"]
        except (exceptions.GoogleAuthError, ValueError, LookupError, TypeError):
            raise TokenRefused("invalid_grant", "Invalid JWT: it cannot be read.") from None
        if header.get("alg") != "RS256":
            raise TokenRefused("invalid_grant", "Invalid JWT: must be signed with RS256.")
        if issuer not in self.public_keys:
            raise TokenRefused("invalid_grant", "Invalid grant: account not found")
        try:
            jwt.decode(
                assertion,
                certs=self.public_keys[issuer],
                audience=[AUDIENCE, own_url],
                clock_skew_in_seconds=CLOCK_SKEW,
            )
        except exceptions.MalformedError as error:
            if "signature" in str(error):
                raise TokenRefused("invalid_grant", "Invalid JWT Signature.") from None
            raise TokenRefused("invalid_grant", f"Invalid JWT: {error}") from None
        except exceptions.GoogleAuthError as error:
            raise TokenRefused(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your "
                f"iat and exp values in the JWT claim. ({error})",
            ) from None
        if life > LONGEST_ASSERTION:
            raise TokenRefused("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes).")
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes:
            raise TokenRefused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return claims.get("sub") or issuer, scopes

    def _refresh(self, form: dict[str, str]) -> tuple[str, frozenset[str]]:
        user = self.refresh_tokens.get(form.get("refresh_token", ""))
        if user is None:
            raise TokenRefused("invalid_grant", "Token has been expired or revoked.")
        if (form.get("client_id"), form.get("client_secret")) != (user["client_id"], user["client_secret"]):
            raise TokenRefused("invalid_client", "The OAuth client was not found.", 401)
        return user["email"], frozenset((form.get("scope") or "https://www.googleapis.com/auth/spreadsheets").split())

    def _issue(self, account: str, scopes: frozenset[str]) -> dict[str, Any]:
        text = f"ya29.c.{secrets.token_urlsafe(48)}"
        self._issued[text] = Token(account, scopes, time.time() + self.lifetime)
        return {
            "access_token": text,
            "expires_in": int(self.lifetime),
            "token_type": "Bearer",
            "scope": " ".join(sorted(scopes)),
        }

    def dump(self) -> dict[str, Any]:
        return {"public_keys": self.public_keys, "refresh_tokens": self.refresh_tokens}

    def load(self, state: dict[str, Any]) -> None:
        self.public_keys.update(state["public_keys"])
        self.refresh_tokens.update(state["refresh_tokens"])


def _segment(token: str, index: int) -> bytes:
    segment = token.split(".")[index]
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
