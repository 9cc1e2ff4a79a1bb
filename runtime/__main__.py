"""`python -I -m runtime` is the command `witnessmark`: how services start it, without a script on the path.

Room: hall. It does nothing of its own.
"""

from __future__ import annotations

from runtime.cli.app import main

if __name__ == "__main__":
    main()
