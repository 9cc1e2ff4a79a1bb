"""The tree as a test: pure files stay pure, packages stay whole, and nothing of a developer's machine is in it.

Room: tests. Reads files; imports none of ours.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import Final

from tests.tidy.source import PRODUCT, ROOT, name_of, nodes, plain_text, python_files, text_files, tree_of

PURE: Final = frozenset(
    {"codec", "codecs", "scaling", "merkle", "chain_rules", "features", "rules", "plant", "planner", "order", "recipe", "oee"}
    | {"schedule", "changeover", "loss"}
    | {"filler", "capper", "meter", "packml", "lag", "register_map", "maps", "pdu", "faults", "view"}
)
"""Names of files that hold rules and formats: the same input gives the same output, always."""
IMPURE_MODULES: Final = frozenset(
    {"asyncio", "time", "os", "socket", "subprocess", "threading", "sqlite3", "pathlib", "shutil", "tempfile"}
)
GATEWAY_ONLY: Final = (
    "pydantic",
    "pymodbus",
    "serial",
    "tomlkit",
    "msgspec",
    "starlette",
    "uvicorn",
    "jinja2",
    "structlog",
    "uvloop",
    "asyncua",
    "paho",
    "numpy",
    "ai_edge_litert",
    "segno",
)


def test_pure_files_hold_no_clock_no_file_no_loop() -> None:
    found = []
    for path in python_files(PRODUCT):
        if path.stem not in PURE:
            continue
        for node in ast.walk(tree_of(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{name_of(path)} imports {n}" for n in names if n.split(".")[0] in IMPURE_MODULES]
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "print", "input"}:
                found.append(f"{name_of(path)} calls {ast.unparse(node.func)}")
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                found.append(f"{name_of(path)} is asynchronous")
    assert not found


def test_package_files_hold_only_words_and_names() -> None:
    busy = []
    for path in python_files(PRODUCT):
        if path.name == "__init__.py":
            allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
            busy += [f"{name_of(path)}:{n.lineno}" for n in tree_of(path).body if not isinstance(n, allowed)]
    assert [b for b in busy if not b.startswith("runtime/cli/")] == [], "__init__.py holds a docstring and the public names"


def test_every_package_is_typed_and_every_module_is_reachable() -> None:
    for package in PRODUCT:
        assert (ROOT / package / "py.typed").is_file(), package
    lonely = {name_of(p.parent) for p in python_files(PRODUCT) if not (p.parent / "__init__.py").is_file() and "nodes" not in p.parts}
    assert not lonely, "folders of modules without __init__.py"


def test_the_environment_is_read_in_few_places() -> None:
    readers = {name_of(p) for p, n in nodes(PRODUCT) if isinstance(n, ast.Attribute) and ast.unparse(n) == "os.environ"}
    readers -= {"runtime/network/privileged.py"}  # whether sudo started it, which sudo says there and nowhere else
    assert len(readers) <= 4, f"configuration is the one TOML file, not the environment: {sorted(readers)}"


def test_no_registry_address_and_no_path_of_a_developer() -> None:
    hosts = ("py" + "pi.org", "pythonhosted" + ".org", "registry." + "npmjs", "deb." + "debian.org")
    hosts += ("--index" + "-url", "--extra-index" + "-url")
    paths = re.compile(
        "|".join((r"(?<![\w.])/ro" + r"ot/\w", r"(?<![\w.])/ho" + r"me/[a-z]", "/Us" + "ers/", r"(?<![\w./])/wo" + r"rk/", "/tmp/" + "wm"))
    )
    found = []
    for path in text_files():
        text = plain_text(path)
        found += [f"{name_of(path)}: {h}" for h in hosts if h in text]
        found += [f"{name_of(path)}: {m.group()}" for m in paths.finditer(text)]
    assert not found


def test_locks_have_hashes_and_the_same_versions() -> None:
    pins = {}
    for name in ("gateway", "dev"):
        text = plain_text(ROOT / "requirements" / f"{name}.lock")
        blocks = re.split(r"\n(?=\S)", text.strip())
        assert all("==" in b and "--hash=sha256:" in b for b in blocks)
        pins[name] = set(re.findall(r"^([a-z0-9._-]+==\S+)", text, flags=re.MULTILINE))
    assert pins["gateway"] < pins["dev"], "the test lock must hold exactly what a gateway runs, and more"


def test_scripts_can_be_run() -> None:
    for name in ("flash.sh", "tests/run", "tests/bump", ".ci/run"):
        assert (ROOT / name).stat().st_mode & 0o111, f"{name} has no run bit"
    assert plain_text(ROOT / "flash.sh").count("\n") < 200
    assert "tests/run" in plain_text(ROOT / ".ci/run")


def test_the_verifier_needs_the_base_install_only() -> None:
    """An auditor's laptop has no gateway extras: with all of them blocked, the verifier and the command must import."""
    blocked = f"import sys\nfor name in {GATEWAY_ONLY!r}: sys.modules[name] = None\n"
    rooms = [
        f"ledger_client.{p.stem}" for p in python_files(("ledger_client",)) if p.parent.name == "ledger_client" and p.stem != "__init__"
    ]
    rooms += ["runtime.cli"] if (ROOT / "runtime" / "cli").is_dir() else []
    code = blocked + "".join(f"import {room}\n" for room in rooms)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
