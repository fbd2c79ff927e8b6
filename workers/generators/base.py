"""What a generator backend is: one class with ``generate``. Local ones build on ``workers.generators.local.LocalMethod``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
"""An sRGB image, shape (H, W, 3), 0 to 255."""


@dataclass(frozen=True)
class Request:
    """One LQ image to restore, with the resolved recipe of this attempt."""

    lq: Rgb
    category: str
    prompt: str
    params: Mapping[str, float]
    seed: int


@dataclass(frozen=True)
class Output:
    """What a generator gave: either pixels (local) or the provider's bytes exactly as they came."""

    pixels: Rgb | None = None
    data: bytes | None = None
    media_type: str = "image/png"
    details: Mapping[str, str] = field(default_factory=dict)


class Generator(Protocol):
    """A loaded generator. Constructed once per worker process without arguments, then called for many images."""

    def generate(self, request: Request) -> Output:
        """Restore one image. Raises :class:`app.errors.GenerationError` with a reason a person can act on."""
        ...
