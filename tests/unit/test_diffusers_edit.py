"""The open MFMs, run with tiny random weights. If these fail, a paired image does not fit its LQ, a sample cannot be made
again, or whoever lacks a model reads a traceback in place of the line to type.
"""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="open models need the mfm extra")

from app.catalog.mfms import MFMS
from app.config import settings
from app.errors import GenerationError, WeightsMissing
from tests.unit.tiny_pipelines import save_tiny_flux2, save_tiny_qwen_edit
from workers.generators import diffusers_edit
from workers.generators.base import Request, Rgb
from workers.generators.diffusers_edit import FireRedEdit, Flux2Dev, LoadOptions, OpenModel, QwenImageEdit

pytestmark = pytest.mark.xdist_group("torch")

PROMPT = "Remove the {haze}. Keep everything else."
Model = type[OpenModel]
Loaded = dict[Model, OpenModel]
MODELS: list[Model] = [QwenImageEdit, FireRedEdit, Flux2Dev]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.key)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("models")
    save_tiny_qwen_edit(folder / "Qwen--Qwen-Image-Edit-2511")
    (folder / "FireRedTeam--FireRed-Image-Edit-1.1").symlink_to(folder / "Qwen--Qwen-Image-Edit-2511")
    save_tiny_flux2(folder / "black-forest-labs--FLUX.2-dev")
    torch = importlib.import_module("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # layers this small spend a second thread's time waiting, on a busy machine most of it
    yield folder
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def loaded(models_dir: Path) -> Loaded:
    return {model: model(LoadOptions(models_dir)) for model in MODELS}


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in 128x128 where Qwen's pipeline works in 1024x1024: the same code on a sixty-fourth of the pixels."""
    pipeline = importlib.import_module("diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus")
    monkeypatch.setattr(pipeline, "VAE_IMAGE_SIZE", 128 * 128)
    monkeypatch.setattr(pipeline, "CONDITION_IMAGE_SIZE", 128 * 128)
    monkeypatch.setattr(diffusers_edit, "PIXELS", 128 * 128)


def photograph(width: int, height: int) -> Rgb:
    """Smooth in both directions, so that a shift or a stretch shows; no two corners are alike."""
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    channels = [np.sin(3 * across + down), np.cos(4 * down), across * down]
    return np.asarray(np.stack(channels, axis=2) * 100 + 110, np.uint8)


def request(lq: Rgb, seed: int = 1, prompt: str = PROMPT, guidance: float = 4.0) -> Request:
    return Request(lq=lq, category="haze", prompt=prompt, params={"steps": 2.0, "guidance": guidance}, seed=seed)


def pixels(model: OpenModel, asked: Request) -> Rgb:
    made = model.generate(asked).pixels
    assert made is not None
    return made


@each_model
@pytest.mark.usefixtures("small_frames")
def test_a_seed_is_an_image_of_the_lqs_size(loaded: Loaded, model: Model) -> None:
    square = photograph(64, 64)
    first = pixels(loaded[model], request(square))
    assert first.shape == square.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, pixels(loaded[model], request(square)))
    assert (first != pixels(loaded[model], request(square, seed=2))).any()
    for width, height in ((96, 64), (75, 101)):
        assert pixels(loaded[model], request(photograph(width, height))).shape == (height, width, 3)


@pytest.mark.usefixtures("small_frames")
def test_lq_prompt_and_guidance_all_reach_the_model(loaded: Loaded) -> None:
    lq = photograph(64, 64)
    for model in (QwenImageEdit, Flux2Dev):
        first = pixels(loaded[model], request(lq))
        for other in (request(lq[::-1].copy()), request(lq, prompt="Remove the snow."), request(lq, guidance=2.0)):
            assert (first != pixels(loaded[model], other)).any(), model.key


