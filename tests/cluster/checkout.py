"""A user's checkout of the workflow with a private cohort: submitted to Slurm, or run where it lies."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
from hashlib import sha256
from pathlib import Path

import torch
import yaml

_spec = importlib.util.spec_from_file_location(
    "workflow_conftest", Path(__file__).parents[1] / "workflow" / "conftest.py"
)
_workflow = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_workflow)

RESULTS = "results/cluster"
PRIVATE = [f"{RESULTS}/gan/wgan/noise-1/run-{run}/privacy.json" for run in (1, 2)]
PUBLIC = f"{RESULTS}/gan/wgan/inf/run-1/privacy.json"
PAIRS = f"{RESULTS}/synthetic/wgan/noise-1/run-1/epoch-2.npz"
STUDY = ["--configfile", "tests/config.yaml", "mine.yaml"]
# Beside the committed profile. Without accounting squeue must answer; and by a limit of submissions a minute
# Snakemake stays for a minute after the last of them.
SLURM = ["--slurm-status-command", "squeue", "--max-jobs-per-timespan", "60/1s"]
# By itself Snakemake asks Slurm less and less often, in the end every three minutes.
ASK_EVERY_SECOND = """
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
"""
CRITIC_STEPS = 2


class Checkout(_workflow.Workflow):
    """The workflow in a folder, its own private state beside it."""

    @classmethod
    def install(cls, folder):
        """Put the workflow's files into a folder; Snakemake asks Slurm every second there."""
        found = super().install(folder)
        with (folder / "Snakefile").open("a") as snakefile:
            snakefile.write(ASK_EVERY_SECOND)
        return found

    @property
    def state(self):
        return self.folder.with_name(f"{self.folder.name}-state")

    @property
    def output(self):
        return self.folder.with_name(f"{self.folder.name}.out")

    def configure(self, scans):
        """Write the config: a training long enough to be caught in its middle, and frequent checkpoints."""
        given = {
            "study": "cluster",
            "cohorts": {"patients": {"root": str(scans), "public": False}},
            "train_cohort": "patients",
            "test_cohorts": ["patients"],
            "transfer": {"patients": []},
            "epoch_study": {"epochs": []},
            "gan": {"steps_per_epoch": 50, "critic_steps": CRITIC_STEPS, "checkpoint_seconds": 0.2},
            "privacy": {"state": str(self.state), "budget": {"epsilon": 10000.0, "delta": 1e-3}},
        }
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(given))

    def copy_to(self, folder, scans):
        """Return a copy with all that was made so far, secret and ledgers included."""
        other = Checkout(folder)
        shutil.copytree(self.folder, folder, symlinks=True)
        shutil.copytree(self.state, other.state)
        other.configure(scans)
        return other

    def local(self, *arguments):
        result = self.run(*STUDY, "--cores", 2, *arguments)
        assert result.returncode == 0, result.stdout[-4000:]

    def submitting(self, *arguments):
        """Arguments of a call that leaves the jobs to Slurm."""
        return ["--profile", "slurm", *STUDY, *SLURM, *map(str, arguments)]

    def submit(self, *arguments):
        """Start Snakemake with all its jobs on Slurm; what it says goes to `output`."""
        return self.begin(self.command(*self.submitting(*arguments)))

    def begin(self, command):
        """Start a command in the checkout, in a session of its own."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        with self.output.open("a") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def finish(self, process, *, seconds):
        """Wait for a started command and return all that was said; it must have done its work."""
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = f"still at work after {seconds} s"
        said = self.output.read_text()
        assert code == 0, f"{code}\n{said[-6000:]}"
        return said

    def logs(self):
        """What the jobs' own logs say, one text."""
        return "\n".join(path.read_text() for path in sorted((self.folder / "logs/cluster").rglob("*.log")))

    def charged(self, run=1):
        """Steps in a run's ledger, read as a stranger would: the union of all blocks of all attempts."""
        steps = set()
        for path in self.state.glob("*.ledger"):
            records = [
                json.loads(line)["record"] for line in path.read_text().splitlines() if line.endswith("}")
            ]
            if records and records[0]["run"] == run:
                for record in (record for record in records if record["kind"] == "charge"):
                    steps |= {(record["attempt"], step) for step in range(record["first"], record["last"])}
        return len(steps)

    def taken(self, run=1):
        """Critic steps behind a private run's checkpoint; 0 where there is none."""
        try:
            saved = torch.load(self.resume(run) / "checkpoint.pt", weights_only=True)
        except FileNotFoundError:
            return 0
        return saved["gan"]["step"] * CRITIC_STEPS

    def resume(self, run=1):
        """The folder of what an unfinished private run goes on from."""
        return (self.folder / PRIVATE[run - 1]).parent / ".resume"

    def results(self):
        """Path -> digest of every result; a paid run's ledger apart, whose lines have times."""
        found = {}
        for path in sorted((self.folder / RESULTS).rglob("*")):
            name = str(path.relative_to(self.folder))
            if not path.is_file() or "/." in name:
                continue
            content = path.read_bytes()
            if name in PRIVATE:
                record = json.loads(content)
                assert record.pop("ledger")["attempts"] == 1
                content = json.dumps(record).encode()
            found[name] = sha256(content).hexdigest()
        return found
