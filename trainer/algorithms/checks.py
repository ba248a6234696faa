"""What is tried of a model before it is taken up: one function a check, in the order of `CHECKS`.

Each does the real thing with the real code on a few tokens, and gives a sentence and its figures or
raises Refused, whose message says what to do. `check` runs them and makes the report.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from models_service.lm.chat import (
    Message,
    control_tokens,
    encode_prompt,
    encode_response,
    pad_token_id,
    prefixed,
    refusal,
    stop_token_ids,
)
from models_service.lm.checkpoint import load_policy
from models_service.lm.context import context_of
from models_service.lm.generation import Sampling, generate
from models_service.lm.heads import ScalarModel, states
from models_service.lm.logprobs import unembedding
from models_service.lm.passes import run
from models_service.lm.reading import Said, encode_answer, opinions
from models_service.lm.scoring import response_logprobs
from trainer.algorithms.contract import Starts
from trainer.algorithms.data import Group, read_snapshot
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.episodes import Episodes, sample_episodes, score_episodes
from trainer.algorithms.learner import Learner
from trainer.algorithms.reward import RewardModelling
from trainer.algorithms.rollouts import RewardRule, make_experience
from trainer.algorithms.room import too_long
from trainer.algorithms.settings import PPOConfig, RewardConfig, SFTConfig
from trainer.algorithms.sft import FineTuning
from trainer.algorithms.shared_prompts import ALONE, Layout, choose_layout, group_scores
from trainer.algorithms.trunks import TRUNKS

TOLERANCE = 1e-4
"""How far scores and log-probabilities of one text may differ from one way to the next."""

# Of unlike lengths, so that a batch of them is padded. Two and three answers, one of them cut:
# every way in which answers stand together in a batch.
_QUESTIONS = ("Why is the sea salt?", "Name three birds and say where they live in winter.")
_ANSWERS = ("Rivers carry it there.", "Storks, cranes and swallows.", "I do not know.")
_FINISHED = (True, True, False)
_SHAPES = {
    "system": ("system", "user"),
    "system without a user": ("system",),
    "user,user": ("user", "user"),
    "assistant first": ("assistant", "user"),
    "several turns": ("user", "assistant", "user"),
}
_NEW_TOKENS = 12


class Refused(Exception):
    """A check failed; the message says what to do."""


@dataclass
class Subject:
    """What the checks look at, and what they found for those that follow."""

    folder: Path
    policy: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    prompt_tokens: int
    response_tokens: int
    facts: dict[str, Any] = field(default_factory=dict)
    layout: Layout = ALONE

    @property
    def rows(self) -> int:
        return int(self.policy.get_input_embeddings().weight.shape[0])

    @property
    def pad_id(self) -> int:
        return pad_token_id(self.tokenizer)

    def prompts(self) -> list[list[int]]:
        """Two prompts of different length as token ids."""
        return [encode_prompt(self.tokenizer, _asked(question)) for question in _QUESTIONS]

    def sampling(self, seed: int = 0) -> Sampling:
        """A few tokens at the temperature of rollouts; nothing ends them, so that there are some
        to compare."""
        return Sampling(_NEW_TOKENS, 1.0, seed, (), self.pad_id)

    def judge(self) -> ScalarModel:
        """A reward model that has learned nothing yet."""
        return ScalarModel.from_policy(self.policy, seed=0).eval()


Says = tuple[str, dict[str, float]]
Check = Callable[[Subject], Says]


def _tokens(subject: Subject) -> Says:
    """Every id that is used has a row in the embedding; how replies end."""
    tokenizer = subject.tokenizer
    names = tokenizer.convert_ids_to_tokens(list(stop_token_ids(tokenizer)))
    pad = str(tokenizer.convert_ids_to_tokens(subject.pad_id))
    subject.facts |= {"stop_tokens": list(map(str, names)), "pad_token": pad}
    says = f"Replies end with {' or '.join(map(str, names))}; padding is {pad}"
    own = tokenizer.pad_token_id
    if own is not None and own != subject.pad_id:
        why = "has no row in the embedding" if own >= subject.rows else "ends replies too"
        says += f", since its own, {tokenizer.pad_token}, {why}"
    beyond = max(len(tokenizer) - subject.rows, 0)
    if beyond:
        says += f"; {beyond} tokens of its vocabulary have no row, and texts with them are refused"
    return says + ".", {"rows": float(subject.rows), "vocabulary": float(len(tokenizer))}


def _encoding(subject: Subject) -> Says:
    """One beginning of sequence, no end, and nothing forged."""
    tokenizer = subject.tokenizer
    ids = encode_prompt(tokenizer, _asked(_QUESTIONS[0]))
    begin = tokenizer.bos_token_id
    ends = set(stop_token_ids(tokenizer))
    if begin is not None and begin not in ends and ids.count(begin) > 1 and ids[1] == begin:
        raise Refused(
            "A prompt begins with two beginning-of-sequence tokens. Correct its chat template."
        )
    if ids[-1] in ends:
        raise Refused(
            "A prompt ends with a token that ends replies, so nothing can be asked. Correct its "
            "chat template."
        )
    own = control_tokens(tokenizer)
    # All of them, side by side: where one is taken apart its pieces may join the next.
    forged = "Hi" + "".join(own.values()) + " there"
    plain = encode_prompt(tokenizer, _asked("Hi there"))
    typed = encode_prompt(tokenizer, _asked(forged))
    if sum(i in own for i in typed) != sum(i in own for i in plain):
        raise Refused(
            "A person can write control tokens of its chat template, and so forge turns. Flag them "
            "as special tokens."
        )
    return f"One beginning, no end, and none of {len(own)} control tokens can be typed.", {}


def _conversations(subject: Subject) -> Says:
    """Which shapes of conversation its chat template takes."""
    if reason := refusal(subject.tokenizer, ["user"]):
        raise Refused(f"It cannot be asked anything: {reason}. Correct its chat template.")
    refuses = {name: refusal(subject.tokenizer, roles) or "" for name, roles in _SHAPES.items()}
    subject.facts["refuses"] = refuses
    told = prefixed(subject.tokenizer, _asked("Hello"), "Be brief.")
    way = "is its system turn" if len(told) == 2 else "stands before the first user turn"
    not_taken = [
        name
        for name in ("user,user", "assistant first", "several turns", "system")
        if refuses[name]
    ]
    says = f"A prefix prompt {way}."
    if not_taken:
        says += f" Prompts of these shapes are skipped and counted: {'; '.join(not_taken)}."
    return says, {"refused_shapes": float(len(not_taken))}


def _context(subject: Subject) -> Says:
    """Prompt and response at their limits against what the model can read."""
    context = subject.facts["context"] = context_of(subject.folder)
    limits = {
        "max_prompt_tokens": subject.prompt_tokens,
        "max_response_tokens": subject.response_tokens,
    }
    for error in too_long("It", context, limits).values():
        raise Refused(f"{error}, or choose a model that reads more")
    need = subject.prompt_tokens + subject.response_tokens
    if context is None:
        return f"No limit of its own; {need} tokens are needed.", {"needed": float(need)}
    measured = {"context": float(context), "needed": float(need)}
    return f"Reads {context} tokens in all; {need} are needed.", measured


def _samples(subject: Subject) -> Says:
    """Two answers to two prompts at once: is each drawn from the model's own distribution?"""
    prompts = subject.prompts()
    # Two to a prompt, so that the cache's rows are repeated as they are for labelers.
    drawn = generate(subject.policy, prompts, 2, subject.sampling())
    # Against one plain pass without cache, padding or mask: nothing that could be wrong in the same
    # way.
    apart = max(
        _apart(one.logprobs, _own_logprobs(subject.policy, prompt, one.tokens))
        for prompt, group in zip(prompts, drawn, strict=True)
        for one in group
    )
    _within(
        apart,
        "Its answers are not drawn from its own distribution: sampled with a cache, "
        "log-probabilities differ",
    )
    return f"Log-probabilities while sampling are its own to {apart:.6f}.", {"apart": apart}


