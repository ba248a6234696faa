"""Local checkpoints in PyTorch: a few loaded models a process, alike requests in one batch."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch
from django.conf import settings
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models_service import worker_heartbeats
from models_service.engines import reason
from models_service.engines.base import Answer, EngineError, Request
from models_service.lm import cpu
from models_service.lm.chat import (
    PromptRefused,
    decode,
    encode_prompt,
    pad_token_id,
    stop_token_ids,
)
from models_service.lm.checkpoint import CheckpointError, load_policy
from models_service.lm.context import context_in
from models_service.lm.cpu.linears import PrecisionError, halve_linears
from models_service.lm.generation import Generated, OnToken, Sampling, generate
from models_service.models import ModelVersion

Prompts = list[list[int]]
T = TypeVar("T")

logger = logging.getLogger(__name__)

# What reduced weights are compared on with the exact ones.
_PROBE = (
    "A good answer says what was asked, in as few words as it takes, and says so when it does not "
    "know. Two and two are four; the capital of France is Paris; for i in range(10): print(i)."
)


@dataclass(frozen=True)
class Loaded:
    """A model in memory, ready to generate."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    # How the weights were reduced, empty when they are exact.
    reduced: str = ""
    # A model generates for one thread at a time.
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def context(self) -> int | None:
        """Most tokens of prompt and completion together, where the architecture has a limit."""
        return context_in(self.model.config.to_dict())

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(weight.numel() * weight.element_size() for weight in self.model.parameters())

    @property
    def engine(self) -> str:
        """What computes: the same one gives the same text again."""
        kind = str(self.model.dtype).removeprefix("torch.")
        return f"torch {torch.__version__} {self.reduced or kind} {self.model.device.type}"


class LoadedModels:
    """The models this process holds, the least recently used leaving first.

    At most `limit` of them, and at most `memory` bytes of weights where that is not 0; one that is
    larger than that stands alone. Versions of the same weights share them.
    """

    def __init__(self, limit: int, memory: int = 0) -> None:
        self.limit = limit
        self.memory = memory
        self._held: OrderedDict[str, Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, version: ModelVersion) -> Loaded:
        """The version's model, loaded now if it is not in memory. Raises EngineError."""
        with self._lock:
            if version.checkpoint not in self._held:
                self._make_room(_weight(version.folder))
                self._held[version.checkpoint] = _load(version)
            self._held.move_to_end(version.checkpoint)
            return self._held[version.checkpoint]

    def checkpoints(self) -> list[str]:
        """What is held, the last used first."""
        with self._lock:
            return list(reversed(self._held))

    def _make_room(self, size: int) -> None:
        while self._held and (len(self._held) >= self.limit or self._is_over(size)):
            self._held.popitem(last=False)

    def _is_over(self, size: int) -> bool:
        held = sum(loaded.size for loaded in self._held.values())
        return bool(self.memory) and held + size > self.memory

    def clear(self) -> None:
        """Forget every model."""
        with self._lock:
            self._held.clear()


models = LoadedModels(settings.MODELS_IN_MEMORY, settings.MODEL_MEMORY_MIB * 2**20)


class LocalEngine:
    """Answers from a checkpoint folder."""

    def __init__(self, version: ModelVersion) -> None:
        self.version = version

    def sample(self, requests: Sequence[Request]) -> list[list[Answer]]:
        """See `Engine.sample`. Requests with equal settings share a batch."""
        loaded = models.get(self.version)
        prompts = self._encode(loaded.tokenizer, requests)
        _refuse_too_long(prompts, loaded.context)
        answers: list[list[Answer]] = [[] for _ in requests]
        for alike in _group(requests):
            batch = _sample_alike(loaded, [prompts[i] for i in alike], requests[alike[0]])
            for index, answered in zip(alike, batch, strict=True):
                answers[index] = answered
        worker_heartbeats.tell(models.checkpoints())
        return answers

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """See `Engine.stream`."""
        loaded = models.get(self.version)
        [prompt] = self._encode(loaded.tokenizer, [request])
        _refuse_too_long([prompt], loaded.context)
        tokens: list[int] = []

        def on_token(_prompt: int, _number: int, token: int) -> None:
            tokens.append(token)
            # The last character may still lack some of its bytes.
            on_text(decode(loaded.tokenizer, tokens).rstrip("\N{REPLACEMENT CHARACTER}"))

        [[answer]] = _sample_alike(loaded, [prompt], replace(request, k=1), on_token)
        worker_heartbeats.tell(models.checkpoints())
        return answer

    def _encode(self, tokenizer: PreTrainedTokenizerBase, requests: Sequence[Request]) -> Prompts:
        """Token ids of every prompt; names those that the model's chat template refuses."""
        prompts, refused = [], {}
        for index, request in enumerate(requests):
            try:
                prompts.append(encode_prompt(tokenizer, request.messages, self.version.prefix))
            except PromptRefused as error:
                refused[index] = f"{self.version} cannot be asked this: {error}."
        if refused:
            raise EngineError(next(iter(refused.values())), refused=refused)
        return prompts


