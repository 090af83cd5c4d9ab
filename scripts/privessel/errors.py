"""Errors a user can act on: each message names the patient or run, the file and the remedy."""


class CohortError(ValueError):
    """A cohort's table or files, or another file that a user brings, cannot be used as they are."""


class ConfigError(ValueError):
    """The study's config cannot be used; the message names each key, what it has and what is allowed."""


class PrivacyError(RuntimeError):
    """Going on would break, or leave unaccounted, a privacy promise."""


class BusyError(RuntimeError):
    """Another process works on the same run."""


class DamagedError(ValueError):
    """A file that the workflow has made cannot be read, or does not hold what it should."""
