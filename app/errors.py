"""Errors a person can act on. Each says what happened; the caller adds to which item."""


class GgtError(Exception):
    """Base of all expected errors. ``status`` is the HTTP status a route answers with."""

    status = 400


class NotFound(GgtError):
    """The thing asked for is not there."""

    status = 404


class NotAllowed(GgtError):
    """The person has no right to do this."""

    status = 403


class Conflict(GgtError):
    """Someone else was faster, or the thing is in a state that does not allow this."""

    status = 409


class BadImage(GgtError):
    """A file is not an image we can use; the message is the reason."""

    status = 422


class GenerationError(GgtError):
    """A generator gave no usable image; the message is the reason."""

    status = 502


class NoRoom(GgtError):
    """The server has no room for what was sent."""

    status = 507


class WeightsMissing(GgtError):
    """A model or metric has no weights here; the message says how to get them."""

    status = 503


class Later(GgtError):
    """Another machine does not answer now, or asks to be left alone: ask again in ``seconds``. The message is the reason."""

    status = 503

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds
