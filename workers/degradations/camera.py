"""What a camera does to a photograph: too little light, lost focus, noise and compression."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


def to_linear(image: Image) -> Image:
    """sRGB to linear light (IEC 61966-2-1)."""
    clipped = np.clip(image, 0, 1)
    return np.asarray(np.where(clipped <= 0.04045, clipped / 12.92, ((clipped + 0.055) / 1.055) ** 2.4), np.float32)


def to_srgb(linear: Image) -> Image:
    """Linear light to sRGB (IEC 61966-2-1)."""
    clipped = np.clip(linear, 0, 1)
    return np.asarray(np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055), np.float32)


def low_light(image: Image, rng: np.random.Generator, exposure: float, electrons: float) -> Image:
    """An exposure of ``exposure`` (0 to 1) times the light, with shot and read noise of a small sensor.

    Poisson-Gaussian noise in linear light (Foi et al., TIP 2008): a full pixel holds ``electrons``, reading adds 3 of them.
    The noise of neighbouring pixels is correlated a little, as demosaicking leaves it, and the colour is a lamp's.
    """
    lamp = np.array([1.12, 0.98, 0.78], np.float32)
    expected = np.clip(to_linear(image) * lamp * exposure, 0, 1) * electrons
    caught = rng.poisson(expected).astype(np.float32) + rng.normal(0, 3, image.shape).astype(np.float32)
    return to_srgb(np.asarray(cv2.GaussianBlur(caught / electrons, (0, 0), 0.45), np.float32))


def general_mixed(image: Image, rng: np.random.Generator, defocus: float, noise: float, quality: int) -> Image:
    """Defocus by a disc of ``defocus`` pixels radius, Gaussian noise of ``noise`` (0 to 1), then JPEG at ``quality``.

    One pass of the order blur, noise, compression (Wang et al.: Real-ESRGAN, ICCV Workshops 2021).
    """
    radius = int(np.ceil(defocus))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    disc = np.clip(defocus + 0.5 - np.hypot(x, y), 0, 1)
    blurred = cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    noisy = np.clip(blurred + rng.normal(0, noise, image.shape), 0, 1)
    _, encoded = cv2.imencode(".jpg", np.rint(noisy[..., ::-1] * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.float32)
    return np.asarray(decoded[..., ::-1] / 255, np.float32)