def _logprobs(subject: Subject) -> Says:
    """The fast path against the model's own head, in a batch of unlike lengths."""
    prompts = subject.prompts()
    answers = [encode_response(subject.tokenizer, text) for text in _ANSWERS[:2]]
    with torch.no_grad():
        scored = response_logprobs(subject.policy, prompts, answers).logprobs
    apart = max(
        _apart(scored[row, : len(answer)].tolist(), _own_logprobs(subject.policy, prompt, answer))
        for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
    )
    _within(apart, "Log-probabilities of a batch are not the model's own; they differ")
    found = unembedding(subject.policy)
    way = "its own forward pass, which takes more memory"
    if found is not None:
        way = "its last states" + (f", scaled by {found.scale:.4g}" if found.scale != 1 else "")
        way += f", capped at {found.cap:g}" if found.cap != math.inf else ""
    return f"From {way}, to {apart:.6f}.", {"apart": apart}


def _scores(subject: Subject) -> Says:
    """One answer's score alone, packed with others, as PPO reads it and as the playground does."""
    judge, prompt = subject.judge(), subject.prompts()[0]
    _require_reloadable(judge)
    longest = subject.prompt_tokens + subject.response_tokens
    subject.layout = choose_layout(judge, longest, subject.pad_id)
    subject.facts["layout"] = subject.layout.name
    answers = [
        encode_answer(subject.tokenizer, text, finished)
        for text, finished in zip(_ANSWERS, _FINISHED, strict=True)
    ]
    group = Group(prompt, answers, [])
    with torch.no_grad():
        # Alone, without padding or mask, read at the last column: what all other ways are held
        # against.
        rows = [torch.tensor([prompt + answer]) for answer in answers]
        alone = [float(judge.project(states(judge.trunk, row)[:, -1])) for row in rows]
        packed = group_scores(judge, [group], subject.pad_id, subject.layout)[0].tolist()
        count = len(answers)
        batch = Episodes([prompt] * count, answers, [[]] * count, list(_FINISHED))
        # A small budget, so that there are several batches and an order to be restored.
        in_ppo = score_episodes(judge, batch, subject.pad_id, 64).tolist()
    said = [
        Said(_asked(_QUESTIONS[0]), text, end)
        for text, end in zip(_ANSWERS, _FINISHED, strict=True)
    ]
    shown = [sum(heads) / len(heads) for heads in opinions(judge, subject.tokenizer, said) if heads]
    measured = {
        "packed": _apart(packed, alone),
        "ppo": _apart(in_ppo, alone),
        "playground": _apart(shown, alone),
    }
    worst = max(measured.values())
    _within(worst, "An answer's score depends on what it is scored with; scores differ")
    return f"The same alone and in company to {worst:.6f}; {subject.layout.name}.", measured


