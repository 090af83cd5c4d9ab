"""Which key draws a run's randomness, which runs are charged for it, and what they say of privacy."""

import hashlib
import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from tiny_gan import SHAPE
from tiny_gan import TRAINING as OPEN

from privessel.cohort.patches import Patches
from privessel.errors import PrivacyError
from privessel.gan.run import GanRun
from privessel.privacy.account import Account, Point
from privessel.privacy.accounting import epsilon
from privessel.privacy.chain import Head
from privessel.privacy.site import PaidRun, Site

RUN = GanRun(arch="wgan", level="noise-0.65", number=1, cohort="pegasus")
TRAINING = replace(OPEN, noise_multiplier=0.65, patient_delta=1e-2)


def patches(patients=5, each=8, size=12):
    n = patients * each
    return Patches(
        image=np.arange(n, dtype=np.float32)[:, None, None] * np.ones((n, size, size), np.float32),
        label=np.ones((n, size, size), bool),
        centre=np.zeros((n, 3), int),
        patient_index=np.arange(n) // each,
        patients=tuple(f"{number:03d}" for number in range(patients)),
        seeds=(0,) * patients,
    )


PATCHES = patches()


def identity(run=RUN, *, training=TRAINING, data=PATCHES, device="cpu", threads=1, code=()):
    arrays = (data.image, data.label, data.patient_index)
    return run.identity(
        shape=SHAPE, training=training, arrays=arrays, code=code, device=device, threads=threads
    )


@pytest.fixture
def scans(tmp_path):
    table = tmp_path / "train.csv"
    lines = [f"{patient},scan of {patient}" for patient in (*PATCHES.patients, "another")]
    table.write_text("\n".join(["patient,voxels", *lines, ""]))
    return table


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "state", epsilon=1e3, delta=1e-5)
    made.create_secrets()
    return made


def source(run=RUN, *, site=None, training=TRAINING, scans=None, seed=2022):
    parts = {"training": training, "identity": identity(run, training=training)}
    return run.source(seed=seed, site=site, patients=PATCHES.patients, scans=scans, **parts)


def drawn(stream):
    return stream.normal("noise", 3, 64)


# --- Keys and ledgers ------------------------------------------------------------------------------------


def test_a_public_run_repeats_and_shares_no_draw_with_another_level_number_architecture_or_seed():
    assert np.array_equal(drawn(source()), drawn(source(replace(RUN, cohort="phantom-b"))))
    others = [replace(RUN, level="noise-0.6"), replace(RUN, number=2), replace(RUN, arch="other")]
    draws = [drawn(source(run)) for run in (RUN, *others)]
    draws += [drawn(source(replace(RUN, level="inf"), training=OPEN)), drawn(source(seed=1))]
    for one, other in combinations(draws, 2):
        assert np.isin(one, other).sum() < 4


def test_level_inf_draws_from_the_published_seed_on_patients_too_and_is_charged_nothing(site, scans):
    run = replace(RUN, level="inf")
    found = source(run, site=site, training=OPEN, scans=scans)
    assert np.array_equal(drawn(found), drawn(source(run, training=OPEN)))


def test_a_private_run_on_patients_is_charged_for_each_of_them_and_draws_from_the_secret(site, scans):
    found = source(site=site, scans=scans)
    assert isinstance(found, PaidRun)
    expected = site.digests({patient: f"scan of {patient}" for patient in PATCHES.patients})
    assert found.run.patients == tuple(expected.values())
    assert (found.run.unit, found.run.sampling_rate, found.run.steps) == ("patch", 4 / 40, 24)
    each = len(PATCHES.image) // len(PATCHES.patients)
    assert (found.run.patches_per_patient, found.run.region_patches) == (each, TRAINING.region_patches)
    by_patient = source(site=site, scans=scans, training=replace(TRAINING, unit="patient", units=5))
    assert (by_patient.run.unit, by_patient.run.sampling_rate) == ("patient", 4 / 5)


def test_a_private_run_shares_no_draw_with_the_public_one_of_the_same_name(site, scans):
    with source(site=site, scans=scans).open(Point(), silent_minutes=1) as (stream, ledger):
        assert ledger.account.run.name == "wgan/noise-0.65/run-1"
        assert np.isin(drawn(stream), drawn(source())).sum() < 4


def test_without_the_secret_no_private_run_on_patients_starts(tmp_path, scans):
    with pytest.raises(PrivacyError, match=r"master\.key: no master secret"):
        source(site=Site(tmp_path / "nowhere", epsilon=1, delta=1e-5), scans=scans)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"delta": 0.1}, "privacy.delta"), ({"unit": "patient", "patient_delta": 0.3}, "privacy.patient_delta")],
    ids=["patch", "patient"],
)
def test_a_delta_that_would_allow_to_publish_a_unit_is_refused_before_training(wrong, told):
    with pytest.raises(PrivacyError, match=told):
        source(training=replace(TRAINING, **wrong))


