"""Licences as people, platforms and data sets write them, and the key that the catalogue has for them."""

import re
from collections.abc import Collection

_CC_URL = re.compile(
    r"(?:https?:)?//(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/(?P<code>[a-z-]+)/(?P<version>\d\.\d)"
    r"/?(?:deed|legalcode)?(?:\.[a-z]{2}(?:[-_][a-z]+)?)?/?"
)
_WORDS = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_ELEMENTS = {
    "attribution": ("by",), "noncommercial": ("nc",), "sharealike": ("sa",), "noderivs": ("nd",), "noderivatives": ("nd",),
    "noderivative": ("nd",), "by": ("by",), "nc": ("nc",), "sa": ("sa",), "nd": ("nd",),
}  # fmt: skip
_FILLERS = frozenset(
    {"license", "licence", "licensed", "international", "generic", "unported", "the", "under", "v", "version"}
)
_ELSEWHERE = {
    "cczero": "CC0-1.0",
    "creativecommonszero": "CC0-1.0",
    "publicdomaindedication": "CC0-1.0",
    "publicdomaindedicationcczero": "CC0-1.0",
    "cczeropublicdomaindedication": "CC0-1.0",
    "publicdomain": "PDM-1.0",
    "publicdomainmark": "PDM-1.0",
    "publicdomainwork": "PDM-1.0",
    "pdm": "PDM-1.0",
    "noknowncopyrightrestrictions": "no-known-restrictions",
    "unitedstatesgovernmentwork": "US-Gov",
    "usgovernmentwork": "US-Gov",
    "allrightsreserved": "all-rights-reserved",
    "unsplash": "unsplash",
    "pexels": "pexels",
    "pixabay": "pixabay",
    "pixabaycontent": "pixabay",
    "ownphotographs": "own",
    "mit": "MIT",
    "apache": "Apache-2.0",
}
"""Names without punctuation, version and the word licence; CC0 reads "cczero". COCO's seventh and eighth are among them."""
_ADDRESSES = (
    ("flickr.com/commons/usage", "no-known-restrictions"),
    ("usa.gov/copyright", "US-Gov"),
    ("usa.gov/government-copyright", "US-Gov"),
    ("usa.gov/government-works", "US-Gov"),
    ("unsplash.com/license", "unsplash"),
    ("pexels.com/license", "pexels"),
    ("pexels.com/photo-license", "pexels"),
    ("pixabay.com/service/license", "pixabay"),
    ("pixabay.com/service/terms", "pixabay"),
    ("opensource.org/licenses/mit", "MIT"),
    ("apache.org/licenses/license-2.0", "Apache-2.0"),
    ("rightsstatements.org/vocab/nkc/1.0", "no-known-restrictions"),
)
_VERSIONS = {"CC0-1.0": "1", "PDM-1.0": "1", "Apache-2.0": "2"}
FLICKR_VERSION = "2.0"
"""Flickr, and COCO after it, name their Creative Commons licences by elements alone ("Attribution License"): version 2.0."""


def licence_key(text: str, known: Collection[str]) -> str:
    """The key among ``known`` that a licence's identifier, name or address means; a text nobody knows stays as it is.

    A Creative Commons licence without a version is not guessed at, except in Flickr's own words.
    """
    told = " ".join(text.split())
    keys = {key.lower(): key for key in known}
    lower = told.lower()
    found = keys.get(lower) or (_by_address(lower) if "/" in lower else None) or _by_words(lower)
    return keys.get((found or "").lower(), told)


def _by_address(lower: str) -> str | None:
    if match := _CC_URL.fullmatch(lower):
        code, version = match["code"], match["version"]
        named = {"zero": "CC0", "mark": "PDM"}.get(code, f"CC-{code.upper()}")
        return f"{named}-{version}"
    bare = re.sub(r"^(?:https?:)?//(?:www\.)?", "", lower)
    if bare.startswith("spdx.org/licenses/"):
        return bare.removeprefix("spdx.org/licenses/").removesuffix("/").removesuffix(".html")
    return next((key for start, key in _ADDRESSES if bare.startswith(start)), None)


def _by_words(lower: str) -> str | None:
    plain = re.sub(r"\b(non|share|no)[ -](commercial|alike|deriv\w*)", r"\1\2", lower)
    words = [word for word in _WORDS.findall(plain.replace("cc0", "cczero")) if word not in _FILLERS]
    versions = [word for word in words if word[0].isdigit()]
    names = [word for word in words if not word[0].isdigit() and word != "universal"]
    if len(versions) > 1:
        return None
    version = versions[0] if versions else ""
    key = _ELSEWHERE.get("".join(names))
    if key:
        return key if not version or version.partition(".")[0] == _VERSIONS.get(key) else None
    return _creative_commons(names, version, in_words="licen" in lower)


def _creative_commons(names: list[str], version: str, *, in_words: bool) -> str | None:
    """A licence from its elements, such as cc, by, sa, 4.0; ``in_words``: it calls itself a licence."""
    said = [name for name in names if name not in ("creative", "commons", "cc")]
    if not said or any(name not in _ELEMENTS for name in said):
        return None
    elements = [element for name in said for element in _ELEMENTS[name]]
    if elements[0] != "by" or len(set(elements)) < len(elements):
        return None
    if not version:
        if len(said) < len(names) or said[0] != "attribution" or not in_words:
            return None
        version = FLICKR_VERSION
    order = [element for element in ("by", "nc", "sa", "nd") if element in elements]
    return f"CC-{'-'.join(order).upper()}-{version if '.' in version else version + '.0'}"
