"""All completions of a prompt in one row: the prompt is computed once, completions cannot see
each other.

A row reads prompt, completion 1, … completion K. Attention is causal, and a completion's tokens
see the prompt and their own completion only; each completion's positions start where the prompt
ends. So every token's hidden state is what it would be with its completion alone after the prompt.

That holds only of architectures whose attention is all that mixes tokens, and that take a mask and
positions from outside. Recurrent and convolutional layers carry a state over from one completion to
the next; ALiBi counts columns, not positions; some masks come in a form that a layer adds up or
passes over. None of this can be told from a name, so it is measured, on the model as it is, before
a run learns from it: `choose_layout` tries ways to lay the rows out, and takes the first that gives
what each completion gives alone. The last way, a row for each completion, is right for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models_service.lm.context import context_in
from models_service.lm.heads import ScalarModel, states
from models_service.lm.padding import right_pad
from trainer.algorithms.contract import TrainingError
from trainer.algorithms.data import Group

PADDING_SEGMENT = -1
PROMPT_SEGMENT = 0

# How far states may differ, of the largest: float32 sums up in another order in another row.
TOLERANCE = 1e-4
# How far a state may move when another completion changes: it must not read it at all.
# Far below TOLERANCE, for nothing is computed otherwise here: the same row, the same mask. A layer
# whose state decays quickly could leak less than rounding and still learn from its neighbour.
LEAK = 1e-6
# Tokens of a probe beyond the longest window that a row could reach.
_BEYOND = 16
# Of unlike lengths, so that positions and columns part; several, so that the last has others before
# it whose tokens it must not see.
_PROBE_PROMPT, _PROBE_COMPLETIONS = 24, (12, 7, 19)

Mask = Tensor | Mapping[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """How a group's completions are laid out.

    `masks` says what attention gets for a batch of packed rows; without it every completion has a
    row of its own.
    """

    name: str
    masks: Callable[[Tensor, Tensor, torch.dtype], Mask] | None = None

    def length(self, group: Group) -> int:
        """Tokens that a group takes."""
        # Micro-batches are cut by this, so a layout without packing takes more of them and no more
        # memory.
        copies = 1 if self.masks else len(group.completions)
        return copies * len(group.prompt) + sum(map(len, group.completions))


ALONE = Layout("one row a completion")


def choose_layout(model: ScalarModel, longest: int, pad_id: int) -> Layout:
    """The first layout whose states are those of each completion alone, for rows of up to `longest`
    tokens of prompt and completion. Raises TrainingError where even those depend on what else is in
    a batch."""
    probe = _probe(model, longest)
    training = model.training
    # Dropout would make every layout differ from every other.
    model.eval()
    try:
        with torch.no_grad():
            return _first_that_fits(model, probe, pad_id)
    finally:
        model.train(training)


def group_scores(
    model: ScalarModel, groups: Sequence[Group], pad_id: int, layout: Layout
) -> list[Tensor]:
    """Scores of every group's completions at their last tokens, float32 [K] each, with gradient."""
    return [opinions.mean(-1) for opinions in group_opinions(model, groups, pad_id, layout)]


def group_opinions(
    model: ScalarModel, groups: Sequence[Group], pad_id: int, layout: Layout
) -> list[Tensor]:
    """What each head of the model says of them, float32 [K, heads] each, with gradient."""
    found = group_states(model, groups, pad_id, layout)
    # The head on the last states alone, in float32; gradients reach all tokens through attention.
    return [model.opinions(torch.stack([one[-1] for one in completions])) for completions in found]


def group_states(
    model: ScalarModel, groups: Sequence[Group], pad_id: int, layout: Layout
) -> list[list[Tensor]]:
    """The states [T, d] of every completion's tokens, a list a group. One that was cut before its
    first whole character is read where the prompt ends."""
    device = model.head.weight.device
    if layout.masks is None:
        rows = [group.prompt + completion for group in groups for completion in group.completions]
        hidden = iter(model.right_padded_hidden(right_pad(rows, pad_id).ids.to(device)))
        return [[next(hidden)[_alone(group, c)] for c in group.completions] for group in groups]
    ids = right_pad([_row(group) for group in groups], pad_id).ids.to(device)
    segments = _padded([_segments(group) for group in groups], PADDING_SEGMENT).to(device)
    positions = _padded([_positions(group) for group in groups], 0).to(device)
    # Made for a micro-batch and let go with it: [B, L, L] numbers, the square of the row's length.
    mask = layout.masks(segments, positions, model.trunk.dtype)
    packed = states(model.trunk, ids, attention_mask=mask, position_ids=positions)
    return [[packed[row, place] for place in _places(group)] for row, group in enumerate(groups)]