DECIDED = ("noise_multiplier", "units", "region_patches")
SETTINGS = {name: value for name, value in vars(TRAINING).items() if name not in DECIDED}
SETTINGS |= {"patients": 5, "patches_per_patient": 8, "max_overlap": None}


def test_a_budget_s_delta_that_would_allow_to_publish_a_unit_is_refused_before_training(site, scans):
    with pytest.raises(PrivacyError, match=r"privacy\.budget\.delta to at most 1/40"):
        source(site=replace(site, delta=0.1), scans=scans)


@pytest.mark.parametrize(("level", "noise"), [("inf", None), ("noise-0.65", 0.65), ("noise-2", 2.0)])
def test_the_noise_multiplier_is_in_the_level_s_name(level, noise):
    found = replace(RUN, level=level).training(PATCHES, **SETTINGS)
    assert found == replace(TRAINING, noise_multiplier=noise)


@pytest.mark.parametrize("unit", ["patch", "patient"])
def test_a_level_may_be_named_by_its_eps_and_gets_the_least_noise_that_keeps_it_to_the_run_s_last_step(unit):
    found = replace(RUN, level="eps-5").training(PATCHES, **SETTINGS | {"unit": unit, "kept_epochs": (1,)})
    given = {"sampling_rate": 4 / 40 if unit == "patch" else 4 / 5, "steps": 24, "delta": found.unit_delta}
    assert 4.9 < epsilon(noise_multiplier=found.noise_multiplier, **given) <= 5


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (patches(patients=4), "4 patients have patches, but the cohort's table has 5"),
        (patches(each=7), "patient 000: 7 patches, but patches.per_patient is 8"),
        (
            replace(PATCHES, patient_index=np.maximum(PATCHES.patient_index - (np.arange(40) == 8), 0)),
            "patient 000: 9 patches",
        ),
    ],
    ids=["a patient less", "patches of all", "a patch of one"],
)
def test_a_sampling_rate_that_would_follow_from_the_data_is_refused(given, told):
    """The number of units is that of table and config, which a neighbouring cohort shares."""
    for unit in ("patch", "patient"):
        with pytest.raises(PrivacyError, match=told):
            RUN.training(given, **SETTINGS | {"unit": unit})


def test_a_region_s_patches_are_the_bound_of_the_config_or_what_the_patches_share():
    assert RUN.training(PATCHES, **SETTINGS).region_patches == 8  # all of a patient's lie at one centre
    assert RUN.training(PATCHES, **SETTINGS | {"max_overlap": 30}).region_patches == 30


def test_an_identity_changes_with_everything_that_decides_the_weights(tmp_path):
    code = tmp_path / "privessel" / "gan" / "step.py"
    code.parent.mkdir(parents=True)
    code.write_text("one")
    given = [
        identity(),
        identity(replace(RUN, number=2)),
        identity(replace(RUN, level="noise-0.7")),
        identity(replace(RUN, arch="other")),
        identity(training=replace(TRAINING, ema=0.8)),
        identity(data=patches(each=9)),
        identity(data=patches(patients=10, each=4)),
        identity(data=replace(PATCHES, image=2 * PATCHES.image)),
        identity(device="cuda"),
        identity(threads=2),
        identity(code=[code]),
    ]
    code.write_text("two")
    given.append(identity(code=[code]))
    for one, other in combinations(given, 2):
        assert one != other
    assert json.loads(json.dumps(given[0])).keys() == given[0].keys()


