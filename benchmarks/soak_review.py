"""Soak: a crowd decides thousands of pairs over HTTP and behaves badly; each pair gets exactly the decisions it needs.

    python -m benchmarks.soak_review [--annotators 50] [--items 10000] [--overlap 2] [--postgresql] [--processes 1]

A real web server with three queues: one decision on each pair, ``--overlap`` decisions, and one more than that, which half
of the people may work on. Annotators skip, undo, release, reload, send a decision twice at the same moment, lose the answer
and send again, fall silent and come back to what they held, leave without a word, some for good. Nobody can wait five
minutes for a lease here, so the soak ends leases that were not renewed for ten seconds and the clients renew that much
oftener. A pair that people disagree about is finished: who settles it is not part of this.

At the end the database is asked. Status 1 unless all of these are zero: pairs with more decisions than wanted, or two of
one person; decisions acknowledged but lost; pairs and people left without work that was there; pairs whose stage is not
what was decided; errors. The small version is a test (tests/integration/test_review_crowd.py).
"""

import argparse
import http.client
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.review import HELD, ROOT, seed, server, sign_in

SILENT = 10.0
"""Seconds after which the lease of a silent annotator is ended here; five minutes in truth."""
RENEW = 3.0
"""Seconds between renewals of what is held; 15 in the page."""
PATIENCE = 5.0
"""So many seconds somebody may be told that nothing is there although something is: others take it in that moment."""
STALLED = 60.0
"""Seconds without any decision after which the rest counts as starved."""
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
DATA = re.compile(rb'id="review-data">(.*?)</script>', re.DOTALL)
ALSO: list[tuple[str, float]] = [
    ("skip", 0.03), ("undo", 0.03), ("release", 0.01), ("leave", 0.01), ("reload", 0.02), ("silence", 0.003),
]  # fmt: skip
"""What an annotator does instead of deciding, and how often."""
BADLY: list[tuple[str, float]] = [("twice", 0.05), ("lost", 0.04)]
"""How a decision is sent: twice at once, or again because the answer never came."""

calm, over = threading.Event(), threading.Event()
"""Of the clients' process: everything was decided once, so no more nonsense; and everything is decided."""


