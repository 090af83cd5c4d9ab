"""Anything on disk: whole-or-absent writes, reading back, checkpoints, locks, and how a script ends."""
