"""The anchor's command line, `witnessmark anchor …`: serve, vkey, enroll, list.

Room: upstream. The gateway's command line executes it as a module and names the file that words its faults (`--words`, a catalogue of
code = "text with {blanks}"); without one they are codes. It wires the parts and prints; with --json one line for other programs.

    <state>/anchor.key       the witness's private key (0600), made at the first start unless --key-file names another
    <state>/anchor.sqlite    what it remembers. Losing it, or restoring an old copy, makes it a witness that forgot
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from anchor.cosigner import Cosigner
from anchor.enroll import enroll, read_vkeys
from anchor.listener import listen, serve
from anchor.mirror import Mirror
from anchor.server import Limits, Service
from anchor.store import Store
from ledger_client.errors import KeyFaultError, LedgerError
from ledger_client.keys import FileKey, create_private, load_private
from ledger_client.token import read_token

DEFAULT_NAME = "anchor.example/witness"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; return 0, or 2 with a message on standard error."""
    options = _parser().parse_args(arguments)
    state: Path = options.state
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with Store(state / "anchor.sqlite") as store:
            return int(options.verb(options, store))
    except (LedgerError, OSError, sqlite3.Error) as error:
        text = _worded(error, options.words) if isinstance(error, LedgerError) else str(error)
        print(f"witnessmark anchor: {text}", file=sys.stderr)
        return 2


def _serve(options: argparse.Namespace, store: Store) -> int:
    cosigner = Cosigner(store, _name(options, store), _key(options), _now_s)
    for source in options.enroll:
        enroll(store, read_vkeys(source), _now_s())
    token = read_token(options.mirror_token_file) if options.mirror_token_file else None
    limits = Limits()
    if bool(options.tls_cert) != bool(options.tls_key):
        raise KeyFaultError("anchor_tls_incomplete")
    tls = (options.tls_cert, options.tls_key) if options.tls_cert else None
    service = Service(store, cosigner, Mirror(store) if token else None, token, limits)
    with listen(options.host, options.port) as sock:
        port = sock.getsockname()[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        facts = {"url": f"{'https' if tls else 'http'}://{host}:{port}", "vkey": cosigner.note_key.vkey, "port": port}
        try:
            serve(service.app(), sock, limits, tls, lambda: _say(options, facts))
        finally:
            service.close()
    return 0


def _vkey(options: argparse.Namespace, store: Store) -> int:
    cosigner = Cosigner(store, _name(options, store), _key(options), _now_s)
    _say(options, {"vkey": cosigner.note_key.vkey})
    return 0


def _enroll(options: argparse.Namespace, store: Store) -> int:
    keys = [key for source in options.source for key in read_vkeys(source)]
    added = enroll(store, keys, _now_s())
    origins = sorted({key.name for key in keys})
    _say(options, {"enrolled": added, "origins": origins if options.json else ", ".join(origins)})
    return 0


def _list(options: argparse.Namespace, store: Store) -> int:
    logs = list(store.logs())
    if options.json:
        rows = [{"origin": r.origin, "vkeys": r.vkeys, "size": r.size, "cosigned_s": r.time_s, "held": r.held} for r in logs]
        _say(options, {"logs": rows})
        return 0
    for log in logs:
        cosigned = datetime.fromtimestamp(log.time_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if log.time_s else "never"
        print(f"{log.origin}  size {log.size}  cosigned {cosigned}  held {log.held}")
    return 0


def _name(options: argparse.Namespace, store: Store) -> str:
    """Return the name to use: the one given, the one remembered, or the default."""
    known = store.identity()
    return str(options.name or (known[0].split("+", 1)[0] if known else DEFAULT_NAME))


def _key(options: argparse.Namespace) -> FileKey:
    if options.key_file:
        return load_private(options.key_file)
    path: Path = options.state / "anchor.key"
    try:
        return load_private(path)
    except KeyFaultError as fault:
        if fault.code != "key_file_missing":
            raise
    return create_private(path)


def _worded(error: LedgerError, words: Path | None) -> str:
    """Return a fault in the words of a catalogue; its code and parameters where there are none or the blanks do not fit."""
    try:
        return str(tomllib.loads(words.read_text(encoding="utf-8"))[error.code]).format_map(error.params) if words else str(error)
    except (OSError, ValueError, KeyError):
        return str(error)


def _say(options: argparse.Namespace, facts: dict[str, object]) -> None:
    if options.json:
        print(json.dumps(facts), flush=True)
    else:
        print("  ".join(f"{name}: {value}" for name, value in facts.items()), flush=True)


def _now_s() -> int:
    return int(time.time())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="witnessmark anchor", description="A witness (and mirror) for the ledgers of many gateways.", allow_abbrev=False
    )
    parser.add_argument("--words", type=Path, help=argparse.SUPPRESS)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state", type=Path, required=True, metavar="DIR", help="where it keeps its memory")
    common.add_argument("--json", action="store_true", help="print one JSON line")
    identity = argparse.ArgumentParser(add_help=False)
    identity.add_argument("--name", help=f"name in cosignatures, a URL without its scheme (first start: {DEFAULT_NAME})")
    identity.add_argument("--key-file", type=Path, metavar="FILE", help="private key, 0600 (else DIR/anchor.key, made when missing)")

    verb = verbs.add_parser("serve", parents=[common, identity], help="answer gateways until SIGTERM")
    verb.add_argument("--host", default="127.0.0.1")
    verb.add_argument("--port", type=int, default=7600, help="0: any free port")
    verb.add_argument("--enroll", action="append", default=[], metavar="SOURCE", help="a vkey, a file or a folder of *.vkey; may repeat")
    verb.add_argument("--mirror-token-file", type=Path, metavar="FILE", help="hold entries too, for those with this token (file 0600)")
    verb.add_argument("--tls-cert", type=Path, metavar="FILE", help="serve https with this certificate chain (PEM)")
    verb.add_argument("--tls-key", type=Path, metavar="FILE", help="and its private key (PEM)")
    verb.set_defaults(verb=_serve)

    verb = verbs.add_parser("vkey", parents=[common, identity], help="print this witness's verifier key")
    verb.set_defaults(verb=_vkey)

    verb = verbs.add_parser("enroll", parents=[common], help="serve these gateways too; a running anchor sees it at once")
    verb.add_argument("source", nargs="+", metavar="SOURCE", help="a vkey, a file or a folder of *.vkey")
    verb.set_defaults(verb=_enroll)

    verb = verbs.add_parser("list", parents=[common], help="print who is enrolled and what was cosigned last")
    verb.set_defaults(verb=_list)
    return parser


if __name__ == "__main__":
    sys.exit(main())
