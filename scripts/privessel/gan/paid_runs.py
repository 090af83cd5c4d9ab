"""Finished private runs: copies of their files are kept, so that a run is never trained and charged twice.

Snakemake deletes a job's outputs before it starts the job again, for whatever reason. So the copies lie in a
folder that is no output of any job, with the files' digests and the identity of the run: everything that
decided its weights.
"""

import json
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from privessel.errors import DamagedError, PrivacyError
from privessel.files.atomic import atomic_path, sync_folder
from privessel.files.reading import file_digest, read_json
from privessel.privacy.identity import identity_digest
from privessel.privacy.site import PaidRun

log = logging.getLogger(__name__)

FOLDER = ".finished"
IDENTITY, DIGESTS, RECORD = "identity.json", "digests.json", "privacy.json"
# Parts of an identity that another version of the code or another machine changes. They decide the run's
# bits, but not what was asked for. What an audit's run is trained on follows from its patches, its plan and
# coins, and the coins follow from the other parts; so `trained_on` changes with any of them. The weights of a
# private U-Net's public `start` follow from how it was trained, which is a part of its own.
VERSIONS = {"code", "libraries", "device", "threads", "trained_on", "start"}
# Settings that had another name when older runs were finished, by part of the identity: old name -> new name.
RENAMED = {"training": {"fakes": "fake_clipping"}, "audit": {"every": "score_every"}}
ANOTHER_NUMBER = (
    "another number (`runs: [6]`; for an audit, `audit.run: 2`; for a vote, `vote.run: 2`; for a private "
    "U-Net, `private_unet.runs: [2]`; for hulls of heads, `deid.draw: 2`, which draws for everybody)"
)


