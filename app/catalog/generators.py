"""Generators that can be chosen: what maps an LQ image to an HQ candidate.

One entry in ``local_methods.py`` or ``mfms.py``, one file in workers/generators or workers/providers.
"""

from app.catalog.generator_spec import GeneratorSpec, Price, Strategy
from app.catalog.local_methods import LOCAL_METHODS
from app.catalog.mfms import MFMS

__all__ = ["GENERATORS", "STRATEGIES", "GeneratorSpec", "Price", "Strategy"]

GENERATORS: dict[str, GeneratorSpec] = {g.key: g for g in (*LOCAL_METHODS, *MFMS)}

STRATEGIES: dict[Strategy, str] = {
    "fix": "Fixed prompt",
    "fix-nc": "Fixed prompt, no change of content",
    "vlm-gemini": "Written by Gemini for each image",
    "vlm-gpt": "Written by GPT for each image",
}
"""The four prompt strategies of Table 1, in its order (Fix, Fix-NC, GPT, Gemini)."""
