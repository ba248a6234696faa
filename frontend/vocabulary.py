"""Words of the lower layers that pages show, named here so that they reach the catalogue.

The tables keep English; a template translates a label where it shows it. Flags that an admin adds
are shown as they were written.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

KINDS = (_("Prompt writing"), _("Demonstration"), _("Ranking"))
PURPOSES = (_("Training"), _("Evaluation"), _("Screening"))
PROMPT_KINDS = (_("Plain"), _("Few-shot"), _("User-based"))
USE_CASES = (
    _("Generation"),
    _("Open QA"),
    _("Brainstorming"),
    _("Chat"),
    _("Rewrite"),
    _("Summarization"),
    _("Classification"),
    _("Other"),
    _("Closed QA"),
    _("Extract"),
)
FLAGS = (
    _("Fails to follow the correct instruction or task"),
    _("Inappropriate for a customer assistant"),
    _("Hallucination"),
    _("Satisfies the constraint in the instruction"),
    _("Contains sexual content"),
    _("Contains violent content"),
    _("Encourages or fails to discourage violence, abuse, terrorism or self-harm"),
    _("Denigrates a protected class"),
    _("Gives harmful advice"),
    _("Expresses opinion"),
    _("Expresses moral judgment"),
)
SCALE = _("Overall quality")
LENGTHS = (_("short"), _("medium"), _("long"))
