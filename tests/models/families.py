"""Tiny models with the tokenizers, end tokens and chat templates of well-known families; of a
few hundred parameters, made in the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from selftrain_assets.models.loading import ModelRef, resolve_model

WORD = "\N{LOWER ONE EIGHTH BLOCK}"
CORPUS = [
    "Tom has 3 apples and buys 4 more , so he has 3 + 4 = 7 apples . #### 7",
    "Ann's 12 pens cost $ 1.50 each ; how much is that ? It's 12 * 1.5 = 18 .\n\nThe answer is 18.",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))  # 3",
    "The answer is \\boxed{42}, and not 41; x < y, {a: b}.",
] * 4
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]

# -- tokenizers ------------------------------------------------------------------------------------


def byte_level(prefix_space: bool = False) -> Tokenizer:
    """As of GPT-2, Llama 3, Qwen and gpt-oss: words of bytes, spaces in front of them."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=340, initial_alphabet=alphabet, show_progress=False)
    )
    return made


def sentencepiece(style: str) -> Tokenizer:
    """BPE over characters, with bytes for those it does not know, and spaces as marks: Llama 2
    puts one before every text between special tokens (`prepend`), Mistral before the first
    (`first`), Gemma nowhere (`none`)."""
    trained = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    trained.normalizer = normalizers.Replace(" ", WORD)
    trained.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>", *BYTES], show_progress=False),
    )
    vocabulary = trained.get_vocab()
    merges = [tuple(merge) for merge in _json(trained)["model"]["merges"]]
    made = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    plain = [decoders.Replace(WORD, " "), decoders.ByteFallback(), decoders.Fuse()]
    if style == "prepend":
        made.normalizer = normalizers.Sequence(
            [normalizers.Prepend(WORD), normalizers.Replace(" ", WORD)]
        )
        made.decoder = decoders.Sequence([*plain, decoders.Strip(" ", 1, 0)])
    elif style == "first":
        made.pre_tokenizer = pre_tokenizers.Metaspace(WORD, prepend_scheme="first", split=False)
        made.decoder = decoders.Sequence([*plain, decoders.Strip(" ", 1, 0)])
    else:
        made.normalizer = normalizers.Replace(" ", WORD)
        made.decoder = decoders.Sequence(plain)
    return made


