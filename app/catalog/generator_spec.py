"""What a generator is in the catalogue, with what it costs and what its model can take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Params = Mapping[str, float]
Strategy = Literal["none", "fix", "fix-nc", "vlm-gemini", "vlm-gpt"]
"""How a prompt comes about (Sec. 3.2, Appendix B). "none" is for methods that take no prompt."""


@dataclass(frozen=True)
class Price:
    """What a call costs, in US dollars. ``call`` is the estimate for one; the rest, per million tokens, prices what it used.

    With no price per token, every call is booked at ``call``. Prices move: ``checked`` says when and where they were read.
    """

    call: float
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    checked: str = ""

    def micros(self, input_tokens: int, output_tokens: int) -> int:
        """The price of one call in millionths of a dollar, from what the provider says it used."""
        if not (self.input_tokens or self.output_tokens) or not (input_tokens or output_tokens):
            return round(self.call * 1e6)
        return round(input_tokens * self.input_tokens + output_tokens * self.output_tokens)


@dataclass(frozen=True)
class GeneratorSpec:
    """One generator.

    ``target`` is ``"module:Class"``, imported by workers only. ``params`` are the defaults for every category,
    ``category_params`` what a category changes. ``stochastic`` says whether the same recipe with another sample number
    can give another output (a deterministic one is never asked twice with the same parameters).
    ``local`` generators are classical or small learned restorers that run on this machine; they are labelled so on every
    page and never count as an MFM of the paper.

    An MFM is ``prompted``. One with a ``provider`` is asked through it as ``model``; one without is loaded by a GPU worker
    from ``model``, a hub name or a folder. ``ratios`` are the aspect ratios (width:height) it can make; empty is any.
    ``prompt_limit`` is the longest prompt it takes, in characters.
    """

    key: str
    title: str
    reference: str
    target: str = ""
    queue: Literal["cpu", "gpu", "api"] = "cpu"
    local: bool = True
    stochastic: bool = False
    version: str = "1"
    params: Params = field(default_factory=dict)
    category_params: Mapping[str, Params] = field(default_factory=dict)
    prompted: bool = False
    provider: str = ""
    model: str = ""
    price: Price = Price(0.0)
    ratios: tuple[str, ...] = ()
    prompt_limit: int | None = None
    licence: str = ""

    def params_for(self, category: str) -> dict[str, float]:
        """Parameters of the first attempt for ``category``."""
        return {**self.params, **self.category_params.get(category, {})}
