"""The open MFMs of Table 1: Qwen-Image-Edit-2511, FireRed-Image-Edit-1.1 and FLUX.2 [dev], through diffusers.

Wu et al.: Qwen-Image Technical Report, arXiv 2508.02324; FireRed Team: FireRed-Image-Edit-1.1; Black Forest Labs:
FLUX.2 [dev]. An LQ is never stretched: one factor scales it into a frame the pipeline takes, mirrored borders fill the rest,
and what was made of those is cut off again. torch and diffusers are imported on loading; importing this file costs nothing.
"""

import gc
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakSet

import numpy as np
from PIL import Image

from app.catalog.mfms import MFMS
from app.config import settings
from app.errors import GenerationError, GgtError, WeightsMissing
from workers.generators.base import Output, Request, Rgb

log = logging.getLogger(__name__)

PIXELS = 1024 * 1024
"""Both pipelines bring a larger reference image down to this area; Qwen's brings a smaller one up to it as well."""

Size = tuple[int, int]
"""Width and height in pixels, as PIL has them."""


@dataclass(frozen=True)
class LoadOptions:
    """Where models are and how they are loaded.

    ``models_dir`` holds one sub-folder per model, "Qwen--Qwen-Image-Edit-2511" for Qwen/Qwen-Image-Edit-2511; what is not
    there comes from the hub or its cache. ``device`` is torch's ("cpu", "cuda:0"). ``four_bit`` needs CUDA.
    """

    models_dir: Path | None = None
    device: str = "cpu"
    four_bit: bool = False

    @classmethod
    def from_settings(cls) -> "LoadOptions":
        """The options of this installation."""
        return cls(settings().models_dir, settings().device, settings().four_bit)

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")


