"""Settings that take the stand-in for every platform, and nothing remembered of earlier tests."""

import pytest

from app import politeness
from app.catalog.platforms import PLATFORMS
from app.services import fetching, partial, robots
from tests.conftest import forget

KEY = "a-very-secret-key"


def point(monkeypatch: pytest.MonkeyPatch, url: str, key: str = KEY) -> None:
    """Have every platform, and what it gives for download, at ``url``."""
    for name, spec in PLATFORMS.items():
        monkeypatch.setenv(f"GGT_{name.upper()}_BASE_URL", url)
        monkeypatch.setenv(spec.key_setting, key)
    monkeypatch.setenv("GGT_FETCH_PRIVATE_HOSTS", url.removeprefix("http://"))
    monkeypatch.setenv("GGT_FETCH_DELAY", "0")
    forget()
    for remembering in (politeness, fetching, partial, robots):
        remembering.forget()