class Annotator:
    """A signed-in browser that keeps to the page's protocol (static/js/review.js), and a person who does not."""

    def __init__(self, url: str, user: int, token: str, csrf: str, queues: list[int], leaves_after: int) -> None:
        split = urlsplit(url)
        self.lines = [http.client.HTTPConnection(split.hostname or "", split.port, timeout=60) for _ in range(2)]
        self.headers = {"Cookie": f"ggt_session={token}", "X-CSRF-Token": csrf}
        self.user, self.queues, self.leaves_after = user, queues, leaves_after
        self.chance = random.Random(user)
        self.queue = self.chance.choice(queues)
        self.held: list[dict[str, Any]] = []
        self.skipped: set[int] = set()
        self.decided: list[tuple[str, dict[str, Any]]] = []  # can be undone
        self.renewed = self.spoke = 0.0
        self.free: dict[int, dict[int, list[float]]] = {}  # queue -> image -> when it was free though the queue was "empty"
        self.acknowledged: list[str] = []
        self.undone: list[str] = []
        self.refused: list[str] = []
        self.starved: list[str] = []
        self.errors: list[str] = []
        self.times: list[float] = []
        self.did: Counter[str] = Counter()

    def work(self) -> None:
        self.reload()
        while not over.is_set():
            if not self.held and not self.fill():
                over.wait(0.5)
            elif not calm.is_set() and len(self.acknowledged) >= self.leaves_after:
                self.did["left for good"] += 1
                return
            elif self.held:
                getattr(self, "decide" if calm.is_set() else self.drawn(ALSO, "decide"))()

    def drawn(self, ways: list[tuple[str, float]], otherwise: str) -> str:
        """One of ``ways``, each as often as it says."""
        point = self.chance.random()
        for way, share in ways:
            if (point := point - share) < 0:
                return way
        return otherwise

    # What people do

    def decide(self) -> None:
        one = self.held.pop(0)
        right = "accept" if one["image_id"] % 10 else "reject"
        said = right if self.chance.random() < 0.95 else self.chance.choice(["accept", "reject", "regenerate"])
        told = {"reject": {"reasons": "structure"}, "regenerate": {"note": "Keep the wet asphalt."}}.get(said, {})
        key = f"soak-{self.user}-{self.chance.randrange(10**15):015}"
        form = {"key": key, "image_id": one["image_id"], "candidate_id": one["candidate_id"], "decision": said, **told}
        sending, started = self.drawn(BADLY, "decided"), time.perf_counter()
        self.did[sending] += 1
        status, answer = self.send("/review/decide", form | {"more": self.wanted(one["image_id"])}, sending)
        if sending == "decided":
            self.times.append(time.perf_counter() - started)
        if status != 200:
            self.refused.append(key)
            self.ask()
            return
        self.acknowledged.append(key)
        self.decided = [*self.decided[-9:], (key, one)]
        if answer["more"] is None:
            self.errors.append(f"a decision of {self.user} brought no next pairs")
        self.merge(answer["more"] or {})

    def undo(self) -> None:
        if self.decided:
            key, one = self.decided.pop(self.chance.randrange(len(self.decided)))
            status, _ = self.send("/review/undo", {"key": key}, self.drawn(BADLY, ""))
            self.did["undone" if status == 200 else "undo refused"] += 1
            if status == 200:
                self.undone.append(key)
                self.held = [one, *(other for other in self.held if other["image_id"] != one["image_id"])]

    def skip(self) -> None:
        self.skipped.add(self.held[0]["image_id"])
        self.give_back(1)

    def release(self) -> None:
        self.give_back(len(self.held))
        self.queue = self.chance.choice(self.queues)

    def leave(self) -> None:
        """Without a word; to another queue or home for a moment."""
        self.did["left"] += 1
        self.held, self.queue = [], self.chance.choice(self.queues)
        calm.wait(self.chance.choice([0, 3]))

    def silence(self) -> None:
        """Long enough to lose what is held; what comes next is a decision without a lease, as of a laptop that slept."""
        self.did["silent"] += 1
        calm.wait(SILENT + 2)
        self.decide()

    def reload(self) -> None:
        self.did["reload"] += 1
        _, page = self.talk("GET", f"/review?queue={self.queue}", "", "text/html")
        found = DATA.search(page)
        self.held = json.loads(found.group(1))["items"] if found else []
        self.skipped.clear()
        self.ask()

    # What the page does

    def give_back(self, count: int) -> None:
        gone, self.held = self.held[:count], self.held[count:]
        self.did["released"] += count
        self.send("/review/release", {"image_id": [one["image_id"] for one in gone]})

    def wanted(self, *sending: int) -> str:
        here = [one["image_id"] for one in self.held]
        due = time.monotonic() - self.renewed > RENEW or not here
        exclude = [*([] if due else here), *sending, *self.skipped][:500]
        more = {"held": here if due else [], "exclude": exclude, "want": max(0, HELD - len(here)), "progress": due}
        return json.dumps(more | {"queue": str(self.queue), "day_start": time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime())})

    def merge(self, answer: dict[str, Any]) -> None:
        if answer.get("progress"):
            self.renewed = time.monotonic()
        lost = set(answer.get("lost", []))
        self.did["lost to others"] += len(lost)
        kept = [one for one in self.held if one["image_id"] not in lost]
        here = {one["image_id"] for one in kept}
        self.held = [*kept, *(one for one in answer.get("items", []) if one["image_id"] not in here)]

    def ask(self) -> None:
        _, answer = self.talk("POST", "/review/queue", self.wanted(), JSON)
        self.merge(json.loads(answer or b"{}"))

    def fill(self) -> bool:
        """Look for work in all queues, beginning with the last one. False when there is none."""
        at = self.queues.index(self.queue)
        for queue in self.queues[at:] + self.queues[:at]:
            self.queue = queue
            while True:
                self.ask()
                if self.held or not self.skipped:
                    break
                self.skipped.clear()
            if self.held:
                self.free.pop(queue, None)
                return True
            self.told_empty()
        return False

    def told_empty(self) -> None:
        """See that it is true. What was free at each of several such answers in a row is withheld from this person."""
        now, before = time.monotonic(), self.free.get(self.queue, {})
        found = {image: [*before.get(image, []), now] for image in free_for(self.user, self.queue)}
        for image, when in found.items():
            if len(when) >= 5 and now - when[0] > PATIENCE:
                self.starved.append(f"person {self.user}, queue {self.queue}, image {image}")
        self.free[self.queue] = found
        self.did["told empty"] += 1

    # How it is sent

    def send(self, path: str, form: dict[str, Any], manner: str = "") -> tuple[int, Any]:
        status, answer = self.talk("POST", path, urlencode(form, doseq=True), FORM, manner)
        return status, json.loads(answer) if status == 200 else {}

    def talk(self, method: str, path: str, body: str, kind: str, manner: str = "") -> tuple[int, bytes]:
        """One request, and again while the server has trouble, as the page does. Trouble is an error all the same."""
        best = 0, b""
        for _ in range(5):
            try:
                answers = self.exchange(method, path, body, kind, manner)
            except (OSError, http.client.HTTPException) as error:
                answers = [(599, repr(error).encode())]
            refusable = path in ("/review/decide", "/review/undo")
            self.errors += [
                f"{path}: {status} {data[:200]!r}"
                for status, data in answers
                if status not in (200, 204) and not (status == 409 and refusable)
            ]
            best = min(answers)
            if best[0] < 500 or over.is_set():
                break
            for line in self.lines:
                line.close()
            time.sleep(0.5)
            manner = ""
        return best[0], best[1] if best[0] == 200 else b""

    def exchange(self, method: str, path: str, body: str, kind: str, manner: str) -> list[tuple[int, bytes]]:
        if time.monotonic() - self.spoke > 3:  # the server closes an idle connection after five seconds
            self.lines[0].close()
        headers = self.headers | ({"Accept": kind} if method == "GET" else {"Accept": JSON, "Content-Type": kind})
        if manner == "lost":
            self.lines[0].request(method, path, body, headers)
            time.sleep(self.chance.uniform(0, 0.05))
            self.lines[0].close()
        lines = self.lines[: 2 if manner == "twice" else 1]
        for line in lines:
            line.request(method, path, body, headers)
        answers = []
        for line in lines:
            response = line.getresponse()
            answers.append((response.status, response.read()))
        self.lines[1].close()  # it is used too seldom to be kept
        self.spoke = time.monotonic()
        return answers


