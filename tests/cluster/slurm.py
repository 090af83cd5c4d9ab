"""A real Slurm on this machine: three nodes, two of them with four GPUs that nobody needs to have.

All of it lies in one scratch folder but two links in /etc/slurm, where Slurm's own programs look for their
files: a job's second srun has lost every SLURM_ variable, and so would not find them anywhere else.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from processes import command_line, end, free_ports, open_files, wait_until

PACKAGES = ["slurmctld", "slurmd", "slurm-client", "munge"]
PROGRAMS = ["slurmctld", "slurmd", "sbatch", "munged"]
SITE = Path("/etc/slurm")
FILES = ["slurm.conf", "gres.conf"]
FOLDER = "privessel-slurm-"
MARK = "PRIVESSEL_TEST_CLUSTER"  # in the environment of all that is started: how it is found again
NODES = ["gpu01", "gpu02", "cpu01"]
SETTINGS = Path(__file__).with_name("slurm.conf.in")


class SlurmAbsent(Exception):
    """Slurm can't be brought up on this machine; the message says why."""


def install():
    """Install Slurm from Debian's packages where it is missing; SlurmAbsent where that can't be."""
    if os.geteuid() != 0:
        raise SlurmAbsent("only root can bring up a Slurm")
    if all(shutil.which(program) for program in PROGRAMS):
        return
    if not shutil.which("apt-get"):
        raise SlurmAbsent(f"no apt-get to install {' '.join(PACKAGES)} with")
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        # RUNLEVEL=1: the packages' own daemons stay down.
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        done = subprocess.run(
            ["apt-get", "-qq", *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            raise SlurmAbsent(f"apt-get {command[0]} failed: {done.stderr.strip()[-300:]}")


def end_leftover():
    """End a Slurm whose tests were killed; SlurmAbsent where another one is at home on this machine."""
    for name in FILES:
        file = SITE / name
        if not file.is_symlink() or not file.readlink().parent.name.startswith(FOLDER):
            if file.exists():
                raise SlurmAbsent(f"{file} belongs to a Slurm of this machine, which stays as it is")
            continue
        root = file.readlink().parent
        owner = root / "owner"
        if owner.exists() and Path("/proc", owner.read_text()).exists():
            raise SlurmAbsent(f"the process {owner.read_text()} runs these tests already, in {root}")
        Slurm(root).stop()


class Slurm:
    """Daemons, nodes and jobs of the Slurm in the folder `root`."""

    def __init__(self, root):
        self.root = root

    @classmethod
    def bring_up(cls):
        """Start all daemons and wait until every node is idle."""
        found = cls(Path(tempfile.mkdtemp(prefix=FOLDER)))
        try:
            found._describe()
            found._start()
        except BaseException:
            found.stop()
            raise
        return found

    def _describe(self):
        (self.root / "owner").write_text(str(os.getpid()))
        for folder in ("dev", "munge", "state", *(f"spool/{node}" for node in NODES)):
            (self.root / folder).mkdir(parents=True)
        for number in range(4):  # of files that are no devices no job would get an index
            try:
                os.mknod(self.root / f"dev/gpu{number}", 0o20666, os.makedev(1, 3))
            except PermissionError as error:
                raise SlurmAbsent(f"no device nodes can be made in {self.root}") from error
        key = self.root / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        listeners = [f"{name}_port" for name in ("controller", *NODES)]
        ports = dict(zip(listeners, free_ports(len(listeners)), strict=True))
        text = SETTINGS.read_text().format(root=self.root, host=socket.gethostname().split(".")[0], **ports)
        (self.root / "slurm.conf").write_text(text)
        (self.root / "gres.conf").write_text(f"NodeName=gpu[01-02] Name=gpu File={self.root}/dev/gpu[0-3]\n")
        SITE.mkdir(exist_ok=True)
        for name in FILES:
            (SITE / name).symlink_to(self.root / name)

    def _start(self):
        munge = self.root / "munge"
        options = [f"--{name}-file={munge / name}" for name in ("key", "pid", "log", "seed")]
        self._daemon("munged", "--force", f"--socket={munge / 'socket'}", *options)
        self._daemon("slurmctld", "-c")
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: self.nodes("idle") == sorted(NODES), seconds=60, of="all nodes idle")

    def start_node(self, node):
        self._daemon("slurmd", "-N", node)

    def kill_node(self, node):
        """End a node as a power cut would: its daemons and all that runs on it, at once."""
        jobs = {job["id"] for job in self.jobs() if job["node"] == node}
        log = str(self.root / f"slurmd-{node}.log")
        for pid, variables in self._processes():
            if variables.get("SLURM_JOB_ID") in jobs or log in open_files(pid):
                end(pid)

    def cut_off(self, node):
        """Part a node from the controller as a broken network would: what runs there lives on."""
        os.kill(self._pid(node), signal.SIGSTOP)
        self.set_node(node, state="down", reason="unreachable")

    def _pid(self, node):
        return int((self.root / f"slurmd-{node}.pid").read_text())

    def _daemon(self, *command):
        # A file, not a pipe: the daemon keeps it open.
        with (self.root / "daemons.log").open("a") as log:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.mark(),
                check=False,
            )
        assert done.returncode == 0, (self.root / "daemons.log").read_text()

    def mark(self):
        """The environment variable that all processes of this Slurm and of its users carry."""
        return {MARK: str(self.root)}

    def ask(self, *command, seconds=30):
        """Standard output of a client such as `squeue`; none of them waits for ever."""
        return subprocess.run(command, timeout=seconds, text=True, capture_output=True, check=True).stdout

    def nodes(self, state):
        return sorted(self.ask("sinfo", "-h", "-N", "-o", "%N", "-t", state).split())

    def set_node(self, node, **keys):
        self.ask("scontrol", "update", f"nodename={node}", *(f"{key}={value}" for key, value in keys.items()))

    def end_time(self, job):
        """Let a job's time run out now; the controller looks every 30 s."""
        self.ask("scontrol", "update", f"jobid={job}", "endtime=now")

    def start_now(self, job):
        """Let a job that was requeued start at once; by itself it would wait for two minutes."""

        def waits():
            return any(found["id"] == job for found in self.jobs("pending"))

        wait_until(waits, seconds=120, of=f"requeued job {job}")
        self.ask("scontrol", "update", f"jobid={job}", "starttime=now")

    def restarts(self, job):
        return int(re.search(r"Restarts=(\d+)", self.ask("scontrol", "show", "job", job))[1])

    def jobs(self, states="pending,running,completing"):
        """Jobs in these states (`all`: also those that ended a moment ago), one dictionary each."""
        names = {"id": "%A", "name": "%j", "state": "%T", "partition": "%P", "node": "%N", "memory": "%m"}
        lines = self.ask("squeue", "-h", "-r", "-t", states, "-o", "|".join(names.values())).splitlines()
        return [dict(zip(names, line.split("|"), strict=True)) for line in lines]

    def tasks(self, script):
        """Process id -> environment of the tasks of jobs that run a script of the workflow."""
        return {
            pid: variables
            for pid, variables in self._processes()
            if any(word.endswith(f".{script}") for word in command_line(pid)[:3])
        }

    def _processes(self):
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                entries = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:  # it has just ended
                continue
            variables = dict(entry.split("=", 1) for entry in entries if "=" in entry)
            pid = int(folder.name)
            # A slurmstepd wipes its environment.
            marked = variables.get(MARK) == str(self.root)
            if marked or any(file.startswith(f"{self.root}/") for file in open_files(pid)):
                yield pid, variables

    def clear(self):
        """Bring everything back to where it was when the nodes were idle: after a test, however it ended."""
        self.ask("scancel", "--user=root")
        for node in self.nodes("down,drained,draining"):
            try:
                os.kill(self._pid(node), signal.SIGCONT)
            except (ProcessLookupError, FileNotFoundError):
                self.start_node(node)
        wait_until(self._is_empty, seconds=120, of="an empty Slurm")
        files = [*self.root.glob("slurm*.pid"), self.root / "munge/pid"]
        daemons = {os.getsid(int(file.read_text())) for file in files}  # they have helpers
        for pid, _ in self._processes():
            with suppress(ProcessLookupError):
                if os.getsid(pid) not in daemons:
                    end(pid)

    def _is_empty(self):
        for node in self.nodes("down,drained,draining"):
            with suppress(subprocess.CalledProcessError):  # it has come back by itself meanwhile
                self.set_node(node, state="resume")
        return self.nodes("idle") == sorted(NODES) and not self.jobs()

    def stop(self):
        """End jobs, daemons and whatever they left, and remove links and folder."""
        deadline = time.monotonic() + 30
        while found := [pid for pid, _ in self._processes()]:
            for pid in found:
                end(pid)
            assert time.monotonic() < deadline, f"{found} do not end"
            time.sleep(0.05)
        for name in FILES:
            file = SITE / name
            if file.is_symlink() and file.readlink().parent == self.root:
                file.unlink()
        shutil.rmtree(self.root, ignore_errors=True)
