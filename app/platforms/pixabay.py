"""Pixabay: ``GET /api/``. Originals come with accounts that have full access; others get 1280 pixels on the longer side.

Its addresses of images are for a day and not for linking, so photographs are downloaded. What people there made with a
generator, or do not want used for training, is not taken.
"""

from collections.abc import Collection, Mapping
from typing import Any

from app.platforms.base import Found, Interface, Results, address, entries, number, tags

LARGE_SIDE = 1280
LONGEST_KEYWORD = 100


class Pixabay:
    def __init__(self) -> None:
        self._api = Interface("pixabay")

    def search(self, keyword: str, page: int, per_page: int, licences: Collection[str]) -> Results:
        params = {
            "key": self._api.key, "q": keyword[:LONGEST_KEYWORD], "image_type": "photo", "safesearch": "true",
            "order": "popular", "per_page": str(per_page), "page": str(page),
        }  # fmt: skip
        reply = self._api.get(f"{self._api.address}/api/", params)
        found = tuple(self._found(hit) for hit in entries(reply.get("hits")))
        # Of "total" results only "totalHits" can be had; a page beyond them is an error there.
        return Results(number(reply.get("total")), found, page * per_page < number(reply.get("totalHits")))

    def used(self, found: Found) -> None:
        """Pixabay counts for itself."""

    def _found(self, hit: Mapping[str, Any]) -> Found:
        original = address(hit.get("imageURL"))
        width, height = number(hit.get("imageWidth")), number(hit.get("imageHeight"))
        reduced = 1.0 if original or not width else min(1.0, LARGE_SIDE / max(width, height))
        user, user_id = str(hit.get("user") or ""), hit.get("user_id")
        unfit = "its author does not want it used for training" if hit.get("noAiTraining") else ""
        return Found(
            id=str(hit.get("id", "")),
            page_url=address(hit.get("pageURL")),
            download_url=original or address(hit.get("largeImageURL")),
            author=user,
            author_url=f"https://pixabay.com/users/{user}-{user_id}/" if user and user_id else "",
            licence=self._api.spec.licence,
            tags=tags([*str(hit.get("tags", "")).split(",")]),
            width=round(width * reduced),
            height=round(height * reduced),
            unfit="it was made with a generator" if hit.get("isAiGenerated") else unfit,
        )
