"""Errors a user can act on: each message names the patient or run, the file and the remedy."""

from collections.abc import Sequence


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


def raise_problems(where: str, problems: Sequence[str]) -> None:
    """Raise one CohortError that lists all problems of one place, such as a table or a patient, if any.

    >>> raise_problems("cohort pegasus", ["no test patients: give some rows split 'test'"])
    Traceback (most recent call last):
    privessel.errors.CohortError: cohort pegasus: no test patients: give some rows split 'test'.
    """
    if len(problems) == 1:
        raise CohortError(f"{where}: {problems[0]}.")
    if problems:
        listed = "\n".join(f"- {problem}." for problem in problems)
        raise CohortError(f"{where}: {len(problems)} problems:\n{listed}")
