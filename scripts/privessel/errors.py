"""Errors a user can act on: each message names the patient or run, the file and the remedy."""


class CohortError(ValueError):
    """A cohort's table or files, or another file that a user brings, cannot be used as they are."""


class PrivacyError(RuntimeError):
    """Going on would break, or leave unaccounted, a privacy promise."""
