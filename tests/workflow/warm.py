"""Programs of Python that need not import torch again: a server has done it, and each is a fork of it.

Most of the processor's time of a tiny study goes into imports: two seconds for each of its 150 jobs, and one
for each start of Snakemake. The first job of every script still starts a Python of its own, as on a user's
machine, so that what a script forgets to import is missing there. A forked program has its own arguments,
environment, folder, streams and modules of the workflow; it shares nothing but LIBRARIES, imported before.

Of no use to tests that kill what they start: what they would kill is not the process that works.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import shlex
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

SOCKET, MARKS = "TESTS_WARM_SOCKET", "TESTS_WARM_MARKS"
LIBRARIES = [  # torch._dynamo is what torch imports when a first optimiser is made
    *(
        "torch",
        "torch._dynamo",
        "scipy.stats",
        "scipy.ndimage",
        "dp_accounting",
        "pandas",
        "matplotlib.pyplot",
    ),
    *("skimage.measure", "SimpleITK", "nibabel", "cryptography.fernet", "pydantic", "snakemake.cli"),
]
# A process with threads cannot be forked safely, and libraries of linear algebra start theirs when imported.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


servers = []  # of this process: none or one


class Server:
    """A process that has imported LIBRARIES, and forks for each program it is asked to run."""

    def __init__(self, folder: Path, marks: Path) -> None:
        """Its socket lies in `folder`, and `marks` has a file for each script that has been run."""
        self.variables = {SOCKET: str(folder / "socket"), MARKS: str(marks)}
        self.process = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", self.variables[SOCKET]],
            env=os.environ | ONE_THREAD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout.readline() == b"\n"  # it listens

    def stop(self) -> None:
        if self.process:
            self.process.communicate(timeout=60)


def run(command, *, cwd, env, timeout, stdout, stderr) -> int:
    """As `subprocess.run`, of a command that begins with this Python; return the exit status."""
    (server,) = servers
    if not server.process:
        server.start()
    with open(os.devnull) as stdin:
        streams = [stream.fileno() for stream in (stdin, stdout, stderr)]
        return ask(command[1:], str(cwd), env | server.variables, streams, timeout)


def ask(arguments, folder, environment, streams, timeout=None) -> int:
    """Let the server run Python with `arguments`; return its exit status. `streams` are three descriptors."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(environment[SOCKET])
        request = json.dumps([arguments, folder, environment]).encode()
        socket.send_fds(connection, [len(request).to_bytes(8)], streams)
        connection.sendall(request)
        return connection.recv(1)[0]


def start_job(script: str) -> int:
    """Run the script of a job: the first of its name by a Python of its own, the others by a fork."""
    name = os.path.basename(script).partition(".")[2]  # Snakemake's copy of it is tmp<random>.<name>
    with suppress(FileExistsError):
        (Path(os.environ[MARKS]) / name).touch(exist_ok=False)
        os.execv(sys.executable, [sys.executable, script])
    return ask([script], os.getcwd(), dict(os.environ), [0, 1, 2])


def serve(path: str):
    """Import LIBRARIES, and fork for every request until standard input is closed.

    Returns in each fork, with its request; and in the server with None.
    """
    for name in LIBRARIES:
        importlib.import_module(name)
    assert threading.active_count() == 1
    gc.freeze()  # or each fork's collector would write to all that it shares
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as events:
        listener.bind(path)
        listener.listen(64)
        events.register(listener, selectors.EVENT_READ)
        events.register(sys.stdin, selectors.EVENT_READ)
        print(flush=True)
        while True:
            for key, _ in events.select():
                if key.fileobj is sys.stdin:
                    return None
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    request = receive(connection)
                    process = os.fork()
                    if not process:
                        return request
                    for stream in request[-1]:
                        os.close(stream)
                    events.register(os.pidfd_open(process), selectors.EVENT_READ, (process, connection))
                else:
                    events.unregister(key.fileobj)
                    os.close(key.fileobj)
                    end(*key.data)


def receive(connection):
    """Read what `ask` has sent: arguments, folder, environment and streams."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as sent:
        return *json.loads(sent.read(int.from_bytes(size))), streams


def end(process, connection) -> None:
    """Tell the one who asked how the program has ended."""
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with connection, suppress(BrokenPipeError):
        connection.send(bytes([code % 256]))


def become(arguments, folder, environment, streams) -> None:
    """Become the program that was asked for: `-m <module> ...` or `<file> ...`."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if arguments[0] == "-m":
        sys.executable = shlex.join([sys.executable, "-I", "-S", __file__])  # by which Snakemake starts a job
        sys.argv, sys.path[0] = arguments[1:], folder
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = arguments, os.path.dirname(arguments[0])
        runpy.run_path(arguments[0], run_name="__main__")


def end_quickly(program, *arguments) -> None:
    """Run a program and end as Python does, but without taking apart its libraries, which takes a second."""
    code = 0
    try:
        program(*arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else bool(end.code)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        asked = serve(sys.argv[2])
        if asked:
            end_quickly(become, *asked)
    else:
        sys.exit(start_job(sys.argv[1]))
