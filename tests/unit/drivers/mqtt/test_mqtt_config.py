"""Options of MQTT devices and tags: what does not go together is said, in words, before anything is opened."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from drivers.mqtt.config import DeviceOptions, TagOptions, parse_address, pointer_parts
from runtime.config import ConfigError, parse_config

HEAD = '[gateway]\nname = "g"\n[devices.press]\ntype = "mqtt"\nhost = "broker"\n'
GROUP = '[[devices.press.groups]]\nname = "g"\nperiod_ms = 1000\n[[devices.press.groups.tags]]\nname = "t"\n'


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"payload": "sparkplug"}, "config_mqtt_node"),
        ({"payload": "sparkplug", "group_id": "g"}, "config_mqtt_node"),
        ({"group_id": "g", "edge_node_id": "e"}, "config_mqtt_node"),
        ({"device_id": "d"}, "config_mqtt_node"),
        ({"host_id": "h"}, "config_mqtt_node"),
        ({"payload": "sparkplug", "group_id": "g/x", "edge_node_id": "e"}, "config_mqtt_element"),
        ({"ca_file": "ca.pem"}, "config_mqtt_tls"),
        ({"tls": True, "cert_file": "c.pem"}, "config_mqtt_certificate"),
        ({"password_file": "p"}, "config_mqtt_password"),
    ],
)
def test_devices(raw: dict[str, object], code: str) -> None:
    with pytest.raises(ValidationError, match=code):
        DeviceOptions.model_validate({"host": "broker", **raw})


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({}, "config_mqtt_tag"),
        ({"topic": "a", "metric": "b"}, "config_mqtt_tag"),
        ({"metric": "b", "pointer": "/x"}, "config_mqtt_tag"),
        ({"topic": "a/+/b"}, "config_mqtt_topic"),
        ({"topic": "a/#"}, "config_mqtt_topic"),
        ({"topic": ""}, "config_mqtt_topic"),
        ({"topic": "a\x00"}, "config_mqtt_topic"),
        ({"topic": "$share/group/a"}, "config_mqtt_topic"),
        ({"topic": "a", "command_topic": "a/#"}, "config_mqtt_topic"),
        ({"topic": "ä" * 33_000}, "config_mqtt_topic"),
        ({"topic": "a", "pointer": "x"}, "config_mqtt_pointer"),
        ({"topic": "a", "pointer": "/a~2"}, "config_mqtt_pointer"),
        ({"topic": "a", "content": "text", "pointer": "/x"}, "config_mqtt_text"),
        ({"topic": "a", "content": "text", "time": ""}, "config_mqtt_text"),
    ],
)
def test_tags(raw: dict[str, object], code: str) -> None:
    with pytest.raises(ValidationError, match=code):
        TagOptions.model_validate(raw)


def test_a_tag_of_another_payload_is_a_fault_of_the_file() -> None:
    for device, tag, right in (
        ("", 'metric = "m"', 'topic = "a"'),
        ('payload = "sparkplug"\ngroup_id = "g"\nedge_node_id = "e"\n', 'topic = "a"', 'metric = "m"'),
    ):
        with pytest.raises(ConfigError, match="the device's payload is"):
            parse_config(HEAD + device + GROUP + tag)
        (found,) = parse_config(HEAD + device + GROUP + right).devices
        assert found.type == "mqtt"


@pytest.mark.parametrize(
    ("device", "tag", "code"),
    [
        ("", 'topic = "a/#"', "config_mqtt_topic"),
        ("", "topic = 5", "config_not_text"),
        ('payload = "sparkplug"\ngroup_id = "g"\nedge_node_id = "e"\n', "metric = 5", "config_not_text"),
    ],
)
def test_a_wrong_topic_or_metric_is_one_fault(device: str, tag: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(HEAD + device + GROUP + tag)
    assert [fault.code for fault in caught.value.faults] == [code]


def test_pointers_are_unescaped() -> None:
    assert pointer_parts("") == ()
    assert pointer_parts("/a/b~1c/~01/") == ("a", "b/c", "~1", "")


def test_addresses_are_the_same_when_their_options_are() -> None:
    raw = {"topic": "a", "pointer": "/x", "data": "int"}
    assert parse_address(raw) == parse_address(dict(raw))
    assert hash(parse_address(raw)) == hash(parse_address(dict(raw)))


def test_how_old_a_value_may_be() -> None:
    json_device = DeviceOptions(host="b")
    node = DeviceOptions(host="b", payload="sparkplug", group_id="g", edge_node_id="e")
    assert (json_device.age_ms_max(None), node.age_ms_max(None)) == (60_000, None)
    assert (json_device.age_ms_max(1.5), node.age_ms_max(1.5)) == (1500, 1500)
    assert DeviceOptions(host="b", max_age_s=5.0).age_ms_max(None) == 5000
