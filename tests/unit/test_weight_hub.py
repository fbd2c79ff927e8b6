"""Weights from a model hub: whole, the right ones, and the same ones for ever, or a line that says what to do.

The hub is a server of ours: no true one was ever asked here.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from app.catalog.metric_weights import WeightFile
from app.catalog.metrics import METRICS, MetricSpec
from app.errors import WeightsMissing
from app.services import weight_hub
from app.services import weights as service
from app.services.weights import fetch_weights, version_key, weight_path, weights_status
from tests.unit.hub_server import Hub, model_hub

DATA = bytes(range(256)) * 20_000  # 5 MB: several pieces
SHA256 = hashlib.sha256(DATA).hexdigest()
PINNED = WeightFile(
    path="hub/model.pth", sha256=SHA256, size=len(DATA), member="model.pth", licence="MIT", repository="some/weights"
)
UNKNOWN = replace(PINNED, sha256="", size=0)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(weight_hub, "WAIT_SECONDS", 0.01)
    with model_hub() as server:
        server.files["model.pth"] = DATA
        yield server


def needs(monkeypatch: pytest.MonkeyPatch, weight: WeightFile) -> MetricSpec:
    spec = MetricSpec("demo", "Demo", "nowhere:Demo", False, "lower", "none", weights=(weight,))
    monkeypatch.setattr(service, "METRICS", {"demo": spec})
    return spec


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("weight", [PINNED, UNKNOWN], ids=["pinned", "unknown hash"])
def test_the_hub_gives_the_file(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weight: WeightFile) -> None:
    spec = needs(monkeypatch, weight)
    hub.hashes["model.pth"] = SHA256
    said: list[str] = []
    assert fetch_weights(tmp_path, hub=hub.url, progress=said.append) == [weight]
    assert weight_path(tmp_path, weight).read_bytes() == DATA
    assert hub.asked == [("/some/weights/resolve/main/model.pth", "")]
    assert left(tmp_path) == ["model.pth", "model.pth.origin.json"]
    record = json.loads((tmp_path / "hub/model.pth.origin.json").read_text())
    assert (record["sha256"], record["from"]) == (SHA256, f"{hub.url}/some/weights/resolve/main/model.pth")
    [row] = weights_status(tmp_path)
    assert (row.state, row.sha256, row.from_hub) == ("present", SHA256, True)
    assert SHA256 in version_key(tmp_path, spec)  # what a score is recorded under
    assert any("of 5,120,000 bytes" in line for line in said)
    assert fetch_weights(tmp_path, hub=hub.url) == []


def test_a_cut_line_is_taken_up_where_it_was_cut(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(monkeypatch, PINNED)
    hub.cuts = [2_000_000, 1_000_000]
    fetch_weights(tmp_path, hub=hub.url)
    assert weight_path(tmp_path, PINNED).read_bytes() == DATA
    assert [wanted for _, wanted in hub.asked] == ["", "bytes=2000000-", "bytes=3000000-"]


def test_a_second_fetch_goes_on_where_the_first_gave_up(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(monkeypatch, PINNED)
    hub.cuts = [4_000_000] + [0] * weight_hub.ATTEMPTS
    with pytest.raises(WeightsMissing, match=r"could not be downloaded.*--from DIR"):
        fetch_weights(tmp_path, hub=hub.url)
    assert [row.state for row in weights_status(tmp_path)] == ["missing"]
    fetch_weights(tmp_path, hub=hub.url)
    assert hub.asked[-1][1] == "bytes=4000000-"
    assert weight_path(tmp_path, PINNED).read_bytes() == DATA
    assert left(tmp_path) == ["model.pth", "model.pth.origin.json"]


def test_what_is_left_of_another_file_is_thrown_away(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(monkeypatch, PINNED)
    (tmp_path / "hub").mkdir()
    for rest in (b"x" * 1000, DATA + b"too long"):
        (tmp_path / "hub/model.pth.part").write_bytes(rest)
        (tmp_path / "hub/model.pth").unlink(missing_ok=True)
        fetch_weights(tmp_path, hub=hub.url)
        assert weight_path(tmp_path, PINNED).read_bytes() == DATA


def test_a_hub_without_ranges_starts_again(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(monkeypatch, PINNED)
    hub.ranges, hub.cuts = False, [2_000_000]
    fetch_weights(tmp_path, hub=hub.url)
    assert weight_path(tmp_path, PINNED).read_bytes() == DATA


def test_a_busy_hub_is_asked_again(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(monkeypatch, PINNED)
    hub.statuses = [503, 429]
    fetch_weights(tmp_path, hub=hub.url)
    assert len(hub.asked) == 3


def test_another_file_is_refused(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the hub says so, its size does, or only its bytes: else every score would be silently wrong."""
    needs(monkeypatch, PINNED)
    hub.hashes["model.pth"] = "0" * 64
    with pytest.raises(WeightsMissing, match="is another file: the hub says SHA-256 000000000000"):
        fetch_weights(tmp_path, hub=hub.url)
    hub.hashes.clear()
    hub.files["model.pth"] = DATA[:-1] + b"x"
    with pytest.raises(WeightsMissing, match="is another file: SHA-256"):
        fetch_weights(tmp_path, hub=hub.url)
    hub.files["model.pth"] = DATA[:-1]
    with pytest.raises(WeightsMissing, match="is another file: 5,119,999 bytes"):
        fetch_weights(tmp_path, hub=hub.url)
    assert left(tmp_path) == []
    assert len(hub.asked) == 3  # none was asked for again


