"""Answers written by people or models: demonstrations, and lists with ranks, scores or neither.
Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from labeling.intake.labels.pairs import prompt_of
from labeling.intake.labels.parsed import Answer, Label, Labels, answer, several
from labeling.intake.labels.turns import Turns, decoded, said, split_answer, turns_of
from labeling.intake.rows import RowError

Row = Mapping[str, Any]

LISTS = ("responses", "completions", "answers", "outputs", "generations")
RANKS = ("ranks", "rank", "gold_ranks")
SCORES = ("scores", "score", "overall_score", "overall", "ratings")
WRITTEN = ("output", "response", "answer", "completion", "demonstration")
_CONTEXT = ("input", "context")
_TEXT = ("text", "response", "content", "output", "completion", "answer")
_MODEL = ("model", "policy", "model_name", "source")


def conversations(row: Row) -> Labels:
    """`messages` or `conversations` that end with an answer: a demonstration."""
    name = next(name for name in ("messages", "conversations", "conversation") if name in row)
    prompt, text = split_answer(turns_of(row[name], name), name)
    if not text.strip():
        raise RowError(name, "ends with an answer that is empty")
    yield Label({"messages": prompt}, [Answer(answer(text, name, spoken=True))], row)


def written(row: Row) -> Labels:
    """A prompt, or `instruction` and `input`, with an answer beside it: a demonstration."""
    name = next(name for name in WRITTEN if name in row)
    value = decoded(row[name])
    if isinstance(value, list):
        [*before, last] = turns_of(value, name)
        if before or last["role"] != "assistant":
            raise RowError(name, "must be one turn of the assistant")
        text = answer(last["content"] or None, name, spoken=True)
    else:
        text = answer(value, name)
    yield Label({"messages": _asked(row)}, [Answer(text)], row)


def listed(row: Row) -> Labels:
    """Several answers to one prompt: ranked, scored, or to be ranked here."""
    name = next(name for name in LISTS if name in row)
    found = decoded(row[name])
    if not isinstance(found, list):
        raise RowError(name, "must be a list of answers")
    told = [_told(one, f"{name}[{place}]") for place, one in enumerate(found)]
    ranks: Sequence[int | None] = _ranks(row, found) or [None] * len(told)
    answers = [
        Answer(text, rank, None, model) for (text, model), rank in zip(told, ranks, strict=True)
    ]
    yield Label({"messages": _asked(row)}, several(answers, name), row)


def compared(row: Row) -> Labels:
    """`{info, summaries, choice}`: which of two summaries was chosen (Stiennon et al. 2020)."""
    info, summaries, choice = row["info"], row["summaries"], row["choice"]
    if not isinstance(summaries, list) or len(summaries) != 2 or not isinstance(info, Mapping):
        raise RowError("summaries", "must be two of them, and info the text they are of")
    if choice not in (0, 1) or isinstance(choice, bool):
        raise RowError("choice", f"must be 0 or 1, the place of the better one; {choice!r} is not")
    told = [_told(one, f"summaries[{place}]") for place, one in enumerate(summaries)]
    answers = [Answer(t, 1 if place == choice else 2, None, m) for place, (t, m) in enumerate(told)]
    if answers[0].text == answers[1].text:
        raise RowError("summaries", "are the same text twice")
    # Several comparisons are of one post.
    about = {**row, **({"row_id": info["id"]} if info.get("id") and "id" not in row else {})}
    prompt = {"messages": [said("user", _to_summarise(info))], "use_case": "summarization"}
    yield Label(prompt, several(answers, "summaries"), about)


def dense(values: Sequence[float]) -> list[int]:
    """Ranks from 1 of values of which the lowest is best; equal values are a tie."""
    places = {value: place for place, value in enumerate(sorted(set(values)), start=1)}
    return [places[value] for value in values]


def _asked(row: Row) -> Turns:
    if "instruction" in row:
        further = next((row[name] for name in _CONTEXT if name in row), "")
        parts = [row["instruction"], *([further] if further else [])]
        if not all(isinstance(part, str) for part in parts):
            raise RowError("instruction", "must be a text, and so must the input")
        return [said("user", "\n\n".join(parts))]
    if (prompt := prompt_of(row)) is None:
        raise RowError("prompt", "is missing: there are answers without a prompt")
    return prompt


def _told(one: Any, name: str) -> tuple[str, str]:
    """An answer's text, and who said it."""
    if isinstance(one, str):
        return answer(one, name), ""
    if isinstance(one, list):
        turns = turns_of(one, name)
        if [turn["role"] for turn in turns] == ["assistant"]:
            return answer(turns[0]["content"], name), ""
    if not isinstance(one, Mapping):
        raise RowError(name, "must be a text, or an object with one")
    text = next((one[key] for key in _TEXT if key in one), None)
    model = next((one[key] for key in _MODEL if isinstance(one.get(key), str)), "")
    return answer(text, name), model[:120]


