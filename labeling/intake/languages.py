"""Which language a text is in. Pure, by py3langid, whose model comes with the package."""

from __future__ import annotations

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

SURE = 0.5
"""Probability from which a guess counts; two words or a formula stay below it."""
# The model is far larger than a processor's cache, so that every character costs: a beginning
# decides where it is clear, and only else is more read.
_BEGINNING, _CLEAR = 100, 0.9
_ENOUGH = 250  # characters that decide the rest


def language_of(text: str) -> str:
    """The ISO 639 code, or "" where the text does not say."""
    code, probability = _identifier().classify(text[:_BEGINNING])
    if probability < _CLEAR and len(text) > _BEGINNING:
        code, probability = _identifier().classify(text[:_ENOUGH])
    return str(code) if probability >= SURE and code != "zxx" else ""


def load() -> None:
    """Read the model now, so that processes forked from this one share it."""
    _identifier()


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
