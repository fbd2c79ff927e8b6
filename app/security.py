"""Secrets and headers: token and password hashes, CSRF tokens, and the security headers of every response."""

import hashlib
import hmac

from pwdlib import PasswordHash
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import settings

PASSWORD_MIN = 10
"""Shortest password in characters. NIST SP 800-63B asks for length, not for kinds of characters."""
PASSWORD_MAX = 200
"""Longest password in characters, so that hashing one never takes long."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)

_passwords = PasswordHash.recommended()
_NOBODY = _passwords.hash("the password of nobody")
"""Checked where there is no account, so that an unknown address takes as long as a wrong password."""


def hash_token(token: str) -> str:
    """SHA-256 of a random token. Its 256 bits cannot be guessed, so no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_password(password: str) -> str:
    """Argon2id hash of ``password`` with its salt and parameters."""
    return _passwords.hash(password)


def verify_password(password: str, password_hash: str) -> bool:
    """Whether ``password`` is the one behind ``password_hash``; as slow when the hash is empty (no password set)."""
    matches = _passwords.verify(password[:PASSWORD_MAX], password_hash or _NOBODY)
    return matches and bool(password_hash)


def csrf_token(token_hash: str) -> str:
    """The CSRF token of the browser session with ``token_hash``: of no use in any other session."""
    return hmac.new(settings().secret_key(), f"csrf:{token_hash}".encode(), hashlib.sha256).hexdigest()


def csrf_matches(given: str, expected: str) -> bool:
    """Compare in constant time; anything that is not ASCII does not match."""
    return hmac.compare_digest(given.encode(), expected.encode())


def local_path(target: str) -> str:
    """``target`` if it is a path on this site, else ``/``: a sign-in link must not lead anywhere else.

    Browsers read ``//host`` and ``/\\host`` as another site and drop tabs and newlines before they parse.
    """
    if not target.startswith("/") or target.startswith("//") or "\\" in target or not target.isprintable():
        return "/"
    return target


def protective_headers(secure: bool) -> dict[str, str]:
    """The headers of every response. ``secure``: the site is served over HTTPS and wants to stay there."""
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # Not no-referrer: browsers would then send "Origin: null" with our own forms.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
    return headers | ({"Strict-Transport-Security": "max-age=31536000"} if secure else {})


class SecurityHeaders:
    """Pure ASGI middleware: the same protective headers on every response, whatever made it."""

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self.app = app
        self.headers = protective_headers(secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self.headers)
                # Pages hold personal state: never shared, and asked for again. Files that may be kept say so themselves.
                headers.setdefault("Cache-Control", "private, no-cache")
            await send(message)

        await self.app(scope, receive, send_with_headers)
