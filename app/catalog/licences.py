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


def _cc(key: str, title: str, path: str, *, adapt: bool = True, commercial: bool = True, alike: bool = False) -> LicenceSpec:
    url = f"https://creativecommons.org/licenses/{path}/"
    return LicenceSpec(key, title, url, adapt=adapt, commercial=commercial, attribution=True, share_alike=alike)


_BY_VERSION = [
    spec
    for v in ("2.0", "4.0")
    for spec in (
        _cc(f"CC-BY-{v}", f"CC BY {v}", f"by/{v}"),
        _cc(f"CC-BY-SA-{v}", f"CC BY-SA {v}", f"by-sa/{v}", alike=True),
        _cc(f"CC-BY-ND-{v}", f"CC BY-ND {v}", f"by-nd/{v}", adapt=False),
        _cc(f"CC-BY-NC-{v}", f"CC BY-NC {v}", f"by-nc/{v}", commercial=False),
        _cc(f"CC-BY-NC-SA-{v}", f"CC BY-NC-SA {v}", f"by-nc-sa/{v}", commercial=False, alike=True),
        _cc(f"CC-BY-NC-ND-{v}", f"CC BY-NC-ND {v}", f"by-nc-nd/{v}", adapt=False, commercial=False),
    )
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
        *_BY_VERSION,
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

PLATFORM_LICENCES = ("unsplash", "pexels", "pixabay")
"""Licences of platforms, under which single photographs may be used but not passed on as a collection."""
