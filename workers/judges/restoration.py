"""Restoration quality: what was gained over the LQ, in the terms of its category, less what was spoilt.

Every gain is a ratio of HQ to LQ in doublings (log2), so that 0 means nothing happened; noise, thin structure and edges
are measured relative to each image's own contrast, so that brightening neither earns nor costs anything by itself.
"""

import cv2
import numpy as np

from workers.judges.pair import THIN_CATEGORIES, Finding, Pair, Plane, contrast, gradient, noise, scale, smooth, without_thin

_KNOTS = ((-1.0, 5.0), (0.0, 35.0), (0.15, 48.0), (0.3, 62.0), (0.6, 75.0), (1.2, 88.0), (2.5, 97.0))
# Whatever else was gained: an HQ that lost its edges is no target.
_LOSS_KNOTS = ((-1.5, 5.0), (-0.5, 50.0), (-0.3, 65.0), (-0.15, 85.0), (0.0, 100.0))
# Edges steeper than lenses draw them (clean photographs measure 1.7 to 2.2) are sharpening's overshoot.
_OVERSHARP_KNOTS = ((2.2, 100.0), (2.4, 58.0), (3.0, 30.0), (4.0, 10.0))

# Mean squared gradient that white noise of unit variance leaves at the fine scale of edge_steepness.
_NOISE_POWER = 0.073


def assess(pair: Pair) -> Finding:
    """Score the gain; numbers: each gain in doublings, and the total."""
    lq, hq = pair.lq_luma, pair.hq_luma
    contrasts = contrast(lq), contrast(hq)
    noises = noise(lq), noise(hq)
    before = edge_steepness(without_thin(lq, pair.category), noises[0])
    after = edge_steepness(without_thin(hq, pair.category), noises[1])
    edges = _doublings(after, before, 0.1)
    gains = {
        "noise": 0.6 * _doublings(noises[0] / contrasts[0], noises[1] / contrasts[1], 0.015),
        "sharpness": (2.5 if edges > 0 else 1.5) * edges,
        "blocks": 0.4 * _doublings(blockiness(lq), blockiness(hq), 0.2),
    }
    if pair.category == "haze":
        gains["veil"] = 1.5 * _doublings(dark_channel(pair.lq), dark_channel(pair.hq), 10.0)
        gains["contrast"] = _doublings(float(hq.std()), float(lq.std()), 4.0)
    if pair.category == "low_light":
        gains["light"] = _doublings(min(float(hq.mean()), 110.0), min(float(lq.mean()), 110.0), 8.0)
    if pair.category in THIN_CATEGORIES:
        gains["thin"] = 0.8 * _thin(lq, hq)
    if pair.category == "old_photo":
        gains["contrast"] = _doublings(contrasts[1], contrasts[0], 20.0)
    bounded = {k: float(np.clip(v, -2.0, 1.5)) for k, v in gains.items()}
    total = sum(v for v in bounded.values())
    score = min(scale(total, _KNOTS), scale(edges, _LOSS_KNOTS))
    if edges > 0.15:
        score = min(score, scale(after, _OVERSHARP_KNOTS))
    told = ", ".join(f"{k} {v:+.2f}" for k, v in bounded.items())
    reason = f"Gain over the LQ in doublings: {told}; together {total:+.2f}."
    return Finding(score, reason, {**bounded, "total": total, "edge_steepness": after})


def _doublings(more: float, less: float, floor: float) -> float:
    return float(np.log2((more + floor) / (less + floor)))


def edge_steepness(plane: Plane, sigma: float) -> float:
    """Edge steepness, 0 to about 3: fine against coarse gradient at the strongest edges, the share of noise taken off."""
    fine, coarse = gradient(smooth(plane, 0.8)), gradient(smooth(plane, 3.0))
    edges = coarse >= np.percentile(coarse, 95)
    power = float((fine[edges] ** 2).mean()) - _NOISE_POWER * sigma**2
    return float(np.sqrt(max(power, 0.0)) / (float(np.sqrt((coarse[edges] ** 2).mean())) + 0.1))


def blockiness(plane: Plane) -> float:
    """Step across the strongest of the eight possible JPEG grids over the mean step, less one, 0 for none."""
    excess = 0.0
    for axis in (0, 1):
        if plane.shape[axis] < 24:
            continue
        steps = np.abs(np.diff(plane, 2, axis=axis)).mean(axis=1 - axis)
        phases = np.array([float(steps[i::8].mean()) for i in range(8)])
        excess = max(excess, float(phases.max() / (np.median(phases) + 0.2)) - 1)
    return max(excess, 0.0)


def dark_channel(image: np.ndarray) -> float:
    """Mean dark channel (He, Sun, Tang, 2009), 0 to 255, high in haze."""
    return float(cv2.erode(image.min(axis=2), np.ones((15, 15), np.uint8)).mean())


def _thin(lq: Plane, hq: Plane) -> float:
    """Bright structure under 9 pixels wide (white top-hat) that went, less what came, in doublings of a faint amount."""
    kernel = np.ones((9, 9), np.uint8)
    hats = [cv2.morphologyEx(p, cv2.MORPH_TOPHAT, kernel) / contrast(p) for p in (lq, hq)]
    gone = hats[0] - hats[1]
    went, came = (float(np.maximum(sign * gone - 0.04, 0).mean()) for sign in (1, -1))
    return _doublings(went, came, 0.004)
