"""One paid call: look whether it was made before, wait for its turn, reserve, record, send, record what came of it.

The order is what keeps money safe: nothing is sent before its row is committed, no answer is worked on before its bytes are
on disk and its row says so, and whatever dies in between leaves a row that tells how far it came.
"""

import importlib
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from app import accounts, job_control, leasing, pacing
from app.accounts import Limits
from app.catalog.generator_spec import Price
from app.catalog.providers import PROVIDERS
from app.config import settings
from app.db import reading, surely, together
from app.domain.retrying import what_next
from app.leasing import Lease
from app.models import ApiCall, CallState
from app.services import ledger, recipes
from app.services.ledger import Closing, Standing
from app.storage import storage
from workers.outcomes import Failure, Outcome, Parked, Postponed, Unresolved
from workers.providers.base import Accepted, Access, CallFailed, ImageAnswer, Provider, TextAnswer, Trouble, Usage

log = logging.getLogger("ggt.worker")

LIMITS_SECONDS = 3.0
"""How long limits and pauses set by an admin may go unnoticed."""
SHORT_WAIT, TURNS, BUDGET_PAUSE = 1.0, 3, 15.0
RANDOM = random.Random()  # noqa: S311
READ_BY_ASKER = ("judge", "screen")
"""Purposes whose answer may turn out unreadable: whoever asks looks at those there are, and then asks for another."""
ARRIVED = 3
"""Priority of items whose answer is there: what was paid for is taken in before anything new is made."""


@dataclass(frozen=True)
class Ask:
    """One request about to be made for a leased item. ``image``: its answer is one, and counts against that limit."""

    lease: Lease
    provider: str
    model: str
    purpose: str
    price: Price
    image: bool
    standing: Standing
    stand_in: bool | None = None
    """Whether it was planned for a stand-in; None: it does not matter."""
    hand_over: str = ""
    """The queue whose workers take the answer up; empty: whoever asked."""


@dataclass(frozen=True)
class Answered:
    """The answer of a request: an image's file, or a text."""

    call_id: int
    sha256: str
    text: str


@dataclass(frozen=True)
class Refused:
    """The provider will not do it. ``reason`` is its code."""

    reason: str
    message: str


Perform = Callable[[Provider, str, str, Accepted], ImageAnswer | TextAnswer]
"""Sends the request with a provider, our reference, the remote id to look for (empty: a new request), and a callback."""


@lru_cache
def provider(key: str) -> Provider:
    """A provider's backend, made once per process."""
    module, name = PROVIDERS[key].target.split(":")
    made: Provider = getattr(importlib.import_module(module), name)(access(key))
    return made


def warm_up() -> None:
    """Make the backends of all providers that have a key. One that cannot be made says so when it is needed."""
    for key in PROVIDERS:
        if settings().provider_key(key):
            try:
                provider(key)
            except CallFailed as failed:
                log.warning("%s: %s", PROVIDERS[key].title, failed)


def access(key: str) -> Access:
    """How to reach a provider, from the settings."""
    spec, config = PROVIDERS[key], settings()
    return Access(
        base_url=config.provider_url(key),
        key=config.provider_key(key),
        secret=config.provider_secret(key),
        timeout=config.provider_timeout or spec.timeout,
        poll_seconds=0.05 if config.stand_in(key) else 2.0,
        api_version=spec.api_version,
    )


