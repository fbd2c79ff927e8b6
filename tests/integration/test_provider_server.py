"""If these fail, what the other tests prove about providers is proved against wire formats that no provider speaks."""

import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from google.genai import types

from app import fake_providers
from tests.providers.clients import EVALUATOR, LQ, NANO, TASKS, VLM, Clients, first_image, look
from tests.providers.script import Call, Fault, fits
from tests.providers.server import ProviderServer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as running:
        running.script.hang_seconds, running.script.drip_seconds = 5.0, 0.2
        yield running


@pytest.fixture
def clients(server: ProviderServer) -> Iterator[Clients]:
    made = Clients(server.url)
    yield made
    made.close()


def test_every_provider_answers_with_an_image_of_the_size_sent(server: ProviderServer, clients: Clients) -> None:
    answer = clients.gemini(response_modalities=["IMAGE"], system_instruction="Be exact")
    assert look(first_image(answer)) == ("JPEG", (96, 96))
    assert answer.usage_metadata
    assert answer.usage_metadata.candidates_token_count == 1120
    edited = clients.edit()
    assert edited.data
    assert edited.usage
    assert look(base64.b64decode(edited.data[0].b64_json or "")) == ("PNG", (96, 96))
    task = clients.kling("ours-1").json()["data"]
    polls = [clients.http.get(f"{TASKS}/{name}").json()["data"] for name in (task["task_id"], "ours-1")]
    assert [poll["task_status"] for poll in (task, *polls)] == ["submitted", "processing", "succeed"]
    file = clients.http.get(polls[1]["task_result"]["images"][0]["url"])
    assert look(file.content) == ("PNG", (96, 96))
    assert clients.kling("ours-1").json()["code"] == 1201, "an external id is taken once"
    ark = clients.ark().json()
    assert look(base64.b64decode(ark["data"][0]["b64_json"])) == ("PNG", (96, 96))
    assert ark["usage"]["generated_images"] == 1

    made = [call for call in server.calls if call.kind == "image"]
    assert [call.provider for call in made] == ["gemini", "openai", "kling", "kling", "ark"]
    assert [call.images for call in made] == [[LQ]] * 5, "every byte of the LQ arrives, in both alphabets of base64"
    assert [call.prompt for call in made] == ["Be exact\nRestore", *["Restore"] * 4]
    assert [call.key for call in made] == ["g-key", "o-key", "k-key", "k-key", "k-key"]
    assert server.counts()["charged"] == {"gemini": 1, "openai": 1, "kling": 1, "ark": 1}
    assert server.counts()["requests"] == {"image": 5, "poll": 2, "file": 1}


def test_the_same_request_gets_other_pixels_and_the_same_run_the_same(server: ProviderServer, clients: Clients) -> None:
    once, again = first_image(clients.gemini()), first_image(clients.gemini())
    assert once != again
    with ProviderServer() as other:
        repeated = Clients(other.url)
        assert first_image(repeated.gemini()) == once
        repeated.close()


