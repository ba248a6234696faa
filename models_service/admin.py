"""Model versions and promotions in the admin site."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import action, display

from accounts.admin.base import RecordAdmin
from models_service.check_reports import summary
from models_service.models import Kind, ModelVersion, Promotion
from models_service.selectors import ancestors, check_report, roles

# Of the admin's own style sheet.
_GOOD = "text-green-700 dark:text-green-400"
_BAD = "text-orange-700 dark:text-orange-400"


@admin.register(ModelVersion)
class ModelVersionAdmin(RecordAdmin):
    list_display = ("name", "kind_label", "plays", "parent", "created_at", "erased")
    list_filter = ("kind", "engine", ("learned_from_erased_at", EmptyFieldListFilter))
    search_fields = ("name", "sha256")
    actions_detail = (
        "promote",
        "check_page",
        "lineage_page",
        "card",
        "diagnosis",
        "divergence",
        "again",
    )
    fields = ("name", "kind", "plays", "lineage", "engine", "checkpoint", "prefix", "best_of",
              "judge", "sha256", "checked", "figures", "created_at", "weights_removed_at",
              "learned_from_erased_at")  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        return super().get_queryset(request).select_related("parent")

    @display(
        description="Kind",
        label={"Base": "info", "Supervised": "warning", "Policy": "success", "Reward model": ""},
    )
    def kind_label(self, version: ModelVersion) -> str:
        return version.get_kind_display()

    @display(description="Plays", label=True)
    def plays(self, version: ModelVersion) -> str:
        return ", ".join(str(Promotion.Role(role).label) for role in roles(version)) or "–"

    @display(description="Learned from erased text", label="warning")
    def erased(self, version: ModelVersion) -> str:
        at = version.learned_from_erased_at
        return f"since {at:%Y-%m-%d}" if at else ""

    @display(description="Trained from")
    def lineage(self, version: ModelVersion) -> str:
        line = ancestors(version)
        if not line:
            return "Nothing here: it is where a line begins."
        links = (
            (reverse("admin:models_service_modelversion_change", args=[v.pk]), v) for v in line
        )
        return format_html_join(" ← ", '<a class="underline" href="{}">{}</a>', links)

    @display(description="Check")
    def checked(self, version: ModelVersion) -> str:
        report = check_report(version)
        if not report:
            return "Not checked yet."
        rows = (
            (
                *((_GOOD, "Works") if one["ok"] else (_BAD, "Does not work")),
                one["title"],
                one["says"],
            )
            for one in report["findings"]
        )
        cells = '<td class="pr-4 {}">{}</td><td class="pr-4 font-semibold">{}</td><td>{}</td>'
        table = format_html_join("", f'<tr class="align-top">{cells}</tr>', rows)
        return format_html("<p>{}</p><table>{}</table>", summary(report), table)

    @action(description="Check", icon="fact_check", permissions=["check_page"])
    def check_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("check-version", pk=object_id)

    def has_check_page_permission(self, request: HttpRequest, object_id: int) -> bool:
        """What can be trained here is checked."""
        trainable = ModelVersion.objects.local()
        return trainable.exclude(kind=Kind.REWARD).filter(pk=object_id).exists()

    @action(description="Promote", icon="trending_up")
    def promote(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """On to the page with the evidence, which says what will happen and asks."""
        return redirect("admin:trainer_promote", pk=object_id)

    @action(description="Lineage", icon="account_tree")
    def lineage_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:trainer_lineage", pk=object_id)

    @action(description="Model card", icon="description")
    def card(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:trainer_card", pk=object_id)

    @action(description="Train again without", icon="replay", permissions=["again"])
    def again(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The form of its round, which freezes the labels that are there now."""
        return redirect("admin:trainer_train_again", pk=object_id)

    def has_again_permission(self, request: HttpRequest, object_id: int) -> bool:
        """For what learned from texts that are erased by now."""
        erased = ModelVersion.objects.filter(learned_from_erased_at__isnull=False)
        return erased.filter(pk=object_id).exists()

    @action(description="Diagnosis", icon="troubleshoot", permissions=["diagnosis"])
    def diagnosis(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:trainer_diagnosis", pk=object_id)

    @action(description="Reward and divergence", icon="show_chart", permissions=["divergence"])
    def divergence(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:trainer_divergence", pk=object_id)

    def has_diagnosis_permission(self, request: HttpRequest, object_id: int) -> bool:
        """Reward models alone are diagnosed."""
        return ModelVersion.objects.filter(pk=object_id, kind=Kind.REWARD).exists()

    def has_divergence_permission(self, request: HttpRequest, object_id: int) -> bool:
        """Others are what policies move away from."""
        return not self.has_diagnosis_permission(request, object_id)


@admin.register(Promotion)
class PromotionAdmin(RecordAdmin):
    empty_hint = "a finished round, or a version on its own page, is promoted."
    list_display = ("at", "role", "version", "by", "reason")
    list_filter = ("role",)
    list_select_related = ("version", "by")
