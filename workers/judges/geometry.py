"""Geometry alignment: how far, in pixels, has the HQ's structure moved?

Global shift by phase correlation (Kuglin and Hines, 1975), local displacement by dense inverse search optical flow
(Kroeger et al., 2016) on planes of normalised local contrast. Flow counts only where there is texture in two directions and
where the warped images really match; elsewhere it is guesswork.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

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

_LONGEST = 512
_SMALLEST = 64
_KNOTS = ((0.0, 100.0), (1.0, 92.0), (2.0, 75.0), (3.0, 60.0), (4.0, 40.0), (8.0, 10.0), (20.0, 0.0))
_MATCH_KNOTS = ((0.0, 20.0), (0.1, 60.0), (0.3, 85.0), (0.6, 100.0))
_RESPONSE = 0.3  # Peak of the phase correlation under which it has found nothing.
_ENOUGH = 50  # Pixels.


def assess(pair: Pair) -> Finding:
    """Score displacement; numbers: global shift, median and 95th percentile in pixels of the image, matched share."""
    lq, hq = _working(pair.lq_luma, pair.category), _working(pair.hq_luma, pair.category)
    pixel = pair.lq_luma.shape[1] / lq.shape[1]
    window = cv2.createHanningWindow(lq.shape[::-1], cv2.CV_32F)
    (dx, dy), response = cv2.phaseCorrelate(lq.astype(np.float32), hq.astype(np.float32), window)
    shift = float(np.hypot(dx, dy)) * pixel if response > _RESPONSE else 0.0
    textured = _textured(lq) & _textured(hq)
    if int(textured.sum()) < _ENOUGH:
        reason = f"Too little texture to measure local displacement; global shift {shift:.1f} px."
        return Finding(scale(shift, _KNOTS), reason, {"shift": shift, "response": float(response)})
    flow, matched = _displacement(lq, hq, textured)
    share = float(matched.sum() / textured.sum())
    if int(matched.sum()) < _ENOUGH:
        reason = f"Only {share:.0%} of the textured area can be found again in the HQ."
        return Finding(scale(share, _MATCH_KNOTS), reason, {"shift": shift, "matched": share})
    length = np.hypot(flow[..., 0], flow[..., 1]) * pixel
    median, high = (float(v) for v in np.percentile(length[matched], (50, 95)))
    cells = []
    for region in regions(lq.shape):
        part = region.rows, region.columns
        here = matched[part]
        if here.sum() >= max(0.05 * here.size, 0.3 * textured[part].sum()):
            cells.append((float(np.median(length[part][here])), region.name))
    worst = float(np.mean(sorted((v for v, _ in cells), reverse=True)[:2])) if cells else median
    score = min(scale(max(shift, median, 0.7 * high, worst), _KNOTS), scale(share, _MATCH_KNOTS))
    named = ", ".join(f"{n} ({v:.1f} px)" for v, n in worst_places(cells)) or "no one place"
    reason = (
        f"Median displacement {median:.1f} px, 95th percentile {high:.1f} px, global shift {shift:.1f} px; "
        f"largest at {named}; {share:.0%} of the texture found again."
    )
    numbers = {"shift": shift, "median": median, "p95": high, "worst": worst, "matched": share}
    return Finding(score, reason, {**numbers, "response": float(response)})


def _displacement(
    lq: NDArray[np.uint8], hq: NDArray[np.uint8], textured: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Flow from LQ to HQ (H, W, 2) in working pixels, and where it can be believed.

    A displacement counts only where it explains the images far better than none and leads back again: else it is noise in
    the flow, and taken as none.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    empty = np.zeros((*lq.shape, 2), np.float32)
    flow, back = (np.asarray(dis.calc(a, b, empty.copy()), dtype=np.float32) for a, b in ((lq, hq), (hq, lq)))
    still, moved = _match(lq, hq, np.zeros_like(flow)), _match(lq, hq, flow)
    displaced = (moved > 0.7) & (1 - moved < 0.5 * (1 - still)) & (_round_trip(flow, back) < 1.0)
    return flow * displaced[..., None], textured & (displaced | (still > 0.5))


def _working(plane: Plane, category: str) -> NDArray[np.uint8]:
    """Local contrast normalised, 8 bit, long side at most 512, short side at least 64 (the flow's patches need it)."""
    plane = smooth(resized(without_thin(plane, category), _LONGEST), 1.0)
    if min(plane.shape) < _SMALLEST:
        factor = _SMALLEST / min(plane.shape)
        size = (round(plane.shape[1] * factor), round(plane.shape[0] * factor))
        plane = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    centred = plane - smooth(plane, 8)
    deviation = np.sqrt(smooth(centred * centred, 12))
    floor = 0.015 * contrast(plane) + 2 * noise(plane)
    return np.asarray(np.clip(128 + 40 * centred / (deviation + floor), 0, 255).astype(np.uint8))


def _textured(plane: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the smaller eigenvalue of the structure tensor is large: corners and texture, not straight edges."""
    eigen = cv2.cornerMinEigenVal(plane, 9, ksize=3)
    return np.asarray(eigen > 2e-4, dtype=np.bool_)


def _round_trip(flow: NDArray[np.float32], back: NDArray[np.float32]) -> Plane:
    """Distance in pixels between a point and where going forth and back leads."""
    rows, columns = np.indices(flow.shape[:2], dtype=np.float32)
    there = cv2.remap(back, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.hypot(flow[..., 0] + there[..., 0], flow[..., 1] + there[..., 1]), dtype=np.float32)


def _match(lq: NDArray[np.uint8], hq: NDArray[np.uint8], flow: NDArray[np.float32]) -> Plane:
    """Local correlation of LQ with the HQ warped back on it, -1 to 1."""
    rows, columns = np.indices(lq.shape, dtype=np.float32)
    a = lq.astype(np.float32) - 128
    warped = cv2.remap(hq, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    b = warped.astype(np.float32) - 128
    a, b = a - smooth(a, 4), b - smooth(b, 4)
    return np.asarray(smooth(a * b, 4) / (np.sqrt(smooth(a * a, 4) * smooth(b * b, 4)) + 1), dtype=np.float32)
