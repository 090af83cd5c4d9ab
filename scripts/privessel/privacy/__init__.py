"""Differential privacy: the accountant, the mechanism, the keys and the ledger."""
