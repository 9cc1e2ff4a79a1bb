"""What a formula can do with values, each with its bounds: no operation takes long or makes a number that does. Pure.

Room: ground, driver `virtual`. `formula.py` builds its calculation from these; the driver turns a ReckonError into a status.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Final

from drivers.reading import Status, Value

WHOLE_MAX: Final = 1 << 64
"""Whole numbers beyond +-2**64 are out of range; so none grows from one operation to the next."""
FLOAT_EXACT_MAX: Final = 1 << 53
"""Whole numbers up to this are exact as a float64."""
DIGITS_MAX: Final = 15
Number = int | float


class ReckonError(Exception):
    """There is no result. `status` is what the reading says instead."""

    def __init__(self, status: Status) -> None:
        """Keep the status."""
        self.status = status
        super().__init__(status.name)


class Rounded(float):
    """A float64 that was reckoned or written, and looks whole where it need not be the number that was meant.

    So is one from +-2**53 on, to which other whole numbers are rounded, and what is left of such a number when another one is taken away.
    """


def not_exact(value: float) -> float:
    """Return a float that was no input, so that `whole` knows it by that where it may be rounded."""
    return Rounded(value) if abs(value) >= FLOAT_EXACT_MAX else value


def number(value: Value) -> Number:
    """Return a number as it is and a truth as 0 or 1. Raises ReckonError for text and for no value."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    raise ReckonError(Status.BAD_CONFIGURATION_ERROR)


def truth(value: Value) -> bool:
    """Return a truth; of a number, whether it is not 0. Raises ReckonError for text and NaN."""
    found = number(value)
    if math.isnan(found):
        raise ReckonError(Status.BAD_OUT_OF_RANGE)
    return found != 0


def whole(value: Value) -> int:
    """Return a whole number. Raises ReckonError for any other, for one that may be rounded, and beyond 64 bits."""
    found = number(value)
    if isinstance(found, Rounded) or not math.isfinite(found) or found != int(found) or abs(found) > WHOLE_MAX:
        raise ReckonError(Status.BAD_OUT_OF_RANGE)
    return int(found)


def bounded(value: Number) -> Number:
    """Return a number that the next operation may use. Raises ReckonError for a whole one that is too long."""
    if isinstance(value, int) and abs(value) > WHOLE_MAX:
        raise ReckonError(Status.BAD_OUT_OF_RANGE)
    return value


def arithmetic(operation: Callable[..., Number], *, differs: bool = False) -> Callable[..., Value]:
    """Return an operation on numbers, whose faults (a division by 0, a root of -1, too large) are out of range.

    One that `differs` can make a small number of large ones, with all of their error.
    """

    def apply(*values: Value) -> Value:
        numbers = [number(value) for value in values]
        try:
            found = bounded(operation(*numbers))
        except (ArithmeticError, ValueError) as error:
            raise ReckonError(Status.BAD_OUT_OF_RANGE) from error
        if isinstance(found, int):
            return found
        is_doubtful = False
        for each in numbers:
            if found is each:
                return found
            if type(each) is not float:
                is_doubtful = is_doubtful or _leaves_doubt(each, differs=differs)
        if not math.isfinite(found) and all(isinstance(each, int) or math.isfinite(each) for each in numbers):
            raise ReckonError(Status.BAD_OUT_OF_RANGE)
        return Rounded(found) if is_doubtful else not_exact(found)

    return apply


def _leaves_doubt(value: Number, *, differs: bool) -> bool:
    """Tell whether a float that is reckoned from this, however small, has an error that is large for it."""
    if differs:
        return isinstance(value, Rounded) or abs(value) > FLOAT_EXACT_MAX
    return isinstance(value, Rounded) and abs(value) < FLOAT_EXACT_MAX  # of a large one the error is small for what a product is as well


def bits(operation: Callable[..., int]) -> Callable[..., Value]:
    """Return an operation on the bits of whole numbers."""
    return lambda *values: bounded(operation(*map(whole, values)))


