"""Who is asking, as routes and templates know them."""

from dataclasses import dataclass
from typing import Literal

from app.errors import GgtError
from app.models import Role


@dataclass(frozen=True)
class Viewer:
    """The person who is asking. ``csrf`` is empty for API tokens, which need none."""

    user_id: int
    name: str
    email: str
    role: Role
    csrf: str
    via: Literal["session", "token"]

    @property
    def blind(self) -> int | None:
        """Who must not be told answers before their own (``hidden_answers.py``): annotators, by their id."""
        return self.user_id if self.role == Role.ANNOTATOR else None


class SignInNeeded(GgtError):
    """Nobody is signed in, or the sign-in has ended."""

    status = 401