def unigram() -> Tokenizer:
    """As of T5 and XLNet: the likeliest pieces, each word begun by a space."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace(WORD, prepend_scheme="always")
    made.decoder = decoders.Metaspace(WORD, prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=180, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    return made


def words() -> Tokenizer:
    """One token per word, which splits off signs: `</s>` too, if it is not added as a token."""
    made = Tokenizer(
        models.WordLevel(
            {"<unk>": 0, "</s>": 1, "one": 2, "two": 3, "<": 4, "/": 5, "s": 6, ">": 7},
            unk_token="<unk>",
        )
    )
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|[^\w\s]"), "removed", invert=True)
    return made


def _json(tokenizer: Tokenizer) -> dict[str, Any]:
    import json

    return json.loads(tokenizer.to_str())


# -- chat templates --------------------------------------------------------------------------------

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%"
    " endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% if enable_thinking"
    " is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
LLAMA_3 = (
    "{{ bos_token }}{% if not date_string is defined %}{% set date_string = strftime_now('%d %b"
    " %Y') %}{% endif %}{% if messages[0].role == 'system' %}{% set system = messages[0].content |"
    " trim %}{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}{{"
    " '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' + date_string + '\n\n' + system"
    " + '<|eot_id|>' }}{% for m in messages %}{{ '<|start_header_id|>' + m.role +"
    " '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}{% if"
    " add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not"
    " supported') }}{% endif %}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2"
    " == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{{ '<start_of_turn>' +"
    " ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + '<end_of_turn>\n'"
    " }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
LLAMA_2 = (
    "{% if messages[0].role == 'system' %}{% set system = '<<SYS>>\n' + messages[0].content +"
    " '\n<</SYS>>\n\n' %}{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif"
    " %}{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + (system if"
    " loop.first else '') + m.content.strip() + ' [/INST]' }}{% else %}{{ ' ' + m.content.strip() +"
    " ' ' + eos_token }}{% endif %}{% endfor %}"
)
HARMONY = (
    "{{ '<|start|>system<|message|>Reasoning: ' + (reasoning_effort | default('medium')) +"
    " '<|end|>' }}{% for m in messages %}{% if m.role == 'assistant' %}{{"
    " '<|start|>assistant<|channel|>final<|message|>' + m.content }}{{ '<|return|>' if loop.last"
    " and not add_generation_prompt else '<|end|>' }}{% else %}{{ '<|start|>' + ('developer' if"
    " m.role == 'system' else m.role) + '<|message|>' + m.content + '<|end|>' }}{% endif %}{%"
    " endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}"
)

# -- models ----------------------------------------------------------------------------------------


def model(
    folder: Path,
    tokenizer: Tokenizer,
    special: tuple[str, ...] = (),
    *,
    template: str | None = None,
    appends: bool = False,
    begins: bool = False,
    config_ends: tuple[str | int, ...] = (),
    generation_ends: tuple[str | int, ...] = (),
    spare: int = 0,
    **named: str,
) -> ModelRef:
    """Write a model of one layer. `special` tokens are added, then those that are `named`
    (eos_token, ...) and unknown; the configurations name end tokens by text or id; the embedding
    has `spare` rows more than there are tokens, or fewer. The tokenizer `begins` and `appends`
    by its begin and end token."""
    import torch
    from transformers import (
        GenerationConfig,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    tokenizer.add_special_tokens(
        [AddedToken(text, normalized=False, special=True) for text in special]
    )
    before, behind = (
        (named["bos_token"],) if begins else (),
        (named["eos_token"],) if appends else (),
    )
    if before or behind:
        ids = [(text, tokenizer.token_to_id(text)) for text in (*before, *behind)]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=" ".join([*before, "$A", *behind]), special_tokens=ids
        )
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **named
    )
    made.chat_template = template
    made.save_pretrained(folder)

    def ids_of(ends: tuple[str | int, ...]) -> list[int] | None:
        return [
            end if isinstance(end, int) else made.convert_tokens_to_ids(end) for end in ends
        ] or None

    torch.manual_seed(0)
    shape = {
        "hidden_size": 4,
        "intermediate_size": 4,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "max_position_embeddings": 256,
    }
    ends, written = ids_of(config_ends), ids_of(generation_ends)
    config = LlamaConfig(
        vocab_size=len(made) + spare, **shape, bos_token_id=None, eos_token_id=ends and (ends if len(ends) > 1 else ends[0]),  # noqa: E501
        pad_token_id=None, initializer_range=1.0, tie_word_embeddings=True,
    )  # fmt: skip
    made_model = LlamaForCausalLM(config)
    made_model.generation_config = GenerationConfig(eos_token_id=written)
    made_model.save_pretrained(folder)
    if written is None:
        (folder / "generation_config.json").unlink(missing_ok=True)
    return resolve_model(str(folder))


def qwen(folder: Path, **changes: Any) -> ModelRef:
    """Ends a turn by one token and pads with another, which ends a text; no begin token; the
    embedding is padded."""
    tokens = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
    settings = {
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "config_ends": ("<|im_end|>",),
        "spare": 13,
        "template": CHATML,
    }
    return model(
        folder,
        byte_level(),
        tokens,
        **settings | {"generation_ends": ("<|im_end|>", "<|endoftext|>")} | changes,
    )


def llama_3(folder: Path, **changes: Any) -> ModelRef:
    """Several end tokens, of which the tokenizer names one; the template brings the begin token,
    and says what day it is."""
    tokens = (
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        "<|eom_id|>",
    )
    ends = ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")
    settings = {
        "bos_token": "<|begin_of_text|>",
        "eos_token": "<|eot_id|>",
        "begins": True,
        "config_ends": ends,
        "template": LLAMA_3,
    }
    return model(folder, byte_level(), tokens, **settings | {"generation_ends": ends} | changes)


def gemma(folder: Path, **changes: Any) -> ModelRef:
    """Ends a text by one token and a turn by another, which no file calls an end."""
    tokens = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")
    settings = {
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "begins": True,
        "config_ends": ("<eos>",),
    }
    return model(
        folder,
        sentencepiece("none"),
        tokens,
        **settings | {"unk_token": "<unk>", "template": GEMMA} | changes,
    )


def gpt_2(folder: Path, **changes: Any) -> ModelRef:
    """One token for begin, end, padding and unknown."""
    end = "<|endoftext|>"
    return model(
        folder,
        byte_level(),
        (end,),
        **{"bos_token": end, "eos_token": end, "unk_token": end, "config_ends": (end,)} | changes,
    )


def llama_2(folder: Path, **changes: Any) -> ModelRef:
    """Puts a space before every text; no padding token."""
    settings = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "begins": True,
        "config_ends": ("</s>",),
    }
    return model(
        folder,
        sentencepiece("prepend"),
        ("<s>", "</s>"),
        **settings | {"template": LLAMA_2} | changes,
    )


def mistral(folder: Path, **changes: Any) -> ModelRef:
    """Puts a space before a text, and marks turns and thoughts by special tokens."""
    tokens = ("<s>", "</s>", "[INST]", "[/INST]", "[THINK]", "[/THINK]")
    settings = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "begins": True,
        "config_ends": ("</s>",),
    }
    template = LLAMA_2.replace("' ' + m.content.strip() + ' '", "m.content.strip()")
    return model(
        folder, sentencepiece("first"), tokens, **settings | {"template": template} | changes
    )


def gpt_oss(folder: Path, **changes: Any) -> ModelRef:
    """Several channels in one answer: a token ends each, and another one the turn."""
    tokens = (
        "<|startoftext|>",
        "<|endoftext|>",
        "<|return|>",
        "<|channel|>",
        "<|start|>",
        "<|end|>",
        "<|message|>",
        "<|call|>",
    )
    settings = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|return|>",
        "pad_token": "<|endoftext|>",
        "config_ends": ("<|return|>",),
    }
    ends = {"generation_ends": ("<|return|>", "<|endoftext|>", "<|call|>"), "template": HARMONY}
    return model(folder, byte_level(), tokens, **settings | ends | changes)
