"""`learned show`: a span that was refused is told from registers that are refused one by one."""

from __future__ import annotations

from runtime.cli.learned_verbs import lines


def test_a_refused_span_was_one_request() -> None:
    facts = {"tables": {"holding": {"answered": [[110, 113]], "refused": [[107, 108, 2], [112, 116, 2]]}}}
    assert list(lines(facts)) == [
        "holding answered: 110-112",
        "holding refused: 107 (exception 2), 112-115 in one request (exception 2)",
    ]
