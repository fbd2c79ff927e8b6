"""Licences as people, platforms and data sets write them, and the key that the catalogue has for them."""

import re
from collections.abc import Collection

_CC_URL = re.compile(
    r"(?:https?:)?//(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/(?P<code>[a-z-]+)/(?P<version>\d\.\d)"
    r"(?:/(?P<port>[a-z]{2}|igo|scotland))?/?(?:deed|legalcode)?(?:\.[a-z]{2}(?:[-_][a-z]+)?)?/?"
)
LONGEST = 200
"""Characters of a text that may be a licence's name or address; a longer one is nobody's."""
_TWICE = re.compile(r"(.+)\((.+)\)")
"""A name with its short form, as deeds have it: "Attribution 3.0 Unported (CC BY 3.0)"."""
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
_JURISDICTIONS = (
    "ar", "at", "au", "az", "be", "bg", "br", "ca", "ch", "cl", "cn", "co", "cr", "cz", "de", "dk", "ec", "ee", "eg", "es",
    "fi", "fr", "ge", "gr", "gt", "hk", "hr", "hu", "ie", "igo", "il", "in", "it", "jp", "kr", "lu", "mk", "mt", "mx", "my",
    "nl", "no", "nz", "pe", "ph", "pl", "pr", "pt", "ro", "rs", "scotland", "se", "sg", "si", "th", "tw", "ug", "uk", "us",
    "ve", "vn", "za",
)  # fmt: skip
"""Those that Creative Commons' licences up to version 3.0 were written for: the "ported" ones."""
_PORTS = {code: code.upper() for code in _JURISDICTIONS} | {
    "australia": "AU", "austria": "AT", "englandandwales": "UK", "france": "FR", "germany": "DE", "japan": "JP",
    "netherlands": "NL", "unitedkingdom": "UK", "unitedstates": "US",
}  # fmt: skip
_PORTED = re.compile(r"(?P<unported>CC-BY[A-Z-]*-[1-3]\.\d)-[A-Z]+")
_VERSIONS = {"CC0-1.0": "1", "PDM-1.0": "1", "Apache-2.0": "2"}
FLICKR_VERSION = "2.0"
"""Flickr, and COCO after it, name their Creative Commons licences by elements alone ("Attribution License"): version 2.0."""


def licence_key(text: str, known: Collection[str]) -> str:
    """The key among ``known`` that a licence's identifier, name or address means; a text nobody knows stays as it is.

    A Creative Commons licence without a version is not guessed at, except in Flickr's own words. One that was ported to a
    country's law is the unported one where ``known`` does not have it; then there is a :func:`port_note`.
    """
    return _known(text, known)[0]


def port_note(text: str, known: Collection[str]) -> str:
    """What to note where the country is dropped: "licence CC-BY-2.0-FR, kept as CC-BY-2.0"; empty where it is not."""
    key, ported = _known(text, known)
    return f"licence {ported}, kept as {key}" if ported else ""


def _known(text: str, known: Collection[str]) -> tuple[str, str]:
    """The key, and the ported licence that it stands for where ``known`` has only the unported one."""
    told = " ".join(text.split())
    if len(told) > LONGEST:
        return told, ""
    keys = {key.lower(): key for key in known}
    lower = told.lower()
    found = (lower if lower in keys else None) or (_by_address(lower) if "/" in lower else None) or _by_words(lower) or ""
    if key := keys.get(found.lower()):
        return key, ""
    ported = _PORTED.fullmatch(found.upper())
    if ported and (key := keys.get(ported["unported"].lower())):
        return key, ported[0]
    return told, ""


def _by_address(lower: str) -> str | None:
    if match := _CC_URL.fullmatch(lower):
        code, version, port = match.groups()
        named = {"zero": "CC0", "mark": "PDM"}.get(code, f"CC-{code.upper()}")
        return f"{named}-{version}" + (f"-{_PORTS.get(port, '?')}" if port else "")
    bare = re.sub(r"^(?:https?:)?//(?:www\.)?", "", lower)
    if bare.startswith("spdx.org/licenses/"):
        return bare.removeprefix("spdx.org/licenses/").removesuffix("/").removesuffix(".html")
    return next((key for start, key in _ADDRESSES if bare.startswith(start)), None)


def _by_words(lower: str) -> str | None:
    if twice := _TWICE.fullmatch(lower):
        name, short = map(_by_words, twice.groups())
        if name and short:
            return name if name == short else None
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
    after = words[words.index(version) + 1 :] if version else []
    port = _PORTS.get("".join(after), "")
    licence = _creative_commons(names[: len(names) - len(after)] if port else names, version, in_words="licen" in lower)
    return f"{licence}-{port}" if licence and port else licence


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