def _shifted(operation: Callable[[int, int], int]) -> Callable[[int, int], int]:
    def shift(value: int, by: int) -> int:
        if not 0 <= by < 64:
            raise ReckonError(Status.BAD_OUT_OF_RANGE)
        return operation(value, by)

    return shift


def _rounded(value: Number, digits: Number = 0) -> Number:
    """Half to even, as a scaled value is."""
    places = whole(digits)
    if abs(places) > DIGITS_MAX:
        raise ReckonError(Status.BAD_OUT_OF_RANGE)
    return round(value, places) if places else round(_exact(value))


def _exact(value: Number) -> Number:
    """Return a number that may be made whole. Raises ReckonError for one that may be rounded."""
    if isinstance(value, Rounded):
        raise ReckonError(Status.BAD_OUT_OF_RANGE)
    return value


def _power(base: Number, exponent: Number) -> Number:
    """Whole numbers to a whole power are whole, and looked at before they are reckoned: 2**64 is the most."""
    if isinstance(base, float) or isinstance(exponent, float) or exponent < 0:
        return math.pow(base, exponent)
    if abs(base) > 1 and (abs(base).bit_length() - 1) * exponent > WHOLE_MAX.bit_length() - 1:
        raise ReckonError(Status.BAD_OUT_OF_RANGE)
    return int(base**exponent)


def _comparable(value: Value) -> Number:
    """Return a number that is above, below or equal to any other. Raises ReckonError for text, no value, and NaN, which is none."""
    found = number(value)
    if math.isnan(found):
        raise ReckonError(Status.BAD_OUT_OF_RANGE)
    return found


def _equal(one: Value, other: Value) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    return _comparable(one) == _comparable(other)


def _ordered(operation: Callable[[Number, Number], bool]) -> Callable[..., Value]:
    return lambda one, other: operation(_comparable(one), _comparable(other))


def _outermost(operation: Callable[..., Number]) -> Callable[..., Number]:
    """Return min or max that is NaN where one of its numbers is, wherever it stands."""
    return lambda *values: next((value for value in values if math.isnan(value)), None) or operation(*values)


BINARY: Final[Mapping[str, Callable[..., Value]]] = {
    "+": arithmetic(operator.add, differs=True), "-": arithmetic(operator.sub, differs=True), "*": arithmetic(operator.mul),
    "/": arithmetic(operator.truediv), "//": arithmetic(operator.floordiv, differs=True), "%": arithmetic(operator.mod, differs=True),
    "**": arithmetic(_power),
    "&": bits(operator.and_), "|": bits(operator.or_), "^": bits(operator.xor),
    "<<": bits(_shifted(operator.lshift)), ">>": bits(_shifted(operator.rshift)),
    "<": _ordered(operator.lt), "<=": _ordered(operator.le), ">": _ordered(operator.gt), ">=": _ordered(operator.ge),
    "==": _equal, "!=": lambda one, other: not _equal(one, other),
}  # fmt: skip
UNARY: Final[Mapping[str, Callable[..., Value]]] = {
    "-": arithmetic(operator.neg), "+": arithmetic(operator.pos), "~": bits(operator.invert),
    "not": lambda value: not truth(value),
}  # fmt: skip
FUNCTIONS: Final[Mapping[str, tuple[Callable[..., Value], int, int]]] = {
    "min": (arithmetic(_outermost(min)), 2, 32), "max": (arithmetic(_outermost(max)), 2, 32), "abs": (arithmetic(abs), 1, 1),
    "round": (arithmetic(_rounded), 1, 2), "floor": (arithmetic(lambda value: math.floor(_exact(value))), 1, 1),
    "ceil": (arithmetic(lambda value: math.ceil(_exact(value))), 1, 1),
    "sqrt": (arithmetic(math.sqrt), 1, 1), "exp": (arithmetic(math.exp), 1, 1), "ln": (arithmetic(math.log), 1, 1),
    "log10": (arithmetic(math.log10), 1, 1),
}  # fmt: skip
"""Name -> operation, fewest and most arguments."""
