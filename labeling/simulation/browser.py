"""A labeler's browser without the pictures: the login page with its CSRF token, then the API."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

import httpx

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class LoginFailed(Exception):
    """The login page did not let this account in."""


class Browser:
    """One logged-in session. Use as a context manager."""

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        # Given up before the server gives it up, or a request may meet a closing connection.
        limits = httpx.Limits(keepalive_expiry=1.0)
        self._http = httpx.Client(base_url=url, timeout=timeout, limits=limits)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def log_in(self, name: str, password: str) -> None:
        """Fill in the login page. Raises LoginFailed."""
        token = _TOKEN.search(self._http.get("/login/").raise_for_status().text)
        if token is None:
            raise LoginFailed(f"{self._http.base_url} shows no login page")
        form = {"username": name, "password": password, "csrfmiddlewaretoken": token[1]}
        if self._http.post("/login/", data=form).status_code != 302:
            raise LoginFailed(f"the login page refused {name}")

    def claim(self, kind: str) -> dict[str, Any] | None:
        """The next assignment of this kind, None when nothing waits."""
        response = self._post("assignments/claim/", {"kinds": [kind]})
        return None if response.status_code == 204 else response.json()

    def save_draft(self, assignment: dict[str, Any], draft: dict[str, Any]) -> None:
        """Keep a draft, as the page does while somebody works."""
        body = {"draft": draft, "draft_version": assignment["draft_version"]}
        self._send("PUT", f"assignments/{assignment['id']}/draft/", body)

    def submit(self, assignment: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Send the label."""
        return self._post(f"assignments/{assignment['id']}/submit/", body).json()

    def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return self._send("POST", path, body)

    def _send(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        token = {"X-CSRFToken": self._http.cookies["csrftoken"]}
        response = self._http.request(method, f"/api/v1/{path}", json=body, headers=token)
        if response.is_error:
            raise httpx.HTTPStatusError(
                f"{method} {path}: {response.status_code} {response.text[:500]}",
                request=response.request,
                response=response,
            )
        return response
