"""People: accounts, roles, sign-ins and API tokens. Every change leaves an event. Invitations: ``invitations.py``."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, func, select, update
from sqlmodel import Session, col

from app.config import settings
from app.errors import Conflict, GgtError, NotFound
from app.models import ApiToken, Event, Role, SignIn, User, new_token, table_of, utcnow
from app.security import PASSWORD_MAX, PASSWORD_MIN, hash_password, hash_token, verify_password
from app.services.events import record

RANK = {Role.ANNOTATOR: 0, Role.RESEARCHER: 1, Role.ADMIN: 2}
FAILURES_PER_MINUTE = 10
"""Wrong passwords for one address in a minute, after which even the right one is refused until the minute is over."""
TOKEN_PREFIX = "ggt_"  # noqa: S105
"""Begins every API token, so that people and secret scanners recognise one that has leaked."""


class TooManyAttempts(GgtError):
    """Too many wrong passwords for one address."""

    status = 429


class Invalid(GgtError):
    """Something in a form is missing or wrong; the message says what."""

    status = 422


@dataclass(frozen=True)
class Known:
    """A person who is signed in. ``needs_extension``: the sign-in was last extended more than a day ago."""

    id: int
    name: str
    email: str
    role: Role
    needs_extension: bool = False


def may(role: str, needed: str) -> bool:
    """Whether a person with ``role`` may do what ``needed`` allows: admin > researcher > annotator."""
    return RANK[Role(role)] >= RANK[Role(needed)]


# --- signing in -----------------------------------------------------------------------------------------------------


_USERS, _SIGN_INS = table_of(User), table_of(SignIn)
_SIGNED_IN = (
    select(_USERS.c.id, _USERS.c.name, _USERS.c.email, _USERS.c.role, _SIGN_INS.c.expires_at)
    .join(_USERS, _USERS.c.id == _SIGN_INS.c.user_id)
    .where(_SIGN_INS.c.token_hash == bindparam("hash"), _SIGN_INS.c.expires_at > bindparam("now"), _USERS.c.active)
)
"""Asked for with every request, so it is built once."""


def signed_in(session: Session, token: str) -> Known | None:
    """Whose browser session ``token`` is, if it has not ended and the account is active. One statement."""
    row = session.execute(_SIGNED_IN, {"hash": hash_token(token), "now": utcnow()}).one_or_none()
    if row is None:
        return None
    extended = row.expires_at - timedelta(days=settings().session_days)
    return Known(row.id, row.name, row.email, Role(row.role), utcnow() - extended > timedelta(days=1))


def token_owner(session: Session, token: str) -> Known | None:
    """Whose API token this is, if it has not been revoked and the account is active. One statement."""
    row = session.execute(
        select(col(User.id), col(User.name), col(User.email), col(User.role))
        .join(ApiToken, col(User.id) == col(ApiToken.user_id))
        .where(col(ApiToken.token_hash) == hash_token(token), col(ApiToken.revoked_at).is_(None), col(User.active))
    ).one_or_none()
    return Known(row.id, row.name, row.email, Role(row.role)) if row else None


def check_password(session: Session, email: str, password: str) -> int | None:
    """The id of the active person with this address and password, or None: which of the two was wrong stays secret.

    Raises TooManyAttempts. Hashing takes tens of milliseconds: call this with a reading session, never under a write lock.
    """
    email = email.strip().lower()
    failures = select(func.count()).where(
        col(Event.action) == "sign_in.failed",
        col(Event.subject) == _address(email),
        col(Event.at) > utcnow() - timedelta(minutes=1),
    )
    if session.execute(failures).scalar_one() >= FAILURES_PER_MINUTE:
        raise TooManyAttempts("Too many wrong passwords for this address. Wait a minute, then try again.")
    user = session.execute(select(User).where(col(User.email) == email, col(User.active))).scalar_one_or_none()
    matches = verify_password(password, user.password_hash if user else "")
    return user.id if user and matches else None


def note_failure(session: Session, email: str) -> None:
    """Remember a wrong password, for :func:`check_password` to count."""
    record(session, None, "sign_in.failed", _address(email.strip().lower()))


def _address(email: str) -> str:
    return f"email:{hash_token(email)[:32]}"


def sign_in(session: Session, user_id: int, how: str) -> str:
    """Begin a browser session and return its token for the cookie. ``how``: password, link or invitation."""
    token = new_token()
    session.execute(delete(SignIn).where(col(SignIn.user_id) == user_id, col(SignIn.expires_at) < utcnow()))
    session.add(SignIn(token_hash=hash_token(token), user_id=user_id, expires_at=_session_end()))
    record(session, user_id, "sign_in.begun", f"user:{user_id}", details={"how": how})
    return token


def extend_sign_in(session: Session, token: str) -> None:
    """Let a browser session that is in use last ``session_days`` from now."""
    session.execute(update(SignIn).where(col(SignIn.token_hash) == hash_token(token)).values(expires_at=_session_end()))


def _session_end() -> datetime:
    return utcnow() + timedelta(days=settings().session_days)


def sign_out(session: Session, user_id: int, token: str) -> None:
    """End one browser session."""
    session.execute(delete(SignIn).where(col(SignIn.token_hash) == hash_token(token)))
    record(session, user_id, "sign_in.ended", f"user:{user_id}")


# --- accounts -------------------------------------------------------------------------------------------------------


def user(session: Session, user_id: int) -> User:
    """The account. Raises NotFound."""
    found = session.get(User, user_id)
    if found is None:
        raise NotFound(f"There is no person {user_id}.")
    return found


def everyone(session: Session) -> list[User]:
    """All accounts: active ones first, by name."""
    query = select(User).order_by(col(User.active).desc(), func.lower(col(User.name)), col(User.id))
    return list(session.execute(query).scalars())


def create_user(session: Session, email: str, name: str, role: Role, password_hash: str = "") -> User:
    """A new account. Raises Invalid for a bad name or address, Conflict when the address is taken."""
    email, name = checked_email(email), checked_name(name)
    if session.execute(select(col(User.id)).where(col(User.email) == email)).first():
        raise Conflict(f"{email} already has an account. Sign in with it, or use another address.")
    made = User(email=email, name=name, role=role, password_hash=password_hash)
    session.add(made)
    session.flush()
    return made


def checked_email(email: str) -> str:
    email = email.strip().lower()
    name, at, host = email.partition("@")
    if not (name and at and host) or len(email) > 254 or not email.isprintable() or " " in email or "@" in host:
        raise Invalid(f"{email[:80]!r} is not an e-mail address.")
    return email


def checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise Invalid("Give a name of 1 to 100 characters.")
    return name


def checked_password(password: str) -> str:
    """The hash of a new password. Raises Invalid. Takes tens of milliseconds: call it outside a write lock."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise Invalid(f"A password needs {PASSWORD_MIN} to {PASSWORD_MAX} characters.")
    return hash_password(password)


