"""The licence policy: what may be collected from the Internet, and what may leave in a release. Admins change it."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel import Session

from app.catalog.licences import COLLECTED, LICENCES, RELEASED
from app.domain.licence_names import licence_key
from app.errors import BadImage, GgtError
from app.models import Setting, Source, utcnow
from app.services import events

KEY = "licences"


@dataclass(frozen=True)
class LicencePolicy:
    """Licences by their keys in :data:`app.catalog.licences.LICENCES`. What is in neither list stays inside."""

    collect: tuple[str, ...] = COLLECTED
    release: tuple[str, ...] = RELEASED

    def may_collect(self, licence: str) -> bool:
        """Whether a photograph under that licence may be taken in from the Internet."""
        return licence in self.collect

    def may_release(self, licence: str) -> bool:
        """Whether a photograph under that licence may leave in a release. One without a licence never may."""
        return licence in self.release


def current(session: Session) -> LicencePolicy:
    """The policy in force: what an admin set last, else the paper's."""
    row = session.get(Setting, KEY)
    if row is None:
        return LicencePolicy()
    return LicencePolicy(tuple(row.value["collect"]), tuple(row.value["release"]))


def check_collectable(session: Session, source_id: int, own: str) -> None:
    """Whether a photograph may be fetched from the Internet: under its ``own`` licence, or that of its source without one.

    Raises BadImage with the reason.
    """
    licence = own or licence_key(session.get_one(Source, source_id).licence, LICENCES)
    if not licence:
        raise BadImage("no licence is on record, of the photograph or its source, so it may not be fetched; see /licences")
    if not current(session).may_collect(licence):
        raise BadImage(f"licence {licence} is not allowed by the policy; see /licences")


def change(session: Session, user_id: int, collect: Collection[str], release: Collection[str]) -> LicencePolicy:
    """Set the policy. Raises GgtError for a licence nobody knows."""
    for licence in [*collect, *release]:
        if licence not in LICENCES:
            raise GgtError(f"There is no licence {licence!r} in the catalogue; see app/catalog/licences.py.")
    before = current(session)
    policy = LicencePolicy(tuple(sorted(set(collect))), tuple(sorted(set(release))))
    row = session.get(Setting, KEY) or Setting(key=KEY)
    row.value = {"collect": list(policy.collect), "release": list(policy.release)}
    row.changed_by, row.changed_at = user_id, utcnow()
    session.add(row)
    why = f"collect {', '.join(policy.collect) or 'nothing'}; release {', '.join(policy.release) or 'nothing'}"
    details = {"before": {"collect": list(before.collect), "release": list(before.release)}}
    events.record(session, user_id, "licences.changed", "setting:licences", why, details)
    return policy
