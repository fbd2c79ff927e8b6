"""Images to the browser, by the row that names them. No path that somebody typed ever reaches the storage."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from app.services import gallery
from app.storage import storage
from app.web.deps import AnyViewer, Reader

router = APIRouter(prefix="/files")

SHOWN = ("image/png", "image/jpeg", "image/webp")
"""Types a browser is told. Whatever else a provider may have sent is offered as a download."""


@router.get("/images/{image_id}/{kind}")
def image_file(
    request: Request, image_id: int, kind: Literal["master", "thumbnail"], _viewer: AnyViewer, session: Reader
) -> Response:
    """An image's lossless master (PNG) or its thumbnail (WebP)."""
    found = gallery.image_files(session, image_id)
    if kind == "master":
        return _serve(request, found.file_sha256, found.media_type)
    return _serve(request, found.thumbnail_sha256, "image/webp")


@router.get("/candidates/{candidate_id}/{kind}")
def candidate_file(
    request: Request, candidate_id: int, kind: Literal["file", "thumbnail"], _viewer: AnyViewer, session: Reader
) -> Response:
    """A candidate's bytes as its method gave them, or its thumbnail (WebP)."""
    found = gallery.candidate_files(session, candidate_id)
    if kind == "file":
        return _serve(request, found.file_sha256, found.media_type)
    return _serve(request, found.thumbnail_sha256, "image/webp")


def _serve(request: Request, sha256: str, media_type: str) -> Response:
    etag = f'"{sha256}"'
    headers = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
    }
    if etag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    if media_type not in SHOWN:
        media_type = "application/octet-stream"
        headers["Content-Disposition"] = "attachment"
    path = storage().path(sha256)
    if path is not None:
        return FileResponse(path, media_type=media_type, headers=headers)
    return Response(storage().get(sha256), media_type=media_type, headers=headers)
