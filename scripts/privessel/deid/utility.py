"""What a cohort's heads are still good for after a method: tissues and ages, measured scan by scan."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privessel.deid.faces import apply_method
from privessel.deid.frame import Framed, to_cube
from privessel.deid.gamma import Gamma
from privessel.deid.head_cohort import Person, scanner_affine
from privessel.deid.tissue import TISSUES, compare, find_tissues, measure_volumes
from privessel.files.reading import read_array
from privessel.study.names import GAN_METHOD, HULL_METHOD, ORIGINAL

SCAN = ["person", "session"]
VOLUMES, OVERLAPS = [f"{name}_ml" for name in TISSUES], [f"{name}_dice" for name in TISSUES]
AGES = ["age", "age_original", "age_after"]
COLUMNS = [*SCAN, "against", "failed", *OVERLAPS, *VOLUMES, *AGES, "changed_brain_voxels", "seconds"]
_ALL_LABELS = sorted({kind for kinds in TISSUES.values() for kind in kinds} | {1})


@dataclass(frozen=True)
class HeadFiles:
    """The files that the heads of a cohort are made of, in the order of `scans`.

    scans: `name`, `person` and `session` of each. frames: the framed scans. gammas: needed for hulls alone,
    else empty. hulls: kind of hull -> archive of a shield's; the paper's own are in the gammas. made: kind of
    hull -> the heads that a GAN has made in it. average: the average head of public people.
    """

    scans: Sequence[Mapping[str, str]]
    frames: Sequence[Path]
    gammas: Sequence[Path]
    hulls: Mapping[str, Path]
    made: Mapping[str, Sequence[Path]]
    average: NDArray

    def make(self, method: str, place: int, framed: Framed) -> NDArray:
        """Return the head (S, S, S) that a method makes of the scan at a place in the lists."""
        if method.startswith(GAN_METHOD):
            return read_array(self.made[method.removeprefix(GAN_METHOD)][place], "image")
        gamma = None
        if method.startswith(HULL_METHOD):
            gamma = Gamma.load(self.gammas[place])
            if shield := self.hulls.get(method.removeprefix(HULL_METHOD)):
                gamma = gamma.with_hull(read_array(shield, self.scans[place]["name"]))
        return apply_method(method, framed, average=self.average, gamma=gamma)


def measure_tissues(
    method: str, files: HeadFiles, *, references: Path | None
) -> tuple[pd.DataFrame, dict[str, NDArray[np.uint8]]]:
    """Return a row for each scan of what is found in its head after a method, and the labels by scan.

    references: the archive of labels to compare with: those found in the unaltered heads, or the truth; None
    where there are none, and then there is no Dice. `failed` is 1 where no brain was found: the volumes are 0
    then, and so is Dice. Dice is NaN where the reference has nothing. `seconds`: to make the head from what
    lies on disk; a GAN's heads lie there already.
    """
    rows, labels = [], {}
    for place, scan in enumerate(files.scans):
        framed = Framed.load(files.frames[place])
        started = time.perf_counter()
        head = files.make(method, place, framed)
        seconds = time.perf_counter() - started
        found = labels[scan["name"]] = find_tissues(head, framed.place.voxel)
        overlaps = compare(found, read_array(references, scan["name"])) if references else {}
        rows.append(
            {key: scan[key] for key in SCAN}
            | {"failed": int(not found.any())}
            | {f"{name}_dice": overlaps.get(name, np.nan) for name in TISSUES}
            | {f"{name}_ml": volume for name, volume in measure_volumes(found, framed.place.voxel).items()}
            | {
                "changed_brain_voxels": int((head != framed.image)[framed.brain].sum()),
                "seconds": seconds,
            }
        )
    return pd.DataFrame(rows), labels


def true_tissues(person: Person, *, visit: int, side: int, frame: Path) -> NDArray[np.uint8]:
    """Return the labels of a simulated scan in its frame: in each voxel the label with the largest share."""
    place, truth, affine = Framed.load(frame).place, person.scan(visit, side).labels, scanner_affine(side)
    shares = [to_cube((truth == kind).astype(np.float32), affine, place) for kind in (0, *_ALL_LABELS)]
    shares[0] = 1 - sum(shares[1:])  # the scan does not reach everywhere
    return np.array([0, *_ALL_LABELS], np.uint8)[np.argmax(shares, axis=0)]


def predict_ages(
    methods: Iterable[str], files: HeadFiles, *, predict: Callable[[NDArray], float]
) -> pd.DataFrame:
    """Return the age that a network reads from every head: columns method, person, session, predicted."""
    rows = []
    for place, scan in enumerate(files.scans):
        framed = Framed.load(files.frames[place])
        make = partial(files.make, place=place, framed=framed)
        rows += [[method, *(scan[key] for key in SCAN), predict(make(method))] for method in methods]
    return pd.DataFrame(rows, columns=["method", *SCAN, "predicted"])


def join(
    tissues: Mapping[str, pd.DataFrame],
    predicted: pd.DataFrame | None,
    known: Mapping[str, float],
    *,
    truth: bool,
) -> dict[str, pd.DataFrame]:
    """Return the table of each method, with COLUMNS.

    tissues: tables of `measure_tissues` by method. predicted: a table of `predict_ages`, None without an age
    network. known: the age of people whose age is known. truth: whether unaltered heads were compared with
    the truth; else they were compared with nothing.
    """
    tables = {}
    for method, found in tissues.items():
        table = found.copy()
        table["against"] = ORIGINAL if method != ORIGINAL else "truth" if truth else ""
        table["age"] = table["person"].map(known).astype(float)
        for column, source in (("age_original", ORIGINAL), ("age_after", method)):
            table[column] = np.nan
            if predicted is not None:
                own = predicted[predicted["method"] == source].set_index(SCAN)["predicted"]
                table[column] = own.loc[list(map(tuple, table[SCAN].to_numpy()))].to_numpy()
        tables[method] = table[COLUMNS]
    return tables


def tabulate_volumes(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a row for each method and tissue: volumes, their change, and Dice.

    `failed` scans, in which no brain was found, are counted; they are in the quantiles of Dice as 0, and in
    no volume. `change_ml` is the mean over scans in which a brain was found both before and after.
    """
    rows = []
    before = tables[ORIGINAL].set_index(SCAN)
    for method, table in tables.items():
        own = table.set_index(SCAN)
        found = own[own["failed"] == 0]
        paired = found.index.intersection(before[before["failed"] == 0].index)
        for name in TISSUES:
            volumes, dice = found[f"{name}_ml"], own[f"{name}_dice"].dropna()
            change = found.loc[paired, f"{name}_ml"] - before.loc[paired, f"{name}_ml"]
            rows.append(
                {
                    "method": method,
                    "tissue": name,
                    "against": table["against"].iloc[0],
                    "people": table["person"].nunique(),
                    "scans": len(own),
                    "failed": int(own["failed"].sum()),
                    "mean_ml": volumes.mean(),
                    "sd_ml": volumes.std(),
                    "change_ml": change.mean(),
                    "compared": len(dice),
                    **{f"dice_{word}": dice.quantile(at) for word, at in
                       (("low", 0.25), ("median", 0.5), ("high", 0.75))},
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
