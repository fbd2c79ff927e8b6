"""Measures pages of an installation that benchmarks.seed filled: time to answer, at p50 and p95, and SQL statements.

    GGT_DATA_DIR=/tmp/bench python -m benchmarks.pages

The application runs in this process and is called as a web server calls it, so the figures are the server's work alone:
neither the network nor an HTTP client is in them.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI
from sqlalchemy import event, func, select
from sqlmodel import col

from app import db
from app.main import create_app
from app.models import CandidateSummary, Image, Role, User
from app.services import people

PATHS = {
    "dashboard": "/",
    "gallery": "/images",
    "gallery, category and stage": "/images?category=rain&stage=verified",
    "gallery, rare stage": "/images?stage=failed",
    "gallery, metric range": "/images?niqe_max=4",
    "gallery, nothing matches": "/images?niqe_max=0.001",
    "gallery, sorted by a metric": "/images?sort=niqe",
    "gallery, category sorted by a metric": "/images?category=rain&sort=niqe",
    "gallery, one method": "/images?method=local-nlm",
    "gallery, one method sorted": "/images?method=local-nlm&sort=lpips",
    "gallery, judge rejects": "/images?verdict=reject",
    "image": "/images/1000",
    "image, filtered and sorted": "/images/1000?category=rain&sort=niqe",
    "runs": "/runs",
    "run": "/runs/1",
    "thumbnail": "/files/images/1000/thumbnail",
}


def measure(repeats: int, paths: Mapping[str, str] = PATHS) -> list[dict[str, object]]:
    """One row per page of ``paths`` (name to address): milliseconds at p50 and p95 over ``repeats`` answers, the first one
    apart, and statements.

    ``cpu_ms`` is what this process worked, at the median: on a busy machine it says more than the clock.
    """
    with db.unit_of_work() as session:
        user = User(email=f"bench{time.time_ns()}@example.org", name="Bench", role=Role.ADMIN)
        session.add(user)
        session.flush()
        token = people.sign_in(session, user.id or 0, "bench")
    seen: list[str] = []
    event.listen(db.engine(), "before_cursor_execute", lambda *call: seen.append(call[2]))
    application = create_app()

    async def all_pages() -> list[dict[str, object]]:
        return [await _page(application, token, name, path, repeats, seen) for name, path in paths.items()]

    return asyncio.run(all_pages())


async def _page(application: FastAPI, token: str, name: str, path: str, repeats: int, seen: list[str]) -> dict[str, object]:
    times, busy, size = [], [], 0
    for _ in range(repeats + 1):
        seen.clear()
        began, worked = time.perf_counter(), time.process_time()
        status, size = await _get(application, path, token)
        busy.append((time.process_time() - worked) * 1000)
        times.append((time.perf_counter() - began) * 1000)
        if status != 200:
            raise SystemExit(f"{path} answered {status}")
    warm = sorted(times[1:])
    return {
        "page": name,
        "first_ms": round(times[0], 1),
        "p50_ms": round(statistics.median(warm), 1),
        "p95_ms": round(warm[min(len(warm) - 1, round(0.95 * len(warm)))], 1),
        "cpu_ms": round(statistics.median(busy[1:]), 1),
        "statements": sum(not s.startswith(("BEGIN", "COMMIT")) for s in seen),
        "kilobytes": round(size / 1024),
    }


async def _get(application: FastAPI, address: str, token: str) -> tuple[int, int]:
    """Status and bytes of a page's answer."""
    path, _, query = address.partition("?")
    headers = [(b"host", b"127.0.0.1"), (b"accept", b"text/html"), (b"cookie", f"ggt_session={token}".encode())]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": headers,
             "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}  # fmt: skip
    asked, status, size = False, 0, 0

    async def receive() -> dict[str, object]:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()  # the browser stays until it has its answer
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status, size
        status, size = message.get("status", status), size + len(message.get("body", b""))

    await application(scope, receive, send)
    return status, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with db.reading() as session:
        images = session.execute(select(func.count(col(Image.id)))).scalar_one()
        candidates = session.execute(select(func.count(col(CandidateSummary.candidate_id)))).scalar_one()
    rows = measure(given.repeats)
    if given.json:
        print(json.dumps({"images": images, "candidates": candidates, "pages": rows}))
        return
    print(f"{images:,} images, {candidates:,} candidates")
    print(f"{'page':40}{'first':>9}{'p50':>9}{'p95':>9}{'cpu':>9}  ms   statements  KB")
    for row in rows:
        line = f"{row['page']:40}{row['first_ms']:>9}{row['p50_ms']:>9}{row['p95_ms']:>9}{row['cpu_ms']:>9}"
        print(f"{line}{row['statements']:>15}{row['kilobytes']:>5}")


if __name__ == "__main__":
    main()
