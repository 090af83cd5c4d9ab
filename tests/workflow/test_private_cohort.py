"""A cohort of patients at a private level: secret, ledger and budget, through kills, edits and refusals."""

import json
import os
import random
import shutil
import signal
import time

import pytest
from hospital import GAN, TARGET, digests, done

from privessel.privacy.signing import load_signer

pytest_plugins = ["hospital"]


def test_a_secret_is_asked_for_made_by_a_target_of_its_own_and_not_shown(hospital):
    shutil.rmtree(hospital.state)
    first = done(hospital.study("-n", TARGET))
    assert first.count("no master secret") == 1
    assert "target `secret`" in first
    before = hospital.study(TARGET)
    assert before.returncode != 0
    assert "no master secret" in before.stdout
    assert "Remedy" in before.stdout
    told = done(hospital.study("secret"))
    for key in ("master.key", "signing.key"):
        secret = (hospital.state / key).read_bytes()
        assert secret not in told.encode(errors="replace")
        assert secret.hex() not in told
    assert load_signer(hospital.state).fingerprint in told


def test_a_private_run_is_charged_shown_kept_and_never_trained_again(paid_for):
    record = json.loads((paid_for.folder / TARGET).read_text())
    assert record["public_key"] is False
    assert record["ledger"]["attempts"] == 1
    assert paid_for.charged() == record["epochs"]["2"]["charged_steps"] == 20
    assert not list(paid_for.state.glob("*.nonce"))
    before = digests(paid_for.folder / GAN)

    told = done(paid_for.study("ledger"))
    assert "2 patients: eps" in told
    assert "wgan/noise-1/run-1" in told

    code = paid_for.folder / "scripts/privessel/gan/step.py"
    code.write_text(code.read_text() + "\n# edited\n")
    assert "Nothing to be done" in paid_for.study(TARGET).stdout

    paid_for.configure(gan={"private": {"kept_epochs": [2], "batch": 12}})
    refused = paid_for.study(TARGET)
    assert refused.returncode != 0
    assert "finished and paid for" in refused.stdout
    assert "batch was 16, is 12" in refused.stdout
    second = TARGET.replace("run-1", "run-2")
    paid_for.configure(privacy={"budget": {"epsilon": 5.0, "delta": 1e-3}}, runs=[2])
    refused = paid_for.study(TARGET, second, "--keep-going")
    assert "paid for and remains valid" in refused.stdout
    assert digests(paid_for.folder / GAN) == before
    assert refused.returncode != 0
    assert "would have spent eps" in refused.stdout
    assert "of 5 at delta 0.001" in refused.stdout
    assert paid_for.charged() == 20

    paid_for.configure(runs=[2])
    done(paid_for.study(second))
    assert paid_for.charged() == 40
    key = (paid_for.state / "master.key").read_bytes()
    for path in [*paid_for.folder.rglob("*.log"), *paid_for.folder.glob(".snakemake/**/*")]:
        if path.is_file():
            content = path.read_bytes()
            assert key not in content
            assert key.hex().encode() not in content


def test_an_audit_of_a_level_is_charged_to_its_patients_and_shown_under_its_own_name(paid_for):
    bound = "results/hospital/audit/wgan/noise-1/run-1/bound.csv"
    done(paid_for.study(bound))
    told = done(paid_for.study("ledger"))
    assert paid_for.charged() == 20 + 20
    assert "wgan/noise-1/audit-1" in told
    assert "in 2 runs" in told
    record = json.loads((paid_for.folder / bound).with_name("privacy.json").read_text())
    assert record["public_key"] is False
    rows = (paid_for.folder / bound).read_text().splitlines()
    assert [row.split(",")[5] for row in rows] == ["score", "gradient", "critic", "nearest"]

    before = digests((paid_for.folder / bound).parent)
    paid_for.configure(audit={"guesses_in": 4})
    refused = paid_for.study(bound)
    assert refused.returncode != 0
    assert "wgan/noise-1/audit-1 is finished and paid for" in refused.stdout
    assert "guesses_in was 3, is 4" in refused.stdout
    paid_for.configure()
    done(paid_for.study(bound))
    assert digests((paid_for.folder / bound).parent) == before
    assert paid_for.charged() == 40


