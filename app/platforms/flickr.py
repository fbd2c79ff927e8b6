"""Flickr: ``flickr.photos.search``. Each photograph has its owner's licence, and the search is for the allowed ones only.

Flickr gives the first 4,000 results of a search and then repeats itself.
"""

from collections.abc import Collection, Mapping
from typing import Any

from app.platforms.base import Found, Interface, NotAnswered, Results, address, entries, mapping, number, tags

_EXTRAS = "license,owner_name,path_alias,url_o,url_k,url_l,original_format,tags,date_taken"
_SIZES = ("o", "k", "l")
"""The original, 2048 and 1024 pixels on the longer side. Owners may keep the original to themselves."""
_KEY = (96, 97, 98, 99, 100)
_LATER = (10, 105, 106, 201)


class Flickr:
    def __init__(self) -> None:
        self._api = Interface("flickr")

    def search(self, keyword: str, page: int, per_page: int, licences: Collection[str]) -> Results:
        numbers = [number for number, licence in self._api.spec.licences.items() if licence in licences]
        params = {
            "method": "flickr.photos.search", "api_key": self._api.key, "text": keyword, "license": ",".join(numbers),
            "extras": _EXTRAS, "media": "photos", "content_types": "0", "safe_search": "1", "sort": "relevance",
            "per_page": str(per_page), "page": str(page), "format": "json", "nojsoncallback": "1",
        }  # fmt: skip
        reply = self._api.get(f"{self._api.address}/services/rest/", params)
        if reply.get("stat") != "ok":
            raise self._failure(reply)
        photos = mapping(reply.get("photos"))
        found = tuple(self._found(photo) for photo in entries(photos.get("photo")))
        most = self._api.spec.most_results or 0
        more = page < number(photos.get("pages")) and (page + 1) * per_page <= most
        return Results(number(photos.get("total")), found, more)

    def used(self, found: Found) -> None:
        """Flickr counts for itself."""

    def _failure(self, reply: Mapping[str, Any]) -> Exception:
        code, words = number(reply.get("code")), f"{reply.get('code')}: {reply.get('message')}"
        if code in _KEY:
            return self._api.refused(words)
        if code in _LATER:
            return self._api.busy(None, None, words)
        return NotAnswered(f"Flickr does not answer: {self._api.clean(words)}")

    def _found(self, photo: Mapping[str, Any]) -> Found:
        size = next((s for s in _SIZES if address(photo.get(f"url_{s}"))), "")
        owner, identifier = str(photo.get("owner", "")), str(photo.get("id", ""))
        home = str(photo.get("pathalias") or owner)
        return Found(
            id=identifier,
            page_url=f"https://www.flickr.com/photos/{home}/{identifier}/",
            download_url=address(photo.get(f"url_{size}")),
            author=str(photo.get("ownername") or owner),
            author_url=f"https://www.flickr.com/people/{home}/",
            licence=self._api.spec.licences.get(str(photo.get("license")), ""),
            tags=tags(list(str(photo.get("tags", "")).split())),
            width=number(photo.get(f"width_{size}")),
            height=number(photo.get(f"height_{size}")),
            unfit="" if size else "its owner offers no size of 1024 pixels or more",
        )
