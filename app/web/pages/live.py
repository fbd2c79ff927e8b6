"""The stream that tells pages what changed. The pages then ask for the fragments they show."""

from collections.abc import AsyncIterator
from functools import lru_cache

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from app.web.deps import AnyViewer
from app.web.live import Broadcaster

router = APIRouter()


@lru_cache
def broadcaster() -> Broadcaster:
    """The one of this process."""
    return Broadcaster()


@router.get("/events")
async def events(_viewer: AnyViewer) -> Response:
    """Server-sent events named ``funnel``, ``runs`` and ``run-<id>``, each when what it stands for has changed."""
    broadcaster().admit()
    stream: AsyncIterator[str] = broadcaster().stream()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
