"""Drawing how a clean image is to be degraded by the second-order pipeline of Real-ESRGAN (paper, Sec. 3.2).

X. Wang, L. Xie, C. Dong, Y. Shan: Real-ESRGAN, Training Real-World Blind Super-Resolution with Pure Synthetic Data, ICCV
Workshops 2021. Blur, resize, noise and JPEG, twice; then the resize to the final size and a sinc filter, before or after
the last JPEG. The numbers are those of the authors' options for RealESRGAN_x4plus. Where those leave something open, their
release is followed: half of all shape parameters are drawn at or below 1 and half at or above it (so half of the plateaus
have exactly 1); the second resize is relative to the final size; the three ways of resizing are equally likely.

``scale`` is what the published network undoes: 4. Here it is 1 unless asked for, since the paper restores at one size,
1024x1024 in and out, and since its Table 1 speaks against 4: PSNR up to 27.5 and LPIPS down to 0.13 on DIV2K-val, where x4
super-resolution after this pipeline is reported at about 24 and 0.26 to 0.31 (OSEDiff, S3Diff). The paper does not say.
``REAL_ESRGAN_X4`` goes to a quarter and comes back to the full size.

A recipe is data: equal recipes and equal pixels give equal results (``workers.degradations.second_order``).
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import numpy as np

Range = tuple[float, float]
T = TypeVar("T")

GAUSSIAN_KINDS = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
KERNEL_KINDS = (*GAUSSIAN_KINDS, "sinc")
RESIZE_MODES = ("area", "bilinear", "bicubic")
NOISE_KINDS = ("gaussian", "poisson")
LARGEST_FACTOR = 4.0
"""A recipe may come from a file: one that asks for a picture a thousand times as wide is refused."""


@dataclass(frozen=True)
class Kernel:
    """One blur kernel, ``size`` x ``size``. Sigmas in pixels, ``rotation`` and ``cutoff`` (of a sinc, per pixel) in radians.

    ``beta`` is the shape parameter of generalised Gaussians and plateaus.
    """

    kind: str
    size: int
    sigma_x: float = 0.0
    sigma_y: float = 0.0
    rotation: float = 0.0
    beta: float = 1.0
    cutoff: float = 0.0

    def __post_init__(self) -> None:
        _need(self.kind in KERNEL_KINDS, f"unknown kernel {self.kind!r}")
        _need(_whole(self.size, 1, 99) and self.size % 2 == 1, f"a kernel's size is odd and at most 99, not {self.size}")
        given = (self.cutoff,) if self.kind == "sinc" else (self.sigma_x, self.sigma_y, self.beta)
        _need(all(0 < value < math.inf for value in given), f"a {self.kind} kernel needs positive numbers, not {given}")
        _need(math.isfinite(self.rotation), f"{self.rotation} is no angle")


@dataclass(frozen=True)
class Resize:
    """``factor`` times the clean size in the first stage, the final size in the second."""

    factor: float
    mode: str

    def __post_init__(self) -> None:
        _need(self.mode in RESIZE_MODES, f"unknown resize {self.mode!r}")
        _need(
            0 < self.factor <= LARGEST_FACTOR, f"a resize factor is above 0 and at most {LARGEST_FACTOR}, not {self.factor}"
        )


@dataclass(frozen=True)
class Noise:
    """``level``: of Gaussian noise its standard deviation in 8-bit levels, of Poisson noise how many times it is added.

    ``grey``: one value for the three channels. ``seed`` starts PCG64.
    """

    kind: str
    level: float
    grey: bool
    seed: int

    def __post_init__(self) -> None:
        _need(self.kind in NOISE_KINDS, f"unknown noise {self.kind!r}")
        _need(0 <= self.level < math.inf, f"a noise level is 0 or more, not {self.level}")
        _need(_whole(self.seed, 0, 2**64 - 1), f"a seed is a whole number of 64 bits, not {self.seed}")


@dataclass(frozen=True)
class Stage:
    """Blur (or none), resize, noise and JPEG, in this order; the second stage's JPEG may wait for the final filter."""

    blur: Kernel | None
    resize: Resize
    noise: Noise
    jpeg: int

    def __post_init__(self) -> None:
        _need(_whole(self.jpeg, 1, 100), f"a JPEG quality is 1 to 100, not {self.jpeg}")


@dataclass(frozen=True)
class Recipe:
    """Every number that was drawn. ``jpeg_last``: the final resize and sinc filter come before the second JPEG."""

    first: Stage
    second: Stage
    final_mode: str
    final_sinc: Kernel | None
    jpeg_last: bool
    scale: int
    seed: int

    def __post_init__(self) -> None:
        _need(self.final_mode in RESIZE_MODES, f"unknown resize {self.final_mode!r}")
        _need(_whole(self.scale, 1, 16), f"scale is 1 to 16, not {self.scale}")

    def to_json(self) -> str:
        """One line; equal recipes give equal text, and ``from_json`` gives back exactly the same numbers."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Recipe":
        """Raises ValueError, naming what is wrong, for text that is no recipe."""
        try:
            told = json.loads(text)
            return Recipe(
                **{
                    **told,
                    "first": _stage(told["first"]),
                    "second": _stage(told["second"]),
                    "final_sinc": _kernel(told["final_sinc"]),
                }
            )
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a recipe of a second-order degradation: {error}") from error


@dataclass(frozen=True)
class StageParams:
    """What one stage is drawn from. Ranges are uniform, both ends included; the defaults are the first stage's."""

    blur_prob: float = 1.0
    kernel_sizes: tuple[int, ...] = tuple(range(7, 22, 2))
    kernel_probs: tuple[float, ...] = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
    """Of ``GAUSSIAN_KINDS``, where the kernel is not a sinc."""
    sinc_prob: float = 0.1
    sigma: Range = (0.2, 3.0)
    generalized_beta: Range = (0.5, 4.0)
    plateau_beta: Range = (1.0, 2.0)
    resize_probs: tuple[float, float, float] = (0.2, 0.7, 0.1)
    """Up, down, keep."""
    resize: Range = (0.15, 1.5)
    gaussian_prob: float = 0.5
    gaussian: Range = (1.0, 30.0)
    poisson: Range = (0.05, 3.0)
    grey_prob: float = 0.4
    jpeg: tuple[int, int] = (30, 95)


