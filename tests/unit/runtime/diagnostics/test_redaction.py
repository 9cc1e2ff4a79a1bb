"""What is taken out of texts: seeded canaries of every sort, wherever they stand; and what evidence needs stays."""

from __future__ import annotations

import base64
import json
import string
from dataclasses import fields, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from runtime.accounts.claim_code import make_code
from runtime.config import parse_config
from runtime.diagnostics.known_secrets import known_secrets, marked, secrets_in_text
from runtime.diagnostics.redaction import MARK, Redactor, is_secret_name

WORD = st.text(string.ascii_letters + string.digits, min_size=7, max_size=23).map(lambda word: word + "7")
"""A secret. With a 7, so that it is no part of MARK or of another word around it, which stay."""
SEEDS = st.integers(0, 2**63)
AROUND = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\"'\\"), max_size=30)
NAMES = (
    "password", "db_passwd", "Secret", "api_key", "X-Api-Key", "access.token", "claim_code", "csrf", "nonce", "hmac", "client_secret",
    "bindpw",
)  # fmt: skip
PEM = "-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"


def token(seed: int, size: int = 32) -> str:
    return base64.urlsafe_b64encode(Random(seed).randbytes(size)).decode().rstrip("=")


def shapes(seed: int, word: str) -> list[tuple[str, str]]:
    """Return (text with a secret in it, the secret) for each sort."""
    random = Random(seed)
    name, kind = random.choice(NAMES), random.choice(("", "EC ", "RSA ", "ENCRYPTED ", "OPENSSH "))
    body = base64.encodebytes(random.randbytes(120)).decode().strip()
    code, plain = make_code(random.randbytes(13)), token(seed)
    login = base64.b64encode(f"ada:{word}".encode()).decode()
    return [
        (f'{name} = "{word}"', word),
        (f"{name}: {word}, next", word),
        (json.dumps({name: word}), word),
        (json.dumps({"detail": json.dumps({name: word})}), word),
        (f"{name}=>{word}", word),
        (f"# {name}={word}  a comment", word),
        (f"https://ada:{word}@broker.example/x", word),
        (f"mqtt://{word}@broker.example", word),
        (f"opc.tcp://ada:{word}@[::1]:4840/x", word),
        (f"https://host/x?a=1&sig={word}#f", word),
        (f"ada:{word}@broker.example", word),
        (f"Authorization: Bearer {word}", word),
        (f"authorization: Basic {login}", login),
        (f"got Bearer {word} here", word),
        (f"with Basic {login}.", login),
        (f"Cookie: lang=en; witnessmark={word}", word),
        (f"Set-Cookie: a={word}; HttpOnly", word),
        (f"wm_{plain}", plain),
        (f"session {plain} ended", plain),
        (f"eyJhbGciOiJub25lIn0.{word}.", word),
        (f"code {code}", code),
        (f"your password {code[:17].lower()}", code[:17].lower()),
        (PEM.format(kind=kind, body=body), body.splitlines()[1]),
        (json.dumps(PEM.format(kind=kind, body=body)), body.splitlines()[1]),
        (f"-----BEGIN {kind}PRIVATE KEY-----\n{body}", body.splitlines()[-1]),
    ]


@given(SEEDS, WORD, AROUND, AROUND)
def test_no_secret_of_any_sort_is_left(seed: int, word: str, before: str, after: str) -> None:
    for text, secret in shapes(seed, word):
        shown = Redactor().text(f"{before} {text} {after}")
        assert secret not in shown.replace(before, "").replace(after, ""), (text, shown)
        assert MARK in shown


@pytest.mark.parametrize("name", ["wm_gateway01", "ABCDE-FGHJK-MNPQR"])
def test_a_password_is_hidden_behind_any_name(name: str) -> None:
    assert Redactor().text(f"connecting as {name}:s3cretPw@broker.local") == f"connecting as {MARK}@broker.local"


def test_a_token_behind_the_word_basic_is_hidden_whole() -> None:
    assert Redactor().text("Basic eyJhbGciOiJub25lIn0.00000007. and more") == f"Basic {MARK} and more"


