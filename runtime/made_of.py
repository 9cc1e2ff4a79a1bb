"""What this installation is made of: the Python packages that are installed, and the browser's libraries, as a CycloneDX bill of materials.

Room: hall. The page *About* shows it, diagnostics have it in their bundle. It reads what pip recorded beside each package and
our own manifest; it asks nobody outside.
Source of the form: CycloneDX 1.6 (ECMA-424), package URLs as in the purl specification.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.resources import files
from typing import Any, Final

from runtime.version import VERSION

OWN: Final = "witnessmark"


@dataclass(frozen=True, slots=True)
class Library:
    """One library: `purl` names it across registries, `licence` as its maker wrote it, empty where they did not."""

    name: str
    version: str
    licence: str
    purl: str


@cache
def libraries() -> tuple[Library, ...]:
    """Return everything installed, by name; the browser's libraries among them."""
    found = {}
    for each in metadata.distributions():
        name = str(each.metadata["Name"] or "")
        if name and name.lower() != OWN:
            purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{each.version}"
            found[purl] = Library(name, each.version, _licence(each.metadata), purl)
    manifest = tomllib.loads((files("runtime.faces.web") / "static" / "vendor" / "manifest.toml").read_text(encoding="utf-8"))
    for row in manifest["package"]:
        purl = f"pkg:npm/{row['name'].replace('@', '%40')}@{row['version']}"
        found[purl] = Library(row["name"], row["version"], row["licence"], purl)
    return tuple(sorted(found.values(), key=lambda each: (each.name.lower(), each.purl)))


def bill_of_materials() -> dict[str, Any]:
    """Return it as CycloneDX 1.6."""
    own = {"type": "application", "name": OWN, "version": VERSION, "licenses": [{"license": {"id": "Apache-2.0"}}]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": [
            {"type": "library", "name": each.name, "version": each.version, "purl": each.purl, "bom-ref": each.purl}
            | ({"licenses": [{"license": {"name": each.licence}}]} if each.licence else {})
            for each in libraries()
        ],
    }


def _licence(told: Any) -> str:
    """Return the licence: the expression, else the classifiers', else a short plain field (some put the whole text there)."""
    if told.get("License-Expression"):
        return str(told["License-Expression"])
    classes = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if line.startswith("License ::")]
    plain = str(told.get("License") or "")
    return ", ".join(classes) or (plain if len(plain) <= 60 and "\n" not in plain else "")
