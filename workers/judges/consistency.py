"""Object consistency: is the structure of the LQ still there, region by region, and nothing else?

Both planes are brought to a common, coarse scale, where degradations mostly vanish and objects do not. HQ is blurred
by the Gaussian that explains the LQ best, since a right HQ, degraded again, gives the LQ. Local agreement is the structure
term of SSIM (Wang et al., 2004): correlation, thus blind to brightness and contrast, with a constant that keeps
noise in flat areas from counting as structure.
"""

import numpy as np

from workers.judges.pair import (
    Finding,
    Pair,
    Plane,
    contrast,
    noise,
    regions,
    resized,
    scale,
    smooth,
    without_thin,
    worst_places,
)

_LONGEST = 256
_WINDOW = 3.0
_BLURS = (0.0, 0.7, 1.2, 2.0, 3.0)
_FLOOR = 0.015
_KNOTS = ((0.0, 0.0), (0.4, 30.0), (0.7, 70.0), (0.84, 90.0), (0.95, 100.0))


def assess(pair: Pair) -> Finding:
    """Score structural agreement; numbers: mean over the grid, mean of its worst regions, matched blur."""
    lq, hq = _normalised(pair.lq_luma, pair.category), _normalised(pair.hq_luma, pair.category)
    floor = _FLOOR**2 + 4 * noise(lq) ** 2
    agreement, blur = max(((_agreement(lq, smooth(hq, b), floor), b) for b in _BLURS), key=lambda a: float(a[0].mean()))
    weight = np.sqrt(_variance(lq) + _variance(hq)) + 0.01
    if pair.category == "old_photo":  # The print's torn border and its mount are no part of the scene.
        rows, columns = (max(1, side // 25) for side in weight.shape)
        weight = np.pad(weight[rows:-rows, columns:-columns], ((rows, rows), (columns, columns)), constant_values=1e-6)
    cells = []
    for region in regions(agreement.shape):
        part = region.rows, region.columns
        cells.append((float(np.average(agreement[part], weights=weight[part])), region.name))
    values = sorted(v for v, _ in cells)
    mean, worst = float(np.mean(values)), float(np.mean(values[: max(1, len(values) // 20)]))
    score = scale(0.35 * mean + 0.65 * worst, _KNOTS)
    named = ", ".join(f"{n} ({1 - v:.2f})" for v, n in worst_places([(1 - v, n) for v, n in cells]))
    reason = f"Structure agrees with the LQ by {mean:.2f} on average and {worst:.2f} in the worst regions: {named}."
    return Finding(score, reason, {"mean": mean, "worst": worst, "matched_blur": blur})


def _normalised(plane: Plane, category: str) -> Plane:
    """The coarse plane in units of its own contrast."""
    coarse = smooth(resized(without_thin(plane, category), _LONGEST), 1.0)
    return np.asarray(coarse / contrast(coarse), dtype=np.float32)


def _variance(plane: Plane) -> Plane:
    mean = smooth(plane, _WINDOW)
    return np.maximum(smooth(plane * plane, _WINDOW) - mean * mean, 0)


def _agreement(lq: Plane, hq: Plane, floor: float) -> Plane:
    """Structure term per pixel, -1 to 1."""
    covariance = smooth(lq * hq, _WINDOW) - smooth(lq, _WINDOW) * smooth(hq, _WINDOW)
    return np.asarray((covariance + floor) / np.sqrt((_variance(lq) + floor) * (_variance(hq) + floor)), dtype=np.float32)
