"""The models of a PPO run, each on a transformer of its own or on two that they share.

`SeparateTrunks` is the paper's four models. `SharedTrunks` is for machines with little memory: two
frozen transformers, of which little is trained. docs/ppo.md says what each costs and why.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer, ParamWrapper
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models_service.lm.checkpoint import save_policy
from models_service.lm.cpu.linears import direct_linears
from models_service.lm.heads import ScalarModel
from models_service.lm.padding import lean_batches
from models_service.lm.scoring import response_logprobs
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import (
    Episodes,
    read_episodes,
    response_values,
    score_episodes,
)
from trainer.algorithms.rollouts import Experience, Judged
from trainer.algorithms.seeds import derive
from trainer.algorithms.settings import PPOConfig

# Adapters count LORA_SCALE times, whatever their rank.
# So alpha/r is the same at every rank (Hu et al. 2021, section 4.1): a rank can be changed without
# looking for another learning rate.
LORA_SCALE = 2
# Layers whose weights a selective scan's kernels take for themselves, past an adapter beside them.
# The kernels are handed `.weight` and never call the layer: an adapter there would be sampled with,
# once merged, and not learned with.
READ_BY_SCANS = ("out_proj", "conv1d", "dt_proj")


class Trunks(Protocol):
    """A policy and a value model that are trained, and those that judge them and stay as they are.

    All are in evaluation mode: no dropout, so that every ratio starts at 1.
    """

    policy: PreTrainedModel
    value: ScalarModel

    def sampling(self) -> AbstractContextManager[None]:
        """Inside, the policy is as fast to sample from as it can be; it is not trained there."""

    def judge(self, episodes: Episodes) -> list[Judged]:
        """Score, reference log-probs and values of every episode, without gradient."""

    def values(self, experience: Experience, rows: Sequence[int]) -> Tensor:
        """The value before each response token, float32 [B, T], with gradient."""

    def export(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        """Write the policy as it is now, as a plain Hugging Face folder; every process asks, the
        first one writes."""


class SeparateTrunks:
    """Four transformers: the policy, its frozen copy as the reference, the frozen reward model and
    the value model, which starts as the reward model."""

    def __init__(
        self,
        config: PPOConfig,
        policy: PreTrainedModel,
        reward: ScalarModel,
        pad_id: int,
        crew: Crew,
    ) -> None:
        self.config, self.pad_id, self.crew = config, pad_id, crew
        # Copied before the policy is placed: FSDP's modules refuse to be copied.
        self.reference = crew.place(copy.deepcopy(policy).requires_grad_(False))
        # The value model starts as the reward model (appendix C.4), and before the reward model is
        # frozen: else the copy would be frozen with it.
        self.value = crew.place(copy.deepcopy(reward))
        self.policy, self.reward = crew.place(policy), crew.place(reward.requires_grad_(False))

    def sampling(self) -> AbstractContextManager[None]:
        # Sampling takes as many passes as the longest answer has tokens, another number in every
        # process: with shards each of them would wait for all others.
        return self.crew.gathered(self.policy)

    def judge(self, episodes: Episodes) -> list[Judged]:
        budget = self.config.tokens_per_micro_batch
        # One after the other, so that only one model at a time is whole in memory.
        with self.crew.gathered(self.reference):
            reference = _logprobs(self.reference, episodes, self.config)
        with self.crew.gathered(self.reward):
            scores = score_episodes(self.reward, episodes, self.pad_id, budget).tolist()
        with self.crew.gathered(self.value):
            values = self._values_now(episodes, budget)
        return [Judged(*one) for one in zip(scores, reference, values, strict=True)]

    @torch.no_grad()
    def _values_now(self, episodes: Episodes, budget: int) -> list[list[float]]:
        values: dict[int, list[float]] = {}
        with direct_linears(self.value):
            for rows in lean_batches(episodes.lengths(), budget, self.value.head.weight.device):
                batch = response_values(self.value, *episodes.tokens(rows), self.pad_id)
                for row, value in zip(rows, batch.cpu(), strict=True):
                    # On the CPU and as numbers: processes exchange them as objects.
                    values[row] = value[: len(episodes.responses[row])].tolist()
        return [values[i] for i in range(len(values))]

    def values(self, experience: Experience, rows: Sequence[int]) -> Tensor:
        return response_values(self.value, *experience.episodes.tokens(rows), self.pad_id)

    def export(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        # Every process has to ask, for shards are put together by all; the first alone keeps what
        # comes out.
        weights = self.crew.whole(self.policy.state_dict())
        if self.crew.is_first:
            save_policy(self.policy, tokenizer, folder, weights)


class SharedTrunks:
    """Two frozen transformers, each read by two models.

    One is the policy's: with low-rank adapters (Hu et al. 2021) it is the policy, without them the
    reference. The other is the reward model's: under its own head it gives the score, under a
    second head, which starts as a copy of the first, the values. Only adapters and that head are
    trained, and one pass through the reward model gives scores and values.
    """

    def __init__(
        self,
        config: PPOConfig,
        policy: PreTrainedModel,
        reward: ScalarModel,
        pad_id: int,
        crew: Crew,
    ) -> None:
        self.config, self.pad_id, self.crew = config, pad_id, crew
        self.policy, reward = crew.move(policy), crew.move(reward)
        # PEFT puts its layers into the model it is given: `self.policy` is adapted from here on,
        # and is its own reference while the adapters are off.
        self.adapted = _with_adapters(policy, config)
        self.reward = reward.requires_grad_(False)
        # After freezing: the head's copy is a new parameter and trains, the transformer that both
        # read does not.
        self.value = reward.with_own_head()

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Inside, the adapters are part of the weights; afterwards the weights are the same bits
        as before, which adding and subtracting would not give."""
        layers = [m for m in self.policy.modules() if isinstance(m, LoraLayer)]
        weights = [_beside(layer) for layer in layers]
        frozen = [weight.data for weight in weights]
        for weight, layer in zip(weights, layers, strict=True):
            # A new tensor, N more for as long as it samples: taking the delta away again would
            # leave rounding in the frozen weights, a little more after every iteration, and the
            # reference with them.
            weight.data = weight.data + _delta(layer)
        try:
            # Off, for they are in the weights now; on as well they would count twice. Without them
            # a token costs what it does without adapters.
            with self.adapted.disable_adapter():
                yield
        finally:
            for weight, data in zip(weights, frozen, strict=True):
                weight.data = data

    def judge(self, episodes: Episodes) -> list[Judged]:
        budget = self.config.tokens_per_micro_batch
        # The reference needs no transformer of its own: it is this one, as it was before it
        # learned.
        with self.adapted.disable_adapter():
            reference = _logprobs(self.policy, episodes, self.config)
        # Score and values from one pass. The value of a token is read before it, so that no state
        # depends on the end that `judged` puts in place of another.
        scores, states = read_episodes(self.reward, episodes, self.pad_id, budget)
        with torch.no_grad():
            values = [self.value.project(state).tolist() for state in states]
        return [Judged(*one) for one in zip(scores, reference, values, states, strict=True)]

    def values(self, experience: Experience, rows: Sequence[int]) -> Tensor:
        states = [experience.states[row] for row in rows]
        # No pass at all: the frozen transformer would say the same again. The head's gradient is as
        # many numbers as a state is wide.
        return self.value.project(pad_sequence(states, batch_first=True))

    def export(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        if self.crew.is_first:
            # A copy, since merging ends the adapters: the averaged ones are inside just now, and
            # learning may go on after an export.
            save_policy(copy.deepcopy(self.adapted).merge_and_unload(), tokenizer, folder)


TRUNKS: dict[str, type[SeparateTrunks] | type[SharedTrunks]] = {
    "separate": SeparateTrunks,
    "shared": SharedTrunks,
}


def _with_adapters(policy: PreTrainedModel, config: PPOConfig):  # type: ignore[no-untyped-def]
    """Freeze the policy and put adapters beside all its linear layers but the unembedding, those of
    experts too.

    The second factor starts at zero: the policy starts as the reference, to the bit.
    """
    # By the parameter that every selective scan has (Mamba's, Jamba's, Falcon-H1's), not by a list
    # of families.
    scans = any(name.endswith("A_log") for name, _ in policy.named_parameters())
    # A router that is a linear layer by descent gives more than a tensor.
    linears = [(n, m) for n, m in policy.named_modules() if isinstance(m, nn.Linear)]
    routers = [name for name, module in linears if type(module) is not nn.Linear]
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=LORA_SCALE * config.lora_rank,
        target_modules="all-linear",
        exclude_modules=[*routers, *(READ_BY_SCANS if scans else ())] or None,
        # Dropout would keep the ratios from starting at 1, and `accumulate` takes adapters without
        # it.
        lora_dropout=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        # The first factor is random, the second zero (section 4.1 of the LoRA paper): both zero,
        # neither would ever get a gradient.
        torch.manual_seed(derive(config.seed, "adapters"))
        return get_peft_model(policy, lora).eval()


def _beside(layer: LoraLayer) -> Tensor:
    """The frozen weight that an adapter stands beside."""
    if isinstance(layer, ParamWrapper):  # experts, all of a block in one parameter
        return layer.get_param()
    return layer.get_base_layer().weight


@torch.no_grad()
def _delta(layer: LoraLayer) -> Tensor:
    # PEFT's own: it knows which way round the layer's weight lies, and how experts' are stacked.
    return layer.get_delta_weight(layer.active_adapters[0])


@torch.no_grad()
def _logprobs(model: PreTrainedModel, episodes: Episodes, config: PPOConfig) -> list[list[float]]:
    scored = response_logprobs(
        model,
        episodes.prompts,
        episodes.responses,
        config.temperature,
        config.tokens_per_micro_batch,
    )
    logprobs, lengths = scored.logprobs.cpu(), map(len, episodes.responses)
    return [row[:length].tolist() for row, length in zip(logprobs, lengths, strict=True)]
