"""Metrics on a CUDA card: the values of a CPU, the same every time, and nothing kept beyond its bound. Skipped without one.

If these fail, a table made on a GPU worker cannot be compared with one made on a CPU.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyiqa")

from app.catalog.metrics import KNOWN
from workers.metrics.engine import Rgb, ScoringEngine

pytestmark = pytest.mark.xdist_group("torch")
TOLERANCE = {"niqe": 5e-3, "brisque": 2e-2, "piqe": 2e-3}
"""What float32 sums move these between machines; the others agree to four digits."""
KEYS = [key for key, spec in KNOWN.items() if not any(weight.repository for weight in spec.weights)]


@pytest.fixture(scope="module")
def engines(weights: Path) -> tuple[ScoringEngine, ScoringEngine]:
    """One on the card and one on the CPU. torch is not imported while tests are collected, since that takes seconds."""
    if not importlib.import_module("torch").cuda.is_available():
        pytest.skip("no CUDA card")
    return ScoringEngine(weights, "cuda:0"), ScoringEngine(weights, threads=2)


@pytest.fixture(scope="module")
def group() -> tuple[Rgb, list[Rgb]]:
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 256, (12, 16, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    noisy = [np.clip(rough + rng.normal(0, 4 + 6 * n, rough.shape), 0, 255).astype(np.uint8) for n in range(3)]
    return noisy[0], noisy[1:]


@pytest.mark.parametrize("key", KEYS)
def test_a_card_gives_a_cpus_value_every_time(
    engines: tuple[ScoringEngine, ScoringEngine], group: tuple[Rgb, list[Rgb]], key: str
) -> None:
    card, cpu = engines
    reference, images = group
    given = reference if KNOWN[key].reference else None
    first, again, expected = (engine.score_group([key], images, given)[key] for engine in (card, card, cpu))
    assert first == again
    values = [one.value for one in expected]
    assert [one.value for one in first] == pytest.approx(values, abs=TOLERANCE.get(key, 1e-4), nan_ok=True)


def test_what_is_kept_of_references_is_bounded_on_the_card(
    engines: tuple[ScoringEngine, ScoringEngine], group: tuple[Rgb, list[Rgb]]
) -> None:
    card, _ = engines
    small = ScoringEngine(card.weights_dir, "cuda:0", feature_bytes=1 << 20)
    for shift in range(4):
        small.score_group(["lpips", "dists", "ssim"], group[1], np.roll(group[0], shift, axis=1))
    assert small._features.size <= 1 << 20
