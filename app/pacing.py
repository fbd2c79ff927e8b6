"""Pacing: how fast a provider may be asked, shared by all workers through Redis.

Per provider: two token buckets (requests and images per minute, as GCRA: one number each), a count of calls under way, a
pause that the provider asked for, and a circuit breaker. Money is not here: it is reserved in the database. Where Redis
does not answer nothing is sent, since unpaced calls cost more than late ones.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from redis.exceptions import RedisError

from app.accounts import Limits
from app.messages import redis_client

TRIP_AFTER = 8
"""Failures in a row, over all workers, that open the circuit."""
FIRST_PAUSE, LONGEST_PAUSE = 30, 600
"""Seconds the circuit stays open; doubled each time it opens again without a success in between."""
BURST_SECONDS = 2
"""An idle provider may be asked as much at once as it would be in this time."""

_ACQUIRE = """
local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)
local base, rpm, ipm, most, life = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ticket, image, burst, take = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local function at(name) return tonumber(redis.call('GET', base .. name) or 0) end
local wait = math.max(at(':pause'), at(':open')) - now
if wait > 0 then return wait end
redis.call('ZREMRANGEBYSCORE', base .. ':busy', '-inf', now)
local busy = redis.call('ZCARD', base .. ':busy')
local half = redis.call('GET', base .. ':opened')
if busy >= most or (half and busy >= 1) then return 100 end
local function bucket(name, per_minute)
  local gap = 60000 / per_minute
  local tat = math.max(at(name), now)
  return tat + gap, tat - math.max(burst * 1000, gap) + gap - now
end
local next_r, wait_r = bucket(':requests', rpm)
local next_i, wait_i = 0, 0
if image == 1 then next_i, wait_i = bucket(':images', ipm) end
wait = math.ceil(math.max(wait_r, wait_i))
if wait > 0 then return wait end
if take == 1 then
  redis.call('SET', base .. ':requests', next_r, 'PX', 120000)
  if image == 1 then redis.call('SET', base .. ':images', next_i, 'PX', 120000) end
  redis.call('ZADD', base .. ':busy', now + life, ticket)
  redis.call('PEXPIRE', base .. ':busy', life + 60000)
end
return 0
"""

_REPORT = """
local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)
local base, ticket, ok = KEYS[1], ARGV[1], ARGV[2]
local trip, first, longest = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('ZREM', base .. ':busy', ticket)
if ok == '1' then redis.call('DEL', base .. ':failures', base .. ':opened') return 0 end
if ok == '' then return 0 end
local failures = redis.call('INCR', base .. ':failures')
redis.call('EXPIRE', base .. ':failures', 600)
local opened = tonumber(redis.call('GET', base .. ':opened') or 0)
if failures < trip and opened == 0 then return 0 end
local seconds = math.min(longest, first * 2 ^ opened)
redis.call('SET', base .. ':open', now + seconds * 1000, 'PX', math.floor(seconds * 1000))
redis.call('SET', base .. ':opened', opened + 1, 'EX', 3600)
redis.call('DEL', base .. ':failures')
return seconds
"""


_PAUSE = """
local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)
local until_ms, key = now + tonumber(ARGV[1]), KEYS[1] .. ':pause'
if until_ms > tonumber(redis.call('GET', key) or 0) and tonumber(ARGV[1]) > 0 then
  redis.call('SET', key, until_ms, 'PX', ARGV[1])
end
"""


@dataclass(frozen=True)
class Ticket:
    """Leave to send one request. Give it back with :func:`report`."""

    provider: str
    id: str


@dataclass(frozen=True)
class Pace:
    """How a provider is being asked now: calls under way, failures in a row, and seconds until it may be asked again."""

    under_way: int
    failures: int
    paused_for: float
    tripped: bool


def acquire(provider: str, limits: Limits, *, image: bool, lifetime: float) -> Ticket | float:
    """Leave to send one request now, or the seconds to wait. A ticket never given back ends after ``lifetime`` seconds."""
    ticket = Ticket(provider, uuid.uuid4().hex)
    wait = _ask(ticket, limits, image=image, lifetime=lifetime)
    return wait if wait > 0 else ticket


def _ask(ticket: Ticket, limits: Limits, *, image: bool, lifetime: float) -> float:
    arguments = (
        limits.requests_per_minute, limits.images_per_minute, limits.concurrency, int(lifetime * 1000), ticket.id,
        int(image), BURST_SECONDS, 1,
    )  # fmt: skip
    try:
        return float(redis_client().register_script(_ACQUIRE)(keys=[_key(ticket.provider)], args=arguments)) / 1000
    except (RedisError, OSError):
        return 5.0


def waits(limits: Mapping[str, Limits]) -> dict[str, float]:
    """Seconds until each lane may be asked again, in one round trip: ``gemini`` for text, ``gemini/image`` for images."""
    lanes = [(provider, lane) for provider in limits for lane in (provider, image_lane(provider))]
    try:
        pipeline, script = redis_client().pipeline(transaction=False), redis_client().register_script(_ACQUIRE)
        for provider, lane in lanes:
            limit = limits[provider]
            arguments = (
                limit.requests_per_minute, limit.images_per_minute, limit.concurrency, 1000, "", int(lane != provider),
                BURST_SECONDS, 0,
            )  # fmt: skip
            script(keys=[_key(provider)], args=arguments, client=pipeline)
        answers = pipeline.execute()
    except (RedisError, OSError):
        answers = [5000] * len(lanes)
    return {lane: float(ms) / 1000 for (_, lane), ms in zip(lanes, answers, strict=True)}


def image_lane(provider: str) -> str:
    """The lane of items that make an image with ``provider``; those that ask it for text have the provider's own name."""
    return f"{provider}/image"


def report(ticket: Ticket, ok: bool | None) -> None:
    """Give a ticket back. ``ok`` False counts towards the circuit breaker, True resets it, None says nothing about it."""
    said = "" if ok is None else str(int(ok))
    try:
        arguments = (ticket.id, said, TRIP_AFTER, FIRST_PAUSE, LONGEST_PAUSE)
        redis_client().register_script(_REPORT)(keys=[_key(ticket.provider)], args=arguments)
    except (RedisError, OSError):
        return  # the ticket ends by itself


def cool_down(provider: str, seconds: float) -> None:
    """Ask nothing of a provider for ``seconds``: it said so. A longer pause under way stays."""
    try:
        redis_client().register_script(_PAUSE)(keys=[_key(provider)], args=(int(seconds * 1000),))
    except (RedisError, OSError):
        return


def close_circuit(provider: str) -> None:
    """Forget failures: an admin has looked and wants it tried again."""
    key = _key(provider)
    redis_client().delete(f"{key}:open", f"{key}:opened", f"{key}:failures", f"{key}:pause")


def pace(provider: str) -> Pace | None:
    """How a provider is being asked now, for people to see. None when Redis does not answer."""
    key = _key(provider)
    try:
        client = redis_client()
        seconds, micros = client.time()
        now = seconds * 1000 + micros / 1000
        under_way = client.zcount(f"{key}:busy", now, "+inf")
        failures, pause, opened = client.mget(f"{key}:failures", f"{key}:pause", f"{key}:open")
    except (RedisError, OSError):
        return None
    paused = max(float(pause or 0), float(opened or 0)) - now
    return Pace(int(under_way), int(failures or 0), max(0.0, paused / 1000), opened is not None)


def _key(provider: str) -> str:
    return f"ggt:pace:{provider}"
