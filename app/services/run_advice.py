"""What a person can do about an item that failed or waits, and what keeps a run waiting when nothing of it moves."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlmodel import Session, col

from app import accounts
from app.catalog.providers import PROVIDERS
from app.config import settings
from app.models import ItemState, WorkItem, utcnow

COUNT_CAP = 10_000
"""Waiting items are looked at up to this number; the page then says "10,000+"."""

_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("weights",), "Run ggt weights fetch on the machine of the workers, then retry failed."),
    (
        ("missing from the storage",),
        "A stored file is gone: run ggt doctor, ingest the photograph again, then retry failed.",
    ),
    (
        ("would not judge", "would not write", " refused: "),
        "The provider refuses this image or prompt, and will again: choose another method or judge, or change the prompt.",
    ),
    (
        ("unreadable", "cannot be read", "empty prompt"),
        "Retry failed asks anew; if replies stay unusable, choose another judge or VLM.",
    ),
    (
        ("the key of", "needs a key", "no key", "answered 401", "answered 403"),
        "Correct the provider's key, start GGT Studio again, then retry failed.",
    ),
    (
        ("budget", "answered 402", "quota", "billing"),
        "Raise the budget on the Providers page, or pay the provider, then retry failed.",
    ),
    (("no connection to", "answered 5", "answered 429"), "The provider was busy or out of reach: retry failed later."),
    (("answered 4",), "The provider does not accept this request: read its message before you retry failed."),
    (("memory",), "Start fewer workers (GGT_WORKERS) or add memory, then retry failed."),
    (("worker died",), "Look at the worker's log for what killed it, often memory; then retry failed."),
)
"""Words of an error, and what to do about it. The first that fits counts."""

_WAITING: tuple[tuple[str, str], ...] = (
    ("budget", "Raise the budget on the Providers page."),
    ("refuses this account", "Look at the key and the account, then resume the provider on the Providers page."),
    ("paused", "Resume the provider on the Providers page."),
    ("provider's turn", "The Providers page says how fast it may be asked."),
    ("another run", "Nothing to do: the answer is used here too."),
)


def advice(state: str, error: str) -> str:
    """What a person can do about an item that failed with ``error``, or whose outcome is unknown."""
    told = error.lower()
    if state == ItemState.UNKNOWN:
        return "Look at the provider's own log whether the call went through; then ask again, or give it up."
    for words, what in _ADVICE:
        if any(word in told for word in words):
            return what
    return "Retry failed; if it fails again, open the image and look at what is special about it."


@dataclass(frozen=True)
class Wait:
    """Why items of a run wait. ``seconds`` is the time to the next try, None where somebody has to do something first."""

    why: str
    items: int
    seconds: float | None = None
    capped: bool = False

    @property
    def what_to_do(self) -> str:
        told = self.why.lower()
        return next((what for word, what in _WAITING if word in told), "")


def waits(session: Session, run_id: int) -> tuple[Wait, ...]:
    """What waiting items wait for besides a free worker: providers that take nothing, and the most frequent other reason.

    Two statements, over at most ``COUNT_CAP`` items, oldest first.
    """
    now = utcnow()
    later = col(WorkItem.ready_at) > now
    some = (
        select(col(WorkItem.lane), case((later, col(WorkItem.error)), else_="").label("why"),
               case((later, col(WorkItem.ready_at))).label("ready_at"))
        .where(col(WorkItem.run_id) == run_id, col(WorkItem.state) == ItemState.WAITING)
        .limit(COUNT_CAP + 1)
        .subquery()
    )  # fmt: skip
    rows = session.execute(
        select(some.c.lane, some.c.why, func.count(), func.min(some.c.ready_at)).group_by(some.c.lane, some.c.why)
    ).all()
    capped = sum(row[2] for row in rows) > COUNT_CAP
    stopped = _stopped(session) if any(lane for lane, *_ in rows) else {}
    held: Counter[str] = Counter()
    postponed: Counter[str] = Counter()
    next_try: dict[str, datetime] = {}
    for lane, why, number, ready_at in rows:
        provider = lane.partition("/")[0]
        if provider in stopped:
            held[stopped[provider]] += number
        elif why:
            postponed[why] += number
            next_try[why] = min(next_try.get(why, ready_at), ready_at)
    found = [Wait(why, min(number, COUNT_CAP), capped=capped) for why, number in held.most_common()]
    for why, number in postponed.most_common(1):
        seconds = max(0.0, (next_try[why] - now).total_seconds())
        found.append(Wait(why, min(number, COUNT_CAP), seconds, capped))
    return tuple(found)


def _stopped(session: Session) -> dict[str, str]:
    """Providers that are not asked at present, each with the reason."""
    found = {}
    for key, limit in accounts.limits(session).items():
        spec = PROVIDERS[key]
        if not settings().provider_key(key):
            found[key] = f"{spec.title} has no key here: set {spec.key_setting} and start GGT Studio again."
        elif limit.paused:
            found[key] = f"{spec.title}: {limit.paused}"
    return found
