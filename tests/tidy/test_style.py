"""The style as a test: sizes, docstrings, names, and the few constructs that this project does without.

Room: tests. Reads the syntax trees of all code; imports none of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.tidy.source import CODE, PRODUCT, at, name_of, nodes, plain_text, python_files, text_files, tree_of

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60
GENERATED: Final = frozenset({"ledger_client/verifier_page/verify.html"})
"""Made of files that are held to the rule themselves; test_verifier_page.py holds it to them."""
BANNED_WORDS: Final = frozenset({"slave", "master", "sensor", "item", "items", "manager", "helper", "helpers", "utils", "util"})
NAMES_OF_OTHERS: Final = frozenset({"UNCERTAIN_SENSOR_CALIBRATION"})
"""Names that a standard gave: this one is an OPC UA status code."""
BROAD_ALLOWED: Final = frozenset({"runtime/supervisor.py", "ledger_client/outbox.py", "runtime/cli/app.py", "runtime/core_process.py"})
"""The last two: an exit code is a verdict, so a fault of our own must not end as Python ends, with 1."""
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def test_files_hold_one_concept() -> None:
    long = {
        name_of(p): lines
        for p in text_files()
        if p.suffix in {".py", ".sh", ".html", ".js", ".css"}
        and name_of(p) not in GENERATED
        and (lines := plain_text(p).count("\n")) > FILE_LINES_MAX
    }
    assert not long, "a file over 400 lines is a room that has become two"


def test_functions_fit_on_a_screen() -> None:
    long = {
        at(path, node): size for path, node in nodes(CODE) if isinstance(node, FUNCTION) and (size := _lines(node)) > FUNCTION_LINES_MAX
    }
    assert not long


def _lines(function: FUNCTION) -> int:
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def test_a_parameter_of_a_code_may_have_any_name() -> None:
    """A driver's `code=11` must not meet the name of an argument: what takes `**params` of a code takes the rest by position."""
    open_names = [
        at(path, node)
        for path, node in nodes(PRODUCT)
        if isinstance(node, FUNCTION | ast.Lambda) and node.args.kwarg is not None and node.args.kwarg.arg == "params" and node.args.args
    ]
    assert not open_names


def test_every_module_says_which_room_it_is() -> None:
    silent = [name_of(p) for p in python_files(CODE) if not ast.get_docstring(tree_of(p))]
    assert not silent


def test_names_avoid_the_banned_words() -> None:
    bad = [f"{where} {name}" for where, name in _names() if BANNED_WORDS & set(_words(name)) and name not in NAMES_OF_OTHERS]
    bad += [name_of(p) for p in python_files(PRODUCT) if {*BANNED_WORDS, "base"} & set(_words(p.stem))]
    assert not bad, "see docs/glossary.md for the word to use"


def _words(name: str) -> list[str]:
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().split("_")


def _names() -> Iterator[tuple[str, str]]:
    """Yield every name that we gave: definitions, parameters, assigned variables and attributes."""
    for path, node in nodes(PRODUCT):
        if isinstance(node, FUNCTION | ast.ClassDef):
            yield at(path, node), node.name
        elif isinstance(node, ast.arg):
            yield at(path, node), node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield at(path, node), node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield at(path, node), node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield at(path, node), node.asname


def test_no_star_imports() -> None:
    assert not [at(p, n) for p, n in nodes(CODE) if isinstance(n, ast.ImportFrom) and any(a.name == "*" for a in n.names)]


def test_tasks_belong_to_a_group() -> None:
    stray = []
    for path, node in nodes(CODE):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            method = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if method not in ("ensure_future", "create_task"):
                continue
            called = ast.unparse(node.func)
            owner = called.rpartition(".")[0]
            in_group = bool(re.search(r"(^|[._])(tg|tasks|\w*group)$", owner))
            if method == "ensure_future" or (method == "create_task" and not in_group):
                stray.append(f"{at(path, node)} {called}")
    assert not stray, "start tasks in a TaskGroup (named tasks, tg or ..._group)"


def test_only_four_files_may_catch_everything() -> None:
    broad = [at(p, n) for p, n in nodes(PRODUCT) if isinstance(n, ast.ExceptHandler) and _is_broad(n) and name_of(p) not in BROAD_ALLOWED]
    assert not broad


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether it swallows what it does not know; cleaning up and raising again is no swallowing."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(c is None or ast.unparse(c) in {"Exception", "BaseException"} for c in caught)


def test_nothing_is_left_for_later() -> None:
    marks = re.compile("|".join(("TO" + "DO", "FIX" + "ME", r"\bXX" + r"X\b", "Not" + "ImplementedError", "pragma: no " + "cover")))
    found = [f"{name_of(p)}: {line.strip()[:90]}" for p in _code_text() for line in plain_text(p).splitlines() if marks.search(line)]
    assert not found, "finish it, or name it in the issue's closing note"


def _code_text() -> list[Path]:
    return [p for p in text_files() if p.suffix in {".py", ".sh", ".js", ".html", ".css", ".toml"}]


def test_unit_tests_do_not_sleep() -> None:
    """A short nap inside a loop that waits for a condition is fine; sleeping and hoping is not."""
    found = []
    for path in python_files(("tests",)):
        if name_of(path).startswith("tests/unit/"):
            loops = [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.While)]
            naps = {id(n) for loop in loops for n in ast.walk(loop)}
            found += [at(path, n) for n in ast.walk(tree_of(path)) if (s := _slept(n)) and (s > 0.05 or id(n) not in naps)]
    assert not found, "wait for the thing itself, or give the code a virtual clock"


def _slept(node: ast.AST) -> float:
    if not isinstance(node, ast.Call) or ast.unparse(node.func) not in {"time.sleep", "asyncio.sleep", "sleep"}:
        return 0
    return float(node.args[0].value) if isinstance(node.args[0], ast.Constant) else 1e9


def test_no_mocks_and_no_unconditional_skips() -> None:
    banned = ("unittest." + "mock", "from " + "mock", "pytest.mark.sk" + "ip(", "pytest.mark.x" + "fail(")
    found = [f"{name_of(p)}: {b}" for p in python_files(("tests",)) for b in banned if b in plain_text(p)]
    assert not found, "write a fake that keeps the protocol"
