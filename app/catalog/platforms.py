"""Platforms whose photographs can be searched and collected through their official interfaces.

Rates and terms were read in November 2026 and change: what a platform answers counts, and ``terms_url`` has all of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PlatformSpec:
    """One platform.

    ``target`` is the class that speaks to it, as ``"module:Class"``; ``key_setting`` the environment variable with its key.
    ``licence`` is the one licence of all its photographs, or empty where each has its own: then ``licences`` gives the
    platform's numbers for ours (:data:`app.catalog.licences.LICENCES`). ``per_page`` is the most results it gives at once,
    ``most_results`` how many of a search it gives at all. ``requests_per_hour`` is what a new key may ask; a platform that
    does not tell in its answers what is left of that (``tells_left``) is asked evenly over the hour. Answers are kept for
    ``keep_seconds``, where it asks for that. ``terms`` says in one line what users must know, ``attribution`` how it wants
    to be named.
    """

    key: str
    title: str
    target: str
    base_url: str
    key_setting: str
    home: str
    console_url: str
    terms: str
    terms_url: str
    attribution: str
    requests_per_hour: int
    per_page: int
    most_results: int | None = None
    licence: str = ""
    licences: Mapping[str, str] = field(default_factory=dict)
    tells_left: bool = True
    keep_seconds: int = 0

    @property
    def gives(self) -> frozenset[str]:
        """The licences its photographs may come under."""
        return frozenset([self.licence] if self.licence else self.licences.values())


FLICKR_LICENCES = {
    "0": "all-rights-reserved", "1": "CC-BY-NC-SA-2.0", "2": "CC-BY-NC-2.0", "3": "CC-BY-NC-ND-2.0", "4": "CC-BY-2.0",
    "5": "CC-BY-SA-2.0", "6": "CC-BY-ND-2.0", "7": "no-known-restrictions", "8": "US-Gov", "9": "CC0-1.0", "10": "PDM-1.0",
    "11": "CC-BY-4.0", "12": "CC-BY-SA-4.0", "13": "CC-BY-ND-4.0", "14": "CC-BY-NC-4.0", "15": "CC-BY-NC-SA-4.0",
    "16": "CC-BY-NC-ND-4.0",
}  # fmt: skip
"""Numbers of ``flickr.photos.licenses.getInfo``. A number that is not here is no licence we know, and is not collected."""

PLATFORMS: dict[str, PlatformSpec] = {
    p.key: p
    for p in (
        PlatformSpec(
            key="flickr",
            title="Flickr",
            target="app.platforms.flickr:Flickr",
            base_url="https://api.flickr.com",
            key_setting="GGT_FLICKR_KEY",
            home="https://www.flickr.com",
            console_url="https://www.flickr.com/services/apps/create/",
            terms="Each photograph has its owner's licence; the API is for noncommercial use unless Flickr agrees to more.",
            terms_url="https://www.flickr.com/help/terms/api",
            attribution="Name the owner and link the photograph's page, as its licence says.",
            requests_per_hour=3600,
            per_page=250,
            most_results=4000,
            licences=FLICKR_LICENCES,
            tells_left=False,
        ),
        PlatformSpec(
            key="unsplash",
            title="Unsplash",
            target="app.platforms.unsplash:Unsplash",
            base_url="https://api.unsplash.com",
            key_setting="GGT_UNSPLASH_KEY",
            home="https://unsplash.com",
            console_url="https://unsplash.com/oauth/applications",
            terms="The API guidelines rule out automated use, data mining and training of models: ask Unsplash first.",
            terms_url="https://help.unsplash.com/en/articles/2511245-unsplash-api-guidelines",
            attribution="Name the photographer and Unsplash, with links to both.",
            requests_per_hour=50,
            per_page=30,
            licence="unsplash",
        ),
        PlatformSpec(
            key="pexels",
            title="Pexels",
            target="app.platforms.pexels:Pexels",
            base_url="https://api.pexels.com",
            key_setting="GGT_PEXELS_KEY",
            home="https://www.pexels.com",
            console_url="https://www.pexels.com/api/new/",
            terms="Photographs may be used, not passed on as a collection; read the terms on training before you collect.",
            terms_url="https://www.pexels.com/terms-of-service/",
            attribution="Link to Pexels wherever its photographs are shown, and name photographers where possible.",
            requests_per_hour=200,
            per_page=80,
            licence="pexels",
        ),
        PlatformSpec(
            key="pixabay",
            title="Pixabay",
            target="app.platforms.pixabay:Pixabay",
            base_url="https://pixabay.com",
            key_setting="GGT_PIXABAY_KEY",
            home="https://pixabay.com",
            console_url="https://pixabay.com/api/docs/",
            terms="Systematic mass downloads are not allowed: ask Pixabay first. Addresses of its images may not be linked.",
            terms_url="https://pixabay.com/service/terms/",
            attribution="Say that search results are from Pixabay.",
            requests_per_hour=6000,
            per_page=200,
            most_results=500,
            licence="pixabay",
            keep_seconds=24 * 3600,
        ),
    )
}
