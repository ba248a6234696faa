"""Adding prompts: the split fixed by the author, duplicates dropped or linked, authors limited."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import Count

from labeling.dedupe import fingerprint, prefix_fingerprint
from labeling.models import Prompt
from labeling.models.prompts import Split
from labeling.prompt_rows import NewPrompt

BATCH = 1000


@dataclass
class Added:
    """What became of the rows."""

    added: int = 0
    duplicates: int = 0
    near_duplicates: int = 0
    over_limit: int = 0


@transaction.atomic
def add_prompts(rows: Iterable[NewPrompt], *, source: str) -> Added:
    """Store checked prompts in batches, all or none.

    A prompt that is there already is counted and dropped; one with the long beginning of another
    is stored as its DUPLICATE; an author's prompts beyond the limit are counted and dropped.
    """
    intake = _Intake(source)
    rows = iter(rows)
    while batch := list(islice(rows, BATCH)):
        intake.take(batch)
    return intake.result


def split_of(author: str, organisation: str, otherwise: str) -> str:
    """The side of the split, 80/10/10 by a hash of the organisation, else the author.

    A prompt of neither stands for itself (`otherwise`, its fingerprint).
    """
    key = organisation or author or otherwise
    place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    if place < 0.8:
        return Split.TRAIN
    return Split.VALIDATION if place < 0.9 else Split.TEST


class _Intake:
    """What has to be remembered from batch to batch: the counts of the authors met so far."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.result = Added()
        self._of_author: Counter[str] = Counter()
        self._limit: int = settings.LABELING["max_prompts_per_author"]

    def take(self, rows: list[NewPrompt]) -> None:
        """Store one batch."""
        self._meet_authors({row.author for row in rows})
        prompts = list(self._within_limit(self._fresh([self._prompt(row) for row in rows])))
        originals, alike = _parted(prompts)
        Prompt.objects.bulk_create(originals, ignore_conflicts=True)
        self._link(alike)
        self.result.added += len(originals)
        self.result.near_duplicates += len(alike)

    def _prompt(self, row: NewPrompt) -> Prompt:
        prompt = Prompt(**asdict(row), source=self.source, fingerprint=fingerprint(row.messages))
        prompt.prefix_fingerprint = prefix_fingerprint(row.messages)
        prompt.split = split_of(row.author, row.organisation, prompt.fingerprint)
        return prompt

    def _meet_authors(self, authors: set[str]) -> None:
        new = authors - self._of_author.keys() - {""}
        counted = Prompt.objects.filter(author__in=new).values_list("author")
        self._of_author.update(dict.fromkeys(new, 0))
        self._of_author.update(dict(counted.annotate(n=Count("pk")).order_by()))

    def _fresh(self, prompts: list[Prompt]) -> Iterator[Prompt]:
        wanted = [prompt.fingerprint for prompt in prompts]
        rows = Prompt.objects.filter(fingerprint__in=wanted)
        known = set(rows.values_list("fingerprint", flat=True))
        for prompt in prompts:
            if prompt.fingerprint in known:
                self.result.duplicates += 1
                continue
            known.add(prompt.fingerprint)
            yield prompt

    def _within_limit(self, prompts: Iterable[Prompt]) -> Iterator[Prompt]:
        for prompt in prompts:
            if prompt.author and self._of_author[prompt.author] >= self._limit:
                self.result.over_limit += 1
                continue
            self._of_author[prompt.author] += 1
            yield prompt

    def _link(self, alike: list[Prompt]) -> None:
        kept = _kept({prompt.prefix_fingerprint for prompt in alike})
        for prompt in alike:
            prompt.state = Prompt.State.DUPLICATE
            prompt.duplicate_of_id = kept[prompt.prefix_fingerprint]
        Prompt.objects.bulk_create(alike, ignore_conflicts=True)


def _parted(prompts: list[Prompt]) -> tuple[list[Prompt], list[Prompt]]:
    """Those with a beginning of their own, and those that begin like one kept or met before."""
    met = set(_kept({prompt.prefix_fingerprint for prompt in prompts}))
    originals: list[Prompt] = []
    alike: list[Prompt] = []
    for prompt in prompts:
        (alike if prompt.prefix_fingerprint in met else originals).append(prompt)
        met |= {prompt.prefix_fingerprint} - {""}
    return originals, alike


def _kept(prefixes: set[str]) -> dict[str, int]:
    """The prompt kept for each of these long beginnings."""
    rows = Prompt.objects.filter(prefix_fingerprint__in=prefixes - {""}, duplicate_of=None)
    return dict(rows.exclude(prefix_fingerprint="").values_list("prefix_fingerprint", "pk"))
