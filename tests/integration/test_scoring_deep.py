"""MUSIQ, MANIQA, TOPIQ and A-FINE, built from a folder and from nothing else, strictly, and with pyiqa's traps shut.

Their true weights cannot be had here: files of random numbers stand in. What is tested holds for any weights; no value here
is one of these metrics.
"""

import hashlib
import importlib
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyiqa")
import torch

from app.catalog import metrics as catalogue
from app.catalog.metric_weights import WeightFile
from app.errors import GgtError, WeightsMissing
from app.services import weights as service
from app.services.weights import fetch_weights
from tests.integration import random_weights
from workers.metrics.base import Metric
from workers.metrics.engine import Rgb, Scored, ScoringEngine, metric_version

pytestmark = [pytest.mark.xdist_group("torch"), pytest.mark.timeout(300)]
MODULES = {"musiq": "MUSIQ_KONIQ", "maniqa": "MANIQA_KONIQ", "topiq_nr": "TOPIQ_KONIQ", "afine_nr": "AFINE"}
SIDES = {"musiq": (96, 128), "maniqa": (225, 226), "topiq_nr": (96, 128), "afine_nr": (64, 96)}
CROPS = 1  # of MANIQA's 20: each costs a second


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A weights folder with random files for the four, as if their hashes were the published ones."""
    patch = pytest.MonkeyPatch()
    with tempfile.TemporaryDirectory(prefix="ggt-random-weights-") as name:
        for key, constant in MODULES.items():
            spec = catalogue.METRICS[key]
            [weight] = spec.weights
            random_weights.write(key, Path(name, "usb", weight.member))
            if weight.sha256:
                file = Path(name, "usb", weight.member)
                weight = replace(weight, sha256=hashlib.sha256(file.read_bytes()).hexdigest(), size=file.stat().st_size)
            patch.setattr(f"{spec.target.partition(':')[0]}.{constant}", weight)
            for held in (catalogue.METRICS, catalogue.KNOWN):
                patch.setitem(held, key, replace(spec, weights=(weight,)))
        fetch_weights(Path(name), only=list(MODULES), source=Path(name, "usb"))
        yield Path(name)
    patch.undo()


@pytest.fixture(scope="module")
def engine(folder: Path) -> ScoringEngine:
    """With the four loaded, and no way to any network."""

    def refuse(*arguments: object) -> None:
        pytest.fail(f"a connection was tried: {arguments[1:]}")

    loaded = ScoringEngine(folder, threads=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        for key in MODULES:
            loaded.load(key)
    net(loaded, "maniqa").test_sample = CROPS
    return loaded


def net(engine: ScoringEngine, key: str) -> Any:
    metric: Any = engine.load(key)
    return metric.net


def noise(key: str, seed: int = 0) -> Rgb:
    return np.random.default_rng(seed).integers(0, 256, (*SIDES[key], 3), np.uint8)


def tensor(image: Rgb) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("key", MODULES)
def test_a_value_depends_on_the_image_alone(engine: ScoringEngine, key: str) -> None:
    """Not on what was scored before, on neighbours, or on the state of any random number generator."""
    one, other = noise(key), noise(key, seed=1)
    torch.manual_seed(1)
    np.random.seed(1)
    both = engine.score(key, [one, other])
    torch.manual_seed(2)
    np.random.seed(2)
    assert engine.score(key, [other, one]) == both[::-1]
    assert engine.score(key, [one]) == both[:1]
    assert both[0].value != both[1].value
    assert all(found.value is not None for found in both)


@pytest.mark.parametrize("key", MODULES)
def test_the_image_is_not_changed(engine: ScoringEngine, key: str) -> None:
    """pyiqa's A-FINE normalises the caller's tensor in place; the next metric would score another image."""
    given = tensor(noise(key))
    before = given.clone()
    with torch.inference_mode():
        engine.load(key)(given, None)
    assert torch.equal(given, before)


@pytest.mark.parametrize("key", MODULES)
def test_flat_and_tiny_images_have_a_finite_value_or_a_reason(engine: ScoringEngine, key: str) -> None:
    flat = np.full((*SIDES[key], 3), 90, np.uint8)
    for image in (flat, np.zeros_like(flat)):
        [found] = engine.score(key, [image])
        assert (found.value is None) == bool(found.reason)
        assert found.value is None or np.isfinite(found.value)
    [tiny] = engine.score(key, [flat[:16, :16]])
    assert tiny == Scored(None, f"16x16 is too small: {catalogue.METRICS[key].title} needs 32 pixels on each side")


def test_a_net_that_says_nan_gives_no_value(engine: ScoringEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.load("musiq"), "value", lambda *_: float("nan"))
    [found] = engine.score("musiq", [noise("musiq")])
    assert found.value is None
    assert "not defined" in found.reason


def test_afine_takes_sides_divisible_by_32_as_pyiqa_does(engine: ScoringEngine) -> None:
    image = np.zeros((96, 100, 3), np.uint8)
    [found] = engine.score("afine_nr", [image])
    assert found == Scored(None, "100x96 does not fit: A-FINE-NR needs sides divisible by 32")
    with pytest.raises(AssertionError, match="divisible by 32"):
        pyiqas_afine(engine)(tensor(image))


def pyiqas_afine(engine: ScoringEngine) -> Any:
    """pyiqa's own network on the same file, without the CLIP that it would download first and then replace."""
    arch = importlib.import_module("pyiqa.archs.afine_arch")
    clip = importlib.import_module("pyiqa.archs.afineclip_model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arch, "load", lambda *_, **__: (clip.AFINECLIP(**random_weights.CLIP), None))
        file = engine.weights_dir / catalogue.METRICS["afine_nr"].weights[0].path
        return arch.AFINE(model_type="afine_nr", pretrained_model_path=str(file)).eval()


def test_afine_has_pyiqas_value_and_leaves_the_image_alone(engine: ScoringEngine) -> None:
    image = noise("afine_nr")
    given = tensor(image)
    expected = float(pyiqas_afine(engine)(given))
    assert not torch.equal(given, tensor(image))  # the trap is there: pyiqa has changed it
    assert engine.score("afine_nr", [image])[0].value == pytest.approx(expected, abs=1e-6)


def test_maniqa_has_pyiqas_value_without_the_blocks_that_nothing_reads(engine: ScoringEngine) -> None:
    maniqa = importlib.import_module("workers.metrics.maniqa")
    torch.manual_seed(7)  # as the file was written
    whole = maniqa.untrained().eval()
    whole.test_sample = CROPS
    image = noise("maniqa")
    with torch.inference_mode():
        expected = float(whole(tensor(image)))
    assert (len(whole.vit.blocks), len(net(engine, "maniqa").vit.blocks)) == (12, 10)
    assert engine.score("maniqa", [image])[0].value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("key", ["musiq", "topiq_nr"])
def test_the_others_have_pyiqas_value(engine: ScoringEngine, key: str) -> None:
    module = importlib.import_module(catalogue.METRICS[key].target.partition(":")[0])
    torch.manual_seed(7)
    image = noise(key)
    with torch.inference_mode():
        expected = float(module.untrained().eval()(tensor(image)))
    assert engine.score(key, [image])[0].value == pytest.approx(expected, abs=1e-6)


def rewritten(folder: Path, key: str, change: Any, patch: pytest.MonkeyPatch, target: Path) -> Metric:
    """The metric from a file that was changed, with its hash taken for right: only the tensors can tell."""
    [weight] = catalogue.METRICS[key].weights
    state = torch.load(folder / weight.path, weights_only=True)
    change(state)
    (target / "usb").mkdir()
    torch.save(state, target / "usb" / weight.member)
    data = (target / "usb" / weight.member).read_bytes()
    other: WeightFile = replace(weight, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    spec = replace(catalogue.METRICS[key], weights=(other,))
    patch.setattr(f"{spec.target.partition(':')[0]}.{MODULES[key]}", other)
    patch.setattr(service, "METRICS", {key: spec})
    fetch_weights(target, source=target / "usb")
    return ScoringEngine(target).load(key)


CHANGES = [
    ("musiq", lambda state: state.pop("head.bias"), ValueError, r"lacks head\.bias"),
    ("musiq", lambda state: state.update(extra=torch.zeros(1)), ValueError, "holds extra, which it has not"),
    ("musiq", lambda state: state.update({"head.bias": torch.zeros(10)}), RuntimeError, "size mismatch for head.bias"),
    ("topiq_nr", lambda state: state["params"].pop("h_emb"), ValueError, "lacks h_emb"),
    ("topiq_nr", lambda state: state.pop("params"), WeightsMissing, "no part 'params'"),
    ("afine_nr", lambda state: state["natural"].pop("proj_feat.bias"), ValueError, r"lacks proj_feat\.bias"),
    ("afine_nr", lambda state: state["finetuned_clip"].pop("visual.conv1.weight"), KeyError, "visual.conv1"),
    ("afine_nr", lambda state: state.pop("natural_scale"), WeightsMissing, "no part natural_scale"),
]


@pytest.mark.parametrize(("key", "change", "error", "said"), CHANGES)
def test_a_file_that_does_not_fit_whole_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, change: Any, error: type[Exception], said: str
) -> None:
    """A net that stays random in one place gives values that look like values."""
    with pytest.raises(error, match=said):
        rewritten(folder, key, change, monkeypatch, tmp_path)


def test_a_file_with_code_in_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def replace_by_code(state: dict[str, Any]) -> None:
        state["code"] = print

    with pytest.raises(WeightsMissing, match="no file of tensors"):
        rewritten(folder, "musiq", replace_by_code, monkeypatch, tmp_path)


def test_the_version_names_the_file_and_an_exchanged_one_stops_the_worker(folder: Path, engine: ScoringEngine) -> None:
    """A-FINE's hash is known once its file is here. Scores by two files must not share a key."""
    [weight] = catalogue.METRICS["afine_nr"].weights
    file = folder / weight.path
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert sha256 in metric_version("afine_nr", folder)
    assert engine.load("afine_nr").weight_hash() == sha256
    record = file.with_name(f"{file.name}.origin.json")
    kept = record.read_text()
    record.write_text(kept.replace(sha256, "0" * 64))
    with pytest.raises(WeightsMissing, match="is not the file that was brought in"):
        metric_version("afine_nr", folder)
    with file.open("ab") as end:
        end.write(b"\0")
    record.write_text(kept.replace(sha256, hashlib.sha256(file.read_bytes()).hexdigest()))
    try:
        with pytest.raises(GgtError, match="have been exchanged: restart this worker"):
            engine.score("afine_nr", [noise("afine_nr")])
    finally:
        with file.open("r+b") as end:
            end.truncate(file.stat().st_size - 1)
        record.write_text(kept)
    assert engine.score("afine_nr", [noise("afine_nr")])[0].value is not None
