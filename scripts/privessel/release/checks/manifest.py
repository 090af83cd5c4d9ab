"""The list of a release's files with their digests, and whether they still agree with it."""

import hashlib
from pathlib import Path

MANIFEST, SIGNATURE, PUBLIC_KEY = "MANIFEST.sha256", "MANIFEST.sha256.sig", "site.pub"


def find_changes(folder: Path) -> list[str]:
    """Return a line for every file that is missing, changed, added or no plain file; none if all is well."""
    manifest = folder / MANIFEST
    if manifest.is_symlink() or not manifest.is_file():
        return [f"{MANIFEST} is missing"]
    listed, changes = {}, []
    for line in manifest.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        if not name or name in listed or Path(name).is_absolute() or ".." in name.split("/"):
            changes.append(f"{MANIFEST} has the odd line {line!r}")
        else:
            listed[name] = digest
    if not listed:
        changes.append(f"{MANIFEST} lists nothing")
    for name, digest in listed.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            changes.append(f"{name} is missing")
        elif digest_of(path) != digest:
            changes.append(f"{name} was changed")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in {*listed, MANIFEST, SIGNATURE}:
            changes.append(f"{name} was added")
    return changes


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
