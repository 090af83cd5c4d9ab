"""What a release of heads promises, from the site's books: the draws of hulls behind it, and all others.

Nothing is believed of a file alone. A draw must be in the site's ledgers, complete, charged to that person
with these scans, and its kept copy the one that the register lists. The hulls are then made again from
brains, public model and kept draws, and must be those that the heads were composed in.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from glob import escape
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.deid.draws import place_draw
from privessel.errors import PrivacyError
from privessel.files.reading import read_json
from privessel.gan.paid_runs import compare_kept, is_kept
from privessel.privacy.account import Account
from privessel.privacy.accounting import Charge
from privessel.privacy.seen import read_seen
from privessel.privacy.site import Entries, Site
from privessel.privacy.spending import runs_by_patient
from privessel.release.checks.heads import compute_epsilons
from privessel.study.hulls import parse_hull
from privessel.study.names import HULL_DRAW

LIBRARIES = ("dp-accounting", "nibabel", "numpy", "randomgen", "scipy", "torch")
_RECORD = ("level", "run", "cohort", "noise_multiplier", "delta")


@dataclass(frozen=True)
class Drawn:
    """The draws behind a release of heads.

    draw: what one of them cost, None where the hull has none. composed: all draws of the person who is worst
    off, in all studies of the site, if each was chosen after a look at those before. fixed: the most that
    anybody's draws cost if they were fixed beforehand. other_runs, models: private runs of other kinds and
    models without noise that the people took part in; None of public scans, of which no books are kept.
    """

    hull: str
    delta: float
    draw: Charge | None
    composed: tuple[Charge, ...]
    fixed: float = 0.0
    other_runs: int | None = None
    models: int | None = None
    register: str | None = None

    def epsilons(self) -> dict[str, float | None]:
        """Return `epsilon`, `epsilon_composed` and `epsilon_adaptive`, as a recipient computes them."""
        draw = asdict(self.draw) if self.draw else None
        found = compute_epsilons(draw, [asdict(one) for one in self.composed], delta=self.delta)
        return found | {"epsilon_composed": max(found["epsilon_composed"], self.fixed)}


@dataclass(frozen=True)
class Asked:
    """Whose draws a release needs: of each person, the SHA-256 of every scan of theirs by its name.

    number, delta, noise_multiplier: of the draws. draws: the folder of finished ones.
    """

    cohort: str
    hull: str
    number: int
    delta: float
    noise_multiplier: float | None  # None where the hull has no draw
    people: Mapping[str, Mapping[str, str]]
    draws: Path

    def folder(self, person: str) -> Path:
        """The folder of a person's draw."""
        return place_draw(self.draws, cohort=self.cohort, person=person, level=self.level, number=self.number)

    @property
    def level(self) -> str:
        """The level of these draws in the ledgers, such as eps-4."""
        return f"eps-{self.hull.removeprefix('local-dp-')}"


def read_draws(asked: Asked, *, site: Site | None, results: Path) -> tuple[Drawn, Entries]:
    """Return the draws behind a release, each verified, and the site's books.

    site: None for public scans. results: the study's folder of results. Raises PrivacyError, with the remedy,
    for a draw that is missing, edited, incomplete, of other scans, or with noise from a published seed.
    """
    drawn = parse_hull(asked.hull)[0] == "local-dp"
    draw = Charge(asked.noise_multiplier, 1.0, 1) if drawn else None
    if site is None:
        # Whatever hull leaves now, and whatever the cohort was called: a draw shows that they are patients.
        folders = [
            folder for person in asked.people for folder in asked.draws.glob(f"*/{escape(person)}/*/*")
        ]
        kept = sorted({folder.parts[-3] for folder in folders if is_kept(folder)})
        if kept:
            raise PrivacyError(
                f"deid.heads is marked as public, but {len(kept)} of its people were charged for their "
                f"hulls, such as {kept[0]}: a release would leave out what else was charged to them. Remedy: "
                "set `public: false` for the cohort again"
            )
        return Drawn(asked.hull, asked.delta, draw, (draw,) if draw else ()), Entries()
    entries = site.entries(read_seen(results))
    if drawn:
        for person in asked.people:
            _check_draw(asked, person, site=site, entries=entries)
    # Whoever has several scans is recognised by each of them.
    digests = {
        f"{person} {name}": site.digests({person: voxels})[person]
        for person, scans in asked.people.items()
        for name, voxels in scans.items()
    }
    taken = runs_by_patient(entries.accounts, patients=digests).values()
    hulls = [
        [draw for one in own if one.run.architecture == HULL_DRAW for draw in _list_draws(one)]
        for own in taken
    ]
    others = {one.run for own in taken for one in own if one.run.architecture != HULL_DRAW}
    composed, fixed = _worst(hulls, delta=asked.delta)
    found = Drawn(
        hull=asked.hull,
        delta=asked.delta,
        draw=draw,
        composed=composed,
        fixed=fixed,
        other_runs=len(others),
        models=entries.count_models(digests),
        register=entries.accounts[0].register if entries.accounts else None,
    )
    return found, entries


