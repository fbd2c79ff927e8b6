"""For the container's health check: whether this process answers and the database can be read."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app import db

router = APIRouter()


@router.api_route("/health", methods=["GET", "HEAD"])
def health() -> PlainTextResponse:
    """200 "ok", or 503 where the database does not answer. No sign-in: it says nothing about the installation."""
    try:
        with db.reading() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return PlainTextResponse("the database does not answer", 503)
    return PlainTextResponse("ok")
