"""Large uploads: a request's body into a file without a name, and what becomes of it back, line by line as it comes."""

import json
import time
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import asdict
from tempfile import TemporaryFile
from typing import IO

from anyio import CancelScope
from fastapi import Request
from fastapi.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import ClientDisconnect

from app.config import settings
from app.errors import GgtError, NoRoom
from app.services.photograph import FileOutcome

SIGN_OF_LIFE_SECONDS = 60.0


async def received(request: Request, alive: Callable[[], None]) -> IO[bytes]:
    """A request's body in a temporary file of the data folder, which the caller closes. ``alive`` is called now and then.

    Read here and not as a form: a form is read before anybody asked who sends it. Raises GgtError where it breaks off, and
    NoRoom where the disk is full.
    """
    file: IO[bytes] = TemporaryFile(dir=settings().data_dir)  # noqa: SIM115
    try:
        next_sign = 0.0
        async for piece in request.stream():
            await run_in_threadpool(file.write, piece)
            if time.monotonic() > next_sign:
                await run_in_threadpool(alive)
                next_sign = time.monotonic() + SIGN_OF_LIFE_SECONDS
        file.seek(0)
        return file
    except OSError as error:
        file.close()
        raise NoRoom(f"The server could not keep the file ({error.strerror}). Tell whoever runs it.") from error
    except ClientDisconnect as error:
        file.close()
        raise GgtError("The upload broke off. Send the file again; what is here already is known then.") from error
    except BaseException:
        file.close()
        raise


async def told(outcomes: Generator[FileOutcome, None, None], file: IO[bytes]) -> AsyncIterator[str]:
    """Outcomes as lines of JSON, each as soon as it is committed. When nobody listens any more, the work stops with the
    photograph it is at. A line whose status is "stopped" says why the rest did not come."""
    try:
        async for outcome in iterate_in_threadpool(outcomes):
            yield json.dumps(asdict(outcome), ensure_ascii=False) + "\n"
    except GgtError as error:
        yield json.dumps({"status": "stopped", "reason": str(error)}) + "\n"
    finally:
        with CancelScope(shield=True):  # the request may be cancelled, but not what is being written
            await run_in_threadpool(outcomes.close)
            file.close()