class _Cached:
    """The limits of all providers, read again every few seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._limits: dict[str, Limits] = {}

    def __call__(self) -> dict[str, Limits]:
        with self._lock:
            if time.monotonic() - self._read_at > LIMITS_SECONDS:
                with reading() as session:
                    self._limits = accounts.limits(session)
                self._read_at = time.monotonic()
            return self._limits

    def forget(self) -> None:
        self._read_at = float("-inf")


limits = _Cached()


def ask(request: Ask, perform: Perform) -> Answered | Refused | Outcome:
    """Make a request, or use what is known of it already. Everything but an answer or a refusal is for the runtime."""
    known, resumed = request.standing, None
    if known.answers and request.purpose not in READ_BY_ASKER:
        call = known.answers[-1]
        return Answered(call.id or 0, call.answer_sha256, call.answer_text)
    if known.refusal:
        return Refused(known.refusal.reason, known.refusal.error)
    if known.unknown:
        return Unresolved("An earlier call for this has an unknown outcome; retry it to ask again.")
    if known.under_way:
        waits = _waits_for(request, known.under_way)
        if waits is not None:
            return waits
        resumed = known.under_way
    if request.stand_in is not None and (told := recipes.other_party(request.stand_in, request.provider)):
        return Failure(told, final=True)
    limit = limits()[request.provider]
    if limit.paused and not (resumed and limit.spent_out):
        return Postponed(BUDGET_PAUSE, limit.paused)
    ticket = _turn(request, limit, image=request.image and resumed is None)
    if isinstance(ticket, float):
        return Postponed(ticket, "Waiting for the provider's turn.")
    healthy: bool | None = None
    try:
        call_id = _record(request, resumed, limit)
        if not isinstance(call_id, int):
            return call_id
        outcome, healthy = _send(request, call_id, resumed.remote_id if resumed else "", perform, limit)
        return outcome
    finally:
        pacing.report(ticket, healthy)


def _waits_for(request: Ask, call: ApiCall) -> Outcome | None:
    """What follows from a call of this request that is under way; None: its task is known, and is looked at again."""
    if call.item_id != request.lease.id or call.batch_job_id is not None:
        return Postponed(5.0, "The same is being asked for by another run.")
    if call.remote_id:
        return None
    # Nobody else holds this item, so nobody waits for the answer any more.
    surely(lambda session: job_control.calls_lost(session, [request.lease.id]))
    return Unresolved("What came of an earlier call for this could not be recorded; retry it to ask again.")


def _turn(request: Ask, limit: Limits, *, image: bool) -> pacing.Ticket | float:
    """Leave to send, after waiting for it a little where it comes soon; or the seconds to come back after."""
    lifetime = access(request.provider).timeout + 60
    wait = 0.0
    for _ in range(TURNS):
        got = pacing.acquire(request.provider, limit, image=image, lifetime=lifetime)
        if isinstance(got, pacing.Ticket):
            return got
        wait = got
        if wait > SHORT_WAIT:
            break
        time.sleep(wait * (1 + 0.2 * random.random()))  # noqa: S311
    return wait


def _record(request: Ask, resumed: ApiCall | None, limit: Limits) -> int | Outcome:
    """Commit that the call is about to be sent. Anything but its id means: send nothing."""

    def begin(session: Session) -> int:
        if resumed is not None:
            if not leasing.mark_paid(session, request.lease, under_way=True):
                raise ledger.LeaseLost
            return resumed.id or 0
        return ledger.begin(
            session,
            request.lease,
            provider=request.provider,
            model=request.model,
            purpose=request.purpose,
            micros=round(limit.price(request.model, request.price).call * 1e6),
            known=request.standing,
        )

    try:
        return together(begin)
    except ledger.BudgetSpent:
        pacing.cool_down(request.provider, BUDGET_PAUSE)
        return Postponed(BUDGET_PAUSE, f"The budget of {PROVIDERS[request.provider].title} does not cover another call.")
    except ledger.LeaseLost:
        return Failure("Another worker has taken this item over.", final=True)
    except IntegrityError:
        return Postponed(5.0, "The same is being asked for by another run.")
    except ledger.Overtaken:
        return Postponed(0.0, "The same was asked for by another run.")


def _send(
    request: Ask, call_id: int, remote_id: str, perform: Perform, limit: Limits
) -> tuple[Answered | Refused | Outcome, bool | None]:
    """Send, and record what came of it. Also returns what the circuit breaker should learn."""

    def accepted(task: str) -> None:
        surely(lambda session: ledger.accepted(session, call_id, task))

    try:
        answer = perform(provider(request.provider), f"ggt-{call_id}", remote_id, accepted)
        data = answer.data if isinstance(answer, ImageAnswer) else None
        sha256 = storage().put(data) if data is not None else ""  # on disk before any row names it
    except CallFailed as failed:
        return _failed(request, call_id, failed, limit)
    except Exception as error:
        log.exception("%s: an answer may have come and been lost", request.lease.key)
        lost = CallFailed(Trouble.LOST, f"The answer could not be taken in: {type(error).__name__}: {error}")
        return _failed(request, call_id, lost, limit)
    text = answer.text if isinstance(answer, TextAnswer) else ""
    usage = answer.usage or Usage()
    cost = limit.price(request.model, request.price).micros(usage.input_tokens, usage.output_tokens)
    closing = Closing(CallState.ANSWERED, cost, usage.input_tokens, usage.output_tokens, sha256, text)

    def record(session: Session) -> None:
        ledger.close(session, call_id, closing)
        if request.hand_over:
            leasing.hand_over(session, request.lease, request.hand_over, priority=ARRIVED)
        else:
            leasing.mark_paid(session, request.lease, under_way=False)

    surely(record)
    return (Parked() if request.hand_over else Answered(call_id, sha256, text)), True


def _failed(request: Ask, call_id: int, failed: CallFailed, limit: Limits) -> tuple[Refused | Outcome, bool | None]:
    """Record a call that gave no answer, and decide what follows."""
    tries = request.standing.tries + 1
    counted = tries + (request.standing.lost if failed.trouble == Trouble.LOST else 0)
    following = what_next(failed.trouble, counted, failed.retry_after, limit.on_lost, RANDOM)
    states = {"refused": CallState.REFUSED, "unknown": CallState.UNKNOWN}
    lost = failed.trouble == Trouble.LOST
    state = CallState.UNKNOWN if lost else states.get(following.step, CallState.FAILED)
    usage = failed.usage or Usage()

    def record(session: Session) -> None:
        row = session.get_one(ApiCall, call_id)
        cost = 0
        if lost:
            cost = row.reserved_micros  # it may have been paid, so it counts as spent
        elif usage.input_tokens or usage.output_tokens:
            price = limit.price(request.model, request.price)
            cost = price.micros(usage.input_tokens, usage.output_tokens)
        ledger.close(
            session,
            call_id,
            Closing(
                state, cost, usage.input_tokens, usage.output_tokens, reason=failed.reason or row.reason, error=str(failed),
                retried=lost and following.step == "again",
            ),
        )  # fmt: skip
        if following.step == "pause":
            accounts.ensure(session, request.provider).paused = f"It refuses this account: {failed}"[:500]
        leasing.mark_paid(session, request.lease, under_way=False)

    surely(record)
    healthy = None if failed.trouble in (Trouble.BUSY, Trouble.BAD_REQUEST) else failed.trouble == Trouble.REFUSED
    if failed.trouble == Trouble.BUSY:
        pacing.cool_down(request.provider, min(failed.retry_after or 1.0, 60.0))
    if following.step == "refused":
        return Refused(failed.reason or "REFUSED", str(failed)), healthy
    if following.step == "pause":
        limits.forget()
        return Postponed(BUDGET_PAUSE, f"Paused: {failed}"), healthy
    if following.step == "again":
        return Postponed(following.wait, str(failed)), healthy
    if following.step == "unknown":
        return Unresolved(str(failed)), healthy
    return Failure(f"{failed} (asked {tries} time{'s' if tries > 1 else ''})", final=True), healthy
