"""A private U-Net from patches to files: paid once, resumed bit by bit, and what is refused."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from private_unet.ward import PATIENTS, RUN, SHAPE, Ward, a_start

from privessel.errors import PrivacyError
from privessel.gan import paid_runs
from privessel.privacy.accounting import Charge
from privessel.privacy.ledger import Ledger
from privessel.private_unet import loop
from privessel.private_unet.run import PrivateUNetRun
from privessel.unet.net import TrainedUNet, UNetShape

torch.set_num_threads(1)


@pytest.fixture
def ward(tmp_path):
    return Ward(tmp_path)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_leaves_a_u_net_and_charges_every_patient_for_its_steps(ward):
    record = ward.train()
    trained = TrainedUNet.load(ward.folder() / "unet.pt")
    assert (trained.shape, trained.mean, trained.sd) == (SHAPE, 100.0, 50.0)
    assert not equal(trained.weights, a_start().weights)
    assert ward.charged() == [Charge(1.0, 4 / 40, 6)]
    (account,) = ward.site.accounts()
    run = account.run
    assert (run.name, run.unit, len(run.patients)) == ("private-unet/noise-1/run-1", "patch", 5)
    assert (run.patches_per_patient, run.region_patches) == (8, 8)
    assert not list(ward.site.state.glob("*.nonce"))
    assert (record["charged_steps"], record["unit"], record["start"]) == (6, "patch", "phantoms")
    assert record["promises"]["patient"]["epsilon"] > record["promises"]["patch"]["epsilon"] > 0
    assert record["public_key"] is False


def test_nothing_but_what_follows_from_released_gradients_is_in_files_and_log(ward, caplog):
    """The loss, norms, and sizes of samples on patients are not covered by any eps."""
    ward.train()
    with (ward.folder() / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "epsilon", "norm", "distance_from_start"]
    assert [row["step"] for row in rows] == [str(number) for number in range(1, 7)]
    spent = [float(row["epsilon"]) for row in rows]
    assert spent == sorted(spent)
    trained = TrainedUNet.load(ward.folder() / "unet.pt")
    assert trained.identity == {"private": True}
    told = caplog.text + (ward.folder() / "privacy.json").read_text()
    assert not [one for one in PATIENTS if one in told]
    assert "loss " not in told.replace("privacy loss", "")


def test_run_again_it_is_restored_at_no_charge_also_without_its_outputs(ward, monkeypatch):
    ward.train()
    before = {path.name: path.read_bytes() for path in ward.folder().iterdir() if path.is_file()}
    for name in ("unet.pt", "history.csv", "privacy.json"):
        (ward.folder() / name).unlink()
    monkeypatch.setattr(loop, "PrivateUNet", lambda *_, **__: pytest.fail("it was trained again"))
    ward.train()
    assert {path.name: path.read_bytes() for path in ward.folder().iterdir() if path.is_file()} == before
    assert ward.charged() == [Charge(1.0, 4 / 40, 6)]


@pytest.mark.parametrize("killed_at", [1, 3, 6])
def test_killed_and_resumed_it_ends_with_the_same_bits_and_the_same_charge(tmp_path, monkeypatch, killed_at):
    ward = Ward(tmp_path)
    write, calls = loop.write_checkpoint, []
    # Both trainings draw from one secret and one nonce, so that only the interruption differs.
    monkeypatch.setattr("privessel.privacy.nonce.draw_nonce", lambda: bytes(32))
    ward.train()
    whole = ward.weights()
    shutil.rmtree(ward.results)
    for path in ward.site.state.iterdir():
        if path.suffix != ".key":
            path.unlink()

    def killing(*given, **named):
        write(*given, **named)
        calls.append(1)
        if len(calls) == killed_at:
            raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(loop, "write_checkpoint", killing)
        with pytest.raises(KeyboardInterrupt):
            ward.train()
    assert not (ward.folder() / "unet.pt").exists()
    assert [charge.steps for charge in ward.charged()] == [killed_at]
    ward.train()
    assert equal(ward.weights(), whole)
    assert ward.charged() == [Charge(1.0, 4 / 40, 6)]


def test_steps_are_charged_before_anything_they_influenced_is_written(ward, monkeypatch):
    charge, seen = Ledger.charge, []

    def watched(self, first, last):
        resume = ward.folder() / ".resume"
        seen.append((last, (resume / "checkpoint.pt").exists()))
        charge(self, first, last)
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(Ledger, "charge", watched)
        with pytest.raises(KeyboardInterrupt):
            ward.train()
    assert seen == [(1, False)]
    assert [one.steps for one in ward.charged()] == [1]
    ward.train()
    assert ward.charged() == [Charge(1.0, 4 / 40, 6)]


def test_a_finished_run_is_refused_under_other_settings_and_another_number_is_charged(ward, tmp_path, caplog):
    ward.train()
    for changes in ({"steps": 7}, {"clipping_norm": 1.0}, {"learning_rate": 1e-3}):
        with pytest.raises(PrivacyError, match=f"finished and paid for.*{next(iter(changes))} was"):
            ward.train(**changes)
    with pytest.raises(PrivacyError, match="start was phantoms, is others"):
        ward.train(start="others")
    with pytest.raises(PrivacyError, match="other patches"):
        ward.train(files=ward.write_patches(tmp_path / "others", seed=1))
    assert [charge.steps for charge in ward.charged()] == [6]
    ward.train(replace(RUN, number=2))
    assert [charge.steps for charge in ward.charged()] == [6, 6]
    # The same start, trained by another version of the code: the run stays valid, and a warning says so.
    before = ward.weights()
    other = replace(a_start(seed=1), identity=a_start().identity | {"code": "newer", "torch": "3"})
    other.save(ward.start)
    ward.train()
    assert equal(ward.weights(), before)
    assert "trained under another start" in caplog.text


def test_a_checkpoint_of_another_run_is_refused_where_it_was_paid_for(ward, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(paid_runs, "publish", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ward.train()
    with pytest.raises(PrivacyError, match="belongs to another run"):
        ward.train(steps=7)
    ward.train()
    assert [charge.steps for charge in ward.charged()] == [6]


def test_the_budget_is_asked_before_the_first_step(tmp_path, monkeypatch):
    ward = Ward(tmp_path, budget=0.5)
    monkeypatch.setattr(loop, "PrivateUNet", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(PrivacyError, match=r"would have spent eps .*of 0\.5"):
        ward.train()
    assert not sum(charge.steps for charge in ward.charged())


def test_what_cannot_be_clipped_is_refused_before_anything_is_charged(ward, monkeypatch):
    network = TrainedUNet.network

    def with_batch_norm(self, device):
        net = network(self, device)
        net.last = torch.nn.Sequential(net.last, torch.nn.BatchNorm2d(1))
        return net

    monkeypatch.setattr(TrainedUNet, "network", with_batch_norm)
    with pytest.raises(PrivacyError, match="mixes samples"):
        ward.train()
    assert not ward.charged()


def test_missing_patients_and_other_counts_of_patches_are_refused(ward):
    with pytest.raises(PrivacyError, match="4 patients have patches"):
        ward.train(files=ward.files[:4])
    with pytest.raises(PrivacyError, match="8 patches, but patches.per_patient is 9"):
        ward.train(patches_per_patient=9)
    assert not ward.charged()


def test_a_start_for_patches_of_another_size_is_refused(ward):
    replace(a_start(), patch_size=16).save(ward.start)
    with pytest.raises(ValueError, match="16 pixels cannot be the start"):
        ward.train()


def test_where_patients_are_the_unit_they_are_sampled_and_the_whole_patient_is_covered(ward):
    record = ward.train(unit="patient", batch=2)
    assert ward.charged() == [Charge(1.0, 2 / 5, 6)]
    (account,) = ward.site.accounts()
    assert (account.run.unit, account.run.patches_per_patient) == ("patient", None)
    assert record["promises"]["patient"]["method"] == "exact"
    assert record["delta"] == 1e-5


def test_at_a_level_of_eps_all_steps_together_stay_below_it(ward):
    record = ward.train(replace(RUN, level="eps-3"))
    assert 2.9 < record["promises"]["patch"]["epsilon"] <= 3


def test_on_a_public_cohort_the_seed_decides_and_nobody_is_charged(ward):
    record = ward.train(public=True)
    first = ward.weights()
    shutil.rmtree(ward.results)
    ward.train(public=True)
    assert equal(ward.weights(), first)
    assert record["public_key"] is True
    assert not ward.charged()


def test_a_paid_run_is_not_trained_again_with_a_published_seed(ward):
    ward.train()
    before = ward.weights()
    with pytest.raises(PrivacyError, match="`public` was changed"):
        ward.train(public=True)
    assert equal(ward.weights(), before)


def test_a_level_without_noise_is_no_private_u_net():
    with pytest.raises(PrivacyError, match="has noise, and level inf has none"):
        PrivateUNetRun("inf", 1, "cohort")


def test_dropout_and_statistics_of_patients_have_no_part_in_it(tmp_path):
    """With dropout of any share in the start's shape the weights are the same, and so with grey values of
    any unit, because each patch is scaled by itself and standardised by the start's numbers."""
    found = []
    for number, share in enumerate((0.0, 0.5)):
        ward = Ward(tmp_path / str(number))
        a_start(shape=UNetShape(SHAPE.filters, share)).save(ward.start)
        ward.train(public=True)
        found.append(ward.weights())
    assert equal(*found)
    assert not np.isnan(found[0]["last.weight"].numpy()).any()