class OpenModel(ABC):
    """An image-editing model of the catalogue, loaded with diffusers on construction.

    Raises :class:`WeightsMissing` when files or packages are missing and :class:`GenerationError` when the device cannot
    hold the model; both say what to do. Models of one process stay loaded side by side until one finds no memory.
    """

    key: ClassVar[str]
    pipeline_class: ClassVar[str]
    _loaded: ClassVar["WeakSet[OpenModel]"] = WeakSet()

    def __init__(self, options: LoadOptions | None = None) -> None:
        self.options = options or LoadOptions.from_settings()
        self.spec = next(spec for spec in MFMS if spec.key == self.key)
        self._facts: dict[str, str] = {}
        self._pipeline: Any = None
        self._load()

    def generate(self, request: Request) -> Output:
        """Edit one LQ as ``request.prompt`` says, in ``steps`` steps with strength ``guidance``.

        ``pixels`` have the LQ's shape (H, W, 3). The noise comes from the CPU's generator: one seed is one image on one
        device and one set of versions. ``details`` are the model's facts, the ``frame`` worked in, ``prompt_tokens``, and
        ``prompt_cut``, how many of those the pipeline dropped from the end. Raises :class:`GenerationError`.
        """
        height, width = request.lq.shape[:2]
        frame, content = self.layout(width, height)
        if self._pipeline is None:
            self._load()
        made, tokens, cut = self._with_room(
            lambda: (self._run(request, frame, content), *self.prompt_tokens(request.prompt)),
            lambda error: GenerationError(f"{self.spec.title} failed: {_reason(error)}"),
        )
        own = {"frame": f"{frame[0]}x{frame[1]}", "prompt_tokens": str(tokens), "prompt_cut": str(cut)}
        pixels = _taken(self._checked(made), frame, content, (width, height))
        return Output(pixels=pixels, details={**self._facts, **own})

    @abstractmethod
    def layout(self, width: int, height: int) -> tuple[Size, Size]:
        """The frame to work in, and the size of the LQ at its top left. Raises :class:`GenerationError` for an odd shape."""

    def guidance(self, value: float) -> dict[str, Any]:
        """The pipeline's own arguments for a strength of guidance: FLUX.2's network takes it as an input (distillation)."""
        return {"guidance_scale": value}

    def prompt_tokens(self, prompt: str) -> tuple[int, int]:
        """How many tokens the prompt comes to, and how many of them the pipeline drops: Qwen's drops none."""
        return len(self._pipeline.tokenizer(prompt)["input_ids"]), 0

    def _run(self, request: Request, frame: Size, content: Size) -> Any:
        """Float pixels of shape (H, W, 3), 0 to 1, of the frame's size if the pipeline keeps its promise."""
        torch = import_module("torch")
        return self._pipeline(
            image=[_placed(request.lq, frame, content)],
            prompt=request.prompt,
            width=frame[0],
            height=frame[1],
            num_inference_steps=max(1, round(request.params["steps"])),
            generator=torch.Generator(device="cpu").manual_seed(request.seed),
            output_type="np",
            **self.guidance(request.params["guidance"]),
        ).images[0]

    def _checked(self, made: Any) -> Rgb:
        """The same as bytes. An overflow of half precision shows as NaN, or as an image of one colour."""
        values = np.asarray(made, np.float32)
        if not np.isfinite(values).all():
            raise GenerationError(f"{self.spec.title} gave values that are no colours (NaN); try another sample")
        pixels = np.asarray((values.clip(0, 1) * 255).round(), np.uint8)
        if (pixels == pixels[0, 0]).all():
            raise GenerationError(f"{self.spec.title} gave one flat colour; try another sample")
        return pixels

    def _load(self) -> None:
        title, options, folder = self.spec.title, self.options, self._folder()
        try:
            torch, diffusers, transformers = map(import_module, ("torch", "diffusers", "transformers"))
            pipeline_class = getattr(diffusers, self.pipeline_class)
        except (ImportError, AttributeError, RuntimeError) as error:
            needed = f"{title} needs {self.pipeline_class} ({_reason(error)})"
            raise WeightsMissing(f"{needed}. Type: pip install --upgrade 'ggt-studio[mfm]'") from error
        if options.four_bit and not options.cuda:
            raise GenerationError(f"{title} in 4-bit needs a CUDA card: set GGT_DEVICE=cuda:0 or GGT_FOUR_BIT=false")
        if options.cuda and not torch.cuda.is_available():
            raise GenerationError(f"{title} is to run on {options.device}, but torch finds no CUDA card: see GGT_DEVICE")
        if options.four_bit and find_spec("bitsandbytes") is None:
            raise WeightsMissing(f"{title} in 4-bit needs bitsandbytes. Type: pip install bitsandbytes")
        dtype = torch.bfloat16 if options.cuda else torch.float32
        local = folder is not None and folder.is_dir()
        arguments: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}  # pickles could run code
        if options.four_bit:
            quantization = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
            parts = {"transformer": diffusers, "text_encoder": transformers}
            mapping = {part: library.BitsAndBytesConfig(**quantization) for part, library in parts.items()}
            arguments["quantization_config"] = diffusers.PipelineQuantizationConfig(quant_mapping=mapping)

        def load() -> Any:
            # 4-bit weights are packed on the current card, which need not be the one asked for.
            with torch.cuda.device(options.device) if options.cuda else nullcontext():
                pipeline = pipeline_class.from_pretrained(str(folder) if local else self.spec.model, **arguments)
                return pipeline.to(options.device)

        self._pipeline = self._with_room(load, lambda error: WeightsMissing(self._missing(error, local)))
        self._pipeline.set_progress_bar_config(disable=True)
        self._loaded.add(self)
        self._facts = {
            "model": self.spec.model,
            "source": str(folder) if local else "hub",
            "revision": _revision(folder if local else None, self.spec.model),
            "pipeline": self.pipeline_class,
            "dtype": str(dtype).removeprefix("torch."),
            "four_bit": "nf4" if options.four_bit else "no",
            "device": torch.cuda.get_device_name(options.device) if options.cuda else options.device,
            **{package.__name__: str(package.__version__) for package in (torch, diffusers, transformers)},
        }

    def _folder(self) -> Path | None:
        return self.options.models_dir and self.options.models_dir / self.spec.model.replace("/", "--")

    def _missing(self, error: Exception, local: bool) -> str:
        model, folder = self.spec.model, self._folder()
        where = f"is not whole in {folder}" if local else f"is not in {folder or 'the cache'}, nor did the hub give it"
        download = f"hf download {model}" + (f" --local-dir {folder}" if folder else "")
        gated = "Gated" in type(error).__name__ or "gated" in str(error)
        login = f"Accept the licence on https://huggingface.co/{model}, then type: hf auth login && " if gated else "Type: "
        return f"{self.spec.title} {where} ({_reason(error)}). {login}{download}"

    def _with_room(self, action: Callable[[], Any], failure: Callable[[Exception], GgtError]) -> Any:
        """Do it, and if the memory is full, once more without the other models this process holds."""
        torch = import_module("torch")
        for _ in range(2):
            try:
                return action()
            except (torch.OutOfMemoryError, MemoryError):
                log.warning("%s: out of memory on %s", self.spec.title, self.options.device)
            except Exception as error:
                raise failure(error) from error
            # Below the handler: its traceback held the tensors of the failed try.
            others = [model for model in self._loaded if model is not self and model._pipeline is not None]
            for model in others:
                model._pipeline = None
            gc.collect()
            if self.options.cuda:
                torch.cuda.empty_cache()
            if not others:
                break
        advice = "use a card with more" if self.options.four_bit or not self.options.cuda else "set GGT_FOUR_BIT=true"
        raise GenerationError(f"{self.spec.title} does not fit into the memory of {self.options.device}: {advice}")


