"""The scalar head: one model class that serves as reward model and as value model."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models_service.lm import passes
from models_service.lm.padding import position_ids


class ScalarModel(nn.Module):
    """A transformer without its unembedding, and one linear output a token.

    With several `heads` on the transformer, an ensemble, the output is their mean and `opinions`
    are what each of them says. A head starts normal with std 1/√(d+1) (Huang et al. 2023, "The N
    Implementation Details of RLHF with PPO"). It has no bias: a ranking loss gives one no gradient
    but rounding noise, which Adam would scale up to whole steps. `offset` is subtracted from every
    output; after reward training it is set so that demonstrations score 0 on average (Ouyang et
    al. 2022, section 3.5).
    """

    offset: Tensor

    def __init__(self, trunk: PreTrainedModel, heads: int = 1, width: int | None = None) -> None:
        super().__init__()
        self.trunk = trunk
        width = width or output_width(trunk)
        self.head = nn.Linear(width, heads, bias=False)
        # Small, so that all scores start close together: the first update then sees −log σ of about
        # 0, log 2, and not the accident of a head that is sure already.
        nn.init.normal_(self.head.weight, std=(width + 1) ** -0.5)
        # A buffer, not a parameter: no optimizer moves it, and it is saved with the weights.
        self.register_buffer("offset", torch.zeros(()))

    @classmethod
    def from_policy(cls, policy: PreTrainedModel, seed: int = 0, heads: int = 1) -> ScalarModel:
        """New heads, drawn with `seed`, on a copy of the policy's transformer."""
        # Drawn from a generator of its own and put back: how many numbers somebody drew before must
        # not change the head, nor this head what is drawn after it. No devices: the head is made on
        # the CPU, and asking a GPU for its state would start it.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            # A copy, for the policy goes on being used: what trains the trunk must not move it.
            return cls(copy.deepcopy(trunk_of(policy)), heads)

    @property
    def heads(self) -> int:
        """How many linear outputs there are; more than one is an ensemble."""
        return self.head.out_features

    def with_own_head(self) -> ScalarModel:
        """Another model that reads this one's transformer, its head a copy that trains apart."""
        width = self.head.in_features
        # `width` is handed on because measuring it would be one more pass through the trunk.
        other = ScalarModel(self.trunk, self.heads, width).to(self.head.weight.device)
        other.head.load_state_dict(self.head.state_dict())
        other.offset.copy_(self.offset)
        return other.eval()

    def values(self, input_ids: Tensor, mask: Tensor, positions: Tensor | None = None) -> Tensor:
        """One value a token, float32 [B, T]; positions default to those the mask gives.
        Entries on padding are meaningless."""
        return self.project(self.hidden(input_ids, mask, positions))

    def scores(self, input_ids: Tensor, mask: Tensor, positions: Tensor | None = None) -> Tensor:
        """One score a row, float32 [B], read at the last real token, on either side of padding."""
        return self.project(at_last_token(self.hidden(input_ids, mask, positions), mask))

    def right_padded_hidden(self, input_ids: Tensor) -> Tensor:
        """What the head reads, [B, T, d], where all padding stands on the right: in the causal
        future of every real token. Without a mask attention takes its fast causal path."""
        return states(self.trunk, input_ids)

    def hidden(self, input_ids: Tensor, mask: Tensor, positions: Tensor | None = None) -> Tensor:
        """What the head reads, one state a token, [B, T, d]."""
        places = position_ids(mask) if positions is None else positions
        return states(self.trunk, input_ids, attention_mask=mask, position_ids=places)

    def project(self, hidden: Tensor) -> Tensor:
        """The output of states [..., d], float32 [...]: the mean of the heads."""
        return self.opinions(hidden).mean(-1)

    def opinions(self, hidden: Tensor) -> Tensor:
        """What each head says of states [..., d], float32 [..., heads]."""
        # Scores a few hundredths apart are the same number in bfloat16.
        with torch.autocast(hidden.device.type, enabled=False):
            scores = self.head(hidden.to(self.head.weight.dtype))
        return scores.float() - self.offset


def trunk_of(policy: PreTrainedModel) -> PreTrainedModel:
    """The transformer without its unembedding. Raises TypeError where there is none."""
    # Most families name the attribute of their transformer (`base_model_prefix`); of those that
    # name one which is not there the library gives the model itself, and the child is looked for.
    if policy.base_model is not policy:
        return policy.base_model
    inner = (child for child in policy.children() if isinstance(child, PreTrainedModel))
    found = next(inner, None)
    if found is None:
        raise TypeError(f"{type(policy).__name__} has no transformer apart from its unembedding")
    return found


def states(trunk: nn.Module, input_ids: Tensor, **inputs: Any) -> Tensor:
    """The last states [B, T, d] of a transformer without its unembedding. Raises TypeError where
    the architecture gives none."""
    # Without a cache: in training it would keep every layer's keys and values for nobody.
    output = passes.run(trunk, input_ids=input_ids, use_cache=False, **inputs)
    if getattr(output, "last_hidden_state", None) is None:
        raise TypeError(f"{type(trunk).__name__} gives no states that a scalar head could read")
    return output.last_hidden_state


@torch.no_grad()
def output_width(trunk: PreTrainedModel) -> int:
    """The width d of `states`, measured: some project to their embeddings' width at the end."""
    ids = torch.zeros(1, 1, dtype=torch.long, device=trunk.device)
    # Not config.hidden_size: OPT-350m and its like compute at one width and give another.
    return states(trunk, ids).shape[-1]


def at_last_token(hidden: Tensor, mask: Tensor) -> Tensor:
    """The states [B, d] of each row's last real token, from [B, T, d]."""
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden[rows, last_token(mask)]


def last_token(mask: Tensor) -> Tensor:
    """Column of the last real token of each row, int64 [B]."""
    columns = torch.arange(mask.shape[1], device=mask.device)
    # Not the mask's sum less one: that is right only where padding stands on the right.
    return (mask.long() * columns).argmax(dim=1)
