"""Files under static/: kept for a year when the address carries a content hash, asked for again otherwise."""

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.web.templating import STATIC


class StaticAssets(StaticFiles):
    """The browser's files. ES modules import each other without a hash; an ETag keeps those requests small."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        hashed = scope["query_string"].startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response