def set_role(session: Session, by: int, user_id: int, role: Role) -> User:
    """Give a person another role. Raises Conflict for the last active admin."""
    person = user(session, user_id)
    if person.role != role:
        if role != Role.ADMIN:
            _keep_an_admin(session, person)
        record(session, by, "user.role_set", f"user:{user_id}", details={"from": person.role, "to": role})
        person.role = role
    return person


def deactivate(session: Session, by: int, user_id: int) -> User:
    """Shut a person out: browser sessions end and API tokens stop working. Their work stays. Raises Conflict."""
    person = user(session, user_id)
    if person.active:
        _keep_an_admin(session, person)
        person.active = False
        session.execute(delete(SignIn).where(col(SignIn.user_id) == user_id))
        record(session, by, "user.deactivated", f"user:{user_id}")
    return person


def activate(session: Session, by: int | None, user_id: int) -> User:
    """Let a person in again."""
    person = user(session, user_id)
    if not person.active:
        person.active = True
        record(session, by, "user.activated", f"user:{user_id}")
    return person


def _keep_an_admin(session: Session, leaving: User) -> None:
    """Refuse when ``leaving`` is the only active admin. The rows are locked, so two admins cannot remove each other."""
    admins = select(col(User.id)).where(col(User.role) == Role.ADMIN, col(User.active)).with_for_update()
    if leaving.active and list(session.execute(admins).scalars()) == [leaving.id]:
        raise Conflict(f"{leaving.name} is the only active admin. Make somebody else an admin first.")


def check_own_password(session: Session, user_id: int, current: str) -> None:
    """Raises Invalid unless ``current`` is the person's password, or they have none yet (they came in by a link)."""
    known = user(session, user_id).password_hash
    if known and not verify_password(current, known):
        raise Invalid("The current password is not right.")


def set_password(session: Session, user_id: int, password_hash: str, keep: str = "") -> None:
    """Change a password and end the person's browser sessions, except the one with the token ``keep``."""
    user(session, user_id).password_hash = password_hash
    session.execute(delete(SignIn).where(col(SignIn.user_id) == user_id, col(SignIn.token_hash) != hash_token(keep)))
    record(session, user_id, "user.password_set", f"user:{user_id}")


# --- API tokens -----------------------------------------------------------------------------------------------------


def api_tokens(session: Session, user_id: int) -> list[ApiToken]:
    """A person's tokens that work, newest first."""
    query = select(ApiToken).where(col(ApiToken.user_id) == user_id, col(ApiToken.revoked_at).is_(None))
    return list(session.execute(query.order_by(col(ApiToken.id).desc())).scalars())


def create_api_token(session: Session, user_id: int, name: str) -> str:
    """A new token with its owner's rights. It is returned once; only its hash is kept."""
    name = checked_name(name)
    token = TOKEN_PREFIX + new_token()
    made = ApiToken(user_id=user_id, name=name, token_hash=hash_token(token))
    session.add(made)
    session.flush()
    record(session, user_id, "api_token.created", f"api_token:{made.id}", details={"name": name})
    return token


def revoke_api_token(session: Session, user_id: int, token_id: int) -> None:
    """Stop one of a person's own tokens. Raises NotFound for anybody else's."""
    revoked = session.execute(
        update(ApiToken)
        .where(col(ApiToken.id) == token_id, col(ApiToken.user_id) == user_id, col(ApiToken.revoked_at).is_(None))
        .values(revoked_at=utcnow())
        .returning(col(ApiToken.id))
    ).first()
    if revoked is None:
        raise NotFound(f"You have no working API token {token_id}.")
    record(session, user_id, "api_token.revoked", f"api_token:{token_id}")
