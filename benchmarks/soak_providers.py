"""Soak: images x strategies x providers over the scripted server, with faults, a budget stop, kill -9 and a restart.

    python -m benchmarks.soak_providers [--images 300] [--fault-rate 0.15] [--seed 1]

Nano-Banana-2, GPT-Image-2 and Seedream-5.0 with all four prompt strategies, a VLM judge on the chosen setting, real workers
(no metric weights: metrics without any are left out). Half way Gemini's budget ends and is raised, a worker process is
killed with -9, and everything is stopped and started again. At the end every item must be in a final state, and

    confirmed calls <= calls the server charged <= confirmed + unknown calls

where a confirmed call is one that we know was paid. Status 1 when that does not hold. The small version is a test
(tests/integration/test_killed_providers.py).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
SIDE = 64
GENERATORS = ("nano-banana-2", "gpt-image-2", "seedream-5.0")
STRATEGIES = ("fix", "fix-nc", "vlm-gemini", "vlm-gpt")


class Soak:
    """One run in ``folder``, with what happens to it."""

    def __init__(self, folder: Path, url: str, images: int) -> None:
        self.folder, self.url, self.images = folder, url, images
        self.run_id = 0
        self.events: list[str] = []

    def prepare(self) -> None:
        from app import accounts, migrate
        from app.db import unit_of_work
        from app.imaging import encode_png
        from app.services import planning
        from app.services.options import PipelineOptions
        from benchmarks.provider_images import add_images
        from benchmarks.providers import picture

        migrate.upgrade()
        with unit_of_work() as session:
            masters = [encode_png(picture(number)[:SIDE, :SIDE]) for number in range(12)]
            add_images(session, masters, self.images, SIDE)
            for key in ("gemini", "openai", "ark"):
                account = accounts.ensure(session, key)
                account.requests_per_minute = account.images_per_minute = 30_000
                account.concurrency = 16
            accounts.ensure(session, "gemini").total_budget_micros = self.images * 67_000
        with unit_of_work() as session:
            options = PipelineOptions(
                method="nano-banana-2", strategy="fix", compare=False, judge="gemini-3.1-pro",
                also=tuple((g, s) for g in GENERATORS for s in STRATEGIES if (g, s) != ("nano-banana-2", "fix")),
            )  # fmt: skip
            self.run_id = planning.start_pipeline(session, options, user_id=None, confirmed=10**12).id or 0

    def run(self, seconds: float) -> None:
        """Work to the end, with everything that goes wrong on the way."""
        from app import accounts
        from app.db import reading, unit_of_work
        from app.models import ProviderAccount, Run, RunState
        from app.supervisor import Supervisor

        killed = restarted = raised = False
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with Supervisor(web=False, say=lambda _: None) as supervisor:
                while time.monotonic() < deadline:
                    time.sleep(0.5)
                    supervisor.tend()
                    with reading() as session:
                        run = session.get_one(Run, self.run_id)
                        account = session.get_one(ProviderAccount, "gemini")
                    share = (run.done + run.failed + run.unknown) / max(1, run.total)
                    left = (account.total_budget_micros or 0) - account.spent_micros - account.reserved_micros
                    print(
                        f"\r{run.done} done, {run.failed} failed, {run.unknown} unknown of {run.total}, "
                        f"${run.spent_micros / 1e6:.2f}  ", end="", flush=True,
                    )  # fmt: skip
                    if run.state == RunState.FINISHED and raised and killed and restarted:
                        return
                    if not killed and share > 0.2 and account.reserved_micros:
                        child = next(c for c in supervisor.children if c.name == "worker-api-1")
                        assert child.process is not None
                        os.killpg(child.process.pid, signal.SIGKILL)
                        self.events.append(f"killed -9 a worker with ${account.reserved_micros / 1e6:.2f} under way")
                        killed = True
                    if not raised and account.total_budget_micros is not None and left < 70_000:
                        self.events.append(f"Gemini's budget ended at ${account.spent_micros / 1e6:.2f}, and was raised")
                        with unit_of_work() as session:
                            accounts.ensure(session, "gemini").total_budget_micros = None
                        raised = True
                    if killed and raised and not restarted:
                        restarted = True
                        break
                self.events.append("stopped and started again")
        raise SystemExit(f"\nnot finished after {seconds} s")

    def verdict(self) -> dict[str, Any]:
        """The figures at the end."""
        from sqlmodel import col, func, select

        from app.db import reading
        from app.models import ApiCall, CallState, Candidate, ProviderAccount, Refusal, WorkItem

        with urlopen(f"{self.url}/counts") as answer:
            server = json.load(answer)
        with reading() as session:
            states = Counter(session.exec(select(WorkItem.state)).all())
            calls = Counter(session.exec(select(ApiCall.state)).all())
            paid = (CallState.ANSWERED, CallState.REFUSED)
            known = session.exec(
                select(func.count()).where(col(ApiCall.state).in_(paid), col(ApiCall.cost_micros) > 0)
            ).one()
            twice = session.exec(
                select(ApiCall.request_key)
                .where(
                    col(ApiCall.state).in_([CallState.ANSWERED, CallState.UNKNOWN]),
                    ~col(ApiCall.request_key).startswith("judge"),
                )
                .group_by(col(ApiCall.request_key))
                .having(func.count() > 1)
            ).all()
            reserved = session.exec(select(func.sum(ProviderAccount.reserved_micros))).one()
            made = session.exec(select(func.count()).select_from(Candidate)).one()
            refused = session.exec(select(func.count()).select_from(Refusal)).one()
        charged = sum(server["charged"].values())
        unknown = calls[CallState.UNKNOWN]
        final = set(states) <= {"done", "failed", "unknown", "cancelled"}
        return {
            "items": dict(states),
            "calls": dict(calls),
            "candidates": made,
            "refusals": refused,
            "confirmed": known,
            "charged by the server": charged,
            "confirmed + unknown": known + unknown,
            "asked for twice": len(twice),
            "money still reserved": reserved,
            "holds": final and known <= charged <= known + unknown and not twice and not reserved,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--fault-rate", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600)
    options = parser.parse_args()
    command = [
        sys.executable,
        "-m",
        "tests.providers",
        "--json",
        "--port",
        "0",
        "--latency",
        "0.1",
        "--seed",
        str(options.seed),
    ]
    server = subprocess.Popen(
        [*command, "--fault-rate", str(options.fault_rate)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    url = json.loads(server.stdout.readline())["url"]
    with tempfile.TemporaryDirectory(prefix="ggt-soak-", ignore_cleanup_errors=True) as folder:
        os.environ |= {
            "GGT_DATA_DIR": folder, "GGT_LEASE_SECONDS": "10", "GGT_PROVIDER_TIMEOUT": "10", "GGT_WORKERS": "1",
            "GGT_GEMINI_BASE_URL": url, "GGT_OPENAI_BASE_URL": f"{url}/v1", "GGT_ARK_BASE_URL": f"{url}/api/v3",
            "GGT_GEMINI_API_KEY": "k", "GGT_OPENAI_API_KEY": "k", "GGT_ARK_API_KEY": "k",
        }  # fmt: skip
        soak = Soak(Path(folder), url, options.images)
        started = time.monotonic()
        try:
            soak.prepare()
            soak.run(options.seconds)
            told = soak.verdict()
        finally:
            server.terminate()
    print(f"\n{options.images} images x {len(STRATEGIES)} strategies x {len(GENERATORS)} generators, ", end="")
    print(f"{options.fault_rate:.0%} faults, {time.monotonic() - started:.0f} s")
    for line in soak.events:
        print(f"  {line}")
    for name, value in told.items():
        print(f"  {name}: {value}")
    raise SystemExit(0 if told["holds"] else 1)


if __name__ == "__main__":
    main()