def free_for(user: int, queue: int) -> list[int]:
    """Images of a queue that a person could be given now: asked in words of our own, not with the application's."""
    from sqlalchemy import bindparam, text

    from app.db import reading
    from app.models import Stage, utcnow
    from app.models.base import UtcDateTime

    stands = "FROM review r WHERE r.candidate_id = i.current_candidate_id AND r.kind = 'own' AND r.undone_at IS NULL"
    free = text(
        "SELECT i.id FROM queue_item q JOIN image i ON i.id = q.image_id JOIN review_queue w ON w.id = q.queue_id "
        "WHERE q.queue_id = :queue AND q.open AND i.stage = :awaiting "
        f"AND NOT EXISTS (SELECT 1 {stands} AND r.user_id = :me) "
        f"AND (SELECT count(*) {stands}) + (SELECT count(*) FROM review_lease l WHERE l.image_id = i.id "
        "AND l.user_id <> :me AND l.expires_at > :now) < w.overlap"
    ).bindparams(bindparam("now", utcnow(), UtcDateTime()), queue=queue, awaiting=Stage.AWAITING.value, me=user)
    with reading() as session:
        return list(session.execute(free).scalars())


def run(url: str) -> None:
    """The clients: people from the first line of standard input, calm after the second, over at its end."""
    crowd = [Annotator(url, **one) for one in json.loads(sys.stdin.readline())]
    threads = [threading.Thread(target=one.work, daemon=True) for one in crowd]
    for thread in threads:
        thread.start()
    sys.stdin.readline()
    calm.set()
    sys.stdin.read()
    over.set()
    for one, thread in zip(crowd, threads, strict=True):
        thread.join(90)
        if thread.is_alive():
            one.errors.append(f"person {one.user} hangs")
    lists = ("acknowledged", "undone", "refused", "starved", "errors", "times")
    told: dict[str, Any] = {name: [value for one in crowd for value in getattr(one, name)] for name in lists}
    told["did"] = sum((one.did for one in crowd), Counter[str]())
    print(json.dumps(told))


