"""If these fail, patches hang over an edge, repeat each other, or a degradation meant to be kept is resampled away."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.patching import Box, Patching, plan_patches
from app.imaging import cut

PATCHINGS: tuple[Patching, ...] = ("crop", "resize_crop")
sides = st.integers(1, 9000)
patchings = st.sampled_from(PATCHINGS)


@given(sides, sides, patchings, st.sampled_from([64, 256, 1024]))
def test_every_patch_is_whole_inside_and_apart_from_the_others(w: int, h: int, patching: Patching, patch: int) -> None:
    plan = plan_patches(w, h, patching, patch=patch)
    if plan.undersized:
        assert min(w, h) < patch
        assert plan.boxes == (Box(0, 0, w, h),)
        assert plan.resized is None
        return
    width, height = plan.resized or (w, h)
    assert all((b.width, b.height) == (patch, patch) for b in plan.boxes)
    assert all(b.x >= 0 and b.y >= 0 and b.x + patch <= width and b.y + patch <= height for b in plan.boxes)
    columns, rows = sorted({b.x for b in plan.boxes}), sorted({b.y for b in plan.boxes})
    assert len(plan.boxes) == len(columns) * len(rows) == (width // patch) * (height // patch)
    for starts in (columns, rows):
        assert all(b - a >= patch for a, b in pairwise(starts))
    assert list(plan.boxes) == sorted(plan.boxes, key=lambda b: (b.y, b.x))


@given(sides, sides)
def test_resize_crop_reduces_to_one_patch_and_never_enlarges(w: int, h: int) -> None:
    plan = plan_patches(w, h, "resize_crop")
    if plan.resized:
        assert min(plan.resized) == 1024 < min(w, h)
        longer = max(w, h) * 1024 / min(w, h)
        assert abs(max(plan.resized) - longer) <= 0.5
    else:
        assert min(w, h) <= 1024


@given(sides, sides)
def test_crop_never_resizes(w: int, h: int) -> None:
    assert plan_patches(w, h, "crop").resized is None


@given(sides, sides, patchings, st.integers(1, 8), st.sampled_from([None, 100, 512]))
def test_the_limit_per_photograph_holds(w: int, h: int, patching: Patching, limit: int, stride: int | None) -> None:
    every = plan_patches(w, h, patching, stride=stride).boxes
    some = plan_patches(w, h, patching, stride=stride, max_per_photo=limit).boxes
    assert len(some) == len(set(some)) == min(limit, len(every))
    assert set(some) <= set(every)


@pytest.mark.parametrize(
    ("size", "patching", "resized", "starts"),
    [
        ((1024, 1024), "crop", None, [(0, 0)]),
        ((1024, 1024), "resize_crop", None, [(0, 0)]),
        ((2047, 1024), "crop", None, [(511, 0)]),
        ((2049, 1025), "crop", None, [(0, 0), (1025, 0)]),
        ((2496, 1656), "crop", None, [(0, 316), (1472, 316)]),
        ((2496, 1656), "resize_crop", (1543, 1024), [(259, 0)]),
        ((1656, 2496), "resize_crop", (1024, 1543), [(0, 259)]),
        ((4000, 3000), "crop", None, [(x, y) for y in (0, 1976) for x in (0, 1488, 2976)]),
        ((6000, 2000), "resize_crop", (3072, 1024), [(0, 0), (1024, 0), (2048, 0)]),
    ],
)
def test_known_photographs(
    size: tuple[int, int], patching: Patching, resized: tuple[int, int] | None, starts: list[tuple[int, int]]
) -> None:
    plan = plan_patches(*size, patching)
    assert plan.resized == resized
    assert [(b.x, b.y) for b in plan.boxes] == starts


def test_a_stride_smaller_than_the_patch_overlaps() -> None:
    plan = plan_patches(2048, 1024, "crop", stride=512)
    assert [b.x for b in plan.boxes] == [0, 512, 1024]


def test_one_of_many_is_the_middle_one() -> None:
    assert plan_patches(3072, 3072, "crop", max_per_photo=1).boxes == (Box(1024, 1024, 1024, 1024),)


@pytest.mark.parametrize("bad", [{"stride": 0}, {"max_per_photo": 0}, {"patch": 0}])
def test_nonsense_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        plan_patches(2000, 2000, "crop", **bad)


def test_cut_gives_the_very_pixels_of_the_box() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    pieces = list(cut(pixels, plan_patches(200, 150, "crop", patch=64)))
    assert len(pieces) == 6
    for box, piece in pieces:
        assert np.array_equal(piece, pixels[box.y : box.y + 64, box.x : box.x + 64])
        assert not np.shares_memory(piece, pixels)


def test_cut_reduces_without_shifting_or_aliasing() -> None:
    # Columns a pixel wide average to grey; the left half stays dark and the right half bright at the right place.
    pixels = np.zeros((400, 800, 3), np.uint8)
    pixels[:, 400:] = 200
    pixels[:, ::2] //= 2
    plan = plan_patches(800, 400, "resize_crop", patch=100)
    assert plan.resized == (200, 100)
    (_, left), (_, right) = cut(pixels, plan)
    assert left.shape == right.shape == (100, 100, 3)
    assert left[:, :95].max() <= 2
    assert np.abs(right[:, 5:].astype(int) - 150).max() <= 2


def test_an_undersized_photograph_is_cut_whole() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 1500, 3), dtype=np.uint8)
    ((box, piece),) = cut(pixels, plan_patches(1500, 90, "resize_crop"))
    assert (box.width, box.height) == (1500, 90)
    assert np.array_equal(piece, pixels)
