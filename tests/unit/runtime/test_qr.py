"""QR codes: what a phone's reader sees in them is the link that went in, and what does not fit is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import zxingcpp

from ledger_client.errors import FormatError
from ledger_client.proof_link import proof_link
from runtime.qr import QUIET_MODULES, qr_svg
from tests.rigs.evidence import EvidenceLog, policy_text

PAGE = "https://verify.example.com/verify.html"
SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str) -> tuple[str, int]:
    """Draw the SVG's lines as pixels and read the code; return its text and its modules a side."""
    root = ET.fromstring(svg)
    path = root.find(f".//{SVG}path[@class='qrline']")
    ground = re.search(r"M0 0h(\d+)v", svg)
    assert path is not None
    assert ground is not None
    side = int(ground[1])
    modules = np.full((side, side), 255, np.uint8)
    x, y = 0.0, 0.0
    for verb, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", path.attrib["d"]):
        if verb == "h":
            modules[int(y), int(x) : int(x) + int(first)] = 0
            x += int(first)
        else:
            x, y = (float(first), float(second)) if verb == "M" else (x + float(first), y + float(second))
    found = zxingcpp.read_barcodes(np.kron(modules, np.ones((4, 4), np.uint8)))
    return found[0].text, side - 2 * QUIET_MODULES


def test_links_of_young_and_of_old_ledgers_are_read_back() -> None:
    log = EvidenceLog().begin(tags=24)
    log.batch()
    log.receipts(names=("w1",))
    proof = log.proof(log.batch(scans=42), tag_uid=11, place=20)
    old = replace(proof, path=tuple(sha256(bytes([i])).digest() for i in range(20)))
    for name, link in (
        ("young", proof_link(EvidenceLog().typical(3).proof(4).encode(), PAGE)),
        ("a million entries", proof_link(old.encode(), PAGE)),
    ):
        text, modules = drawn(qr_svg(link))
        assert text == link, name
        print(f"{name}: link of {len(link)} characters, {modules} modules, version {(modules - 17) // 4}")
        assert modules <= 157


def test_it_stands_by_itself_and_says_nothing_else() -> None:
    svg = qr_svg(PAGE)
    assert drawn(svg)[0] == PAGE
    assert svg.startswith("<svg xmlns=")
    assert "width=" not in svg.split(">")[0], "its box gives the size"
    assert "<script" not in svg


def test_what_does_not_fit_is_refused() -> None:
    log = EvidenceLog().typical(3)
    proof = log.proof(4)
    far = replace(proof, path=tuple(sha256(bytes([i])).digest() for i in range(60)))
    with pytest.raises(FormatError, match="link_too_long"):
        qr_svg(proof_link(far.encode(), PAGE, policy_text()))
