"""Formulas: what plain arithmetic says, in the order that the README gives; and whatever is written, no more than a bounded cost."""

from __future__ import annotations

import contextlib
import math
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.reading import Status, Value
from drivers.virtual.formula import parse
from drivers.virtual.operations import WHOLE_MAX, ReckonError
from drivers.virtual.tokens import LENGTH_MAX, FormulaError


def reckon(text: str, **inputs: Value) -> Value:
    """Return the value of a formula; the input `x` stands in it as [d/x]."""
    return parse(text).reckon(lambda name: inputs[name.removeprefix("d/")])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("2 - 3 - 4", -5),
        ("2 ** 3 ** 2", 512.0),
        ("-2 ** 2", -4.0),
        ("2 ** -1", 0.5),
        ("7 // 2", 3),
        ("-7 % 3", 2),
        ("1 / 4", 0.25),
        ("6 & 3", 2),
        ("6 | 1", 7),
        ("6 ^ 3", 5),
        ("~0 & 0xFF", 255),
        ("1 << 4 + 1", 32),
        ("[d/x] & 0x0F == 5", True),
        ("not [d/x] & 1", False),
        ("1 < 2 and 2 < 1 or true", True),
        ("not not true", True),
        ("not not not true", False),
        ("if [d/x] > 20 then 1 else if [d/x] > 10 then 2 else 3", 1),
        ('"AUTO" == "AUTO"', True),
        ('"AUTO" != "HAND"', True),
        ("min(3, 1, 2) + max(1, 2)", 3),
        ("abs(-3)", 3),
        ("round(2.5)", 2),
        ("round(2.345, 2)", 2.35),
        ("round(1234, 0 - 2)", 1200),
        ("floor(-1.5)", -2),
        ("ceil(1.2)", 2),
        ("sqrt(9)", 3.0),
        ("ln(exp(1))", 1.0),
        ("log10(1000)", 3.0),
        ("true + true", 2),
        ("1e3", 1000.0),
        ("[d/x]*2", 42),
        ("- - 3", 3),
        ("1.5 >= 1.5", True),
    ],
)
def test_what_a_formula_gives(text: str, value: Value) -> None:
    found = reckon(text, x=21)
    assert found == pytest.approx(value)
    assert isinstance(found, bool) is isinstance(value, bool)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "config_formula_unexpected"),
        ("1 +", "config_formula_unexpected"),
        ("(1", "config_formula_needs"),
        ("1 2", "config_formula_unexpected"),
        ("1 < 2 < 3", "config_formula_unexpected"),
        ("if 1 then 2", "config_formula_needs"),
        ("x + 1", "config_formula_word"),
        ("__import__", "config_formula_word"),
        ("eval(1)", "config_formula_word"),
        ("min(1)", "config_formula_arguments"),
        ("abs(1, 2)", "config_formula_arguments"),
        ("min", "config_formula_needs"),
        ("[d/x", "config_formula_sign"),
        ("1.", "config_formula_sign"),
        ("1.5.2", "config_formula_sign"),
        ("0x", "config_formula_sign"),
        ("d/x", "config_formula_word"),
        ("1; 2", "config_formula_sign"),
        ("'a'", "config_formula_sign"),
        ("1" * 600, "config_formula_long"),
        ("(" * 60 + "1" + ")" * 60, "config_formula_deep"),
        ("-" * 60 + "1", "config_formula_deep"),
        ("2" + "**2" * 60, "config_formula_deep"),
        ("9" * 30, "config_formula_sign"),
        ("1 = 1", "config_formula_sign"),
        ("[d/x] * 1e999", "config_formula_number"),
        ("[d/x] + 0.5e-400", "config_formula_number"),
        ("[d/x].real", "config_formula_sign"),
        ("min(1,)", "config_formula_unexpected"),
    ],
)
def test_what_means_nothing_is_refused_and_said_where(text: str, code: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert caught.value.code == code
    assert all(isinstance(value, str | int) for value in caught.value.params.values())


@pytest.mark.parametrize(
    "text",
    [
        "1 / [d/zero]",
        "1 % 0",
        "1 // 0.0",
        "sqrt(-1)",
        "ln(0)",
        "10 ** 400",
        "(0 - 8) ** 0.5",
        "exp(1e3)",
        "1 << 64",
        "1 << -1",
        "0xFFFFFFFFFFFFFFFF << 60",
        "1.5 & 1",
        "[d/nan] & 1",
        "not [d/nan]",
        "floor([d/nan])",
        "round(1, 99)",
        "0xFFFFFFFFFFFFFFFF * 0xFFFFFFFFFFFFFFFF",
        "[d/long] + 1 & 1",
        "[d/nan] > 80",
        "not ([d/nan] > 80)",
        "80 >= [d/nan]",
        "[d/nan] == 1",
        "[d/nan] != 1",
        "if [d/nan] > 80 then 1 else 0",
        "max([d/zero], [d/nan]) < 80",
        "[d/large] * [d/large]",
        "[d/large] * [d/large] - [d/large] * [d/large]",
        "if [d/large] * [d/large] > 5 then 1 else 0",
        "0 - 1e300 * 1e300",
        "3 ** 41",
        "(0 - 3) ** 0xFFFFFFFFFFFFFFFF",
        "floor([d/long] / 1)",
        "ceil([d/long] * 1.0)",
        "round([d/long] + 0.5)",
        "[d/long] / 1 & 1",
        "floor(1e17)",
        "[d/odd] * 1.0 & 1",
        "9007199254740993.0 & 1",
        "[d/odd] % 10.0 & 15",
        "[d/odd] / 1 % 1000 & 1023",
        "round([d/odd] - 9007199254740000.0)",
        "floor(([d/odd] / 1 - 9007199254740000) * 1 / 1)",
        "round(abs(9007199254740000.0 - [d/odd]), 2) & 1023",
        "[d/odd] // 10.0 & 1",
    ],
)
def test_no_result_is_out_of_range(text: str) -> None:
    with pytest.raises(ReckonError) as caught:
        reckon(text, zero=0, nan=math.nan, long=WHOLE_MAX, large=1e200, odd=(1 << 53) + 1)
    assert caught.value.status == Status.BAD_OUT_OF_RANGE


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[d/x] ** 2", 3037000499**2),
        ("3 ** 40", 3**40),
        ("(0 - 3) ** 39", -(3**39)),
        ("2 ** 64", 1 << 64),
        ("(0 - 1) ** 0xFFFFFFFFFFFFFFFF", -1),
        ("[d/zero] ** 0", 1),
        ("3 ** 20.0", 3.0**20),
        ("2 ** (0 - 2)", 0.25),
        ("[d/float] & 0x0F", 0),
        ("floor([d/float])", 1 << 60),
        ("floor(max([d/float], 3))", 1 << 60),
        ("0.0e-400 + 0", 0.0),
        ("[d/ns] % 10", 3),
        ("[d/ns] // 1000000000", 1795814400),
        ("round([d/ns] / 1e9)", 1795814400),
        ("round([d/ns] / 1 / 1e9)", 1795814400),
        ("[d/float] % 1000 & 1023", (1 << 60) % 1000),
        ("9007199254740991.0 % 1000 & 1023", 991),
    ],
)
def test_whole_numbers_stay_exact(text: str, value: float) -> None:
    found = reckon(text, x=3037000499, zero=0, float=float(1 << 60), ns=1795814400000000003)
    assert (found, type(found)) == (value, type(value))