def _require_reloadable(judge: ScalarModel) -> None:
    """A reward model's trunk is built anew from its configuration when it is loaded."""
    # On no device: shapes tell it, and a second model in memory may be one too many.
    with torch.device("meta"):
        config = AutoConfig.for_model(**judge.trunk.config.to_dict())
        again = AutoModel.from_config(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in again.state_dict().items()}
    if shapes != {n: tuple(t.shape) for n, t in judge.trunk.state_dict().items()}:
        raise Refused(
            f"{type(judge.trunk).__name__} cannot be rebuilt from its configuration, so a reward "
            "model made of it could not be loaded again. Choose another model."
        )


def _adapters(subject: Subject) -> Says:
    """Low-rank adapters: the same merged, for sampling, as applied, for learning."""
    config = PPOConfig(trunk="shared", lora_rank=2, max_response_tokens=_NEW_TOKENS)
    trunks = TRUNKS["shared"](config, _fresh(subject), subject.judge(), subject.pad_id, Crew())
    # New adapters are the zero that they start from, and every way of applying nothing agrees.
    stirred = _stir(trunks.policy)
    with trunks.sampling():
        drawn = sample_episodes(trunks.policy, subject.prompts(), subject.sampling())
    with torch.no_grad():
        now = response_logprobs(trunks.policy, drawn.prompts, drawn.responses).logprobs
    apart = max(_apart(p, now[i, : len(p)].tolist()) for i, p in enumerate(drawn.logprobs))
    _within(
        apart,
        "Adapters do something else while sampling than while learning; log-probabilities differ",
    )
    return f"Beside {stirred} weights; the same merged as applied to {apart:.6f}.", {
        "apart": apart,
        "adapted": float(stirred),
    }


