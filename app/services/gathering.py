"""Collecting photographs from a platform by keywords: opening such a run, and telling beforehand what it would find.

A run is a chain of steps, one page of results each (``gather_steps.py``): a platform is asked one thing at a time anyway.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from app import jobs
from app.catalog.categories import CATEGORIES
from app.catalog.licences import LICENCES
from app.catalog.platforms import PLATFORMS, PlatformSpec
from app.config import settings
from app.domain.gather_order import Step
from app.errors import GgtError, Later
from app.jobs import NewItem
from app.models import Run, Source
from app.platforms import platform as speaker
from app.platforms.base import Found, KeyRefused, NotAnswered
from app.services import events, licence_policy
from app.services.ingest import SourceInput, start_ingest
from app.services.licence_policy import LicencePolicy
from app.services.photograph import Then

MOST_KEYWORDS, LONGEST_KEYWORD = 40, 100
MOST_PHOTOGRAPHS = 100_000
LEAST_PAGE = 30
"""Results asked for at once, at least: of small pages much is known already, and each costs a request."""
STAND_IN = "stand-in"
COUNTED_KEYWORDS, EXAMPLES = 10, 3


@dataclass(frozen=True)
class Gather:
    """What is to be collected. Without ``keywords`` the category's own; without a ``source`` one named after both.

    ``most`` is how many photographs to take at most. ``policy`` changes fields of the category's PatchPolicy.
    """

    category: str
    platform: str
    keywords: tuple[str, ...] = ()
    most: int = 100
    source: str = ""
    then: Then = "images"
    policy: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Count:
    """What a keyword would find: how many in all as the platform says, and of the ``seen`` first ones, how many may be had.

    ``problem`` says why nothing is known.
    """

    keyword: str
    total: int = 0
    seen: int = 0
    allowed: int = 0
    examples: tuple[Found, ...] = ()
    problem: str = ""


def start_gather(session: Session, user_id: int | None, wanted: Gather) -> Run:
    """Open a run that collects, and queue its first step.

    Raises GgtError where there is no such category or platform, no key for it, no licence of it may be collected, or what is
    wanted cannot be; Conflict as :func:`app.services.ingest.start_ingest` does.
    """
    spec = spec_of(wanted.platform)
    if wanted.category not in CATEGORIES:
        raise GgtError(f"There is no category {wanted.category!r}; choose from {', '.join(CATEGORIES)}.")
    if not settings().platform_key(spec.key):
        raise GgtError(f"{spec.title} has no key here: set {spec.key_setting}, and start GGT Studio again.")
    if problem := forbidden(spec, licence_policy.current(session)):
        raise GgtError(problem)
    if not 1 <= wanted.most <= MOST_PHOTOGRAPHS:
        raise GgtError(f"Take between 1 and {MOST_PHOTOGRAPHS:,} photographs, not {wanted.most:,}.")
    keywords = checked_keywords(wanted.keywords or CATEGORIES[wanted.category].keywords)
    stand_in = settings().platform_stand_in(spec.key)
    title = f"{spec.title} ({STAND_IN})" if stand_in else spec.title
    per_page = min(spec.per_page, max(LEAST_PAGE, -(-wanted.most // len(keywords))))
    run = start_ingest(
        session,
        user_id=user_id,
        category=wanted.category,
        source=_source(session, spec, wanted, stand_in),
        title=f"Gather: {title}, {CATEGORIES[wanted.category].title}",
        then=wanted.then,
        policy=wanted.policy,
        kind="gather",
        params={
            "platform": spec.key, "keywords": list(keywords), "most": wanted.most, "taken": 0, "per_page": per_page
        },
    )  # fmt: skip
    jobs.add_items(session, run.id or 0, [item_of(run.params, Step())])
    events.record(session, user_id, "gather.started", f"run:{run.id}", why=f"{title}: {', '.join(keywords)}")
    return run


def spec_of(platform: str) -> PlatformSpec:
    """A platform of the catalogue. Raises GgtError."""
    if platform not in PLATFORMS:
        raise GgtError(f"There is no platform {platform!r}; choose from {', '.join(PLATFORMS)}.")
    return PLATFORMS[platform]


def checked_keywords(given: Sequence[str]) -> tuple[str, ...]:
    """Keywords as they are searched for, each once. Raises GgtError for none, too many or one too long."""
    keywords = tuple(dict.fromkeys(" ".join(keyword.split()) for keyword in given if keyword.strip()))
    if not keywords:
        raise GgtError("Give at least one keyword to search by.")
    if len(keywords) > MOST_KEYWORDS:
        raise GgtError(f"{len(keywords)} keywords are too many for one run; at most {MOST_KEYWORDS} are taken.")
    for keyword in keywords:
        if len(keyword) > LONGEST_KEYWORD:
            raise GgtError(
                f"The keyword {keyword[:30]!r}… has {len(keyword)} characters; at most {LONGEST_KEYWORD} are taken."
            )
    return keywords


def allowed(spec: PlatformSpec, policy: LicencePolicy) -> frozenset[str]:
    """The licences under which photographs of a platform may be collected."""
    return frozenset(licence for licence in spec.gives if policy.may_collect(licence))


def forbidden(spec: PlatformSpec, policy: LicencePolicy) -> str:
    """Why nothing of a platform may be collected; empty where something may."""
    if allowed(spec, policy):
        return ""
    own = f"come under the {LICENCES[spec.licence].title}" if spec.licence else "come under other licences"
    may = ", ".join(LICENCES[key].title for key in policy.collect if key in LICENCES) or "none"
    return (
        f"Photographs of {spec.title} {own}, and the licence policy lets be collected: {may}. "
        "An admin can change it on the Licences page, after reading the platform's terms."
    )


def item_of(params: Mapping[str, Any], step: Step) -> NewItem:
    """The work item of one step of a run with these parameters."""
    keyword = params["keywords"][step.keyword]
    payload = {"keyword": step.keyword, "page": step.page, "ended": list(step.ended)}
    return NewItem("gather", step_name(params["platform"], keyword, step.page), queue="api", payload=payload)


def step_name(platform: str, keyword: str, page: int) -> str:
    """What a step is called, for people and as its key."""
    return f"{platform}: {keyword}, page {page}"


def count(platform: str, keywords: Sequence[str], policy: LicencePolicy) -> list[Count]:
    """What the first keywords would find; asks the platform, so it takes seconds. Raises GgtError as start_gather does."""
    spec = spec_of(platform)
    if not settings().platform_key(spec.key):
        raise GgtError(f"{spec.title} has no key here: set {spec.key_setting}, and start GGT Studio again.")
    may = allowed(spec, policy)
    counts: list[Count] = []
    for keyword in checked_keywords(keywords)[:COUNTED_KEYWORDS]:
        try:
            counts.append(_counted(spec, keyword, may))
        except NotAnswered as error:
            counts.append(Count(keyword, problem=str(error)))
        except (KeyRefused, Later) as error:
            return [*counts, Count(keyword, problem=str(error))]  # the others would hear the same
    return counts


def _counted(spec: PlatformSpec, keyword: str, may: Collection[str]) -> Count:
    results = speaker(spec.key).search(keyword, 1, min(spec.per_page, LEAST_PAGE), may or spec.gives)
    good = [found for found in results.found if found.licence in may and not found.unfit]
    return Count(keyword, results.total, len(results.found), len(good), tuple(good[:EXAMPLES]))


def default_source(platform: str, category: str) -> str:
    """What the source of a run is called unless somebody says otherwise."""
    return f"{platform}-{category.replace('_', '-')}"


def _source(session: Session, spec: PlatformSpec, wanted: Gather, stand_in: bool) -> SourceInput:
    """Where the photographs come from. What a stand-in gives never gets into the source of real photographs."""
    name = " ".join(wanted.source.split()) or default_source(spec.key, wanted.category)
    if stand_in and STAND_IN not in name:
        name = f"{name} ({STAND_IN})"
    if len(name) > 100:
        raise GgtError(f"A source's name has at most 100 characters; this one has {len(name)}.")
    there = session.exec(select(Source).where(col(Source.name) == name)).first()
    if there is not None and there.held_out:
        raise GgtError(f"Source {name!r} is a test set; collect into another one.")
    note = "Given by a stand-in on this machine: no photographs of the platform." if stand_in else ""
    return SourceInput(name, licence=spec.licence, url=spec.home, kind="internet", note=note, terms=spec.terms_url)
