"""The stand-in by hand: ``python -m tests.providers --port 8900 --latency 2``. Ctrl-C stops it and prints what it counted.

``GET /counts`` tells the counts as JSON; ``POST /script {"push": ["HANG"]}`` scripts the next calls.
"""

import argparse
import json
import random
import signal
import sys
import threading
from pathlib import Path

from app.catalog.providers import PROVIDERS
from tests.providers.script import Call, Fault, fits
from tests.providers.server import ProviderServer

_ROOTS = {"gemini": "", "openai": "/v1", "kling": "", "ark": "/api/v3"}
# HS256 asks for a secret of at least 32 bytes, and PyJWT warns below that.
_SECRET = "fake-secret-of-thirty-two-letters-"
_TROUBLES = (
    Fault.RATE_LIMIT,
    Fault.SERVER_ERROR,
    Fault.OVERLOADED,
    Fault.RESET,
    Fault.HALF_BODY,
    Fault.MALFORMED,
    Fault.SAFETY_IMAGE,
    Fault.NO_IMAGE,
    Fault.WRONG_SIZE,
    Fault.WRONG_ASPECT,
    Fault.TRUNCATED_TEXT,
    Fault.GARBLED_TEXT,
)


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    options = _parser().parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server = ProviderServer(
        options.latency,
        options.seed,
        port=options.port,
        canned=options.canned.read_bytes() if options.canned else None,
        echo=not options.no_echo,
        accept_rate=options.accept_rate,
        batch_seconds=options.batch_seconds,
        keep=32,
        on_call=None if options.json else lambda call: _say(_line(call)),
    )

    def rule(call: Call) -> Fault | None:
        luck = random.Random(f"{options.seed} {call.number}")
        if call.kind not in ("image", "text") or luck.random() >= options.fault_rate:
            return None
        return luck.choice([fault for fault in _TROUBLES if fits(fault, call.kind)])

    server.script.rule = rule
    with server:
        _say(json.dumps({"url": server.url}) if options.json else _greeting(server.url))
        stop.wait()
        _say(json.dumps(server.counts()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ggt-fake-providers", description="A local stand-in for all providers; nothing is paid."
    )
    parser.add_argument("--port", type=int, default=8900, help="0 for any free one")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="what an image or a text takes")
    parser.add_argument("--fault-rate", type=float, default=0.0, metavar="SHARE", help="of calls that go wrong, 0 to 1")
    parser.add_argument("--accept-rate", type=float, default=0.7, metavar="SHARE", help="of verdicts that accept, 0 to 1")
    parser.add_argument("--batch-seconds", type=float, metavar="SECONDS", help="what a batch takes; default: one look")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--canned", type=Path, metavar="FILE", help="give this image every time and do not look at requests")
    parser.add_argument("--no-echo", action="store_true", help="do not look at requests: a plain image every time")
    parser.add_argument("--json", action="store_true", help="for programs: the address in the first line, no line per call")
    return parser


def _greeting(url: str) -> str:
    lines = ["Stand-in for all providers. In the shell that starts the workers:", ""]
    for key, root in _ROOTS.items():
        spec = PROVIDERS[key]
        lines.append(f"export GGT_{key.upper()}_BASE_URL={url}{root} {spec.key_setting}=fake")
        if spec.secret_setting:
            lines.append(f"export {spec.secret_setting}={_SECRET}")
    return "\n".join([*lines, "", f"Counts: curl {url}/counts", ""])


def _line(call: Call) -> str:
    what = f"{call.provider:7} {call.kind:6} {call.model:28}"
    return f"{call.number:6} {what} {call.status} {call.fault or '-':16} {'charged' if call.charged else ''}".rstrip()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
