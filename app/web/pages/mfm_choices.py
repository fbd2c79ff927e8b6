"""What the address of Table 1 asks for: sets, judge, category, weights of aspects, order, what is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.catalog.judges import JUDGES
from app.errors import GgtError, NotFound
from app.services import image_sets, mfm_scores, mfm_values
from app.services.mfm_scores import MfmTable, Wanted
from app.services.mfm_values import Known, Measured

PATH = "/benchmarks/mfm"
ASPECTS = {"fid": "Fidelity", "per": "Perceptual", "vlm": "VLM"}
NAMES = (
    "fidelity", "perceptual", "judge", "category", *ASPECTS, "stand_ins", "sort", "intervals", "published",
)  # fmt: skip
"""The address' parameters that mean the same on all pages of the table."""
NONE = "none"
"""In place of a set or a judge: without one."""


@dataclass(frozen=True)
class Asked:
    """The address, with what it leaves open filled in. ``given`` is what it says itself."""

    wanted: Wanted
    sort: str
    intervals: bool
    published: bool
    given: Mapping[str, str]

    def url(self, path: str = PATH, **change: object) -> str:
        """An address with the same choice, but for ``change``; what is empty is left out."""
        pairs = {**self.given, **{name: str(value) for name, value in change.items()}}
        query = urlencode({name: value for name, value in pairs.items() if value})
        return f"{path}?{query}" if query else path


@dataclass(frozen=True)
class Opened:
    """The table that the address asks for, and what it was read from."""

    asked: Asked
    known: Known
    there: Measured
    table: MfmTable


def opened(session: Session, params: Mapping[str, str]) -> Opened:
    """Read the table. Raises GgtError for a value that cannot be, NotFound for a set that is not there."""
    known = mfm_values.known(session)
    fidelity = _set(known, params, image_sets.FIDELITY)
    perceptual = _set(known, params, image_sets.PERCEPTUAL)
    mfm_scores.check_sets(known, fidelity, perceptual)
    there = mfm_values.measured(session, known, fidelity, perceptual)
    category = params.get("category", "")
    if category and category not in CATEGORIES:
        raise GgtError(f"There is no category {category[:40]!r}. Choose one of: {', '.join(CATEGORIES)}.")
    stand_ins = params.get("stand_ins", "")
    wanted = Wanted(
        fidelity,
        perceptual,
        _judge(there, params.get("judge", "")),
        category,
        _weights(params),
        mfm_scores.usual_stand_ins(there) if stand_ins not in ("0", "1") else stand_ins == "1",
    )
    given = {name: params[name] for name in NAMES if params.get(name)}
    asked = Asked(wanted, params.get("sort", ""), params.get("intervals") == "1", params.get("published") == "1", given)
    return Opened(asked, known, there, mfm_scores.read(session, wanted, known))


def _set(known: Known, params: Mapping[str, str], kind: str) -> int | None:
    text = params.get(kind, "")
    if not text:
        return mfm_scores.usual_set(known, kind)
    if text == NONE:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise NotFound(f"There is no image set {text[:40]!r}.")
    return int(text)


def _judge(there: Measured, text: str) -> str:
    if text == NONE:
        return ""
    if text and text not in there.judges and text.partition(":")[0] not in JUDGES:
        raise GgtError(f"There is no judge {text[:40]!r}.")
    return text or mfm_scores.usual_judge(there)


def _weights(params: Mapping[str, str]) -> dict[str, float] | None:
    given = {aspect: params[aspect] for aspect in ASPECTS if params.get(aspect, "").strip()}
    if not given:
        return None
    weights = dict.fromkeys(ASPECTS, 1.0)
    for aspect, text in given.items():
        try:
            weights[aspect] = float(text)
        except ValueError:
            weights[aspect] = -1.0
        if not 0 <= weights[aspect] <= 1000:
            raise GgtError(f"The weight of {ASPECTS[aspect]} is {text[:20]!r}: write a number from 0 to 1000.")
    if not any(weights.values()):
        raise GgtError("All weights are 0, so nothing is averaged. Give at least one aspect a weight.")
    return weights
