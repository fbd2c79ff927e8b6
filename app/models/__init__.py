"""All tables. Import from here so that the metadata is always complete."""

from app.models.base import Json, UtcDateTime, new_token, utcnow
from app.models.candidates import Candidate, CandidateSummary, Method, Score, Verdict
from app.models.collection import Image, PhashBand, Source, SourceFile, Stage
from app.models.people import ApiToken, Invitation, Role, SignIn, User
from app.models.reviews import Event, Pair, Review, ReviewLease
from app.models.runs import ItemState, Run, RunState, WorkItem

__all__ = [
    "ApiToken", "Candidate", "CandidateSummary", "Event", "Image", "Invitation", "ItemState", "Json", "Method", "Pair",
    "PhashBand", "Review", "ReviewLease", "Role", "Run", "RunState", "Score", "SignIn", "Source", "SourceFile", "Stage",
    "User", "UtcDateTime", "Verdict", "WorkItem", "new_token", "utcnow",
]  # fmt: skip
