"""What the tests of engines share."""

from __future__ import annotations

from tests.models_service.remote import completion_server, remote, seen

__all__ = ["completion_server", "remote", "seen"]
