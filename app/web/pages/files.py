"""Images to the browser, by the row that names them. No path that somebody typed ever reaches the storage."""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from app import db
from app.errors import BadImage, NotFound
from app.imaging.source import Format, sniff
from app.services import gallery, image_history, pictures
from app.services.photograph import THUMBNAIL_SIDE
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
    request: Request,
    image_id: int,
    kind: Literal["master", "thumbnail", "reference", "reference-thumbnail"],
    _viewer: AnyViewer,
    session: Reader,
) -> Response:
    """An image's lossless master (PNG) or its thumbnail (WebP), or those of the clean image that it was made of."""
    if kind == "reference":
        return _serve(request, gallery.reference_file(session, image_id), "image/png")
    if kind == "reference-thumbnail":
        clean = gallery.reference_file(session, image_id)
        return _made(request, f"{clean}-{THUMBNAIL_SIDE}", lambda: pictures.smaller(clean, THUMBNAIL_SIDE))
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


@router.get("/photographs/{photo_id}/{kind}")
def photograph_file(request: Request, photo_id: int, kind: Literal["thumbnail", "large"], _viewer: AnyViewer) -> Response:
    """A whole photograph, as small or as large a WebP as is looked at. The original is kept and sent to nobody."""
    with db.reading() as session:  # not held while a photograph is decoded
        found = pictures.photo_files(session, photo_id)
    if kind == "large":
        return _made(request, f"{found.file_sha256}-{pictures.LARGE_SIDE}", lambda: pictures.large(found.file_sha256))
    if not found.thumbnail_sha256:
        raise NotFound(f"Photograph {photo_id} has no thumbnail.")
    return _serve(request, found.thumbnail_sha256, "image/webp")


@router.get("/patches/{patch_id}/{kind}")
def patch_file(request: Request, patch_id: int, kind: Literal["thumbnail", "file"], _viewer: AnyViewer) -> Response:
    """A patch's pixels as a lossless PNG, cut from its photograph when they are asked for, or its thumbnail (WebP)."""
    with db.reading() as session:
        found = pictures.patch_files(session, patch_id)
    if kind == "file" and found.master_sha256:
        return _serve(request, found.master_sha256, "image/png")
    if kind == "file":
        box = found.box
        name = f"{found.file_sha256}-{box.x}-{box.y}-{box.width}-{box.height}-{found.resized}"
        return _made(request, name, lambda: pictures.patch_png(found), "image/png")
    if found.thumbnail_sha256:
        return _serve(request, found.thumbnail_sha256, "image/webp")
    answer = Response(pictures.patch_preview(found), media_type="image/webp")
    answer.headers["Cache-Control"] = "private, max-age=60"  # screening makes a better one
    return answer


def _made(request: Request, name: str, make: Callable[[], bytes], media_type: str = "image/webp") -> Response:
    """A picture that is made when it is asked for, and always the same, so that a browser keeps it."""
    headers = _headers(name)
    if _known(request, headers):
        return Response(status_code=304, headers=headers)
    return Response(make(), media_type=media_type, headers=headers)


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


def _headers(name: str) -> dict[str, str]:
    return {
        "Cache-Control": "private, max-age=31536000, immutable",
        "ETag": f'"{name}"',
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
