"""A small site and its release: what the tests of the release share."""

import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from privessel.cohort.patches import Patches
from privessel.files import checkpoint
from privessel.gan.nets import GanShape, Generator
from privessel.privacy.account import Point, Run
from privessel.privacy.keys import load_master
from privessel.privacy.ledger import open_ledger
from privessel.privacy.site import Site
from privessel.release import bundle
from privessel.release.allowed import Outline
from privessel.release.archive import pack
from privessel.release.checks.words import tell_choices
from privessel.release.guarantee import Cohort, state_guarantee
from privessel.release.own_run import read_entries
from privessel.release.scanner import scan
from privessel.release.selection import Choice
from privessel.release.statement import summarise_numbers
from privessel.release.terms import Terms
from privessel.release.traces import Forbidden

SIZE, PAIRS = 24, "wgan/noise-1/run-1/epoch-2"
VOXELS = {"001": "a1" * 32, "P0042": "b2" * 32}
TERMS = Terms(
    name="vessels",
    description="Adults with a suspected stroke.",
    creators=("A Hospital",),
    licence="CC-BY-4.0",
    weights=True,
    epsilon=20.0,
    delta=1e-4,
    patient_delta=1e-5,
    max_region_epsilon=1e6,
    region_reason=None,
    override=None,
)
COHORT = Cohort(public=False, patients=2, patches=80, patches_per_patient=40, region_patches=3)
COUNTS = {"patches_per_patient": COHORT.patches_per_patient, "region_patches": COHORT.region_patches}
ALONE = Choice(1, *tell_choices(1), ())  # on a public cohort
SHAPE = {
    "patch": SIZE, "latent": 4, "generator_width": 2, "critic_width": 2, "generator_norm": "batch",
    "critic_norm": "none", "upsampling": "nearest", "noise_map": False,
}  # fmt: skip


def make_site(folder):
    found = Site(folder / "secure" / "state", epsilon=50.0, delta=1e-4)
    found.create_secrets()
    return found


def charge(
    site,
    *,
    number=1,
    steps=20,
    planned=20,
    unit="patch",
    patients=VOXELS,
    identity=None,
    noise=1.0,
    rate=0.2,
    counts=COUNTS,
):
    """Charge a run of the site; return what its privacy.json says."""
    run = Run(
        identity=identity or str(number) * 64, cohort="clinic", architecture="wgan", level="noise-1",
        run=number, unit=unit, noise_multiplier=noise, sampling_rate=rate, steps=planned,
        patients=tuple(site.digests(patients).values()), **counts,
    )  # fmt: skip
    master = load_master(site.state / "master.key")
    opened = open_ledger(
        site.state, master=master, run=run, point=Point(), machine="here", silent_minutes=0.01,
        anchor=site.anchor,
    )  # fmt: skip
    with opened as ledger:
        ledger.charge(0, steps)
        stood = {"identity": run.identity, "attempts": 1, "register": ledger.register} | ledger.head
    return record_of(unit=unit, run=number, noise_multiplier=noise, sampling_rate=rate) | {"ledger": stood}


def record_of(**changes):
    given = {
        "arch": "wgan", "level": "noise-1", "run": 1, "cohort": "clinic", "noise_multiplier": 1.0,
        "unit": "patch", "sampling_rate": 0.2, "clipping_norm": 1.0, "public_key": False, "delta": 1e-3,
    }  # fmt: skip
    return given | changes


def guarantee_of(record, site, *, terms=TERMS, cohort=COHORT, voxels=VOXELS, results=None):
    entries = read_entries(record, site=site, results=results)
    given = {"voxels": voxels, "steps": 20, "cohort": cohort, "terms": terms}
    return state_guarantee(record, entries, site=site, results=results, **given)


def alone(guarantee):
    """How a set was chosen that was the only one of its study."""
    known = guarantee.trainings
    return Choice(1, *tell_choices(1, *((known.runs, known.models) if known else ())), ())


def public_numbers(terms=TERMS):
    given = guarantee_of(record_of(public_key=True), None, cohort=replace(COHORT, public=True))
    return summarise_numbers(given, choice=ALONE, terms=terms, outweighed=[])


def textures(n, *, seed):
    """Smooth random images (n, s, s), float32, as unlike each other as scans of two places."""
    rough = np.random.default_rng(seed).normal(size=(n, SIZE + 4, SIZE + 4))
    windows = np.lib.stride_tricks.sliding_window_view(rough, (5, 5), axis=(1, 2))
    return (100 + 40 * windows.mean((-1, -2))).astype(np.float32)


def vessels(n, *, seed):
    return textures(n, seed=seed) > 103


REAL = Patches(
    image=textures(6, seed=1), label=vessels(6, seed=2), centre=np.zeros((6, 3), int),
    patient_index=np.zeros(6, int), patients=("001",), seeds=(1,),
)  # fmt: skip


def scaled(images):
    low, high = (part(images, axis=(1, 2), keepdims=True) for part in (np.min, np.max))
    return np.rint(255 * (images - low) / (high - low)).astype(np.uint8)


def make_generator(folder):
    torch.manual_seed(0)
    path = folder / "generator-epoch-2.pt"
    weights = Generator(GanShape(**SHAPE)).state_dict()
    checkpoint.save(path, {"shape": SHAPE, "epoch": 2, "weights": dict(weights)})
    return path


def content_of(*, generator=None, images=None, terms=TERMS, numbers=None, signer=None):
    images = scaled(textures(5, seed=3)) if images is None else images
    numbers = numbers or public_numbers(terms)
    return bundle.Content(images, vessels(5, seed=4), numbers, terms, "wgan", generator, signer)


@cache
def outline_of(terms=TERMS):
    """What a release as it should be says, with its generator."""
    return Outline(public_numbers(terms), terms, "wgan", 5, SIZE, model=True)


def make_release(folder, generator=None, **given):
    """Write a release that is as it should be; `given` as `content_of`."""
    folder.mkdir()
    bundle.write_files(folder, content_of(generator=generator, **given))
    return folder


KEY = bytes(range(100, 132))
FORBIDDEN = Forbidden(
    patients=["001", "P0042", "Schmidt", "20456789"], names=["jdoe", "ward7"],
    paths=["results/clinic", "/scans1"], digests=["c3" * 32],
    seeds=[2022, 6_200_300_400_500_600_700], keys=[KEY],
)  # fmt: skip


def searched(folder, tmp_path, *, forbidden=FORBIDDEN, terms=TERMS):
    archive = tmp_path / "packed.tar.gz"
    pack(folder, archive)
    return scan(archive, outline=outline_of(terms), forbidden=forbidden)


def publish(archive, *, generator=None, forbidden=FORBIDDEN, images=None, terms=TERMS):
    content = content_of(generator=generator, images=images, terms=terms)
    bundle.publish(content, archive=archive, forbidden=forbidden, threads=2)


def verified(folder, *options, program=None):
    """Run the recipient's check as a recipient does: one program, from anywhere."""
    command = [sys.executable, "-I", str(program or folder / "verify.py"), *options]
    return subprocess.run(command, cwd="/", text=True, capture_output=True, check=False, timeout=120)
