"""What evaluation tasks teach: nothing. Their labels enter no training data and no export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accounts.models import User
from labeling.exports.orders import order
from labeling.exports.training_rows import training_rankings
from labeling.models import Ranking
from labeling.work.guidelines import publish_guideline

Call = Callable[..., Any]


def test_a_head_to_head_is_labeled_under_its_guideline_and_never_trained_on(
    ada: User, make_task: Call, claim: Call, api: Call, client_of: Call
) -> None:
    for purpose in ("training", "evaluation"):
        publish_guideline(kind="ranking", purpose=purpose, text=f"For {purpose}.")
    make_task(k=4)
    make_task(k=2, purpose="evaluation")
    held = claim(ada)
    assert (held["purpose"], len(held["completions"])) == ("evaluation", 2)
    page = client_of(ada).get(f"/work/assignments/{held['id']}/").content.decode()
    assert "For evaluation." in page and "For training." not in page
    assert "Evaluation guideline" in page and "never trained on" in page

    better, worse = (completion["id"] for completion in held["completions"])
    ratings = {better: {"overall": 6}, worse: {"overall": 2, "flags": ["hallucination"]}}
    body = {"ranking": [[better], [worse]], "ratings": ratings}
    assert api(ada, f"assignments/{held['id']}/submit/", body).status_code == 200
    [label] = Ranking.objects.all()
    assert (label.guideline.purpose, label.prompt.split) == ("evaluation", "train")
    assert list(training_rankings()) == []
    assert not order(what="rankings").labels().exists()
    assert not order(what="pairs").labels().exists()

    training = claim(ada)  # the next one is for training, and counts
    ids = [completion["id"] for completion in training["completions"]]
    body = {"ranking": [[item] for item in ids], "ratings": {i: {"overall": 4} for i in ids}}
    api(ada, f"assignments/{training['id']}/submit/", body)
    assert len(list(training_rankings())) == 1
