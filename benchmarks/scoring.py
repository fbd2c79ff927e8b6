"""How fast the scoring engine is against pyiqa's plain loop, in one run on one machine.

Both score PNG files, nine candidates of each image, by the same networks. The plain loop is what a script does: one
`InferenceModel` per metric, pair by pair, given the files' names. It gets our loaded networks, as pyiqa would otherwise
download its own weights. The two take turns, metric by metric for the loop and image by image for the engine, so that a busy
machine disturbs both.

    python -m benchmarks.scoring --images 2 --size 512 --threads 2
    python -m benchmarks.scoring --metrics psnr,lpips,dists,musiq,topiq_nr,afine_nr --random-weights --device cuda:0
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from skimage import data

from app.catalog.metrics import KNOWN
from app.imaging import Limits, decode
from workers.metrics import afine, maniqa, musiq, topiq
from workers.metrics.ahead import ahead
from workers.metrics.base import Metric
from workers.metrics.engine import Rgb, Scored, ScoringEngine
from workers.metrics.pyiqa_metric import PyiqaMetric

NO_WEIGHTS_NEEDED = "psnr,ssim,lpips,dists,niqe"
DEEP: dict[str, tuple[type[PyiqaMetric], Any]] = {
    "musiq": (musiq.Musiq, musiq.untrained),
    "maniqa": (maniqa.Maniqa, maniqa.untrained),
    "topiq_nr": (topiq.TopiqNr, topiq.untrained),
}


class TimedEngine(ScoringEngine):
    """An engine that knows how long its metrics computed, and takes networks without weights for the time they need."""

    computing = 0.0

    def load(self, key: str) -> Metric:
        return self._metrics.get(key) or super().load(key)

    def _value(self, *arguments: Any) -> float:
        start = time.perf_counter()
        value = super()._value(*arguments)
        self.computing += time.perf_counter() - start
        return value

    def invent(self, key: str) -> torch.nn.Module:
        """Random weights for ``key``: only time can be learnt from it. Returns the network as pyiqa has it."""
        if key == "afine_nr":
            plain = random_afine()
            parts = {"finetuned_clip": plain.clip_model, "natural": plain.net_qhead, "natural_scale": plain.net_scale_nr}
            ours: torch.nn.Module = afine.Naturalness(
                {name: net.state_dict() for name, net in parts.items()}, Path("random")
            )
            kind: type[PyiqaMetric] = afine.AfineNr
        else:
            kind, build = DEEP[key]
            plain, ours = build(), build()
            ours.load_state_dict(plain.state_dict())
            ours = maniqa.without_unread_blocks(ours) if key == "maniqa" else ours
        metric: Any = kind.__new__(kind)
        metric.net, metric.device = ours.to(self.device).eval(), self.device
        self._metrics[key] = metric
        return cast(torch.nn.Module, plain.to(self.device).eval())


def random_afine() -> Any:
    """pyiqa's A-FINE at its true size, put together without the files its constructor reads."""
    from pyiqa.archs import afine_arch, afineclip_model

    net: Any = afine_arch.AFINE.__new__(afine_arch.AFINE)
    torch.nn.Module.__init__(net)
    net.model_type, net.mean, net.std = "afine_nr", afine.MEAN, afine.STD
    net.clip_model = afineclip_model.AFINECLIP(512, 224, 12, 768, 32, 77, 49408, 512, 8, 12)
    net.net_qhead, net.net_dhead = afine_arch.AFINEQhead(), afine_arch.AFINEDhead()
    net.net_scale_fr, net.net_scale_nr = afine_arch.AFINENLM_FR_Fit_with_limit(), afine_arch.AFINENLM_NR_Fit()
    net.adapter = afine_arch.AFINELearnLambda()
    return net


def write_group(folder: Path, image: int, candidates: int, size: int) -> tuple[Path, list[Path]]:
    """A reference and its noisy candidates as PNG files, the same on every run."""
    rng = np.random.default_rng(image)
    astronaut: Any = data.astronaut
    photo = np.asarray(Image.fromarray(astronaut()).resize((size, size)))
    clean = np.roll(photo, 17 * image, axis=1)
    pictures = [clean, *(np.clip(clean + rng.normal(0, 4 + 3 * n, clean.shape), 0, 255) for n in range(candidates))]
    files = [folder / f"{image}-{n}.png" for n in range(candidates + 1)]
    for file, picture in zip(files, pictures, strict=True):
        Image.fromarray(picture.astype(np.uint8)).save(file, compress_level=1)
    return files[0], files[1:]


