"""Licences that photographs come under: SPDX identifiers where there is one, the platforms' own names where not.

What a licence allows is a summary for choosing, not legal advice; its text is at ``url``.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LicenceSpec:
    """One licence: whether copies may be passed on, adapted (an HQ is an adaptation of its LQ) and used commercially,
    whether authors must be named, and whether adaptations must come under the same licence."""

    key: str
    title: str
    url: str
    share: bool = True
    adapt: bool = True
    commercial: bool = True
    attribution: bool = False
    share_alike: bool = False


def _cc(elements: str, version: str, port: str = "") -> LicenceSpec:
    """A Creative Commons licence from its elements, such as BY-NC-SA; ``port``: written for that country's law."""
    parts = [elements, version, *([port] if port else [])]
    return LicenceSpec(
        "-".join(["CC", *parts]), " ".join(["CC", *parts]),
        f"https://creativecommons.org/licenses/{'/'.join(parts).lower()}/",
        adapt="ND" not in elements, commercial="NC" not in elements, attribution=True, share_alike="SA" in elements,
    )  # fmt: skip


_ELEMENTS = ("BY", "BY-SA", "BY-ND", "BY-NC", "BY-NC-SA", "BY-NC-ND")
_PORTS = {
    "BY": ("2.5-AU", "3.0-AT", "3.0-AU", "3.0-DE", "3.0-IGO", "3.0-NL", "3.0-US"),
    "BY-SA": ("2.0-UK", "2.1-JP", "3.0-AT", "3.0-DE", "3.0-IGO"),
    "BY-ND": ("3.0-DE",),
    "BY-NC": ("3.0-DE",),
    "BY-NC-SA": ("2.0-DE", "2.0-FR", "2.0-UK", "3.0-DE", "3.0-IGO"),
    "BY-NC-ND": ("3.0-DE", "3.0-IGO"),
}
"""Those written for one country's law that SPDX has. Others are kept as the unported one, with a note."""
_CREATIVE_COMMONS = [
    *(_cc(elements, version) for version in ("2.0", "2.5", "3.0", "4.0") for elements in _ELEMENTS),
    *(_cc(elements, *port.split("-")) for elements, ports in _PORTS.items() for port in ports),
]

LICENCES: dict[str, LicenceSpec] = {
    spec.key: spec
    for spec in (
        LicenceSpec("CC0-1.0", "CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        LicenceSpec("PDM-1.0", "Public Domain Mark 1.0", "https://creativecommons.org/publicdomain/mark/1.0/"),
        LicenceSpec("US-Gov", "United States government work", "https://www.usa.gov/government-copyright"),
        LicenceSpec(
            "no-known-restrictions", "No known copyright restrictions", "https://www.flickr.com/commons/usage/",
        ),
        *_CREATIVE_COMMONS,
        LicenceSpec("MIT", "MIT", "https://spdx.org/licenses/MIT.html", attribution=True),
        LicenceSpec("Apache-2.0", "Apache 2.0", "https://spdx.org/licenses/Apache-2.0.html", attribution=True),
        LicenceSpec("unsplash", "Unsplash Licence", "https://unsplash.com/license", share=False),
        LicenceSpec("pexels", "Pexels Licence", "https://www.pexels.com/license/", share=False),
        LicenceSpec("pixabay", "Pixabay Content Licence", "https://pixabay.com/service/license-summary/", share=False),
        LicenceSpec("own", "Own photographs", "", attribution=False),
        LicenceSpec("all-rights-reserved", "All rights reserved", "", share=False, adapt=False, commercial=False),
    )
}  # fmt: skip

COLLECTED = ("CC0-1.0", "PDM-1.0", "own")
"""The paper collects from the Internet "under CC0 licenses" (Appendix A); the others have no rights that could forbid it."""
RELEASED = ("CC0-1.0", "PDM-1.0", "own")
"""What may leave in a release unless an admin says more."""
