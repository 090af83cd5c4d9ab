"""The frame of every script: where its messages go, and how it ends where the user must act."""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from privessel.errors import BusyError, CohortError, ConfigError, DamagedError, PrivacyError

_AGAIN = "then start the same command again: what was finished stays, a training goes on from its checkpoint"
# Errors of the machine that any reading or writing can meet. The traceback would only show library code, so
# the message names the file and the remedy instead.
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

    Errors of this library, and errors of the machine (a full disk, a quota, no permission), end the process
    with status 1 and with their message alone, because it says what to do and a traceback would bury it.
    Ctrl-C ends it with status 130 and a message. Any other error is a defect of this program, and its
    traceback goes to both places. Where the log can no longer be written, the job continues without it.
    """
    logger = logging.getLogger("privessel")
    logger.setLevel(logging.INFO)
    logger.handlers = []
    try:
        _add_handler(logger, logging.StreamHandler(sys.stderr))
        _add_handler(logger, _LogFile(log, mode="w"))
        yield
    except (BusyError, CohortError, ConfigError, DamagedError, PrivacyError) as error:
        logger.error("error: %s", error)
        sys.exit(1)
    except KeyboardInterrupt:
        logger.error("interrupted; start the same command again to continue from here")
        sys.exit(130)
    except OSError as error:
        if error.errno not in REMEDIES:
            logger.exception("unexpected error")
            raise
        file = error.filename or "a file"
        logger.error("error: %s: %s. Remedy: %s", file, error.strerror, REMEDIES[error.errno])
        sys.exit(1)
    except Exception:
        logger.exception("unexpected error")
        raise
    finally:
        for handler in logger.handlers:
            with suppress(OSError):
                handler.close()
        logger.handlers = []


def _add_handler(logger: logging.Logger, handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)


class _LogFile(logging.FileHandler):
    """A log file that reports once, on standard error, that it can no longer be written."""

    def __init__(self, path: str | Path, *, mode: str) -> None:
        super().__init__(path, mode=mode)
        self._reported = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, the name is logging's
        """Report the first error of writing the log, and let the job continue without it."""
        if not self._reported:
            self._reported = True
            problem = sys.exc_info()[1]
            print(f"{self.baseFilename}: {problem}; the job goes on without this log", file=sys.stderr)
