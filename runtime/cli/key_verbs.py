"""`witnessmark keys show | create`: the device's public key as others need it, and a new key file.

Room: hall. `show` asks the ledger, not the key file, unless a file is named; a private key is never printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ledger_client.errors import FormatError, KeyFaultError, LedgerError
from ledger_client.keys import ALG_ED25519, ALG_ESP256, PublicKey, create_private, from_cose, load_private
from ledger_client.note import device_note_key
from ledger_client.policy import POLICY_SIZE_MAX
from ledger_client.policy_text import policy_fingerprint
from runtime.cli.console import console, fail_with, print_json
from runtime.cli.evidence_verbs import AsJson, Epoch, State
from runtime.cli.places import fail_reading, open_place
from runtime.layout import Layout


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    group = typer.Typer(no_args_is_help=True, help="The device's key: what to enrol, and a new one.")
    group.command("show")(show)
    group.command("create")(create)
    app.add_typer(group, name="keys")


def show(state: State = Path("state"), epoch: Epoch = None, as_json: AsJson = False) -> None:
    """Show the key in force: its id, the log's name, the `log` line for a policy or a witness, and the fingerprint of the policy."""
    place = open_place(state, epoch, as_json=as_json)
    try:
        heads = place.reader.heads(place.reader.size())
        key = from_cose(heads.key[0])
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    more = {"origin": heads.origin, "since_seq": heads.key[1], "vkey": device_note_key(heads.origin, key).vkey}
    _print(key, more | _policy(place.state), as_json=as_json)


def _policy(state: Path | None) -> dict[str, str]:
    """Return the fingerprint of the state folder's policy as the verifier shows it; nothing where there is none to read."""
    try:
        return {"policy": policy_fingerprint(Layout(state).policy.read_bytes()[:POLICY_SIZE_MAX])} if state is not None else {}
    except (FormatError, OSError):
        return {}


def create(
    path: Annotated[Path, typer.Argument(help="The file to make; it must not exist.")],
    p256: Annotated[bool, typer.Option("--p256", help="P-256 instead of Ed25519, for boards whose secure element has no other.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a private key in a file that only its owner can read (0600), and show its public half."""
    try:
        create_private(path, alg=ALG_ESP256 if p256 else ALG_ED25519)
        key = load_private(path).public
    except KeyFaultError as error:
        fail_with(error, as_json=as_json)
    except OSError as error:
        fail_reading(error, as_json=as_json)
    _print(key, {"file": str(path)}, as_json=as_json)


def _print(key: PublicKey, more: dict[str, Any], *, as_json: bool) -> None:
    facts = {"key_id": key.kid.hex(), "algorithm": "Ed25519" if key.alg == ALG_ED25519 else "P-256", "public": key.raw.hex(), **more}
    if as_json:
        print_json(facts)
        return
    out = console()
    for name, value in facts.items():
        out.print(f"{name.replace('_', ' '):>10}  {value}", markup=False)
    if "vkey" in facts:
        out.print(f"\nlog {facts['vkey']}", markup=False, style="bold")
