"""Runs of the audit, from coins to what attackers make of them."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_gan import SHAPE
from tiny_gan import TRAINING as OPEN

from privessel.audit import attack
from privessel.audit.plan import toss_coins
from privessel.audit.run import AuditRun, coins_identity
from privessel.cohort.patches import Patches, digest
from privessel.errors import DamagedError, PrivacyError
from privessel.files import checkpoint
from privessel.gan import loop as train_gan
from privessel.gan.checkpoints import RunFiles
from privessel.gan.loop import train
from privessel.gan.pairs import TrainingPatches
from privessel.gan.run import GanRun
from privessel.privacy import mechanism
from privessel.privacy.identity import identity_digest
from privessel.privacy.site import Site

pytestmark = pytest.mark.slow  # left out of make test-fast

torch.set_num_threads(1)
PRIVATE = replace(
    OPEN, noise_multiplier=0.8, batch=40, units=200, kept_epochs=(3,), micro_batch=64, patient_delta=1e-2
)
PLAN = {"canaries": 40, "guesses_in": 12, "guesses_out": 4, "confidence": 0.95, "score_every": 1, "seed": 7}


def patches(patients=5, each=40, size=12, seed=0):
    """Smooth patches, as scans are and noise is not."""
    rng = np.random.default_rng(seed)
    n = patients * each
    waves = np.sin(np.arange(size)[:, None] / 3 + rng.uniform(0, 6, (n, 1, 1))) * np.ones((n, size, size))
    return Patches(
        image=waves.astype(np.float32),
        label=waves > 0.5,
        centre=np.zeros((n, 3), int),
        patient_index=np.arange(n) // each,
        patients=tuple(f"{number:03d}" for number in range(patients)),
        seeds=tuple(range(patients)),
    )


PATCHES = patches()
PUBLIC = patches(seed=9)
REFERENCE = (PUBLIC.image, PUBLIC.label)
RUN = AuditRun("wgan", "noise-0.8", 1, "pegasus", **PLAN, reference=REFERENCE)


def identity(run=RUN, training=PRIVATE):
    arrays = (PATCHES.image, PATCHES.label, PATCHES.patient_index)
    return run.identity(shape=SHAPE, training=training, arrays=arrays, code=(), device="cpu", threads=1)


def trained(folder, *, run=RUN, training=PRIVATE, site=None, watch=True, claims=None):
    """Train a run of the audit as the workflow does; return its record, of the training that it `claims`."""
    audited, named = run.prepare(
        PATCHES, training=training, site=site, shape=SHAPE, code=(), device="cpu", threads=1
    )
    scans = folder.parent / "train.csv"
    rows = "".join(f"{name},scan of {name}\n" for name in PATCHES.patients)
    scans.write_text("patient,voxels\n" + rows)
    source = run.source(
        seed=7, site=site, identity=named, training=training, patients=PATCHES.patients,
        scans=scans,
    )  # fmt: skip
    train(
        TrainingPatches(audited.image, audited.label, audited.patient_index),
        shape=SHAPE, training=training, source=source, device="cpu",
        files=RunFiles(folder, named, checkpoint_seconds=0),
        record=lambda account: run.record(claims or training, audited, account, identity=named),
        watch=run.watch(training, genuine=len(PATCHES.image), device="cpu") if watch else None,
    )  # fmt: skip
    return json.loads((folder / "privacy.json").read_text())


def released(folder, pairs):
    critic, watched = attack.load_critic(folder / "critic.pt")
    return attack.Released(critic, watched, pairs, background=0.0)


def some(n, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (n, 12, 12)).astype(np.float32)
    return attack.LabelledPatches(images, images > 0.5, np.arange(n) // 4)


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "state", epsilon=1e3, delta=1e-5)
    made.create_secrets()
    return made


# --- Who the run is, and its coins -----------------------------------------------------------------------


def test_an_audit_is_no_run_of_the_study():
    study = GanRun("wgan", "noise-0.8", 1, "pegasus")
    assert RUN.name == "wgan/noise-0.8/audit-1"
    assert identity_digest(identity()) != identity_digest(identity(study))
    sources = [
        run.source(
            seed=7, site=None, identity={"threads": 1}, training=PRIVATE,
            patients=PATCHES.patients, scans=Path("nowhere"),
        )
        for run in (RUN, study)
    ]  # fmt: skip
    noises = [source.normal("noise", 0, 64) for source in sources]
    assert not np.array_equal(*noises)


@pytest.mark.parametrize(
    "key", ["canaries", "guesses_in", "guesses_out", "confidence", "score_every", "seed"]
)
def test_every_part_of_the_plan_decides_the_run(key):
    other = replace(RUN, **{key: PLAN[key] + (1 if key != "confidence" else -0.1)})
    assert identity_digest(identity(other)) != identity_digest(identity())


def test_coins_on_patients_follow_from_the_secret_and_the_run(tmp_path, site):
    def tossed(run=RUN, site=site):
        plan = run.plan(private=True, delta=1e-4)
        named = identity_digest(identity(run))
        return toss_coins(plan, run.coins(private=True, site=site, identity=named)).tolist()

    elsewhere = Site(tmp_path / "elsewhere", epsilon=1e3, delta=1e-5)
    elsewhere.create_secrets()
    tosses = [tossed(), tossed(replace(RUN, number=2)), tossed(site=elsewhere), tossed(site=None)]
    assert tossed() == tosses[0]
    assert len({tuple(each) for each in tosses}) == 4


@pytest.mark.parametrize(
    "key", ["number", "canaries", "guesses_in", "guesses_out", "confidence", "score_every"]
)
def test_another_plan_is_another_run_with_other_coins_where_the_seed_is_public_too(key):
    def tossed(run):
        plan = run.plan(private=True, delta=1e-4)
        return toss_coins(plan, run.coins(private=True, site=None, identity=None))[:40].tolist()

    change = -0.1 if key == "confidence" else 1
    assert tossed(replace(RUN, **{key: getattr(RUN, key) + change})) != tossed(RUN)


def test_canaries_come_after_all_patients_patches_each_as_a_patient_of_its_own():
    by_patient = replace(PRIVATE, unit="patient", patient_patches=3)
    for training, copies in ((PRIVATE, 1), (by_patient, 3)):
        audited = RUN.training_patches(
            PATCHES, training=training, site=None, identity=identity(training=training)
        )
        n = len(PATCHES.image)
        inserted = len(audited.patients) - 5
        assert 8 < inserted < 32
        assert np.array_equal(audited.image[:n], PATCHES.image)
        assert np.array_equal(audited.patient_index[:n], PATCHES.patient_index)
        assert np.bincount(audited.patient_index)[5:].tolist() == [copies] * inserted
        assert len(audited.image) == len(audited.centre) == n + copies * inserted
        numbers = [int(name.removeprefix("canary ")) for name in audited.patients[5:]]
        assert np.array_equal(audited.image[n::copies], RUN.canary_patches[0][numbers])


def test_the_sampling_rate_does_not_follow_the_coins(tmp_path, monkeypatch):
    """A rate that fell with every canary would tell of all their coins, and no accountant knows."""
    rates, sampled = set(), mechanism.poisson_sample
    monkeypatch.setattr(
        mechanism,
        "poisson_sample",
        lambda *given, **named: rates.add(named["rate"]) or sampled(*given, **named),
    )
    records = [trained(tmp_path / str(number), run=replace(RUN, number=number)) for number in (1, 2)]
    assert records[0]["patches"] != records[1]["patches"]
    assert {record["sampling_rate"] for record in records} == rates == {40 / 200}


def test_on_patients_an_audit_is_charged_to_them_and_to_nobody_else(tmp_path, site):
    record = trained(tmp_path / "audit", site=site)
    (account,) = site.accounts()
    assert account.run.name == "wgan/noise-0.8/audit-1"
    assert len(account.run.patients) == 5
    assert account.steps == PRIVATE.steps * PRIVATE.critic_steps
    assert record["ledger"]["identity"] == account.run.identity
    assert record["public_key"] is False
    # What is finished is never trained again, and all of its files come back.
    (tmp_path / "audit" / "critic.pt").unlink()
    trained(tmp_path / "audit", site=site)
    assert attack.load_critic(tmp_path / "audit" / "critic.pt")
    assert [each.steps for each in site.accounts()] == [account.steps]


def test_an_audit_that_the_budget_does_not_cover_is_refused_before_its_first_step(tmp_path, site):
    with pytest.raises(PrivacyError, match=r"wgan/noise-0\.8/audit-1: patient .* No step was taken"):
        trained(tmp_path / "audit", site=replace(site, epsilon=0.1))
    assert not list((tmp_path / "audit").glob("*.pt"))


def prepared(run=RUN, *, site=None, code=(), training=PRIVATE):
    return run.prepare(PATCHES, training=training, site=site, shape=SHAPE, code=code, device="cpu", threads=1)


def test_the_identity_digests_what_is_trained_on_canaries_included(tmp_path, site):
    """The break: it digested the patches before the canaries, so other coins were the same run."""
    elsewhere = Site(tmp_path / "elsewhere", epsilon=1e3, delta=1e-5)
    elsewhere.create_secrets()
    (audited, one), (other_audited, other) = prepared(site=site), prepared(site=elsewhere)
    assert one["trained_on"] == digest(audited.image, audited.label, audited.patient_index)
    assert not np.array_equal(audited.image[200:], other_audited.image[200:])
    assert {part for part in one if one[part] != other[part]} == {"trained_on"}
    assert identity_digest(one) != identity_digest(other)
    assert coins_identity(one) == coins_identity(other) == identity_digest(identity())
    study, named = GanRun("wgan", "noise-0.8", 1, "pegasus").prepare(
        PATCHES, training=PRIVATE, site=site, shape=SHAPE, code=(), device="cpu", threads=1
    )
    assert study is PATCHES
    assert named["patches"] == digest(study.image, study.label, study.patient_index)


def test_the_canaries_of_a_run_on_patients_are_known_again_from_its_record(tmp_path, site):
    record = trained(tmp_path / "audit", site=site)
    coins = record["audit"]["coins"]
    assert coins != record["ledger"]["identity"]
    plan = RUN.plan(private=True, delta=PRIVATE.unit_delta)
    tossed = toss_coins(plan, RUN.coins(private=True, site=site, identity=coins))
    assert record["patients"] == 5 + tossed.sum()
    bounds = attack.attack_canaries(
        record, released(tmp_path / "audit", some(30)), reference=REFERENCE, site=site
    )
    assert not bounds["refuted"].any()


def test_a_finished_audit_of_an_older_version_or_of_other_code_stands(tmp_path, site, caplog, monkeypatch):
    record = trained(tmp_path / "audit", site=site)
    kept = tmp_path / "audit" / ".finished" / "identity.json"
    older = json.loads(kept.read_text())
    del older["trained_on"]
    kept.write_text(json.dumps(older | {"code": {"gan/loop.py": "before"}}))
    assert trained(tmp_path / "audit", site=site) == record
    assert "was trained under another code. " in caplog.text
    assert len(site.accounts()) == 1
    kept.write_text(json.dumps(older | {"patches": "of other patients"}))
    with pytest.raises(PrivacyError, match="other patches"):
        trained(tmp_path / "audit", site=site)


# --- Watching --------------------------------------------------------------------------------------------


def test_an_audit_that_was_stopped_ends_with_the_same_scores(tmp_path, monkeypatch):
    trained(tmp_path / "whole")
    calls = []

    def stopping(*arguments, **keywords):
        save(*arguments, **keywords)
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt

    save = train_gan.save_checkpoint
    monkeypatch.setattr(train_gan, "save_checkpoint", stopping)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "stopped")
    trained(tmp_path / "stopped")
    assert len(calls) > 5
    one, other = (checkpoint.load(tmp_path / name / "critic.pt") for name in ("whole", "stopped"))
    assert torch.equal(one["watched"], other["watched"])
    assert one["watched"].std() > 0
    assert all(torch.equal(value, other["weights"][name]) for name, value in one["weights"].items())


def test_a_watched_run_makes_the_same_generator(tmp_path):
    trained(tmp_path / "watched")
    trained(tmp_path / "alone", watch=False)
    one, other = (
        checkpoint.load(tmp_path / name / "generator-epoch-3.pt")["weights"] for name in ("watched", "alone")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not (tmp_path / "alone" / "critic.pt").exists()


# --- Attacks ---------------------------------------------------------------------------------------------


def test_noise_that_was_left_out_is_found_and_a_kept_promise_is_not(tmp_path):
    """The whole way: a run that adds a fiftieth of the noise it claims, and one that adds what it claims."""
    honest = trained(tmp_path / "honest")
    bounds = attack.attack_canaries(
        honest, released(tmp_path / "honest", some(30)), reference=REFERENCE, site=None
    )
    assert bounds["score"].tolist() == ["gradient", "critic", "nearest"]
    assert not bounds["refuted"].any()
    assert (bounds["epsilon_low"] < bounds["claimed_epsilon"]).all()

    broken = trained(
        tmp_path / "broken",
        training=replace(PRIVATE, noise_multiplier=0.16),
        claims=replace(PRIVATE, noise_multiplier=8.0),
    )
    bounds = attack.attack_canaries(
        broken, released(tmp_path / "broken", some(30)), reference=REFERENCE, site=None
    )
    gradient = bounds.set_index("score").loc["gradient"]
    assert gradient["refuted"]
    assert gradient["claimed_epsilon"] < gradient["epsilon_low"] <= gradient["ceiling"]


def test_without_noise_there_is_no_claim_to_refute(tmp_path):
    open_run = replace(RUN, level="inf")
    record = trained(tmp_path / "inf", run=open_run, training=replace(OPEN, kept_epochs=(3,)))
    bounds = attack.attack_canaries(
        record, released(tmp_path / "inf", some(30)), reference=REFERENCE, site=None
    )
    assert bounds["score"].tolist() == ["critic", "nearest"]
    assert (bounds["claimed_epsilon"] == math.inf).all()
    assert not bounds["refuted"].any()


def test_canaries_of_another_version_are_not_scored(tmp_path):
    record = trained(tmp_path / "audit")
    assert AuditRun.from_record(record, reference=REFERENCE) == RUN
    older = record | {"audit": record["audit"] | {"every": record["audit"]["score_every"]}}
    del older["audit"]["score_every"]  # `every` was its name in the records of older versions
    assert AuditRun.from_record(older, reference=REFERENCE) == RUN
    record["audit"]["digest"] = digest(np.zeros(3))
    with pytest.raises(PrivacyError, match=r"wgan/noise-0\.8/audit-1: its canaries .* Remedy"):
        AuditRun.from_record(record, reference=REFERENCE)


def test_a_generator_that_copies_its_patches_is_found_by_what_lies_near(tmp_path):
    trained(tmp_path / "audit")
    members, others, reference = some(40, seed=1), some(40, seed=2), some(40, seed=3)
    copied = released(tmp_path / "audit", members)
    about = {"arch": "wgan", "level": "noise-0.8", "run": 1, "eps": 3.0}
    told = {"about": about, "neighbours": 1, "seed": 4}
    membership, curves = attack.attack_members(members, others, reference, copied, **told)
    found = membership[membership["unit"] == "patch"].drop_duplicates("attack").set_index("attack")
    assert found.loc["nearest", "auc"] == found.loc["density", "auc"] == 1
    assert (membership.groupby("attack").size() == 3).all()
    assert set(curves["attack"]) == {"critic", "nearest", "density"}
    assert curves["true_rate"].between(0, 1).all()
    strangers = released(tmp_path / "audit", some(40, seed=5))
    membership, _ = attack.attack_members(members, others, reference, strangers, **told)
    near = membership[(membership["attack"] == "nearest") & (membership["resampled"] == "patch")].iloc[0]
    assert near["auc_low"] < 0.5 < near["auc_high"]


def test_the_nearest_patches_are_those_of_a_brute_force():
    pairs, members, others = some(9, seed=1), some(20, seed=2), some(20, seed=3)
    found = attack.find_neighbours(pairs, members, others, shown=3)
    apart = np.linalg.norm(pairs.points[:, None].astype(float) - members.points[None], axis=2)
    closest = np.argsort(apart.min(axis=1))[:3]
    assert found["distance_train"] == pytest.approx(apart.min(axis=1)[closest])
    assert np.array_equal(found["train_label"], members.labels[apart.argmin(axis=1)[closest]])
    assert np.array_equal(found["synthetic_label"], pairs.labels[closest])
    away = np.linalg.norm(pairs.points[closest][:, None].astype(float) - others.points[None], axis=2)
    assert found["distance_held"] == pytest.approx(away.min(axis=1))
    assert found["held_image"].dtype == np.uint8


def test_another_file_is_no_critic(tmp_path):
    trained(tmp_path / "audit")
    with pytest.raises(DamagedError, match=r"generator-epoch-3\.pt is no critic of an audit"):
        attack.load_critic(tmp_path / "audit" / "generator-epoch-3.pt")
