"""The command line of every recipe: `./run.sh --stage 2 --stop-stage 4 --nj 4 --cmd local --set key=value …`."""

import argparse
import datetime
import logging
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import yaml
from rich.console import Console
from rich.table import Table

from audiogen.errors import InputError, nearest
from audiogen.files import atomic_write
from audiogen.plain import to_plain
from recipes.config import load_conf
from recipes.executors import make_executor
from recipes.progress import clock, log_to_stderr
from recipes.records import History, Record, Status
from recipes.stages import Job, Recipe, Stage

logger = logging.getLogger(__name__)


def main(recipe: Recipe[Any], arguments: Sequence[str]) -> int:
    """Run the recipe with these arguments; the exit status: 0 done, 1 a stage failed, 2 wrong input, 130 stopped."""
    log_to_stderr(recipe.name)
    start = time.monotonic()
    try:
        options = parse(recipe, arguments)
        run = Run(recipe, options, command=shlex.join(["./run.sh", *arguments]))
        run.show() if options.list else run.run()
    except InputError as error:
        logger.error("%s", error)
        return 2
    except KeyboardInterrupt:
        logger.error("Stopped after %s. The same command goes on from here.", clock(time.monotonic() - start))
        return 130
    except Exception:
        logger.exception("Failed after %s. The same command goes on from here.", clock(time.monotonic() - start))
        return 1
    if not options.list:
        logger.info("Elapsed %s", clock(time.monotonic() - start))
    return 0


def parse(recipe: Recipe[Any], arguments: Sequence[str]) -> argparse.Namespace:
    """Options as a namespace; `_` in an option's name is read as `-`.

    Raises:
        InputError: an unknown option or stage, or a value of the wrong type.
    """
    parser = _parser(recipe)
    options, unknown = parser.parse_known_args([_with_dashes(argument) for argument in arguments])
    if unknown:
        known = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
        raise InputError(
            f"unknown option {unknown[0]}. Nearest known: {nearest(unknown[0], known)}. All of them: ./run.sh --help."
        )
    options.stage = stage_number(recipe, options.stage)
    behind = options.stop_stage.isdecimal() and int(options.stop_stage) > len(recipe.stages)
    options.stop_stage = len(recipe.stages) if behind else stage_number(recipe, options.stop_stage)
    if options.stage > options.stop_stage:
        raise InputError(
            f"expected --stage up to --stop-stage, got {options.stage} and {options.stop_stage}. Swap them."
        )
    return options


def stage_number(recipe: Recipe[Any], text: str) -> int:
    """Number of the stage that `text` gives by number or name."""
    names = {stage.name: number for number, stage in recipe.numbered()}
    if text in names:
        return names[text]
    if text.isdecimal() and 1 <= int(text) <= len(recipe.stages):
        return int(text)
    raise InputError(
        f"expected a stage from 1 to {len(recipe.stages)} or its name, got {text!r}. Nearest: {nearest(text, names)}."
    )


