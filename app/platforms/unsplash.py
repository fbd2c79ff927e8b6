"""Unsplash: ``GET /search/photos``. Before a download it wants to be told, at the address that comes with the photograph."""

from collections.abc import Collection, Mapping
from typing import Any

from app.platforms.base import Found, Interface, NotAnswered, Results, address, entries, mapping, number, tags


class Unsplash:
    def __init__(self) -> None:
        self._api = Interface("unsplash")

    def search(self, keyword: str, page: int, per_page: int, licences: Collection[str]) -> Results:
        params = {
            "query": keyword, "page": str(page), "per_page": str(per_page), "content_filter": "high", "order_by": "relevant",
        }  # fmt: skip
        reply = self._api.get(f"{self._api.address}/search/photos", params, self._headers())
        found = tuple(self._found(photo) for photo in entries(reply.get("results")))
        return Results(number(reply.get("total")), found, page < number(reply.get("total_pages")))

    def used(self, found: Found) -> None:
        # The key goes with this request, so it goes to no other place than where we ask anyway.
        if not found.used_url.startswith(f"{self._api.address}/"):
            raise NotAnswered("Unsplash cannot be told of the download: it named no address of its own for that")
        self._api.get(found.used_url, {}, self._headers())

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Client-ID {self._api.key}", "Accept-Version": "v1"}

    def _found(self, photo: Mapping[str, Any]) -> Found:
        urls, links, user = (mapping(photo.get(name)) for name in ("urls", "links", "user"))
        bought = photo.get("premium") or photo.get("plus")
        return Found(
            id=str(photo.get("id", "")),
            page_url=address(links.get("html")),
            # The photograph as it was uploaded: the other sizes are compressed anew, and degradations with them.
            download_url=address(urls.get("raw") or urls.get("full")),
            author=str(user.get("name") or user.get("username") or ""),
            author_url=address(mapping(user.get("links")).get("html")),
            licence=self._api.spec.licence,
            tags=tags([tag.get("title") for tag in entries(photo.get("tags"))]),
            width=number(photo.get("width")),
            height=number(photo.get("height")),
            unfit="it is part of Unsplash+, which has another licence" if bought else "",
            used_url=address(links.get("download_location")),
        )
