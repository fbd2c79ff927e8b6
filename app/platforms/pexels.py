"""Pexels: ``GET /v1/search``. It has no tags; what it says of what is left to ask counts for a month."""

from collections.abc import Collection, Mapping
from typing import Any

from app.platforms.base import Found, Interface, Results, address, entries, mapping, number


class Pexels:
    def __init__(self) -> None:
        self._api = Interface("pexels")

    def search(self, keyword: str, page: int, per_page: int, licences: Collection[str]) -> Results:
        params = {"query": keyword, "page": str(page), "per_page": str(per_page)}
        reply = self._api.get(f"{self._api.address}/v1/search", params, {"Authorization": self._api.key})
        found = tuple(self._found(photo) for photo in entries(reply.get("photos")))
        return Results(number(reply.get("total_results")), found, bool(reply.get("next_page")))

    def used(self, found: Found) -> None:
        """Pexels counts for itself."""

    def _found(self, photo: Mapping[str, Any]) -> Found:
        return Found(
            id=str(photo.get("id", "")),
            page_url=address(photo.get("url")),
            download_url=address(mapping(photo.get("src")).get("original")),
            author=str(photo.get("photographer") or ""),
            author_url=address(photo.get("photographer_url")),
            licence=self._api.spec.licence,
            width=number(photo.get("width")),
            height=number(photo.get("height")),
        )
