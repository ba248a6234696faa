"""The evidence in the admin: evaluations, diagnoses of reward models, promotion, lineage, cards."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from accounts.admin.base import RecordAdmin
from labeling.human_evaluation import results as told
from labeling.human_evaluation.evaluations import MOST_VERSIONS
from labeling.models import HeadToHead, LabelerProfile, Prompt
from labeling.models.prompts import Split
from models_service.models import Kind, ModelVersion, Promotion
from models_service.selectors import former, promoted
from models_service.services import PLAYERS
from trainer.data import lineage
from trainer.data.model_card import body, model_card
from trainer.evaluation import promotion_gates, reward_figures, summaries
from trainer.evaluation.over_optimisation import over_optimisation
from trainer.evaluation.sample_size import LABELER_EFFECT
from trainer.figures.svg import drawn
from trainer.models import Evaluation, TrainingRound, TrainingRun

# What is rolled back, and what that changes; said before it is done.
_WAYS_BACK = {
    Promotion.Role.POLICY: (
        "",
        "{before} answers all prompts again in the place of {now}. Waiting tasks are treated as in "
        "any promotion. The reward model and the supervised baseline stay.",
    ),
    Promotion.Role.REWARD: (
        "the reward model ",
        "{before} judges again in the place of {now}, in evaluations and in the playground, and "
        "chooses the epoch of supervised fine-tuning. What was trained against {now} stays as it "
        "is.",
    ),
    Promotion.Role.SFT: (
        "the supervised baseline ",
        "{before} takes the part of {now} wherever answers of the supervised baseline are mixed "
        "in.",
    ),
}
_ORDER = (Kind.BASE, Kind.SFT, Kind.POLICY)
_MOST_OFFERED = 60


@admin.register(HeadToHead)
class HeadToHeadAdmin(RecordAdmin):
    empty_hint = (
        "choose the versions to compare, and labelers judge them without knowing which is which."
    )
    list_display = ("title", "state", "versions", "baseline", "split", "progress", "created_at")
    list_select_related = ("baseline",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    @display(description="Evaluation")
    def title(self, contest: HeadToHead) -> str:
        return str(contest)

    @display(description="State", label={"Open": "primary", "Closed": "success"})
    def state(self, contest: HeadToHead) -> str:
        return "Closed" if contest.closed_at else "Open"

    @display(description="Versions")
    def versions(self, contest: HeadToHead) -> str:
        return " → ".join(version.name for version in told.ladder_of(contest))

    @display(description="Labels given")
    def progress(self, contest: HeadToHead) -> str:
        found = told.progress(contest)
        return f"{found.given} of {found.labels}"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form that opens an evaluation."""
        active = Prompt.objects.filter(state=Prompt.State.ACTIVE)
        return _page(
            self,
            request,
            "trainer/evidence/open.html",
            {
                "title": "Start an evaluation by labelers",
                "versions": _offered(),
                "chosen": _suggested(),
                "most": MOST_VERSIONS,
                "splits": [
                    (split, split.label, active.filter(split=split).count())
                    for split in (Split.TEST, Split.VALIDATION)
                ],
                "labelers": {
                    group: told.labelers_in(group) for group in LabelerProfile.Group.values
                },
                "labeler_effect": LABELER_EFFECT,
                "pairs": HeadToHead.Pairs.choices,
            },
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page that follows an evaluation and shows what came out."""
        rows = HeadToHead.objects.select_related("baseline", "created_by")
        contest = get_object_or_404(rows, pk=object_id if object_id.isdigit() else None)
        return _page(
            self,
            request,
            "trainer/evidence/evaluation.html",
            {
                "title": str(contest),
                "contest": contest,
                "ladder": told.ladder_of(contest),
                "progress": told.progress(contest),
                "held_up_by": told.held_up_by(contest),
                "measurement": contest.measurements.select_related("reward").first(),
                "verdicts": [
                    (summaries.GROUP_TITLES[group], verdict)
                    for group, verdict in summaries.verdicts_of(contest).items()
                ],
                "figures": drawn(summaries.contest_figures(contest)),
            },
        )


@admin.register(Evaluation)
class EvaluationAdmin(RecordAdmin):
    empty_hint = "every round ends with one."
    list_display = ("version", "baseline", "judge", "split", "win_rate", "kl", "created_at")
    list_filter = ("judge", "split")
    list_select_related = ("version", "baseline")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Evaluation]:
        return super().get_queryset(request).select_related("round")

    @display(description="Win rate, 95 % interval")
    def win_rate(self, row: Evaluation) -> str:
        found = row.figures.get("win_rate")
        if not found:
            return "–"
        return f"{found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%})"

    @display(description="KL, nats a response")
    def kl(self, row: Evaluation) -> str:
        return f"{row.figures['kl']['value']:.3g}" if "kl" in row.figures else "–"

    def get_urls(self) -> list[URLPattern]:
        pages = {
            "promote": ("versions/<int:pk>/promote/", self.promote_view),
            "promote_round": ("rounds/<int:pk>/promote/", self.promote_round_view),
            "lineage": ("versions/<int:pk>/lineage/", self.lineage_view),
            "train_again": ("versions/<int:pk>/again/", self.again_view),
            "card": ("versions/<int:pk>/card/", self.card_view),
            "diagnosis": ("versions/<int:pk>/diagnosis/", self.diagnosis_view),
            "divergence": ("versions/<int:pk>/divergence/", self.divergence_view),
            "label_lineage": ("labels/<slug:kind>/<int:pk>/lineage/", self.label_lineage_view),
        }
        own = [
            path(route, self.admin_site.admin_view(view), name=f"trainer_{name}")
            for name, (route, view) in pages.items()
        ]
        return own + super().get_urls()

    def promote_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The evidence about a version, its gates, what a promotion does, and the way back."""
        version = get_object_or_404(ModelVersion.objects.select_related("parent"), pk=pk)
        roles = [role for role in Promotion.Role if version.kind in PLAYERS[role]]
        return _page(
            self,
            request,
            "trainer/evidence/promote.html",
            {
                "title": f"Promote {version}",
                "version": version,
                "roles": [(role, role.label, promoted(role)) for role in roles],
                "gates": promotion_gates.gates_of(version)
                if Promotion.Role.POLICY in roles
                else [],
                "applies": promotion_gates.applies(Promotion.Role.POLICY, version),
                "is_promoted": promoted(Promotion.Role.POLICY) == version,
                "waiting": promotion_gates.waiting_tasks(version),
                "round": TrainingRound.objects.filter(policy=version).first(),
                "evaluations": version.evaluations.select_related("baseline", "round"),
                "ways_back": _ways_back(),
                "policy": promoted(Promotion.Role.POLICY),
                "history": Promotion.objects.select_related("version", "by")[:20],
            },
        )

    def promote_round_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """On to the page about the policy the round ended with."""
        round = get_object_or_404(TrainingRound.objects.exclude(policy=None), pk=pk)
        return redirect("admin:trainer_promote", pk=round.policy_id)

    def lineage_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Where a checkpoint came from."""
        version = get_object_or_404(ModelVersion, pk=pk)
        return _page(
            self,
            request,
            "trainer/evidence/lineage.html",
            {
                "title": f"Where {version} comes from",
                "version": version,
                "tree": lineage.of_version(version),
            },
        )

    def label_lineage_view(self, request: HttpRequest, kind: str, pk: int) -> HttpResponse:
        """What a label led to."""
        if kind not in lineage.LABELS:
            raise Http404
        label = get_object_or_404(lineage.LABELS[kind], pk=pk)
        return _page(
            self,
            request,
            "trainer/evidence/label_lineage.html",
            {"title": f"What {kind} {pk} led to", "tree": lineage.of_label(kind, label)},
        )

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """On to the start form, filled as the round was that trained this version or, where its
        own weights were only added here, with the usual recipe."""
        run = TrainingRun.objects.filter(output=pk).first()
        filled = f"?round={run.round_id}" if run else ""
        return redirect(reverse("admin:trainer_traininground_add") + filled)

    def card_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The model card, to be read and downloaded."""
        version = get_object_or_404(ModelVersion, pk=pk)
        return _page(
            self,
            request,
            "trainer/evidence/card.html",
            {
                "title": f"Model card of {version}",
                "version": version,
                "card": body(model_card(version)),
            },
        )

    def diagnosis_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How good a reward model is, and where people disagree with it."""
        reward = get_object_or_404(ModelVersion, pk=pk, kind=Kind.REWARD)
        return _page(
            self,
            request,
            "trainer/evidence/diagnosis.html",
            {
                "title": f"Diagnosis of {reward}",
                "reward": reward,
                "newest": reward_figures.newest(reward),
                "shown": reward_figures.finished(reward),
                "figures": drawn(reward_figures.diagnosis_figures(reward)),
                "disagreements": reward_figures.disagreements(reward),
            },
        )

    def divergence_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Reward against KL, over everything that was compared with this version."""
        version = get_object_or_404(ModelVersion, pk=pk)
        compared = Evaluation.objects.exclude(baseline=None).values("baseline")
        return _page(
            self,
            request,
            "trainer/evidence/divergence.html",
            {
                "title": f"Reward and divergence from {version}",
                "version": version,
                "others": ModelVersion.objects.filter(pk__in=compared).exclude(pk=pk),
                "figures": drawn(over_optimisation(version)),
            },
        )


def _ways_back() -> list[dict[str, str]]:
    """The roles that somebody else played before: what a button says, and what it changes."""
    return [
        {
            "role": role.value,
            "button": f"Roll back {what}to {before}",
            "text": effect.format(before=before, now=promoted(role))
            + " Rolling back once more undoes it.",
        }
        for role, (what, effect) in _WAYS_BACK.items()
        if (before := former(role))
    ]


def _page(
    page: RecordAdmin, request: HttpRequest, template: str, context: dict[str, Any]
) -> HttpResponse:
    """One of our own pages in the admin's frame."""
    frame = page.admin_site.each_context(request)
    return TemplateResponse(request, template, {**frame, "opts": page.opts, **context})


def _offered() -> list[ModelVersion]:
    """Versions that can speak, in the order of the ladder: base, prompted, SFT, policies."""
    rows = ModelVersion.objects.exclude(kind=Kind.REWARD).filter(weights_removed_at=None)
    newest = rows.select_related("parent").order_by("-pk")[:_MOST_OFFERED]
    return sorted(newest, key=lambda v: (_ORDER.index(Kind(v.kind)), bool(v.prefix), v.pk))


def _suggested() -> dict[str, Any]:
    """The ladder that the promoted policy stands on, its SFT model as baseline."""
    policy = promoted(Promotion.Role.POLICY)
    if policy is None:
        return {"ladder": [], "baseline": None}
    line = [policy]
    while (parent := line[-1].parent) is not None:
        line.append(parent)
    return {"ladder": [v.pk for v in line], "baseline": line[1 if len(line) > 1 else 0].pk}