def _stir(policy: PreTrainedModel) -> int:
    """Move adapters away from nothing; how many there are."""
    draw, count = torch.Generator().manual_seed(0), 0
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                noise = torch.randn(parameter.shape, generator=draw)
                # Drawn on the CPU in float32, so that each device checks the same. Large enough to
                # show beside the tolerance, small beside the weights.
                parameter += 0.02 * noise.to(parameter)
                count += 1
    return count


def _sft_step(subject: Subject) -> Says:
    """One update of supervised fine-tuning, on demonstrations of this size."""
    with tempfile.TemporaryDirectory() as work:
        snapshot = _snapshot(Path(work))
        config = SFTConfig(epochs=1, batch_size=1, learning_rate=1e-5, **_limits(subject))
        job = FineTuning(config, snapshot, Starts(subject.folder), Path(work), _Silent(), None)
        metrics = job.step(0)
    return _learned("sft/loss", metrics)


def _reward_step(subject: Subject) -> Says:
    """One update of a reward model, with the layout that was chosen."""
    with tempfile.TemporaryDirectory() as work:
        data = read_snapshot(_snapshot(Path(work)))
        config = RewardConfig(batch_size=2, learning_rate=1e-5, **_limits(subject))
        metrics = RewardModelling(config, data, Starts(subject.folder)).step(0)
    return _learned("reward/loss", metrics)


def _ppo_step(trunk: str) -> Check:
    """One iteration of PPO: sample, judge, learn."""

    def step(subject: Subject) -> Says:
        config = PPOConfig(
            trunk=trunk,
            lora_rank=2,
            batch_size=2,
            minibatch_size=2,
            ptx_coefficient=0.0,
            max_response_tokens=_NEW_TOKENS,
        )
        crew = Crew()
        trunks = TRUNKS[trunk](config, _fresh(subject), subject.judge(), subject.pad_id, crew)
        learner = Learner(config, trunks, [], crew)
        with trunks.sampling():
            drawn = sample_episodes(trunks.policy, subject.prompts(), subject.sampling(seed=1))
        # PPOConfig's defaults; the check is of the model, whatever a round's settings will be.
        rule = RewardRule(0.02, 1.0, 1.0, 0.95, False)
        metrics = learner.learn(make_experience(drawn, trunks.judge(drawn), rule, crew.device), 0)
        # Nothing has been learned yet: every ratio is 1, or rollouts are not the policy's own.
        # The root, for approxkl is a mean of squares: what is bounded is a difference of
        # log-probabilities, as in the other checks.
        _within(
            metrics["ppo/policy/approxkl"] ** 0.5,
            "Before the first update the policy is not "
            "the one that was sampled from; log-probabilities differ",
        )
        return _learned("ppo/loss/value", metrics)

    return step


