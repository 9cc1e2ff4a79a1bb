"""Make the verifier page out of its modules: `python -m tests.make_verifier_page` (from the repository's root).

Room: tests; a tool for developers. It puts the modules into one script, the reasons of the catalogues beside it, and the hashes
of script and style into the page's own security policy. The same sources give the same bytes. It optimises nothing: whoever reads
the page reads the modules.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256

from ledger_client.claims import CLAIMS
from ledger_client.verifier_page.embed import PAGE_FILE
from runtime.messages.catalogue import catalogue

SOURCES = PAGE_FILE.parent / "source"
ENTRY = "page.js"
GAP_CAUSES = frozenset(
    {
        "bad_answer",
        "breaker_open",
        "connect_failed",
        "connection_lost",
        "device_exception",
        "line_busy",
        "messages_lost",
        "name_unknown",
        "no_answer",
    }
    | {"notifications_lost", "overflow", "publisher_offline", "tls_refused", "unit_busy", "unit_unreachable"}
)
"""The causes of gaps that the page words; a rarer one it shows as it stands in the entry."""
IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"\./(\w+\.js)";\n', re.MULTILINE)
EXPORTED = re.compile(r"^export (?:async )?(?:function|class|const) (?:(\w+)|\[([^\]]*)\])", re.MULTILINE)


def page() -> str:
    """Return the whole page."""
    script = "\n" + script_of(ENTRY) + "\n"
    css = "\n" + (SOURCES / "page.css").read_text(encoding="utf-8")
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; "
        f"script-src '{_hash(script)}'; style-src '{_hash(css)}'"
    )
    blanks = {
        "csp": policy,
        "css": css,
        "site": json.dumps({"version": sha256(script.encode()).hexdigest()[:12], "policy": None}),
        "reasons": json.dumps({language: reasons(language, script) for language in ("en", "zh")}, ensure_ascii=False, indent=1),
        "script": script,
    }
    template = (SOURCES / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda blank: blanks[blank[1]], template)


def script_of(entry: str) -> str:
    """Return the modules as one script in strict mode: each a function of its own, after those that it imports."""
    order: list[str] = []
    _visit(entry, order, [])
    parts = []
    for name in order:
        text = (SOURCES / name).read_text(encoding="utf-8")
        wanted = "".join(f"const {{{names.rstrip(', ')} }} = {_variable(module)};\n" for names, module in IMPORT.findall(text))
        body = re.sub(r"^export (?=async|function|class|const)", "", IMPORT.sub("", text), flags=re.MULTILINE)
        parts.append(
            f"// ---- {name}\nconst {_variable(name)} = (() => {{\n{wanted}{body}return {{ {', '.join(_exports(text))} }};\n}})();\n"
        )
    script = '(() => {\n"use strict";\n' + "\n".join(parts) + "})();"
    if re.search(r"^(import|export)\b", script, re.MULTILINE) or "</script" in script or "<!--" in script:
        raise ValueError("a module that cannot stand in one script")
    return script


def _variable(module: str) -> str:
    return "from_" + module.removesuffix(".js")


def _exports(text: str) -> list[str]:
    found = [next(group for group in match if group) for match in EXPORTED.findall(text)]
    return [name for group in found for name in re.findall(r"\w+", group)]


def _visit(name: str, order: list[str], open_modules: list[str]) -> None:
    if name in open_modules:
        raise ValueError(f"modules import each other: {open_modules}")
    if name in order:
        return
    text = (SOURCES / name).read_text(encoding="utf-8")
    for names, module in IMPORT.findall(text):
        missing = set(re.findall(r"\w+", names)) - set(_exports((SOURCES / module).read_text(encoding="utf-8")))
        if missing:
            raise ValueError(f"{name} imports {missing}, which {module} does not export")
        _visit(module, order, [*open_modules, name])
    order.append(name)


def reasons(language: str, script: str) -> dict[str, str]:
    """Return the catalogue's words of every code that the script gives, and of the claims."""
    given = set(re.findall(r'"([a-z]+_[a-z0-9_]+)"', script)) | {f"claim.{name}" for name in CLAIMS} | GAP_CAUSES
    given |= {f"{cause}.sort" for cause in GAP_CAUSES}
    return {code: text for code, text in catalogue(language).items() if code in given}


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


if __name__ == "__main__":
    PAGE_FILE.write_text(page(), encoding="utf-8")
    print(f"{PAGE_FILE}: {PAGE_FILE.stat().st_size} bytes, sha256 {sha256(PAGE_FILE.read_bytes()).hexdigest()}")
