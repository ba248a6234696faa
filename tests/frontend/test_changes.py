"""What changed between two versions of a guideline."""

from __future__ import annotations

from frontend.changes import rendered_changes


def test_words_are_marked_where_they_stand() -> None:
    html = rendered_changes("Put *helpfulness* first.", "Put *truthfulness* first, always.")
    assert "<em><del>helpfulness</del><ins>truthfulness</ins></em>" in html
    assert "Put " in html and "<ins>first, always.</ins>" in html


def test_whole_lines_keep_their_shape() -> None:
    old = "# Ranking\n\n- one\n- two\n- three\n\nThe end."
    html = rendered_changes(old, "# Ranking\n\n- one\n- three\n- four\n\nThe end.")
    assert "<li><del>two</del></li>" in html
    assert "<li><ins>four</ins></li>" in html
    assert "<li>one</li>" in html and '<p dir="auto">The end.</p>' in html


def test_the_same_text_has_no_marks_and_hostile_text_stays_inert() -> None:
    assert "<ins>" not in rendered_changes("Same.", "Same.")
    html = rendered_changes("a", '<img src=x onerror="alert(1)"> [x](javascript:alert(1))')
    assert "<img" not in html and "<a" not in html
    assert "&lt;img" in html.replace("</ins>", "").replace("<ins>", "")
