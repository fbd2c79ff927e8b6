"""One-time links: invitations for new people, and sign-in links for those who have an account."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlmodel import Session, col

from app.errors import NotFound
from app.models import Invitation, Role, User, new_token, utcnow
from app.security import hash_token
from app.services import people
from app.services.events import record

INVITATION_LASTS = timedelta(days=7)
SIGN_IN_LINK_LASTS = timedelta(hours=24)
FIRST_ADMIN = "admin@localhost"


@dataclass(frozen=True)
class OpenInvitation:
    """A link that still works. ``user_name`` is set where it signs in a person who has an account."""

    id: int
    role: Role
    email: str
    user_id: int | None
    user_name: str


def invite(session: Session, by: int | None, role: Role, email: str = "") -> str:
    """Invite a new person with ``role``; returns the link's token, which is kept only as a hash. Lasts 7 days."""
    email = people.checked_email(email) if email.strip() else ""
    made, token = _make(session, Invitation(token_hash="", role=role, email=email, created_by=by, expires_at=utcnow()))
    record(session, by, "invitation.created", f"invitation:{made.id}", details={"role": role, "email": email})
    return token


def sign_in_link(session: Session, by: int | None, user_id: int) -> str:
    """A link that signs in one person once, within 24 hours; earlier ones of theirs stop working. Returns its token."""
    person = people.user(session, user_id)
    if not person.active:
        raise NotFound(f"{person.name} is not active. Activate the account first.")
    session.execute(update(Invitation).where(col(Invitation.user_id) == user_id, _open()).values(expires_at=utcnow()))
    made, token = _make(
        session, Invitation(token_hash="", role=person.role, user_id=user_id, created_by=by, expires_at=utcnow())
    )
    record(session, by, "sign_in_link.created", f"user:{user_id}", details={"invitation": made.id})
    return token


def _make(session: Session, invitation: Invitation) -> tuple[Invitation, str]:
    token = new_token()
    invitation.token_hash = hash_token(token)
    invitation.expires_at = utcnow() + (SIGN_IN_LINK_LASTS if invitation.user_id else INVITATION_LASTS)
    session.add(invitation)
    session.flush()
    return invitation, token


def link(base_url: str, token: str) -> str:
    """The address to hand over. ``base_url`` comes from the settings, never from a request's Host header."""
    return f"{base_url.rstrip('/')}/invite/{token}"


def admin_link(session: Session, base_url: str) -> str:
    """A fresh one-time link that signs in the longest-standing active admin; makes that admin if there is none."""
    query = select(User).where(col(User.role) == Role.ADMIN, col(User.active)).order_by(col(User.id))
    admin = session.execute(query).scalars().first()
    if admin is None:
        admin = session.execute(select(User).where(col(User.email) == FIRST_ADMIN)).scalar_one_or_none()
        admin = admin or people.create_user(session, FIRST_ADMIN, "admin", Role.ADMIN)
        admin.role, admin.active = Role.ADMIN, True
        record(session, None, "user.made_first_admin", f"user:{admin.id}")
    assert admin.id is not None
    return link(base_url, sign_in_link(session, None, admin.id))


def pending(session: Session) -> list[Invitation]:
    """Invitations of new people that can still be used, newest first."""
    query = select(Invitation).where(col(Invitation.user_id).is_(None), _open()).order_by(col(Invitation.id).desc())
    return list(session.execute(query).scalars())


def revoke(session: Session, by: int, invitation_id: int) -> None:
    """Make an unused invitation worthless. Raises NotFound when there is nothing left to revoke."""
    revoked = session.execute(
        update(Invitation)
        .where(col(Invitation.id) == invitation_id, _open())
        .values(expires_at=utcnow())
        .returning(col(Invitation.id))
    ).first()
    if revoked is None:
        raise NotFound(f"Invitation {invitation_id} has been used, revoked, or has expired.")
    record(session, by, "invitation.revoked", f"invitation:{invitation_id}")


def look_up(session: Session, token: str) -> OpenInvitation:
    """What a link is for. Looking uses nothing up. Raises NotFound with what to do."""
    row = session.execute(
        select(Invitation, User)
        .outerjoin(User, col(User.id) == col(Invitation.user_id))
        .where(col(Invitation.token_hash) == hash_token(token), _open(), or_(col(User.id).is_(None), col(User.active)))
    ).one_or_none()
    if row is None:
        raise NotFound("This link has been used, revoked, or has expired. Ask an admin for a new one.")
    invitation, person = row
    return OpenInvitation(
        invitation.id, Role(invitation.role), invitation.email, invitation.user_id, person.name if person else ""
    )  # fmt: skip


def accept(session: Session, token: str, name: str, email: str, password_hash: str) -> int:
    """Make the invited person's account; returns its id. Of two who try at once, one gets NotFound."""
    invitation = _use(session, token)
    person = people.create_user(session, email, name, invitation.role, password_hash)
    record(session, person.id, "invitation.accepted", f"invitation:{invitation.id}", details={"role": invitation.role})
    assert person.id is not None
    return person.id


def accept_sign_in(session: Session, token: str, password_hash: str = "") -> int:
    """Use a sign-in link; returns whom it signs in. With ``password_hash`` the password is replaced: it was forgotten."""
    invitation = _use(session, token)
    if invitation.user_id is None:
        raise NotFound("This link is for a new account. Open it again and fill in the form.")
    if password_hash:
        people.set_password(session, invitation.user_id, password_hash)
    return invitation.user_id


def _use(session: Session, token: str) -> OpenInvitation:
    invitation = look_up(session, token)
    used = session.execute(
        update(Invitation)
        .where(col(Invitation.id) == invitation.id, _open())
        .values(used_at=utcnow())
        .returning(col(Invitation.id))
    ).first()
    if used is None:
        raise NotFound("This link has just been used. Ask an admin for a new one.")
    return invitation


def _open() -> ColumnElement[bool]:
    return col(Invitation.used_at).is_(None) & (col(Invitation.expires_at) > utcnow())
