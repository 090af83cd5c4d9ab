"""What happens to studies on a cluster: a real Slurm, and in the end the bits of an undisturbed local run."""

import os
import re
import signal
import sys

from checkout import PAIRS, PRIVATE, PUBLIC, SLURM, STUDY
from processes import wait_until

TRAINING = "train_gan.py"  # what Snakemake's copy of the script ends in


def check_results(checkout, expected, *targets):
    """All targets are there, with the expected bits, and no step is missing in a ledger or charged twice.

    Not the bits of what follows from a private run: each state has a nonce of its own, and so other noise.
    """
    found, wanted = checkout.results(), expected.results()
    assert set(targets) <= set(found) <= set(wanted)
    without_noise = {name: digest for name, digest in found.items() if "/noise-" not in name}
    assert without_noise == {name: wanted[name] for name in without_noise}
    for run, target in enumerate(PRIVATE, start=1):
        if target in targets:
            assert checkout.charged(run) == expected.charged(run) > 0


def held_training(slurm, checkout, process):
    """The one training that runs, stopped after a checkpoint: what comes next comes in its middle."""

    def started():
        assert process.poll() is None, checkout.output.read_text()[-4000:]
        return checkout.taken() > 0

    wait_until(started, seconds=300, of="checkpoint")
    (task,) = slurm.tasks(TRAINING)
    os.kill(task, signal.SIGSTOP)
    check_ledger(checkout)
    return task


def check_ledger(checkout):
    taken = checkout.taken()  # first: the ledger only grows
    assert checkout.charged() >= taken > 0


def submitted(slurm, said):
    """The jobs that Snakemake says it has submitted one by one, in their order."""
    jobs = {job["id"]: job for job in slurm.jobs("all")}
    return [jobs[number] for number in re.findall(r"submitted with SLURM jobid (\d+)", said)]


def test_plain_run_gives_the_bits_of_a_local_one(slurm, checkout, expected):
    process = checkout.submit(PAIRS, PUBLIC)
    said = checkout.finish(process, seconds=600)
    jobs = submitted(slurm, said)
    assert [job["partition"] for job in jobs] == ["gpu", "gpu", "cpu"]
    assert {job["state"] for job in jobs} == {"COMPLETED"}
    assert {job["name"].split("_")[0] for job in jobs} == {"privessel"}
    check_results(checkout, expected, PAIRS, PUBLIC, PRIVATE[0])


def test_time_limit_in_the_middle_of_training_is_gone_on_from_the_checkpoint(slurm, checkout, expected):
    process = checkout.submit(PRIVATE[0])
    held_training(slurm, checkout, process)
    (job,) = slurm.jobs()
    slurm.end_time(job["id"])
    said = checkout.finish(process, seconds=600)
    assert [job["state"] for job in submitted(slurm, said)] == ["TIMEOUT", "COMPLETED"]
    assert "going on from step" in checkout.logs()
    check_results(checkout, expected, PRIVATE[0])


def test_out_of_memory_is_tried_again_with_more(slurm, checkout, expected):
    script = checkout.folder / "scripts" / TRAINING
    # More than the rule asks for at first, less than it asks for then.
    script.write_text(f'taken = b"1" * {1800 * 2**20}\n{script.read_text()}')
    process = checkout.submit(PRIVATE[0])
    said = checkout.finish(process, seconds=600)
    first, second = submitted(slurm, said)
    # Without cgroups Slurm has no better word for it.
    assert (first["state"], second["state"]) == ("FAILED", "COMPLETED")
    (log,) = (checkout.folder / "logs/slurm").rglob(f"{first['id']}.log")
    assert "exceeded memory limit" in log.read_text()
    assert int(second["memory"].removesuffix("M")) == 2 * int(first["memory"].removesuffix("M"))
    check_results(checkout, expected, PRIVATE[0])


