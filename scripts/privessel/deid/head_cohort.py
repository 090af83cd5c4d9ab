"""The simulated cohort of heads on disk: a BIDS dataset of T1w scans, with brain masks as a derivative."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import privessel
from privessel.deid.head_tissue import Head, simulate
from privessel.deid.heads import FIELD_OF_VIEW, Identity, Visit, draw_identity, draw_visit
from privessel.errors import CohortError
from privessel.files.atomic import atomic_path
from privessel.phantom.dataset import write_json, write_nifti
from privessel.seeds import derive
from privessel.study.names import HEAD_BRAIN, HEAD_IMAGE

WHITE = 600  # the stored value of white matter: 16-bit scans have some hundreds
BIDS_VERSION = "1.9.0"
_COLUMNS = {
    "age": {"Description": "age at the first scan", "Units": "year"},
    "sex": {"Description": "sex of the simulated person", "Levels": {"F": "female", "M": "male"}},
    "split": {"Description": "what a person is for", "Levels": {"train": "trains", "test": "judges"}},
}


@dataclass(frozen=True)
class Person:
    """A simulated person: id without `sub-`, split, and the seed that everything follows from."""

    id: str
    split: str
    seed: int

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9]+", self.id):
            raise CohortError(
                f"simulated person {self.id!r}: BIDS allows only letters and digits in an id. Remedy: give "
                "the cohort another name in the config"
            )

    @property
    def identity(self) -> Identity:
        """Who the person is."""
        return draw_identity(np.random.default_rng([self.seed, 0]))

    def visit(self, number: int) -> Visit:
        """Return the person's visit `number`, counted from 1."""
        return draw_visit(np.random.default_rng([self.seed, number]), first=number == 1)

    def scan(self, number: int, side: int) -> Head:
        """Return the scan of visit `number`, `side` voxels a side."""
        return simulate(self.identity, self.visit(number), side)


def make_people(splits: Mapping[str, str], *, cohort: str, seed: int) -> list[Person]:
    """Return the people of a cohort; `splits` maps ids to train or test, `seed` is the study's."""
    return [Person(name, split, derive(seed, "head", cohort, name)) for name, split in splits.items()]


def write_scan(root: Path, person: Person, *, visit: int, session: str, side: int) -> None:
    """Write the scan of visit `visit`, counted from 1, with sidecar and brain mask.

    Its files bear the name of the `session`. Equal seeds give equal bytes.
    """
    names = {"patient": person.id, "session": session}
    head, affine = person.scan(visit, side), scanner_affine(side)
    stored = np.clip(np.rint(head.image * WHITE), 0, np.iinfo(np.int16).max).astype(np.int16)
    image = root / HEAD_IMAGE.format(**names)
    write_nifti(image, stored, affine)
    write_json(image.with_name(image.name.replace(".nii.gz", ".json")), _sidecar(person, visit))
    write_nifti(root / HEAD_BRAIN.format(**names), head.brain.astype(np.uint8), affine)


def write_people_table(root: Path, people: list[Person], *, name: str) -> None:
    """Write participants.tsv (participant_id, age, sex, split), and READMEs and descriptions of a cohort."""
    rows = ["participant_id\tage\tsex\tsplit"]
    for person in people:
        identity = person.identity
        rows.append(f"sub-{person.id}\t{identity.age:.1f}\t{identity.sex}\t{person.split}")
    with atomic_path(root / "participants.tsv") as partial:
        partial.write_text("\n".join(rows) + "\n", encoding="utf-8")
    write_json(root / "participants.json", _COLUMNS)
    for folder, kind in ((root, "raw"), (root / "derivatives" / "brain", "derivative")):
        write_json(folder / "dataset_description.json", _describe(name, kind))
        with atomic_path(folder / "README") as partial:
            partial.write_text(_say(name, kind), encoding="utf-8")


def scanner_affine(side: int) -> np.ndarray:
    """Return the affine of a simulated scan: RAS, mm, the middle of the field of view at the origin."""
    voxel = FIELD_OF_VIEW / side
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = voxel / 2 - FIELD_OF_VIEW / 2
    return affine


def _sidecar(person: Person, number: int) -> dict[str, object]:
    return {
        "Simulated": True,
        "Modality": "MR",
        "Manufacturer": "simulated",
        "SoftwareVersions": f"privessel {privessel.__version__}",
        "MagneticFieldStrength": 3,
        "Seed": person.seed,
        "Visit": number,
    }


def _describe(name: str, kind: str) -> dict[str, object]:
    description = {
        "Name": f"{name} (simulated)" + (": brain masks" if kind == "derivative" else ""),
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": kind,
        "Authors": ["The privessel authors"],
        "GeneratedBy": [{"Name": "privessel", "Version": privessel.__version__}],
    }
    return description | ({"SourceDatasets": [{"URL": "../../"}]} if kind == "derivative" else {})


def _say(name: str, kind: str) -> str:
    what = "T1w scans of heads." if kind == "raw" else "Brain masks of the T1w scans, 1 inside."
    return (
        f"{name}: simulated heads\n\n{what} Every person here was simulated by privessel "
        f"{privessel.__version__}; no scan of anyone took part. The sidecar of each scan has the person's "
        "seed and the number of the visit, from which its bytes follow.\n"
    )