class QwenImageEdit(OpenModel):
    """Qwen-Image-Edit-2511. ``guidance`` above 1 is classifier-free guidance against a blank prompt."""

    key = "qwen-image-edit-2511"
    pipeline_class = "QwenImageEditPlusPipeline"

    def layout(self, width: int, height: int) -> tuple[Size, Size]:
        """The frame is the one the pipeline gives every reference image: about PIXELS, in multiples of 32.

        A result in any other size is a zoomed or cropped one (diffusers #12453), so a small LQ is enlarged, and the frame's
        own ratio must lead to the same frame again.
        """
        frame = (width, height)
        for _ in range(4):
            root = math.sqrt(PIXELS * frame[0] / frame[1])
            frame = (round(root / 32) * 32, round(PIXELS / root / 32) * 32)
        return frame, _inside(frame, width, height)

    def guidance(self, value: float) -> dict[str, Any]:
        return {"true_cfg_scale": value, "negative_prompt": " " if value > 1 else None}


class FireRedEdit(QwenImageEdit):
    """FireRed-Image-Edit-1.1, a model of the same architecture and pipeline."""

    key = "firered-1.1"


class Flux2Dev(OpenModel):
    """FLUX.2 [dev]."""

    key = "flux.2-dev"
    pipeline_class = "Flux2Pipeline"

    def layout(self, width: int, height: int) -> tuple[Size, Size]:
        """The LQ's own size, up to multiples of 16 and 64 at least; above PIXELS, the largest frame below it."""
        if max(width, height) > 8 * min(width, height):
            raise GenerationError(f"{self.spec.title} takes images up to 8:1, not {width}x{height}")
        frame = (max(64, math.ceil(width / 16) * 16), max(64, math.ceil(height / 16) * 16))
        if frame[0] * frame[1] <= PIXELS:
            return frame, (width, height)
        scale = math.sqrt(PIXELS / (width * height))
        down = [max(64, int(side * scale) // 16 * 16) for side in (width, height)]
        frame = (min(down[0], 8 * down[1]), min(down[1], 8 * down[0]))
        return frame, _inside(frame, width, height)

    def prompt_tokens(self, prompt: str) -> tuple[int, int]:
        """Both counts include the system message, which the pipeline puts before the prompt."""
        turns = (("system", self._pipeline.system_message), ("user", prompt.replace("[IMG]", "")))
        conversation = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns]
        encoded = self._pipeline.tokenizer.apply_chat_template([conversation], tokenize=True, return_dict=True)
        tokens = len(encoded["input_ids"][0])
        return tokens, max(0, tokens - self._pipeline.tokenizer_max_length)


def _inside(frame: Size, width: int, height: int) -> Size:
    scale = min(frame[0] / width, frame[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _placed(lq: Rgb, frame: Size, content: Size) -> Image.Image:
    """The LQ in its frame. Mirrored borders look like more of the photograph; a flat one would be a thing to restore."""
    image = Image.fromarray(lq)
    if image.size != content:
        image = image.resize(content, Image.Resampling.LANCZOS)
    border = ((0, frame[1] - content[1]), (0, frame[0] - content[0]), (0, 0))
    return Image.fromarray(np.pad(np.asarray(image), border, mode="symmetric"))


def _taken(pixels: Rgb, frame: Size, content: Size, size: Size) -> Rgb:
    """The LQ's part of the frame, at the LQ's ``size``. A result that is not the frame is handed on as it is."""
    if pixels.shape[:2] != frame[::-1]:
        return pixels
    image = Image.fromarray(pixels).crop((0, 0, *content))
    return np.asarray(image if image.size == size else image.resize(size, Image.Resampling.LANCZOS))


def _reason(error: BaseException) -> str:
    """The first line of what lies at the bottom: the hub's errors wrap the network's."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(". ")


def _revision(folder: Path | None, model: str) -> str:
    """The commit the files are from: the hub's client notes it beside what it downloads."""
    if folder is None:
        cached = import_module("huggingface_hub").try_to_load_from_cache(model, "model_index.json")
        return Path(cached).parent.name if isinstance(cached, str) else "unknown"
    note = folder / ".cache" / "huggingface" / "download" / "model_index.json.metadata"
    return note.read_text().partition("\n")[0].strip() if note.is_file() else "unknown"
