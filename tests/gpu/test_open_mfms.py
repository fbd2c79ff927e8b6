"""The open MFMs on a CUDA card: bfloat16, and 4-bit where bitsandbytes is installed. Skipped without a card.

If these fail, the one machine that can run the models cannot, or gives other pixels for the same sample.
"""

import importlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="open models need the mfm extra")

from tests.unit.tiny_pipelines import save_tiny_flux2, save_tiny_qwen_edit
from workers.generators.base import Request
from workers.generators.diffusers_edit import FireRedEdit, Flux2Dev, LoadOptions, OpenModel, QwenImageEdit

pytestmark = pytest.mark.xdist_group("torch")
DEVICE = "cuda:0"


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Asked for by every test; torch is not imported while tests are collected, since that takes seconds."""
    if not importlib.import_module("torch").cuda.is_available():
        pytest.skip("no CUDA card")
    folder = tmp_path_factory.mktemp("models")
    for name in ("Qwen--Qwen-Image-Edit-2511", "FireRedTeam--FireRed-Image-Edit-1.1"):
        save_tiny_qwen_edit(folder / name)
    save_tiny_flux2(folder / "black-forest-labs--FLUX.2-dev")
    return folder


def request(seed: int) -> Request:
    lq = np.random.default_rng(0).integers(0, 256, (80, 112, 3), np.uint8)
    return Request(lq=lq, category="haze", prompt="Remove the haze.", params={"steps": 2.0, "guidance": 4.0}, seed=seed)


@pytest.mark.parametrize("four_bit", [False, True], ids=["bfloat16", "nf4"])
@pytest.mark.parametrize("model", [QwenImageEdit, FireRedEdit, Flux2Dev], ids=lambda model: str(model.key))
def test_a_seed_is_an_image_on_the_card(models_dir: Path, model: type[OpenModel], four_bit: bool) -> None:
    if four_bit and find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed")
    generator = model(LoadOptions(models_dir, DEVICE, four_bit))
    outputs = [generator.generate(request(seed)) for seed in (1, 1, 2)]
    first, again, other = (output.pixels for output in outputs)
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.shape == (80, 112, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert outputs[0].details["dtype"] == "bfloat16"
    assert outputs[0].details["four_bit"] == ("nf4" if four_bit else "no")
