"""Decisions over HTTP with sessions: one reviewer's next + submit, and many reviewers at once. Nothing may be given twice.

    python -m benchmarks.review [--pairs 20000] [--reviewers 20] [--seconds 20] [--postgresql]

A real web server (``ggt web``'s command) on a database of its own; clients in one process of their own with kept-alive
connections. A reviewer submits a decision and gets the next pair with the answer, as the page does, holding six. At the
end the database is asked whether any pair was decided twice or any acknowledged decision is missing.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[1]
HELD = 6


class Reviewer:
    """A signed-in browser, as far as the server can tell."""

    def __init__(self, url: str, token: str, csrf: str) -> None:
        split = urlsplit(url)
        self.connection = http.client.HTTPConnection(split.hostname or "", split.port, timeout=60)
        self.headers = {"Cookie": f"ggt_session={token}", "X-CSRF-Token": csrf, "Accept": "application/json"}
        self.held: list[dict[str, int]] = []
        self.sent: list[str] = []
        self.times: list[float] = []
        self.errors: list[str] = []
        self.renewed = 0.0

    def post(self, path: str, body: str, kind: str) -> dict:  # type: ignore[type-arg]
        self.connection.request("POST", path, body, {**self.headers, "Content-Type": kind})
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            self.errors.append(f"{answer.status} {data[:200]!r}")
            return {}
        return dict(json.loads(data))

    def more(self) -> str:
        """What is held and wanted, as the page says it: every 15 seconds it renews its leases and has all counted."""
        ids, now = [one["image_id"] for one in self.held], time.monotonic()
        due = now - self.renewed > 15
        self.renewed = now if due else self.renewed
        held, exclude = (ids, []) if due else ([], ids)
        return json.dumps({"held": held, "exclude": exclude, "want": HELD - len(ids), "progress": due})

    def fill(self) -> None:
        self.held += self.post("/review/queue", self.more(), "application/json").get("items", [])

    def decide(self, number: int) -> bool:
        """Submit one decision and get the next pair. False when nothing is left."""
        if not self.held:
            return False
        one, key = self.held.pop(0), f"bench-{id(self)}-{number}"
        form = {"key": key, "image_id": one["image_id"], "candidate_id": one["candidate_id"], "decision": "accept"}
        started = time.perf_counter()
        stored = self.post(
            "/review/decide", urlencode(form | {"more": self.more()}), "application/x-www-form-urlencoded"
        )  # fmt: skip
        self.held += (stored.get("more") or {}).get("items", [])
        self.times.append(time.perf_counter() - started)
        if stored:
            self.sent.append(key)
        return True


def seed(pairs: int) -> None:
    """``pairs`` images that wait, each with a candidate, behind them a few pictures."""
    from sqlalchemy import insert, select, text

    from app import migrate
    from app.config import settings
    from app.db import engine, unit_of_work
    from app.imaging import encode_png
    from app.models import Candidate, CandidateSummary, Image, Method, Stage, table_of, utcnow
    from benchmarks.provider_images import add_images
    from benchmarks.providers import picture

    migrate.upgrade()
    with unit_of_work() as session:
        add_images(session, [encode_png(picture(number)[:64, :64]) for number in range(4)], pairs, 64)
        method = Method(name="benchmark", generator="local-nlm")
        session.add(method)
        session.flush()
        images = session.execute(select(table_of(Image))).all()
        rows = [
            {"id": i.id, "image_id": i.id, "method_id": method.id, "recipe_hash": f"{i.id:064}", "recipe": {}, "sample": 0,
             "file_sha256": i.master_sha256, "media_type": "image/png", "pixel_sha256": i.pixel_sha256,
             "thumbnail_sha256": i.thumbnail_sha256, "width": 64, "height": 64, "raw_sha256": "", "checks": {},
             "seconds": 0.0, "created_at": utcnow()}
            for i in images
        ]  # fmt: skip
        session.execute(insert(table_of(Candidate)), rows)
        told = [
            CandidateSummary(
                candidate_id=i.id, image_id=i.id, method_id=method.id or 0, source_id=i.source_id, category=i.category,
                chosen=True, stage=Stage.AWAITING, metrics={"niqe": 3.1, "niqe_lq": 5.2},
            ).model_dump()
            for i in images
        ]  # fmt: skip
        session.execute(insert(table_of(CandidateSummary)), told)
        moved = table_of(Image).update().values(stage=Stage.AWAITING, current_candidate_id=table_of(Image).c.id)
        session.execute(moved)
    if not settings().sqlite:  # as autovacuum does in its next minute
        with engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("ANALYZE"))


def sign_in(reviewers: int) -> list[tuple[str, str]]:
    """A session token and its CSRF token for each of so many annotators."""
    from app.db import unit_of_work
    from app.models import Role
    from app.security import csrf_token, hash_token
    from app.services import people

    found = []
    with unit_of_work() as session:
        for number in range(reviewers):
            user = people.create_user(session, f"r{number}@example.org", f"Reviewer {number}", Role.ANNOTATOR)
            token = people.sign_in(session, user.id or 0, "benchmark")
            found.append((token, csrf_token(hash_token(token))))
    return found


@contextmanager
def server(port: int) -> Iterator[str]:
    from app.supervisor import web_command

    process = subprocess.Popen(web_command(), cwd=ROOT, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def run(url: str, people: list[tuple[str, str]], seconds: float) -> None:
    """Let everybody work for so long; what they saw goes to stdout as JSON."""
    crowd = [Reviewer(url, *one) for one in people]
    for one in crowd:
        one.fill()
    until = time.monotonic() + seconds

    def work(reviewer: Reviewer) -> None:
        number = 0
        while time.monotonic() < until and reviewer.decide(number):
            number += 1

    threads = [threading.Thread(target=work, args=(one,)) for one in crowd]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = {
        "seconds": time.perf_counter() - started,
        "times": [t for one in crowd for t in one.times],
        "sent": [key for one in crowd for key in one.sent],
        "errors": [text for one in crowd for text in one.errors],
    }
    print(json.dumps(told))


def measured(url: str, people: list[tuple[str, str]], seconds: float) -> str:
    """A round with so many people, by a process of its own; what came of it in a line."""
    from sqlalchemy import func, select

    from app.db import reading
    from app.models import Review, table_of

    command = [sys.executable, "-m", "benchmarks.review", "--client", url, "--seconds", str(seconds)]
    told = json.loads(
        subprocess.run(
            command, cwd=ROOT, input=json.dumps(people), capture_output=True, text=True, check=True
        ).stdout
    )  # fmt: skip
    table = table_of(Review)
    with reading() as session:
        kept = set(session.execute(select(table.c.key)).scalars())
        twice = session.execute(
            select(table.c.image_id).group_by(table.c.image_id).having(func.count() > 1)
        ).all()  # fmt: skip
    lost = [key for key in told["sent"] if key not in kept]
    times = sorted(told["times"])
    return (
        f"{len(people):3} reviewers: {len(times) / told['seconds']:6.1f} decisions/s, next + submit median "
        f"{statistics.median(times) * 1000:.1f} ms, p95 {times[int(len(times) * 0.95)] * 1000:.1f} ms; "
        f"{len(twice)} given twice, {len(lost)} lost, {len(told['errors'])} errors {told['errors'][:1]}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--reviewers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--port", type=int, default=8161)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--client", default="")
    options = parser.parse_args()
    if options.client:
        run(options.client, json.load(sys.stdin), options.seconds)
        return
    with tempfile.TemporaryDirectory(prefix="ggt-bench-", ignore_cleanup_errors=True) as folder:
        os.environ |= {"GGT_DATA_DIR": f"{folder}/data", "GGT_PORT": str(options.port)}
        Path(f"{folder}/data").mkdir()
        if options.postgresql:
            from tests.databases import PostgresServer

            postgres = PostgresServer(Path(folder) / "postgres")
            os.environ["GGT_DATABASE_URL"] = postgres.url("test")
        seed(options.pairs)
        people = sign_in(options.reviewers)
        engine = "PostgreSQL" if options.postgresql else "SQLite"
        print(f"{options.pairs:,} pairs that wait, {engine}, {options.seconds:g} s each")
        with server(options.port) as url:
            measured(url, people[:1], 3)  # imports, caches
            for number in dict.fromkeys((1, options.reviewers)):
                print(measured(url, people[:number], options.seconds))


if __name__ == "__main__":
    main()
