"""Private runs that were paid for: kept beside their outputs, and never trained again.

Snakemake deletes a job's outputs before it starts the job again, for whatever reason it does. What is kept
here is no output: a second name of the same files, and what decided them.
"""

import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from privessel.atomic import atomic_path, sync_folder
from privessel.errors import PrivacyError

log = logging.getLogger(__name__)

FOLDER = ".finished"
IDENTITY = "identity.json"
# Parts of an identity that decide a run's bits and not what was asked for: another version, another machine.
VERSIONS = {"code", "libraries", "device", "threads"}


def keep(files: Iterable[Path], folder: Path, *, identity: Mapping[str, object]) -> None:
    """Give finished `files` a second name in the run's `folder`, with the identity that they came from."""
    kept = folder / FOLDER
    partial = kept.with_name(f"{FOLDER}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for file in files:
        _link(file, partial / file.name)
    with atomic_path(partial / IDENTITY) as path:
        path.write_text(json.dumps(identity, indent=1) + "\n")
    sync_folder(partial)
    partial.rename(kept)
    sync_folder(folder)


def bring_back(folder: Path, *, name: str, identity: Mapping[str, object]) -> bool:
    """Put the files of a run that was finished in `folder` to their places again; False if there is none.

    Nothing is trained and nothing charged. Where only code, libraries or machine have changed since, the old
    run stands, and a warning says so. Raises PrivacyError where it was trained on other patches or with other
    settings than are now asked for: its numbers would pass for theirs.
    """
    kept = folder / FOLDER
    if not kept.exists():
        return False
    before = json.loads((kept / IDENTITY).read_text())
    changed = [part for part in identity if not _agrees(before.get(part), _plain(identity[part]))]
    if set(changed) - VERSIONS:
        told = "; ".join(_difference(part, before.get(part), _plain(identity[part])) for part in changed)
        raise PrivacyError(
            f"{name} is finished and paid for, and is not trained again because things have changed: {told}."
            f" It is kept in {kept}. Remedy: change it back, and the run is there again at no cost; or train "
            "what you ask for now under another number (`runs: [6]`) or another `study`, which is charged in "
            "addition"
        )
    if changed:
        log.warning(
            "%s was trained under another %s; it is paid for and stands as it is. To train it with what is "
            "there now, give it another number (runs: [6]): that is charged in addition",
            name, " and ".join(changed),
        )  # fmt: skip
    else:
        log.info("%s is finished and paid for: brought back, nothing was trained or charged", name)
    shutil.rmtree(folder / ".resume", ignore_errors=True)
    for file in sorted(kept.iterdir()):
        if file.name != IDENTITY:
            with atomic_path(folder / file.name) as partial:
                partial.unlink(missing_ok=True)
                _link(file, partial)
            os.utime(folder / file.name)
    return True


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:  # a file system without hard links
        shutil.copy2(file, target)


def _plain(part: object) -> object:
    """Return a part of an identity as JSON gives it back."""
    return json.loads(json.dumps(part))


def _agrees(before: object, now: object) -> bool:
    """Say whether a part is as it was; a key that a later version added could not be asked for before."""
    if isinstance(before, dict) and isinstance(now, dict):
        return before == {key: now.get(key) for key in before}
    return before == now


def _difference(part: str, before: object, now: object) -> str:
    if part in VERSIONS or part == "patches":  # digests and such tell nobody anything
        return f"other {part}"
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in before if now.get(key) != before[key]]
        return ", ".join(f"{key} was {before[key]}, is {now.get(key)}" for key in keys) or part
    return f"{part} was {before}, is {now}"
