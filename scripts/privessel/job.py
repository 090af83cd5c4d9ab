"""One job of the workflow: where its messages go, and how it ends when the user must act."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from privessel.errors import CohortError, PrivacyError


@contextmanager
def logged(log: str | Path) -> Iterator[None]:
    """Send the library's messages to the file `log` and to standard error while a script runs.

    `CohortError` and `PrivacyError` end the process with status 1 and their message alone: they say what to
    do, and a traceback would bury it; so does Ctrl-C, with status 130. Any other error is a defect; its
    traceback goes to both places.
    """
    handlers = [logging.FileHandler(log, mode="w"), logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("privessel")
    logger.setLevel(logging.INFO)
    logger.handlers = handlers
    try:
        yield
    except (CohortError, PrivacyError) as error:
        logger.error("error: %s", error)
        sys.exit(1)
    except KeyboardInterrupt:
        logger.error("interrupted; the same command goes on from here")
        sys.exit(130)
    except Exception:
        logger.exception("unexpected error")
        raise
    finally:
        for handler in handlers:
            handler.close()
