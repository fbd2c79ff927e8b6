"""Colour consistency in CIELAB: hue must stay; chroma may grow with the light a restoration brings back."""

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.judges.pair import Finding, Pair, regions, scale, worst_places

_LONGEST = 256
_CHROMATIC = 10.0
_HUE_KNOTS = ((0.0, 100.0), (4.0, 95.0), (8.0, 80.0), (13.0, 60.0), (25.0, 30.0), (60.0, 0.0))
_DRIFT_KNOTS = ((0.0, 100.0), (2.0, 97.0), (4.0, 85.0), (8.0, 62.0), (12.0, 40.0), (25.0, 0.0))
# Largest chroma gain that the category explains: veils and darkness take colour away, fading does too.
_CHROMA_GAIN = {"haze": 3.0, "low_light": 5.0, "old_photo": 2.5}
_DEFAULT_CHROMA_GAIN = 1.6
_CHROMA_LOSS = 0.6
_ROUNDING = 0.7
# Undoing the yellowing of an old print turns hues by right.
_LENIENCE = {"old_photo": 0.6}


def assess(pair: Pair) -> Finding:
    """Score hue and chroma; numbers: mean hue turn in degrees, mean and worst drift in CIELAB units."""
    lq, hq = _lab(pair.lq), _lab(pair.hq)
    a, b = lq[..., 1:], hq[..., 1:]
    before, after = np.hypot(a[..., 0], a[..., 1]), np.hypot(b[..., 0], b[..., 1])
    most = _CHROMA_GAIN.get(pair.category, _DEFAULT_CHROMA_GAIN)
    # Across the LQ's own hue, less what the LQ's rounding to 8 bits, magnified by the gain in chroma, explains.
    across = np.maximum(np.abs(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]) - _ROUNDING * after, 0) / (
        before + 2 * _ROUNDING
    )
    opposed = np.where((a * b).sum(axis=2) < 0, np.minimum(before, after), 0)
    beyond = np.maximum(after - most * (before + 2 * _ROUNDING), 0) + np.maximum(_CHROMA_LOSS * before - after, 0)
    drift = np.sqrt(across**2 + beyond**2 + opposed**2)
    cells = [(float(drift[r.rows, r.columns].mean()), r.name) for r in regions(drift.shape)]
    values = sorted((v for v, _ in cells), reverse=True)
    mean, worst = float(np.mean(values)), float(np.mean(values[: max(1, len(values) // 16)]))
    coloured = np.minimum(before, after) > _CHROMATIC
    turn = 0.0
    if coloured.mean() > 0.02:
        angles = np.degrees(np.arctan2(b[..., 1], b[..., 0]) - np.arctan2(a[..., 1], a[..., 0]))
        turn = float(np.average(np.abs((angles[coloured] + 180) % 360 - 180), weights=before[coloured]))
    lenience = _LENIENCE.get(pair.category, 1.0)
    score = min(scale(turn * lenience, _HUE_KNOTS), scale((0.7 * mean + 0.3 * worst) * lenience, _DRIFT_KNOTS))
    named = ", ".join(f"{n} ({v:.1f})" for v, n in worst_places(cells))
    reason = f"Hue turned by {turn:.1f} degrees, colours drifted by {mean:.1f} CIELAB units on average; most at {named}."
    return Finding(score, reason, {"hue": turn, "drift": mean, "worst": worst})


def _lab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIELAB at most 256 pixels long, so that the colour of noise averages out."""
    factor = min(1.0, _LONGEST / max(image.shape))
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    small = cv2.GaussianBlur(cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255, (0, 0), 1.5)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), dtype=np.float32)