def block_mask(segments: Tensor) -> Tensor:
    """Who may attend to whom, bool [B, L, L] (query, key), from segment numbers [B, L].

    Segment 0 is the prompt, 1…K the completions, −1 padding, which sees itself alone so that no
    softmax is over nothing.
    """
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    queries, keys = segments.unsqueeze(2), segments.unsqueeze(1)
    real = (queries != PADDING_SEGMENT) & (keys != PADDING_SEGMENT)
    # A key is seen where it is the prompt's or of one's own completion; what the prompt itself sees
    # falls under the same rule. Causality by columns serves, for within prompt and completion
    # columns and positions rise together.
    visible = causal & real & ((keys == PROMPT_SEGMENT) | (keys == queries))
    # A softmax over nothing is NaN, and its gradient reaches the weights even though no loss reads
    # the row.
    return visible | torch.eye(length, dtype=torch.bool, device=segments.device)


def _additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """A float mask [B, 1, L, L]: 0 where a query sees a key, else the least number there is.

    Never a bool mask: attention written out adds it to the scores as 1 and 0, which hides nothing.
    """
    # The least finite number, not −∞: a row that a layer's own mask closes as well would be −∞
    # throughout, and its softmax NaN.
    hidden = torch.full_like(visible, torch.finfo(dtype).min, dtype=dtype)
    return hidden.masked_fill(visible, 0).unsqueeze(1)


def _layouts(config: Any) -> list[Layout]:
    """Ways to pack, the likeliest for this configuration first."""
    # From the configuration, as hints of what to try first; whether it is so the probe decides.
    window = getattr(config, "sliding_window", None)
    chunk = getattr(config, "attention_chunk_size", None)
    kinds = set(getattr(config, "layer_types", None) or ())

    def full(segments: Tensor, positions: Tensor, dtype: torch.dtype) -> Tensor:
        return _additive(block_mask(segments), dtype)

    def sliding(segments: Tensor, positions: Tensor, dtype: torch.dtype) -> Tensor:
        # By positions, for columns count the completions that stand in between as well.
        near = positions.unsqueeze(2) - positions.unsqueeze(1) < int(window or 0)
        return _additive(block_mask(segments) & near, dtype)

    def chunked(segments: Tensor, positions: Tensor, dtype: torch.dtype) -> Tensor:
        number = positions // int(chunk or 1)
        return _additive(block_mask(segments) & (number.unsqueeze(2) == number.unsqueeze(1)), dtype)

    # By the names that the library gives to layer types. Its own masks are made per type as well,
    # and one that is handed over is taken as it is.
    of_kind = {"full_attention": full}
    if window:
        of_kind["sliding_attention"] = sliding
    if chunk:
        of_kind["chunked_attention"] = chunked

    def by_kind(segments: Tensor, positions: Tensor, dtype: torch.dtype) -> Mapping[str, Tensor]:
        return {kind: mask(segments, positions, dtype) for kind, mask in of_kind.items()}

    # The cheapest first: one mask, no window. A window that the run's rows never reach past makes
    # no difference, and then this one fits models with windows too.
    ways = [Layout("packed, one mask for all layers", full)]
    if window:
        ways.append(Layout("packed, one mask with a window for all layers", sliding))
    # A type without a mask would get the library's own, which knows nothing of completions.
    if kinds and kinds <= of_kind.keys():
        ways.append(Layout("packed, a mask for each type of layer", by_kind))
    return ways


