"""Platforms of photographs: a file each, which speaks its official interface and nothing else."""

import importlib
from functools import lru_cache

from app.catalog.platforms import PLATFORMS
from app.platforms.base import Platform


@lru_cache
def platform(key: str) -> Platform:
    """The one that speaks to a platform of :data:`app.catalog.platforms.PLATFORMS`."""
    module, name = PLATFORMS[key].target.split(":")
    made: Platform = getattr(importlib.import_module(module), name)()
    return made
