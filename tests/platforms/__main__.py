"""The stand-in by hand: ``python -m tests.platforms --port 8901``. Ctrl-C stops it and prints what it counted."""

import argparse
import json
import signal
import sys
import threading

from app.catalog.platforms import PLATFORMS
from tests.platforms.library import trial
from tests.platforms.server import PlatformServer


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.platforms", description="A local stand-in for four platforms.")
    parser.add_argument("--port", type=int, default=8901, help="0 for any free one")
    parser.add_argument("--each", type=int, default=40, help="photographs a keyword")
    parser.add_argument("--robots", default="", help="its robots.txt")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with PlatformServer(trial(options.each), port=options.port, robots=options.robots) as server:
        lines = ["Stand-in for four platforms; what it gives are no photographs. Before `ggt up`:", ""]
        for key, spec in PLATFORMS.items():
            lines.append(f"export GGT_{key.upper()}_BASE_URL={server.url} {spec.key_setting}=fake")
        lines.append(f"export GGT_FETCH_PRIVATE_HOSTS={server.host} GGT_FETCH_DELAY=0.05")
        _say("\n".join([*lines, ""]))
        stop.wait()
        _say(json.dumps(server.counts()))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
