"""Every formula the trainers minimise or report, as pure functions of float32 tensors.

Nothing here knows about models, files or batches. Letters in shapes: B rows, T response tokens,
K completions of one prompt. A `mask` is 1 (or True) at real tokens and 0 at padding.

`token_count` is how a minibatch is cut into micro-batches without changing its gradient: every
masked mean divides by the token count of the *whole minibatch*, so the micro-batches' losses add
up to the minibatch's loss, at ragged lengths too. Left out, the count is the mask's own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# lm-human-preferences' value: beside any variance that occurs it is nothing; it only keeps 0 from
# being divided by.
WHITEN_EPSILON = 1e-8


class KL(NamedTuple):
    """Schulman's three estimates of KL(π‖π_ref) per token, each shaped like its input."""

    k1: Tensor
    k2: Tensor
    k3: Tensor


def masked_sum(x: Tensor, mask: Tensor) -> Tensor:
    """Sum of `x` where `mask` is set; padding counts nothing even if it holds NaN."""
    # where and not x · mask: NaN · 0 is NaN, and padding may hold anything. The gradient at padding
    # is 0 for the same reason, so long as what is computed there is finite.
    return torch.where(mask.bool(), x, torch.zeros_like(x)).sum()


def masked_mean(x: Tensor, mask: Tensor, token_count: float | Tensor | None = None) -> Tensor:
    """Sum of `x` where `mask` is set, over `token_count` (default: the mask's own count).

    With nothing set anywhere the mean is 0, never NaN.
    """
    count = mask.sum() if token_count is None else torch.as_tensor(token_count)
    return masked_sum(x, mask) / count.to(x.device).clamp(min=1)


def ranking_loss(scores: Tensor, ranks: Tensor) -> Tensor:
    """K-wise reward loss of one prompt: mean over untied pairs of −log σ(s_better − s_worse).

    `scores` [K], `ranks` [K] with 1 = best and equal = tied. With every completion tied there is
    nothing to learn: the loss is 0 and so is its gradient. (Ouyang et al. 2022, equation 1.)
    """
    # Every ordered pair at once, [K, K]: ties and the diagonal fail the comparison both ways and
    # drop out, as the paper drops them. The mean over what is left is equation 1's 1/C(K,2), where
    # nothing is tied.
    better = ranks.unsqueeze(1) < ranks.unsqueeze(0)
    margins = scores.unsqueeze(1) - scores.unsqueeze(0)
    # logsigmoid, not log of sigmoid: that is −∞ below a margin of about −89, in float32, and its
    # gradient NaN.
    return masked_mean(-F.logsigmoid(margins), better)


def cross_entropy(
    logprobs: Tensor, mask: Tensor, token_count: float | Tensor | None = None
) -> Tensor:
    """Mean negative log-likelihood per token, from the tokens' own log-probs [B, T].

    The SFT loss, and the term of PPO-ptx: a token *mean*, which is what its coefficient scales.
    """
    return masked_mean(-logprobs, mask, token_count)


def kl_estimates(logprobs: Tensor, ref_logprobs: Tensor) -> KL:
    """k1 = log π − log π_ref (unbiased, signed), k2 = k1²/2, k3 = e^(−k1) − 1 + k1 (never < 0).

    The reward's penalty uses k1, unclamped. (Schulman 2020, "Approximating KL divergence".)
    """
    k1 = logprobs - ref_logprobs
    # expm1: of two nearly equal policies e^(−k1) − 1 + k1 is a difference of numbers of about 1,
    # and rounding may take it below 0, which k3 never is.
    return KL(k1, k1.square() / 2, torch.expm1(-k1) + k1)