def prepare(items: int, annotators: int, overlap: int) -> list[dict[str, Any]]:
    """Pairs in three queues, and who may work on which. Returns what each annotator is told."""
    from sqlalchemy import select, text, update

    from app.config import settings
    from app.db import engine, unit_of_work
    from app.models import CandidateSummary, Image, ReviewQueue, User, table_of
    from app.services import queues

    seed(items)
    signed_in = sign_in(annotators)
    users, images = table_of(User), table_of(Image)
    sizes = {"rain": items // 2, "snow": items * 3 // 10}
    with unit_of_work() as session:
        ids = list(session.execute(select(users.c.id).order_by(users.c.id)).scalars())
        numbers = list(session.execute(select(images.c.id).order_by(images.c.id)).scalars())
        for category, after in (("snow", sizes["rain"]), ("haze", sizes["rain"] + sizes["snow"])):
            for table, column in ((images, "id"), (table_of(CandidateSummary), "image_id")):
                behind = table.c[column] > numbers[after - 1]
                session.execute(update(table).where(behind).values(category=category))
    made: list[ReviewQueue] = []
    for category, order, wanted, people in (
        ("rain", "oldest", 1, []), ("snow", "random", overlap, []), ("haze", "oldest", overlap + 1, ids[::2]),
    ):  # fmt: skip
        with unit_of_work() as session:
            asked = queues.Wanted(
                category, f"category={category}", order, wanted, tuple(people)  # type: ignore[arg-type]
            )  # fmt: skip
            made.append(queues.create(session, asked, ids[0]))
        while True:
            with unit_of_work() as session:
                if not queues.fill(session, session.get_one(ReviewQueue, made[-1].id)):
                    break
    if not settings().sqlite:
        with engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("ANALYZE"))
    chance = random.Random(1)
    return [
        {"user": user, "token": token, "csrf": csrf, "queues": [q.id for q in made if queues.open_to(q, user)],
         "leaves_after": chance.randrange(10, 150) if number % 7 == 3 else 10**9}
        for number, (user, (token, csrf)) in enumerate(zip(ids, signed_in, strict=True))
    ]  # fmt: skip


def end_silent_leases(finished: threading.Event) -> None:
    """Leases of those who fell silent run out. One by one: whoever locks many rows can be in the way of who takes them."""
    from sqlalchemy import select, update

    from app.db import reading, unit_of_work
    from app.models import ReviewLease, table_of, utcnow
    from app.services.review_leases import LEASE

    leases = table_of(ReviewLease)
    while not finished.wait(0.5):
        now = utcnow()
        silent = (leases.c.expires_at > now) & (leases.c.expires_at < now + LEASE - timedelta(seconds=SILENT))
        with reading() as session:
            found = list(session.execute(select(leases.c.id).where(silent)).scalars())
        for lease in found:
            with unit_of_work() as session:
                session.execute(update(leases).where(leases.c.id == lease, silent).values(expires_at=now))


def watch(clients: "subprocess.Popen[str]") -> float:
    """End leases until everything is decided, or nothing is any more. Returns the seconds it took."""
    from sqlalchemy import func, select

    from app.db import reading
    from app.models import Image, Review, Stage, table_of

    images, reviews = table_of(Image), table_of(Review)
    waits = select(func.count()).where(images.c.stage == Stage.AWAITING)
    started = moved = time.monotonic()
    last, seconds = 0, 0.0
    assert clients.stdin is not None
    finished = threading.Event()
    # On its own: it takes turns to write with the server, and a server that hangs is to be noticed here.
    threading.Thread(target=end_silent_leases, args=(finished,), daemon=True).start()
    while clients.poll() is None:
        time.sleep(0.5)
        with reading() as session:
            left: int = session.execute(waits).scalar_one()
            newest: int = session.execute(select(func.max(reviews.c.id))).scalar_one() or 0
        now = time.monotonic()
        if newest != last:
            last, moved = newest, now
        if sys.stdout.isatty():
            print(f"\r{left:6,} wait ", end="", flush=True)
        if not left and not seconds:
            seconds = now - started
            clients.stdin.write("calm\n")  # an undo may be on its way, so this is not the end yet
            clients.stdin.flush()
        if now - moved > (5 if seconds and not left else STALLED):
            break
    finished.set()
    clients.stdin.close()
    return seconds or time.monotonic() - started


