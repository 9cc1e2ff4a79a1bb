"""Make the browser's libraries of `runtime/faces/web/static/vendor/` from their npm packages, or compare them with what stands there.

    python -m tests.rigs.web_vendor            what stands there is what the packages give (needs npm and the net)
    python -m tests.rigs.web_vendor --write    the same, but write it, and the manifest

Room: tests. A person who changes a version in PACKAGES runs it; the tidy test compares the hashes without the net. Preact, its hooks, the
signals and htm become one ES module, each in a scope of its own: one request, no bare import names (they would need an inline import map,
which the content security policy forbids), and every byte between the seams is the package's own.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path

VENDOR = Path(__file__).parents[2] / "runtime" / "faces" / "web" / "static" / "vendor"
PACKAGES = {
    "preact": ("11.2.0", "MIT"),
    "@preact/signals-core": ("1.14.5", "MIT"),
    "@preact/signals": ("2.11.4", "MIT"),
    "htm": ("3.1.1", "Apache-2.0"),
    "uplot": ("1.6.32", "MIT"),
}
MODULES = (
    ("preact", "preact", "dist/preact.mjs"),
    ("preact/hooks", "preact", "hooks/dist/hooks.mjs"),
    ("@preact/signals-core", "@preact/signals-core", "dist/signals-core.mjs"),
    ("@preact/signals", "@preact/signals", "dist/signals.mjs"),
    ("htm", "htm", "dist/htm.mjs"),
)
NAMES = re.compile(r"\s*,\s*")


def derive(files: dict[tuple[str, str], bytes]) -> dict[str, bytes]:
    """Return file name -> bytes from (package, path) -> bytes. Raises ValueError for a module of another form."""
    parts, offered = [], {}
    for number, (name, package, path) in enumerate(MODULES):
        body, exports = _scope(files[package, path].decode(), offered)
        parts.append(f"// {name} {PACKAGES[package][0]}\nconst m{number} = (() => {{\n{body}\nreturn {{ {', '.join(exports)} }};\n}})();\n")
        offered[name] = f"m{number}"
    taken: dict[str, str] = {}
    for name, module in offered.items():
        found = re.search(rf"const {module} = .*?\nreturn {{ (.*?) }};\n}}\)\(\);\n", "".join(parts), re.DOTALL)
        assert found is not None
        for each in NAMES.split(found[1]):
            key = each.split(":")[0].strip()
            if key != "default":
                taken[key] = module
        del name
    by_module = [(module, sorted(key for key, of in taken.items() if of == module)) for module in offered.values()]
    tail = "".join(f"export const {{ {', '.join(keys)} }} = {module};\n" for module, keys in by_module if keys)
    tail += f"export const htm = {offered['htm']}.default;\nexport const html = htm.bind({offered['preact']}.h);\n"
    plot = files["uplot", "dist/uPlot.iife.min.js"].decode().rstrip() + "\nexport default uPlot;\n"
    made = {"preact.js": ("".join(parts) + tail).encode(), "uplot.js": plot.encode(), "uplot.css": files["uplot", "dist/uPlot.min.css"]}
    for package in PACKAGES:
        made[f"LICENSE-{package.replace('@', '').replace('/', '-')}.txt"] = files[package, "LICENSE"]
    return made


def _scope(text: str, offered: dict[str, str]) -> tuple[str, list[str]]:
    """Return a module's body without imports and exports, and what it exports as members of an object literal."""
    exports: list[str] = []

    def taken(found: re.Match[str]) -> str:
        return f"const {{{_pairs(found[1], 'import')}}} = {offered[found[2]]};"

    def passed_on(found: re.Match[str]) -> str:
        exports.extend(f"{name}: {offered[found[2]]}.{name}" for name in NAMES.split(found[1].strip()))
        return ""

    def given(found: re.Match[str]) -> str:
        exports.extend(_pairs(found[1], "export").split(", "))
        return ""

    def named(found: re.Match[str]) -> str:
        exports.append(found[2])
        return f"{found[1]} {found[2]}"

    text = re.sub(r"\n?//# sourceMappingURL=\S+", "", text).strip()
    text = re.sub(r'import\{([^}]*)\}from"([^"]+)";?', taken, text)
    text = re.sub(r'export\{([^}]*)\}from"([^"]+)";?', passed_on, text)
    text = re.sub(r"export\{([^}]*)\};?", given, text)
    text = re.sub(r"export (function|const|class) (\w+)", named, text)
    if "export default function(" in text:
        text = text.replace("export default function(", "const whole = function(")
        exports.append("default: whole")
    if re.search(r"\b(import|export)[ {*]", text):
        raise ValueError("a module imports or exports in a way that this script does not know")
    return text, exports


def _pairs(names: str, way: str) -> str:
    """Turn `a as b` into members: an import renames what comes in, an export what goes out."""
    found = []
    for each in NAMES.split(names.strip()):
        here, _, other = each.partition(" as ")
        found.append(here if not other else f"{here}: {other}" if way == "import" else f"{other}: {here}")
    return ", ".join(found)


def fetch() -> tuple[dict[tuple[str, str], bytes], dict[str, str]]:
    """Return the files of all packages, and the SHA-256 of each package's tarball; through npm, from wherever it is told to look."""
    files: dict[tuple[str, str], bytes] = {}
    hashes: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for package, (version, _) in PACKAGES.items():
            command = ["npm", "pack", "--silent", f"{package}@{version}"]
            name = subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120).stdout.decode().split()[-1]
            data = (Path(folder) / name).read_bytes()
            hashes[package] = sha256(data).hexdigest()
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for member in tar.getmembers():
                    if member.isfile():
                        held = tar.extractfile(member)
                        assert held is not None
                        files[package, member.name.partition("/")[2]] = held.read()
    return files, hashes


def manifest(made: dict[str, bytes], tarballs: dict[str, str]) -> str:
    """Return manifest.toml."""
    lines = ["# What the browser's libraries are and where they come from; made by `python -m tests.rigs.web_vendor --write`.\n"]
    for package, (version, licence) in PACKAGES.items():
        kept = f"LICENSE-{package.replace('@', '').replace('/', '-')}.txt"
        lines.append(
            f'[[package]]\nname = "{package}"\nversion = "{version}"\nlicence = "{licence}"\nlicence_file = "{kept}"\n'
            f'source = "npm package {package}@{version}"\nsource_sha256 = "{tarballs[package]}"\n'
        )
    lines += [f'[[file]]\nname = "{name}"\nsha256 = "{sha256(data).hexdigest()}"\n' for name, data in sorted(made.items())]
    return "\n".join(lines)


def main() -> int:
    """Compare, or write."""
    files, tarballs = fetch()
    made = derive(files)
    made["manifest.toml"] = manifest(made, tarballs).encode()
    if "--write" in sys.argv[1:]:
        VENDOR.mkdir(parents=True, exist_ok=True)
        for name, data in made.items():
            (VENDOR / name).write_bytes(data)
    differ = sorted(name for name, data in made.items() if not (VENDOR / name).is_file() or (VENDOR / name).read_bytes() != data)
    sys.stdout.write(f"differs: {', '.join(differ)}\n" if differ else f"{len(made)} files are what the packages give\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
