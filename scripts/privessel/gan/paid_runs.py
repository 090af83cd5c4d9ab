"""Private runs that were paid for: kept beside their outputs, and never trained again.

Snakemake deletes a job's outputs before it starts the job again, for whatever reason it does. What is kept
here is no output: a copy of the same files, their digests, and what decided them.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from privessel.errors import DamagedError, PrivacyError
from privessel.files.atomic import atomic_path, sync_folder
from privessel.files.reading import read_json

log = logging.getLogger(__name__)

FOLDER = ".finished"
IDENTITY, DIGESTS = "identity.json", "digests.json"
# Parts of an identity that decide a run's bits and not what was asked for: another version, another machine.
VERSIONS = {"code", "libraries", "device", "threads"}
ANOTHER = "another number (`runs: [6]`; of an audit, `audit.run: 2`)"


def keep(files: Iterable[Path], folder: Path, *, identity: Mapping[str, object]) -> None:
    """Copy finished `files` into the run's `folder`, with the identity that they came from.

    Copies, not second names: whatever damages an output leaves them alone.
    """
    kept = folder / FOLDER
    partial = kept.with_name(f"{FOLDER}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        digests = {}
        for file in files:
            digests[file.name] = _digest(file)
            _copy(file, partial / file.name)
        for name, record in ((IDENTITY, identity), (DIGESTS, digests)):
            with atomic_path(partial / name) as path:
                path.write_text(json.dumps(record, indent=1) + "\n")
        sync_folder(partial)
        partial.rename(kept)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_folder(folder)


def bring_back(folder: Path, *, name: str, identity: Mapping[str, object]) -> bool:
    """Put the files of a run that was finished in `folder` to their places again; False if there is none.

    Nothing is trained and nothing charged. Where only code, libraries or machine have changed since, the old
    run stands, and a warning says so. Raises PrivacyError where it was trained on other patches or with other
    settings than are now asked for, because its numbers would pass for theirs, and where what is kept is
    damaged.
    """
    kept = folder / FOLDER
    if not kept.exists():
        return False
    before, files = _read(kept, name=name)
    changed = [part for part in identity if not _agrees(before.get(part), _plain(identity[part]))]
    if set(changed) - VERSIONS:
        told = "; ".join(_difference(part, before.get(part), _plain(identity[part])) for part in changed)
        raise PrivacyError(
            f"{name} is finished and paid for, and is not trained again because things have changed: {told}."
            f" It is kept in {kept}. Remedy: change it back, and the run is there again at no cost; or train "
            f"what you ask for now under {ANOTHER} or another `study`, which is charged in addition"
        )
    if changed:
        log.warning(
            "%s was trained under another %s; it is paid for and stands as it is. To train it with what is "
            "there now, give it %s: that is charged in addition",
            name, " and ".join(changed), ANOTHER,
        )  # fmt: skip
    else:
        log.info("%s is finished and paid for: brought back, nothing was trained or charged", name)
    shutil.rmtree(folder / ".resume", ignore_errors=True)
    for file in files:
        _copy(kept / file, folder / file)
    return True


def _read(kept: Path, *, name: str) -> tuple[dict, list[str]]:
    """Return the identity of a kept run and the names of its files, each still as when it was finished."""
    try:
        identity, digests = (read_json(kept / record, keys=()) for record in (IDENTITY, DIGESTS))
        for file, digest in digests.items():
            if _digest(kept / file) != digest:
                raise DamagedError(f"{kept / file} is not as it was")
    except (DamagedError, FileNotFoundError) as problem:
        raise PrivacyError(
            f"{name} is finished and paid for, but what is kept of it is damaged: {problem}. It is "
            f"not trained again unasked. Remedy: restore {kept} from a backup; or train the run under "
            f"{ANOTHER}, which is charged in addition; or remove {kept} to train this one again. Where it "
            "was trained on this CPU, with the same code, settings and patches, that repeats it and costs "
            "nothing; anywhere else every step is charged in addition"
        ) from problem
    return identity, list(digests)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(file: Path, target: Path) -> None:
    with file.open("rb") as source, atomic_path(target) as partial, partial.open("wb") as copy:
        shutil.copyfileobj(source, copy)


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
