"""Every template renders with its page's examples, and asks for nothing that the content security policy blocks."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

import app.web.pages
from app.models import Role
from app.web import errors
from app.web.templating import STATIC, TEMPLATES, environment, html
from app.web.viewer import Viewer

VIEWERS = [Viewer(1, "Ada <b>", "ada@example.org", role, "c5rf", "session") for role in Role]


def examples() -> Iterator[tuple[str, Any]]:
    modules = [importlib.import_module(m.name) for m in pkgutil.iter_modules(app.web.pages.__path__, "app.web.pages.")]
    for module in [errors, *modules]:
        for template, contexts in getattr(module, "EXAMPLES", {}).items():
            for context in contexts if isinstance(contexts, list | tuple) else [contexts]:
                yield template, context


EXAMPLES = list(examples())
FILES = sorted(TEMPLATES.rglob("*.html"))


def name(file: Path) -> str:
    return file.relative_to(TEMPLATES).as_posix()


PAGES = [name(f) for f in FILES if "components" not in f.parts and f.parent != TEMPLATES]


@pytest.mark.parametrize("template", PAGES)
def test_every_template_has_an_example(template: str) -> None:
    """Without one, a misspelt name in it is found by a person who opens the page. An included part has its page's."""
    included = any(f'"{template}"' in file.read_text() for file in FILES)
    assert template in {known for known, _ in EXAMPLES} or included


@pytest.mark.parametrize(("template", "context"), EXAMPLES, ids=lambda part: part if isinstance(part, str) else "")
def test_renders_for_everybody(template: str, context: object) -> None:
    for viewer in [*VIEWERS, None] if template.startswith(("errors/", "sign_in/")) else VIEWERS:
        for htmx in (False, True):
            page = html(template, context, viewer, "/images", htmx)
            assert "Ada <b>" not in page, "a name is not escaped"
            assert_policy_allows(page)


def assert_policy_allows(page: str) -> None:
    """The policy blocks inline scripts, styles and handlers: such a page would look broken in the browser only."""
    data = r'(?![^>]*\btype="application/json")'  # a data block, which no browser runs
    assert not re.search(rf"<script{data}(?![^>]*\bsrc=)", page), "inline script"
    assert not re.search(r"<style\b|\sstyle=", page), "inline style"
    assert not re.search(r"<[^>]+\son\w+=", page), "inline handler"
    assert not re.search(r"\bhx-on", page), "hx-on needs eval"
    assert not re.search(r"""(?:\bjs:|hx-trigger=["'][^"']*\[)""", page), "hx-vals js: and trigger filters need eval"
    assert not re.search(r"""<(?!a\b)[^>]*\s(?:src|href)=["'](?:https?:)?//""", page), "something from another site"


def test_every_posting_form_carries_the_token() -> None:
    """A form without it is refused; people lose what they typed."""
    for template, context in EXAMPLES:
        if template.startswith("sign_in/"):
            continue
        for form in re.findall(r"<form\b.*?</form>", html(template, context, VIEWERS[0], "/", False), re.DOTALL):
            if re.search(r'method="post"', form, re.IGNORECASE):
                assert 'name="csrf" value="c5rf"' in form, f"{template}: {form[:100]}"


@pytest.mark.parametrize("file", FILES, ids=name)
def test_assets_exist(file: Path) -> None:
    for path in re.findall(r"""asset\(["']([^"']+)["']\)""", file.read_text()):
        assert (STATIC / path).is_file(), f"{path} is not under static/"


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        environment().from_string("{{ page.misspelt }}").render(page=object())