def test_patients_as_the_unit_run_through_the_workflow(hospital):
    budget = {"epsilon": 100.0, "delta": 0.04}
    hospital.configure(
        gan={"private": {"kept_epochs": [2], "batch": 2}},
        privacy={"unit": "patient", "patient_delta": 0.04, "budget": budget},
    )
    done(hospital.study(TARGET))
    record = json.loads((hospital.folder / TARGET).read_text())
    assert (record["unit"], record["sampling_rate"]) == ("patient", 1.0)
    last = record["epochs"]["2"]
    assert last["patient"]["method"] == "exact"
    assert last["patient"]["epsilon"] == last["epsilon"]
    hospital.configure(gan={"private": {"batch": 3}}, privacy={"unit": "patient"})
    refused = hospital.study("-n", TARGET)
    assert refused.returncode != 0
    assert "gan.batch 3 is more than the 2" in refused.stdout


@pytest.mark.parametrize("inside", ["results/state", "logs", "scans"])
def test_a_state_that_lies_where_others_read_is_refused(hospital, inside):
    place = hospital.scans / "state" if inside == "scans" else inside
    hospital.configure(privacy={"state": str(place)})
    refused = hospital.study("-n", TARGET)
    assert refused.returncode != 0
    assert "privacy.state" in refused.stdout
    assert "lies inside" in refused.stdout


def test_without_a_state_a_private_level_is_refused_before_any_job_and_others_run(hospital):
    hospital.configure(privacy={"state": ""})
    assert "privacy.state, which is not set" in done(hospital.study("-n", TARGET))
    refused = hospital.study(TARGET)
    assert refused.returncode != 0
    assert "privacy.state is not set" in refused.stdout
    assert hospital.study("-n", TARGET.replace("noise-1", "inf")).returncode == 0


def test_killed_five_times_at_random_it_ends_with_the_same_bits_and_a_ledger_never_below_the_steps(
    hospital, prepared, tmp_path
):
    longer = {"checkpoint_seconds": 0.2, "steps_per_epoch": 120}
    enough = {"budget": {"epsilon": 1000.0, "delta": 1e-3}}
    undisturbed = prepared.copy_to(tmp_path / "undisturbed")
    undisturbed.begin(TARGET, gan=longer, privacy=enough)
    shutil.copytree(undisturbed.state, hospital.state, dirs_exist_ok=True)
    for one in (hospital, undisturbed):
        one.configure(gan=longer, privacy=enough)
    done(undisturbed.study(TARGET))

    dice, kills = random.Random(3), 0
    folder = hospital.folder / GAN
    while kills < 5:
        before = hospital.charged()
        run = hospital.start(*hospital.arguments, TARGET)
        deadline = time.monotonic() + 120
        while hospital.charged() == before:
            assert run.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.4))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait(timeout=60)
        kills += 1
        assert not list(folder.glob("*.pt"))
        history = folder / ".resume" / "history.csv"
        if history.exists():
            lines = history.read_text().splitlines()
            kept = int(lines[-1].split(",")[1]) if len(lines) > 1 else 0
            assert hospital.charged() >= kept
        assert hospital.study("--unlock").returncode == 0
    assert "going on from step" in done(hospital.study(TARGET))
    found, expected = digests(folder), digests(undisturbed.folder / GAN)
    # Where the ledger stands is told by a keyed digest of its lines, which have times.
    assert {name for name in expected if found.get(name) != expected[name]} == {"privacy.json"}
    records = [json.loads((one.folder / TARGET).read_text()) for one in (hospital, undisturbed)]
    assert [record.pop("ledger")["attempts"] for record in records] == [1, 1]
    assert records[0] == records[1]
    assert hospital.charged() == undisturbed.charged() == 480
    assert not list(hospital.state.glob("*.nonce"))
