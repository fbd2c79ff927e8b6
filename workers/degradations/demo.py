"""The demo set: photographs that come inside installed packages, some of them degraded on purpose and called synthetic.

``python -m workers.degradations.demo FOLDER`` writes them, one folder per photograph, and prints them as JSON. Nothing
is downloaded and no photograph is part of this project: each is read from the package that carries it. Real photographs
are copied byte for byte; synthetic ones are the same to the bit on every run of one installation.
"""

import json
import shutil
import sys
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.degradations import photos
from workers.degradations.aging import old_photo
from workers.degradations.camera import general_mixed, low_light
from workers.degradations.photos import Photo, installed_file
from workers.degradations.weather import haze, outdoor_depth, rain, snow

Image = NDArray[np.float32]
Render = Callable[[Image, np.random.Generator], Image]


@dataclass(frozen=True)
class DemoFolder:
    """A folder with one photograph, and what ``ggt ingest`` asks about it. ``path`` is absolute."""

    category: str
    path: Path
    source: str
    kind: Literal["dataset", "synthetic"]
    licence: str
    author: str
    url: str
    note: str


@dataclass(frozen=True)
class Picture:
    """One picture of the set. Without ``render`` the photograph is taken as it is: a real degradation.

    ``crop`` is (x, y, width, height) in pixels of the photograph, (0, 0, 0, 0) all of it; ``width`` is that of the result.
    """

    category: str
    name: str
    photo: Photo
    note: str
    width: int = 0
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    render: Render | None = None


# Two parts of one photograph that share no pixel, or they would be called near-duplicates.
FOUNTAIN = (150, 0, 852, 440)
HEDGES = (592, 444, 560, 420)


def _landscape_haze(horizon: float, density: float) -> Render:
    return lambda image, _: haze(image, outdoor_depth(image, horizon), density, (0.86, 0.87, 0.88))


def _dim(exposure: float, electrons: float) -> Render:
    return lambda image, rng: low_light(image, rng, exposure, electrons)


def _mixed(defocus: float, noise: float, quality: int) -> Render:
    return lambda image, rng: general_mixed(image, rng, defocus, noise, quality)


def _print(fade: float, wear: float, sepia: bool) -> Render:
    return lambda image, rng: old_photo(image, rng, fade, wear, sepia)


def _motorcycle_haze(image: Image, _: np.random.Generator) -> Image:
    """Haze on the measured depth of the Middlebury scene, as D-HAZY (Ancuti et al., ICIP 2016) made it."""
    with np.load(installed_file("scikit-image", "skimage/data/motorcycle_disp.npz")) as data:
        disparity = data["arr_0"].astype(np.float32)
    # Pixels without ground truth are mostly behind something: take them for far.
    disparity[~np.isfinite(disparity)] = np.nanpercentile(np.where(np.isfinite(disparity), disparity, np.nan), 5)
    small = cv2.resize(cv2.medianBlur(disparity, 5), (image.shape[1], image.shape[0]), interpolation=cv2.INTER_AREA)
    depth = (1 / small) / (1 / small).max()
    return haze(image, np.asarray(cv2.GaussianBlur(depth, (0, 0), 1), np.float32), 2.4, (0.84, 0.85, 0.86))


