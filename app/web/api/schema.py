"""The OpenAPI document of the JSON API."""

from typing import Any

from fastapi import APIRouter, Request

from app.web.deps import AnyViewer

router = APIRouter(prefix="/api/v1", tags=["schema"])


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, _viewer: AnyViewer) -> dict[str, Any]:
    """What the API offers, for client generators and people."""
    document: dict[str, Any] = request.app.openapi()
    return document
