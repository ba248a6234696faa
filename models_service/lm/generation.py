"""Sampling from a policy: one prefill a prompt, K continuations from its cache, no truncation."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from models_service.lm import passes
from models_service.lm.cache import holds_keys_alone, is_joinable, join
from models_service.lm.context import context_in
from models_service.lm.cpu.linears import packed_linears
from models_service.lm.logprobs import unembed
from models_service.lm.padding import batches_under_budget, lean_batches, left_pad, position_ids

TOKEN_BUDGET = 16_384
# A GPU takes about as long for one row's next token as for a thousand rows': there, as many tokens
# as their cache fits into this part of its memory.
GPU_SHARE_FOR_CACHE = 1 / 8

# Called with prompt number, completion number and token, as tokens are drawn.
OnToken = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Sampling:
    """How to sample: at most `max_new_tokens`, logits divided by `temperature` (0: the likeliest
    token), no top-k and no top-p. Completion j of a prompt is drawn with seed `seed + j`, of a
    prompt that comes again with the seeds that follow (`seeds`). Each of `stop_ids` ends a
    completion; the first is the one that reward models read."""

    max_new_tokens: int
    temperature: float
    seed: int
    stop_ids: Sequence[int]
    pad_id: int

    def seeds(self, prompts: Sequence[Sequence[int]], k: int = 1) -> list[int]:
        """The seed of each prompt's first completion, where k are drawn of each: a prompt that
        comes again goes on with the seeds of the one before.

        Ask it of all prompts that belong together, before they are shared out over batches or
        processes: what is drawn then depends on nobody's share.
        """
        # By the prompt's tokens, not its place: the same prompt twice in a batch must not get the
        # same answer twice, and a prompt must get the same answer wherever it stands.
        seen: Counter[tuple[int, ...]] = Counter()
        seeds = []
        for prompt in map(tuple, prompts):
            seeds.append(self.seed + k * seen[prompt])
            seen[prompt] += 1
        return seeds


@dataclass
class Generated:
    """One completion. `tokens` ends with a stop token if it finished; `logprobs` (nats, of the
    distribution sampled from) has one entry a token."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: Literal["stop", "length"] = "length"


class PromptTooLong(ValueError):
    """A prompt leaves no room for a single token in the model's context."""


@dataclass
class _Row:
    """A completion in the making: its place in the result, its length limit and its randomness."""

    prompt: int
    number: int
    limit: int
    uniforms: np.ndarray
    output: Generated = field(default_factory=Generated)

    def append(self, token: int, logprob: float, stop_ids: Sequence[int]) -> bool:
        """Take a token; whether the completion is now finished."""
        self.output.tokens.append(token)
        self.output.logprobs.append(logprob)
        if token in stop_ids:
            self.output.finish_reason = "stop"
        return token in stop_ids or len(self.output.tokens) == self.limit


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    k: int,
    sampling: Sampling,
    *,
    seeds: Sequence[int] | None = None,
    on_token: OnToken | None = None,
    token_budget: int | None = None,
) -> list[list[Generated]]:
    """Draw k completions of every prompt, in the order of the prompts.

    A completion depends on its prompt, its own seed and the model alone (up to float rounding),
    not on what else is in the batch. `seeds` are those of each prompt's first completion: where
    these prompts are a part of more, their part of the whole's `sampling.seeds` (default: of these
    alone). `token_budget` bounds the cached tokens of a batch (default: what suits the device).
    Raises PromptTooLong.
    """
    first = sampling.seeds(prompts, k) if seeds is None else seeds
    rows = _plan(model, prompts, k, sampling, first)
    # By the most that a completion may become, since the cache's room is allocated before it is
    # known how long they are.
    lengths = [k * (len(prompt) + sampling.max_new_tokens) for prompt in prompts]
    budget = _token_budget(model) if token_budget is None else token_budget
    keys_alone = holds_keys_alone(DynamicCache(config=model.config))
    decode = _run if keys_alone else _run_unpadded
    kinds = [range(len(prompts))] if keys_alone else _of_one_length(prompts)
    with torch.inference_mode(), _evaluating(model), packed_linears(model), _exact_logits(model):
        for kind in kinds:
            for part in batches_under_budget([lengths[i] for i in kind], budget):
                batch = [kind[i] for i in part]
                chosen = [row for index in batch for row in rows[index]]
                decode(model, [prompts[i] for i in batch], k, chosen, sampling, on_token)
    return [[row.output for row in group] for group in rows]


