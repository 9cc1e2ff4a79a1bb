"""What a verb that works on a device of the config file says when it cannot: one place for all such verbs.

Room: hall. The commissioning verbs run inside `worded_faults`. It decides nothing but the words and the exit code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.driver import DriverError
from drivers.option_error import OptionError
from ledger_client.errors import FormatError
from runtime.cli.console import fail, unreadable
from runtime.config_faults import ConfigError
from runtime.faces.feed import RequestRefusedError


@contextmanager
def worded_faults(place: Path, device: str, *, as_json: bool) -> Iterator[None]:
    """Say in words what a verb on `device` meets, and end it. `place` is the config file, or the state folder that has it."""
    try:
        yield
    except ConfigError as error:
        fail("config_invalid", {"count": len(error.faults), "first": error.first}, as_json=as_json)
    except (OSError, UnicodeDecodeError) as error:
        fail("config_unreadable", unreadable(place, error), as_json=as_json)
    except LookupError:
        fail("device_unknown", {"device": device}, as_json=as_json)
    except OptionError as error:
        fail(error.code, error.params, as_json=as_json)
    except DriverError as error:
        fail(error.cause, dict(error.params), as_json=as_json)
    except (RequestRefusedError, FormatError) as error:
        fail(error.code, error.params, as_json=as_json)
