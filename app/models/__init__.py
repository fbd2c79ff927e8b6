"""All tables. Import from here so that the metadata is always complete."""

from app.models.base import Json, UtcDateTime, new_token, table_of, utcnow
from app.models.candidates import Candidate, CandidateSummary, Method, Refusal, Score, Verdict
from app.models.collection import Image, PhashBand, Source, SourceFile, Stage
from app.models.people import ApiToken, Invitation, Role, SignIn, User
from app.models.prompts import FilterSetting, PromptVersion, WrittenPrompt
from app.models.reviews import Event, Pair, Review, ReviewLease
from app.models.runs import ItemState, Run, RunState, WorkItem
from app.models.spending import ApiCall, BatchJob, BatchState, CallState, ProviderAccount

__all__ = [
    "ApiCall",
    "ApiToken",
    "BatchJob",
    "BatchState",
    "CallState",
    "Candidate",
    "CandidateSummary",
    "Event",
    "FilterSetting",
    "Image",
    "Invitation",
    "ItemState",
    "Json",
    "Method",
    "Pair",
    "PhashBand",
    "PromptVersion",
    "ProviderAccount",
    "Refusal",
    "Review",
    "ReviewLease",
    "Role",
    "Run",
    "RunState",
    "Score",
    "SignIn",
    "Source",
    "SourceFile",
    "Stage",
    "User",
    "UtcDateTime",
    "Verdict",
    "WorkItem",
    "WrittenPrompt",
    "new_token",
    "table_of",
    "utcnow",
]
