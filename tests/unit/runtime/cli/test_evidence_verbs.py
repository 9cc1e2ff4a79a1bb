"""The evidence verbs as people run them: on files, in an empty folder, with the base install only."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ledger_client.entry import parse
from ledger_client.policy import parse_policy
from ledger_client.policy_text import policy_fingerprint
from ledger_client.proof_link import parse_link
from ledger_client.verify import verify_file
from runtime.cli.app import make_app
from runtime.version import VERSION
from tests.rigs.evidence import EvidenceLog, policy_text
from tests.tidy.source import ROOT
from tests.tidy.test_tree import GATEWAY_ONLY


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return EvidenceLog().typical(6).write(tmp_path / "state")


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(make_app(), [str(a) for a in arguments])
    return result.exit_code, result.stdout


def run_json(*arguments: object) -> tuple[int, dict[str, Any]]:
    code, out = run(*arguments, "--json")
    assert out.count("\n") == 1
    return code, json.loads(out)


def test_waiting_is_not_advised_where_no_witness_is_asked_for(tmp_path: Path) -> None:
    log = EvidenceLog().begin()
    log.batch()
    state = log.write(tmp_path / "state")
    for quorum, error in (("none", "proof_no_witness"), ("2of3", "proof_not_ready")):
        (tmp_path / quorum).write_bytes(policy_text(quorum=quorum))
        code, said = run_json("prove", "--state", state, "--tag", "filler/tag2", "--policy", tmp_path / quorum)
        assert (code, said["error"]) == (2, error)


def test_prove_here_and_verify_anywhere(state: Path, tmp_path: Path) -> None:
    proof = tmp_path / "p.wmproof"
    code, made = run_json("prove", "--state", state, "--tag", "filler/tag2", "-o", proof)
    assert (code, made["verdict"], made["size_bytes"]) == (0, "holds", proof.stat().st_size)
    policy = tmp_path / "policy.txt"
    policy.write_bytes(policy_text())
    extras = tuple(name for name in GATEWAY_ONLY if name != "pydantic")  # Typer itself needs that one
    script = f"import sys\nfor name in {extras!r}: sys.modules[name] = None\nsys.path.insert(0, {str(ROOT)!r})\n"
    script += "from runtime.cli.app import main\nmain()\n"
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [sys.executable, "-I", "-c", script, "verify", str(proof), "--policy", str(policy)]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.search(r"Read at .*as the gateway says.*Entry signed +not before .*not after ", done.stdout, re.DOTALL), "whose time is which"
    for words in ("Everything holds", "filler/tag2", "bar", "w1", "w2", "w3"):
        assert words in done.stdout
    assert list(empty.iterdir()) == []


def test_a_proof_as_a_link_and_as_a_code(state: Path, tmp_path: Path) -> None:
    page, code_file, out = "https://verify.example/verify.html", tmp_path / "code.svg", tmp_path / "p.wmproof"
    asked = ("prove", "--state", state, "--tag", "filler/tag2", "-o", out)
    code, made = run_json(*asked, "--verifier", page, "--qr", code_file)
    assert code == 0
    proof, policy = parse_link(made["link"])
    assert made["link"].startswith(page + "#")
    assert policy is not None
    assert (
        verify_file(proof, parse_policy(policy.encode())).facts["reading"]
        == verify_file(out.read_bytes(), parse_policy(policy_text())).facts["reading"]
    )
    assert code_file.read_text().startswith("<svg")
    assert made["link"] in run(*asked, "--verifier", page)[1]
    assert run_json(*asked, "--qr", code_file)[1]["error"] == "link_needs_verifier"
    assert run_json(*asked, "--verifier", "verify.example")[1]["error"] == "link_invalid"


def test_the_verifier_page_is_handed_out_with_a_policy_or_without(tmp_path: Path) -> None:
    (tmp_path / "policy.txt").write_bytes(policy_text())
    for policy in ((), ("--policy", tmp_path / "policy.txt")):
        code, made = run_json("verify-page", tmp_path / "v.html", *policy)
        page = (tmp_path / "v.html").read_bytes()
        assert (code, made["size_bytes"], made["sha256"]) == (0, len(page), sha256(page).hexdigest())
        assert (b"2of3 2 w1 w2 w3" in page) == bool(policy)
    (tmp_path / "policy.txt").write_bytes(b"quorum nobody\n")
    assert run("verify-page", tmp_path / "w.html", "--policy", tmp_path / "policy.txt")[0] == 2
    assert not (tmp_path / "w.html").exists()


def test_times_as_people_write_them(state: Path, tmp_path: Path) -> None:
    first_ms = parse(EvidenceLog().typical(6).entries[3]).payload.detail[0]
    for at in (first_ms, datetime.fromtimestamp(first_ms / 1000, UTC).isoformat()):
        code, made = run_json("prove", "--state", state, "--tag", "filler/tag2", "--at", at, "-o", tmp_path / "p")
        assert (code, made["reading"]["time_ms"]) == (0, first_ms)
    assert run("prove", "--state", state, "--tag", "filler/tag2", "--at", "yesterday", "-o", tmp_path / "p")[0] == 2
    code, said = run_json("prove", "--state", state, "--tag", "filler/tag9", "-o", tmp_path / "q")
    assert (code, said["error"]) == (2, "tag_not_found")
    code, said = run_json("prove", "--state", state, "--tag", "filler/tag2", "--at", "5", "-o", tmp_path / "q")
    assert (code, said["error"]) == (2, "reading_not_found_before")
    assert not (tmp_path / "q").exists()


def test_exit_codes_tell_the_verdict(state: Path, tmp_path: Path) -> None:
    proof, policy = tmp_path / "p.wmproof", state / "policy.txt"
    assert run("prove", "--state", state, "--tag", "filler/tag2", "-o", proof)[0] == 0
    assert run("verify", proof, "--policy", policy)[0] == 0
    raw = bytearray(proof.read_bytes())
    raw[100] ^= 1
    proof.write_bytes(raw)
    code, report = run_json("verify", proof, "--policy", policy)
    assert (code, report["claims"]["altered"]["code"]) == (1, "file_damaged")
    proof.write_bytes(b"something else")
    assert run_json("verify", proof, "--policy", policy)[1]["error"] == "file_not_ours"
    assert run("verify", proof, "--policy", policy)[0] == 2
    assert run("verify", proof)[0] == 2
    assert run("verify", tmp_path / "nothing", "--policy", policy)[0] == 2
    assert run("verify", tmp_path / "p.wmproof", "--policy", tmp_path / "nothing")[0] == 2


def test_ledger_verbs(state: Path, tmp_path: Path) -> None:
    code, report = run_json("ledger", "verify", "--state", state)
    assert (code, report["verdict"], report["entries"]) == (0, "holds", 11)
    (state / "ledger" / "2").mkdir()
    assert run_json("ledger", "verify", "--state", state, "--epoch", 1)[1]["other_epochs"] == [2]
    (state / "ledger" / "2").rmdir()
    for folder in (state, state / "ledger", state / "ledger" / "1"):
        assert run_json("verify", folder)[1]["verdict"] == "holds"
    code, shown = run_json("ledger", "show", "--state", state, "--last", 3)
    assert [entry["seq"] for entry in shown["entries"]] == [8, 9, 10]
    code, shown = run_json("ledger", "show", "--state", state, "--seq", 9)
    assert shown["entries"][0]["body"]["tags"]["filler/tag1"]["readings"] == 5
    for seq in range(11):
        code, out = run("ledger", "show", "--state", state, "--seq", seq)
        assert code == 0
        assert "Signed by" in out
    assert run("ledger", "show", "--state", state, "--seq", 11)[0] == 2
    assert "receipts" in run("ledger", "show", "--state", state)[1]
    part = tmp_path / "x.wmseg"
    assert run("ledger", "export", "--state", state, "--from", 4, "--to", 8, "-o", part)[0] == 0
    assert run("verify", part, "--policy", state / "policy.txt")[0] == 0
    assert run("ledger", "export", "--state", state, "--from", 4, "--to", 8, "--no-bodies", "-o", part)[0] == 0
    assert run("verify", part, "--policy", state / "policy.txt")[0] == 2
    assert run_json("ledger", "verify", "--state", tmp_path)[1]["error"] == "state_missing"


def test_a_damaged_record_is_found_on_disk(state: Path) -> None:
    segment = next((state / "ledger" / "1").iterdir())
    raw = bytearray(segment.read_bytes())
    raw[4096 + 700] ^= 4
    segment.write_bytes(raw)
    code, report = run_json("ledger", "verify", "--state", state)
    assert (code, report["claims"]["altered"]["status"]) == (1, "fails")


def test_keys_and_help(state: Path, tmp_path: Path) -> None:
    code, key = run_json("keys", "show", "--state", state)
    assert code == 0
    assert f"log {key['vkey']}" in policy_text().decode()
    assert key["policy"] == policy_fingerprint((state / "policy.txt").read_bytes()), "as the verifier shows it"
    assert run("keys", "create", tmp_path / "device.key")[0] == 0
    assert (tmp_path / "device.key").stat().st_mode & 0o777 == 0o600
    assert run_json("keys", "create", tmp_path / "device.key")[1]["error"] == "key_file_exists"
    code, out = run("--help")
    assert code == 0
    assert {"prove", "verify", "ledger", "keys", "anchor"} <= set(out.split())
    assert run("--version") == (0, VERSION + "\n")


def test_archive_lets_readings_go_and_asks_first(tmp_path: Path) -> None:
    log = EvidenceLog().typical(6)
    state = log.write(tmp_path / "state", cut=8)
    assert run_json("ledger", "archive", "--state", state)[1] == {"split": [0], "bodies_dropped": []}
    assert run_json("verify", state)[1]["verdict"] == "holds"
    assert run_json("ledger", "archive", "--state", state, "--drop-bodies-before", 7, "--yes")[1]["bodies_dropped"] == []
    assert run_json("ledger", "archive", "--state", state, "--drop-bodies-before", 8)[1]["error"] == "not_confirmed"
    assert run_json("ledger", "archive", "--state", state, "--drop-bodies-before", 8, "--yes")[1]["bodies_dropped"] == [0]
    code, report = run_json("verify", state)
    assert (code, report["withheld"], report["claims"]["unanchored"]["status"]) == (2, 4, "holds")