def test_verdicts_and_prompts_of_a_vlm(server: ProviderServer, clients: Clients) -> None:
    verdict = json.loads(clients.gemini(EVALUATOR, VLM).text or "")
    assert set(verdict) == {"scores", "reasons", "final_decision"}
    assert all("STAND-IN" in reason for reason in verdict["reasons"].values())
    assert json.loads(clients.ask().output_text)["final_decision"] == verdict["final_decision"], "same pair, same verdict"
    assert "96x96" in (clients.gemini("Write a prompt", VLM).text or "")
    server.script.push(Fault.TRUNCATED_TEXT, Fault.TRUNCATED_TEXT, Fault.GARBLED_TEXT, Fault.SAFETY_IMAGE)
    cut = clients.gemini(EVALUATOR, VLM).candidates
    assert cut
    assert cut[0].finish_reason is types.FinishReason.MAX_TOKENS
    incomplete = clients.ask()
    assert (incomplete.status, incomplete.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(clients.ask().output_text)
    assert clients.ask().output[0].content[0].type == "refusal"
    assert server.charged == len(server.calls)


def test_as_many_verdicts_accept_as_asked_for() -> None:
    decisions = []
    headers = {"x-goog-api-key": "k"}
    with ProviderServer(accept_rate=0.5) as server, httpx.Client(base_url=server.url, headers=headers) as client:
        for number in range(100):
            inline = {"mimeType": "image/png", "data": base64.b64encode(str(number).encode()).decode()}
            body = {"contents": [{"parts": [{"text": EVALUATOR}, {"inlineData": inline}]}]}
            answer = client.post(f"/v1/models/{VLM}:generateContent", json=body).json()
            decisions.append(json.loads(answer["candidates"][0]["content"]["parts"][0]["text"])["final_decision"])
    assert 35 <= decisions.count("Accept") <= 65


def test_a_batch_goes_round(server: ProviderServer, clients: Clients) -> None:
    job = clients.batch()
    assert (job.state, job.display_name) == (types.JobState.JOB_STATE_PENDING, "ours")
    assert server.charged == 0
    server.script.push(Fault.SAFETY_IMAGE, None, Fault.SERVER_ERROR, kind="item")
    second = clients.batch()
    listed = [(found.name, found.display_name) for found in clients.google.batches.list()]
    assert listed == [(second.name, "ours"), (job.name, "ours")]
    done = clients.finished(job)
    assert done.state is types.JobState.JOB_STATE_SUCCEEDED
    assert done.dest
    replies = done.dest.inlined_responses or []
    assert [reply.metadata for reply in replies] == [{"key": "k0"}, {"key": "k1"}, {"key": "k2"}]
    assert [look(first_image(reply.response)) for reply in replies] == [("JPEG", (96, 96))] * 3
    assert (server.charged, server.calls[0].charged, server.calls[1].charged) == (3, True, False)
    mixed = clients.finished(second)
    assert mixed.dest
    refused, good, failed = mixed.dest.inlined_responses or []
    assert refused.response
    assert refused.response.candidates
    assert refused.response.candidates[0].finish_reason is types.FinishReason.IMAGE_SAFETY
    assert first_image(good.response)
    assert failed.error
    assert (failed.response, failed.error.code) == (None, 500)
    assert server.charged == 5


def test_the_rule_holds_where_nothing_was_pushed(server: ProviderServer, clients: Clients) -> None:
    def rule(call: Call) -> Fault | None:
        return Fault.OVERLOADED if call.number % 2 == 0 else Fault.EXPIRED_BATCH

    server.script.rule = rule
    server.script.push(Fault.NO_IMAGE)
    for _ in range(3):
        clients.http.post(f"/v1beta/models/{NANO}:generateContent", headers={"x-goog-api-key": "k"}, json={})
    assert [call.fault for call in server.calls] == [Fault.NO_IMAGE, Fault.OVERLOADED, None], "what does not fit is left out"
    assert [call.status for call in server.calls] == [200, 503, 400]
    server.script.push(Fault.TRUNCATED_TEXT)
    assert clients.ark().status_code == 501, "a script that asks for nonsense is told so"
    assert fits(Fault.HANG, "poll")
    assert not fits(Fault.SAFETY_IMAGE, "poll")


def test_benchmark_mode_gives_one_image_and_looks_at_nothing() -> None:
    with ProviderServer(canned=LQ, latency=0.1) as server:
        start = time.monotonic()
        clients = Clients(server.url)
        assert first_image(clients.gemini()) == LQ
        assert time.monotonic() - start >= 0.1
        assert base64.b64decode((clients.edit().data or [])[0].b64_json or "") == LQ
        assert base64.b64decode(clients.ark().json()["data"][0]["b64_json"]) == LQ
        clients.kling()
        assert "scores" in (clients.gemini(EVALUATOR, VLM).text or "")
        assert all(not call.images and not call.body for call in server.calls)
        time.sleep(0.1)
        assert server.charged == 5
        clients.close()


def test_chunked_requests_and_requests_without_a_key(server: ProviderServer) -> None:
    with httpx.Client(base_url=server.url, headers={"x-goog-api-key": "k"}) as client:
        inline = {"mimeType": "image/png", "data": base64.b64encode(LQ).decode()}
        body = json.dumps({"contents": [{"parts": [{"inlineData": inline}]}]}).encode()
        pieces = (body[start : start + 1000] for start in range(0, len(body), 1000))
        path = f"/v1/models/{NANO}:generateContent"
        assert client.post(path, content=pieces).status_code == 200
        assert server.calls[0].images == [LQ]
        assert client.post(path, content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert httpx.post(server.url + path, content=body).status_code == 400
    assert httpx.post(f"{server.url}/api/v3/images/generations", json={}).status_code == 401
    assert httpx.get(f"{server.url}/nothing").status_code == 404


def test_by_hand_it_starts_serves_and_stops() -> None:
    command = [sys.executable, "-m", "tests.providers", "--json", "--port", "0", "--fault-rate", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = json.loads(process.stdout.readline())["url"]
        assert httpx.post(f"{url}/script", json={"push": ["NO_CREDIT", None]}).status_code == 200
        assert httpx.post(f"{url}/script", json={"push": ["NONSENSE"]}).status_code == 400
        clients = Clients(url)
        assert clients.ark().status_code == 403
        assert clients.ark().status_code == 200
        clients.close()
        counts = httpx.get(f"{url}/counts").json()
        process.send_signal(signal.SIGINT)
        assert json.loads(process.stdout.read()) == counts
    assert process.returncode == 0
    assert counts["charged"] == {"ark": 1}


def test_the_console_script_needs_a_source_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_providers, "__file__", str(tmp_path / "app" / "fake_providers.py"))
    with pytest.raises(SystemExit, match="source checkout"):
        fake_providers.main()
