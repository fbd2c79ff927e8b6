"""If these fail, downloads are lost, start over, take in what is no photograph, or fill the disk."""

import os
from pathlib import Path

import pytest

from app.config import settings
from app.errors import BadImage, Later
from app.services import fetching, partial
from app.services.fetching import fetch
from tests.platforms.web import Answer, Asked, part_of
from tests.unit.fetched import JPEG, NOTHING, Page, serving

MB = 2**20


def parts() -> list[Path]:
    folder = settings().data_dir / "partial"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_photograph_is_fetched_with_what_is_to_be_known_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_CONTACT", "https://lab.example/bot\r\nX-Evil: 1")
    with serving(monkeypatch, {"/a.jpg": Answer(JPEG, "image/jpeg; charset=binary")}) as server:
        fetched = fetch(f"{server.url}/a.jpg#fragment")
        sent = server.asked[-1].headers
    assert (fetched.data, fetched.url, fetched.media_type) == (JPEG, f"{server.url}/a.jpg", "image/jpeg")
    assert fetched.fetched_at.tzinfo is not None
    assert sent["user-agent"].startswith("GGTStudio/")
    assert "(https://lab.example/bot" in sent["user-agent"]
    assert "x-evil" not in sent
    assert sent["accept-encoding"] == "identity"
    assert parts() == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(b"<html>a page</html>" * 9, "text/html"), "sent text/html"),
        (Answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 9, "image/svg+xml"), "not a JPEG"),
        (Answer(b"<html>a page</html>" * 9, "image/jpeg"), "not a JPEG"),
        (Answer(b"", "image/jpeg"), "not a JPEG"),
        (Answer(JPEG, "image/jpeg", headers={"Content-Encoding": "gzip"}), "packed"),
        (Answer(JPEG, status=206, headers={"Content-Range": "bytes 5-9/10"}), "another part"),
        (NOTHING, "answered 404"),
        (Answer(status=403), "answered 403"),
        (Answer(status=304), "answered 304"),
    ],
)
def test_what_is_no_photograph_is_refused_with_the_reason(
    answer: Answer, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, {"/a.jpg": answer}) as server, pytest.raises(BadImage, match=told):
        fetch(f"{server.url}/a.jpg")
    assert parts() == []


def test_servers_that_do_not_look_at_what_they_serve_are_believed_by_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("application/octet-stream", "binary/octet-stream", "")
    pages = {f"/{place}": Answer(JPEG, kind) for place, kind in enumerate(kinds)}
    with serving(monkeypatch, pages) as server:
        for place in range(len(kinds)):
            assert fetch(f"{server.url}/{place}").data == JPEG


