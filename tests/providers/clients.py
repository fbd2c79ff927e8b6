"""The real SDKs against the stand-in, for its own tests."""

import base64
import io
from typing import Any

import httpx
import openai
from google import genai
from google.genai import types
from PIL import Image

from tests.factories import picture

NANO = "gemini-3.1-flash-image"
VLM = "gemini-3.1-pro-preview"
EVALUATOR = "You are a professional image restoration evaluator."
TASKS = "/v1/images/omni-image"


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(seed, 96)).save(buffer, "PNG")
    return buffer.getvalue()


LQ = png()


def look(data: bytes | None) -> tuple[str | None, tuple[int, int]]:
    with Image.open(io.BytesIO(data or b"")) as image:
        return image.format, image.size


def first_image(answer: types.GenerateContentResponse | None) -> bytes:
    assert answer
    assert answer.candidates
    assert answer.candidates[0].content
    for part in answer.candidates[0].content.parts or []:
        if part.inline_data and not part.thought:
            return part.inline_data.data or b""
    raise AssertionError("no image")


class Clients:
    """The real SDKs, pointed at the stand-in; each method is one call."""

    def __init__(self, url: str) -> None:
        options = types.HttpOptions(base_url=url, api_version="v1beta", timeout=2000)
        self.google = genai.Client(api_key="g-key", http_options=options)
        self.openai = openai.OpenAI(api_key="o-key", base_url=f"{url}/v1", max_retries=0, timeout=2)
        self.http = httpx.Client(base_url=url, headers={"Authorization": "Bearer k-key"}, timeout=2)

    def gemini(self, prompt: str = "Restore", model: str = NANO, **config: Any) -> types.GenerateContentResponse:
        parts: list[Any] = [types.Part.from_bytes(data=LQ, mime_type="image/png"), prompt]
        return self.google.models.generate_content(model=model, contents=parts, config=types.GenerateContentConfig(**config))

    def edit(self) -> openai.types.ImagesResponse:
        return self.openai.images.edit(model="gpt-image-2", image=("lq.png", LQ, "image/png"), prompt="Restore", size="auto")

    def ask(self) -> Any:
        url = f"data:image/png;base64,{base64.b64encode(LQ).decode()}"
        content: Any = [
            {"type": "input_text", "text": "Evaluate."},
            {"type": "input_image", "image_url": url, "detail": "high"},
        ]
        given: Any = [{"role": "user", "content": content}]
        return self.openai.responses.create(model="gpt-5.4-pro", instructions=EVALUATOR, input=given)

    def kling(self, reference: str = "") -> httpx.Response:
        image = base64.b64encode(LQ).decode()
        body = {"model_name": "kling-image-o1", "prompt": "Restore", "image_list": [{"image": image}]}
        return self.http.post(TASKS, json=body | {"external_task_id": reference})

    def ark(self) -> httpx.Response:
        image = f"data:image/png;base64,{base64.b64encode(LQ).decode()}"
        return self.http.post("/api/v3/images/generations", json={"model": "seedream", "prompt": "Restore", "image": image})

    def batch(self, count: int = 3) -> types.BatchJob:
        config = types.GenerateContentConfig(response_modalities=["IMAGE"], system_instruction="Be exact")
        requests = [
            types.InlinedRequest(
                contents=[types.Part.from_bytes(data=png(n), mime_type="image/png"), "Restore"],  # type: ignore[arg-type]
                metadata={"key": f"k{n}"},
                config=config,
            )
            for n in range(count)
        ]
        return self.google.batches.create(model=NANO, src=requests, config=types.CreateBatchJobConfig(display_name="ours"))

    def finished(self, job: types.BatchJob) -> types.BatchJob:
        states = [self.google.batches.get(name=job.name or "") for _ in range(2)]
        assert states[0].state is types.JobState.JOB_STATE_RUNNING
        return states[1]

    def close(self) -> None:
        self.google.close()
        self.openai.close()
        self.http.close()
