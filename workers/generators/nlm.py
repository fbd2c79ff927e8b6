"""Non-local means denoising.

A. Buades, B. Coll, J.-M. Morel: A Non-Local Algorithm for Image Denoising, CVPR 2005, through OpenCV's implementation. Ours:
it runs on luma and chroma apart, and the filter strength follows the measured noise.
"""

from collections.abc import Mapping

from workers.generators.filters import luma, nlm, noise_sigma
from workers.generators.finish import Image
from workers.generators.local import LocalMethod


class NonLocalMeans(LocalMethod):
    """Filter strength follows the measured noise: ``luma_gain`` and ``chroma_gain`` times its standard deviation.

    ``floor`` (8-bit levels) is the least strength, for grain that is coarser than the noise estimate sees.
    """

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        level = max(noise_sigma(luma(image)) * 255, params["floor"])
        return nlm(image, strength * params["luma_gain"] * level, strength * params["chroma_gain"] * level)