def draw(logits: Tensor, uniforms: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Sample by inverse CDF: for each row of logits [R, V] the first token whose cumulative
    probability exceeds its uniform number [R] in [0, 1).

    Returns tokens int64 [R] and their log-probabilities float32 [R]. Temperature 0 takes the
    likeliest token. (torch.multinomial is many times slower at this vocabulary.)
    """
    # The log-probabilities of the very distribution that is drawn from, in float32: PPO divides by
    # them, and takes a ratio off 1 for a step that the policy has made (docs/ppo.md).
    logprobs = (logits.float() / (temperature or 1.0)).log_softmax(dim=-1)
    if temperature == 0:
        # Greedy tokens still get the log-probabilities of temperature 1: at 0 every one would be 0.
        tokens = logprobs.argmax(dim=-1)
    else:
        cumulative = logprobs.exp().cumsum(dim=-1)
        # Rounding may leave the last sum off 1 and lift a number near 1 onto it: the target stays
        # below the sum, so that only a token with probability is ever drawn.
        total = cumulative[:, -1:]
        if not total.isfinite().all():
            # searchsorted would give an index for NaN as well, a token that nobody drew.
            raise FloatingPointError("the model's logits are not finite; its weights have diverged")
        targets = (uniforms.to(cumulative)[:, None] * total).minimum(total.nextafter(-total))
        tokens = torch.searchsorted(cumulative, targets, right=True).squeeze(-1)
    return tokens, logprobs.gather(-1, tokens[:, None]).squeeze(-1)


def _token_budget(model: PreTrainedModel) -> int:
    if model.device.type != "cuda":
        return TOKEN_BUDGET
    # Families before grouped queries name no key heads, and most no width of a head: then it is the
    # hidden size's share.
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    # Counted at float32: under autocast a cache may take half of that, never more.
    bytes_a_token = 2 * 4 * config.num_hidden_layers * heads * width  # float32 keys and values
    memory = torch.cuda.get_device_properties(model.device).total_memory
    return max(TOKEN_BUDGET, int(memory * GPU_SHARE_FOR_CACHE) // bytes_a_token)


def _plan(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    k: int,
    sampling: Sampling,
    seeds: Sequence[int],
) -> list[list[_Row]]:
    """The k rows of every prompt."""
    context = context_in(model.config.to_dict())
    plan = []
    for index, (prompt, first) in enumerate(zip(prompts, seeds, strict=True)):
        # Every prompt has its limit: beside a long one a short prompt may still say all it wants.
        limit = _limit(len(prompt), sampling.max_new_tokens, context)
        plan.append([_Row(index, j, limit, _uniforms(prompt, first + j, limit)) for j in range(k)])
    return plan


def _limit(prompt: int, max_new: int, context: int | None) -> int:
    room = max_new if context is None else min(max_new, context - prompt)
    if prompt == 0:
        raise ValueError("a prompt needs at least one token")
    if room < 1:
        raise PromptTooLong(f"the prompt has {prompt} tokens; the model's context is {context}")
    return room


def _uniforms(prompt: Sequence[int], seed: int, count: int) -> np.ndarray:
    """One uniform number a token, from the prompt and the seed alone."""
    # A hash and not the seed alone: else the k-th token of every prompt would be drawn with the
    # same number. Drawn all at once, so that a token's number does not depend on when it is asked
    # for.
    digest = hashlib.sha256(np.asarray([seed, *prompt], dtype=np.int64).tobytes()).digest()
    return np.random.default_rng(int.from_bytes(digest)).random(count)


def _run(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    k: int,
    rows: list[_Row],
    sampling: Sampling,
    on_token: OnToken | None,
) -> None:
    """Fill the rows (k for each prompt, in order) with tokens until all are finished."""
    logits, cache, mask = _prefill(model, prompts, k, sampling)
    # Of the prompts with their padding; `_prefill` has put a column behind it for each token to
    # come.
    width = mask.shape[1] - sampling.max_new_tokens
    for step in range(sampling.max_new_tokens):
        # All rows start with their first token together, so one step is the same token number in
        # each.
        uniforms = torch.tensor([row.uniforms[step] for row in rows])
        tokens, logprobs = draw(logits, uniforms.to(logits.device), sampling.temperature)
        # tolist() is where a GPU is waited for, once a token: which rows go on has to be known
        # here.
        keep = _record(rows, tokens.tolist(), logprobs.tolist(), sampling.stop_ids, on_token)
        if not keep:
            return
        # Finished rows leave the cache at once. Answers end at very different lengths, and a row
        # carried along costs as much as one that is still talking.
        if len(keep) < len(rows):
            kept = torch.tensor(keep, device=tokens.device)
            rows = [rows[i] for i in keep]
            tokens, mask = tokens[kept], mask[kept]
            cache.batch_select_indices(kept)
        # Exactly as many columns as the cache has with this token: the mask's length is what the
        # library takes for the length of the past.
        logits = _last_logits(model, tokens[:, None], mask[:, : width + step + 1], cache)


def _of_one_length(prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Prompt numbers in groups that need no padding."""
    groups: dict[int, list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        groups[len(prompt)].append(index)
    return list(groups.values())


def _run_unpadded(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    k: int,
    rows: list[_Row],
    sampling: Sampling,
    on_token: OnToken | None,
) -> None:
    """As `_run`, for layers that keep a state: prompts of one length, every row read from its first
    token and carried to the end, what it draws after its own end thrown away."""
    # Prompts are read k times here: how a state is repeated differs from one architecture to the
    # next, and a wrong copy would be silent.
    ids = torch.tensor([list(p) for p in prompts for _ in range(k)], device=model.device)
    cache, going = DynamicCache(config=model.config), list(range(len(rows)))
    for step in range(sampling.max_new_tokens):
        inputs = {"input_ids": ids, passes.cache_argument(model): cache, "use_cache": True}
        logits = passes.run(model, **inputs, logits_to_keep=1).logits[:, -1]
        # Rows that have ended draw with 0, for some token has to stand in their column; nothing
        # reads it.
        uniforms = torch.zeros(len(rows), dtype=torch.float64)
        uniforms[going] = torch.tensor([rows[i].uniforms[step] for i in going])
        tokens, logprobs = draw(logits, uniforms.to(logits.device), sampling.temperature)
        said = [rows[i] for i in going]
        kept = _record(
            said, tokens[going].tolist(), logprobs[going].tolist(), sampling.stop_ids, on_token
        )
        going = [going[i] for i in kept]
        if not going:
            return
        ids = tokens[:, None]


def _record(
    rows: Sequence[_Row],
    tokens: Sequence[int],
    logprobs: Sequence[float],
    stop_ids: Sequence[int],
    on_token: OnToken | None,
) -> list[int]:
    """Append one token to each row; the numbers of the rows that go on."""
    going = []
    for index, (row, token, logprob) in enumerate(zip(rows, tokens, logprobs, strict=True)):
        if on_token is not None:
            on_token(row.prompt, row.number, token)
        if not row.append(token, logprob, stop_ids):
            going.append(index)
    return going


def _prefill(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], k: int, sampling: Sampling
) -> tuple[Tensor, DynamicCache, Tensor]:
    """Run each prompt once, with others of like length; its last logits [P*k, V], its cache and its
    mask, repeated k times. The mask already has the columns of the tokens to come."""
    lengths, empty = [len(prompt) for prompt in prompts], DynamicCache(config=model.config)
    # Where caches cannot be joined all prompts are read together, padded to the longest. Of the
    # benchmark's prompts a third was padding so (docs/decisions/0009).
    parts, caches, logits = [list(range(len(prompts)))], [], []
    if is_joinable(empty):
        # A budget that never binds: `generate` has cut by memory already, here padding alone
        # counts.
        parts = lean_batches(lengths, len(prompts) * max(lengths), model.device)
    for part in parts:
        # On the left: the newest token of every row has to stand in one column, where the next is
        # put.
        batch = left_pad([prompts[i] for i in part], sampling.pad_id).to(model.device)
        caches.append(DynamicCache(config=model.config))
        logits.append(_last_logits(model, batch.ids, batch.mask, caches[-1]))
    # The argsort of a permutation is its inverse: where each prompt's logits are found among the
    # parts.
    order = torch.tensor([i for part in parts for i in part]).argsort().repeat_interleave(k)
    # The mask of all prompts at once, as if they had been read in one pass: `join` lays the parts'
    # keys out to end in the same column.
    mask = left_pad(prompts, sampling.pad_id).to(model.device).mask.repeat_interleave(k, dim=0)
    mask = nn.functional.pad(mask, (0, sampling.max_new_tokens), value=1)
    cache = join(parts, caches, k, sampling.max_new_tokens)
    return torch.cat(logits)[order.to(model.device)], cache, mask


def _last_logits(
    model: PreTrainedModel, input_ids: Tensor, mask: Tensor, cache: DynamicCache
) -> Tensor:
    """Logits [R, V] after the newest tokens [R, new]; `mask` [R, time] covers the cache too."""
    return passes.run(
        model,
        # Positions are told: the library would count columns, and padding with them. A row's answer
        # would then depend on how long its neighbours' prompts are.
        input_ids=input_ids,
        attention_mask=mask,
        position_ids=position_ids(mask)[:, -input_ids.shape[1] :],
        past_key_values=cache,
        use_cache=True,
        # The head for the last column alone; of a prompt's other columns nobody asks for logits, as
        # wide as the vocabulary.
        logits_to_keep=1,
    ).logits[:, -1]


@contextmanager
def _exact_logits(model: PreTrainedModel) -> Iterator[None]:
    """Inside, logits are not rounded by a GPU's autocast, as they are not where a policy trains."""
    head = model.get_output_embeddings()
    # By exact type: a head with a forward of its own does more than multiply, and keeps it.
    if model.device.type != "cuda" or type(head) is not nn.Linear:
        yield
        return

    def forward(hidden: Tensor) -> Tensor:
        rows = hidden.flatten(0, -2)
        return unembed(rows, head.weight, head.bias).unflatten(0, hidden.shape[:-1])

    vars(head)["forward"] = forward
    try:
        yield
    finally:
        # pop, for two threads may sample from one model, as in `packed_linears`.
        vars(head).pop("forward", None)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Dropout off, and back as it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
