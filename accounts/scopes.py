"""What an API token may be limited to, and which scope each address of the API asks for.

A role says what an account may do at all; a scope takes away from that and never adds. The table
goes by the route below /api/v1/, the longest beginning that fits, so that a new address in a known
room has the scope of its room; one in a new room is closed to limited tokens until it stands here.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import models

from accounts.models import Role
from core.problems import Problem

_API = "api/v1/"
_READS = ("GET", "HEAD", "OPTIONS")


class Scope(models.TextChoices):
    """One kind of thing that a program does."""

    READ = "read", "Read"
    LABEL = "label", "Label"
    PROMPTS = "prompts", "Prompts"
    ROUNDS = "rounds", "Rounds"
    ADMIN = "admin", "Admin"


# What a role can use; to tick more would promise what the role refuses.
SCOPES_OF_ROLE: dict[Role, tuple[Scope, ...]] = {
    Role.LABELER: (Scope.READ, Scope.LABEL),
    Role.CLIENT: (Scope.READ, Scope.PROMPTS),
    Role.RESEARCHER: (Scope.READ, Scope.PROMPTS, Scope.ROUNDS, Scope.ADMIN),
    Role.ADMIN: tuple(Scope),
}

# The scope that writing asks for; reading is content with `read` as well.
ROOMS: dict[str, Scope | None] = {
    "assignments/": Scope.LABEL,
    "guidelines/<int:pk>/": Scope.LABEL,
    "reports/": Scope.LABEL,
    "reviews/": Scope.LABEL,
    "topics/": Scope.LABEL,
    "imports/": Scope.PROMPTS,
    "prompts/": Scope.PROMPTS,
    "evaluations/": Scope.ROUNDS,
    "labels/": Scope.ROUNDS,
    "playground/": Scope.ROUNDS,
    "prompts/ask-again/": Scope.ROUNDS,
    "recipes/": Scope.ROUNDS,
    "roles/": Scope.ROUNDS,
    "rounds/": Scope.ROUNDS,
    "schedules/": Scope.ROUNDS,
    "versions/": Scope.ROUNDS,
    "agreement/": Scope.ADMIN,
    "changes/": Scope.ADMIN,
    "demonstrations/": Scope.ADMIN,
    "erasures/": Scope.ADMIN,
    "exports/": Scope.ADMIN,
    "forms/": Scope.ADMIN,
    "guidelines/": Scope.ADMIN,
    "labelers/": Scope.ADMIN,
    "prompts/<int:pk>/": Scope.ADMIN,
    "queues/": Scope.ADMIN,
    "rankings/": Scope.ADMIN,
    "tasks/": Scope.ADMIN,
    # A limited token must not get itself one without limits.
    "tokens/": None,
}
# They describe the API and hold nothing of the installation.
_OPEN = ("api/schema/", "api/docs/")


def room_of(route: str) -> str | None:
    """The longest entry of `ROOMS` with which a route such as `api/v1/rounds/<int:pk>/` begins."""
    below = route.removeprefix(_API)
    fitting = [room for room in ROOMS if below.startswith(room)]
    return max(fitting, key=len) if fitting and route != below else None


def demand(scopes: Collection[str], *, route: str, method: str) -> None:
    """Raise Problem 403 unless one of a token's scopes lets it in; none is no limit."""
    if not scopes or route in _OPEN:
        return
    room = room_of(route)
    needed = ROOMS[room] if room else None
    enough = [Scope.READ] if room and method in _READS else []
    if needed and needed not in enough:
        enough.append(needed)
    if not set(scopes).isdisjoint(enough):
        return
    if not enough:
        raise Problem(
            403,
            "A token that is limited to scopes is not let in here, whatever its scopes. Log in, or "
            "use a token without a limit.",
        )
    words = " or ".join(f'"{scope.value}"' for scope in enough)
    raise Problem(
        403, f"This token lacks the scope {words}. Make a token that has it, and use that one here."
    )
