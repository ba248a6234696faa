"""The scalar head: one model class that serves as reward model and as value model."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models_service.lm.padding import position_ids


class ScalarModel(nn.Module):
    """A transformer without its unembedding, and one linear output a token.

    The head starts normal with std 1/√(d+1) and bias 0 (Huang et al. 2023, "The N Implementation
    Details of RLHF with PPO"). `offset` is subtracted from every output; after reward training it
    is set so that demonstrations score 0 on average (Ouyang et al. 2022, section 3.5).
    """

    offset: Tensor

    def __init__(self, trunk: PreTrainedModel) -> None:
        super().__init__()
        self.trunk = trunk
        width = int(trunk.config.get_text_config().hidden_size)
        self.head = nn.Linear(width, 1)
        nn.init.normal_(self.head.weight, std=(width + 1) ** -0.5)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("offset", torch.zeros(()))

    @classmethod
    def from_policy(cls, policy: PreTrainedModel, seed: int = 0) -> ScalarModel:
        """A new head, drawn with `seed`, on a copy of the policy's transformer."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(copy.deepcopy(policy.base_model))

    def values(self, input_ids: Tensor, mask: Tensor, positions: Tensor | None = None) -> Tensor:
        """One value a token, float32 [B, T]; positions default to those the mask gives.
        Entries on padding are meaningless."""
        return self._project(self._hidden(input_ids, mask, positions))

    def scores(self, input_ids: Tensor, mask: Tensor, positions: Tensor | None = None) -> Tensor:
        """One score a row, float32 [B], read at the last real token, on either side of padding."""
        hidden = self._hidden(input_ids, mask, positions)
        rows = torch.arange(len(hidden), device=hidden.device)
        return self._project(hidden[rows, last_token(mask)])

    def _hidden(self, input_ids: Tensor, mask: Tensor, positions: Tensor | None) -> Tensor:
        places = position_ids(mask) if positions is None else positions
        output = self.trunk(
            input_ids=input_ids, attention_mask=mask, position_ids=places, use_cache=False
        )
        return output.last_hidden_state

    def _project(self, hidden: Tensor) -> Tensor:
        # Scores a few hundredths apart are the same number in bfloat16.
        with torch.autocast(hidden.device.type, enabled=False):
            scores = self.head(hidden.to(self.head.weight.dtype))
        return scores.squeeze(-1).float() - self.offset


def last_token(mask: Tensor) -> Tensor:
    """Column of the last real token of each row, int64 [B]."""
    columns = torch.arange(mask.shape[1], device=mask.device)
    return (mask.long() * columns).argmax(dim=1)
