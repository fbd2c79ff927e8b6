"""What a person or a program sees when something goes wrong: a page, a toast or JSON, with what to do about it."""

import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from app.config import settings
from app.errors import GgtError
from app.security import protective_headers
from app.web.templating import render

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ErrorPage:
    """``next`` is the local path to come back to after signing in, or empty where that does not help."""

    status: int
    title: str
    message: str
    next: str = ""


EXAMPLES = {
    "errors/index.html": [
        ErrorPage(404, "Not Found", "There is no image 12. It may have been withdrawn."),
        ErrorPage(401, "Sign in", "Your sign-in has ended.", "/images"),
    ]
}


def install(app: FastAPI) -> None:
    """Answer every kind of error in the form that the request asks for."""
    app.add_exception_handler(GgtError, _expected)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, GgtError)
    return _answer(request, error.status, str(error))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = error.detail
    if message == HTTPStatus(error.status_code).phrase:
        message = _PLAIN.get(error.status_code, message)
    response = _answer(request, error.status_code, message)
    response.headers.update(error.headers or {})
    return response


_PLAIN = {
    404: "There is nothing at this address. Check the link, or start from the dashboard.",
    405: "This address does not take that kind of request.",
    413: "That is more data than this address takes.",
}


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if all(problem["loc"][0] == "path" for problem in error.errors()):  # /images/abc
        return _answer(request, 404, _PLAIN[404])
    problems = [f"{_field(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
    return _answer(request, 422, "; ".join(problems))


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("unexpected error in %s %s", request.method, request.url.path, exc_info=error)
    message = (
        "Something went wrong on the server; its log has the details. What you did may not be saved: look, then try again."
    )
    response = _answer(request, 500, message)
    response.headers.update(protective_headers(settings().secure_cookies))  # this answer passes no middleware
    return response


def _answer(request: Request, status: int, message: str) -> Response:
    if request.headers.get("HX-Request") == "true":
        headers = {"HX-Redirect": _sign_in(_page_of(request))} if status == 401 else {"HX-Trigger": _toast(message)}
        return Response(status_code=status, headers=headers)
    if wants_json(request):
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        return JSONResponse({"detail": message}, status, headers)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if status == 401 and request.method in ("GET", "HEAD"):
        return RedirectResponse(_sign_in(here), 303)
    page = ErrorPage(status, HTTPStatus(status).phrase, message, "/" if status == 401 else "")
    return render(request, getattr(request.state, "viewer", None), "errors/index.html", page, status=status)


def wants_json(request: Request) -> bool:
    """Whether a program asked: the API and files always, elsewhere who accepts JSON and not HTML."""
    accept = request.headers.get("Accept", "")
    return request.url.path.startswith(("/api/", "/files/")) or ("application/json" in accept and "text/html" not in accept)


def _sign_in(path: str) -> str:
    return f"/sign-in?next={quote(path, safe='')}" if path != "/" else "/sign-in"


def _page_of(request: Request) -> str:
    """The page an htmx request came from, as a path: where to go back to after signing in."""
    parts = urlsplit(request.headers.get("HX-Current-URL", ""))
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _toast(message: str) -> str:
    return json.dumps({"toast": {"message": message, "kind": "bad"}})
