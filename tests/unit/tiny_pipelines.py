"""Open image-editing pipelines that fit a test: the true classes of diffusers, with a few thousand random weights each.

What decides whether a pipeline runs is kept as it is published: the VAE's reduction by 8, the special tokens, the chat
template's parts, and FLUX.2's use of the text encoder's layers 10, 20 and 30. Widths and depths are as small as the
classes permit. ``diffusers`` and ``transformers`` come in through importlib: mypy would follow both for minutes.
"""

import importlib
from pathlib import Path
from typing import Any

QWEN_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
MISTRAL_TOKENS = (
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[IMG]",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[SYSTEM_PROMPT]",
    "<pad>",
)

MISTRAL_TEMPLATE = (
    "<s>{% for message in messages %}{{ '[INST]' if message['role'] == 'user' else '[SYSTEM_PROMPT]' }}"
    "{% for part in message['content'] %}{{ '[IMG]' if part['type'] == 'image' else part['text'] }}{% endfor %}"
    "{{ '[/INST]' if message['role'] == 'user' else '' }}{% endfor %}"
)
"""Ours, not Mistral's: one string of the roles and texts in their order."""


def _modules() -> tuple[Any, Any, Any]:
    torch, diffusers, transformers = (importlib.import_module(name) for name in ("torch", "diffusers", "transformers"))
    return torch, diffusers, transformers


def _byte_vocabulary(special: tuple[str, ...]) -> dict[str, int]:
    """Every byte is a token: a tokenizer that reads any text and needs no file."""
    alphabet = importlib.import_module("tokenizers").pre_tokenizers.ByteLevel.alphabet()
    return {token: number for number, token in enumerate([*special, *sorted(alphabet)])}


def save_tiny_qwen_edit(folder: Path) -> Path:
    """Write a ``QwenImageEditPlusPipeline`` with the 2511 release's ``zero_cond_t`` to ``folder``, which is returned."""
    torch, diffusers, transformers = _modules()
    torch.manual_seed(0)
    vocabulary = _byte_vocabulary(QWEN_TOKENS)
    special = list(QWEN_TOKENS[1:])
    tokenizer = transformers.Qwen2Tokenizer(vocab=vocabulary, merges=[], additional_special_tokens=special)
    processor = transformers.Qwen2VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(),
        tokenizer=tokenizer,
        video_processor=transformers.Qwen2VLVideoProcessor(),
    )
    hidden = 16
    text_encoder = transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(
            text_config={
                "vocab_size": len(vocabulary),
                "hidden_size": hidden,
                "intermediate_size": hidden,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
                "bos_token_id": 0,
                "eos_token_id": vocabulary["<|im_end|>"],
            },
            vision_config={
                "depth": 2,
                "hidden_size": hidden,
                "intermediate_size": hidden,
                "num_heads": 2,
                "out_hidden_size": hidden,
                "fullatt_block_indexes": [1],
            },
            **{f"{name}_token_id": vocabulary[f"<|{name}_pad|>"] for name in ("image", "video")},
            vision_start_token_id=vocabulary["<|vision_start|>"],
            vision_end_token_id=vocabulary["<|vision_end|>"],
        )
    )
    diffusers.QwenImageEditPlusPipeline(
        scheduler=_shifting_scheduler(diffusers),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=4, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1, latents_mean=[0.0] * 4, latents_std=[1.0] * 4
        ),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        processor=processor,
        transformer=diffusers.QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=1,
            joint_attention_dim=hidden,
            axes_dims_rope=(4, 6, 6),
            zero_cond_t=True,
        ),
    ).save_pretrained(folder)
    return folder


def save_tiny_flux2(folder: Path) -> Path:
    """Write a ``Flux2Pipeline`` to ``folder``, which is returned."""
    torch, diffusers, transformers = _modules()
    tokenizers = importlib.import_module("tokenizers")
    torch.manual_seed(0)
    vocabulary = _byte_vocabulary(MISTRAL_TOKENS)
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=list(MISTRAL_TOKENS[3:-1]),
    )
    processor = transformers.PixtralProcessor(
        image_processor=transformers.PixtralImageProcessor(),
        tokenizer=tokenizer,
        patch_size=14,
        spatial_merge_size=2,
        chat_template=MISTRAL_TEMPLATE,
    )
    hidden = 8
    text_encoder = transformers.Mistral3ForConditionalGeneration(
        transformers.Mistral3Config(
            text_config={
                "model_type": "mistral",
                "vocab_size": len(vocabulary),
                "hidden_size": hidden,
                "intermediate_size": hidden,
                "num_hidden_layers": 30,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "head_dim": 4,
                "pad_token_id": vocabulary["<pad>"],
            },
            vision_config={
                "model_type": "pixtral",
                "hidden_size": hidden,
                "intermediate_size": hidden,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "head_dim": 4,
                "image_size": 56,
                "patch_size": 14,
            },
            image_token_index=vocabulary["[IMG]"],
        )
    )
    diffusers.Flux2Pipeline(
        scheduler=_shifting_scheduler(diffusers),
        vae=diffusers.AutoencoderKLFlux2(
            block_out_channels=(4, 4, 4, 4), layers_per_block=1, latent_channels=4, norm_num_groups=2, sample_size=64
        ),
        text_encoder=text_encoder,
        tokenizer=processor,
        transformer=diffusers.Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=1,
            joint_attention_dim=3 * hidden,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
        ),
    ).save_pretrained(folder)
    return folder


def _shifting_scheduler(diffusers: Any) -> Any:
    """Both models move their noise schedule with the number of image tokens, which takes this setting."""
    return diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