@dataclass(frozen=True)
class SecondOrder:
    """The whole pipeline's parameters, as published except for ``scale`` (see above)."""

    first: StageParams = field(default_factory=StageParams)
    second: StageParams = field(
        default_factory=lambda: StageParams(
            blur_prob=0.8,
            sigma=(0.2, 1.5),
            resize_probs=(0.3, 0.4, 0.3),
            resize=(0.3, 1.2),
            gaussian=(1.0, 25.0),
            poisson=(0.05, 2.5),
        )
    )
    final_sinc_prob: float = 0.8
    jpeg_last_prob: float = 0.5
    scale: int = 1


REAL_ESRGAN = SecondOrder()
REAL_ESRGAN_X4 = SecondOrder(scale=4)

ROTATION: Range = (-math.pi, math.pi)
SHARPEST_CUTOFF = math.pi
SMALL_KERNEL = 13
"""Below this size a sinc's cutoff is drawn from a third of pi on, else from a fifth: a small kernel cannot hold less."""


def image_seed(set_seed: int, pixel_hash: str) -> int:
    """The seed of one image in a set, 0 to 2^48 - 1: of its content, so that neither name nor order changes the result.

    48 bits, which JSON readers that keep numbers as doubles hold exactly.
    """
    digest = hashlib.blake2b(f"second-order:{set_seed}:{pixel_hash}".encode(), digest_size=6)
    return int.from_bytes(digest.digest(), "big")


def sample_recipe(seed: int, params: SecondOrder = REAL_ESRGAN) -> Recipe:
    """One recipe. ``scale`` changes no draw: the same seed gives the same kernels and noise at every scale."""
    dice = _Dice(seed)
    first, second = _draw_stage(dice, params.first), _draw_stage(dice, params.second)
    final_mode = dice.pick(RESIZE_MODES)
    final_sinc = None
    if dice.chance(params.final_sinc_prob):
        final_sinc = Kernel(
            "sinc", dice.pick(params.second.kernel_sizes), cutoff=dice.between((math.pi / 3, SHARPEST_CUTOFF))
        )
    return Recipe(first, second, final_mode, final_sinc, dice.chance(params.jpeg_last_prob), params.scale, seed)


class _Dice:
    """Draws from PCG64 through ``Generator.random`` alone, NumPy's plainest use of the bit stream."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.Generator(np.random.PCG64(seed))

    def chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def between(self, ends: Range) -> float:
        return min(ends[0] + (ends[1] - ends[0]) * self._rng.random(), ends[1])

    def integer(self, first: int, last: int) -> int:
        return min(first + int(self._rng.random() * (last - first + 1)), last)

    def pick(self, options: tuple[T, ...], probabilities: tuple[float, ...] = ()) -> T:
        """Of ``options``, evenly or by ``probabilities``, which sum to 1."""
        at = self._rng.random()
        if not probabilities:
            return options[int(at * len(options))]
        for option, probability in zip(options, probabilities, strict=True):
            at -= probability
            if at < 0:
                return option
        return options[-1]


def _draw_stage(dice: _Dice, params: StageParams) -> Stage:
    blur = _draw_kernel(dice, params) if dice.chance(params.blur_prob) else None
    low, high = params.resize
    factor = dice.between(dice.pick(((1.0, high), (low, 1.0), (1.0, 1.0)), params.resize_probs))
    resize = Resize(factor, dice.pick(RESIZE_MODES))
    kind = "gaussian" if dice.chance(params.gaussian_prob) else "poisson"
    level = dice.between(params.gaussian if kind == "gaussian" else params.poisson)
    noise = Noise(kind, level, dice.chance(params.grey_prob), dice.integer(0, 2**48 - 1))
    return Stage(blur, resize, noise, dice.integer(*params.jpeg))


def _draw_kernel(dice: _Dice, params: StageParams) -> Kernel:
    size = dice.pick(params.kernel_sizes)
    if dice.chance(params.sinc_prob):
        lowest = math.pi / 3 if size < SMALL_KERNEL else math.pi / 5
        return Kernel("sinc", size, cutoff=dice.between((lowest, SHARPEST_CUTOFF)))
    kind = dice.pick(GAUSSIAN_KINDS, params.kernel_probs)
    sigma_x = sigma_y = dice.between(params.sigma)
    rotation = 0.0
    if kind.endswith("aniso"):
        sigma_y, rotation = dice.between(params.sigma), dice.between(ROTATION)
    beta = 1.0
    if kind not in ("iso", "aniso"):
        low, high = params.generalized_beta if kind.startswith("generalized") else params.plateau_beta
        beta = dice.between((low, 1.0) if dice.chance(0.5) else (1.0, high))
    return Kernel(kind, size, sigma_x, sigma_y, rotation, beta)


def _stage(told: dict[str, Any]) -> Stage:
    return Stage(
        **{**told, "blur": _kernel(told["blur"]), "resize": Resize(**told["resize"]), "noise": Noise(**told["noise"])}
    )


def _kernel(told: dict[str, Any] | None) -> Kernel | None:
    return Kernel(**told) if told is not None else None


def _whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _need(met: bool, what: str) -> None:
    if not met:
        raise ValueError(what)
