"""Where the jobs of a stage run: processes here, Slurm, or Ray; one interface, a function mapped over shards."""

import multiprocessing
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from audiogen.errors import InputError, nearest

T = TypeVar("T")
R = TypeVar("R")


class Executor(ABC):
    """Runs a picklable function over items; one failed item stops the stage with that item's error."""

    @abstractmethod
    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Results in the order of the items, each as soon as it and those before it are there."""


class Local(Executor):
    """Processes on this machine; with `nj` 1 the work runs in this process."""

    def __init__(self, nj: int = 1, folder: Path | None = None) -> None:
        """`folder` keeps what numba compiles, for each worker apart; None: where it finds a place."""
        self.nj, self.folder = nj, folder

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        if self.nj == 1 or len(items) < 2:
            yield from map(function, items)
            return
        # spawn: a forked child would inherit torch's threads in an unknown state
        context, workers = multiprocessing.get_context("spawn"), min(self.nj, len(items))
        threads = max(1, _threads() // workers)
        numbers = context.SimpleQueue()
        for number in range(workers):
            numbers.put(number)
        given = (threads, numbers, self.folder and self.folder.resolve())
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=given) as pool:
            try:
                yield from pool.map(function, items)
            finally:
                pool.shutdown(cancel_futures=True)


class Slurm(Executor):
    """Slurm jobs through submitit; logs and results are kept in `folder`."""

    def __init__(self, nj: int, folder: Path, cluster: str = "slurm", **options: Any) -> None:
        """`options` are submitit's: `timeout_min`, `mem_gb`, `slurm_partition`, …; `cluster` may also be "local"."""
        submitit = _optional("submitit", "slurm")
        limit = {"slurm_array_parallelism": nj} if cluster == "slurm" else {}
        self.executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        self.executor.update_parameters(**{**limit, **options})

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        jobs = self.executor.map_array(function, items)
        try:
            for job in jobs:
                yield job.result()
        finally:
            for job in jobs:
                if not job.done():
                    job.cancel()


class Ray(Executor):
    """Tasks on a Ray cluster: the one that RAY_ADDRESS names, or a new one on this machine."""

    def __init__(self, nj: int, **options: Any) -> None:
        """`options` are those of a Ray task: `num_cpus`, `num_gpus`, `resources`."""
        self.ray = _optional("ray", "ray")
        self.nj, self.options = nj, options
        if not self.ray.is_initialized():
            address = os.environ.get("RAY_ADDRESS")
            self.ray.init(address=address, num_cpus=None if address else nj, include_dashboard=False)

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        task = self.ray.remote(function)
        task = task.options(**self.options) if self.options else task
        pending = [task.remote(item) for item in items]
        try:
            for result in pending:
                yield self.ray.get(result)
        finally:
            for result in pending:
                self.ray.cancel(result)


COMMANDS = ("local", "slurm", "ray")


def make_executor(command: str, nj: int, folder: Path, options: dict[str, Any]) -> Executor:
    """The executor that `--cmd` names.

    Raises:
        InputError: an unknown name, `nj` below 1, or a package that is not installed.
    """
    if nj < 1:
        raise InputError(f"--nj: expected at least 1 job, got {nj}.")
    if command == "local":
        return Local(nj, folder)
    if command == "slurm":
        return Slurm(nj, folder, **options)
    if command == "ray":
        return Ray(nj, **options)
    raise InputError(
        f"--cmd: expected one of {', '.join(COMMANDS)}, got {command!r}. Nearest: {nearest(command, COMMANDS)}."
    )


def _optional(package: str, command: str) -> ModuleType:
    try:
        return import_module(package)
    except ImportError as error:
        raise InputError(
            f"--cmd {command}: expected the package {package}, which is not installed. "
            f"Install the extra: pip install 'audiogen[cluster]', or use --cmd local."
        ) from error


def _threads() -> int:
    """That this process may compute with."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def _start(threads: int, numbers: SimpleQueue[int], folder: Path | None) -> None:
    """Prepare a worker: its share of the threads, since workers with more than there are cores wait for each other.

    And a place of its own, by its number, for what numba compiles: two that fill one cache at a time can end up with
    machine code of another function, and crash.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is imported, by the first item
    if folder:
        os.environ["NUMBA_CACHE_DIR"] = str(folder / f"numba-{numbers.get()}")
    _die_with_parent()


def _die_with_parent() -> None:
    """End this worker when the run that started it is killed, so that no orphan goes on computing."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        wait([parent.sentinel] if parent else [])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
