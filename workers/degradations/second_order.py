"""Degrading a clean image by a drawn recipe of Real-ESRGAN's second-order pipeline (paper, Sec. 3.2).

Wang et al.: Real-ESRGAN, ICCV Workshops 2021; what is drawn, and from where, stands in ``app.domain.degradation_recipe``.
The clean image itself is degraded: the sharpening of the ground truth in the authors' training is no degradation, and a
fidelity benchmark compares with the original. JPEG is a real codec (4:2:0) where their training has a tensor model of it.

The same recipe and pixels give the same bits on one installation, whatever else runs: nothing here uses threads or global
state. Between installations they should too. Random numbers are PCG64's raw bits, which NumPy promises never to change,
through inverse distribution functions, not through ``Generator`` methods, which may change. Arithmetic is float64, and
what comes of a transform is rounded to 2^-16 before the next step, so that last bits of FFT, ``exp`` or ``erfinv`` on
another processor are lost before they can matter (at odds of about one image in a thousand, and then in a few pixels).
What remains is the JPEG codec: Pillow's libjpeg-turbo, whose accurate integer DCT gives equal bits with and without SIMD;
a Pillow built on another libjpeg may differ by a level.
"""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import fftconvolve
from scipy.sparse import csr_array
from scipy.special import ndtri, pdtr

from app.domain.degradation_recipe import Kernel, Noise, Recipe
from workers.degradations.kernels import kernel_values

Rgb = NDArray[np.uint8]
Image64 = NDArray[np.float64]

CUBIC = -0.75
"""Keys' parameter as PyTorch and OpenCV have it, and so the authors' pipeline."""
GOLDEN = (math.sqrt(5) - 1) / 2
"""No fraction with a small denominator is near it."""
LUMA = np.array([0.2989, 0.587, 0.114])
"""Rec. 601, of grey noise."""


def degrade(pixels: Rgb, recipe: Recipe) -> Rgb:
    """The degraded image, (H, W, 3) uint8 sRGB of the same size; ``pixels`` stays as it is. Any size from 1x1 on.

    With ``scale`` above 1 the last steps are at a ``scale``-th of the size, rounded to 8 bits as the file that the
    published network is given, and bicubic interpolation brings it back up. Raises ValueError for another kind of array.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ValueError(f"an (H, W, 3) uint8 image is needed, not {pixels.dtype} of shape {pixels.shape}")
    height, width = pixels.shape[:2]
    target = (max(1, height // recipe.scale), max(1, width // recipe.scale))
    first, second = recipe.first, recipe.second

    image = blur(pixels / 255, first.blur)
    image = resize(image, _times((height, width), first.resize.factor), first.resize.mode)
    image = jpeg(add_noise(image, first.noise), first.jpeg)

    image = blur(image, second.blur)
    size = _times((height / recipe.scale, width / recipe.scale), second.resize.factor)
    image = add_noise(resize(image, size, second.resize.mode), second.noise)
    if not recipe.jpeg_last:
        image = jpeg(image, second.jpeg)
    image = blur(resize(image, target, recipe.final_mode), recipe.final_sinc)
    if recipe.jpeg_last:
        image = jpeg(image, second.jpeg)

    levels = _levels(image)
    return levels if levels.shape == pixels.shape else _levels(resize(levels / 255, (height, width), "bicubic"))


def blur(image: Image64, kernel: Kernel | None) -> Image64:
    """Convolved with the kernel; beyond its edges the image is mirrored without repeating the edge."""
    if kernel is None:
        return image
    reach = kernel.size // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), "reflect")
    return _settled(fftconvolve(padded, kernel_values(kernel)[..., None], mode="valid", axes=(0, 1)))


def resize(image: Image64, size: tuple[int, int], mode: str) -> Image64:
    """At ``size`` (height, width) by PyTorch's "area" (adaptive mean), "bilinear" or "bicubic" (both unfiltered)."""
    height, width, channels = image.shape
    if size == (height, width):
        return image
    rows = _weights(height, size[0], mode) @ image.reshape(height, -1)
    turned = rows.reshape(size[0], width, channels).transpose(1, 0, 2).reshape(width, -1)
    columns = _weights(width, size[1], mode) @ turned
    return _settled(columns.reshape(size[1], size[0], channels).transpose(1, 0, 2))


