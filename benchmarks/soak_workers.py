"""Soak: thousands of quick work items while workers are killed with -9 at random; all must finish, none twice.

    python -m benchmarks.soak_workers [--items 5000] [--seed 1]

The small version of it, 200 items and one kill, is a test (tests/integration/test_killed.py).
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def start_worker(number: int) -> subprocess.Popen[bytes]:
    """One Celery worker of two processes that knows the "echo" work of the tests."""
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.echo_worker", "worker", "-Q", "cpu", "-c", "2"]
    quiet = ["-l", "error", "--without-gossip", "--without-mingle", "-n", f"soak{number}@%h"]
    return subprocess.Popen(
        [*command, *quiet], cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def main() -> None:
    """Run the soak and print what happened; status 1 when an item was lost or done twice."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--items", type=int, default=5000)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="ggt-soak-") as folder:
        os.environ.update(GGT_DATA_DIR=folder, GGT_LEASE_SECONDS="3")
        sys.exit(soak(chosen.items, random.Random(chosen.seed), Path(folder)))


def soak(items: int, chance: random.Random, folder: Path) -> int:
    """Do ``items`` items with random kills in ``folder``. Returns the exit status."""
    from sqlmodel import col, select

    from app import job_control, jobs, migrate
    from app.config import settings
    from app.db import reading, unit_of_work
    from app.jobs import NewItem
    from app.models import Event, Run, RunState
    from tests.redis_server import RedisServer

    redis = RedisServer(folder)
    redis.start()
    os.environ["GGT_REDIS_URL"] = redis.url
    settings.cache_clear()
    migrate.upgrade()
    with unit_of_work() as session:
        run = jobs.start_run(session, "echo", "soak", {}, None)
        run_id = run.id or 0
        jobs.add_items(session, run_id, [NewItem("echo", f"echo:{n}") for n in range(items)])
    workers, kills, started = [start_worker(0)], 0, time.monotonic()
    next_kill = started + chance.uniform(5, 15)
    try:
        while True:
            time.sleep(0.5)
            with unit_of_work() as session:
                job_control.sweep(session)
            with reading() as session:
                state = session.get_one(Run, run_id)
            print(f"\r{state.done} of {items} done, {kills} kills", end="", flush=True)
            if state.state == RunState.FINISHED:
                break
            if time.monotonic() > next_kill:
                os.killpg(workers[-1].pid, signal.SIGKILL)
                workers[-1].wait()
                workers.append(start_worker(len(workers)))
                kills, next_kill = kills + 1, time.monotonic() + chance.uniform(10, 20)
    finally:
        os.killpg(workers[-1].pid, signal.SIGKILL)
        redis.kill()
    with reading() as session:
        times = Counter(session.exec(select(Event.subject).where(col(Event.action) == "echo")))
    lost, twice = items - len(times), sum(count > 1 for count in times.values())
    seconds = time.monotonic() - started
    print(f"\n{items} items, {kills} kills, {seconds:.0f} s: {lost} lost, {twice} done twice, {state.failed} given up")
    return 1 if lost or twice else 0


if __name__ == "__main__":
    main()