def plain_model(key: str, net: torch.nn.Module, device: torch.device) -> Any:
    """pyiqa's own wrapper of a metric, around the given network."""
    from pyiqa.models.inference_model import InferenceModel

    wrapper = InferenceModel("psnr", device=device)  # needs no weights; its network is replaced
    wrapper.metric_name, wrapper.metric_mode = key, "FR" if KNOWN[key].reference else "NR"
    wrapper.net = net
    return wrapper


def read(file: Path) -> Rgb:
    return decode(file.read_bytes(), Limits(min_side=1)).pixels


def engine_turns(
    engine: ScoringEngine, keys: list[str], groups: list[tuple[Path, list[Path]]]
) -> Iterator[dict[str, list[Scored]]]:
    """The values of each group, the files of the next ones read and decoded while one is computed."""

    def job(group: tuple[Path, list[Path]]) -> tuple[Rgb, list[Rgb]]:
        return read(group[0]), [read(file) for file in group[1]]

    def piece(group: tuple[Path, list[Path]]) -> Any:
        return lambda: job(group)

    for reference, images in ahead(piece(group) for group in groups):
        yield engine.score_group(keys, images, reference)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", type=Path, default=Path(".cache/weights"), help="weights folder (default .cache/weights)")
    add("--metrics", default=NO_WEIGHTS_NEEDED, help=f"keys with commas between (default {NO_WEIGHTS_NEEDED})")
    add("--random-weights", action="store_true", help="invent weights of deep metrics: time only, their values are void")
    add("--images", type=int, default=2)
    add("--candidates", type=int, default=9)
    add("--size", type=int, default=512)
    add("--threads", type=int, default=2)
    add("--device", default="cpu")
    arguments = parser.parse_args()

    keys = arguments.metrics.split(",")
    engine = TimedEngine(arguments.weights, arguments.device, arguments.threads)
    invented = [key for key in keys if arguments.random_weights and (key in DEEP or key == "afine_nr")]
    nets = {key: engine.invent(key) if key in invented else cast(Any, engine.load(key)).net for key in keys}
    plain = {key: plain_model(key, nets[key], engine.device) for key in keys}
    spent = dict.fromkeys(keys, 0.0)
    ours = 0.0
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        groups = [write_group(Path(name), n, arguments.candidates, arguments.size) for n in range(arguments.images)]
        warm = [(groups[0][0], groups[0][1][:1])]
        list(engine_turns(engine, keys, warm))
        for key in keys:
            float(plain[key](*(str(file) for file in (groups[0][1][0], groups[0][0])[: 1 + KNOWN[key].reference])))
        engine.computing = 0.0
        engine._features.clear()
        turns = engine_turns(engine, keys, groups)
        for reference, images in groups:
            start = time.perf_counter()
            found = next(turns)
            ours += time.perf_counter() - start
            for key in keys:
                start = time.perf_counter()
                theirs = [
                    float(plain[key](*(str(f) for f in (file, reference)[: 1 + KNOWN[key].reference]))) for file in images
                ]
                spent[key] += time.perf_counter() - start
                assert np.allclose([one.value or np.nan for one in found[key]], theirs, rtol=1e-4, atol=1e-5), key
    total, scored = sum(spent.values()), arguments.images * arguments.candidates
    print(f"{arguments.images} images of {arguments.size}x{arguments.size}, {arguments.candidates} candidates each, "
          f"{arguments.device}, {arguments.threads} threads")  # fmt: skip
    if invented:
        print(f"{', '.join(invented)}: RANDOM weights, for the time alone")
    for key in keys:
        print(f"  {key:9} plain loop {spent[key] / scored:8.3f} s/candidate")
    print(f"plain loop {total / scored:8.3f} s/candidate")
    print(f"engine     {ours / scored:8.3f} s/candidate: {total / ours:.2f} times as fast")
    print(f"outside of metrics: {max(0.0, 1 - engine.computing / ours):.1%} of the engine's time")


if __name__ == "__main__":
    main()
