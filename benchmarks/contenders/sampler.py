"""One way of sampling, timed in a process of its own: our loop, or transformers' `generate()`.

Reads the path of a job file, `{"model", "way", "k", "repeats", "ends"}`; writes one JSON object.
`ends`: rows end at their first full stop; else every row has NEW_TOKENS tokens.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models_service.lm.chat import Message, encode_prompt, pad_token_id
from models_service.lm.checkpoint import load_policy
from models_service.lm.cpu.linears import halve_linears
from models_service.lm.generation import Sampling, generate
from models_service.lm.padding import left_pad
from models_service.lm.scoring import response_logprobs

NEW_TOKENS = 64
NEVER = -1
QUESTIONS = (
    "Explain to a ten-year-old why the sky is blue but sunsets are red, in a few short sentences.",
    "Write a polite note to my neighbours about the noise of our renovation next week.",
    "Suggest five names for a small bakery that sells only bread made from old kinds of grain.",
    "What should I check before I buy a used bicycle from a stranger on the internet?",
    "Summarize in one sentence: The committee met twice, agreed on nothing, and set a third date.",
    "My tomato plants have yellow leaves at the bottom. What causes it, and what helps?",
    "Rewrite this so that it sounds friendlier: You did not send the report. Send it today.",
    "Give me a simple plan for learning to swim as an adult who is afraid of deep water.",
)


class Sampler:
    """The model, the prompts and what the job wants of them."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.k, self.ends = job["k"], job["ends"]
        self.model: PreTrainedModel
        self.tokenizer: PreTrainedTokenizerBase
        self.model, self.tokenizer = load_policy(Path(job["model"]))
        self.prompts = [
            encode_prompt(self.tokenizer, [Message(role="user", content=q)]) for q in QUESTIONS
        ]
        self.pad = pad_token_id(self.tokenizer)
        self.stop = self.tokenizer.convert_tokens_to_ids(".") if self.ends else NEVER

    def ours(self) -> int:
        """Our loop on exact weights; the number of tokens that count."""
        sampling = Sampling(NEW_TOKENS, 1.0, 0, (self.stop,), self.pad)
        drawn = generate(self.model, self.prompts, self.k, sampling)
        return sum(len(row.tokens) for group in drawn for row in group)

    def batched(self) -> int:
        """`generate()` over all rows at once."""
        return self._library(self.prompts)

    def per_prompt(self) -> int:
        """`generate()` once a prompt."""
        return sum(self._library([prompt]) for prompt in self.prompts)

    def _library(self, prompts: list[list[int]]) -> int:
        """transformers' own sampling, its default top_k = 50 off; tokens that are no padding."""
        batch = left_pad(prompts, self.pad)
        output = self.model.generate(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            do_sample=True,
            top_k=0,
            temperature=1.0,
            num_return_sequences=self.k,
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=None if self.ends else NEW_TOKENS,
            eos_token_id=self.stop if self.ends else None,
            pad_token_id=self.pad,
        )
        return int((output[:, batch.ids.shape[1] :] != self.pad).sum())

    def logprob_error(self) -> float:
        """Largest difference between sampled log-probabilities and a plain pass, in nats."""
        sampling = Sampling(NEW_TOKENS, 1.0, 0, (), self.pad)
        rows = [group[0] for group in generate(self.model, self.prompts, 1, sampling)]
        with torch.inference_mode():
            tokens = [row.tokens for row in rows]
            plain = response_logprobs(self.model, self.prompts, tokens).logprobs
        return float((torch.tensor([row.logprobs for row in rows]) - plain).abs().max())


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of each repeat, tokens that count, peak memory and what the way has to confess."""
    sampler = Sampler(job)
    result: dict[str, Any] = {}
    way: Callable[[], int] = getattr(sampler, job["way"].removesuffix("_float16"))
    if job["way"].endswith("_float16"):
        start = time.perf_counter()
        result["kl_nats_a_token"] = halve_linears(sampler.model, sampler.prompts[0])
        result["packing_seconds"] = round(time.perf_counter() - start, 2)
    generate(sampler.model, sampler.prompts[:1], 1, Sampling(2, 1.0, 0, (), sampler.pad))
    seconds = []
    for _ in range(job["repeats"]):
        start = time.perf_counter()
        tokens = way()
        seconds.append(round(time.perf_counter() - start, 3))
    result |= {"seconds": seconds, "tokens": tokens, "tokens_per_second": tokens / min(seconds)}
    result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    if job["way"] == "ours":
        result["largest_logprob_error"] = sampler.logprob_error()
    result["prompt_tokens"] = [len(prompt) for prompt in sampler.prompts]
    weights = sum(p.numel() for p in sampler.model.parameters())
    embeddings = sampler.model.get_input_embeddings().weight.numel()
    return result | {"weights": weights, "body": weights - embeddings}


if __name__ == "__main__":
    print(json.dumps(run(json.loads(Path(sys.argv[1]).read_text()))))
