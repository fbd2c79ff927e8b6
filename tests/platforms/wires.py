"""The four wire formats: how each platform writes a page of results, a refused key and a limit that is reached."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.platforms.library import Photo, matching
from tests.platforms.web import Answer, Asked

WRONG_KEY = "wrong-key"
Faults = Callable[[], str]


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(json.dumps(value).encode(), "application/json", status, headers or {})


def text(words: str, status: int, headers: dict[str, str] | None = None) -> Answer:
    return Answer(words.encode(), "text/plain", status, headers or {})


def _page(found: Sequence[Photo], asked: Asked) -> tuple[list[Photo], int, int]:
    """The photographs of the page asked for, its number, and how many pages there are."""
    size, page = int(asked.query["per_page"]), int(asked.query.get("page", "1"))
    return list(found[(page - 1) * size : page * size]), page, -(-len(found) // size)


def flickr(library: Sequence[Photo], asked: Asked, files: str) -> Answer:
    query = asked.query
    if query.get("method") != "flickr.photos.search" or query.get("format") != "json":
        return as_json({"stat": "fail", "code": 112, "message": "Method not found (stand-in)"})
    if query.get("api_key", WRONG_KEY) == WRONG_KEY:
        return as_json({"stat": "fail", "code": 100, "message": "Invalid API Key (Key has invalid format)"})
    licences = query["license"].split(",")
    found = [photo for photo in matching(library, query["text"]) if photo.licence in licences or "*" in photo.licence]
    shown, page, pages = _page(found, asked)
    photos = {"page": page, "pages": pages, "perpage": int(query["per_page"]), "total": len(found)}
    return as_json({"photos": {**photos, "photo": [_flickr(photo, files) for photo in shown]}, "stat": "ok"})


def _flickr(photo: Photo, files: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": photo.id, "owner": f"{photo.number % 7}@N00", "secret": "abc", "server": "65535", "farm": 66,
        "title": "STAND-IN", "ispublic": 1, "isfriend": 0, "isfamily": 0, "license": photo.licence.strip("*"),
        "ownername": photo.author, "tags": " ".join(photo.tags).lower(), "datetaken": "2020-01-02 03:04:05",
    }  # fmt: skip
    sizes = {"l": 1024, "k": 2048} | ({"o": max(photo.width, photo.height)} if photo.original else {})
    for size, side in sizes.items():
        if size == "o" or max(photo.width, photo.height) >= side:
            told[f"url_{size}"] = f"{files}/flickr/{photo.id}_{size}.jpg"
            told[f"width_{size}"], told[f"height_{size}"] = photo.width, photo.height
    return told


def unsplash(library: Sequence[Photo], asked: Asked, files: str, here: str) -> Answer:
    limits = {"X-Ratelimit-Limit": "50", "X-Ratelimit-Remaining": "47"}
    key = asked.headers.get("authorization", "")
    if not key.startswith("Client-ID ") or key.endswith(WRONG_KEY):
        return as_json({"errors": ["OAuth error: The access token is invalid"]}, 401)
    if asked.path.endswith("/download"):
        return as_json({"url": f"{files}/unsplash/x.jpg"}, headers=limits)
    found = matching(library, asked.query["query"])
    shown, _, pages = _page(found, asked)
    results = [
        {
            "id": photo.id, "width": photo.width, "height": photo.height, "premium": photo.bought, "plus": photo.bought,
            "urls": {"raw": f"{files}/unsplash/{photo.id}?ixid=x", "full": f"{files}/unsplash/{photo.id}?q=85"},
            "links": {
                "html": f"https://unsplash.com/photos/{photo.id}",
                "download_location": f"{here}/photos/{photo.id}/download?ixid=x",
            },
            "user": {"name": photo.author, "links": {"html": f"https://unsplash.com/@{photo.number % 7}"}},
            "tags": [{"type": "search", "title": tag} for tag in photo.tags],
        }
        for photo in shown
    ]  # fmt: skip
    return as_json({"total": len(found), "total_pages": pages, "results": results}, headers=limits)


def pexels(library: Sequence[Photo], asked: Asked, files: str, here: str) -> Answer:
    if asked.headers.get("authorization", WRONG_KEY) == WRONG_KEY:
        return as_json({"status": 401, "code": "Unauthorized"}, 401)
    found = matching(library, asked.query["query"])
    shown, page, pages = _page(found, asked)
    photos = [
        {
            "id": int(photo.id), "width": photo.width, "height": photo.height, "alt": "STAND-IN",
            "url": f"https://www.pexels.com/photo/stand-in-{photo.id}/", "photographer": photo.author,
            "photographer_url": f"https://www.pexels.com/@{photo.number % 7}", "photographer_id": photo.number % 7,
            "src": {"original": f"{files}/pexels/{photo.id}.jpeg", "large": f"{files}/pexels/{photo.id}.jpeg?w=940"},
        }
        for photo in shown
    ]  # fmt: skip
    told: dict[str, Any] = {"page": page, "per_page": int(asked.query["per_page"]), "total_results": len(found)}
    if page < pages:
        told["next_page"] = f"{here}/v1/search?page={page + 1}"
    limits = {"X-Ratelimit-Limit": "20000", "X-Ratelimit-Remaining": "19684", "X-Ratelimit-Reset": "1890529646"}
    return as_json({**told, "photos": photos}, headers=limits)


def pixabay(library: Sequence[Photo], asked: Asked, files: str) -> Answer:
    if asked.query.get("key", WRONG_KEY) == WRONG_KEY:
        return text("[ERROR 400] Invalid or missing API key (https://pixabay.com/api/docs/).", 400)
    found = matching(library, asked.query["q"])
    shown, page, pages = _page(found, asked)
    if page > max(1, pages):
        return text('[ERROR 400] "page" is out of valid range.', 400)
    hits = []
    for photo in shown:
        hit: dict[str, Any] = {
            "id": int(photo.id), "pageURL": f"https://pixabay.com/photos/stand-in-{photo.id}/", "type": "photo",
            "tags": ", ".join(photo.tags), "largeImageURL": f"{files}/pixabay/{photo.id}_1280.jpg",
            "imageWidth": photo.width, "imageHeight": photo.height, "user": photo.author.replace(" ", ""),
            "user_id": photo.number % 7 + 1, "isAiGenerated": photo.generated, "noAiTraining": photo.no_training,
        }  # fmt: skip
        if photo.original:
            hit["imageURL"] = f"{files}/pixabay/{photo.id}.jpg"
        hits.append(hit)
    limits = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "96", "X-RateLimit-Reset": "58"}
    return as_json({"total": 3 * len(found), "totalHits": len(found), "hits": hits}, headers=limits)


def limit(platform: str, seconds: str) -> Answer:
    """The answer of a platform that has been asked too much; ``seconds`` until it may be asked again, or nothing."""
    if platform == "unsplash":
        return text("Rate Limit Exceeded", 403, {"X-Ratelimit-Limit": "50", "X-Ratelimit-Remaining": "0"})
    if platform == "pexels":
        return as_json({"status": 429, "code": "Too Many Requests"}, 429)
    if platform == "pixabay":
        told = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": seconds}
        return text("[ERROR 429] API rate limit exceeded", 429, told)
    return text("Too Many Requests", 429, {"Retry-After": seconds})
