"""Every form asks why where the core, or the same act's verb of the command line, wants to know: its field is `required`.

Which acts want it is asked of a core, with a reason and without, and read out of the verbs; which forms send them, out of the templates.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import rows
from runtime.faces.web.face import Face
from runtime.faces.web.stream import Fanout
from runtime.permissions import ACTIONS, REASONED
from tests.rigs.core import Plant, prepare, running, two_devices
from tests.rigs.field import after
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run
from tests.tidy.source import ROOT

WEB: Final = ROOT / "runtime" / "faces" / "web"
PARAMS: Final = {"audit.review": {"first": 0, "last": 0}}
"""What an act must name before it asks why."""
FORM: Final = re.compile(r"<form\b.*?</form>", re.DOTALL)
ADDRESS: Final = re.compile(r'(?:data-post|data-to|formaction|action)="(/[^"]*)"')
FIELD: Final = re.compile(r'<input [^>]*name="reason"[^>]*>|\{\{ reason\([^}]*\) \}\}')
SCRIPT_FIELD: Final = re.compile(r'<(?:\$\{Field\}|input) (?:(?! />).)*?(?:name="(?:\w+-)?reason"|id="why")(?:(?! />).)* />')


def wanted_by_the_core() -> set[str]:
    """Return the acts that are answered otherwise when nobody says why."""
    found: set[str] = set()

    async def program(clock: VirtualClock) -> None:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, two_devices())
        async with running(disk, clock, plant) as now:
            await after(clock, 5)
            for action in sorted(now.core.door.actions):
                asked: dict[str, Any] = {"params": PARAMS.get(action, {})}
                blank = await now.act(action, **asked, reason=" ")
                if "refused" in blank and blank != await now.act(action, **asked, reason="because"):
                    found.add(action)

    run(program, seed=1)
    return found


def wanted_by_verbs() -> set[str]:
    """Return the acts of verbs whose `--reason` has no default."""
    found: set[str] = set()
    for path in (ROOT / "runtime" / "cli").glob("*_verbs.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            given = function.args.args
            must = given[: len(given) - len(function.args.defaults)]
            if any(each.arg == "reason" and each.annotation is not None and ast.unparse(each.annotation) != "str" for each in must):
                texts = {each.value for each in ast.walk(function) if isinstance(each, ast.Constant)}
                found |= ACTIONS.keys() & texts
    return found


def actions_of(form: str, table: dict[str, str]) -> set[str]:
    """Return what a form's addresses do; a part of one that is reckoned may be anything."""
    found = set()
    for address in ADDRESS.findall(form):
        pattern = re.compile("[^/]+".join(map(re.escape, re.split(r"\{\{.*?\}\}", address))))
        found |= {action for path, action in table.items() if pattern.fullmatch(path)}
    return found


def forms() -> Iterator[tuple[str, str]]:
    for path in sorted((WEB / "templates").glob("*.html")):
        for form in FORM.findall(path.read_text(encoding="utf-8")):
            yield path.name, form


def asks(field: str) -> bool:
    """Whether a field, or the macro that makes it, wants something typed, or has it already."""
    macro_asks = field.startswith("{{") and (field.endswith(("true) }}", "reason() }}")))
    return macro_asks or bool(re.search(r'\brequired\b|type="hidden"', field))


def test_a_form_whose_act_wants_a_reason_asks_for_it(tmp_path: Path) -> None:
    table = {row.path: row.action for row in rows(Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")) if row.method == "POST"}
    core, verbs = wanted_by_the_core(), wanted_by_verbs()
    assert core >= REASONED | {"alarm.shelve", "alarm.out_of_service", "audit.review", "diag.bundle"}
    assert {"account.create", "account.disable", "token.create", "policy.set", "net.edit"} <= verbs - core
    looked_at: set[str] = set()
    faults = []
    for name, form in forms():
        acts, fields = actions_of(form, table), FIELD.findall(form)
        looked_at |= acts if fields else set()
        if acts & (core | verbs):
            faults += [f"{name}: {', '.join(sorted(acts))}: {field}" for field in fields if not asks(field)]
        if acts and acts <= core | verbs and not fields:
            faults.append(f"{name}: {', '.join(sorted(acts))}: no field")
    assert not faults, "these are sent without saying why:\n" + "\n".join(faults)
    assert {"alarm.shelve", "audit.review", "account.roles", "token.create", "config.edit", "model.learn"} <= looked_at, "what was walked"


def test_a_script_whose_form_has_the_field_asks_for_it() -> None:
    found = {path.name: SCRIPT_FIELD.findall(path.read_text(encoding="utf-8")) for path in (WEB / "static").glob("*.js")}
    assert {name for name, fields in found.items() if fields} >= {
        "alarms.js", "commands.js", "config_waiting.js", "diagnostics_bundle.js", "network.js", "setup.js",
    }  # fmt: skip
    assert [f"{name}: {field}" for name, fields in found.items() for field in fields if " required" not in field] == []
    named = [path.name for path in (WEB / "static").glob("*.js") if re.search(r'name="(\w+-)?reason"', path.read_text(encoding="utf-8"))]
    assert {name for name in named if not found[name]} == set(), "a field that this test cannot read"


def test_the_macros_of_a_reason_are_as_this_test_reads_them() -> None:
    shared = (WEB / "templates" / "reason.html").read_text(encoding="utf-8")
    assert re.search(r'macro reason\(\) %\}<label>.*name="reason" required', shared)
    pages = {path.name: path.read_text(encoding="utf-8") for path in (WEB / "templates").glob("*.html")}
    assert [name for name, page in pages.items() if "macro reason()" in page] == ["reason.html"], "there is one, and nobody's own beside it"
    taken = {name for name, page in pages.items() if re.search(r"\breason\(\)", page)} - {"reason.html"}
    assert taken >= {"certificate.html", "network.html", "people.html"}
    assert [name for name in taken if '{% from "reason.html" import reason with context %}' not in pages[name]] == []
    models = (WEB / "templates" / "model_forms.html").read_text(encoding="utf-8")
    assert re.search(r"macro reason\(id, code, given, required\) %\}.*\{\{ ' required' if required \}\}", models)
