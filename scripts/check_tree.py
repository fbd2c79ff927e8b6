"""Checks what may be in the repository: no package registry's address, no third-party or large file, sound templates.

Exit status 1 and a line per finding. Looks at what git would commit, ignored files not.
"""

import re
import subprocess
import sys
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError, meta

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "templates"
LARGEST_BYTES = 1_000_000
# Pieces, so that this file passes its own check.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("download", "pytorch", "org"),
        ("deb", "debian", "org"),
    )
)
INDEX_OPTION = re.compile(r"^\s*(--(extra-)?index-url|-i|--find-links|-f)\b", re.MULTILINE)
THIRD_PARTY = re.compile(
    r"(^|/)(node_modules|static/vendor|site-packages)/|\.min\.(js|css)$"
    r"|\.(whl|pth|pt|ckpt|safetensors|onnx|npz|woff2?|ttf|so|dll)$"
)


def committed_files() -> list[str]:
    """Files that are, or would be, committed, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in listing.split("\0") if name and (ROOT / name).is_file())


def findings_in_files(names: list[str]) -> list[str]:
    """What is wrong with files of these names."""
    found = []
    for name in names:
        content = (ROOT / name).read_bytes()
        if THIRD_PARTY.search(name):
            found.append(f"{name}: a third-party or generated file; install it at set-up instead")
        if len(content) > LARGEST_BYTES:
            found.append(f"{name}: {len(content):,} bytes; at most {LARGEST_BYTES:,}")
        text = content.decode("utf-8", "ignore")
        found += [f"{name}: names the package registry {host}" for host in REGISTRIES if host in text]
        if name.startswith("requirements/") and INDEX_OPTION.search(text):
            found.append(f"{name}: chooses a package index; that is the machine's to say")
    return found


def findings_in_templates() -> list[str]:
    """Templates that do not parse, or that name another one which is not there."""
    environment = Environment(autoescape=True)
    found = []
    for path in sorted(TEMPLATES.rglob("*.html")):
        name = path.relative_to(ROOT)
        try:
            tree = environment.parse(path.read_text(encoding="utf-8"))
        except TemplateSyntaxError as error:
            found.append(f"{name}:{error.lineno}: {error.message}")
            continue
        wanted = meta.find_referenced_templates(tree)
        found += [f"{name}: there is no template {other}" for other in wanted if other and not (TEMPLATES / other).is_file()]
    return found


def main() -> int:
    found = findings_in_files(committed_files()) + findings_in_templates()
    for line in found:
        print(line)  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
