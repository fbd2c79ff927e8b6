"""Images to the browser, by the row that names them. No path that somebody typed ever reaches the storage."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from app.errors import BadImage
from app.imaging.source import Format, sniff
from app.services import gallery, image_history
from app.storage import storage
from app.web.deps import AnyViewer, Reader

router = APIRouter(prefix="/files")

SHOWN = ("image/png", "image/jpeg", "image/webp")
"""Types a browser is told. Whatever else a provider may have sent is offered as a download."""

_MEDIA_TYPES: dict[Format, str] = {
    "JPEG": "image/jpeg", "PNG": "image/png", "WebP": "image/webp", "TIFF": "image/tiff", "BMP": "image/bmp"
}  # fmt: skip


@router.get("/images/{image_id}/{kind}")
def image_file(
    request: Request, image_id: int, kind: Literal["master", "thumbnail"], _viewer: AnyViewer, session: Reader
) -> Response:
    """An image's lossless master (PNG) or its thumbnail (WebP)."""
    found = gallery.image_files(session, image_id)
    if kind == "master":
        return _serve(request, found.file_sha256, found.media_type)
    return _serve(request, found.thumbnail_sha256, "image/webp")


@router.get("/candidates/{candidate_id}/raw")
def candidate_raw(request: Request, candidate_id: int, _viewer: AnyViewer, session: Reader) -> Response:
    """The bytes that came from a candidate's provider, before they were brought to the LQ's size: always a download.

    A candidate that was made here has no others than its file, which is then what is sent.
    """
    found = image_history.candidate(session, candidate_id)
    sha256 = found.raw_sha256 or found.file_sha256
    headers = _headers(sha256) | {"Content-Disposition": "attachment"}
    if _known(request, headers):
        return Response(status_code=304, headers=headers)
    data = storage().get(sha256)
    return Response(data, media_type=_sniffed(data), headers=headers)


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
    headers = _headers(sha256)
    if _known(request, headers):
        return Response(status_code=304, headers=headers)
    if media_type not in SHOWN:
        media_type = "application/octet-stream"
        headers["Content-Disposition"] = "attachment"
    path = storage().path(sha256)
    if path is not None:
        return FileResponse(path, media_type=media_type, headers=headers)
    return Response(storage().get(sha256), media_type=media_type, headers=headers)


def _headers(sha256: str) -> dict[str, str]:
    return {
        "Cache-Control": "private, max-age=31536000, immutable",
        "ETag": f'"{sha256}"',
        "X-Content-Type-Options": "nosniff",
    }


def _known(request: Request, headers: dict[str, str]) -> bool:
    """Whether the browser has the file already."""
    return headers["ETag"] in request.headers.get("If-None-Match", "")


def _sniffed(data: bytes) -> str:
    """The media type of an image's bytes by what they are, whatever their provider called them."""
    try:
        return _MEDIA_TYPES[sniff(data)]
    except BadImage:
        return "application/octet-stream"
