"""Settings: the only reader of the environment. Every value can be set as ``GGT_<NAME>``; defaults run on one machine."""

import os
import secrets
import zlib
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.catalog.platforms import PLATFORMS
from app.catalog.providers import PROVIDERS


class Settings(BaseSettings):
    """One installation. Paths are absolute after loading; all data lives below ``data_dir`` unless a URL says else."""

    model_config = SettingsConfigDict(env_prefix="GGT_", env_file=None, extra="ignore", frozen=True)

    data_dir: Path = Field(default=Path("data"), description="Folder with everything this installation owns.")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in the data folder.")
    redis_url: str = Field(default="", description="Redis URL; empty: a private redis-server that `ggt up` starts.")
    storage_url: str = Field(default="", description="fsspec URL for files, e.g. s3://bucket/prefix; empty: data folder.")
    host: str = Field(default="127.0.0.1", description="Address the web server listens on.")
    port: int = Field(default=8000, description="Port the web server listens on.")
    web_processes: int = Field(default=1, ge=1, description="Web server processes; more pay off on PostgreSQL.")
    public_url: str = Field(default="", description="Address people type, for links; empty: http://host:port.")
    secure_cookies: bool = Field(default=False, description="Mark cookies Secure; set it when served over HTTPS.")
    workers: int = Field(default_factory=lambda: max(1, os.cpu_count() or 1), description="CPU worker processes.")
    device: str = Field(default="cpu", description="Torch device of this machine's scoring worker: cpu or cuda:N.")
    models_dir: Path | None = Field(
        default=None, description="Folder with open models, one sub-folder each; empty: the hub's cache."
    )
    hub_url: str = Field(
        default="https://huggingface.co", description="Model hub, or a mirror, that `ggt weights fetch` asks."
    )
    four_bit: bool = Field(default=False, description="Load open models in 4-bit (bitsandbytes, CUDA only).")
    lease_seconds: int = Field(default=60, description="How long a work item stays with a silent worker.")
    session_days: int = Field(default=14, description="How long a sign-in lasts without use.")
    max_upload_mb: int = Field(default=256, description="Largest file accepted, in MB.")
    max_archive_mb: int = Field(default=4096, description="Largest archive accepted in the browser, in MB.")
    min_side: int = Field(default=64, description="Photographs with a shorter side than this are refused.")

    api_threads: int = Field(default=32, description="Calls to providers that this machine's API worker makes at once.")
    gemini_api_key: SecretStr = Field(default=SecretStr(""), description="Key of the Gemini API.")
    gemini_base_url: str = Field(default="", description="Another address of the Gemini API.")
    openai_api_key: SecretStr = Field(default=SecretStr(""), description="Key of the OpenAI API.")
    openai_base_url: str = Field(default="", description="Another address of the OpenAI API, ending in /v1.")
    kling_access_key: SecretStr = Field(default=SecretStr(""), description="Access key of the Kling API.")
    kling_secret_key: SecretStr = Field(default=SecretStr(""), description="Secret key of the Kling API.")
    kling_base_url: str = Field(default="", description="Another address of the Kling API.")
    ark_api_key: SecretStr = Field(default=SecretStr(""), description="Key of Volcano Engine Ark.")
    ark_base_url: str = Field(default="", description="Another address of Ark, ending in /api/v3.")
    provider_timeout: float = Field(default=0, description="Seconds one provider call may take; 0: each provider's own.")

    contact: str = Field(
        default="", description="Address or page where owners of other sites reach you; sent to each of them."
    )
    fetch_delay: float = Field(default=1.0, ge=0, description="Seconds between two requests to one host, at least.")
    fetch_private_hosts: str = Field(
        default="", description="Hosts in private networks to fetch from all the same, as host:port, with commas between."
    )
    flickr_key: SecretStr = Field(default=SecretStr(""), description="Key of the Flickr API.")
    flickr_base_url: str = Field(default="", description="Another address of the Flickr API.")
    unsplash_key: SecretStr = Field(default=SecretStr(""), description="Access key of the Unsplash API.")
    unsplash_base_url: str = Field(default="", description="Another address of the Unsplash API.")
    pexels_key: SecretStr = Field(default=SecretStr(""), description="Key of the Pexels API.")
    pexels_base_url: str = Field(default="", description="Another address of the Pexels API.")
    pixabay_key: SecretStr = Field(default=SecretStr(""), description="Key of the Pixabay API.")
    pixabay_base_url: str = Field(default="", description="Another address of the Pixabay API.")

    @field_validator("models_dir", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        """An empty variable would be ``Path("")``, the folder the process happens to run in."""
        return value or None

    @property
    def sqlite(self) -> bool:
        return self.sql_url.startswith("sqlite")

    @property
    def sql_url(self) -> str:
        url = self.database_url or f"sqlite:///{self.data_dir / 'ggt.sqlite3'}"
        return url.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def files_url(self) -> str:
        return self.storage_url or str(self.data_dir / "files")

    @property
    def weights_dir(self) -> Path:
        return self.data_dir / "weights"

    @property
    def redis_socket(self) -> Path:
        """Where `ggt up` puts its private Redis. Unix socket paths end at 107 bytes, so a deep data folder uses /tmp."""
        path = self.data_dir / "redis.sock"
        if len(os.fsencode(path)) < 100:
            return path
        return Path("/tmp") / f"ggt-{os.getuid()}-{zlib.crc32(os.fsencode(self.data_dir)):x}.sock"  # noqa: S108

    @property
    def broker_url(self) -> str:
        return self.redis_url or f"redis+socket://{self.redis_socket}"

    @property
    def base_url(self) -> str:
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    def provider_url(self, provider: str) -> str:
        """Where a provider is reached: the catalogue's address unless another is set."""
        url: str = getattr(self, f"{provider}_base_url")
        return (url or PROVIDERS[provider].base_url).rstrip("/")

    def provider_key(self, provider: str) -> str:
        """A provider's key, empty when none is set."""
        return self._secret(PROVIDERS[provider].key_setting)

    def provider_secret(self, provider: str) -> str:
        """The second half of a provider's credentials, where it has one."""
        name = PROVIDERS[provider].secret_setting
        return self._secret(name) if name else ""

    def platform_url(self, platform: str) -> str:
        """Where a platform is reached: the catalogue's address unless another is set."""
        url: str = getattr(self, f"{platform}_base_url")
        return (url or PLATFORMS[platform].base_url).rstrip("/")

    def platform_key(self, platform: str) -> str:
        """A platform's key, empty when none is set."""
        return self._secret(PLATFORMS[platform].key_setting)

    def platform_stand_in(self, platform: str) -> bool:
        """Whether a platform's address is on this machine: what it gives are no photographs of that platform."""
        return _on_this_machine(self.platform_url(platform))

    @property
    def private_hosts(self) -> frozenset[str]:
        """Hosts that photographs may be fetched from although they are private, as "host:port"."""
        return frozenset(host.strip().lower() for host in self.fetch_private_hosts.split(",") if host.strip())

    def _secret(self, variable: str) -> str:
        held: SecretStr = getattr(self, variable.removeprefix("GGT_").lower())
        return held.get_secret_value().strip()

    def stand_in(self, provider: str) -> bool:
        """Whether a provider's address is on this machine: what answers there is no MFM and no VLM, and is labelled so."""
        return _on_this_machine(self.provider_url(provider))

    def secret_key(self) -> bytes:
        """Key that signs CSRF tokens; made once, readable by the owner only."""
        path = self.data_dir / "secret.key"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".secret.{secrets.token_hex(8)}")  # threads of one process may make it at once
            temporary.write_bytes(secrets.token_bytes(32))
            temporary.chmod(0o600)
            try:
                os.link(temporary, path)
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
            return path.read_bytes()


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")


@lru_cache
def settings() -> Settings:
    """The settings of this process, read once."""
    loaded = Settings()
    paths = {"data_dir": loaded.data_dir, "models_dir": loaded.models_dir}
    return loaded.model_copy(update={name: path and path.expanduser().resolve() for name, path in paths.items()})