def keep(files: Iterable[Path], folder: Path, *, identity: Mapping[str, object]) -> None:
    """Copy the finished `files` to the hidden part of the run's `folder`, with the run's identity.

    They are copies and not hard links, so that nothing that damages an output damages them.
    """
    kept = folder / FOLDER
    partial = kept.with_name(f"{FOLDER}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        digests = {}
        for file in files:
            digests[file.name] = file_digest(file)
            _copy(file, partial / file.name)
        for name, record in ((IDENTITY, identity), (DIGESTS, digests)):
            with atomic_path(partial / name) as path:
                path.write_text(json.dumps(record, indent=1) + "\n")
        sync_folder(partial)
        partial.rename(kept)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_folder(folder)


def restore(folder: Path, *, identity: Mapping[str, object], paid: PaidRun | None) -> bool:
    """Restore what `bring_back` restores of a paid run; return whether there was anything.

    Raises PrivacyError as `bring_back`, and where a run that is charged to nobody (`paid` None) would take
    the place of one that patients were charged for.
    """
    if paid is None:
        if is_kept(folder):
            raise PrivacyError(
                f"{folder}: a finished run lies here that patients were charged for, but this one would be "
                "charged to nobody: the cohort's key `public` was changed. Remedy: change it back"
            )
        return False
    finished = bring_back(folder, name=paid.run.name, identity=identity)
    if finished is None:
        return False
    paid.end(finished)  # a kill may have come before its nonce was destroyed
    return True


def publish(
    resume: Path,
    folder: Path,
    names: Sequence[str],
    record: Mapping[str, object],
    *,
    identity: Mapping[str, object],
    paid: PaidRun | None,
) -> None:
    """Move the finished run's files `names`, and privacy.json with `record`, from `resume` to `folder`.

    Of a paid run the register gets the files' digests, copies are kept for good, and then its nonce is
    destroyed: there are no outputs before the nonce is gone, and the nonce is not destroyed before the run
    can be restored.
    """
    with atomic_path(resume / RECORD) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n")
    names = [*names, RECORD]
    if paid:
        paid.note_outputs({name: file_digest(resume / name) for name in names})
        keep([resume / name for name in names], folder, identity=identity)
        paid.end()
    for name in names:
        (resume / name).replace(folder / name)
    shutil.rmtree(resume)


def bring_back(folder: Path, *, name: str, identity: Mapping[str, object]) -> str | None:
    """Restore the output files of a run that was finished in `folder`; return the digest of its identity.

    Returns None where no finished run is kept. Nothing is trained and nothing is charged. Where only code,
    libraries or machine have changed since, the finished run remains valid, and a warning says so. Raises
    PrivacyError where the run was trained on other patches or with other settings than are asked for now,
    because its results would pass for theirs, and where the kept files are damaged.
    """
    if not is_kept(folder):
        return None
    kept = folder / FOLDER
    finished, files = _read(kept, name=name)
    before = _with_new_names(finished)
    changed = [part for part in identity if not _agrees(before.get(part), _plain(identity[part]))]
    if set(changed) - VERSIONS:
        changes = "; ".join(_difference(part, before.get(part), _plain(identity[part])) for part in changed)
        raise PrivacyError(
            f"{name} is finished and paid for, and is not trained again although its settings or patches "
            f"have changed: {changes}. It is kept in {kept}. Remedy: undo the change, and the finished run "
            f"is restored at no cost; or train with the new ones under {ANOTHER_NUMBER} or another `study`, "
            "which is charged in addition"
        )
    told = [part for part in changed if part != "trained_on"]
    if told:
        log.warning(
            "%s was trained under another %s. It is paid for and remains valid, so it is not trained again. "
            "To train it as things are now, give it %s; that is charged in addition",
            name, " and ".join(told), ANOTHER_NUMBER,
        )  # fmt: skip
    else:
        log.info("%s is finished and paid for: its files were restored, nothing was trained or charged", name)
    shutil.rmtree(folder / ".resume", ignore_errors=True)
    for file in files:
        _copy(kept / file, folder / file)
    return identity_digest(finished)


def is_kept(folder: Path) -> bool:
    """Whether the run in `folder` is finished and was paid for."""
    return (folder / FOLDER).exists()


def compare_kept(folder: Path, *, name: str) -> tuple[dict, list[str], dict[str, str]] | None:
    """Return the privacy.json that the finished run `name` in `folder` had, and its changed outputs.

    These are the outputs that are other bytes than the kept copies; privacy.json is left out, and so is an
    output that is missing. The third are the digests of the kept copies, by name. Returns None where no
    privacy.json is kept. Every file is read once. Raises PrivacyError where the kept files are damaged.
    """
    if not is_kept(folder):
        return None
    kept = folder / FOLDER
    _, digests = _read(kept, name=name)
    if RECORD not in digests:
        return None
    outputs = [(file, digest) for file, digest in digests.items() if file != RECORD]
    changed = [
        file for file, digest in outputs if (folder / file).exists() and file_digest(folder / file) != digest
    ]
    return read_json(kept / RECORD, keys=()), changed, digests


def _read(kept: Path, *, name: str) -> tuple[dict, dict[str, str]]:
    """Return the identity of a kept run and its files' digests; PrivacyError where a file has changed."""
    try:
        identity, digests = (read_json(kept / record, keys=()) for record in (IDENTITY, DIGESTS))
        for file, digest in digests.items():
            if file_digest(kept / file) != digest:
                raise DamagedError(f"{kept / file} is not as it was")
    except (DamagedError, FileNotFoundError) as problem:
        raise PrivacyError(
            f"{name} is finished and paid for, but the kept files are damaged: {problem}. It is "
            f"not trained again without being asked for. Remedy: restore {kept} from a backup; or train the "
            f"run under {ANOTHER_NUMBER}, which is charged in addition; or remove {kept} to train this one "
            "again. Its noise cannot be drawn again, because its nonce was destroyed when it ended; so that "
            "draws fresh noise, and every step is charged in addition"
        ) from problem
    return identity, digests


def _with_new_names(identity: dict) -> dict:
    """Return an identity in which the settings of `RENAMED` have the names that they have now."""
    identity = dict(identity)
    for part, names in RENAMED.items():
        if isinstance(identity.get(part), dict):
            identity[part] = {names.get(key, key): value for key, value in identity[part].items()}
    return identity


def _copy(file: Path, target: Path) -> None:
    with file.open("rb") as source, atomic_path(target) as partial, partial.open("wb") as copy:
        shutil.copyfileobj(source, copy)


def _plain(part: object) -> object:
    """Return a part of an identity as it is after being written to JSON and read again."""
    return json.loads(json.dumps(part))


def _agrees(before: object, now: object) -> bool:
    """Whether a part of an identity is unchanged. A key that a later version added is no change."""
    if isinstance(before, dict) and isinstance(now, dict):
        return before == {key: now.get(key) for key in before}
    return before == now


def _difference(part: str, before: object, now: object) -> str:
    """Describe how a part of an identity has changed, for an error message."""
    if part in VERSIONS:  # digests would tell a reader nothing
        return f"other {part}"
    if part == "patches":
        return "other patches or scans"
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in before if now.get(key) != before[key]]
        return ", ".join(f"{key} was {before[key]}, is {now.get(key)}" for key in keys) or part
    return f"{part} was {before}, is {now}"
