"""Fidelity against perceptual quality (the aspect scores of Eq. 1), a point a setting, as SVG, PNG or PDF.

The same numbers give the same bytes: nothing in a file tells a date or a program. Matplotlib is loaded when the first figure
is drawn, without pyplot; one figure at a time, since its settings are the process's.
"""

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from app.services.mfm_scores import MfmTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["svg", "png", "pdf"]
MEDIA_TYPES: dict[Kind, str] = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7f5fc9", "#8c8c20", "#c2185b", "#777777")
"""Okabe and Ito's, told apart by most people, and more; shapes tell them apart too."""
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d", "8", "H")
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "ggt", "svg.fonttype": "path", "pdf.fonttype": 42, "font.family": "DejaVu Sans", "font.size": 8,
    "path.simplify": False, "text.parse_math": False,
}  # fmt: skip
METADATA: dict[Kind, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
SIZE = (8.4, 4.6)
_turn = threading.Lock()


@dataclass(frozen=True)
class Point:
    """A setting: its model, its prompt, and its aspect scores, from 0 to 1."""

    model: str
    prompt: str
    fidelity: float
    perceptual: float


def points(found: MfmTable) -> tuple[Point, ...]:
    """Settings that have both aspects."""
    made = []
    for line, scored in zip(found.lines, found.scored.rows, strict=True):
        fidelity, perceptual = scored.aspects.get("fid"), scored.aspects.get("per")
        if fidelity is not None and perceptual is not None:
            made.append(Point(line.model, line.prompt, fidelity, perceptual))
    return tuple(made)


@lru_cache(maxsize=32)
def draw(found: tuple[Point, ...], kind: Kind, dark: bool = False) -> bytes:
    """The figure; ``dark`` for our pages, else on white."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with _turn, mpl.rc_context(SETTINGS):
        figure = Figure(figsize=SIZE, dpi=200)
        FigureCanvasAgg(figure)
        _fill(figure, found, dark)
        data = io.BytesIO()
        figure.savefig(data, format=kind, metadata=METADATA[kind], facecolor=figure.get_facecolor())
    return data.getvalue()


def _fill(figure: "Figure", found: Sequence[Point], dark: bool) -> None:
    back, ink, line = ("#232325", "#ececee", "#4a4a4f") if dark else ("#ffffff", "#111111", "#cccccc")
    figure.set_facecolor(back)
    axes = figure.add_axes((0.07, 0.11, 0.69, 0.85))
    axes.set_facecolor(back)
    axes.set_xlabel("Fidelity (aspect score of Eq. 1)", color=ink)
    axes.set_ylabel("Perceptual quality (aspect score of Eq. 1)", color=ink)
    axes.tick_params(colors=ink)
    axes.grid(color=line, linewidth=0.5)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(line)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(-0.04, 1.04)
    models = list(dict.fromkeys(point.model for point in found))
    for at, model in enumerate(models):
        own = [point for point in found if point.model == model]
        axes.scatter(
            [point.fidelity for point in own], [point.perceptual for point in own], s=26, marker=SHAPES[at % len(SHAPES)],
            color=COLOURS[at % len(COLOURS)], edgecolors=back, linewidths=0.4, label=model, zorder=3,
        )  # fmt: skip
    if models:
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0, fontsize=7)
        for text in legend.get_texts():
            text.set_color(ink)
    _label(figure, axes, found, ink)


def _label(figure: "Figure", axes: "Axes", found: Sequence[Point], ink: str) -> None:
    """Names of prompts beside their points, each at the place around its point where it covers least."""
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    dots = [axes.transData.transform((point.fidelity, point.perceptual)) for point in found]
    dot, gap = 7.0, 10.0
    taken: list[tuple[float, float, float, float]] = [(x - dot, y - dot, x + dot, y + dot) for x, y in dots]
    frame = axes.get_window_extent(renderer)
    for point, (x, y) in zip(found, dots, strict=True):
        text = axes.text(0, 0, point.prompt, fontsize=6, color=ink, va="center", ha="center")
        box = text.get_window_extent(renderer)
        wide, high = box.width / 2 + 1, box.height / 2
        best, least = (x + gap + wide, y), float("inf")
        for reach in (1.0, 1.8, 2.8):
            for right, up in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
                middle = (x + right * (gap * reach + wide), y + up * (gap * reach + high))
                own = (middle[0] - wide, middle[1] - high, middle[0] + wide, middle[1] + high)
                inside = frame.x0 <= own[0] and own[2] <= frame.x1 and frame.y0 <= own[1] and own[3] <= frame.y1
                covered = sum(_shared(own, other) for other in taken) + (0 if inside else 1e6) + reach
                if covered < least:
                    best, least = middle, covered
        taken.append((best[0] - wide, best[1] - high, best[0] + wide, best[1] + high))
        at = axes.transData.inverted().transform(best)
        text.set_position((float(at[0]), float(at[1])))


def _shared(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0
