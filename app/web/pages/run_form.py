"""What the forms that start runs have in common: what was chosen, what can be chosen, and the box with the price."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import FormData, ImmutableMultiDict

from app.catalog.categories import CATEGORIES
from app.catalog.generators import GENERATORS, STRATEGIES
from app.catalog.judges import JUDGES
from app.catalog.providers import PROVIDERS
from app.catalog.vlms import VLMS
from app.config import settings
from app.errors import GgtError
from app.services.estimate import dollars
from app.services.options import LOCAL_JUDGE
from app.services.planning import NotConfirmed
from app.services.quote import Quote

NOBODY = "none"
"""What the field "judge" holds where no judge is wanted: an empty one would be a field left out."""
LONGEST_EXTRA = 500


async def _posted(request: Request) -> FormData:
    return await request.form()


Posted = Annotated[FormData, Depends(_posted)]
"""The fields of a posted form. Boxes that are not ticked are not in it."""


@dataclass(frozen=True)
class RunForm:
    """What somebody chose, as it stands in the fields, so that a page that comes back has all of it.

    ``confirmed`` is the price, in millionths of a dollar, that was agreed to; 0 where it was not.
    """

    categories: tuple[str, ...] = tuple(CATEGORIES)
    source: str = ""
    method: str = ""
    strategy: str = ""
    judge: str = LOCAL_JUDGE
    compare: bool = True
    also: tuple[str, ...] = ()
    judge_compared: bool = False
    batch: bool = False
    extra: str = ""
    everything: bool = False
    confirmed: int = 0

    @classmethod
    def of(cls, given: ImmutableMultiDict[str, Any], *, fresh: bool = False) -> "RunForm":
        """From a posted form, or with ``fresh`` from an address, where what is left out has its usual value."""

        def text(name: str) -> str:
            value = given.get(name, "")
            return value.strip().replace("\r\n", "\n") if isinstance(value, str) else ""

        def ticked(name: str, usual: bool = False) -> bool:
            return usual if fresh and name not in given else text(name) in ("1", "true", "on")

        categories = tuple(str(key) for key in given.getlist("category"))
        price = text("confirm_micros")
        return cls(
            categories=tuple(CATEGORIES) if fresh and not categories else categories,
            source=text("source"),
            method=text("method"),
            strategy=text("strategy"),
            judge=text("judge") or LOCAL_JUDGE,
            compare=ticked("compare", usual=True),
            also=tuple(dict.fromkeys(str(setting) for setting in given.getlist("also"))),
            judge_compared=ticked("judge_compared"),
            batch=ticked("batch"),
            extra=text("extra"),
            everything=ticked("everything"),
            confirmed=int(price) if ticked("spend") and price.isascii() and price.isdigit() else 0,
        )

    @property
    def judge_key(self) -> str:
        """The judge as options name it: empty for nobody."""
        return "" if self.judge == NOBODY else self.judge


@dataclass(frozen=True)
class Option:
    """One choice. ``why`` says what it needs where it cannot be chosen here."""

    value: str
    title: str
    chosen: bool
    why: str = ""
    prompted: bool = False

    @property
    def disabled(self) -> bool:
        """A choice that was made stays choosable, or its field would be sent without it and mean something else."""
        return bool(self.why) and not self.chosen


@dataclass(frozen=True)
class Group:
    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Controls:
    """What can be chosen for a chain: who makes candidates, from which prompt, who judges, and whether in batches."""

    methods: tuple[Group, ...]
    strategies: tuple[Option, ...]
    judges: tuple[Option, ...]
    batch: bool
    batch_providers: str


def missing_key(provider: str) -> str:
    """What to set before a provider can be asked; empty where it can."""
    if settings().provider_key(provider):
        return ""
    spec = PROVIDERS[provider]
    return f"set {spec.key_setting}" + (f" and {spec.secret_setting}" if spec.secret_setting else "")


def stand_in(provider: str) -> str:
    """That a local server answers for a provider, for labels; empty where the provider does."""
    host = urlsplit(settings().provider_url(provider)).hostname
    return f"stand-in at {host}, not an MFM" if settings().stand_in(provider) else ""


def controls(form: RunForm) -> Controls:
    batching = [spec.title for spec in PROVIDERS.values() if spec.batch]
    return Controls(_methods(form), _strategies(form), judges(form, nobody=True), form.batch, ", ".join(batching))


def _methods(form: RunForm) -> tuple[Group, ...]:
    def group(title: str, provider: str, why: str, *, local: bool) -> Group:
        made = (spec for spec in GENERATORS.values() if spec.local == local and spec.provider == provider)
        options = (Option(s.key, s.title, s.key == form.method, why, s.prompted) for s in made)
        return Group(title, tuple(options))

    groups = [group("Local methods, no MFMs", "", "", local=True)]
    for key, spec in PROVIDERS.items():
        why = missing_key(key)
        note = f"no key: {why}" if why else stand_in(key)
        groups.append(group(f"{spec.title} ({note})" if note else spec.title, key, why, local=False))
    return (*groups, group("Open models, on a GPU worker", "", "", local=False))


def _strategies(form: RunForm) -> tuple[Option, ...]:
    found = []
    for key, title in STRATEGIES.items():
        vlm = VLMS.get(key.removeprefix("vlm-"))
        found.append(_asking(key, title, key == form.strategy, vlm.provider if vlm else ""))
    return tuple(found)


def judges(form: RunForm, *, nobody: bool) -> tuple[Option, ...]:
    """The judges, and nobody where a run may do without."""
    found = [_asking(k, j.title, k == form.judge, VLMS[j.vlm].provider if j.vlm else "") for k, j in JUDGES.items()]
    none = Option(NOBODY, "Nobody: what the filter passes goes to a person", form.judge == NOBODY)
    return (*found, none) if nobody else tuple(found)


def _asking(key: str, title: str, chosen: bool, provider: str) -> Option:
    """A choice that asks a provider's VLM, or none."""
    why = missing_key(provider) if provider else ""
    note = (f"no key: {why}" if why else stand_in(provider).replace("an MFM", "a VLM")) if provider else ""
    return Option(key, f"{title} ({note})" if note else title, chosen, why)


