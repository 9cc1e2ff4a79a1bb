"""Checkpoints: three lines, one form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.checkpoint import SIZE_MAX, Checkpoint, parse_checkpoint
from ledger_client.errors import FormatError
from ledger_client.note import b64

ROOT = b64(bytes(range(32)))


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"], exclude_characters="+"), min_size=1, max_size=20),
    st.integers(0, SIZE_MAX),
)
def test_a_checkpoint_reads_back(origin: str, size: int) -> None:
    checkpoint = Checkpoint(origin, size, bytes(range(32)))
    assert parse_checkpoint(checkpoint.text) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n5\n",
        f"a\n5\n{ROOT}",
        f"a\n5\n{ROOT}\nmore\n",
        f"\n5\n{ROOT}\n",
        f"a b\n5\n{ROOT}\n",
        f"a+b\n5\n{ROOT}\n",
        f"a\n05\n{ROOT}\n",
        f"a\n00\n{ROOT}\n",
        f"a\n-5\n{ROOT}\n",
        f"a\n+5\n{ROOT}\n",
        f"a\n 5\n{ROOT}\n",
        f"a\n5 \n{ROOT}\n",
        f"a\n٥\n{ROOT}\n",
        f"a\n1_0\n{ROOT}\n",
        f"a\n{1 << 63}\n{ROOT}\n",
        "a\n" + "9" * 5000 + f"\n{ROOT}\n",
        f"a\n5\n{b64(bytes(31))}\n",
        "a\n5\n\n",
        f"a\n5\n{ROOT[:-1]}\n",
        f"a\n5\r\n{ROOT}\n",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_checkpoint(text)
