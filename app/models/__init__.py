"""All tables. Import from here so that the metadata is always complete."""

from app.models.base import Json, UtcDateTime, new_token, table_of, utcnow
from app.models.benchmarks import ImageSet, ImageSetItem, StrategyChoice
from app.models.candidates import Candidate, CandidateSummary, Method, Refusal, Score, Verdict
from app.models.collection import Image, Look, PhashBand, Source, SourceFile, Stage
from app.models.people import ApiToken, Invitation, Role, SignIn, User
from app.models.prompts import FilterSetting, PromptVersion, WrittenPrompt
from app.models.reviews import Event, GoldAnswer, Pair, QueueItem, Review, ReviewLease, ReviewQueue
from app.models.runs import ItemState, Run, RunState, WorkItem
from app.models.screening import Patch, PatchState, Setting
from app.models.spending import ApiCall, BatchJob, BatchState, CallState, ProviderAccount
from app.models.views import BulkAction, SavedView, SetAside

__all__ = [
    "ApiCall",
    "ApiToken",
    "BatchJob",
    "BatchState",
    "BulkAction",
    "CallState",
    "Candidate",
    "CandidateSummary",
    "Event",
    "FilterSetting",
    "GoldAnswer",
    "Image",
    "ImageSet",
    "ImageSetItem",
    "Invitation",
    "ItemState",
    "Json",
    "Look",
    "Method",
    "Pair",
    "Patch",
    "PatchState",
    "PhashBand",
    "PromptVersion",
    "ProviderAccount",
    "QueueItem",
    "Refusal",
    "Review",
    "ReviewLease",
    "ReviewQueue",
    "Role",
    "Run",
    "RunState",
    "SavedView",
    "Score",
    "SetAside",
    "Setting",
    "SignIn",
    "Source",
    "SourceFile",
    "Stage",
    "StrategyChoice",
    "User",
    "UtcDateTime",
    "Verdict",
    "WorkItem",
    "WrittenPrompt",
    "new_token",
    "table_of",
    "utcnow",
]