def test_of_unknown_hash_the_first_file_is_the_one(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files under one version key would mix their scores."""
    spec = needs(monkeypatch, UNKNOWN)
    with pytest.raises(WeightsMissing, match=r"model\.pth is missing"):
        version_key(tmp_path, spec)
    fetch_weights(tmp_path, hub=hub.url)
    other = DATA[::-1]
    (tmp_path / "hub/model.pth").write_bytes(other)
    with pytest.raises(WeightsMissing, match="is not the file that was brought in"):
        version_key(tmp_path, spec)
    hub.files["model.pth"] = other
    with pytest.raises(WeightsMissing, match="is another file"):
        fetch_weights(tmp_path, hub=hub.url)
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb/model.pth").write_bytes(other)
    with pytest.raises(WeightsMissing, match="holds another one"):
        fetch_weights(tmp_path, source=tmp_path / "usb")
    (tmp_path / "hub/model.pth.origin.json").unlink()  # a person takes the new one on purpose
    with pytest.raises(WeightsMissing, match="Type: ggt weights fetch"):
        weight_path(tmp_path, UNKNOWN)  # one that nobody brought in by fetch has no word for itself
    fetch_weights(tmp_path, source=tmp_path / "usb")
    assert hashlib.sha256(other).hexdigest() in version_key(tmp_path, spec)


def test_a_hub_that_tells_the_hash_is_held_to_it(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(monkeypatch, UNKNOWN)
    hub.hashes["model.pth"] = SHA256
    hub.files["model.pth"] = DATA[::-1]
    with pytest.raises(WeightsMissing, match="is another file"):
        fetch_weights(tmp_path, hub=hub.url)


def test_no_file_and_no_hub_say_what_to_do(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(monkeypatch, PINNED)
    hub.files.clear()
    carry = r"carry model\.pth over and type: ggt weights fetch --from DIR"
    with pytest.raises(WeightsMissing, match=rf"the hub answered 404\. .*{carry}"):
        fetch_weights(tmp_path, hub=hub.url)
    with pytest.raises(WeightsMissing, match=rf"could not be downloaded: ConnectError.*{carry}"):
        fetch_weights(tmp_path, hub="http://127.0.0.1:9")
    assert len(hub.asked) == 1


def test_one_failure_keeps_no_other_file_away(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = replace(PINNED, path="hub/lost.pth", member="lost.pth")
    spec = MetricSpec("demo", "Demo", "nowhere:Demo", False, "lower", "none", weights=(lost, PINNED))
    monkeypatch.setattr(service, "METRICS", {"demo": spec})
    with pytest.raises(WeightsMissing, match=r"lost\.pth could not be downloaded"):
        fetch_weights(tmp_path, hub=hub.url)
    assert [row.state for row in weights_status(tmp_path)] == ["missing", "present"]


def test_two_at_once_download_once(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(monkeypatch, PINNED)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: fetch_weights(tmp_path, hub=hub.url), range(3)))
    assert weight_path(tmp_path, PINNED).read_bytes() == DATA
    assert len(hub.asked) == 1


def test_without_a_hub_its_files_are_not_asked_for(tmp_path: Path) -> None:
    """`ggt up` fetches the small ones by itself; half a gigabyte from a hub is a person's decision."""
    hub_files = {weight for spec in METRICS.values() for weight in spec.weights if weight.repository}
    assert fetch_weights(tmp_path, only=["musiq", "maniqa", "topiq_nr", "afine_nr"]) == []
    assert len(hub_files) == 4