@given(st.integers(-(1 << 64), 1 << 64), st.integers(0, 1 << 64))
def test_a_whole_power_is_exact_or_out_of_range(base: int, exponent: int) -> None:
    for times in (exponent % 70, exponent):
        small = abs(base) <= 1
        if small or (times <= 64 and abs(base) ** times <= WHOLE_MAX):
            found = reckon("[d/x] ** [d/n]", x=base, n=times)
            assert (found, type(found)) == (base ** (times % 2 or 2 * (times > 0)) if small else base**times, int)
        else:
            with pytest.raises(ReckonError, match="OUT_OF_RANGE"):
                reckon("[d/x] ** [d/n]", x=base, n=times)


@pytest.mark.parametrize("text", ["[d/inf] * 2", "[d/inf] + 1", "abs([d/inf])"])
def test_an_input_that_is_infinite_stays_so(text: str) -> None:
    assert reckon(text, inf=math.inf) == math.inf


@pytest.mark.parametrize("text", ["min([d/nan], 3)", "min(3, [d/nan])", "max(3, [d/nan], 4)", "max([d/nan], 3)", "[d/nan] + 1"])
def test_what_is_reckoned_from_no_number_is_none_wherever_it_stands(text: str) -> None:
    found = reckon(text, nan=math.nan)
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize("text", ['"a" + 1', '"a" == 1', 'not "a"', "[d/none] + 1", 'min("a", 1)', '"a" < "b"'])
def test_text_and_nothing_are_no_numbers(text: str) -> None:
    with pytest.raises(ReckonError) as caught:
        reckon(text, none=None)
    assert caught.value.status == Status.BAD_CONFIGURATION_ERROR