def add_noise(image: Image64, noise: Noise) -> Image64:
    """With Gaussian or Poisson noise, cut to 0..1. Sinc filters and bicubic resizes leave that range before."""
    light = _settled((image * LUMA).sum(axis=2, keepdims=True)) if noise.grey else image
    drawn = _gaussian(light, noise) if noise.kind == "gaussian" else _poisson(light, noise)
    return _settled(np.clip(image + drawn, 0, 1))


def jpeg(image: Image64, quality: int) -> Image64:
    """Through a baseline JPEG file in memory, chroma at half the resolution."""
    buffer = io.BytesIO()
    Image.fromarray(_levels(image)).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(buffer) as decoded:
        return np.asarray(decoded, np.uint8) / 255


def _gaussian(image: Image64, noise: Noise) -> Image64:
    return np.asarray(ndtri(_uniform(noise.seed, image.shape)) * (noise.level / 255))


def _poisson(image: Image64, noise: Noise) -> Image64:
    """``level`` times the shot noise with as many photons at white as the image has 8-bit levels, up to a power of 2."""
    levels = _levels(image).ravel()
    uniform = _uniform(noise.seed, levels.shape)
    counted = np.bincount(levels, minlength=256)
    photons = 2 ** math.ceil(math.log2(np.count_nonzero(counted)))
    most = np.arange(photons + 12 * math.isqrt(photons) + 24)
    # By level: each has its own distribution, and is looked up in one go.
    order = np.argsort(levels, kind="stable")
    ends = np.cumsum(counted)
    caught = np.empty(levels.size)
    for level in np.flatnonzero(counted):
        among = order[ends[level] - counted[level] : ends[level]]
        caught[among] = np.searchsorted(pdtr(most, level / 255 * photons), uniform[among])
    return np.asarray((caught / photons - levels / 255).reshape(image.shape) * noise.level)


def _uniform(seed: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers between 0 and 1, neither of them included."""
    bits = np.random.PCG64(seed).random_raw(math.prod(shape))
    return np.asarray(((bits >> np.uint64(12)) + 0.5) * 2.0**-52).reshape(shape)


def _weights(length: int, target: int, mode: str) -> csr_array:
    """The matrix (target, length) that resizes a line of pixels."""
    place = np.arange(target)
    if mode == "area":
        first, last = place * length // target, -(-(place + 1) * length // target)
        taps = first[:, None] + np.arange((last - first).max())
        weights = (taps < last[:, None]) / (last - first)[:, None]
    else:
        centre = (place + 0.5) * (length / target) - 0.5
        base = np.floor(centre)
        reach = np.arange(2) if mode == "bilinear" else np.arange(-1, 3)
        away = np.abs(centre[:, None] - base[:, None] - reach)
        weights = 1 - away if mode == "bilinear" else _cubic(away)
        taps = base[:, None].astype(np.int64) + reach
    taps = np.clip(taps, 0, length - 1)
    return csr_array((weights.ravel(), taps.ravel(), np.arange(target + 1) * taps.shape[1]), shape=(target, length))


def _cubic(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution at ``away`` pixels, 0 to 2."""
    near = (CUBIC + 2) * away**3 - (CUBIC + 3) * away**2 + 1
    far = CUBIC * (away**3 - 5 * away**2 + 8 * away - 4)
    return np.asarray(np.where(away <= 1, near, far))


def _times(size: tuple[float, float], factor: float) -> tuple[int, int]:
    return max(1, int(size[0] * factor)), max(1, int(size[1] * factor))


def _levels(image: Image64) -> Rgb:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _settled(image: Image64) -> Image64:
    """To multiples of 2^-16. Not rounded at halves: a mean of settled values often is one, and its last bit would decide."""
    return np.asarray(np.floor(image * 2**16 + GOLDEN) * 2.0**-16)
