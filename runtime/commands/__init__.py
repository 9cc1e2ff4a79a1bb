"""Commands: setpoints and method calls, prepared, seen by a person, confirmed, carried out and read back.

Room: hall. `app` wires the desk and its tenants of the door. It is no safety function: what must not happen is prevented by the machine's
own safety system, whatever stands here. docs/commands.md has the table of states.
"""
