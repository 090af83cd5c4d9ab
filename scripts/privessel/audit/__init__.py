"""Attacks on the promise of a private run."""
