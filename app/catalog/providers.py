"""Providers of generative models: where they are, what they ask of users, and how fast they may be asked at first.

Limits are starting values: an admin changes them on the Providers page to what the account allows.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ProviderSpec:
    """One provider.

    ``target`` is the backend's ``"module:Class"``. ``key_setting`` (and ``secret_setting``) name the environment variables
    that hold the credentials. ``requests_per_minute`` counts every request, ``images_per_minute`` those that make an image;
    both are shared by all workers, and so is ``concurrency``. ``terms`` says in one line what users must know, ``terms_url``
    has all of it. ``batch`` marks a half-price mode that answers within a day.
    """

    key: str
    title: str
    target: str
    base_url: str
    key_setting: str
    terms: str
    terms_url: str
    console_url: str
    secret_setting: str = ""
    api_version: str = ""
    requests_per_minute: int = 60
    images_per_minute: int = 60
    concurrency: int = 8
    timeout: float = 300.0
    batch: bool = False


PROVIDERS: dict[str, ProviderSpec] = {
    p.key: p
    for p in (
        ProviderSpec(
            key="gemini",
            title="Google Gemini",
            target="workers.providers.gemini:Gemini",
            base_url="https://generativelanguage.googleapis.com",
            api_version="v1beta",
            key_setting="GGT_GEMINI_API_KEY",
            terms="Outputs may not be used to build models that compete with Google's; Google marks images with SynthID.",
            terms_url="https://ai.google.dev/gemini-api/terms",
            console_url="https://aistudio.google.com/apikey",
            requests_per_minute=300,
            images_per_minute=300,
            concurrency=32,
            batch=True,
        ),
        ProviderSpec(
            key="openai",
            title="OpenAI",
            target="workers.providers.openai:OpenAi",
            base_url="https://api.openai.com/v1",
            key_setting="GGT_OPENAI_API_KEY",
            terms="Outputs may not be used to build models that compete with OpenAI's; images carry C2PA data.",
            terms_url="https://openai.com/policies/services-agreement/",
            console_url="https://platform.openai.com/api-keys",
            requests_per_minute=60,
            images_per_minute=20,
            concurrency=16,
        ),
        ProviderSpec(
            key="kling",
            title="Kling AI",
            target="workers.providers.kling:Kling",
            base_url="https://api-singapore.klingai.com",
            key_setting="GGT_KLING_ACCESS_KEY",
            secret_setting="GGT_KLING_SECRET_KEY",  # noqa: S106
            terms="See Kling's terms on commercial use and on training with outputs.",
            terms_url="https://app.klingai.com/global/dev/document-api/protocols/paidServiceProtocol",
            console_url="https://app.klingai.com/global/dev",
            requests_per_minute=60,
            images_per_minute=20,
            concurrency=5,
        ),
        ProviderSpec(
            key="ark",
            title="Volcano Engine Ark (Seedream)",
            target="workers.providers.ark:Ark",
            base_url="https://ark.cn-beijing.volces.com/api/v3",
            key_setting="GGT_ARK_API_KEY",
            terms="See Volcano Engine's terms on training with outputs. Watermarks are switched off in every request.",
            terms_url="https://www.volcengine.com/docs/82379",
            console_url="https://console.volcengine.com/ark",
            requests_per_minute=120,
            images_per_minute=120,
            concurrency=16,
        ),
    )
}

Limit = Literal["requests_per_minute", "images_per_minute", "concurrency"]
LIMITS: tuple[Limit, ...] = ("requests_per_minute", "images_per_minute", "concurrency")
