"""What asking a model means, whichever engine answers; one module an engine.

Which there are stands in `models_service.engine_table`.
"""

from __future__ import annotations

from typing import Protocol

from django.utils.module_loading import import_string

from models_service.engine_table import ENGINES
from models_service.engines.base import Engine, EngineError
from models_service.models import ModelVersion

_REASON = 500  # characters of an error that are kept


class _EngineClass(Protocol):
    def __call__(self, version: ModelVersion) -> Engine: ...


def reason(version: ModelVersion, error: Exception) -> str:
    """Why the version did not answer: one line, never empty, that a database can keep."""
    line = "".join(c if c.isprintable() else " " for c in str(error))
    words = " ".join(line.split())[:_REASON]
    if isinstance(error, EngineError) and words:
        return words
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return f"{version} failed ({said.rstrip('.')}). The worker's log says where."


def engine_for(version: ModelVersion) -> Engine:
    """The engine that serves this version. Raises EngineError when it cannot be used."""
    if version.best_of > 1:
        from models_service.engines.best_of import BestOfEngine

        return BestOfEngine(version, _drawing(version))
    return _drawing(version)


def _drawing(version: ModelVersion) -> Engine:
    """The engine that draws from the version's weights."""
    if version.engine not in ENGINES:
        raise EngineError(f"{version} needs the engine {version.engine}, which is not installed.")
    engine: _EngineClass = import_string(ENGINES[version.engine].path)
    return engine(version)
