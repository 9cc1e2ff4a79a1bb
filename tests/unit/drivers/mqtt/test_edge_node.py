"""The Sparkplug rules of one edge node: births, sequence, aliases, deaths, and messages that break them."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from drivers.mqtt.edge_node import EdgeNode, Outcome
from drivers.mqtt.sparkplug import Metric, Payload, encode, metric_with

INT64, DOUBLE = 4, 10


def named(name: str, alias: int | None, value: float, datatype: int = DOUBLE) -> Metric:
    return metric_with(name, alias, datatype, value, 1000)


def by_alias(alias: int, value: float) -> Metric:
    made = metric_with("", alias, DOUBLE, value, 1000)
    return Metric(None, alias, 1000, field=made.field, raw=made.raw)


def take(node: EdgeNode, kind: str, seq: int | None, *metrics: Metric, device: str = "") -> Outcome:
    return node.take(kind, device, encode(Payload(1000, metrics, seq)))


def born(bd_seq: int = 0) -> EdgeNode:
    node = EdgeNode()
    outcome = take(node, "NBIRTH", 0, named("bdSeq", None, bd_seq, INT64), named("speed", 1, 5.0))
    assert (outcome.births, outcome.lost) == ({""}, None)
    assert take(node, "DBIRTH", 1, named("level", 2, 7.0), device="press").births == {"press"}
    return node


def found(outcome: Outcome) -> list[tuple[str, str, object]]:
    return [(known.device, known.name, metric.raw) for known, metric, _ in outcome.values]


def test_data_by_alias_or_name_mean_what_the_births_said() -> None:
    node = born()
    assert found(take(node, "NDATA", 2, by_alias(1, 6.0))) == [("", "speed", 6.0)]
    assert found(take(node, "DDATA", 3, by_alias(2, 8.0), named("level", None, 9.0), device="press")) == [
        ("press", "level", 8.0),
        ("press", "level", 9.0),
    ]
    assert node.find("press", "level") is not None
    assert node.find("", "level") is None


def test_the_sequence_goes_round_and_a_jump_ends_belief_until_the_next_birth() -> None:
    node = born()
    for n in range(2, 600):
        assert take(node, "NDATA", n % 256, by_alias(1, n)).lost is None
    assert take(node, "NDATA", (600 + 1) % 256, by_alias(1, 1.0)) == Outcome(lost="messages_lost", detail="89 after 87", wants_rebirth=True)
    after = take(node, "NDATA", (600 + 2) % 256, by_alias(1, 1.0))
    assert (after.values, after.wants_rebirth, node.born, node.cause) == ([], True, False, "messages_lost")
    assert take(node, "NBIRTH", 0, named("bdSeq", None, 0, INT64), named("speed", 1, 5.0)).lost is None
    assert found(take(node, "NDATA", 1, by_alias(1, 2.0))) == [("", "speed", 2.0)]


def test_a_message_delivered_twice_is_one() -> None:
    node = born()
    data = encode(Payload(1000, (by_alias(1, 6.0),), 2))
    assert node.take("NDATA", "", data).values
    assert node.take("NDATA", "", data) == Outcome()
    assert found(take(node, "NDATA", 3, by_alias(1, 7.0))) == [("", "speed", 7.0)]


def test_an_alias_that_no_birth_gave_asks_for_one_and_spoils_nothing_else() -> None:
    node = born()
    outcome = take(node, "NDATA", 2, by_alias(77, 1.0), by_alias(1, 6.0))
    assert (found(outcome), outcome.wants_rebirth, outcome.lost) == ([("", "speed", 6.0)], True, None)
    assert take(node, "NDATA", 3, by_alias(2, 1.0)).wants_rebirth, "an alias of a device is none of the node's"
    assert take(node, "NDATA", 4, Metric(None, None, 1000, field=10, raw=1)).wants_rebirth
    assert node.born


def test_deaths_count_when_they_are_of_this_birth() -> None:
    node = born(bd_seq=5)
    assert take(node, "NDEATH", None, named("bdSeq", None, 4, INT64)) == Outcome(), "the will of an older connection"
    assert node.born
    assert take(node, "NDEATH", None, named("bdSeq", None, 5, INT64)).died == {""}
    assert (node.born, node.cause, node.online) == (False, "publisher_offline", set())
    assert take(node, "NDATA", 2, by_alias(1, 1.0)).wants_rebirth


def test_a_device_dies_alone_and_is_born_again() -> None:
    node = born()
    assert take(node, "DDEATH", 2, device="press").died == {"press"}
    assert (node.born, node.dead, node.online) == (True, {"press"}, set())
    assert take(node, "DDATA", 3, by_alias(2, 1.0), device="press").wants_rebirth
    assert take(node, "DBIRTH", 4, named("level", 9, 7.0), device="press").births == {"press"}
    assert found(take(node, "DDATA", 5, by_alias(9, 3.0), device="press")) == [("press", "level", 3.0)]
    assert node.dead == set()


def test_a_birth_of_another_life_says_that_something_was_missed() -> None:
    node = born(bd_seq=1)
    again = take(node, "NBIRTH", 0, named("bdSeq", None, 1, INT64), named("speed", 3, 5.0))
    assert again.lost is None
    assert found(take(node, "NDATA", 1, by_alias(3, 2.0))) == [("", "speed", 2.0)]
    assert take(node, "NDATA", 2, by_alias(1, 2.0)).wants_rebirth, "old aliases are gone"
    other = take(node, "NBIRTH", 0, named("bdSeq", None, 2, INT64), named("speed", 1, 5.0))
    assert (other.lost, other.births) == ("messages_lost", {""})


def test_a_devices_birth_takes_back_what_its_last_one_said_besides() -> None:
    node = born()
    assert take(node, "DBIRTH", 2, named("level", 9, 7.0), device="press").births == {"press"}
    assert take(node, "DDATA", 3, by_alias(2, 8.0), device="press") == Outcome(wants_rebirth=True), "the alias is nobody's now"
    assert take(node, "DBIRTH", 4, named("force", 9, 1.0), device="press").births == {"press"}
    assert node.find("press", "level") is None
    assert found(take(node, "NDATA", 5, by_alias(1, 6.0))) == [("", "speed", 6.0)], "what others said stays"


def test_devices_that_number_their_metrics_by_themselves_keep_their_own() -> None:
    node = born()
    assert take(node, "DBIRTH", 2, named("heat", 2, 50.0), device="oven").births == {"oven"}
    assert found(take(node, "DDATA", 3, by_alias(2, 8.0), device="press")) == [("press", "level", 8.0)]
    assert found(take(node, "DDATA", 4, by_alias(2, 51.0), device="oven")) == [("oven", "heat", 51.0)]


def test_an_alias_of_several_metrics_is_nobodys_value_and_that_is_said() -> None:
    node = born()
    birth = take(node, "DBIRTH", 2, named("low", 7, 1.0), named("high", 7, 9.0), named("mid", 8, 5.0), device="press")
    assert [value for _, _, value in found(birth)] == [1.0, 9.0, 5.0]
    outcome = take(node, "DDATA", 3, by_alias(7, 1.5), by_alias(8, 5.5), named("high", 7, 9.5), device="press")
    assert found(outcome) == [("press", "mid", 5.5), ("press", "high", 9.5)]
    assert (outcome.unclear, outcome.lost) == ({7}, None)
    assert not outcome.wants_rebirth, "which would give the alias to both again, and cost every device of the node its values meanwhile"
    assert node.born


def test_a_name_of_several_metrics_is_nobodys_value() -> None:
    node = born()
    birth = take(node, "DBIRTH", 2, named("heat", 3, 5.0), named("heat", 4, 50.0), named("mid", 8, 5.0), device="press")
    assert found(birth) == [("press", "mid", 5.0)]
    assert (node.is_double("press", "heat"), node.is_double("press", "mid"), node.is_double("", "heat")) == (True, False, False)
    assert node.find("press", "heat") is None
    outcome = take(node, "DDATA", 3, by_alias(3, 6.0), by_alias(4, 60.0), named("heat", 3, 6.0), by_alias(8, 5.5), device="press")
    assert (found(outcome), outcome.unclear, outcome.wants_rebirth) == ([("press", "mid", 5.5)], {3, 4}, False)
    again = take(node, "DBIRTH", 4, named("heat", 3, 5.0), named("heat", 3, 6.0), device="press")
    assert [value for _, _, value in found(again)] == [5.0, 6.0], "the same one twice is two values of it"
    assert node.alias_of(again.values[0][0]) == 3


def test_bytes_that_are_no_payload_end_belief() -> None:
    node = born()
    outcome = node.take("NDATA", "", b"\xff" * 20)
    assert (outcome.lost, outcome.wants_rebirth, node.born) == ("bad_answer", True, False)
    assert take(EdgeNode(), "NBIRTH", 0, by_alias(1, 1.0)).lost == "bad_answer", "a birth without names"


def test_births_are_bounded() -> None:
    node = born()
    for n in range(3):
        metrics = [named(f"{n}/{i}", None, 1.0) for i in range(19_000)]
        outcome = take(node, "DBIRTH", 2 + n, *metrics, device=f"d{n}")
    assert outcome.lost == "bad_answer"
    assert not node.born


def test_devices_that_come_and_go_leave_nothing_behind() -> None:
    node, seq = born(), 2
    for n in range(60):
        metrics = [named(f"{i}", i, 1.0) for i in range(1000 * (n % 2))]
        assert take(node, "DBIRTH", seq % 256, *metrics, device=f"d{n}").births == {f"d{n}"}
        assert take(node, "DDEATH", (seq + 1) % 256, device=f"d{n}").died == {f"d{n}"}
        assert node.find(f"d{n}", "1") is None
        seq += 2
    assert set(node._metrics) == set(node._aliases) == {"", "press"}


kinds = st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"])


@given(st.lists(st.tuples(kinds, st.integers(0, 4), st.integers(0, 3)), max_size=40), st.integers(0, 2**32))
def test_any_messages_in_any_order_leave_a_sound_state(messages: list[tuple[str, int, int]], salt: int) -> None:
    """Values are only ever given while the node is born, and belong to the device that the message is of."""
    node = EdgeNode()
    rng = random.Random(salt)
    for kind, seq, alias in messages:
        device = "press" if kind.startswith("D") else ""
        metrics = [by_alias(alias, 1.0)] if "DATA" in kind else [named("bdSeq", None, alias, INT64), named("m", alias, 2.0)]
        data = encode(Payload(1000, tuple(metrics), seq))
        if rng.random() < 0.1:
            data = data[: rng.randrange(len(data))]
        outcome = node.take(kind, device, data)
        assert not outcome.values or (node.born and all(known.device == device for known, _, _ in outcome.values))
        assert node.born or not node.online
