"""Field to ledger: pollers, report rules, live values, evidence. Faces never import this package; they read the feed."""
