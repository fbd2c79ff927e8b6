"""The figures of Table 1: fidelity against perceptual quality, and typical outputs (Fig. 4)."""

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Request, Response

from app import db
from app.errors import GgtError
from app.services import mfm_chart, mfm_typical
from app.services.mfm_typical import Row, Shot, Typical
from app.web.deps import Reader, Researcher
from app.web.pages.mfm_choices import PATH, Opened, opened
from app.web.templating import render

router = APIRouter(prefix="/benchmarks")


@dataclass(frozen=True)
class TypicalPage:
    """``ids`` are the images that the address names; ``other`` leads to the next six, ``first`` to the first."""

    typical: Typical
    ids: str
    hidden: tuple[tuple[str, str], ...]
    other: str
    first: str
    sheet: str
    back: str


@router.get("/mfm/chart.{kind}")
def chart(
    kind: Literal["svg", "png", "pdf"], request: Request, _viewer: Researcher, download: bool = False, dark: bool = False
) -> Response:
    """The chart. The session is not held while it is drawn."""
    with db.reading() as session:
        points = mfm_chart.points(opened(session, request.query_params).table)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if download:
        headers["Content-Disposition"] = f'attachment; filename="mfm-fidelity-perceptual.{kind}"'
    return Response(mfm_chart.draw(points, kind, dark), media_type=mfm_chart.MEDIA_TYPES[kind], headers=headers)


@router.get("/mfm/typical")
def typical(request: Request, viewer: Researcher, session: Reader, images: str = "", turn: int = 0) -> Response:
    found = opened(session, request.query_params)
    ids = parse_ids(images)
    turn = max(0, min(turn, 10_000))
    made = mfm_typical.typical(session, found.table, found.there, ids, turn)
    return render(request, viewer, "mfm/typical.html", _page(found, made, ids, turn))


@router.get("/mfm/typical.png")
def typical_sheet(request: Request, _viewer: Researcher, images: str = "", turn: int = 0) -> Response:
    """The same as one picture."""
    with db.reading() as session:
        found = opened(session, request.query_params)
        made = mfm_typical.typical(session, found.table, found.there, parse_ids(images), max(0, min(turn, 10_000)))
    headers = {"Content-Disposition": 'attachment; filename="mfm-typical.png"', "Cache-Control": "no-store"}
    return Response(mfm_typical.sheet(made), media_type="image/png", headers=headers)


def parse_ids(text: str) -> tuple[int, ...]:
    """Image ids with commas or spaces between. Raises GgtError."""
    parts = text.replace(",", " ").replace("#", " ").split()
    if wrong := [part for part in parts if not part.isdecimal() or len(part) > 9]:
        raise GgtError(f"{wrong[0][:40]!r} is no image's number: write them as 12, 34.")
    return tuple(int(part) for part in parts)


def _page(found: Opened, made: Typical, ids: tuple[int, ...], turn: int) -> TypicalPage:
    asked, path = found.asked, f"{PATH}/typical"
    named = ",".join(map(str, ids))
    return TypicalPage(
        typical=made,
        ids=", ".join(str(row.image_id) for row in made.rows),
        hidden=tuple(asked.given.items()),
        other=asked.url(path, turn=turn + 1) if made.more else "",
        first=asked.url(path) if turn or ids else "",
        sheet=asked.url(f"{path}.png", images=named, turn=turn or "") if made.rows else "",
        back=asked.url(),
    )


_SHOTS = (Shot(34, "cd" * 32, "ef" * 32, ""), Shot(None, "", "", "refused: <SAFETY>"))
_TYPICAL = Typical(
    (("Nano <b>", "Gemini"), ("Non-local means (local)", "–")), (Row(12, "Rain", "ab" * 32, "cd" * 32, _SHOTS),), True
)  # fmt: skip
EXAMPLES = {
    "mfm/typical.html": [
        TypicalPage(_TYPICAL, "12", (("judge", "<b>"),), "/x?turn=1", "/x", "/x.png", PATH),
        TypicalPage(Typical((), (), False), "", (), "", "", "", PATH),
    ]
}
