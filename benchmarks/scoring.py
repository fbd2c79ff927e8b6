"""How fast the scoring engine is against pyiqa's plain loop, in one run on one machine.

Both score the same N pairs with the seven metrics. The plain loop is what a script would do: one `InferenceModel` per
metric, image by image. It gets our loaded networks, as pyiqa would otherwise download its own weights.

    python -m benchmarks.scoring --weights .cache/weights --pairs 4 --size 512 --threads 2
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from skimage import data

from app.catalog.metrics import METRICS
from workers.metrics.engine import Rgb, ScoringEngine
from workers.metrics.loading import PyiqaMetric


def pairs(count: int, size: int) -> tuple[list[Rgb], list[Rgb]]:
    """Noisy and clean crops of one photograph, the same on every run."""
    rng = np.random.default_rng(0)
    astronaut: Callable[[], Rgb] = data.astronaut
    photo = np.asarray(Image.fromarray(astronaut()).resize((size, size)))
    clean = [np.ascontiguousarray(np.roll(photo, 17 * i, axis=1)) for i in range(count)]
    noisy = [np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8) for image in clean]
    return noisy, clean


def plain_model(key: str, net: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """pyiqa's own wrapper of a metric, around the given network."""
    from pyiqa.models.inference_model import InferenceModel

    wrapper = InferenceModel("psnr", device=device)  # needs no weights; its network is replaced
    wrapper.metric_name, wrapper.metric_mode = key, "FR" if METRICS[key].reference else "NR"
    wrapper.net = net
    return cast(torch.nn.Module, wrapper)


def plain_loop(model: torch.nn.Module, images: list[Rgb], references: list[Rgb] | None) -> list[float]:
    def tensor(image: Rgb) -> torch.Tensor:
        return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255

    if references is None:
        return [float(model(tensor(image))) for image in images]
    return [float(model(tensor(image), tensor(ref))) for image, ref in zip(images, references, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--weights", type=Path, default=Path(".cache/weights"), help="weights folder (default .cache/weights)"
    )
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()

    engine = ScoringEngine(arguments.weights, arguments.device, arguments.threads)
    images, clean = pairs(arguments.pairs, arguments.size)
    total_ours = total_plain = 0.0
    print(f"{'metric':8} {'load s':>8} {'s/image':>9} {'images/s':>9} {'plain s/image':>14} {'speed-up':>9}")
    for key, spec in METRICS.items():
        references = clean if spec.reference else None
        start = time.perf_counter()
        metric = engine.load(key)
        load = time.perf_counter() - start
        assert isinstance(metric, PyiqaMetric)
        plain = plain_model(key, metric.net, engine.device)
        engine.score(key, images[:1], references[:1] if references else None)
        start = time.perf_counter()
        ours = engine.score(key, images, references)
        middle = time.perf_counter()
        theirs = plain_loop(plain, images, references)
        seconds, plain_seconds = middle - start, time.perf_counter() - middle
        assert np.allclose([one.value or np.nan for one in ours], theirs, rtol=1e-5), key
        total_ours, total_plain = total_ours + seconds, total_plain + plain_seconds
        each, plain_each = seconds / len(images), plain_seconds / len(images)
        ratio = plain_seconds / seconds
        print(f"{key:8} {load:8.2f} {each:9.3f} {1 / each:9.2f} {plain_each:14.3f} {ratio:9.2f}", flush=True)
    rate = len(images) / total_ours
    print(f"all seven: {rate:.2f} images/s, {total_plain / total_ours:.2f} times the plain loop")


if __name__ == "__main__":
    main()