# The cheap ones first, and each before those that would only fail by the same cause.
CHECKS: Sequence[tuple[str, str, Check]] = (
    ("tokens", "Tokens", _tokens),
    ("encoding", "Encoded prompts", _encoding),
    ("conversations", "Conversations", _conversations),
    ("context", "Context", _context),
    ("sampling", "Sampling", _samples),
    ("logprobs", "Log-probabilities", _logprobs),
    ("scores", "Scores", _scores),
    ("adapters", "Adapters", _adapters),
    ("sft", "A step of supervised fine-tuning", _sft_step),
    ("reward", "A step of the reward model", _reward_step),
    ("ppo", "A step of PPO", _ppo_step("separate")),
    ("ppo_shared", "A step of PPO on shared trunks", _ppo_step("shared")),
)
# Without these nothing else could be tried.
NOTHING_WITHOUT = {"tokens", "encoding", "conversations", "sampling", "scores"}


class _Silent:
    """A reporter to nobody."""

    def metrics(self, step: int, total: int, values: Any) -> None: ...

    def sample(self, step: int, rows: list[dict[str, Any]]) -> None: ...

    def should_stop(self) -> bool:
        return False


def _asked(question: str) -> list[Message]:
    return [Message(role="user", content=question)]


def _fresh(subject: Subject) -> PreTrainedModel:
    """The policy as it is on disk: a step of training changes it."""
    return load_policy(subject.folder)[0]


def _limits(subject: Subject) -> dict[str, int]:
    return {
        # At least as long as the check's own prompts, which a small limit would skip and leave
        # nothing to learn from.
        "max_prompt_tokens": max(subject.prompt_tokens, *map(len, subject.prompts())),
        "max_response_tokens": subject.response_tokens,
    }


def _snapshot(folder: Path) -> Path:
    """A file of two demonstrations and two rankings."""
    head = {"split": "train", "labeler": "check", "group": "training"}
    lines: list[dict[str, Any]] = []
    for number, question in enumerate(_QUESTIONS):
        asked = {"id": str(number), **head, "messages": _asked(question)}
        lines.append({"type": "demonstration", **asked, "response": _ANSWERS[number]})
        lines.append(
            {
                "type": "ranking",
                **asked,
                "completions": list(_ANSWERS),
                "finished": list(_FINISHED),
                "ranks": [1, 2, 2],
            }
        )
    path = folder / "snapshot.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@torch.no_grad()
def _own_logprobs(
    model: PreTrainedModel, prompt: Sequence[int], response: Sequence[int]
) -> list[float]:
    """What the model itself gives each token of a response, alone, in one plain pass."""
    ids = torch.tensor([[*prompt, *response]], device=model.device)
    logits = run(model, input_ids=ids, use_cache=False).logits[0].float()
    places = torch.arange(len(response), device=model.device) + len(prompt) - 1
    chosen = logits[places].log_softmax(dim=-1)
    return chosen.gather(1, torch.tensor(response, device=model.device)[:, None])[:, 0].tolist()


def _apart(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True))


def _within(apart: float, what: str) -> None:
    # Not `>`: a NaN is not within anything.
    if not apart <= TOLERANCE:
        raise Refused(
            f"{what} by {apart:.2g}, where {TOLERANCE:g} is allowed. Choose another model"
        )


def _learned(name: str, metrics: dict[str, float]) -> Says:
    """A finite loss and a gradient that moves something."""
    # A norm of 0 is a model whose trained weights the loss does not reach; its loss looks fine.
    norm = next(value for key, value in metrics.items() if key.endswith("grad_norm"))
    if not (math.isfinite(metrics[name]) and math.isfinite(norm) and norm > 0):
        raise Refused(
            f"Its loss is {metrics[name]:.3g} with a gradient of norm {norm:.3g}; "
            "nothing can be learned. Choose another model"
        )
    return f"Loss {metrics[name]:.3g}, gradient {norm:.3g}.", {"loss": metrics[name], "norm": norm}