def checked(told: dict[str, Any]) -> tuple[list[str], dict[str, list[Any]]]:
    """What stands in the database as lines, and what must not be: name -> the cases."""
    from sqlalchemy import select

    from app.db import reading
    from app.models import Image, Pair, QueueItem, Review, ReviewQueue, Stage, table_of
    from app.services.review import OUTCOME

    images, items, queues, reviews = (table_of(t) for t in (Image, QueueItem, ReviewQueue, Review))
    with reading() as session:
        quota = session.execute(
            select(images.c.id, images.c.stage, images.c.current_candidate_id, queues.c.overlap, items.c.open)
            .join(items, items.c.image_id == images.c.id)
            .join(queues, queues.c.id == items.c.queue_id)
        ).all()
        made = session.execute(select(reviews)).all()
        pairs = set(session.execute(select(table_of(Pair).c.image_id)).scalars())
    standing: dict[int, list[Any]] = defaultdict(list)
    for row in made:
        if row.undone_at is None:
            standing[row.candidate_id].append(row)
    undone_at = {row.key: row.undone_at for row in made}
    undone, acknowledged = set(told["undone"]), set(told["acknowledged"])
    over_quota, starved, wrong = [], list(told["starved"]), []
    reached: Counter[str] = Counter()
    for image, stage, candidate, wanted, is_open in quota:
        rows = standing[candidate]
        reached[f"{len(rows)} of {wanted}"] += 1
        slots, who = {row.slot for row in rows}, {row.user_id for row in rows}
        if len(rows) > wanted or len(slots) < len(rows) or len(who) < len(rows) or not slots <= set(range(wanted)):
            over_quota.append(f"image {image}")
        if len(rows) < wanted or stage == Stage.AWAITING:
            starved.append(f"image {image}: {len(rows)} of {wanted}, {stage}")
        said = {row.decision for row in rows}
        come_to = Stage.AWAITING if len(rows) < wanted else OUTCOME["disputed" if len(said) > 1 else said.pop()]
        if stage != come_to or is_open != (stage == Stage.AWAITING) or (image in pairs) != (stage == Stage.VERIFIED):
            wrong.append(f"image {image}: {stage}, {'open' if is_open else 'closed'} in its queue; it came to {come_to}")
    zeros = {
        "over quota": over_quota,
        "lost": [key for key in acknowledged if key not in undone_at or (undone_at[key] is None) == (key in undone)],
        "starved": starved,
        "in a wrong stage": wrong,
        "stored though refused or never sent": [key for key in undone_at if key not in acknowledged],
        "errors": told["errors"],
    }
    shares = ", ".join(f"{count:,} with {which}" for which, count in sorted(reached.items()))
    return [f"decisions that stand: {sum(map(len, standing.values())):,}; pairs: {shares}"], zeros


def soak(options: argparse.Namespace) -> int:
    """Prepare, let the crowd in, check. Returns the exit status."""
    people = prepare(options.items, options.annotators, options.overlap)
    engine = "PostgreSQL" if options.postgresql else "SQLite"
    print(
        f"{options.items:,} pairs, {options.annotators} annotators, {engine}, web processes: {options.processes}", flush=True
    )
    with server(int(os.environ["GGT_PORT"])) as url:
        command = [sys.executable, "-m", "benchmarks.soak_review", "--client", url]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as clients:  # fmt: skip
            assert clients.stdin is not None
            assert clients.stdout is not None
            clients.stdin.write(json.dumps(people) + "\n")
            clients.stdin.flush()
            seconds = watch(clients)
            told = json.loads(clients.stdout.read())
        return report(told, seconds)  # before the server is asked to end: one that hangs will not


def report(told: dict[str, Any], seconds: float) -> int:
    """Print what came of it. Returns the exit status."""
    lines, zeros = checked(told)
    times, number = sorted(told["times"]) or [0.0], len(told["acknowledged"])
    print(
        f"\r{number:,} decisions acknowledged in {seconds:.0f} s, {number / seconds:.0f}/s, {len(told['undone']):,} of them "
        f"undone; median {statistics.median(times) * 1000:.0f} ms, p95 {times[int(len(times) * 0.95)] * 1000:.0f} ms"
    )
    print("on the way:", ", ".join(f"{what} {count:,}" for what, count in sorted(told["did"].items())))
    print(f"refused, as others had decided meanwhile: {len(told['refused'])}")
    print(*lines, sep="\n")
    print("; ".join(f"{what}: {len(cases)}" for what, cases in zeros.items()))
    for what, cases in zeros.items():
        for case in cases[:5]:
            print(f"  {what}: {case}", flush=True)
    return 1 if any(zeros.values()) else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--overlap", type=int, default=2)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--client", default="")
    options = parser.parse_args()
    if options.client:
        run(options.client)
        return
    if options.annotators < 4 * (options.overlap + 1):
        parser.error("half of the annotators must be enough for overlap + 1, also when some leave for good")
    with tempfile.TemporaryDirectory(prefix="ggt-soak-", ignore_cleanup_errors=True) as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        os.environ |= {"GGT_DATA_DIR": f"{folder}/data", "GGT_PORT": str(port), "GGT_WEB_PROCESSES": str(options.processes)}
        Path(f"{folder}/data").mkdir()
        if options.postgresql:
            from tests.databases import PostgresServer

            postgres = PostgresServer(Path(folder) / "postgres")
            os.environ["GGT_DATABASE_URL"] = postgres.url("test")
        sys.exit(soak(options))


if __name__ == "__main__":
    main()
