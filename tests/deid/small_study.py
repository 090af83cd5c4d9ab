"""A study of a few simulated heads at 16 voxels a side, taken through hulls and GANs as its rules do."""

from pathlib import Path

import numpy as np
import torch
from deid.people import scan
from deid.small_heads import TRAINING
from study.studies import make

from privessel.deid.frame import Framed, Place
from privessel.deid.gamma import transform
from privessel.deid.head_cohort import scanner_affine
from privessel.deid.made import write_heads
from privessel.deid.run import load_heads, train_to_files
from privessel.deid.shielding import Shield, fit_public
from privessel.deid.training import read_settings
from privessel.files.arrays import write_arrays
from privessel.files.reading import read_array
from privessel.seeds import derive

SIDE = 16
GAN = {name: value for name, value in vars(TRAINING).items() if name != "betas"} | {
    "betas": [0.0, 0.99],
    "blocks": "plain",
    "generator_widths": [4, 3, 2],
    "discriminator_widths": [4, 3, 2],
    "noise": 1,
    "place": True,
    "folds": 2,
    "learns_from": "public",
}


def describe_study(**gan):
    """The config of three own people, five public ones with two visits, and changed keys of `deid.gan`."""
    deid = {
        "enabled": True,
        "heads": {"phantom": {"people": 3, "visits": 1, "side": SIDE}},
        "public_heads": {"phantom": {"people": 5, "visits": 2, "side": SIDE}},
        "code": {"rank": 2},
        "attack": {"candidates": 3},
        "size": SIDE,
        "voxel_mm": 16.0,
        "hulls": ["paper", "brain"],
        "gan": GAN | {"hulls": ["paper", "brain"]} | gan,
    }
    return {"study": "few-heads", "deid": deid}


def plan_study(**gan):
    """Its plan."""
    return make("config.yaml", "profiles/deid-demo/study.yaml", **describe_study(**gan))


def frame_scans(study, other_face=None):
    """Write all framed scans and their gammas; own person `other_face` has a stranger's face and skull."""
    for offset, visits, cohort in ((0, 1, study.deid.own), (10, 2, study.deid.known)):
        files = zip(*(study.deid.files(kind, cohort) for kind in ("frame", "gamma")), strict=True)
        for number, (frame, gamma) in enumerate(files):
            person = offset + number // visits
            image, brain = scan(person, 1 + number % visits, SIDE)
            if person == other_face:
                image = np.where(brain, image, scan(30, 1, SIDE)[0])
            Framed(image, brain, Place(SIDE, scanner_affine(SIDE), 1.0)).save(Path(frame))
            random = np.random.default_rng(number)
            transform(image, brain, random, rotations=4, planes=100).save(Path(gamma))


def shield_hulls(study, hull):
    """Write the archives of a shield's hulls."""
    heads = study.deid
    model, _ = fit_public(
        *([*map(Path, heads.files(kind, heads.known))] for kind in ("frame", "gamma")), rank=2
    )
    for cohort in heads.names:
        shield = Shield(
            cohort=cohort, kind=hull, seed=1, delta=1e-5, clip=2.5, number=1, site=None,
            results=Path(study.results), draws=Path(heads.folder, "draws"), code_files=(),
            model_digest="model",
        )  # fmt: skip
        scans = heads.scans(cohort)
        hulls = shield.make(
            model,
            dict(zip([one.name for one in scans], map(Path, heads.files("gamma", cohort)), strict=True)),
            {one.name: one.person for one in scans},
            {one.name: "0" * 64 for one in scans},
        )
        write_arrays(Path(heads.folder, f"hulls/{hull}/{cohort}.npz"), **hulls)


def train_gan(study, fold):
    """Train the GAN of a fold on the files that its rule has as inputs."""
    gans = study.head_gans
    shape, training = read_settings(gans.settings(), size=SIDE)
    name = f"deid/gan/fold-{fold}"
    folder = Path(study.results, name)
    train_to_files(
        load_heads(
            *([*map(Path, gans.learned_files(kind, fold))] for kind in ("frame", "gamma")),
            gans.learned_people(fold),
        ),
        held_out=gans.held_out(fold), shape=shape, training=training, seed=derive(study.config.seed, name),
        weights=folder / "generator.pt", history_csv=folder / "history.csv",
    )  # fmt: skip


def make_cohort(study, hull, cohort):
    """Make the heads of a cohort in one kind of hull; return them by the files that they are in."""
    gans, made = study.head_gans, study.head_gans.made(hull, cohort)
    archive = study.deid.hulls_of(f"hull-{hull}", cohort)
    write_heads(
        gans.records(cohort),
        gans=dict(zip(gans.needed(cohort), map(Path, gans.generators(cohort)), strict=True)),
        gammas=[*map(Path, study.deid.files("gamma", cohort))],
        hulls=Path(archive[0]) if archive else None,
        made=[*map(Path, made)],
        seed=1,
        device=torch.device("cpu"),
    )
    return {path: read_array(Path(path), "image") for path in made}


def release(study, hull, other_face=None):
    """Take the study from its scans to the heads of everybody."""
    frame_scans(study, other_face)
    if hull != "paper":
        shield_hulls(study, hull)
    for fold in range(study.head_gans.keys.folds):
        train_gan(study, fold)
    return {
        path: head for cohort in study.deid.names for path, head in make_cohort(study, hull, cohort).items()
    }
