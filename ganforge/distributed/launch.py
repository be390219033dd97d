"""Starting one training process for each device, taking all down when one dies, and seeing who else started some."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import FrameType

from ganforge.errors import GanforgeError, LostError, argument

PATIENCE = 5.0  # seconds that processes have to notice that one of them failed
GRACE = 5.0  # seconds that they have after they were told to end
ORDERLY = 60.0  # seconds that processes have which end together with one of these codes: signals, a monitor's stop
_TOGETHER = (4, 128 + signal.SIGINT, 128 + signal.SIGTERM)
LAUNCHER = "GANFORGE_LAUNCHER"  # variable that tells a process the id of the launcher that it depends on

HOW_TO_START = (
    "start them with `ganforge run RECIPE --processes N` or `torchrun --nproc-per-node N -m ganforge run RECIPE`"
)
_FOREIGN = {  # how many processes a launcher started that tells them nothing else
    "SLURM_STEP_NUM_TASKS": "srun",
    "OMPI_COMM_WORLD_SIZE": "mpirun",
    "PMI_SIZE": "mpirun",
    "MV2_COMM_WORLD_SIZE": "mpirun",
}


def process_environment(rank: int, processes: int, port: int) -> dict[str, str]:
    """Return what a process needs to know to find the others: the variables that torchrun sets, too."""
    ranks = dict.fromkeys(("RANK", "LOCAL_RANK"), str(rank))
    sizes = dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(processes))
    return {**ranks, **sizes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def launched_world_size(environment: Mapping[str, str], processes: int | None = None) -> int | None:
    """Return how many processes a launcher started; None where there is no launcher, so that we may start some.

    Args:
        environment: of this process.
        processes: as many as were asked for; None = nothing was said.

    Raises:
        GanforgeError: a launcher did not start what was asked for, or did not say all that processes need to meet.
    """
    said = environment.get("WORLD_SIZE")
    if said is None:
        _no_world(environment)
        return None
    if not said.isdecimal() or int(said) < 1:
        raise GanforgeError(
            f"the environment says WORLD_SIZE = {said!r}; expected a number of processes; {HOW_TO_START}"
        )
    missing = [name for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in environment]
    if int(said) > 1 and missing:
        raise GanforgeError(f"{said} processes were asked for, and {', '.join(missing)} are not set; {HOW_TO_START}")
    if processes is not None and processes != int(said):
        raise GanforgeError(
            f"{argument('processes', processes)}, but the environment says WORLD_SIZE = {said}; {HOW_TO_START}"
        )
    return int(said)


def _no_world(environment: Mapping[str, str]) -> None:
    """Raise where somebody started several processes that know nothing of each other, or one in place of several."""
    if "ACCELERATE_MIXED_PRECISION" in environment and "MASTER_PORT" in environment:
        raise GanforgeError(
            "accelerate launch was asked for several processes and started one (as it does without --multi_gpu, and "
            "with --cpu); use `accelerate launch --multi_gpu --num_processes N -m ganforge run RECIPE` (also without a "
            "GPU, with --device cpu at the end) or `ganforge run RECIPE --processes N`"
        )
    for name, launcher in _FOREIGN.items():
        if environment.get(name, "1") not in ("", "0", "1"):
            raise GanforgeError(
                f"{launcher} started {environment[name]} processes ({name}), and each would train by itself; let it "
                "start one on each node: `torchrun --nnodes NODES --nproc-per-node N --rdzv-backend c10d "
                "--rdzv-endpoint HOST:29500 -m ganforge run RECIPE`; docs/scaling.md has the scripts"
            )


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def search_path() -> list[str]:
    """Return the option by which a child looks for modules where this process does.

    `python -m` would look in the working folder first, which may hold what a stranger wrote; the `ganforge` script does
    not, and `python -m ganforge` does.
    """
    return [] if sys.path[:1] in ([""], [os.getcwd()]) else ["-P"]


def launch(arguments: Sequence[str], processes: int, environment: Mapping[str, str]) -> int:
    """Run `python -m ganforge ARGUMENTS` in so many processes on this machine.

    Signals are passed on to all of them. When one fails, the others have a little time to notice and to end; then they
    are told to, and killed after a while. When this process itself is killed, they notice that too (`end_with`).

    Returns:
        The exit code of the one that failed first; 0 where all went well.
    """
    port = free_port()
    threads = environment.get("OMP_NUM_THREADS") or str(max((os.cpu_count() or 1) // processes, 1))
    common = {**environment, "OMP_NUM_THREADS": threads, LAUNCHER: str(os.getpid())}
    children = [
        subprocess.Popen(
            [sys.executable, *search_path(), "-m", "ganforge", *arguments],
            env={**common, **process_environment(rank, processes, port)},
            start_new_session=True,  # a terminal's Ctrl-C reaches them through us, once
        )
        for rank in range(processes)
    ]

    def pass_on(number: int, frame: FrameType | None) -> None:
        for child in children:
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _wait(children)
    finally:
        for child in children:
            child.kill()
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait for all; once one has failed, no longer than the others need."""
    failed: subprocess.Popen[bytes] | None = None
    told, deadline = False, float("inf")
    while any(child.poll() is None for child in children):
        if failed is None:
            failed = _first_failed(children)
            if failed is not None:
                deadline = time.monotonic() + (ORDERLY if _code(failed) in _TOGETHER else PATIENCE)
        elif time.monotonic() > deadline:
            if told:
                break
            for child in children:
                child.terminate()
            told, deadline = True, time.monotonic() + GRACE
        time.sleep(0.05)
    if failed is None or failed.returncode == LostError.exit_code:  # one that failed by itself may have ended later
        failed = _first_failed(children)
    if failed is None:
        return 0
    if failed.returncode < 0:
        name = signal.Signals(-failed.returncode).name
        why = " (by somebody, or by the system for want of memory)" if name == "SIGKILL" else ""
        who = f"process {children.index(failed)} of {len(children)}"
        sys.stderr.write(f"error: {who} was ended by {name}{why}; the others were ended with it\n")
    return _code(failed)


def _code(child: subprocess.Popen[bytes]) -> int:
    code: int = child.returncode
    return 128 - code if code < 0 else code


def _first_failed(children: Sequence[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes] | None:
    """Return one that failed by itself, else one that only lost another."""
    failed = [child for child in children if child.poll()]
    return min(failed, key=lambda child: child.returncode == LostError.exit_code, default=None)


def end_with_launcher(environment: Mapping[str, str], grace: float = 30.0) -> None:
    """Let this process end when the launcher that started it is gone, killed for instance: nobody else would end it.

    It gets SIGTERM, as if somebody had asked for an end, and is ended the hard way if it is still there after `grace`
    seconds. Launchers are `launch` and torchrun; without one nothing is done.
    """
    if LAUNCHER in environment:
        parent = int(environment[LAUNCHER])
    elif "TORCHELASTIC_RUN_ID" in environment:
        parent = os.getppid()
    else:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="launcher").start()
