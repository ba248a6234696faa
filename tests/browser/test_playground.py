"""A researcher asks two versions side by side, answered by a real sampling worker."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from labeling.models import Prompt, Queue
from models_service.models import ModelVersion
from models_service.services import adopt_base, promote, register_prompted
from tests.browser.conftest import Open
from tests.browser.scenes import demonstration_task
from tests.models_service.remote import completion_server, remote
from tests.workers import celery_worker

__all__ = ["completion_server", "remote"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
QUESTION = "Why is the sky blue, and the sunset red?"
PATIENCE_MS = 40_000  # the worker has PyTorch to load


@pytest.fixture
def sampling_worker(transactional_db: None) -> Iterator[None]:
    """A worker that completes."""
    with celery_worker("sampling"):
        yield


def open_playground(browse: Open, user: User) -> Page:
    page = browse(user)
    page.goto("/admin/playground/")
    return page


def column(page: Page, name: str) -> Any:
    heading = page.get_by_role("heading", name=name, exact=True)
    return page.locator("section").filter(has=heading)


def test_completions_stream_side_by_side_and_the_prompt_goes_to_the_queue(
    browse: Open, rosa: User, sampling_worker: None, remote: Callable[..., ModelVersion]
) -> None:
    base = adopt_base("tiny")
    far = remote("slowly")
    register_prompted(name="not asked", version=base, prefix="Briefly.")
    page = open_playground(browse, rosa)
    expect(page.get_by_text("No reward model is promoted yet")).to_be_visible()
    page.get_by_label("Prompt", exact=True).fill(QUESTION)
    page.get_by_label("Most tokens").fill("24")
    page.get_by_label("Seed").fill("7")
    for name in ("not asked", base.name, far.name):
        page.get_by_role("checkbox", name=re.compile(f"^{re.escape(name)}")).set_checked(
            name != "not asked"
        )
    page.keyboard.press("Control+Enter")

    expect(page.locator(".playground-parts section")).to_have_count(2)
    text = column(page, far.name).locator('[data-slot="text"]')
    # Seen while it is written: the beginning without the end.
    expect(text).to_have_text(re.compile(r"^Answer 7/0 to(?!.*red\?$)"), timeout=PATIENCE_MS)
    for name in (base.name, far.name):
        expect(column(page, name).get_by_text("Finished")).to_be_visible(timeout=PATIENCE_MS)
    expect(text).to_have_text(f"Answer 7/0 to {QUESTION[-40:]}")
    expect(
        column(page, base.name).get_by_text(re.compile(r"\d+ tokens, .* seed 7 · torch"))
    ).to_be_visible()

    page.get_by_role("button", name="Send the prompt into the queue").click()
    expect(page.get_by_text("It is in the queue.")).to_be_visible()
    assert Prompt.objects.get().messages == [{"role": "user", "content": QUESTION}]


def test_what_is_missing_is_said(browse: Open, rosa: User) -> None:
    page = open_playground(browse, rosa)
    expect(page.get_by_text("There is no version that can speak yet.")).to_be_visible()
    adopt_base("tiny")
    page.reload()
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_text("Write a prompt first.")).to_be_visible()
    page.get_by_label("Prompt", exact=True).fill(QUESTION)
    page.get_by_role("checkbox", name="tiny").uncheck()
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_text("Tick at least one version.")).to_be_visible()


def test_it_is_filled_in_as_a_queue_samples(browse: Open, rosa: User) -> None:
    base = adopt_base("tiny")
    promote(role="policy", version=base)
    prompt = demonstration_task("What is tea?").asked
    queue = Queue.objects.create(
        kind="ranking", purpose="training", max_new_tokens=33, temperature=0.7
    )
    page = browse(rosa)
    page.goto(f"/admin/labeling/queue/{queue.pk}/change/")
    page.get_by_role("link", name="Try the answers").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(prompt.last_message)
    expect(page.get_by_label("Most tokens")).to_have_value("33")
    expect(page.get_by_label("Temperature")).to_have_value("0.7")
    expect(page.get_by_role("checkbox", name="tiny")).to_be_checked()


def test_a_remote_model_is_added_in_the_page(browse: Open, rosa: User) -> None:
    base = adopt_base("tiny")
    page = open_playground(browse, rosa)
    page.get_by_role("link", name="Add a remote model").click()
    form = page.locator("form", has=page.get_by_role("heading", name="Behind a server"))
    form.get_by_label("Name here").fill("far")
    form.get_by_label("Base URL").fill("ftp://models.example.org")
    form.get_by_label("Model's name there").fill("big")
    form.get_by_label("Key", exact=True).fill("sk-secret")
    form.get_by_role("button", name="Add the model").click()
    expect(form.get_by_text("must be an http(s) address")).to_be_visible()
    form.get_by_label("Base URL").fill("https://models.example.org/v1")
    form.get_by_text("Where the server differs").click()
    form.get_by_label("Its name for the token limit").fill("max_completion_tokens")
    form.get_by_label("Fields to leave out").fill("temperature, top_p")
    form.get_by_label("Further fields, as JSON").fill("top_k")
    form.get_by_role("button", name="Add the model").click()
    expect(form.get_by_text("extra must be an object")).to_be_visible()
    form.get_by_label("Further fields, as JSON").fill('{"top_k": -1}')
    form.get_by_role("button", name="Add the model").click()
    expect(form.get_by_text("It is added")).to_be_visible()
    far = ModelVersion.objects.get(name="far")
    assert far.key.sealed
    assert far.endpoint["rename"] == {"max_tokens": "max_completion_tokens"}
    assert far.endpoint["omit"] == ["temperature", "top_p"]
    assert far.endpoint["extra"] == {"top_k": -1}

    form = page.locator("form", has=page.get_by_role("heading", name="With a prompt before"))
    form.get_by_label("Name here").fill("prompted")
    form.get_by_label("Model").select_option(label=base.name)
    form.get_by_label("Prefix prompt").fill("Answer briefly.")
    form.get_by_role("button", name="Add the version").click()
    expect(form.get_by_text("It is added")).to_be_visible()
    assert ModelVersion.objects.get(name="prompted").parent == base
