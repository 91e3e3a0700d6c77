"""Every executor is the same map: results in order, the first error stops the work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audiogen.errors import InputError
from recipes.executors import Local, Slurm, make_executor
from recipes.progress import clock, track

HERE = Path(__file__).parent


@pytest.fixture
def jobs(monkeypatch):
    """A module of functions that worker processes can import by name."""
    monkeypatch.syspath_prepend(str(HERE))
    import jobs

    return jobs


@pytest.mark.parametrize("nj", [1, 2])
def test_local_gives_results_in_order(jobs, nj):
    assert list(Local(nj).map(jobs.square, [3, 1, 2])) == [9, 1, 4]
    assert list(Local(nj).map(jobs.square, [])) == []


def test_more_jobs_run_in_other_processes(jobs):
    assert os.getpid() not in set(Local(2).map(jobs.process_id, [1, 2, 3]))
    assert set(Local(1).map(jobs.process_id, [1, 2])) == {os.getpid()}


def test_workers_share_the_threads(jobs, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert list(Local(2).map(jobs.threads, [0, 1])) == [2, 2]
    assert list(Local(8).map(jobs.threads, [0, 1, 2, 3, 4, 5, 6, 7])) == [1] * 8


def test_no_two_workers_compile_into_one_folder(jobs, tmp_path):
    found = set(make_executor("local", 3, tmp_path, {}).map(jobs.worker, range(12)))
    assert len(found) == len({folder for _, folder in found}) > 1
    again = set(make_executor("local", 3, tmp_path, {}).map(jobs.worker, range(12)))
    assert {folder for _, folder in found | again} <= {str(tmp_path / f"numba-{number}") for number in range(3)}


@pytest.mark.parametrize("nj", [1, 2])
def test_an_error_stops_the_map_with_its_message(jobs, nj):
    with pytest.raises(ZeroDivisionError):
        list(Local(nj).map(jobs.inverse, [1, 0, 2, 4]))


def test_submitit_runs_the_same_map(jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{os.environ.get('PYTHONPATH', '')}")
    executor = Slurm(2, tmp_path, cluster="local", timeout_min=1)
    assert list(executor.map(jobs.square, [3, 1])) == [9, 1]
    assert list(tmp_path.glob("*_result.pkl")), "submitit kept its results in the folder it was given"


@pytest.mark.parametrize(("command", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_a_missing_package_names_the_extra(monkeypatch, tmp_path, command, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"expected the package {package}.*audiogen\[cluster\]"):
        make_executor(command, 1, tmp_path, {})


def test_no_worker_outlives_a_killed_run(jobs, tmp_path):
    code = "import sys, jobs; from recipes.executors import Local; list(Local(2).map(jobs.sleep_beside, sys.argv[1:]))"
    files = [str(tmp_path / name) for name in "ab"]
    path = f"{HERE}:{HERE.parents[1]}"
    run = subprocess.Popen([sys.executable, "-c", code, *files], env={**os.environ, "PYTHONPATH": path})
    while not all((tmp_path / name).exists() for name in "ab"):
        assert run.poll() is None
        time.sleep(0.02)
    workers = [int((tmp_path / name).read_text()) for name in "ab"]
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 5
    while any(alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(worker) for worker in workers)


def alive(process: int) -> bool:
    """Whether the process runs; a zombie that nobody collects does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_progress_yields_the_items_and_logs_the_time_left(monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr("recipes.progress.LINE_EVERY", 0.0)
    assert list(track(iter("abcd"), 4, "letters")) == list("abcd")
    assert "letters: 1 of 4, 0:00 left" in caplog.text


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (65.4, "1:05"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert clock(seconds) == text
