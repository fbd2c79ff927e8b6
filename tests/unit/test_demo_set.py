"""The first thing a newcomer sees. If these fail, `make demo` shows broken, mislabelled or ever-changing photographs."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="the demo set needs the iqa extra")

from PIL import Image

from app.catalog.categories import CATEGORIES
from workers.degradations.camera import low_light, to_linear, to_srgb
from workers.degradations.demo import PICTURES, DemoFolder, build_demo_set
from workers.degradations.photos import installed_file
from workers.degradations.weather import haze


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[DemoFolder]:
    return build_demo_set(tmp_path_factory.mktemp("demo"))


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def test_every_category_has_photographs_and_none_is_missing_from_the_packages(built: list[DemoFolder]) -> None:
    assert len(built) == len(PICTURES)
    counts = Counter(entry.category for entry in built)
    assert set(counts) == set(CATEGORIES)
    assert min(counts.values()) >= 3


def test_pictures_open_small_ones_first(built: list[DemoFolder]) -> None:
    """A large picture in front would keep the first verdict waiting."""
    areas = []
    for entry in built:
        with Image.open(only_file(entry.path)) as image:
            image.load()
            assert min(image.size) >= 250
            assert max(image.size) <= 1100
            areas.append(image.size[0] * image.size[1])
    assert areas == sorted(areas)


def test_what_was_rendered_is_called_synthetic_everywhere(built: list[DemoFolder]) -> None:
    """A rendered snowfall taken for a real one would be a false claim in somebody's dataset."""
    for entry, picture in zip(built, PICTURES, strict=True):
        assert entry.kind == ("synthetic" if picture.render else "dataset")
        label = "synthetic" if picture.render else "real"
        assert only_file(entry.path).name.startswith(label)
        assert entry.note.startswith(label)
        assert ("synthetic" in entry.source) == (entry.kind == "synthetic")
        assert entry.licence
        assert entry.author
    assert {entry.category for entry in built if entry.kind == "dataset"} == {
        "general_mixed",
        "low_light",
        "old_photo",
        "snow",
    }


def test_a_second_build_gives_the_same_bytes(built: list[DemoFolder], tmp_path: Path) -> None:
    """Otherwise the second `make demo` would ingest everything again."""
    command = [sys.executable, "-m", "workers.degradations.demo", str(tmp_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    again = json.loads(output)
    assert [only_file(Path(entry["path"])).read_bytes() for entry in again] == [
        only_file(entry.path).read_bytes() for entry in built
    ]


def test_real_photographs_are_copied_as_they_are(built: list[DemoFolder]) -> None:
    import skimage

    (clock,) = (entry for entry in built if entry.path.name == "real-clock")
    original = Path(skimage.__file__).parent / "data" / "clock_motion.png"
    assert only_file(clock.path).read_bytes() == original.read_bytes()


def test_no_picture_is_taken_for_a_near_duplicate_of_another(built: list[DemoFolder]) -> None:
    import imagehash

    from app.domain.near_duplicates import is_near_duplicate

    hashes = []
    for entry in built:
        with Image.open(only_file(entry.path)) as image:
            hashes.append(str(imagehash.phash(image)))
    assert not [(a, b) for i, a in enumerate(hashes) for b in hashes[:i] if is_near_duplicate(a, b)]


def test_a_missing_package_leaves_its_pictures_out_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from workers.degradations import demo

    def without_pyiqa(package: str, file: str) -> Path:
        if package == "pyiqa":
            raise FileNotFoundError("pyiqa is not installed")
        return installed_file(package, file)

    monkeypatch.setattr(demo, "installed_file", without_pyiqa)
    monkeypatch.setattr(demo, "PICTURES", tuple(p for p in PICTURES if p.name in ("highway", "coins")))
    assert [entry.path.name for entry in build_demo_set(tmp_path)] == ["real-coins"]
    assert capsys.readouterr().err == "left out: highway: pyiqa is not installed\n"


def test_haze_follows_the_scattering_model() -> None:
    """Koschmieder: at depth ln 2 / density half of the radiance is left; at depth 0 all of it."""
    image = np.full((2, 2, 3), 0.2, np.float32)
    depth = np.array([[0, 1], [0, 1]], np.float32)
    hazy = haze(image, depth, float(np.log(2)), (0.8, 0.8, 0.8))
    np.testing.assert_allclose(hazy[:, 0], 0.2, atol=1e-6)
    np.testing.assert_allclose(hazy[:, 1], 0.5, atol=1e-6)


def test_low_light_keeps_the_mean_light_and_adds_shot_noise() -> None:
    """Poisson: the variance is the mean, so a fourth of the light has twice the relative noise."""
    image = to_srgb(np.full((256, 256, 3), 0.5, np.float32))
    rng = np.random.default_rng(0)
    noise = []
    for exposure in (0.8, 0.2):
        green = to_linear(low_light(image, rng, exposure, 20_000))[..., 1]
        assert green.mean() == pytest.approx(0.5 * 0.98 * exposure, rel=0.01)
        noise.append(green.std() / green.mean())
    assert noise[1] / noise[0] == pytest.approx(2, rel=0.1)