def _ranks(row: Row, answers: Sequence[Any]) -> list[int] | None:
    """Ranks from 1 as the row gives them, else from scores, the highest best; None of neither."""
    for names, sign in ((RANKS, 1), (SCORES, -1)):
        values = _values(row, answers, names)
        if values is None:
            continue
        numbers = [_number(value, names[0]) for value in values]
        if sign == 1:
            _require_ranks(numbers)
        return dense([sign * number for number in numbers])
    aspects = [_aspects(one) for one in answers]
    if any(value is None for value in aspects):
        if any(value is not None for value in aspects):
            raise RowError("annotations", "rate some answers and not others")
        return None
    return dense([-value for value in aspects if value is not None])


def _values(row: Row, answers: Sequence[Any], names: Sequence[str]) -> list[Any] | None:
    """One value an answer: in a list beside them, or in each of them."""
    for name in names:
        if name in row:
            values = decoded(row[name])
            if not isinstance(values, list) or len(values) != len(answers):
                raise RowError(name, f"must be a list of {len(answers)} numbers, one an answer")
            return values
        inside = [one.get(name) for one in answers if isinstance(one, Mapping)]
        if any(value is not None for value in inside):
            return inside + [None] * (len(answers) - len(inside))
    return None


def _require_ranks(ranks: Sequence[float]) -> None:
    """From 1, or from 0 as some count, to the number of answers."""
    first = min(ranks, default=1)
    if first not in (0, 1) or max(ranks) >= first + len(ranks) or any(r % 1 for r in ranks):
        raise RowError(
            "ranks",
            f"must be whole numbers from 1, the best, to {len(ranks)}; equal ones are a tie",
        )


def _aspects(one: Any) -> float | None:
    """The mean of the ratings an answer has in several aspects, as UltraFeedback writes them."""
    aspects = one.get("annotations") if isinstance(one, Mapping) else None
    if not isinstance(aspects, Mapping):
        return None
    rated = [
        aspect.get("Rating", aspect.get("rating")) if isinstance(aspect, Mapping) else aspect
        for aspect in aspects.values()
    ]
    told = [value for value in rated if value not in (None, "N/A", "")]
    try:
        values = [float(value) for value in told]
    except (TypeError, ValueError):
        raise RowError("annotations", "must hold numbers") from None
    return sum(values) / len(values) if values else None


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RowError(name, f"must be numbers, one an answer; {value!r} is none")
    return float(value)


def _to_summarise(info: Mapping[str, Any]) -> str:
    """As Stiennon et al. 2020 put a post to a model; of news the article alone."""
    text = info.get("post") or info.get("article")
    if not isinstance(text, str) or not text.strip():
        raise RowError("info", "must hold the post or article that was summarised")
    head = [("SUBREDDIT: r/", info.get("subreddit")), ("TITLE: ", info.get("title"))]
    lines = [f"{name}{value}" for name, value in head if isinstance(value, str) and value]
    return "\n\n".join([*lines, f"POST: {text}" if lines else text, "TL;DR:"])