def write_code(folder, *names):
    """Write a file of each name below the package's folder, and return their paths."""
    paths = [folder / "privessel" / "scripts" / "privessel" / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the code of {path.parent.name}")
    return paths


def test_two_files_of_one_name_in_different_rooms_are_both_part_of_an_identity(tmp_path):
    code = write_code(tmp_path, "gan/loop.py", "unet/loop.py", "device.py")
    before = identity(code=code)
    assert list(before["code"]) == ["device.py", "gan/loop.py", "unet/loop.py"]
    assert before["code"]["gan/loop.py"] == hashlib.sha256(b"the code of gan").hexdigest()
    for path in code[:2]:
        path.write_text(path.read_text() + ", edited")
        assert identity(code=code) != before
        path.write_text(path.read_text().removesuffix(", edited"))
    assert identity(code=code) == before


def test_code_that_is_not_of_the_package_or_is_named_twice_is_refused(tmp_path):
    (loop,) = write_code(tmp_path / "one", "gan/loop.py")
    (other,) = write_code(tmp_path / "two", "gan/loop.py")
    with pytest.raises(ValueError, match=r"two files .* are called gan/loop\.py"):
        identity(code=[loop, other])
    (tmp_path / "loop.py").write_text("a copy elsewhere")
    with pytest.raises(ValueError, match="no file of the package"):
        identity(code=[tmp_path / "loop.py"])


# --- What privacy.json says ------------------------------------------------------------------------------


def test_privacy_record_of_the_paper_s_run_has_the_valid_and_the_published_eps():
    paper = replace(
        TRAINING, batch=32, units=41000, critic_steps=5, steps_per_epoch=1281, epochs=50, kept_epochs=(50,),
        noise_multiplier=1.0, micro_batch=64, delta=1 / 41000, patient_delta=1e-3, region_patches=4,
    )  # fmt: skip
    record = RUN.record(paper, patches(patients=41, each=1000, size=1), None, identity={})
    last = record["epochs"]["50"]
    assert last["charged_steps"] == 320250
    assert last["epsilon"] == pytest.approx(2.24, rel=0.005)
    assert round(last["epsilon_as_published"], 2) == 3.61
    assert "vacuous" in last["patient"]["sentence"]
    assert "delta 0.001" in last["patient"]["sentence"]
    assert (last["region"]["patches"], record["region_patches"]) == (4, 4)
    assert last["epsilon"] < last["region"]["epsilon"] < last["patient"]["epsilon"]
    assert last["region"]["epsilon"] == pytest.approx(11.67, rel=0.01)
    assert 5 / 41000 < last["loss_above_epsilon"] < 10 / 41000
    assert [name for name in last if name in ("patient", "region", "patch")] == ["patient", "region", "patch"]
    assert record["neighbours"] == "one patch replaced by an empty one"
    assert (record["unit"], record["sampler"]) == ("patch", "poisson, fresh every critic step")
    assert record["sampling_rate"] == pytest.approx(32 / 41000)
    assert record["public_key"] is True
    assert {"torch", "numpy", "dp-accounting"} <= record["versions"].keys()
    json.dumps(record, allow_nan=False)


def test_privacy_record_counts_a_step_as_often_as_it_was_charged_and_names_the_ledger_s_head(site, scans):
    run = source(site=site, scans=scans).run
    account = Account(run, ((0, 0, 16), (1, 8, 24)), (None, None), Head(5, "abc"), "def")
    record = RUN.record(TRAINING, PATCHES, account, identity={})
    assert record["ledger"] == {
        "identity": run.identity, "attempts": 2, "lines": 5, "mac": "abc", "register": "def",
    }  # fmt: skip
    assert record["public_key"] is False
    for epoch, steps in (("1", 8), ("3", 32)):
        assert record["epochs"][epoch]["charged_steps"] == steps
        spent = epsilon(noise_multiplier=0.65, sampling_rate=0.1, steps=steps, delta=1e-4)
        assert record["epochs"][epoch]["epsilon"] == spent


def test_privacy_record_by_patient_has_one_eps_at_the_patient_s_delta():
    record = RUN.record(replace(TRAINING, unit="patient", units=5), PATCHES, None, identity={})
    last = record["epochs"]["3"]
    assert (record["unit"], record["delta"], record["sampling_rate"]) == ("patient", 1e-2, 0.8)
    assert last["epsilon"] == last["patient"]["epsilon"]
    assert last["epsilon"] == epsilon(noise_multiplier=0.65, sampling_rate=0.8, steps=24, delta=1e-2)
    assert last["patient"]["method"] == "exact"


def test_privacy_record_without_noise_says_unprotected_and_has_no_eps():
    record = replace(RUN, level="inf").record(OPEN, PATCHES, None, identity={})
    assert record["protection"] == "unprotected, inside only"
    assert record["noise_multiplier"] is None
    for epoch in ("1", "3"):
        assert record["epochs"][epoch]["charged_steps"] == 0
        assert record["epochs"][epoch]["epsilon"] is None
        assert record["epochs"][epoch]["epsilon_as_published"] is None


# --- The site --------------------------------------------------------------------------------------------


def test_a_site_s_secret_is_made_once_and_only_for_its_owner(site):
    assert (site.state / "master.key").stat().st_mode & 0o777 == 0o600
    before = (site.state / "master.key").read_bytes()
    with pytest.raises(PrivacyError, match="there is a master secret already"):
        site.create_secrets()
    assert (site.state / "master.key").read_bytes() == before


def test_no_new_secret_is_made_where_ledgers_were_made_under_a_lost_one(site):
    (site.state / "master.key").unlink()
    (site.state / "0.ledger").write_text("")
    with pytest.raises(PrivacyError, match="restore .*master.key from a backup"):
        site.create_secrets()
    assert not (site.state / "master.key").exists()
