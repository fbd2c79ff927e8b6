"""``ggt-fake-providers``: the local stand-in for all providers, which lives beside the tests of a source checkout."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Become ``python -m tests.providers`` with the same arguments; exit with 1 where there is no source checkout."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "tests" / "providers").is_dir():
        sys.exit("error: ggt-fake-providers needs a source checkout of GGT Studio, with its folder tests/providers")
    # Some installed packages bring a top-level "tests" of their own. -P keeps the current folder out of sys.path, so that
    # ours, named by PYTHONPATH, comes first and the arguments may still name files relative to the current folder.
    environment = os.environ | {"PYTHONPATH": str(root)}
    os.execve(sys.executable, [sys.executable, "-P", "-m", "tests.providers", *sys.argv[1:]], environment)  # noqa: S606