def token_rewards(scores: Tensor, k1: Tensor, mask: Tensor, beta: float) -> Tensor:
    """Reward per token [B, T]: −β·k1 at every real token, plus `scores` [B] at the last one.

    Stiennon et al. 2020; Ouyang et al. 2022, objective (2).
    """
    # k1 although it may be negative at a token: its mean over the policy's own samples is the KL,
    # and its gradient the right one. k3 is never negative, but with it in the reward the policy
    # optimises another objective. Not clamped, for the same reason.
    rewards = torch.where(mask.bool(), -beta * k1, torch.zeros_like(k1))
    # Every response has a token, if only the stop token: an empty row would be index −1, which
    # scatter_add refuses.
    last = mask.sum(1, keepdim=True).long() - 1
    return rewards.scatter_add(1, last, scores.unsqueeze(1))


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimates and returns (A + V), each [B, T], 0 at padding.

    Real tokens come first in a row; the value after the last of them is 0 (the episode ends).
    (Schulman et al. 2016, equation 16.)
    """
    # Rewards and values after the last token count as 0: the recursion, which runs from the right,
    # then arrives there as if the episode ended in that column. A value left in the padding would
    # be bootstrapped from.
    real = mask.to(rewards.dtype)
    rewards, values = rewards * real, values * real
    advantages = torch.zeros_like(rewards)
    # An episode that was cut at the limit ends too, with value 0: it is no part of a longer path,
    # for nothing is ever said after the limit. What that costs is the rule's `unfinished_penalty`.
    following_value = following_advantage = torch.zeros_like(rewards[:, 0])
    # T steps over [B], not a matrix of γλ powers: T is at most a thousand or so, once an iteration.
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * following_value - values[:, t]
        following_advantage = delta + gamma * lam * following_advantage
        following_value = values[:, t]
        advantages[:, t] = following_advantage
    # TD(λ)'s return; in padding both are 0, since rewards and values were.
    return advantages, advantages + values


def whiten(x: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """Scale the real entries to variance 1 (biased, ε 1e-8); to mean 0 only if `shift_mean`."""
    # Two passes, not E[x²] − E[x]²: with a mean far from 0 that difference loses its digits.
    mean = masked_mean(x, mask)
    variance = masked_mean((x - mean).square(), mask)
    whitened = (x - mean) * torch.rsqrt(variance + WHITEN_EPSILON)
    # Rewards keep their mean: a shift would pay, or charge, for every further token, and so for
    # length.
    if not shift_mean:
        whitened = whitened + mean
    return torch.where(mask.bool(), whitened, torch.zeros_like(whitened))


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float,
    token_count: float | Tensor | None = None,
) -> Tensor:
    """PPO-clip: mean of −min(ρA, clip(ρ, 1±clip)A) with ρ = π/π_old (Schulman et al. 2017, 7)."""
    # Made 0 before the exponential and not masked after it: an infinite ratio in the padding would
    # give the gradient 0 · ∞.
    ratio = torch.exp(torch.where(mask.bool(), logprobs - old_logprobs, 0.0))
    clipped = ratio.clamp(1 - clip, 1 + clip)
    # The smaller of both: a ratio that has moved the wrong way is not clipped, and is pulled back
    # (section 3 of the paper: a pessimistic bound).
    losses = -torch.minimum(ratio * advantages, clipped * advantages)
    return masked_mean(losses, mask, token_count)


def value_loss(
    values: Tensor,
    old_values: Tensor,
    returns: Tensor,
    mask: Tensor,
    clip: float,
    token_count: float | Tensor | None = None,
) -> Tensor:
    """Half the mean of the worse of two squared errors, one with V held within `clip` of V_old.

    Not in the paper; as in lm-human-preferences, which the paper's code grew from.
    """
    # Around the values of before, so that one batch moves them by `clip` at the most. The clip is
    # in the score's own units: of a reward model with a wide spread it binds early.
    clipped = torch.clamp(values, old_values - clip, old_values + clip)
    errors = torch.maximum((values - returns).square(), (clipped - returns).square())
    return 0.5 * masked_mean(errors, mask, token_count)


class PolicyStatistics(NamedTuple):
    """Sums over real tokens; divide by the minibatch's token count to report them."""

    clipped: Tensor
    approxkl: Tensor


def policy_statistics(
    logprobs: Tensor, old_logprobs: Tensor, mask: Tensor, clip: float
) -> PolicyStatistics:
    """How many ratios left 1±clip, and the sum of k2 between the old policy and this one."""
    log_ratio = torch.where(mask.bool(), logprobs - old_logprobs, 0.0)
    outside = (log_ratio.exp() - 1).abs() > clip
    return PolicyStatistics(masked_sum(outside.float(), mask), log_ratio.square().sum() / 2)


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """1 − Var[R − V]/Var[R] over real tokens: 1 is a perfect critic, 0 one that knows the mean."""
    real = mask.bool()
    target, error = returns[real], (returns - values)[real]
    spread = target.var(unbiased=False)
    return 1 - error.var(unbiased=False) / (spread + WHITEN_EPSILON)
