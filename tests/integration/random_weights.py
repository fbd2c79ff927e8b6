"""Files that fit the deep metrics, full of random numbers. No value that they give is true."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from workers.metrics import maniqa, musiq, topiq

CLIP = {
    "embed_dim": 8, "image_resolution": 224, "vision_layers": 12, "vision_width": 768, "vision_patch_size": 32,
    "context_length": 4, "vocab_size": 16, "transformer_width": 64, "transformer_heads": 1, "transformer_layers": 1,
}  # fmt: skip
"""OpenAI's ViT-B/32 as A-FINE reads it, with next to nothing of the text half."""


def afine_parts() -> dict[str, dict[str, torch.Tensor]]:
    """All six parts that pyiqa's file has."""
    from pyiqa.archs import afine_arch, afineclip_model

    nets = {
        "finetuned_clip": afineclip_model.AFINECLIP(**CLIP),
        "natural": afine_arch.AFINEQhead(),
        "natural_scale": afine_arch.AFINENLM_NR_Fit(),
        "fidelity": afine_arch.AFINEDhead(),
        "fidelity_scale": afine_arch.AFINENLM_FR_Fit_with_limit(),
        "adapter": afine_arch.AFINELearnLambda(),
    }
    return {name: net.state_dict() for name, net in nets.items()}


STATES: dict[str, Callable[[], dict[str, Any]]] = {
    "musiq": lambda: musiq.untrained().state_dict(),
    "maniqa": lambda: {f"module.{name}": tensor for name, tensor in maniqa.untrained().state_dict().items()},
    "topiq_nr": lambda: {"params": topiq.untrained().state_dict()},
    "afine_nr": afine_parts,
}


def write(key: str, file: Path) -> None:
    """Write a file for metric ``key``, the same every time."""
    torch.manual_seed(7)
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(STATES[key](), file)
