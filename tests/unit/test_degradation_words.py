"""What was done to an image, in words. If these fail, people are told something else than what was done."""

import pytest

from app.domain.degradation_recipe import REAL_ESRGAN_X4, Kernel, Noise, Recipe, Resize, Stage, sample_recipe
from app.domain.degradation_words import in_words

FIRST = Stage(Kernel("iso", 13, 1.25, 1.25), Resize(0.637, "area"), Noise("gaussian", 12.04, True, 1), 55)
SECOND = Stage(None, Resize(1.2, "bicubic"), Noise("poisson", 0.5, False, 2), 80)
STRETCHED = Kernel("plateau_aniso", 7, 0.5, 2.0, 1.0, 1.5)


def test_everything_is_told_in_its_order() -> None:
    recipe = Recipe(FIRST, SECOND, "bilinear", Kernel("sinc", 21, cutoff=1.0), jpeg_last=True, scale=1, seed=3)
    assert in_words(recipe) == (
        "Blur: Gaussian 13 × 13, sigma 1.25", "Resize to 64 % of the clean size (area)",
        "Noise: Gaussian, 12.0 levels, grey", "JPEG 55", "No blur", "Resize to 120 % of the final size (bicubic)",
        "Noise: Poisson, 0.50 times", "Resize to the final size (bilinear)", "Filter: sinc 21 × 21, cutoff 1.00", "JPEG 80",
    )  # fmt: skip


def test_jpeg_may_come_before_the_last_filter_and_the_scale_is_told() -> None:
    first = Stage(STRETCHED, FIRST.resize, FIRST.noise, FIRST.jpeg)
    told = in_words(Recipe(first, SECOND, "area", None, jpeg_last=False, scale=4, seed=3))
    assert told[0] == "Blur: stretched plateau 7 × 7, sigma 0.50 by 2.00, turned by 57°, shape 1.50"
    assert told[-3:] == (
        "JPEG 80",
        "Resize to the final size (area)",
        "The final size is 1/4; brought back to the clean size",
    )


@pytest.mark.parametrize("seed", range(60))
def test_every_recipe_that_is_drawn_can_be_told(seed: int) -> None:
    assert len(in_words(sample_recipe(seed, REAL_ESRGAN_X4))) in (10, 11)