def _first_that_fits(model: ScalarModel, probe: Group, pad_id: int) -> Layout:
    """Compare each layout with every completion in a pass of its own."""
    singles = [Group(probe.prompt, [completion], []) for completion in probe.completions]
    # One a pass, without padding and without a mask: nothing can be wrong with these, so all else
    # is held against them.
    wanted = [group_states(model, [one], pad_id, ALONE)[0][0] for one in singles]
    # With a shorter group beside it, so that there is padding in the batch: batch statistics, or an
    # expert's capacity that rows compete for, show here.
    if not _alike(group_states(model, [probe, singles[1]], pad_id, ALONE)[0], wanted):
        raise TrainingError(
            f"What {type(model.trunk).__name__} makes of a text depends on what else is in its "
            "batch, so that no score could be relied on. Choose another model."
        )
    for layout in _layouts(model.trunk.config.get_text_config()):
        try:
            packed = group_states(model, [probe, singles[1]], pad_id, layout)[0]
            others = group_states(model, [_otherwise(probe), singles[1]], pad_id, layout)[0]
        # What architectures raise of a mask in a form that they do not know. The next way is tried,
        # and the last needs no mask.
        except (TypeError, ValueError, RuntimeError, KeyError, AttributeError, IndexError):
            continue  # it takes no such mask
        # Likeness alone would not do: a layer that reads only a little of its neighbour (a
        # convolution of four columns, a state that has decayed) may stay within the tolerance, and
        # be learned from.
        unmoved = _alike([packed[-1]], [others[-1]], LEAK)
        if unmoved and _alike(packed, wanted):
            return layout
    return ALONE


def _alike(ours: Sequence[Tensor], theirs: Sequence[Tensor], tolerance: float = TOLERANCE) -> bool:
    """Whether states differ by no more than so much of the largest."""
    # Of the largest state and not of each: small ones are differences of large ones, and off by
    # more of themselves.
    apart = max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))
    return apart <= tolerance * max(float(b.abs().max()) for b in theirs)


def _probe(model: ScalarModel, longest: int) -> Group:
    """A group of tokens that look like nothing, long enough to reach past each window that a row
    of `longest` tokens reaches past."""
    config = model.trunk.config.get_text_config()
    # A window that no row of the run reaches past need not be tried; a probe of 128 thousand tokens
    # for the sake of it would cost more than the run.
    windows = [w for w in _windows(config) if w < longest]
    room = max(windows, default=0) + _BEYOND
    rows = model.trunk.get_input_embeddings().weight.shape[0]
    # Learned positions end at the context: beyond it there would be an index error for every
    # layout.
    most = min(longest, context_in(config.to_dict()) or longest)
    prompt = max(1, min(max(_PROBE_PROMPT, room), most - max(_PROBE_COMPLETIONS)))
    # The same tokens every time: the layout must not depend on luck, for it is part of what a run
    # computes.
    draw = torch.Generator().manual_seed(0)
    lengths = (prompt, *_PROBE_COMPLETIONS)
    tokens = [torch.randint(rows, (length,), generator=draw).tolist() for length in lengths]
    return Group(tokens[0], tokens[1:], [])


def _otherwise(group: Group) -> Group:
    """The same group with other tokens in all completions but the last."""
    *others, last = group.completions
    # Reversed: the same lengths, so that the row's shape, and with it every kernel's order of
    # adding up, stays.
    return Group(group.prompt, [[*reversed(one)] for one in others] + [last], [])


def _windows(config: Any) -> list[int]:
    """Every number in a configuration that may be the width of a window on the past."""
    return [
        value
        for name, value in config.to_dict().items()
        if isinstance(value, int)
        and not isinstance(value, bool)
        and value > 0
        # Too many names rather than too few: a number that is no window only makes the probe
        # longer.
        and any(word in name for word in ("window", "chunk", "local"))
    ]


def _row(group: Group) -> list[int]:
    return [*group.prompt, *(token for completion in group.completions for token in completion)]


def _segments(group: Group) -> list[int]:
    numbered = enumerate(group.completions, start=1)
    tail = [number for number, completion in numbered for _ in completion]
    return [PROMPT_SEGMENT] * len(group.prompt) + tail


def _positions(group: Group) -> list[int]:
    start = len(group.prompt)
    # Each starts where the prompt ends, as if it stood there alone.
    tail = [start + i for completion in group.completions for i in range(len(completion))]
    return [*range(start), *tail]


def _places(group: Group) -> list[slice]:
    """Where each completion's tokens stand in the row."""
    places, start = [], len(group.prompt)
    for completion in group.completions:
        end = start + len(completion)
        # An empty one (cut in its first character) has no token of its own.
        places.append(slice(start, end) if completion else _alone(group, completion))
        start = end
    return places


def _alone(group: Group, completion: Sequence[int]) -> slice:
    """Where the tokens of a completion stand right after the prompt; of none, the prompt's last."""
    end = len(group.prompt)
    return slice(end, end + len(completion)) if completion else slice(end - 1, end)


def _padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    return right_pad(rows, fill).ids