def test_a_killed_snakemake_leaves_jobs_that_the_recovery_ends_before_it_goes_on(slurm, checkout, expected):
    process = checkout.submit(PAIRS)
    held_training(slurm, checkout, process)
    process.kill()
    process.wait()
    assert [job["state"] for job in slurm.jobs()] == ["RUNNING"]
    check_ledger(checkout)
    recovery = [sys.executable, "scripts/recover.py", "--yes", "--", *STUDY, *SLURM, PAIRS]
    said = checkout.finish(checkout.begin(recovery), seconds=600)
    assert "cancel 1 job" in said
    assert "going on from step" in checkout.logs()
    check_results(checkout, expected, PAIRS, PRIVATE[0])


def test_a_node_without_power_costs_nothing_but_time(slurm, checkout, expected):
    process = checkout.submit(PRIVATE[0])
    held_training(slurm, checkout, process)
    (job,) = slurm.jobs()
    slurm.kill_node(job["node"])
    check_ledger(checkout)
    slurm.set_node(job["node"], state="down", reason="power")
    slurm.start_now(job["id"])
    checkout.finish(process, seconds=600)
    (ended,) = (found for found in slurm.jobs("all") if found["id"] == job["id"])
    assert ended["state"] == "COMPLETED"
    assert ended["node"] != job["node"]
    assert slurm.restarts(job["id"]) == 1
    assert "going on from step" in checkout.logs()
    check_results(checkout, expected, PRIVATE[0])


def test_a_requeued_twin_waits_for_its_first_instance_and_trains_nothing_twice(slurm, checkout, expected):
    """Of a node that is lost to Slurm and lives on: Slurm starts the same job again elsewhere."""
    process = checkout.submit(PRIVATE[0])
    task = held_training(slurm, checkout, process)
    (job,) = slurm.jobs()
    slurm.cut_off(job["node"])
    slurm.start_now(job["id"])
    wait_until(lambda: len(slurm.tasks(TRAINING)) == 2, seconds=120, of="twin")
    wait_until(lambda: "was here first" in checkout.logs(), seconds=120, of="twin that waits")
    os.kill(task, signal.SIGCONT)
    checkout.finish(process, seconds=600)
    check_results(checkout, expected, PRIVATE[0])


def test_two_users_trainings_have_gpus_of_their_own(slurm, two_checkouts, expected):
    processes = [checkout.submit(*PRIVATE) for checkout in two_checkouts]
    gpus = {}

    def all_hold_one():
        for task, variables in slurm.tasks(TRAINING).items():
            if task not in gpus:
                os.kill(task, signal.SIGSTOP)  # until all of them run at one moment
                gpus[task] = variables["SLURMD_NODENAME"], variables["CUDA_VISIBLE_DEVICES"]
        return len(gpus) == 4

    wait_until(all_hold_one, seconds=300, of="four trainings")
    assert {index for _, index in gpus.values()} <= set("0123")
    assert len(set(gpus.values())) == 4
    for task in gpus:
        os.kill(task, signal.SIGCONT)
    for checkout, process in zip(two_checkouts, processes, strict=True):
        checkout.finish(process, seconds=600)
        check_results(checkout, expected, *PRIVATE)


def test_an_array_whose_first_run_is_the_slowest_trains_no_paid_run_twice(slurm, checkout, expected):
    """Of an array each task looks for the files of the first one too, and fails where they are late."""
    process = checkout.submit(*PRIVATE, "--slurm-array-jobs", "private_gan", "--latency-wait", 5)
    held = []

    def others_ended():
        for task, variables in slurm.tasks(TRAINING).items():
            if variables["SLURM_ARRAY_TASK_ID"] == "1" and task not in held:
                os.kill(task, signal.SIGSTOP)
                held.append(task)
        assert process.poll() is None, checkout.output.read_text()[-4000:]
        return "Trying to restart" in checkout.output.read_text()

    wait_until(others_ended, seconds=300, of="second task that fails")
    os.kill(held[0], signal.SIGCONT)
    said = checkout.finish(process, seconds=600)
    assert "Submitted array job" in said
    assert "its files were restored, nothing was trained or charged" in checkout.logs()
    check_results(checkout, expected, *PRIVATE)
