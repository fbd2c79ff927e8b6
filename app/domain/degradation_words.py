"""A drawn degradation in words, a line for each thing that was done, in its order."""

import math
from collections.abc import Iterator

from app.domain.degradation_recipe import Kernel, Noise, Recipe, Resize, Stage

_KERNELS = {
    "iso": "Gaussian", "aniso": "stretched Gaussian", "generalized_iso": "generalised Gaussian",
    "generalized_aniso": "stretched generalised Gaussian", "plateau_iso": "plateau", "plateau_aniso": "stretched plateau",
    "sinc": "sinc",
}  # fmt: skip


def in_words(recipe: Recipe) -> tuple[str, ...]:
    """As "Blur: Gaussian 13 × 13, sigma 1.2", "Resize to 64 % (area)", "Noise: Gaussian, 12.0 levels", "JPEG 55", ..."""
    return tuple(_lines(recipe))


def _lines(recipe: Recipe) -> Iterator[str]:
    yield from _stage(recipe.first, "the clean size")
    yield f"JPEG {recipe.first.jpeg}"
    yield from _stage(recipe.second, "the final size")
    last = [f"Resize to the final size ({recipe.final_mode})"]
    if recipe.final_sinc:
        last.append(f"Filter: {_kernel(recipe.final_sinc)}")
    jpeg = f"JPEG {recipe.second.jpeg}"
    yield from (*last, jpeg) if recipe.jpeg_last else (jpeg, *last)
    if recipe.scale != 1:
        yield f"The final size is 1/{recipe.scale}; brought back to the clean size"


def _stage(stage: Stage, size: str) -> Iterator[str]:
    yield f"Blur: {_kernel(stage.blur)}" if stage.blur else "No blur"
    yield _resize(stage.resize, size)
    yield _noise(stage.noise)


def _kernel(kernel: Kernel) -> str:
    told = f"{_KERNELS[kernel.kind]} {kernel.size} × {kernel.size}"
    if kernel.kind == "sinc":
        return f"{told}, cutoff {kernel.cutoff:.2f}"
    if kernel.sigma_x == kernel.sigma_y:
        told += f", sigma {kernel.sigma_x:.2f}"
    else:
        told += f", sigma {kernel.sigma_x:.2f} by {kernel.sigma_y:.2f}, turned by {math.degrees(kernel.rotation):.0f}°"
    return f"{told}, shape {kernel.beta:.2f}" if kernel.kind not in ("iso", "aniso") else told


def _resize(resize: Resize, size: str) -> str:
    return f"Resize to {resize.factor:.0%} of {size} ({resize.mode})".replace("%", " %")


def _noise(noise: Noise) -> str:
    grey = ", grey" if noise.grey else ""
    if noise.kind == "poisson":
        return f"Noise: Poisson, {noise.level:.2f} times{grey}"
    return f"Noise: Gaussian, {noise.level:.1f} levels{grey}"
