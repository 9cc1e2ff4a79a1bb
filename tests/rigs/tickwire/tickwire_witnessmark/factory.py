"""The entrance of the `tickwire` driver."""

from drivers.scaling import decimal_places
from tickwire_witnessmark.config import Address, DeviceOptions, TagOptions

DEVICE_OPTIONS = DeviceOptions
TAG_OPTIONS = TagOptions
EXTRA = ""


def make_tag_address(options):
    return Address(options.channel, options.kind, options.scale)


def value_type(options):
    return {"weight": "float64", "counter": "int", "alarm": "bool"}[options.kind]


def exponent(options):
    places = decimal_places(options.scale, 0) if options.kind == "weight" else None
    return None if places is None else -places


def make(name, device_options, clock, shared):
    from tickwire_witnessmark.driver import TickwireDriver

    return TickwireDriver(device_options, clock)
