"""The stand-in's server: one port for four platforms, their files and a robots.txt.

with PlatformServer(photos("rain")) as server:
    server.fail("search", "limit")
    ...  # point the settings at server.url
"""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Literal

from tests.platforms import wires
from tests.platforms.library import Photo
from tests.platforms.web import Answer, Asked, WebServer, part_of

Kind = Literal["search", "used", "file", "robots"]
Fault = Literal["limit", "broken", "cut", "reset", "no image", "gone", "garbled", "slow"]
"""``limit`` is the platform's own "too much", ``broken`` a 500, ``cut`` half a body and a broken connection, ``gone`` a 404,
``garbled`` JSON that ends in the middle."""

_PLATFORMS = {"/services/rest/": "flickr", "/search/photos": "unsplash", "/v1/search": "pexels", "/api/": "pixabay"}


class PlatformServer(WebServer):
    """``retry_seconds`` is what a limit asks to wait. ``robots`` is the robots.txt; empty: there is none."""

    def __init__(self, library: Sequence[Photo], *, port: int = 0, robots: str = "", retry_seconds: str = "0.2") -> None:
        super().__init__(self._answer_to, port=port)
        self.library, self.robots, self.retry_seconds = list(library), robots, retry_seconds
        self._faults: dict[Kind, deque[Fault | None]] = defaultdict(deque)

    def __enter__(self) -> "PlatformServer":
        super().__enter__()
        return self

    def fail(self, kind: Kind, *faults: Fault | None) -> None:
        """The next requests of a kind get these, in order; None is a good answer."""
        self._faults[kind].extend(faults)

    def counts(self) -> dict[str, int]:
        """Requests by kind."""
        return dict(Counter(_kind(asked.path) for asked in self.asked))

    def searches(self) -> list[tuple[str, str]]:
        """Keyword and page of every search, in order."""
        words = ("text", "query", "q")
        found = [asked.query for asked in self.asked if _kind(asked.path) == "search"]
        return [(next(query[word] for word in words if word in query), query.get("page", "1")) for query in found]

    def _answer_to(self, asked: Asked) -> Answer:
        kind = _kind(asked.path)
        fault = self._faults[kind].popleft() if self._faults[kind] else None
        platform = _PLATFORMS.get(asked.path, "unsplash" if kind == "used" else "")
        if fault == "limit":
            return wires.limit(platform, self.retry_seconds)
        if fault == "broken":
            return wires.text("Internal error of the stand-in", 500)
        if fault == "gone":
            return wires.text("not here", 404)
        answer = self._good(asked, kind, platform)
        return _spoilt(answer, fault)

    def _good(self, asked: Asked, kind: Kind, platform: str) -> Answer:
        files = f"{self.url}/files"
        if kind == "robots":
            return wires.text(self.robots, 200) if self.robots else wires.text("no rules", 404)
        if kind == "file":
            name = asked.path.rsplit("/", 1)[-1].partition(".")[0].partition("_")[0]
            photo = next((photo for photo in self.library if photo.id == name), None)
            if photo is None:
                return wires.text("not here", 404)
            return part_of(asked, Answer(photo.jpeg()), f'"{photo.id}"')
        if platform == "flickr":
            return wires.flickr(self.library, asked, files)
        if platform == "unsplash":
            return wires.unsplash(self.library, asked, files, self.url)
        if platform == "pexels":
            return wires.pexels(self.library, asked, files, self.url)
        return wires.pixabay(self.library, asked, files)


def _kind(path: str) -> Kind:
    if path == "/robots.txt":
        return "robots"
    if path.startswith("/files/"):
        return "file"
    return "used" if path.endswith("/download") else "search"


def _spoilt(answer: Answer, fault: Fault | None) -> Answer:
    if fault == "cut":
        return Answer(answer.body, answer.media_type, answer.status, answer.headers, cut=len(answer.body) // 2)
    if fault == "reset":
        return Answer(answer.body, answer.media_type, answer.status, answer.headers, cut=0)
    if fault == "no image":
        return Answer(b"these bytes are no image, whatever their server says of them", answer.media_type)
    if fault == "garbled":
        return Answer(answer.body[: len(answer.body) // 2], answer.media_type)
    if fault == "slow":
        return Answer(answer.body, answer.media_type, answer.status, answer.headers, pause=1.0)
    return answer