def test_only_what_decides_is_asked_for() -> None:
    asked: list[str] = []

    def get(name: str) -> Value:
        asked.append(name)
        return name == "d/yes"

    formula = parse("if [d/yes] then [d/no] and [d/a] else [d/b]")
    assert formula.inputs == ("d/yes", "d/no", "d/a", "d/b")
    assert formula.reckon(get) is False
    assert asked == ["d/yes", "d/no"]


leaves = st.integers(-9, 9) | st.floats(-9, 9, allow_nan=False).map(lambda value: round(value, 3))
PLAIN = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "<": operator.lt, ">=": operator.ge, "==": operator.eq, "max": max, "min": min,
}  # fmt: skip
trees = st.recursive(leaves, lambda inner: st.tuples(st.sampled_from(list(PLAIN)), inner, inner), max_leaves=12)


def written(tree) -> str:
    """Return a tree as a formula, every operation in brackets."""
    if not isinstance(tree, tuple):
        return f"({tree!r})"
    sign, one, other = tree
    return f"{sign}({written(one)}, {written(other)})" if sign.isalpha() else f"({written(one)} {sign} {written(other)})"


def plain(tree) -> float:
    return PLAIN[tree[0]](plain(tree[1]), plain(tree[2])) if isinstance(tree, tuple) else tree


@given(trees)
def test_it_is_plain_arithmetic(tree) -> None:
    text = written(tree)
    if len(text) <= LENGTH_MAX and "e-" not in text:
        assert reckon(text) == plain(tree)


words = st.sampled_from(
    [*"+-*/%&|^~<>(),", "**", "<<", "==", "if", "then", "else", "and", "or", "not", "9", "1e300", "0xFF", "[d/x]", "max(", "round", '"a"']
)


@given(st.lists(words, max_size=120).map(" ".join) | st.text(max_size=80), st.integers() | st.floats() | st.none() | st.text(max_size=3))
def test_whatever_is_written_is_refused_or_reckoned(text: str, value: Value) -> None:
    try:
        formula = parse(text)
    except FormulaError:
        return
    try:
        found = formula.reckon(lambda _name: value)
    except ReckonError:
        return
    if isinstance(found, int) and formula.text.strip() != "[d/x]":
        assert abs(found) <= WHOLE_MAX or found == value


@pytest.mark.parametrize(
    "text", ["9**9**9**9**9**9", "(9e99**9)**9", "*".join(["9" * 15] * 30), "+".join(["9**9"] * 80), "1" + "<<1" * 160]
)
def test_towers_of_powers_are_bounded_as_any_number_is(text: str) -> None:
    found: Value = None
    with contextlib.suppress(ReckonError):
        found = reckon(text)
    assert found is None or abs(found) < 1e308  # type: ignore[arg-type]


def test_the_longest_chains_do_not_nest_too_deep() -> None:
    for chain in ("+1" * 249, " or 0" * 99, "&1" * 249, "==1 and 1" * 55):
        parse(f"1{chain}").reckon(lambda _name: 1)
