"""If these fail, a batch of paid images is lost, made twice, or one bad reply takes the others with it."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.providers.clients import NANO, look, png
from tests.providers.script import Fault
from tests.providers.server import ProviderServer
from workers.providers.base import Access, BatchResult, CallFailed, ImageAnswer, ImageRequest, Trouble
from workers.providers.gemini import Gemini

KEY = "g-key"
REQUESTS = [(f"k{n}", ImageRequest(NANO, png(n), "image/png", 96, 96, f"Restore {n}")) for n in range(3)]


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


@pytest.fixture
def gemini(server: ProviderServer) -> Iterator[Gemini]:
    backend = Gemini(Access(server.url, KEY, timeout=5.0, api_version="v1beta"))
    yield backend
    backend.close()


def finished(gemini: Gemini, job: str) -> BatchResult:
    assert gemini.collect(job) == BatchResult("running")
    return gemini.collect(job)


def troubles(result: BatchResult) -> dict[str, str]:
    """Of each key the trouble and reason, or "image"."""
    told = {}
    for reply in result.replies:
        answer = reply.answer
        told[reply.key] = "image" if isinstance(answer, ImageAnswer) else f"{answer.trouble} {answer.reason}"
    return told


def answering(gemini: Gemini, status: int, body: Any) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    gemini._http._transport.close()
    gemini._http._transport = httpx2.MockTransport(lambda request: httpx2.Response(status, content=content))


def test_a_batch_goes_round_with_its_keys(server: ProviderServer, gemini: Gemini) -> None:
    job = gemini.submit("ggt-batch-7", REQUESTS)
    result = finished(gemini, job)
    assert result.state == "done"
    assert [reply.key for reply in result.replies] == ["k0", "k1", "k2"]
    for reply in result.replies:
        assert isinstance(reply.answer, ImageAnswer)
        assert look(reply.answer.data) == ("JPEG", (96, 96))
        assert reply.answer.usage
        assert reply.answer.usage.output_tokens == 1184
    created = server.calls[0]
    assert {call.key for call in server.calls} == {KEY}
    assert created.images == [request.image for _, request in REQUESTS]
    entry = created.body["batch"]["inputConfig"]["requests"]["requests"][1]
    assert entry["metadata"] == {"key": "k1"}
    assert entry["request"]["generationConfig"] == {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "1:1", "imageSize": "1K"},
    }
    parts = entry["request"]["contents"][0]["parts"]
    assert "inlineData" in parts[0]
    assert parts[1] == {"text": "Restore 1"}
    assert server.charged == 3


def test_a_batch_is_found_again_by_its_name(server: ProviderServer, gemini: Gemini) -> None:
    """A worker that died while submitting must not submit again."""
    assert gemini.find("ours") is None
    job = gemini.submit("ours", REQUESTS[:1])
    for n in range(120):
        gemini.submit(f"other {n}", REQUESTS[:1])
    assert gemini.find("ours") == job, "it is on the second page"
    assert gemini.find("our") is None


def test_each_reply_fails_for_itself(server: ProviderServer, gemini: Gemini) -> None:
    faults = [Fault.SAFETY_IMAGE, Fault.SERVER_ERROR, Fault.THOUGHTS, Fault.RATE_LIMIT, Fault.SAFETY_PROMPT, Fault.EMPTY]
    faults += [Fault.TEXT_ONLY, Fault.BAD_REQUEST]
    server.script.push(*faults, kind="item")
    requests = [(f"k{n}", REQUESTS[0][1]) for n in range(len(faults))]
    result = finished(gemini, gemini.submit("mixed", requests))
    assert troubles(result) == {
        "k0": "refused IMAGE_SAFETY",
        "k1": "broken ",
        "k2": "image",
        "k3": "busy ",
        "k4": "refused PROHIBITED_CONTENT",
        "k5": "broken EMPTY",
        "k6": "refused NO_IMAGE",
        "k7": "bad_request ",
    }


def test_swapped_and_missing_replies_are_told_as_they_came(server: ProviderServer, gemini: Gemini) -> None:
    server.script.push(Fault.SHUFFLED_KEYS, Fault.MISSING_REPLY)
    swapped, short = gemini.submit("a", REQUESTS), gemini.submit("b", REQUESTS)
    assert [reply.key for reply in finished(gemini, swapped).replies] == ["k2", "k0", "k1"]
    assert [reply.key for reply in finished(gemini, short).replies] == ["k0", "k1"]


@pytest.mark.parametrize(("fault", "state"), [(Fault.EXPIRED_BATCH, "expired"), (Fault.FAILED_BATCH, "failed")])
def test_a_batch_that_ends_without_images_says_so(server: ProviderServer, gemini: Gemini, fault: Fault, state: str) -> None:
    server.script.push(fault)
    result = finished(gemini, gemini.submit("a", REQUESTS))
    assert (result.state, result.replies) == (state, ())
    assert ("as told" in result.error) == (state == "failed"), "the SDK drops this message"


def test_a_batch_too_large_is_refused_and_not_sent_again(server: ProviderServer, gemini: Gemini) -> None:
    server.script.push(Fault.BATCH_503)
    with pytest.raises(CallFailed) as caught:
        gemini.submit("a", REQUESTS)
    assert caught.value.trouble is Trouble.BUSY
    assert len(server.calls) == 1


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.RESET, Fault.HALF_BODY, Fault.MALFORMED])
def test_a_submission_without_an_answer_may_have_worked(server: ProviderServer, fault: Fault) -> None:
    """It is LOST even where the answer is complete: ``find`` tells what it was called."""
    server.script.push(fault)
    gemini = Gemini(Access(server.url, KEY, timeout=0.3 if fault is Fault.HANG else 5.0, api_version="v1beta"))
    with pytest.raises(CallFailed) as caught:
        gemini.submit("ours", REQUESTS)
    assert caught.value.trouble is Trouble.LOST
    assert len(server.calls) == 1
    assert gemini.find("ours") is not None
    gemini.close()


def test_looking_costs_nothing_so_no_look_is_lost(server: ProviderServer, gemini: Gemini) -> None:
    job = gemini.submit("a", REQUESTS)
    expected = {
        Fault.RESET: Trouble.BROKEN,
        Fault.HALF_BODY: Trouble.BROKEN,
        Fault.SERVER_ERROR: Trouble.BROKEN,
        Fault.OVERLOADED: Trouble.BUSY,
        Fault.RATE_LIMIT: Trouble.BUSY,
        Fault.BAD_KEY: Trouble.ACCOUNT,
        Fault.NOT_FOUND: Trouble.BAD_REQUEST,
    }
    for fault, trouble in expected.items():
        server.script.push(fault, kind="poll")
        with pytest.raises(CallFailed) as caught:
            gemini.collect(job)
        assert caught.value.trouble is trouble
        server.script.push(fault, kind="list")
        with pytest.raises(CallFailed) as caught:
            gemini.find("a")
        assert caught.value.trouble is trouble, "never None, which would mean that it was not created"
    assert gemini.collect(job).state == "done"


def test_one_error_with_details_does_not_take_all_images_with_it(gemini: Gemini) -> None:
    """The SDK's types refuse the details that Google sends, and with them the whole job."""
    image = {"inlineData": {"mimeType": "image/jpeg", "data": base64.b64encode(b"jpeg").decode()}}
    good = {"metadata": {"key": "a"}, "response": {"candidates": [{"content": {"parts": [image]}, "finishReason": "STOP"}]}}
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "X"}]
    bad = {"metadata": {"key": "b"}, "error": {"code": 8, "message": "busy", "details": details}}
    nameless = {"response": good["response"]}
    answering(
        gemini,
        200,
        {
            "name": "batches/1",
            "metadata": {
                "state": "BATCH_STATE_SUCCEEDED",
                "output": {"inlinedResponses": {"inlinedResponses": [good, bad, nameless, 7]}},
            },
        },
    )
    result = gemini.collect("batches/1")
    assert troubles(result)["a"] == "image"
    assert troubles(result)["b"] == "busy "
    assert [reply.key for reply in result.replies] == ["a", "b", "", ""]


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("JOB_STATE_CANCELLED", "cancelled"),
        ("BATCH_STATE_PENDING", "running"),
        ("JOB_STATE_NEW", "running"),
        ("", "running"),
    ],
)
def test_states_that_are_not_known_are_waited_out(gemini: Gemini, told: str, state: str) -> None:
    answering(gemini, 200, {"name": "batches/1", "metadata": {"state": told}})
    assert gemini.collect("batches/1").state == state
