"""The browser's libraries are the bytes that the manifest names, each with its licence, and nothing else lies beside them.

Room: tests. `python -m tests.rigs.web_vendor` compares them with the packages themselves.
"""

from __future__ import annotations

import tomllib
from hashlib import sha256

from tests.rigs.web_vendor import PACKAGES, VENDOR


def test_vendored_files_are_those_of_the_manifest() -> None:
    manifest = tomllib.loads((VENDOR / "manifest.toml").read_text(encoding="utf-8"))
    named = {each["name"]: each["sha256"] for each in manifest["file"]}
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path.name != "manifest.toml"}
    assert found == named
    assert {each["name"]: (each["version"], each["licence"]) for each in manifest["package"]} == PACKAGES
    assert all(each["licence_file"] in named and len(each["source_sha256"]) == 64 for each in manifest["package"])


def test_no_page_and_no_module_names_another_site() -> None:
    web = VENDOR.parents[1]
    files = [*(web / "static").glob("*.*"), *(web / "templates").glob("*.html"), VENDOR / "preact.js"]
    texts = {path.name: path.read_text(encoding="utf-8").replace("http://www.w3.org/", "") for path in files}
    assert [name for name, text in texts.items() if "http://" in text or "https://" in text or "//cdn" in text] == []
    assert [name for name, text in texts.items() if name.endswith(".html") and (" style=" in text or " onclick=" in text)] == []
