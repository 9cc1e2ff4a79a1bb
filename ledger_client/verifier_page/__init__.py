"""The verifier as one HTML page: an implementation of its own, in JavaScript, that needs no server and can reach none.

Room: ground. `source/` holds the modules, `verify.html` the one file that is made of them by `python -m tests.make_verifier_page`;
a tidy test holds the two together. Written from docs/ledger-format.md; tests/vectors/verdicts keeps it in agreement with the
Python verifier, case by case.
"""

from ledger_client.verifier_page.embed import verifier_page

__all__ = ["verifier_page"]