class Run:
    """One call of a recipe: its conf, the chosen stages and what is known about them."""

    def __init__(self, recipe: Recipe[Any], options: argparse.Namespace, command: str) -> None:
        self.recipe, self.options, self.command = recipe, options, command
        self.conf = load_conf(recipe.conf, options.conf, options.set)
        values = to_plain(self.conf)
        scalars = {key: value for key, value in values.items() if isinstance(value, str | int)}
        self.names: Mapping[str, Any] = {
            **scalars,
            **self.conf.sets,
            "tag": options.tag or Path(options.conf).stem,
        }
        self.history = History(recipe, values, self.names)
        numbers = range(options.stage, options.stop_stage + 1)
        self.chosen = [(number, stage) for number, stage in recipe.numbered() if number in numbers]

    def run(self) -> None:
        """Run the chosen stages that are not done; with `--dry-run` say only what would run."""
        self.check_inputs()
        if not self.options.dry_run:
            self._keep_conf()
        made: set[str] = set()
        for number, stage in self.chosen:
            with self.history.lock(stage):
                reasons = self.reasons(stage, made)
                if not reasons:
                    logger.info("Stage %d (%s): done and unchanged, skipped", number, stage.name)
                    continue
                made.update(stage.outputs(self.names))
                arrow = f"{', '.join(self._shown(stage.reads))} -> {', '.join(self._shown(stage.writes))}"
                logger.info("Stage %d (%s): %s: %s (%s)", number, stage.name, stage.title, arrow, "; ".join(reasons))
                if not self.options.dry_run:
                    self.touch(stage) if self.options.touch else self.run_stage(number, stage)
        self._say_missing_upstream()

    def reasons(self, stage: Stage, made: set[str]) -> list[str]:
        """Why `stage` must run; empty when it is done. `made` are files that a dry run would have made by now."""
        reasons = list(self.history.status(stage).reasons)
        if self.options.dry_run:
            new = [f"{path} will be made" for path in stage.inputs(self.names) if within(path, made)]
            reasons = [reason for reason in reasons if not within(reason.removeprefix("input "), made)] + new
        return reasons or (["--force"] if self.options.force else [])

    def run_stage(self, number: int, stage: Stage) -> None:
        """Run one stage now, going on where a killed run of the same job was."""
        resume = self.history.status(stage).kind == "half-way" and not self.options.force
        record = self._record(stage)
        work = self.history.start(stage, record, resume=resume)
        cluster = getattr(self.conf, "cluster", {})
        job: Job[Any] = Job(
            conf=ConfView(self.conf, stage),
            names=self.names,
            inputs=frozenset(stage.inputs(self.names)),
            work=work,
            executor=make_executor(
                self.options.cmd, self.options.nj, Path("exp") / self.names["tag"] / "jobs", cluster
            ),
        )
        start = time.monotonic()
        stage.function(job)
        unmade = [path for path, part in work.items() if not part.exists()]
        assert not unmade, f"stage {stage.name} declares that it writes {', '.join(unmade)} but did not"
        seconds = time.monotonic() - start
        self.history.finish(stage, Record(**{**vars(record), "seconds": round(seconds, 1)}))
        logger.info("Stage %d (%s): done in %s", number, stage.name, clock(seconds))

    def touch(self, stage: Stage) -> None:
        """Note the present outputs of `stage` as up to date; who made them, when and how, stays as it was noted."""
        missing = [path for path in stage.outputs(self.names) if not Path(path).exists()]
        if missing:
            raise InputError(
                f"--touch: stage {stage.name} has no {', '.join(missing)} to keep. Run it without --touch."
            )
        made, now = self.history.status(stage).record, self._record(stage, state="done")
        record = replace(made, fingerprint=now.fingerprint) if made else now
        record.write(self.history.path(stage))

    def check_inputs(self) -> None:
        """See before any work that each chosen stage finds what it reads.

        Raises:
            InputError: names each missing file and the stage that makes it.
        """
        made: set[str] = set()
        problems = []
        for number, stage in self.chosen:
            for path in stage.inputs(self.names):
                if not within(path, made) and not Path(path).exists():
                    problems.append(
                        f"stage {number} ({stage.name}) reads {path}, which is not there; {self._remedy(path)}"
                    )
            made.update(stage.outputs(self.names))
        if problems:
            raise InputError("; ".join(problems))

    def show(self) -> None:
        """Print the stages with their state."""
        table = Table("stage", "name", "state", "what it does", "finished", "took")
        for number, stage in self.recipe.numbered():
            status = self.history.status(stage)
            table.add_row(str(number), stage.name, self._state(stage, status), stage.title, *_when(status.record))
        Console().print(table)

    def maker(self, path: str) -> tuple[int, Stage] | None:
        """The stage that writes `path`, or the folder that it is in."""
        stages = self.recipe.numbered()
        return next(((number, stage) for number, stage in stages if within(path, stage.outputs(self.names))), None)

    def _shown(self, templates: Sequence[str]) -> list[str]:
        """Templates filled in but for the braces that stand for several values."""
        names = {name: f"{{{name}}}" if isinstance(value, tuple) else value for name, value in self.names.items()}
        return [template.format(**names) for template in templates]

    def _state(self, stage: Stage, status: Status) -> str:
        if status.kind == "done":
            return "done"
        lacking = [path for path in stage.inputs(self.names) if not Path(path).exists()]
        text = f"{status.kind}: {'; '.join(status.reasons)}" if status.kind == "changed" else status.kind
        makers = {path: self.maker(path) for path in lacking}
        needs = dict.fromkeys(f"stage {maker[0]}" if maker else path for path, maker in makers.items())
        return f"{text}; needs {', '.join(needs)}" if needs else text

    def _remedy(self, path: str) -> str:
        if found := self.maker(path):
            return f"stage {found[0]} ({found[1].name}) makes it: ./run.sh --stage {found[0]} --stop-stage {found[0]}"
        keys = [key for key, value in self.names.items() if isinstance(value, str) and within(path, [value])]
        hint = f"give its place with --set {keys[0]}=PATH" if keys else "put it there"
        return f"{hint}, or run local/download.sh" if Path("local/download.sh").exists() else hint

    def _say_missing_upstream(self) -> None:
        """Warn when a chosen stage used what a stage that was not chosen would now make differently."""
        chosen = {stage.name for _, stage in self.chosen}
        makers = {found for _, stage in self.chosen for path in stage.inputs(self.names) if (found := self.maker(path))}
        for number, stage in sorted(makers, key=lambda maker: maker[0]):
            status = self.history.status(stage)
            if stage.name not in chosen and status.kind != "done":
                logger.warning(
                    "Stage %d (%s) was not chosen but is not up to date: %s",
                    number,
                    stage.name,
                    "; ".join(status.reasons),
                )

    def _record(self, stage: Stage, state: str = "running") -> Record:
        return Record(
            state=state,  # type: ignore[arg-type]
            fingerprint=self.history.fingerprint(stage),
            outputs=tuple(stage.outputs(self.names)),
            command=self.command,
            revision=revision(),
            machine=machine(),
            started=datetime.datetime.now().isoformat(timespec="seconds"),
        )

    def _keep_conf(self) -> None:
        folder = Path("exp") / self.names["tag"]
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "conf.yaml") as path:
            path.write_text(yaml.safe_dump(to_plain(self.conf), sort_keys=False, allow_unicode=True), encoding="utf-8")
        logging.getLogger().addHandler(_log_file(folder / "run.log"))