PICTURES: tuple[Picture, ...] = (
    # The small ones first: their verdicts are the first that people see.
    Picture("general_mixed", "cat", photos.CHELSEA, "defocus, noise, JPEG", 384, render=_mixed(1.6, 0.045, 45)),
    Picture("low_light", "flower", photos.FLOWER, "dim light", 384, render=_dim(0.09, 900)),
    Picture("old_photo", "coins", photos.COINS, "museum photograph of a coin tray"),
    Picture("general_mixed", "clock", photos.CLOCK, "motion blur of a moved camera"),
    Picture("haze", "sailboat", photos.tid2013(6), "haze over the sea", 448, render=_landscape_haze(0.22, 1.5)),
    Picture("rain", "houses", photos.tid2013(8), "a shower", render=lambda i, g: rain(i, g, 0.9, 80)),
    Picture("snow", "lighthouse", photos.tid2013(19), "steady snowfall", render=lambda i, g: snow(i, g, 1.0, 75)),
    Picture("low_light", "caps", photos.tid2013(3), "street lamp", render=_dim(0.06, 1400)),
    Picture("old_photo", "portrait", photos.tid2013(4), "faded colour print", render=_print(0.9, 0.6, sepia=False)),
    Picture("old_photo", "camera", photos.CAMERA, "scratched sepia print", 448, render=_print(1.0, 1.0, sepia=True)),
    Picture("general_mixed", "sunset", photos.SUNSET, "defocus, strong JPEG", 560, render=_mixed(1.2, 0.02, 22)),
    Picture("snow", "hedges", photos.GARDEN, "heavy snowfall", 560, HEDGES, lambda i, g: snow(i, g, 1.4, 105)),
    Picture("haze", "motorcycle", photos.MOTORCYCLE, "smoke in a garage, on measured depth", 592, render=_motorcycle_haze),
    Picture("low_light", "coffee", photos.COFFEE, "dim café", render=_dim(0.05, 1100)),
    Picture("old_photo", "astronaut", photos.ASTRONAUT, "faded sepia print", render=_print(0.8, 0.4, sepia=True)),
    Picture("rain", "fountain", photos.GARDEN, "a heavy shower", 720, FOUNTAIN, lambda i, g: rain(i, g, 1.1, 97)),
    Picture("rain", "rocket", photos.ROCKET, "rain at dusk", render=lambda i, g: rain(i, g, 0.8, 100)),
    Picture("haze", "pagoda", photos.CHINA, "haze over a lake", render=_landscape_haze(0.62, 1.4)),
    Picture("low_light", "street", photos.NIGHT, "night photograph of a phone, with rain"),
    Picture("snow", "highway", photos.HIGHWAY, "snowfall"),
)


def build_demo_set(folder: Path) -> list[DemoFolder]:
    """Write the demo set below ``folder`` as ``<category>/<label>-<name>/<label>-<name>.png``, smaller pictures first.

    The label is real or synthetic. Safe to repeat: the files are written again, with the same bytes. A picture whose
    photograph is not in this installation (another version of the package may lack it) is left out, with a line on stderr.
    """
    folders = []
    for picture in PICTURES:
        kind: Literal["dataset", "synthetic"] = "synthetic" if picture.render else "dataset"
        label = "synthetic" if picture.render else "real"
        try:
            original = installed_file(picture.photo.package, picture.photo.file)
        except FileNotFoundError as error:
            print(f"left out: {picture.name}: {error}", file=sys.stderr)  # noqa: T201
            continue
        target = (folder / picture.category / f"{label}-{picture.name}").absolute()
        target.mkdir(parents=True, exist_ok=True)
        if picture.render:
            _write_png(target / f"{label}-{picture.name}.png", _rendered(picture, original, picture.render))
        else:
            shutil.copyfile(original, target / f"{label}-{picture.name}{original.suffix}")
        note = f"{label}: {picture.note}" + (f", rendered on {original.name}" if picture.render else "")
        photo = picture.photo
        source = f"{photo.package} {original.stem}" + (" (synthetic degradation)" if picture.render else "")
        folders.append(DemoFolder(picture.category, target, source, kind, photo.licence, photo.author, photo.url, note))
    return folders


def _rendered(picture: Picture, original: Path, render: Render) -> Image:
    """The degraded picture, at the size the set asks for. The seed is the picture's name."""
    bgr = cv2.imread(str(original), cv2.IMREAD_COLOR)
    if bgr is None:
        raise OSError(f"{original} cannot be read as an image")
    x, y, width, height = picture.crop
    if width:
        bgr = bgr[y : y + height, x : x + width]
    if picture.width and picture.width != bgr.shape[1]:
        size = (picture.width, round(bgr.shape[0] * picture.width / bgr.shape[1]))
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA))
    image = np.asarray(bgr[..., ::-1] / np.float32(255), np.float32)
    return render(image, np.random.default_rng(zlib.crc32(picture.name.encode())))


def _write_png(path: Path, image: Image) -> None:
    pixels = np.rint(np.clip(image, 0, 1)[..., ::-1] * 255).astype(np.uint8)
    _, encoded = cv2.imencode(".png", pixels)
    path.write_bytes(encoded.tobytes())


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m workers.degradations.demo FOLDER")
    folders = build_demo_set(Path(sys.argv[1]))
    json.dump([{**asdict(entry), "path": str(entry.path)} for entry in folders], sys.stdout, indent=1)
    print()  # noqa: T201


if __name__ == "__main__":
    main()