@dataclass(frozen=True)
class Row:
    """One line of an estimate, in words."""

    what: str
    calls: int
    each: str
    total: str


@dataclass(frozen=True)
class EstimateBox:
    """What a run would do and cost, and the button that starts it. ``address`` shows it again for a changed form.

    ``barred``: whoever looks may not start it, and ``problem`` says why.
    """

    address: str
    button: str
    quote: Quote | None = None
    problem: str = ""
    barred: bool = False

    @property
    def price(self) -> int:
        """What has to be agreed to, in millionths of a dollar."""
        return self.quote.estimate.micros if self.quote else 0

    @property
    def spend(self) -> str:
        return dollars(self.price)

    @property
    def most(self) -> str:
        """The most it can cost, where that is more than the estimate; else empty."""
        most = self.quote.estimate.most_micros if self.quote else 0
        return dollars(most) if most > self.price else ""

    @property
    def rows(self) -> tuple[Row, ...]:
        lines = self.quote.estimate.lines if self.quote else ()
        batch = bool(self.quote and self.quote.estimate.batch)
        return tuple(
            Row(x.what, x.calls, dollars(x.each_micros), dollars(x.half_price if batch else x.micros)) for x in lines
        )


@dataclass(frozen=True)
class EstimatePart:
    box: EstimateBox


def estimate_box(address: str, button: str, ask: Callable[[], Quote], problem: str = "") -> EstimateBox:
    """The box for what ``ask`` quotes; where that raises, what is wrong stands in it."""
    try:
        return EstimateBox(address, button, ask(), problem)
    except GgtError as error:
        return EstimateBox(address, button, None, problem or str(error))


def refusal(error: GgtError, form: RunForm) -> str:
    """Why a run was not started, for the page that comes back."""
    if isinstance(error, NotConfirmed) and form.confirmed:
        return f"The price is no longer {dollars(form.confirmed)}. {error}"
    return str(error)
