"""Downloading weight files from a model hub: in pieces that survive a cut line, checked against what the hub and we know.

The hub speaks the wire format of Hugging Face: ``GET {base}/{repository}/resolve/main/{file}``, possibly a redirect, whose
answer names the file's SHA-256 in ``X-Linked-Etag``. A mirror need not name it.
"""

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import httpx

from app.catalog.metric_weights import WeightFile
from app.errors import WeightsMissing

ATTEMPTS = 4
"""How often in a row nothing comes before we give up."""
WAIT_SECONDS = 2.0
TIMEOUT = httpx.Timeout(30, connect=15)
LARGEST_BYTES = 4 << 30

Progress = Callable[[str], None]


class _Again(Exception):
    """This attempt failed in a way that may pass; the message is the reason."""


@contextmanager
def partial_file(folder: Path, weight: WeightFile) -> Iterator[Path]:
    """Where the bytes of ``weight`` gather, held by this process alone: a second one waits until it is whole."""
    part = folder / f"{weight.path}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    held = os.open(part.parent, os.O_RDONLY)  # the folder itself, so that no lock file is left behind
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield part
    finally:
        os.close(held)


def download(base_url: str, weight: WeightFile, part: Path, expected: str, progress: Progress) -> tuple[str, str]:
    """Complete ``part``, going on where an earlier call stopped. Returns its SHA-256 and the address.

    ``expected`` is the SHA-256 it must have, ``""`` where nobody knows: then what the hub says. Raises
    :class:`WeightsMissing`; what came until then stays in ``part`` for the next call, unless it is wrong.
    """
    url = f"{base_url.rstrip('/')}/{weight.repository}/resolve/main/{quote(weight.member)}"
    resumed = _size(part) > 0
    failures, reason = 0, ""
    while failures < ATTEMPTS:
        if reason:
            progress(f"{weight.path}: {reason}; trying again")
            time.sleep(WAIT_SECONDS * max(failures, 1))
        before = _size(part)
        try:
            told = _get(url, weight, part, expected, progress)
        except _Again as error:
            failures = 0 if _size(part) > before else failures + 1  # a poor line may be cut as often as it brings something
            reason = str(error)
            continue
        sha256 = _sha256(part)
        wanted = expected or told or sha256
        if sha256 == wanted:
            return sha256, url
        part.unlink()
        if not resumed:
            raise WeightsMissing(f"{url} is another file: SHA-256 {sha256[:12]}..., not {wanted[:12]}...")
        resumed, reason = False, "what an earlier download left does not fit"
    raise WeightsMissing(f"{url} could not be downloaded: {reason}")


def _get(url: str, weight: WeightFile, part: Path, expected: str, progress: Progress) -> str:
    """One attempt to complete ``part``. Returns the SHA-256 the hub tells, or ""."""
    have = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with httpx.stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as answer:
            told = _told_hash(answer)
            if answer.status_code == 416:  # nothing is left to send, or our part is longer than the file
                return told
            _refuse(answer, url, weight, expected or told, told)
            with part.open("ab" if answer.status_code == 206 else "wb") as file:
                _receive(answer, file, weight, progress)
            return told
    except httpx.HTTPError as error:
        raise _Again(f"{type(error).__name__}: {error}") from error
    except OSError as error:
        raise WeightsMissing(f"{part} cannot be written: {error.strerror or error}") from error


def _refuse(answer: httpx.Response, url: str, weight: WeightFile, expected: str, told: str) -> None:
    """Raise unless the answer is the file wanted, or a part of it."""
    if answer.status_code in (429, 500, 502, 503, 504):
        raise _Again(f"the hub answered {answer.status_code}")
    if answer.status_code not in (200, 206):
        raise WeightsMissing(f"{url} could not be downloaded: the hub answered {answer.status_code}")
    if told and told != expected:
        raise WeightsMissing(f"{url} is another file: the hub says SHA-256 {told[:12]}..., not {expected[:12]}...")
    total = _total(answer)
    if weight.size and total and total != weight.size:
        raise WeightsMissing(f"{url} is another file: {total:,} bytes, not {weight.size:,}")
    if total > LARGEST_BYTES:
        raise WeightsMissing(f"{url} is refused: {total:,} bytes are more than any weight file of ours has")


def _receive(answer: httpx.Response, file: BinaryIO, weight: WeightFile, progress: Progress) -> None:
    """Append the answer's bytes. Raises _Again when fewer came than were announced."""
    total, received, shown = _total(answer), file.tell(), 0
    for data in answer.iter_bytes():
        file.write(data)
        received += len(data)
        if received > LARGEST_BYTES:
            raise WeightsMissing(f"{weight.path}: more than {LARGEST_BYTES:,} bytes came")
        if total and received * 10 // total > shown:
            shown = received * 10 // total
            progress(f"{weight.path}: {received:,} of {total:,} bytes")
    if total and received != total:
        raise _Again(f"{received:,} of {total:,} bytes came")


def _total(answer: httpx.Response) -> int:
    """The whole file's size as an answer tells it, 0 where it does not."""
    ranged = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    if answer.status_code == 206:
        return int(ranged[1]) if ranged else 0
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else 0


def _told_hash(answer: httpx.Response) -> str:
    """The SHA-256 that the hub names for the file, on its own answer or before it sent us on."""
    for one in (*answer.history, answer):
        value = str(one.headers.get("X-Linked-Etag", "")).strip('"').lower()
        if re.fullmatch(r"[0-9a-f]{64}", value):
            return value
    return ""


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
