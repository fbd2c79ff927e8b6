"""Providers: what each costs and may cost, how fast it is asked, whether it answers. For admins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.accounts import MICROS
from app.catalog.providers import PROVIDERS
from app.errors import Conflict, GgtError
from app.models import utcnow
from app.services import provider_accounts, provider_checks, provider_views
from app.services.provider_checks import LastCheck
from app.services.provider_views import Limit, Problem, ProviderView, Spend, State
from app.web.deps import Admin, Reader, Writer
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/providers")


@dataclass(frozen=True)
class ProviderCard:
    """One provider. ``values`` is what its form shows, by field: what was typed where that was refused.

    ``problem`` says why what was asked for was not done; ``saved`` that it was.
    """

    provider: ProviderView
    values: Mapping[str, str]
    problem: str = ""
    saved: bool = False


@dataclass(frozen=True)
class ProvidersPage:
    cards: tuple[ProviderCard, ...]

    @property
    def any_key(self) -> bool:
        return any(card.provider.spend.has_key for card in self.cards)


async def _typed(request: Request) -> dict[str, str]:
    """What was typed into a form whose fields depend on the catalogue."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str) and name != "csrf"}


@router.get("")
def index(request: Request, viewer: Admin, session: Reader, saved: str = "") -> Response:
    return _page(request, viewer, session, saved=saved)


@router.get("/{key}/now")
def now(request: Request, viewer: Admin, session: Reader, key: str) -> Response:
    """The part of a card that moves: money, calls, state."""
    provider_accounts.spec_of(key)
    return render(request, viewer, "providers/_provider.html", _cards(provider_views.providers(session, [key]))[0])


@router.post("/{key}")
def change(
    request: Request, viewer: Admin, session: Writer, key: str, typed: Annotated[dict[str, str], Depends(_typed)]
) -> Response:
    try:
        provider_accounts.update(session, viewer.user_id, key, typed)
    except provider_accounts.Invalid as error:
        return _page(request, viewer, session, key, error, typed)
    return _back(key, saved=True)


@router.post("/{key}/pause")
def pause(viewer: Admin, session: Writer, key: str, reason: Annotated[str, Form()] = "") -> Response:
    provider_accounts.pause(session, viewer.user_id, key, reason)
    return _back(key)


@router.post("/{key}/resume")
def resume(request: Request, viewer: Admin, session: Writer, key: str) -> Response:
    try:
        provider_accounts.resume(session, viewer.user_id, key)
    except provider_accounts.RedisSilent as error:
        return _page(request, viewer, session, key, error)
    return _back(key)


@router.post("/{key}/check")
def check(request: Request, viewer: Admin, session: Writer, key: str) -> Response:
    try:
        provider_accounts.start_check(session, viewer.user_id, key)
    except Conflict as error:
        return _page(request, viewer, session, key, error)
    return _back(key)


def _back(key: str, saved: bool = False) -> Response:
    return RedirectResponse(f"/providers{f'?saved={key}' if saved else ''}#provider-{key}", 303)


def _page(
    request: Request,
    viewer: Viewer,
    session: Session,
    refused: str = "",
    error: GgtError | None = None,
    typed: Mapping[str, str] | None = None,
    saved: str = "",
) -> Response:
    """All providers. What was ``refused`` to one of them, and what was ``typed``, stands at its form."""
    cards = list(_cards(provider_views.providers(session), saved))
    for number, card in enumerate(cards):
        if error is not None and card.provider.spec.key == refused:
            cards[number] = replace(card, values={**card.values, **(typed or {})}, problem=str(error))
    return render(request, viewer, "providers/index.html", ProvidersPage(tuple(cards)), error.status if error else 200)


def _cards(views: Iterable[ProviderView], saved: str = "") -> tuple[ProviderCard, ...]:
    return tuple(ProviderCard(view, view.form, saved=view.spec.key == saved) for view in views)


def _example(key: str, state: State, has_key: bool, last: LastCheck | None, problems: tuple[Problem, ...]) -> ProviderView:
    spec, plan, models = PROVIDERS[key], provider_checks.plan(key), provider_views.models_of(key, {})
    spend = Spend(key, spec.title, has_key, has_key, state, MICROS, 9 * MICROS, 67_000, 5 * MICROS, None)
    limits = tuple(Limit(name, title, 30, 60) for name, title in provider_views.LIMIT_TITLES.items())
    names = [*provider_views.LIMIT_TITLES, *provider_accounts.BUDGETS, *(f"price-{row.model}" for row in models)]
    return ProviderView(
        spec, spend, spec.base_url, models, limits, "ask", {"answered": 12, "refused": 1, "sent": 2, "unknown": 1},
        problems, plan, "$0.015", last, {**dict.fromkeys(names, ""), "on_lost": "ask"},
    )  # fmt: skip


_NOW = utcnow()
_FAILED = Problem("unknown", "TIMEOUT", "No complete <answer> came.", _NOW, 7)
_GOOD, _BAD, _OPEN = (LastCheck(n, ok, "told", _NOW) for n, ok in ((7, True), (8, False), (9, None)))
_VIEWS = (
    _example("gemini", State("ready"), True, _GOOD, (_FAILED,)),
    _example("openai", State("paused", "Too <dear>."), True, _BAD, ()),
    _example("kling", State("circuit open", "It is tried again in 30 s."), True, None, ()),
    _example("ark", State("no key", "Set GGT_ARK_API_KEY."), False, _OPEN, ()),
)
_CARDS = tuple(
    ProviderCard(v, v.form, "Daily budget: 'x'" if v.spend.key == "kling" else "", v is _VIEWS[0]) for v in _VIEWS
)
EXAMPLES = {
    "providers/index.html": [ProvidersPage(_CARDS), ProvidersPage(_CARDS[3:])],
    "providers/_provider.html": list(_CARDS),
}
