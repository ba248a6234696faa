"""The one table of engines, which versions, forms, the API and sampling read.

It stands below the models, whose choices it gives; the classes are named by their paths.
`docs/extend/engine.md` says how to add one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineKind:
    """One way to get answers.

    Args:
        title: For people.
        path: Dotted path of its class. A path, since a web process that never samples should not
            load PyTorch.
        is_local: Whether it answers from a checkpoint folder of this installation, which can then
            be trained, checked and downloaded; others answer from an endpoint.
    """

    title: str
    path: str
    is_local: bool


ENGINES: dict[str, EngineKind] = {
    "local": EngineKind(
        "Local checkpoint", "models_service.engines.local.LocalEngine", is_local=True
    ),
    "openai": EngineKind(
        "OpenAI-compatible server", "models_service.engines.openai.OpenAIEngine", is_local=False
    ),
}
"""By the name that a version keeps."""


def engine_choices() -> list[tuple[str, str]]:
    """Name and title of each, for fields of forms and tables."""
    return [(name, kind.title) for name, kind in ENGINES.items()]


def local_engines() -> list[str]:
    """The names of those that answer from a folder of this installation."""
    return [name for name, kind in ENGINES.items() if kind.is_local]


def remote_engines() -> list[tuple[str, str]]:
    """Name and title of those that ask an endpoint, and so can be added by a form."""
    return [(name, kind.title) for name, kind in ENGINES.items() if not kind.is_local]