@dataclass(frozen=True)
class ConfView:
    """A conf of which a stage sees only the keys it declares, so that no undeclared key can change its result."""

    whole: Any
    stage: Stage

    def __getattr__(self, key: str) -> Any:
        if key not in (*self.stage.conf, *self.stage.settings):
            raise AttributeError(f"stage {self.stage.name} does not declare that it uses the conf key {key}")
        return getattr(self.whole, key)


def within(path: str, outputs: Collection[str]) -> bool:
    """Whether `path` is one of these outputs or in a folder that is."""
    return any(path == output or path.startswith(f"{output}/") for output in outputs)


def revision() -> str:
    """Git revision of this code, with "-dirty" when tracked files were changed; "unknown" outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def machine() -> str:
    """Processors that this run may use, GPUs included where torch is loaded and sees them."""
    text = f"{len(os.sched_getaffinity(0))} CPU cores"
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        text += f", {torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    return text


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}. See ./run.sh --help.")


def _parser(recipe: Recipe[Any]) -> argparse.ArgumentParser:
    stages = "\n".join(f"  {number:2} {stage.name:12} {stage.title}" for number, stage in recipe.numbered())
    parser = _Parser(
        prog="./run.sh",
        epilog=f"stages:\n{stages}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--stage", default="1", metavar="N", help="first stage, a number or a name (default 1)")
    parser.add_argument(
        "--stop-stage", default=str(len(recipe.stages)), metavar="N", help="last stage, included (default: the last)"
    )
    parser.add_argument("--nj", type=int, default=1, metavar="N", help="parallel jobs (default 1)")
    parser.add_argument("--cmd", default="local", help="where jobs run: local, slurm or ray (default local)")
    parser.add_argument("--conf", required=True, metavar="FILE", help="the configuration, a YAML file")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one value of it, as in seed=1"
    )
    parser.add_argument("--tag", metavar="NAME", help="name of the folder in exp (default: that of the conf file)")
    parser.add_argument(
        "--force", action="store_true", help="run the chosen stages even if they are done, from their start"
    )
    parser.add_argument(
        "--touch", action="store_true", help="note the chosen stages as done with the outputs they have"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would run, and why")
    parser.add_argument("--list", action="store_true", help="show the stages with their state")
    return parser


def _with_dashes(argument: str) -> str:
    name, separator, value = argument.partition("=")
    return name.replace("_", "-") + separator + value if argument.startswith("--") else argument


def _log_file(path: Path) -> logging.Handler:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"))
    return handler


def _when(record: Record | None) -> tuple[str, str]:
    return (record.started, clock(record.seconds)) if record else ("", "")
