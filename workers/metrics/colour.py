"""The colour space and crop of a metric, from the catalogue's words to pyiqa's options.

``colour`` is RGB; Y, the luma of YIQ in its full range, pyiqa's default; or YCbCr, the luma of BT.601 in 16..235, MATLAB's.
``crop`` is how many pixels are left out at each edge.
"""

from collections.abc import Mapping
from typing import Any

_SPACES: dict[str, tuple[bool, str]] = {"RGB": (False, "yiq"), "Y": (True, "yiq"), "YCbCr": (True, "ycbcr")}


def colour_options(params: Mapping[str, str]) -> dict[str, Any]:
    """pyiqa's ``test_y_channel``, ``color_space`` and ``crop_border``. Raises KeyError for a colour space it has not."""
    luma, space = _SPACES[params["colour"]]
    return {"test_y_channel": luma, "color_space": space, "crop_border": int(params["crop"])}
