"""Stages skip what is done, rerun what depends on a change, resume after kill -9, and say what is missing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
STAGES = ("data", "powers", "total", "report")


def ran(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Names of the stages that ran, or would run, since the last look at the log."""
    lines = capsys.readouterr().err.splitlines()
    return [name for name in STAGES for line in lines if f"({name}): " in line and " -> " in line]


def test_a_run_makes_every_output_under_its_final_name(run):
    assert run() == 0
    assert Path("report.md").read_text() == "sums: 14.0\n"
    assert not list(Path().rglob("*.part*"))
    assert not list(Path(".done").glob("*.running.json"))


def test_what_is_done_and_unchanged_is_skipped(run, capsys):
    run()
    assert ran(capsys) == list(STAGES)
    assert run() == 0
    assert ran(capsys) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("numbers.power=3", ["powers", "total", "report"]),
        ("title=result", ["report"]),
        ("delay=0.01", []),  # a setting changes no result
        ("numbers.power=2", []),  # the value it had
    ],
)
def test_a_changed_conf_reruns_only_what_depends_on_it(run, capsys, change, expected):
    run()
    capsys.readouterr()
    assert run("--set", change) == 0
    assert ran(capsys) == expected


def test_stages_behind_an_equal_result_are_skipped(run, capsys):
    run()
    capsys.readouterr()
    Path("corpus/train.txt").write_text("3 2 1")  # other order, same files of powers, same sum
    assert run() == 0
    assert ran(capsys) == ["data", "powers"]


def test_a_touched_but_equal_input_counts_as_unchanged(run, capsys):
    run()
    capsys.readouterr()
    os.utime("corpus/train.txt", (1, 1))
    run()
    assert ran(capsys) == []


def test_changed_code_reruns_the_stage(run, toy, capsys, monkeypatch):
    run()
    capsys.readouterr()
    source = Path(REPOSITORY / "tests/recipes/toy1.py").read_text()
    monkeypatch.setattr("inspect.getsource", lambda function: source if function is toy.stages[3].function else "pass")
    run("--dry-run")
    assert ran(capsys) == list(STAGES), "every stage has other code now"


def test_removed_outputs_are_made_again(run, capsys):
    run()
    Path("exp/small/sum.txt").unlink()
    capsys.readouterr()
    run()
    assert ran(capsys) == ["total"], "the report's input came back the same"


def test_force_runs_the_chosen_stages_from_their_start(run, capsys):
    run()
    capsys.readouterr()
    assert run("--force", "--stage", "2", "--stop-stage", "3") == 0
    assert ran(capsys) == ["powers", "total"]
    assert len(Path("work.log").read_text().splitlines()) == 6


def test_dry_run_says_what_would_run_and_why_and_makes_nothing(run, capsys):
    assert run("--dry-run") == 0
    assert ran(capsys) == list(STAGES)
    assert not Path("data").exists()
    assert not Path("exp").exists()
    run()
    capsys.readouterr()
    run("--dry-run", "--set", "numbers.power=3")
    log = capsys.readouterr().err
    assert "conf numbers.power: 2 -> 3" in log
    assert "exp/small/powers will be made" in log
    assert "(data): done" in log


def test_touch_keeps_outputs_after_a_harmless_change(run, capsys):
    run()
    assert run("--touch", "--set", "title=other", "--stage", "4") == 0
    capsys.readouterr()
    run("--set", "title=other")
    assert ran(capsys) == []
    assert Path("report.md").read_text().startswith("sums")


def test_touch_leaves_who_made_an_output_and_when(run):
    run()
    path = next(Path(".done").glob("*report.json"))
    before = json.loads(path.read_text())
    run("--touch", "--set", "title=other", "--stage", "4")
    after = json.loads(path.read_text())
    assert after["fingerprint"] != before["fingerprint"]
    assert {**after, "fingerprint": 0} == {**before, "fingerprint": 0}


@pytest.mark.parametrize("option", ["--stop-stage", "--stop_stage"])
@pytest.mark.parametrize("value", ["2", "powers"])
def test_stages_are_chosen_by_number_or_name(run, capsys, option, value):
    assert run(option, value) == 0
    assert ran(capsys) == ["data", "powers"]


def test_a_missing_input_names_the_stage_that_makes_it_before_any_work(run, capsys):
    assert run("--stage", "3") == 2
    error = capsys.readouterr().err
    assert "stage 3 (total) reads exp/small/powers, which is not there" in error
    assert "stage 2 (powers) makes it: ./run.sh --stage 2 --stop-stage 2" in error
    assert "stage 4 (report) reads data/test" in error


def test_a_missing_corpus_names_the_key_that_gives_its_place(run, capsys):
    assert run("--set", "corpus=nowhere") == 2
    assert "reads nowhere, which is not there; give its place with --set corpus=PATH" in capsys.readouterr().err