@given(SEEDS, WORD)
def test_none_is_left_in_plain_data(seed: int, word: str) -> None:
    found = [text for text, _ in shapes(seed, word)]
    value = {"rows": [[each] for each in found], "by name": dict.fromkeys(found, 1), NAMES[seed % len(NAMES)]: word, "secrets": [word]}
    shown = json.dumps(Redactor().plain(value))
    assert not [secret for _, secret in shapes(seed, word) if secret in shown]


@given(st.text(max_size=300), st.lists(WORD, max_size=3))
def test_a_known_value_is_found_wherever_it_stands(text: str, known: list[str]) -> None:
    shown = Redactor(known).text(text + "".join(f"x{each}y\n" for each in known))
    assert not [each for each in known if each in shown]


def test_a_secret_that_is_a_part_of_the_mark_is_hidden_by_it() -> None:
    assert Redactor(["redacted"]).text("xredactedy\n") == f"x{MARK}y\n"


@pytest.mark.parametrize(
    "text",
    [
        'password_file = "/etc/witnessmark/mail.password"',
        'vkeys = ["witness.example/plant+96b4bcce+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"]',
        "root 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "Filler-Line-4-Station-12-Temperature-Sensor-North-Wing",
        "part_failed part=history fault=ValueError: 3",
        "2026-11-26 03:40:57.123Z info     core: learned_unreadable",
        "https://witness.example:7600/add-checkpoint",
        "Basic information is missing",
        "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    ],
)
def test_what_helps_and_is_no_secret_stays(text: str) -> None:
    assert Redactor().text(text) == text


def test_lines_after_a_key_without_an_end_are_shown_again() -> None:
    shown = Redactor().text('-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n[gateway]\nname = "press"\n')
    assert shown.endswith('[gateway]\nname = "press"\n')
    assert "MIGH" not in shown


def test_what_an_option_model_marks_is_known() -> None:
    class Inner(BaseModel):
        url: str = Field(json_schema_extra={"secret": True})

    class Outer(BaseModel):
        inner: list[Inner]
        name: str = "public"

    assert marked(Outer(inner=[Inner(url="https://a/1")])) == ["https://a/1"]
    url = "https://hooks.example/services/T00/B00/quietplace"
    target = f'[[notify.targets]]\nname = "hook"\ntype = "webhook"\nurl = "{url}"\n'
    for text in ('[gateway]\nname = "g"\n' + target, "[gateway\n" + target):  # the second one is no TOML
        shown = Redactor(secrets_in_text(text)).text(f"{text}\nPOST /services/T00/B00/quietplace failed")
        assert "quietplace" not in shown
    assert "/services/T00/B00/quietplace" in known_secrets(parse_config(f'[gateway]\nname = "g"\n{target}'))


def test_no_section_of_the_configuration_is_left_out() -> None:
    class Marked(BaseModel):
        word: str = Field(json_schema_extra={"secret": True})

    config = parse_config('[gateway]\nname = "g"\n')
    sections = [each.name for each in fields(config) if isinstance(getattr(config, each.name), BaseModel)]
    assert {"ldap", "oidc", "network", "commands"} <= set(sections)
    for name in sections:
        assert known_secrets(replace(config, **{name: Marked(word=f"kept-{name}")})) == [f"kept-{name}"]


@pytest.mark.parametrize(("name", "is_secret"), [("password", True), ("password_file", False), ("key_id", False), ("X-CSRF", True)])
def test_a_secret_is_known_by_its_name(name: str, is_secret: bool) -> None:
    assert is_secret_name(name) is is_secret


@pytest.mark.parametrize("unit", ["a", "token", "a:", "://", "x@y:", '"', "[", "password=", "\\", "- BEGIN ", "basic ", "wm_", "eyJ"])
def test_no_text_takes_long(unit: str) -> None:
    """Twice the text takes at the most some three times the steps: no pattern looks at a text again and again."""
    import time

    def cost(size: int) -> float:
        text = unit * (size // len(unit))
        began = time.thread_time()
        for _ in range(3):
            Redactor().text(text)
        return time.thread_time() - began

    assert cost(64_000) < 12 * cost(16_000) + 0.05