@each_model
@pytest.mark.parametrize("size", [(64, 64), (1024, 1024), (75, 101), (512, 200), (640, 480), (1921, 1081), (3000, 400)])
def test_what_comes_back_lies_on_the_lq(
    loaded: Loaded, model: Model, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a pipeline that changes nothing, the HQ is the LQ: a stretch of one per cent would spoil PSNR and training."""
    asked: dict[str, Any] = {}

    def unchanged(**arguments: Any) -> SimpleNamespace:
        asked.update(arguments)
        return SimpleNamespace(images=[np.asarray(arguments["image"][0], np.float32) / 255])

    generator = model.__new__(model)
    generator.__dict__.update(loaded[model].__dict__)
    monkeypatch.setattr(generator, "prompt_tokens", lambda prompt: (1, 0))
    monkeypatch.setattr(generator, "_pipeline", unchanged)
    lq = photograph(*size)
    np.testing.assert_allclose(pixels(generator, request(lq)).astype(int), lq.astype(int), atol=2)
    assert asked["image"][0].size == (asked["width"], asked["height"])
    content = generator.layout(*size)[1]
    assert abs(content[0] * size[1] - content[1] * size[0]) <= sum(size) / 2  # one factor, but for rounding
    assert asked["width"] % 16 == asked["height"] % 16 == 0
    if model is Flux2Dev and size[0] * size[1] <= 1024 * 1024:
        np.testing.assert_array_equal(pixels(generator, request(lq)), lq)


def test_qwens_own_rule_leads_to_our_frame(loaded: Loaded) -> None:
    """What the pipeline makes of our frame is our frame, so it never resizes the LQ a second time."""
    pipeline = importlib.import_module("diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus")
    for width in range(64, 2049, 61):
        for height in range(max(64, width // 8), min(2049, width * 8), 67):
            frame, content = loaded[QwenImageEdit].layout(width, height)
            assert pipeline.calculate_dimensions(pipeline.VAE_IMAGE_SIZE, frame[0] / frame[1]) == frame
            assert content[0] == frame[0] or content[1] == frame[1]
    assert loaded[QwenImageEdit].layout(120, 90) == ((1184, 896), (1184, 888))


def test_flux_takes_every_frame_we_give_it(loaded: Loaded) -> None:
    """Larger frames its pipeline would resize, and narrower ones refuse."""
    for width in range(40, 4097, 97):
        for height in range(max(40, -(-width // 8)), min(4096, width * 8), 89):
            frame, content = loaded[Flux2Dev].layout(width, height)
            assert frame[0] * frame[1] <= 1024 * 1024
            assert min(frame) >= 64
            assert max(frame) <= 8 * min(frame)
            assert max(content[0] - frame[0], content[1] - frame[1]) <= 0
    with pytest.raises(GenerationError, match=r"8:1, not 900x100"):
        loaded[Flux2Dev].generate(request(photograph(900, 100)))


@pytest.mark.usefixtures("small_frames")
def test_details_are_the_recipe_of_the_result(loaded: Loaded, models_dir: Path) -> None:
    note = models_dir / "black-forest-labs--FLUX.2-dev/.cache/huggingface/download/model_index.json.metadata"
    note.parent.mkdir(parents=True)
    note.write_text("0123abc\netag\n1.0\n")
    details = Flux2Dev(LoadOptions(models_dir)).generate(request(photograph(64, 64))).details
    expected = {
        "model": "black-forest-labs/FLUX.2-dev",
        "source": str(models_dir / "black-forest-labs--FLUX.2-dev"),
        "revision": "0123abc",
        "pipeline": "Flux2Pipeline",
        "dtype": "float32",
        "four_bit": "no",
        "device": "cpu",
        "frame": "64x64",
        "prompt_cut": "0",
    }
    assert expected.items() <= details.items()
    assert details["diffusers"] == importlib.import_module("diffusers").__version__
    assert loaded[QwenImageEdit].generate(request(photograph(64, 64))).details["revision"] == "unknown"


@pytest.mark.usefixtures("small_frames")
def test_a_prompt_too_long_is_reported(loaded: Loaded) -> None:
    """One byte is one token here. FLUX.2 reads 512 with its system message; Qwen's pipeline reads everything."""
    lq, long = photograph(64, 64), "a" * 600
    details = loaded[Flux2Dev].generate(request(lq, prompt=long)).details
    assert int(details["prompt_cut"]) == int(details["prompt_tokens"]) - 512 > 88
    more = pixels(loaded[Flux2Dev], request(lq, prompt=long + "b"))
    np.testing.assert_array_equal(more, pixels(loaded[Flux2Dev], request(lq, prompt=long)))
    details = loaded[QwenImageEdit].generate(request(lq, prompt=long)).details
    assert (details["prompt_tokens"], details["prompt_cut"]) == ("600", "0")
    more = pixels(loaded[QwenImageEdit], request(lq, prompt=long * 3 + "b"))
    assert (more != pixels(loaded[QwenImageEdit], request(lq, prompt=long * 3))).any()


@each_model
@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN"), (0.0, "one flat colour")])
def test_nan_and_black_images_are_no_candidates(
    loaded: Loaded, model: Model, value: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded[model], "_run", lambda *_: np.full((64, 64, 3), value, np.float32))
    with pytest.raises(GenerationError, match=said) as raised:
        loaded[model].generate(request(photograph(64, 64)))
    assert str(raised.value).startswith(loaded[model].spec.title)


def test_what_goes_wrong_is_one_sentence(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    full = importlib.import_module("torch").OutOfMemoryError("CUDA out of memory. Tried to allocate 58 GiB\nsecond line")
    no_room = "FLUX.2-dev does not fit into the memory of cuda:0: "
    monkeypatch.setattr(OpenModel, "_loaded", type(OpenModel._loaded)())
    for error, four_bit, said in (
        (full, False, no_room + "set GGT_FOUR_BIT=true"),
        (full, True, no_room + "use a card with more"),
        (ValueError("first line.\nsecond line"), False, "FLUX.2-dev failed: first line"),
    ):
        options = LoadOptions(device="cuda:0", four_bit=four_bit)
        monkeypatch.setattr(loaded[Flux2Dev], "options", options)
        monkeypatch.setattr(loaded[Flux2Dev], "_run", Mock(side_effect=error))
        with pytest.raises(GenerationError) as raised:
            loaded[Flux2Dev].generate(request(photograph(64, 64)))
        assert str(raised.value) == said


@pytest.mark.usefixtures("small_frames")
def test_another_model_makes_room(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run asks several MFMs in turn: what does not fit beside the others takes their place, and they come back."""
    monkeypatch.setattr(OpenModel, "_loaded", type(OpenModel._loaded)())
    full = importlib.import_module("torch").OutOfMemoryError
    first, second = QwenImageEdit(LoadOptions(models_dir)), Flux2Dev(LoadOptions(models_dir))
    lq = photograph(64, 64)
    before, run = pixels(first, request(lq)), second._run

    def only_alone(*arguments: Any) -> Any:
        if first._pipeline is not None:
            raise full("full")
        return run(*arguments)

    monkeypatch.setattr(second, "_run", only_alone)
    assert pixels(second, request(lq)).shape == lq.shape
    assert first._pipeline is None
    np.testing.assert_array_equal(pixels(first, request(lq)), before)


@each_model
def test_a_missing_model_says_what_to_type(model: Model, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing) as raised:
        model(LoadOptions(tmp_path))
    name = next(spec.model for spec in MFMS if spec.key == model.key)
    folder = tmp_path / name.replace("/", "--")
    message = str(raised.value)
    assert message.endswith(f"Type: hf download {name} --local-dir {folder}")
    assert "\n" not in message


def test_half_a_model_says_what_to_type(models_dir: Path, tmp_path: Path) -> None:
    whole, half = (folder / "black-forest-labs--FLUX.2-dev" for folder in (models_dir, tmp_path))
    half.mkdir()
    for part in whole.iterdir():
        if part.name != "vae":
            (half / part.name).symlink_to(part)
    with pytest.raises(WeightsMissing, match=r"FLUX\.2-dev is not whole in .* Type: hf download black-forest-labs"):
        Flux2Dev(LoadOptions(tmp_path))


def test_a_gated_model_says_where_to_accept(loaded: Loaded) -> None:
    gated = importlib.import_module("huggingface_hub.errors").GatedRepoError
    message = loaded[Flux2Dev]._missing(gated.__new__(gated), local=False)
    assert "Accept the licence on https://huggingface.co/black-forest-labs/FLUX.2-dev, then type: hf auth login" in message


def test_settings_that_cannot_work_are_refused(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = importlib.import_module("torch")
    with pytest.raises(GenerationError, match="4-bit needs a CUDA card"):
        Flux2Dev(LoadOptions(models_dir, four_bit=True))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GenerationError, match="torch finds no CUDA card"):
        Flux2Dev(LoadOptions(models_dir, device="cuda:0"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(diffusers_edit, "find_spec", lambda name: None)
    with pytest.raises(WeightsMissing, match="Type: pip install bitsandbytes"):
        Flux2Dev(LoadOptions(models_dir, device="cuda:0", four_bit=True))
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(WeightsMissing, match=r"needs Flux2Pipeline .*Type: pip install --upgrade 'ggt-studio\[mfm\]'"):
        Flux2Dev(LoadOptions(models_dir))


def test_options_come_from_the_settings(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LoadOptions.from_settings() == LoadOptions(None, "cpu", False)
    monkeypatch.setenv("GGT_MODELS_DIR", str(models_dir))
    monkeypatch.setenv("GGT_FOUR_BIT", "true")
    settings.cache_clear()
    assert LoadOptions.from_settings() == LoadOptions(models_dir, "cpu", True)
    monkeypatch.setenv("GGT_FOUR_BIT", "false")
    settings.cache_clear()
    assert Flux2Dev().options.models_dir == models_dir
    monkeypatch.setenv("GGT_MODELS_DIR", "")
    settings.cache_clear()
    assert settings().models_dir is None


def test_importing_the_module_costs_nothing() -> None:
    """Every worker imports the catalogue's targets; those without the mfm extra must not fail on it."""
    code = (
        "import sys; sys.modules['diffusers'] = sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "import workers.generators.diffusers_edit"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
