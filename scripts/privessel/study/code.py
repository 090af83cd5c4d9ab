"""Which modules of the library decide a rule's result: read from the imports of its script."""

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# They decide where messages go, who may write and how a file gets its name, never what is in it.
PLUMBING = frozenset({"errors", "files/atomic", "files/lock", "files/reading", "files/script"})
# What decides the weights of a private run beside its data and settings. They are named one by one, because a
# change of any of them makes another run of it, and nothing else does (docs/mechanism.md, rule 7).
_ANY_STEP = (
    "cohort/patches",
    "device",
    "gan/charged_steps",
    "privacy/clipping",
    "privacy/grid",
    "privacy/identity",
    "privacy/keys",
    "privacy/layers",
    "privacy/mechanism",
    "privacy/norms",
    "privacy/terms",
)
PRIVATE_STEP = (
    *_ANY_STEP,
    "gan/loop",
    "gan/losses",
    "gan/nets",
    "gan/pairs",
    "gan/private_critic",
    "gan/step",
    "gan/training",
)
# The same of a private U-Net.
PRIVATE_UNET_STEP = (
    *_ANY_STEP,
    "private_unet/loop",
    "private_unet/step",
    "private_unet/training",
    "unet/net",
)
# What decides a vote beside its ballots.
VOTED_STEP = ("privacy/identity", "privacy/keys", "vote/mechanism", "vote/ranks", "vote/run")
# What decides the draw of a hull under local privacy, beside the scans and the public model.
HULL_STEP = ("deid/draws", "deid/shield", "privacy/grid", "privacy/identity", "privacy/keys")
AUDITED_STEP = (*PRIVATE_STEP, "audit/canaries", "audit/plan", "audit/run", "seeds")

_IMPORT = re.compile(r"^[ \t]*from privessel((?:\.\w+)*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


@dataclass(frozen=True)
class Library:
    """The library's files and what imports what, each file read once."""

    scripts: Path  # the folder of the scripts; the library lies in privessel/ below it

    @property
    def folder(self) -> Path:
        """The folder of the library."""
        return self.scripts / "privessel"

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Every module by its path in the library without suffix, such as `gan/loop`; no `__init__`."""
        files = [path for path in sorted(self.folder.rglob("*.py")) if path.name != "__init__.py"]
        packages = [path for path in self.folder.rglob("__init__.py") if path.parent != self.folder]
        named = {path.relative_to(self.folder).with_suffix("").as_posix(): path for path in files}
        return named | {path.parent.relative_to(self.folder).as_posix(): path for path in packages}

    @cached_property
    def _direct(self) -> dict[str, frozenset[str]]:
        return {name: self._imports(path) for name, path in self.modules.items()}

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {}

    def _imports(self, path: Path) -> frozenset[str]:
        """Return the modules that a file imports, and the packages they lie in."""
        found = set()
        for dotted, imported in _IMPORT.findall(path.read_text(encoding="utf-8")):
            package = dotted.lstrip(".").replace(".", "/")
            names = re.findall(r"(\w+)(?: as \w+)?", re.sub(r"#.*", "", imported))
            inner = {f"{package}/{name}".lstrip("/") for name in names} & self.modules.keys()
            found |= inner or ({package} & self.modules.keys())
            # A package's own file runs first, and may import others.
            parts = package.split("/")
            found |= {"/".join(parts[:n]) for n in range(1, len(parts) + 1)} & self.modules.keys()
        return frozenset(found)

    def closure(self, roots: Iterable[str]) -> frozenset[str]:
        """Return modules and all that they import, directly or through others."""
        found, todo = set(), list(roots)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self._direct[name]
        return frozenset(found)

    def behind(self, script: str, *functions: str) -> list[str]:
        """Return the modules that decide what a script makes, those it loads by name (`functions`) too."""
        roots = self._imports(self.scripts / script) | set(functions)
        return sorted(self.closure(roots) - PLUMBING)

    def digest(self, script: str, *functions: str) -> str:
        """Return a digest of these modules, for a rule's params: an edit reruns it, a touch does not.

        As inputs of every job they made most of the graph's files, and half the time of a dry run.
        """
        text = "".join(f"{name} {self._digest(name)} " for name in self.behind(script, *functions))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def step_files(self, *, audited: bool) -> list[str]:
        """Return the files that decide a private step, relative to the working folder."""
        return self._paths(
            name for name in (AUDITED_STEP if audited else PRIVATE_STEP) if name in self.modules
        )

    def private_unet_files(self) -> list[str]:
        """Return the files that decide a step of a private U-Net, relative to the working folder."""
        return self._paths(PRIVATE_UNET_STEP)

    def vote_files(self) -> list[str]:
        """Return the files that decide the draw of a vote, relative to the working folder."""
        return self._paths(VOTED_STEP)

    def hull_files(self) -> list[str]:
        """Return the files that decide the draw of a hull, relative to the working folder."""
        return self._paths(HULL_STEP)

    def _paths(self, names: Iterable[str]) -> list[str]:
        return [os.path.relpath(self.modules[name]) for name in names]

    def _digest(self, name: str) -> str:
        if name not in self._digests:
            self._digests[name] = hashlib.sha256(self.modules[name].read_bytes()).hexdigest()
        return self._digests[name]
