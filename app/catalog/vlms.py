"""Vision-language models that write prompts and judge pairs (Sec. 3.2, Appendices B and C)."""

from dataclasses import dataclass

from app.catalog.generator_spec import Price


@dataclass(frozen=True)
class VlmSpec:
    """One VLM. ``prompt_price`` is what writing one prompt costs, ``judge_price`` one judgement of a pair."""

    key: str
    title: str
    provider: str
    model: str
    prompt_price: Price
    judge_price: Price


def _priced(prompt: float, judge: float, input_tokens: float, output_tokens: float) -> tuple[Price, Price]:
    checked = "2026-11, third party"
    return Price(prompt, input_tokens, output_tokens, checked), Price(judge, input_tokens, output_tokens, checked)


_GEMINI = _priced(0.015, 0.018, 2.0, 12.0)
_GPT = _priced(0.12, 0.15, 30.0, 180.0)

VLMS: dict[str, VlmSpec] = {
    v.key: v
    for v in (
        VlmSpec("gemini", "Gemini-3.1-Pro", "gemini", "gemini-3.1-pro-preview", *_GEMINI),
        VlmSpec("gpt", "GPT-5.4-Pro", "openai", "gpt-5.4-pro", *_GPT),
    )
}
