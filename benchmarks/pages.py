"""Measures pages of an installation that benchmarks.seed filled: time to answer, at p50 and p95, and SQL statements.

    GGT_DATA_DIR=/tmp/bench python -m benchmarks.pages

The application runs in this process, so the figures are the server's work without the network.
"""

import argparse
import json
import statistics
import time

from fastapi.testclient import TestClient
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


def measure(repeats: int) -> list[dict[str, object]]:
    """One row per page: milliseconds at p50 and p95 over ``repeats`` answers, the first one apart, and statements."""
    with db.unit_of_work() as session:
        user = User(email=f"bench{time.time_ns()}@example.org", name="Bench", role=Role.ADMIN)
        session.add(user)
        session.flush()
        token = people.sign_in(session, user.id or 0, "bench")
    seen: list[str] = []
    event.listen(db.engine(), "before_cursor_execute", lambda *call: seen.append(call[2]))
    client = TestClient(create_app(), cookies={"ggt_session": token}, headers={"Accept": "text/html"})
    rows: list[dict[str, object]] = []
    for name, path in PATHS.items():
        times = []
        for _ in range(repeats + 1):
            seen.clear()
            began = time.perf_counter()
            answer = client.get(path)
            times.append((time.perf_counter() - began) * 1000)
            if answer.status_code != 200:
                raise SystemExit(f"{path} answered {answer.status_code}")
        warm = sorted(times[1:])
        rows.append(
            {
                "page": name,
                "first_ms": round(times[0], 1),
                "p50_ms": round(statistics.median(warm), 1),
                "p95_ms": round(warm[min(len(warm) - 1, round(0.95 * len(warm)))], 1),
                "statements": sum(not s.startswith(("BEGIN", "COMMIT")) for s in seen),
                "kilobytes": round(len(answer.content) / 1024),
            }
        )
    return rows


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
    print(f"{'page':40}{'first':>9}{'p50':>9}{'p95':>9}  ms   statements  KB")
    for row in rows:
        line = f"{row['page']:40}{row['first_ms']:>9}{row['p50_ms']:>9}{row['p95_ms']:>9}"
        print(f"{line}{row['statements']:>15}{row['kilobytes']:>5}")


if __name__ == "__main__":
    main()
