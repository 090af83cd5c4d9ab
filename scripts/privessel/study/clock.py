"""Results dated in the future: Snakemake would train first, and then refuse the outputs."""

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from privessel.errors import ConfigError

TOLERANCE_SECONDS = 60  # what clocks of a cluster may differ by


def check_clock(folders: Iterable[Path]) -> None:
    """Raise ConfigError, with the remedy, where a file below `folders` is dated in the future."""
    folders = list(folders)
    ahead = [path for folder in folders for path in folder.rglob("*") if _is_ahead(path)]
    if ahead:
        raise ConfigError(
            f"{ahead[0]} and {len(ahead) - 1} more files have times in the future: the clock was ahead when "
            "they were made, or is behind now. Remedy: put the clock right, then `find "
            f"{' '.join(map(str, folders))} -newermt now -exec touch {{}} +`, and start again."
        )


def _is_ahead(path: Path) -> bool:
    with suppress(FileNotFoundError):  # a temporary file, gone by now
        return path.lstat().st_mtime > time.time() + TOLERANCE_SECONDS
    return False