def _list_draws(account: Account) -> list[Charge]:
    """Return each draw of an account by itself.

    There are several where another study asked for the same one, or where the first was begun and lost. Each
    but the first could be asked for after a look at those before.
    """
    return [account.run.charge(1)] * account.charge.steps


def _worst(of_each: Sequence[Sequence[Charge]], *, delta: float) -> tuple[tuple[Charge, ...], float]:
    """Return `Drawn.composed` and `Drawn.fixed`, which may be of two people."""
    distinct = {tuple(sorted(own, key=str)) for own in of_each}
    biggest = [one for one in distinct if not any(Counter(one) < Counter(other) for other in distinct)]
    spent = {
        own: compute_epsilons(None, [asdict(one) for one in own], delta=delta)
        for own in sorted(biggest, key=str)
    }
    worst = max(spent, key=lambda own: spent[own]["epsilon_adaptive"])
    return worst, max(one["epsilon_composed"] for one in spent.values())


def _check_draw(asked: Asked, person: str, *, site: Site, entries: Entries) -> None:
    folder = asked.folder(person)
    name = f"{person}: the draw of hull {asked.hull}, number {asked.number},"
    remedy = (
        f"Remedy: restore {folder} and the ledgers from a backup; or make other draws under another "
        "deid.draw, which is charged in addition"
    )
    if not (folder / "privacy.json").exists():
        raise PrivacyError(f"{name} has no privacy.json. {remedy}")
    record = read_json(folder / "privacy.json", keys=_RECORD)
    if record.get("public_key") or not record.get("ledger"):
        raise PrivacyError(
            f"{name} came from a published seed, so that anyone can subtract its noise. Remedy: leave the "
            "cohort at `public: false`, set privacy.state, and make other draws under another deid.draw"
        )
    identity = record["ledger"]["identity"]
    own = next((one for one in entries.accounts if one.run.identity == identity), None)
    if own is None or own.reached < 1 or own.charged_before(1) < 1:
        raise PrivacyError(f"{name} is not in the site's ledgers, or not complete there. {remedy}")
    _compare(asked, own, record, name=name, remedy=remedy)
    charged = {part for pair in own.run.patients for part in pair}
    of_scans = [site.digests({person: voxels})[person] for voxels in asked.people[person].values()]
    if not charged >= {part for pair in of_scans for part in pair}:
        raise PrivacyError(
            f"{name} was charged to another person, or with other scans. Remedy: give the person the scans "
            "of that draw; or make another one under another deid.draw, which is charged in addition"
        )
    compared = compare_kept(folder, name=own.run.name)
    if compared is None or compared[0].get("ledger", {}).get("identity") != identity:
        raise PrivacyError(f"{name} has no kept copy, or that of another one. {remedy}")
    _, changed, digests = compared
    if changed or digests not in entries.outputs.get(identity, ()):
        raise PrivacyError(f"{name} is not as the site's register has it. {remedy}")


def _compare(asked: Asked, own: Account, record: Mapping, *, name: str, remedy: str) -> None:
    """Raise PrivacyError where a draw's ledger, its record and what is asked for are not of one mechanism."""
    wanted = {
        "level": asked.level,
        "run": asked.number,
        "cohort": asked.cohort,
        "noise_multiplier": asked.noise_multiplier,
    }
    differ = [key for key, value in wanted.items() if not getattr(own.run, key) == record[key] == value]
    if record["delta"] != asked.delta:
        differ.append("delta")
    if (own.run.architecture, own.run.unit, own.run.sampling_rate) != (HULL_DRAW, "patient", 1.0):
        differ.append("kind")
    if differ:
        raise PrivacyError(f"{name} is of another {', '.join(differ)} than is asked for. {remedy}")


def check_hulls(
    made_again: Mapping[str, NDArray[np.bool_]], used: Mapping[str, NDArray[np.bool_]], *, cohort: str
) -> None:
    """Raise PrivacyError where a scan's hull (S, S, S) is not the one that brain and draw give."""
    changed = [name for name, hull in made_again.items() if not np.array_equal(hull, used.get(name))]
    if changed:
        raise PrivacyError(
            f"the hulls of {len(changed)} scans of {cohort}, such as {changed[0]}, are not those that "
            "their brains and their draws give, so what is promised of a hull does not hold for them. "
            "Remedy: remove the file of hulls and run the same command again; draws that are paid for are "
            "restored at no cost"
        )


def check_groups(codes: Mapping[str, NDArray], released: Collection[str], *, k: int) -> None:
    """Raise PrivacyError where fewer than k of the `released` people share a code of k-same."""
    sizes = Counter(codes[person].tobytes() for person in released)
    small = [size for size in sizes.values() if size < k]
    if small:
        raise PrivacyError(
            f"deid.release.left_out leaves groups of {min(small)} people who share a hull, fewer than the "
            f"{k} that k-same promises. Remedy: leave out nobody, or release heads in another hull, such as "
            "brain"
        )


def library_versions() -> dict[str, str]:
    """Return the versions of the packages that decide a release's numbers and voxels."""
    return {name: version(name) for name in LIBRARIES}
