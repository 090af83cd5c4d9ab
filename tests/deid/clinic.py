"""A hospital's heads on the scanner's grid, and all that rules make of them before a release."""

import json
import os
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from deid.native import oblique, oblique_affine, write
from deid.people import scan as simulated_scan
from deid.small_heads import SHAPES
from tiny_release import make_site

from privessel.deid import qc
from privessel.deid.frame import find_place, frame
from privessel.deid.gamma import Gamma, transform
from privessel.deid.made import digest_parts, find_seeds
from privessel.deid.native import read_brain, read_native
from privessel.deid.networks import Generator
from privessel.deid.preparation import digest_voxels
from privessel.deid.shield import HullModel
from privessel.deid.shielding import Shield
from privessel.deid.trained import TrainedHeadGan, digest_people
from privessel.files.arrays import write_arrays
from privessel.files.reading import file_digest, read_array
from privessel.study.head_scans import HeadScan

SCRIPTS = Path(__file__).parents[2] / "scripts"
SIDE, COHORT, HULL = 32, "clinic", "local-dp-4"
VIEW = 64  # pixels of a view of a picture, so that it is drawn in no time
CUBE = {"side": SIDE, "field_of_view": 256.0}
STEP = tuple(SCRIPTS / f"privessel/deid/{name}.py" for name in ("draws", "shield"))
PUBLIC = [f"public/{number}" for number in range(20, 30)]  # whom a GAN may have learned from
TERMS = {
    "name": "heads-a", "description": "Adults who gave their consent.", "creators": ["A Hospital"],
    "licence": "CC-BY-4.0", "epsilon": 8.0, "override": None, "delta": 1e-5, "clip": 2.5, "number": 1,
}  # fmt: skip
SIDECAR = {"EchoTime": 0.003, "PatientName": "Jane Doe", "AcquisitionDateTime": "2024-01-31T12:00:00"}


class Named(SimpleNamespace):
    """What snakemake gives to a script: parts by name, as attributes and as items."""

    def __getitem__(self, name):
        return getattr(self, name)


def run_script(name, **given):
    """Run a rule's script as snakemake does; raises SystemExit where it ends with a message."""
    parts = {key: Named(**value) if isinstance(value, dict) else value for key, value in given.items()}
    runpy.run_path(str(SCRIPTS / name), init_globals={"snakemake": SimpleNamespace(**parts)})


def gamma_of(image, brain):
    return transform(image, brain, np.random.default_rng(1), rotations=4, planes=60)


def write_gan(path, people):
    """Write the file of a small GAN that has learned from these people, named {cohort}/{id}."""
    shape = SHAPES["plain with place"]
    weights = Generator(shape, generator=torch.Generator().manual_seed(1)).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    TrainedHeadGan(weights, shape, digest_people(people), {}).save(path)


