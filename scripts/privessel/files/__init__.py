"""Files on disk: atomic writes, reading back, checkpoints, locks, and how a script ends."""
