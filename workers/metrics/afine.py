"""The naturalness term of A-FINE (Chen et al., CVPR 2025): a head on the features of a fine-tuned CLIP ViT-B/32.

Of pyiqa's network only what this term needs is built. Three of its traps are gone with that: it normalises the caller's
tensor in place, asks the network for OpenAI's CLIP before it puts the fine-tuned one in its place, and without a reference
works on the image twice. Both sides must be multiples of 32, as pyiqa demands; other images have no value.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from app.catalog.metric_weights import AFINE
from app.errors import WeightsMissing
from app.services.weights import weight_path
from workers.metrics.loading import load_state, read_state
from workers.metrics.pyiqa_metric import PyiqaMetric

PARTS = ("finetuned_clip", "natural", "natural_scale")
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class AfineNr(PyiqaMetric):
    key = "afine_nr"

    def __init__(self, weights: Path, device: torch.device) -> None:
        file = weight_path(weights, AFINE)
        super().__init__(Naturalness(read_state(file), file), device, weights)


class Naturalness(torch.nn.Module):
    """From images (1, 3, H, W) in 0..1 to a value in -2..2, lower is better."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, state: Mapping[str, Any], file: Path) -> None:
        from pyiqa.archs import afine_arch, afineclip_model

        super().__init__()
        if missing := [part for part in PARTS if part not in state]:
            raise WeightsMissing(f"{file.name} has no part {', '.join(missing)}, which pyiqa's weights of A-FINE have")
        # Its sizes are read off the tensors, and every one of them must find its place.
        self.visual = afineclip_model.build_model(dict(state["finetuned_clip"])).float().visual
        self.head = afine_arch.AFINEQhead()
        load_state(self.head, state["natural"], file)
        self.scale = afine_arch.AFINENLM_NR_Fit(yita1=2, yita2=-2)
        load_state(self.scale, state["natural_scale"], file)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        normalised = (image - self.mean) / self.std
        _, layers = self.visual(normalised)
        value: torch.Tensor = self.scale(self.head(normalised, layers))
        return value