class Clinic:
    """People of a cohort, a scan each, and the files that rules would have made of them.

    people: id -> number of the simulated person. public: public heads, of whom the model is fitted. faces: id
    -> number of the one whose face the person has.
    """

    def __init__(self, folder, people, *, public=range(20, 30), site=None, hull=HULL, faces=None):
        self.folder, self.site, self.hull = folder, site, hull
        self.results = folder / "results" / "study"
        self.deid = self.results / "deid"
        faces = faces or {}
        self.scans = {one: self.scan(one, number, face=faces.get(one)) for one, number in people.items()}
        known = [simulated_scan(number) for number in public]
        gammas = [gamma_of(*one) for one in known]
        self.model = self.deid / "public" / "hulls.npz"
        HullModel.fit([g.hull for g in gammas], [g.brain for g in gammas], rank=3, margin=1.0).save(
            self.model
        )
        self.average = self.deid / "public" / "average.npz"
        write_arrays(self.average, image=np.mean([image for image, _ in known], 0).astype(np.float32))
        for scan in self.scans.values():
            self.check(scan)
        self.shield()
        self.teach(*(f"public/{number}" for number in public))
        for scan in self.scans.values():
            self.make(scan)

    def scan(self, person, number, *, face=None):
        """Write a scan as the hospital has it; `face`: of whom everything around the brain is."""
        image, brain = oblique(number)
        if face is not None:
            image = np.where(brain, image, oblique(face)[0])
        affine, _ = oblique_affine()
        place = self.folder / "pacs" / f"MRN{person}-20240131"
        place.mkdir(parents=True, exist_ok=True)
        path = write(place / f"{person}.nii.gz", image * 300, affine)
        (place / f"{person}.json").write_text(json.dumps(SIDECAR))
        mask = write(place / "brain.nii.gz", brain.astype(np.uint8), affine, slope=None, dtype=np.uint8)
        return HeadScan(person, "20240131", str(path), str(mask))

    def place(self, kind, scan, end=".npz"):
        return self.deid / kind / COHORT / f"{scan.name}{end}"

    def check(self, scan):
        """Frame a scan; the checks before it, which want finer voxels, have tests of their own."""
        native = read_native(Path(scan.image))
        brain, values = read_brain(Path(scan.brain), native), native.values
        place = find_place(np.where(brain, values, 0), brain, native.affine, **CUBE)
        framed, digest = frame(values, brain, native.affine, place), digest_voxels(native)
        framed.save(self.place("frame", scan))
        gamma_of(framed.image, framed.brain).save(self.place("gamma", scan))
        checked = self.deid / "intake.json"
        found = json.loads(checked.read_text()) if checked.exists() else {}
        checked.write_text(json.dumps(found | {f"{COHORT}/{scan.name}": digest}))

    @property
    def hulls(self):
        return self.deid / "hulls" / self.hull / f"{COHORT}.npz"

    def shield(self):
        shield = Shield(
            COHORT, self.hull, 1, 1e-5, 2.5, 1, self.site, self.results, self.deid / "draws", STEP,
            file_digest(self.model),
        )  # fmt: skip
        scans = self.scans.values()
        hulls = shield.make(
            HullModel.load(self.model),
            {scan.name: self.place("gamma", scan) for scan in scans},
            {scan.name: scan.person for scan in scans},
            {scan.name: digest_voxels(read_native(Path(scan.image))) for scan in scans},
        )
        write_arrays(self.hulls, **hulls)

    def make(self, scan, number=30):
        """Write another's head in the place of what a GAN has made."""
        gamma = Gamma.load(self.place("gamma", scan)).with_hull(read_array(self.hulls, scan.name))
        own = [one for one in self.scans.values() if one.person == scan.person]
        (seed,) = find_seeds(
            [one.person for one in own], [self.place("gamma", one) for one in own], seed=1
        ).values()
        made_of = digest_parts(gamma, generator=file_digest(self.generator), seed=seed)
        write_arrays(self.place(f"made/{self.hull}", scan), image=simulated_scan(number)[0], made_of=made_of)

    def native(self, scan):
        """The files of a head on the scanner's grid, by kind."""
        ends = {"image": "_T1w.nii.gz", "mask": "_defacemask.nii.gz", "sidecar": "_T1w.json"}
        return {kind: self.place(f"native/{self.hull}", scan, end) for kind, end in ends.items()}

    def release_head(self, scan):
        """Run the script of rule `released_head`."""
        given = {"checked": self.deid / "intake.json", "average": self.average, "hulls": self.hulls}
        given |= {"frame": self.place("frame", scan), "made": self.place(f"made/{self.hull}", scan)}
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(qc, "SIDE", VIEW)
            run_script(
                "release_head.py",
                log=[os.fspath(self.folder / "logs.log")],
                input={name: str(path) for name, path in given.items()},
                output={kind: str(path) for kind, path in self.native(scan).items()},
                wildcards={"scan": scan.name, "heads": COHORT, "hull": self.hull},
                params={
                    "scan": vars(scan),
                    "picture": str(self.place(f"native/{self.hull}", scan, "-inside-only.png")),
                },
            )
        return self.native(scan)

    # --- The release ---

    @property
    def generator(self):
        return self.deid / "gan" / "fold-0" / "generator.pt"

    def teach(self, *people):
        """Write the file of a GAN that has learned from these people."""
        write_gan(self.generator, people)

    def release(self, *, left_out=(), budget=None, **terms):
        """Run the script of rule `head_release`; return its archive, and the folder beside it."""
        leaving = [scan for scan in self.scans.values() if scan.name not in left_out]
        files = [self.native(scan) for scan in leaving]
        given = TERMS | {"hull": self.hull, "left_out": list(left_out)} | terms
        archive = self.results / "release" / f"{given['name']}.tar.gz"
        records = [vars(scan) | {"name": scan.name, "number": 1} for scan in self.scans.values()]
        public = self.site is None
        state = None if public else str(self.site.state)
        run_script(
            "make_head_release.py",
            log=[os.fspath(self.folder / "logs.log")],
            config={
                "privacy": {
                    "state": state,
                    "anchor": None,
                    "budget": budget or {"epsilon": 50.0, "delta": 1e-5},
                }
            },
            input={
                **{f"{kind}s": [str(one[kind]) for one in files] for kind in ("image", "mask", "sidecar")},
                "frames": [str(self.place("frame", scan)) for scan in leaving],
                "made": [str(self.place(f"made/{self.hull}", scan)) for scan in leaving],
                "gammas": [str(self.place("gamma", scan)) for scan in self.scans.values()],
                "hulls": str(self.hulls),
                "model": str(self.model),
                "checked": str(self.deid / "intake.json"),
            },
            output={"archive": str(archive), "codes": str(self.deid / "codes-inside-only.csv")},
            params={
                "cohort": COHORT,
                "scans": records,
                "released": [one for one in records if one["name"] not in left_out],
                "known": PUBLIC,
                "terms": given,
                "step": list(map(str, STEP)),
                "public": public,
                "seed": 1,
                "folders": [str(self.folder / "pacs"), str(self.results)],
                "people": {COHORT: list(self.scans)},
            },
        )
        return archive, archive.parent / given["name"]


def open_clinic(folder):
    """Return two people of a hospital, charged for their hulls, their heads on the scanner's grid."""
    found = Clinic(folder, {"MRN4711": 0, "MRN4712": 1}, site=make_site(folder))
    for scan in found.scans.values():
        found.release_head(scan)
    return found