def halving(
    sample: Callable[[list[T], int, int], list[list[Generated]]], prompts: list[T], k: int
) -> list[list[Generated]]:
    """`sample(prompts, k, first)`, in halves for as long as memory does not suffice.

    A completion depends on its own prompt and seed alone, so the texts stay the same; `first` is
    the number of the first completion of a prompt. Raises EngineError when even one is too much.
    """
    return _halving(sample, prompts, k, 0)


def _halving(
    sample: Callable[[list[T], int, int], list[list[Generated]]],
    prompts: list[T],
    k: int,
    first: int,
) -> list[list[Generated]]:
    try:
        return sample(prompts, k, first)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        if len(prompts) == 1 and k == 1:
            raise EngineError(
                "There is not enough memory for a single completion. Lower max_new_tokens, use a "
                "smaller model, or give the worker more memory."
            ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(prompts) > 1:
        half = len(prompts) // 2
        left = _halving(sample, prompts[:half], k, first)
        return left + _halving(sample, prompts[half:], k, first)
    left = _halving(sample, prompts, k // 2, first)
    right = _halving(sample, prompts, k - k // 2, first + k // 2)
    return [left[0] + right[0]]


def _is_out_of_memory(error: Exception) -> bool:
    # On a CPU PyTorch raises a bare RuntimeError; only its text tells.
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


def _load(version: ModelVersion) -> Loaded:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    try:
        model, tokenizer = load_policy(version.folder, dtype=dtype)
    except CheckpointError as error:
        raise EngineError(f"{version} cannot be loaded: {error}") from error
    except Exception as error:  # whatever a library finds in a folder that people bring
        logger.exception("%s cannot be loaded", version)
        raise EngineError(f"It cannot be loaded: {reason(version, error)}") from error
    return Loaded(model.to(device), tokenizer, _reduce(version, model, tokenizer, device))


def _reduce(
    version: ModelVersion, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, device: str
) -> str:
    """Halve the weights where the settings ask for it and the model bears it; says what was done.

    What this engine says is read by labelers alone; PPO's rollouts load their own exact weights.
    """
    if settings.SAMPLING_WEIGHTS != "float16" or device != "cpu" or not cpu.enabled():
        return ""
    try:
        kl = halve_linears(model, tokenizer(_PROBE).input_ids)
    except PrecisionError as error:
        logger.warning("%s is sampled from in float32: %s.", version, error)
        return ""
    return f"float16 weights (KL {kl:.1e})"


def _weight(folder: Path) -> int:
    """Bytes of the weights on disk, about what they take in memory."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _refuse_too_long(prompts: Prompts, context: int | None) -> None:
    if context is None:
        return
    refused = {
        index: f"The prompt has {len(prompt)} tokens; the model reads at most {context - 1}."
        for index, prompt in enumerate(prompts)
        if len(prompt) >= context
    }
    if refused:
        raise EngineError(next(iter(refused.values())), refused=refused)


def _group(requests: Sequence[Request]) -> list[list[int]]:
    """Indices of requests that differ in their messages alone."""
    groups: dict[Request, list[int]] = defaultdict(list)
    for index, request in enumerate(requests):
        groups[replace(request, messages=())].append(index)
    return list(groups.values())


def _sample_alike(
    loaded: Loaded, prompts: Prompts, request: Request, on_token: OnToken | None = None
) -> list[list[Answer]]:
    stop, pad = stop_token_ids(loaded.tokenizer), pad_token_id(loaded.tokenizer)
    sampling = Sampling(request.max_new_tokens, request.temperature, request.seed, stop, pad)
    seeded = list(zip(prompts, sampling.seeds(prompts, request.k), strict=True))

    def sample(part: list[tuple[list[int], int]], k: int, first: int) -> list[list[Generated]]:
        some, seeds = [prompt for prompt, _ in part], [seed + first for _, seed in part]
        return generate(loaded.model, some, k, sampling, seeds=seeds, on_token=on_token)

    with loaded.turn:
        started = time.perf_counter()
        try:
            drawn = halving(sample, seeded, request.k)
        except FloatingPointError as error:
            raise EngineError(f"No text can be drawn: {error}. Promote another version.") from error
        latency = round((time.perf_counter() - started) * 1000)
    return [
        [_answer(loaded, len(prompt), generated, latency) for generated in group]
        for prompt, group in zip(prompts, drawn, strict=True)
    ]


def _answer(loaded: Loaded, prompt_tokens: int, generated: Generated, latency: int) -> Answer:
    return Answer(
        text=decode(loaded.tokenizer, generated.tokens),
        finish_reason=generated.finish_reason,
        prompt_tokens=prompt_tokens,
        completion_tokens=len(generated.tokens),
        logprob=sum(generated.logprobs),
        latency_ms=latency,
        engine=loaded.engine,
    )
