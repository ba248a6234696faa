"""How easily the code is walked: the measures of the house, one row each, then one JSON line.

    make measure

It reads the files of the checkout and imports nothing of them, but for one row: a process of its
own reads the settings and must start nothing.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = [
    name
    for name in ("config", "operations", "frontend", "trainer", "labeling", "models_service",
                 "accounts", "core")
    if (ROOT / name).is_dir()
]  # fmt: skip
HARD = ("trainer/algorithms", "models_service/lm")
LONG_HTML = 120
# Comments that speak to a tool give no reason.
_FOR_TOOLS = ("# noqa", "# type:", "# fmt:", "#!")


def main() -> None:
    rows = {
        "loose modules at the trainer's root": _loose("trainer"),
        "depth of imports": _depth(),
        "functions private and used once, %": _used_once(),
        **{f"comment lines a hundred in {folder}": _comments(folder) for folder in HARD},
        "test code to code": _ratio(ROOT / "tests", *(ROOT / app for app in APPS)),
        **{f"test code to code, {app}": _ratio(ROOT / "tests" / app, ROOT / app) for app in APPS},
        "errors of tsc": _node_tool("tsc", "--pretty", "false", told=": error TS"),
        "errors of ESLint": _node_tool("eslint", "--format", "json", "static", told='"severity":2'),
        **_html(),
        "started by reading the settings": _started(),
    }
    for title, value in rows.items():
        print(f"{title:<48} {'not measured: the tool is not here' if value is None else value}")
    print(json.dumps({"benchmark": "house", **rows}))


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.py")) if "migrations" not in path.parts)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _loose(app: str) -> int:
    return sum(path.name != "__init__.py" for path in (ROOT / app).glob("*.py"))


def _depth() -> int:
    """The longest chain of modules of which each imports the next while it is loaded."""
    modules = {_name(path): path for app in APPS for path in _sources(ROOT / app)}
    known: dict[str, int] = {}

    def depth(module: str, above: frozenset[str]) -> int:
        if module in above:
            return 0  # a circle adds nothing to the depth
        if module not in known:
            below = (depth(m, above | {module}) for m in _imports(modules[module], modules))
            known[module] = 1 + max(below, default=0)
        return known[module]

    return max(depth(module, frozenset()) for module in modules)


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path, modules: dict[str, Path]) -> set[str]:
    found = set()
    for node in _tree(path).body:  # what functions import is loaded later
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules else node.module)
    return (found & modules.keys()) - {_name(path)}


def _used_once() -> float:
    total = once = 0
    for path in (path for app in APPS for path in _sources(ROOT / app)):
        nodes = list(ast.walk(_tree(path)))
        uses = Counter(
            node.id if isinstance(node, ast.Name) else node.attr
            for node in nodes
            if isinstance(node, ast.Name | ast.Attribute)
        )
        functions = [n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        total += len(functions)
        once += sum(
            name.startswith("_") and not name.startswith("__") and uses[name] == 1
            for name in functions
        )
    return round(100 * once / total, 1)


def _comments(folder: str) -> float:
    lines = comments = 0
    for path in _sources(ROOT / folder):
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                reason = not token.string.startswith(_FOR_TOOLS)
                comments += token.type == tokenize.COMMENT and reason
        lines += _lines(path)
    return round(100 * comments / lines, 1)


def _lines(path: Path) -> int:
    return path.read_text().count("\n")


def _ratio(tests: Path, *code: Path) -> float:
    written = sum(_lines(path) for folder in code for path in _sources(folder))
    return round(sum(_lines(path) for path in _sources(tests)) / written, 2)


def _node_tool(name: str, *arguments: str, told: str) -> int | None:
    """The errors that the tool prints; `make measure` installs it where there is npm."""
    program = ROOT / "frontend" / "node_modules" / ".bin" / name
    if not program.exists():
        return None
    done = subprocess.run(
        [program, *arguments], cwd=ROOT / "frontend", capture_output=True, text=True
    )
    errors = done.stdout.count(told)
    if done.returncode and not errors:
        raise RuntimeError(f"{name} did not run: {done.stdout}{done.stderr}")
    return errors


def _html() -> dict[str, float]:
    files = [
        path
        for app in APPS
        for path in (ROOT / app).rglob("*.html")
        if "node_modules" not in path.parts
    ]
    lengths = [len(line) for path in files for line in path.read_text().splitlines()]
    long = sum(length > LONG_HTML for length in lengths)
    return {
        f"HTML lines over {LONG_HTML}, %": round(100 * long / len(lengths), 1),
        "longest HTML line": max(lengths),
    }


def _started() -> list[str]:
    """What of the embedded services leaves a trace when only the settings are read."""
    with tempfile.TemporaryDirectory() as folder:
        given = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
        subprocess.run(
            [sys.executable, "-c", "import config.settings"],
            cwd=ROOT,
            env={**given, "DATA_DIR": folder},
            check=True,
        )
        return sorted(path.name for path in Path(folder).iterdir() if path.is_dir())


if __name__ == "__main__":
    main()