def test_a_page_that_calls_itself_an_image_is_left_after_its_first_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    large = Answer(b"no image at all " * (32 * MB // 16), "image/jpeg")
    written: list[int] = []
    write = os.write

    def counted(handle: int, data: memoryview) -> int:
        written.append(len(data))
        return write(handle, data)

    monkeypatch.setattr(os, "write", counted)
    with serving(monkeypatch, {"/a.jpg": large}) as server, pytest.raises(BadImage, match="not a JPEG"):
        fetch(f"{server.url}/a.jpg")
    assert 0 < sum(written) < MB


def test_the_size_limit_holds_whatever_the_header_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_MAX_UPLOAD_MB", "1")
    large = JPEG + bytes(2 * MB)
    unsized = Answer(large, headers={"Content-Length": "", "Connection": "close"})
    with serving(monkeypatch, {"/told": Answer(large), "/untold": unsized}) as server:
        for path in ("/told", "/untold"):
            with pytest.raises(BadImage, match="larger than 1 MiB"):
                fetch(server.url + path)
    assert parts() == []


def broken(times: int, tag: str = '"v1"') -> tuple[list[Asked], dict[str, Page]]:
    """A photograph whose connection breaks off so many times, a third further each time; and who asked for it."""
    asked: list[Asked] = []

    def answer(one: Asked) -> Answer:
        asked.append(one)
        whole = Answer(JPEG, cut=len(JPEG) // 3 if len(asked) <= times else None)
        return part_of(one, whole, tag) if tag else whole

    return asked, {"/a.jpg": answer}


def test_a_download_that_broke_off_goes_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, pages = broken(2)
    with serving(monkeypatch, pages) as server:
        assert fetch(f"{server.url}/a.jpg").data == JPEG
    third = len(JPEG) // 3
    assert [one.headers.get("range") for one in asked] == [None, f"bytes={third}-", f"bytes={2 * third}-"]
    assert {one.headers.get("if-range") for one in asked[1:]} == {'"v1"'}
    assert parts() == []


def test_what_came_is_kept_for_another_time_and_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Asked] = []

    def answer(one: Asked) -> Answer:
        asked.append(one)
        return part_of(one, Answer(JPEG, cut=100 if len(asked) <= fetching.TRIES else None), '"v1"')

    pages: dict[str, Page] = {"/a.jpg": answer}
    with serving(monkeypatch, pages) as server:
        with pytest.raises(BadImage, match=r"broke off 3 times .*after 300 bytes"):
            fetch(f"{server.url}/a.jpg")
        assert [path.suffix for path in parts()] == [".part", ".tag"]
        assert all("a.jpg" not in path.name and "127" not in path.name[:4] for path in parts())
        assert fetch(f"{server.url}/a.jpg").data == JPEG
    assert asked[-1].headers["range"] == "bytes=300-"
    assert parts() == []


def test_a_photograph_that_changed_meanwhile_is_fetched_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the old and half of the new one would be a picture that never was."""
    new = JPEG[:-2] + b"\x00" * 500 + JPEG[-2:]
    answers = [Answer(JPEG, cut=400), Answer(new)]
    tags = ['"old"', '"new"']

    def answer(asked: Asked) -> Answer:
        return part_of(asked, answers.pop(0), tags.pop(0))

    with serving(monkeypatch, {"/a.jpg": answer}) as server:
        assert fetch(f"{server.url}/a.jpg").data == new


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_strong_validator_a_download_starts_over(tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, pages = broken(1, tag)
    with serving(monkeypatch, pages) as server:
        assert fetch(f"{server.url}/a.jpg").data == JPEG
    assert [one.headers.get("range") for one in asked] == [None, None]


def test_the_date_of_a_change_serves_as_validator_too(monkeypatch: pytest.MonkeyPatch) -> None:
    date = "Tue, 24 Nov 2026 10:00:00 GMT"
    asked = []

    def answer(one: Asked) -> Answer:
        asked.append(one)
        cut = 400 if len(asked) == 1 else None
        return part_of(one, Answer(JPEG, headers={"Last-Modified": date}, cut=cut), 'W/"x"' if cut else date)

    with serving(monkeypatch, {"/a.jpg": answer}) as server:
        assert fetch(f"{server.url}/a.jpg").data == JPEG
    assert asked[1].headers["if-range"] == date


def test_parts_that_nobody_continued_are_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, {"/a.jpg": lambda asked: part_of(asked, Answer(JPEG, cut=100), '"v1"')}) as server:
        with pytest.raises(BadImage, match="broke off"):
            fetch(f"{server.url}/a.jpg")
        assert len(parts()) == 2
        monkeypatch.setattr(partial, "STALE_SECONDS", -1.0)
        partial.forget()
        with pytest.raises(BadImage):
            fetch(f"{server.url}/gone.jpg")
    assert parts() == []


def test_two_that_fetch_the_same_photograph_do_not_write_into_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, {"/a.jpg": Answer(JPEG)}) as server:
        url = f"{server.url}/a.jpg"
        with partial.held(url), pytest.raises(Later, match="another worker"):
            fetch(url)
        assert fetch(url).data == JPEG
