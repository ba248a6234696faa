"""τ-b, κ and α against other programs: SciPy's `kendalltau`, the κ of statsmodels and scikit-learn,
and the package krippendorff, run once over these rankings and over PandaLM's."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from labeling.people.agreement import across, among, ranking_alpha
from labeling.people.association import cohen_kappa, kendall_tau_b, ranking_tau, verdicts
from tests.shared_data import rows

RANKINGS = [
    [[2, 1, 3, 1, 4], [4, 4, 4, 2, 1], [4, 1, 4, 4, 1]],
    [[4, 3, 2, 1, 3], [1, 1, 1, 1, 4], [2, 4, 1, 2, 4]],
    [[4, 2, 3, 2, 2], [4, 3, 1, 4, 1], [2, 3, 1, 3, 4]],
    [[2, 3, 3, 4, 4], [1, 4, 2, 4, 4], [2, 3, 3, 1, 4]],
]
TAUS = [
    -0.2519763153394848, -0.13608276348795434, 0.3086066999241838, 0.16666666666666666,
    0.2357022603955158, 0.5303300858899106, 0.13363062095621217, -0.629940788348712,
    -0.1178511301977579, 0.8017837257372731, 0.2357022603955158, 0.2519763153394848,
]  # fmt: skip


def test_tau_is_scipys_with_ties() -> None:
    pairs = [pair for rankings in RANKINGS for pair in combinations(rankings, 2)]
    found = [kendall_tau_b(*pair) for pair in pairs]
    assert found == pytest.approx(TAUS)
    whole = ranking_tau(RANKINGS)
    assert whole is not None and whole.estimate == pytest.approx(np.mean(TAUS))
    assert -1 <= whole.low < whole.estimate < whole.high <= 1


def test_tau_says_nothing_of_whoever_ties_all() -> None:
    assert kendall_tau_b([1, 1, 1], [1, 2, 3]) is None
    assert kendall_tau_b([1, 2, 3], [3, 2, 1]) == -1
    assert ranking_tau([[[1, 1], [1, 2]]]) is None and ranking_tau([]) is None
    alone = ranking_tau([[[1, 2], [1, 2]]])
    assert alone is not None and (alone.estimate, alone.low, alone.high) == (1, -1, 1)


def test_alpha_and_kappa_are_those_of_other_programs() -> None:
    alpha = ranking_alpha(RANKINGS)
    kappa = cohen_kappa([verdicts(first, second) for first, second, _ in RANKINGS])
    assert alpha is not None and alpha.estimate == pytest.approx(0.11738855152285455)
    assert kappa is not None and kappa.estimate == pytest.approx(0.031657355679702036)


def test_kappa_of_what_tells_nothing() -> None:
    assert cohen_kappa([]) is None
    assert cohen_kappa([verdicts([1, 2], [1, 2])]) is None  # both always say the same one thing
    alone = cohen_kappa([verdicts([1, 2, 3, 3, 2], [3, 2, 1, 1, 2])])
    assert alone is not None and alone.estimate < 0 and (alone.low, alone.high) == (-1, 1)


def test_verdicts_are_counted_from_worse_to_better() -> None:
    table = verdicts([1, 2, 2], [2, 1, 2])  # better, better, tied · worse, tied, better
    assert table.tolist() == [[0, 0, 0], [0, 0, 1], [1, 1, 0]]


# Of the 592 rows that lie there: scikit-learn and statsmodels, which agree to 15 digits.
PANDALM = {
    (0, 1): (0.8669097271434366, 0.8300856542342792, 0.9037338000525941),
    (0, 2): (0.9100815302602697, 0.8793552779280575, 0.9408077825924818),
    (1, 2): (0.8820063585894432, 0.8473179571768038, 0.9166947600020824),
}
PUBLISHED = (0.85, 0.88, 0.86)
"""Wang et al. 2023, "PandaLM": the three pairs on the whole set of 1,000."""


@pytest.mark.parametrize("pair", PANDALM)
def test_pandalms_annotators(pair: tuple[int, int]) -> None:
    said = [[one["ranks"] for one in row["annotations"]] for row in rows("pandalm/pairs")]
    found = cohen_kappa([verdicts(task[pair[0]], task[pair[1]]) for task in said])
    kappa, low, high = PANDALM[pair]
    assert found is not None and found.estimate == pytest.approx(kappa, abs=1e-12)
    # Rows are the tasks here, so the jackknife is close to the formula for single ones.
    assert (found.low, found.high) == (
        pytest.approx(low, abs=0.003),
        pytest.approx(high, abs=0.003),
    )
    assert min(abs(found.estimate - other) for other in PUBLISHED) < 0.035


def test_pandalms_alpha_and_rate() -> None:
    said = [[one["ranks"] for one in row["annotations"]] for row in rows("pandalm/pairs")]
    alpha, rate = ranking_alpha(said), across(map(among, said))
    assert alpha is not None and alpha.estimate == pytest.approx(0.8949320426468004)
    assert (rate.total, rate.rate) == (1566, pytest.approx(0.9540229885057471))
