"""Calls per second through the whole machinery, against a bare loop over the same SDK with the same bytes, in one run.

    python -m benchmarks.providers [--calls 480] [--rounds 3]

The scripted server answers each call after 200 ms with a canned JPEG; both sides make 32 calls at once. The bare loop sends
the bytes and forgets the answer. Ours claims, reserves money, records, sends, stores the bytes (synced), books and hands
over; a second figure has a CPU worker take the images in at the same time, on the same two cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

ROOT = Path(__file__).resolve().parents[1]
LATENCY, CONCURRENCY, SIDE, MASTERS = 0.2, 32, 1024, 8
PROMPT = "Please remove the rain from the image and restore its clarity. But do not change the image content."


def picture(seed: int) -> np.ndarray:
    """A photograph-like 1024x1024 image: smooth shapes and a little noise, about 1.5 MB as PNG."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    smooth = np.asarray(Pillow.fromarray(small).resize((SIDE, SIDE), Pillow.Resampling.BICUBIC), dtype=np.int16)
    return np.clip(smooth + random.normal(0, 1.0, smooth.shape), 0, 255).astype(np.uint8)


@contextmanager
def server(canned: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.providers", "--json", "--no-echo", "--latency", str(LATENCY)]
    process = subprocess.Popen(
        [*command, "--canned", str(canned), "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait(10)


def bare(url: str, files: list[Path], calls: int) -> float:
    """Calls per second of the SDK alone, in a process of its own."""
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.providers", "--bare", url, "--calls", str(calls), *map(str, files)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(told.stdout)


def bare_loop(url: str, files: list[Path], calls: int) -> float:
    from google import genai
    from google.genai import types

    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url, timeout=60_000))
    images = [file.read_bytes() for file in files]
    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"], image_config=types.ImageConfig(aspect_ratio="1:1", image_size="1K")
    )

    def call(number: int) -> int:
        part = types.Part.from_bytes(data=images[number % len(images)], mime_type="image/png")
        answer = client.models.generate_content(model="gemini-3.1-flash-image", contents=[part, PROMPT], config=config)
        return len(answer.candidates[0].content.parts[0].inline_data.data)  # type: ignore[index,union-attr,arg-type]

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(call, range(CONCURRENCY)))  # connections are open and everything is imported
        started = time.perf_counter()
        list(pool.map(call, range(calls)))
        return calls / (time.perf_counter() - started)


def ours(url: str, folder: Path, files: list[Path], calls: int, *, with_cpu: bool) -> tuple[float, float]:
    """Answered calls per second, and candidates per second (0 without a CPU worker), of a real run with real workers."""
    os.environ |= {
        "GGT_DATA_DIR": str(folder),
        "GGT_GEMINI_BASE_URL": url,
        "GGT_GEMINI_API_KEY": "k",
        "GGT_API_THREADS": str(CONCURRENCY),
    }
    from sqlmodel import col, func, select

    from app import accounts, messages, migrate
    from app.config import settings
    from app.db import engine, reading, unit_of_work
    from app.models import ApiCall, CallState, Candidate
    from app.services import planning
    from app.services.options import PipelineOptions
    from app.storage import storage
    from app.supervisor import Supervisor
    from benchmarks.provider_images import add_images

    for cached in (settings, engine, storage, messages.celery_app, messages.redis_client):
        cached.cache_clear()
    folder.mkdir(parents=True)
    migrate.upgrade()
    with unit_of_work() as session:
        add_images(session, [file.read_bytes() for file in files], calls, SIDE)
        account = accounts.ensure(session, "gemini")
        account.requests_per_minute = account.images_per_minute = 100_000
        account.concurrency = CONCURRENCY
    supervisor = Supervisor(web=False, say=lambda _: None)
    kept = ("redis", "worker-api-1", "worker-api-2", "beat") + (("worker",) if with_cpu else ())
    children = supervisor._children
    supervisor._children = lambda: [c for c in children() if c.name in kept]  # type: ignore[method-assign]
    with supervisor:
        with unit_of_work() as session:
            options = PipelineOptions(method="nano-banana-2", strategy="fix-nc", compare=False, judge="")
            run = planning.start_pipeline(session, options, user_id=None, confirmed=10**12)
            run_id = run.id or 0
        if not with_cpu:
            for after in range(0, calls + planning.PLAN_WINDOW, planning.PLAN_WINDOW):
                with unit_of_work() as session:
                    planning.plan_window(session, run_id, after)
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            time.sleep(0.2)
            with reading() as session:
                answered = session.exec(select(func.count()).where(col(ApiCall.state) == CallState.ANSWERED)).one()
                made = session.exec(select(func.count()).select_from(Candidate)).one()
            if answered >= calls and (made >= calls or not with_cpu):
                break
        with reading() as session:
            rows = session.exec(select(ApiCall.sent_at, ApiCall.finished_at).order_by(col(ApiCall.finished_at))).all()
            times = session.exec(select(Candidate.created_at).order_by(col(Candidate.created_at))).all()
    # The first calls wait for a process to start; the rate is that of everything after them.
    ends = [end.timestamp() for _, end in rows if end is not None][CONCURRENCY:]
    per_second = (len(ends) - 1) / (ends[-1] - ends[0])
    made_rate = (len(times) - 1) / (times[-1] - times[0]).total_seconds() if len(times) > 1 else 0.0
    return per_second, made_rate


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=480)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare", default="")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    if options.bare:
        print(bare_loop(options.bare, options.files, options.calls))
        return
    from app.imaging import encode_png

    with tempfile.TemporaryDirectory(prefix="ggt-bench-") as name:
        folder = Path(name)
        files = [folder / f"{number}.png" for number in range(MASTERS)]
        for number, file in enumerate(files):
            file.write_bytes(encode_png(picture(number)))
        jpeg = BytesIO()
        Pillow.fromarray(picture(99)).save(jpeg, "JPEG", quality=95)
        canned = folder / "answer.jpg"
        canned.write_bytes(jpeg.getvalue())
        print(f"request {files[0].stat().st_size / 1e6:.1f} MB, answer {len(jpeg.getvalue()) / 1e6:.2f} MB")
        ratios = []
        with server(canned) as url:
            for number in range(options.rounds):
                naked = bare(url, files, options.calls)
                alone, _ = ours(url, folder / f"alone{number}", files, options.calls, with_cpu=False)
                both, made = ours(url, folder / f"both{number}", files, options.calls, with_cpu=True)
                ratios.append(alone / naked)
                print(
                    f"round {number + 1}: bare {naked:.1f}/s, ours {alone:.1f}/s ({alone / naked:.0%}), with a CPU worker "
                    f"taking images in beside it {both:.1f}/s asked, {made:.1f}/s made"
                )
        print(f"ours / bare: median {statistics.median(ratios):.0%}, lowest {min(ratios):.0%}")


if __name__ == "__main__":
    main()
