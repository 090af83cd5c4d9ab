"""One job of the workflow: where its messages go, and how it ends when the user must act."""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from privessel.errors import BusyError, CohortError, DamagedError, PrivacyError

_AGAIN = "then start the same command again: what was finished stays, a training goes on from its checkpoint"
# What a machine can do to any read or write, and who is at fault is no line of this program.
REMEDIES = {
    errno.ENOSPC: f"free some space on that disk, {_AGAIN}",
    errno.EDQUOT: f"free some space, or have your quota raised, {_AGAIN}",
    errno.EROFS: f"mount that file system writable (an error may have made it so), {_AGAIN}",
    errno.EACCES: f"give yourself the right to read and write there, {_AGAIN}",
    errno.EPERM: f"give yourself the right to read and write there, {_AGAIN}",
    errno.EIO: f"have the disk checked, {_AGAIN}",
    errno.ESTALE: f"see that the file server is back, {_AGAIN}",
}


@contextmanager
def logged(log: str | Path) -> Iterator[None]:
    """Send the library's messages to the file `log` and to standard error while a script runs.

    The library's own errors, and what the machine refuses (a full disk, a quota, no permission), end the
    process with status 1 and their message alone: it says what to do, and a traceback would bury it; so does
    Ctrl-C, with status 130. Any other error is a defect; its traceback goes to both places. A log that cannot
    be written any more stops no job.
    """
    logger = logging.getLogger("privessel")
    logger.setLevel(logging.INFO)
    logger.handlers = []
    try:
        _add(logger, logging.StreamHandler(sys.stderr))
        _add(logger, _LogFile(log, mode="w"))
        yield
    except (BusyError, CohortError, DamagedError, PrivacyError) as error:
        logger.error("error: %s", error)
        sys.exit(1)
    except KeyboardInterrupt:
        logger.error("interrupted; the same command goes on from here")
        sys.exit(130)
    except OSError as error:
        if error.errno not in REMEDIES:
            logger.exception("unexpected error")
            raise
        place = error.filename or "a file"
        logger.error("error: %s: %s. Remedy: %s", place, error.strerror, REMEDIES[error.errno])
        sys.exit(1)
    except Exception:
        logger.exception("unexpected error")
        raise
    finally:
        for handler in logger.handlers:
            with suppress(OSError):
                handler.close()
        logger.handlers = []


def _add(logger: logging.Logger, handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)


class _LogFile(logging.FileHandler):
    """A log that says once, on standard error, that it cannot be written."""

    def __init__(self, path: str | Path, *, mode: str) -> None:
        super().__init__(path, mode=mode)
        self._told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, the name is logging's
        """Go on without the log."""
        if not self._told:
            self._told = True
            problem = sys.exc_info()[1]
            print(f"{self.baseFilename}: {problem}; the job goes on without this log", file=sys.stderr)