def test_an_outdated_stage_that_was_not_chosen_is_reported(run, capsys):
    run()
    capsys.readouterr()
    assert run("--stage", "3", "--set", "numbers.power=3") == 0
    assert (
        "Stage 2 (powers) was not chosen but is not up to date: conf numbers.power: 2 -> 3" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--stop-stag", "2"], "--stop-stage"),
        (["--set", "numbrs.power=2"], "numbers"),
        (["--set", "numbers.pwer=2"], "power"),
        (["--set", "numbers.power=high"], "expected int, got 'high'"),
        (["--stage", "power"], "powers"),
        (["--stage", "5"], "from 1 to 4"),
        (["--stage", "3", "--stop-stage", "2"], "Swap them"),
        (["--cmd", "slrum"], "slurm"),
        (["--nj", "0"], "at least 1"),
        (["--nj", "two"], "invalid int"),
        (["--conf", "conf/smal.yaml"], "conf/small.yaml"),
    ],
)
def test_wrong_options_end_with_status_2_and_a_hint(run, capsys, options, hint):
    assert run(*options) == 2
    error = capsys.readouterr().err
    assert hint in error
    assert "Traceback" not in error


def test_list_shows_the_state_of_every_stage(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    run("--stop-stage", "2")
    run("--list", "--set", "numbers.power=3")
    rows = {row.split("│")[2].strip(): row for row in capsys.readouterr().out.splitlines() if row.count("│") > 3}
    assert "done" in rows["data"]
    assert "changed: conf numbers.power: 2 -> 3" in rows["powers"]
    assert "new; needs stage 3" in rows["report"]
    assert "needs" not in rows["powers"]


def test_confs_keep_their_results_apart(run, capsys):
    run()
    Path("conf/large.yaml").write_text("numbers: {power: 4}\n")
    capsys.readouterr()
    run("--conf", "conf/large.yaml")
    assert ran(capsys) == ["powers", "total", "report"], "the data are shared"
    assert Path("exp/small/sum.txt").read_text() == "14.0"
    assert Path("exp/large/sum.txt").read_text() == "98.0"


def test_every_run_keeps_its_conf_command_and_revision(run):
    run("--set", "numbers.scale=2")
    assert "scale: 2.0" in Path("exp/small/conf.yaml").read_text()
    record = json.loads(Path(".done/small.powers.json").read_text())
    assert record["command"] == "./run.sh --conf conf/small.yaml --set numbers.scale=2"
    assert record["revision"]
    assert record["fingerprint"]["conf"] == {"numbers": {"power": 2, "scale": 2.0}}
    assert "Stage 2 (powers)" in Path("exp/small/run.log").read_text()


def test_a_failing_stage_leaves_no_output_and_the_next_run_goes_on(run, toy, capsys):
    Path("corpus/train.txt").write_text("1 2 three")
    assert run() == 1
    assert not Path("exp/small/powers").exists()
    Path("corpus/train.txt").write_text("1 2 3")
    assert run() == 0
    assert Path("report.md").read_text() == "sums: 14.0\n"


def start_slow_run(*options: str) -> subprocess.Popen[bytes]:
    """The toy recipe in a process of its own, at 0.2 s per number."""
    command = [
        sys.executable,
        REPOSITORY / "tests/recipes/toy1.py",
        "--conf",
        "conf/small.yaml",
        "--set",
        "delay=0.2",
        *options,
    ]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stderr=subprocess.DEVNULL)


def kill_after_two_numbers(process: subprocess.Popen[bytes]) -> None:
    while not Path("work.log").exists() or len(Path("work.log").read_text().splitlines()) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_stage_killed_half_way_goes_on_where_it_was(run, toy):
    Path("corpus/train.txt").write_text("1 2 3 4 5 6")
    kill_after_two_numbers(start_slow_run())
    assert not Path("exp/small/powers").exists(), "no half output under the final name"
    assert run() == 0
    numbers = [line.split()[0] for line in Path("work.log").read_text().splitlines()]
    assert numbers == ["1", "2", "3", "4", "5", "6"], "nothing was computed twice"
    assert Path("report.md").read_text() == "sums: 91.0\n"


def test_a_stage_killed_half_way_starts_anew_when_its_conf_changed(run, toy):
    Path("corpus/train.txt").write_text("1 2 3 4 5 6")
    kill_after_two_numbers(start_slow_run())
    assert run("--set", "numbers.power=1") == 0
    assert Path("report.md").read_text() == "sums: 21.0\n"
    assert len(Path("work.log").read_text().splitlines()) == 2 + 6


def test_two_runs_do_not_work_on_one_stage(run, toy, capsys):
    Path("corpus/train.txt").write_text("1 2 3 4 5 6")
    process = start_slow_run()
    while not Path("work.log").exists():
        time.sleep(0.02)
    assert run() == 2
    assert "another run is working on stage powers" in capsys.readouterr().err
    process.kill()
    process.wait()


def test_a_kill_between_the_renames_is_mended(run, toy, capsys):
    run()
    record = json.loads(Path(".done/data.json").read_text())
    Path("data/test").rename("data/test.part")  # as if train had its final name already and test had not
    Path(".done/data.running.json").write_text(json.dumps({**record, "state": "finishing"}))
    Path(".done/data.json").unlink()
    capsys.readouterr()
    assert run() == 0
    assert ran(capsys) == []
    assert Path("data/test/numbers.txt").read_text() == "4"


def test_a_stage_sees_only_the_conf_keys_it_declares(toy):
    from recipes.runner import ConfView

    view = ConfView(toy.conf(), toy.stages[3])
    assert view.title == "sums"
    with pytest.raises(AttributeError, match="does not declare that it uses the conf key numbers"):
        _ = view.numbers
