"""Ledger to trends and proofs, in a process of its own at low priority. What it keeps can be thrown away and rebuilt."""
