"""Generators that can be chosen: what maps an LQ image to an HQ candidate. One entry here, one file in workers/generators."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Params = Mapping[str, float]


@dataclass(frozen=True)
class GeneratorSpec:
    """One generator.

    ``target`` is ``"module:Class"``, imported by workers only. ``params`` are the defaults for every category,
    ``category_params`` what a category changes. ``stochastic`` says whether the same recipe with another sample number
    can give another output (a deterministic one is never asked twice with the same parameters).
    ``local`` generators are classical or small learned restorers that run on this machine; they are labelled so on every
    page and never count as an MFM of the paper.
    """

    key: str
    title: str
    reference: str
    target: str
    queue: Literal["cpu", "gpu", "api"] = "cpu"
    local: bool = True
    stochastic: bool = False
    version: str = "1"
    params: Params = field(default_factory=dict)
    category_params: Mapping[str, Params] = field(default_factory=dict)

    def params_for(self, category: str) -> dict[str, float]:
        """Parameters of the first attempt for ``category``."""
        return {**self.params, **self.category_params.get(category, {})}


GENERATORS: dict[str, GeneratorSpec] = {
    g.key: g
    for g in (
        GeneratorSpec(
            key="local-nlm",
            title="Non-local means",
            reference="Buades, Coll, Morel: A non-local algorithm for image denoising, CVPR 2005",
            target="workers.generators.nlm:NonLocalMeans",
        ),
    )
}
