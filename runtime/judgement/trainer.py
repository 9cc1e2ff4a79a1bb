"""`python -I -m runtime.judgement.trainer --state DIR`: learn one model from the ledger, tell how far it is, leave it in the store, end.

Room: hall, judgement; a process of its own, niced, with a memory limit, started by `learning`. Its order is one line of JSON on stdin; it
answers in lines of JSON: {stage, share} while it works, then {manifest, left_out, settling, unlike_ms} or {code, params}.
It talks to nobody else and holds no key: a manifest that it leaves is a draft until the core has recorded its hash.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

THREADS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


def main() -> int:
    """Carry out the order on stdin."""
    parser = argparse.ArgumentParser(prog="runtime.judgement.trainer")
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    for name in THREADS:
        os.putenv(name, "1")
    _answer(_learn(options.state, json.loads(sys.stdin.readline())))
    return 0


def _learn(state: Path, order: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last answer."""
    from ledger_client.disk import RealDisk
    from ledger_client.errors import LedgerError
    from ledger_client.reader import LedgerReader, epochs
    from models.commission import CannotLearnError
    from models.input_plan import InputPlan, PlanError
    from models.model_fault import ModelFault
    from runtime.judgement.commissioning import learn_model
    from runtime.judgement.store import ModelStore

    limit_memory(int(order["memory_mb"]) << 20)
    disk = RealDisk()
    try:
        reader = LedgerReader(disk, state, max(epochs(disk, state)))
        plan = InputPlan.from_plain(order["plan"])
        made = learn_model(reader, plan, order, _progress)
        kept = ModelStore(disk, state / "models").put(made.manifest.encoded(), made.model)
    except (CannotLearnError, ModelFault, PlanError, LedgerError) as error:
        return {"code": error.code, "params": dict(error.params)}
    except MemoryError:
        return {"code": "learn_no_memory", "params": {"memory_mb": int(order["memory_mb"])}}
    except OSError as error:
        return {"code": "learn_not_kept", "params": {"reason": str(error)[:200]}}
    return {
        "manifest": kept.manifest_hash.hex(),
        "left_out": made.left_out,
        "settling": made.settling,
        "unlike_ms": list(made.unlike_ms or ()),
    }


def limit_memory(size_bytes: int) -> None:
    """Take no more address space than this on top of what the libraries have taken; what goes beyond raises MemoryError."""
    with open("/proc/self/statm", encoding="ascii") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = taken + size_bytes if hard == resource.RLIM_INFINITY else min(taken + size_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _progress(stage: str, share: float) -> None:
    _answer({"stage": stage, "share": round(share, 3)})


def _answer(row: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
