"""Content reasonableness: edges from nowhere, edges gone, areas clipped, halos.

Edges are compared on a coarse, locally normalised plane, so that a lifted veil or brightened shadow, which
strengthens every edge around it alike, invents nothing; one strong edge amid an empty neighbourhood does.
"""

import cv2
import numpy as np

from workers.judges.pair import (
    Finding,
    Pair,
    Plane,
    contrast,
    gradient,
    noise,
    regions,
    resized,
    scale,
    smooth,
    without_thin,
    worst_places,
)

_LONGEST = 384
_EDGE_KNOTS = ((0.0, 100.0), (0.01, 95.0), (0.03, 75.0), (0.05, 58.0), (0.1, 35.0), (0.3, 0.0))
_CLIP_KNOTS = ((0.0, 100.0), (0.02, 95.0), (0.06, 75.0), (0.1, 58.0), (0.3, 10.0))
_HALO_KNOTS = ((0.0, 100.0), (0.015, 92.0), (0.03, 75.0), (0.05, 58.0), (0.15, 10.0))


def assess(pair: Pair) -> Finding:
    """Score plausibility; numbers: shares of the image with new edges, lost edges, new clipping and halos."""
    lq, hq = _normalised(pair.lq_luma, pair.category), _normalised(pair.hq_luma, pair.category)
    floor = 0.004 + 1.5 * noise(lq)
    new, lost = _unmatched(hq, lq, floor), _unmatched(lq, hq, floor)
    cells = [(float(max(new[r.rows, r.columns].mean(), lost[r.rows, r.columns].mean())), r.name) for r in regions(new.shape)]
    top = float(np.mean(sorted((v for v, _ in cells), reverse=True)[:2]))
    numbers = {
        "new_edges": float(new.mean()),
        "lost_edges": float(lost.mean()),
        "worst": top,
        "clipped": _clipped(pair),
        "halo": _halo(pair),
    }
    edges = max(numbers["new_edges"], numbers["lost_edges"], 0.25 * top)
    score = min(scale(edges, _EDGE_KNOTS), scale(numbers["clipped"], _CLIP_KNOTS), scale(numbers["halo"], _HALO_KNOTS))
    named = ", ".join(f"{n} ({v:.0%})" for v, n in worst_places(cells))
    reason = (
        f"New edges on {numbers['new_edges']:.1%} of the image and lost ones on {numbers['lost_edges']:.1%}, "
        f"most at {named}; newly clipped {numbers['clipped']:.1%}, halos {numbers['halo']:.1%}."
    )
    return Finding(score, reason, numbers)


def _normalised(plane: Plane, category: str) -> Plane:
    coarse = smooth(resized(without_thin(plane, category), _LONGEST), 1.5)
    return np.asarray(coarse / contrast(coarse), dtype=np.float32)


def _unmatched(here: Plane, there: Plane, floor: float) -> Plane:
    """1 where ``here`` has a clear edge and ``there``, within 3 pixels and at local contrast, has hardly any."""
    a, b = gradient(here), gradient(there)
    gain = np.clip((smooth(a, 24) + floor) / (smooth(b, 24) + floor), 0.3, 4.0)
    near = cv2.dilate(b, np.ones((7, 7), np.uint8)) * gain
    return np.asarray((a > 0.02 + 2 * floor) & (near < 0.3 * a), dtype=np.float32)


def _clipped(pair: Pair) -> float:
    """Share of pixels at 0 or 255 in luma in the HQ where the LQ still showed detail: black that is only black is right."""
    detail = gradient(smooth(pair.lq_luma, 1.5)) > 0.006 * contrast(pair.lq_luma) + 0.15 * noise(pair.lq_luma)
    clipped = (pair.hq_luma <= 1) | (pair.hq_luma >= 254)
    already = (pair.lq_luma <= 1) | (pair.lq_luma >= 254)
    return float((detail & clipped & ~already).mean())


def _halo(pair: Pair) -> float:
    """Share of pixels beyond the neighbourhood's range in the LQ by over a tenth of the contrast: overshoot."""
    lq, hq = resized(pair.lq_luma, 2 * _LONGEST), resized(pair.hq_luma, 2 * _LONGEST)
    mapped = _toned(lq, hq)
    mapped = mapped + smooth(hq - mapped, 16)
    kernel = np.ones((9, 9), np.uint8)
    margin = 0.1 * contrast(hq) + 2 * noise(hq)
    over = (hq > cv2.dilate(mapped, kernel) + margin) | (hq < cv2.erode(mapped, kernel) - margin)
    return float(over.mean())


def _toned(lq: Plane, hq: Plane) -> Plane:
    """LQ with the HQ's tones: the monotone curve between their quantiles."""
    steps = np.linspace(0, 100, 33)
    return np.interp(lq, np.percentile(lq, steps), np.percentile(hq, steps)).astype(np.float32)
