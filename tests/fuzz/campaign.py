"""Runs atheris against the targets: each in a child process, with a table at the end.

``python -m tests.fuzz.campaign --seconds 60 avro banner`` keeps what it found, and the inputs that reach new code,
under ``build/fuzz/<target>``. The exit code is 1 where a target failed, 3 where atheris is not installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .targets import Target

NO_ATHERIS: Final = 3
SELF_TEST_NAME: Final = "self_test"
INPUT_BYTES_MAX: Final = 4_096
INPUT_TIME_MAX_S: Final = 25
"""A watchdog against hangs; no input takes a second on an idle machine."""
MEMORY_MB_MAX: Final = 2_048
"""Of a child, instrumentation and everything that is remembered on purpose included."""
_STARTED_BADLY: Final = 99
_COVERED = re.compile(r"\bcov: (\d+)")
_EXECUTED = re.compile(r"stat::number_of_executed_units: (\d+)")


class Result(NamedTuple):
    """What became of one target."""

    name: str
    executions: int
    covered: int
    """Edges of the instrumented code that were reached."""
    kept: tuple[Path, ...]
    """Inputs that failed, each in a file."""
    exit_code: int
    log: Path

    @property
    def has_failed(self) -> bool:
        """Whether an input failed, or the target did not start."""
        return self.exit_code != 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return the exit code."""
    options = _options(arguments)
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("atheris is not installed: it needs Linux and a Python that it was built for\n")
        return NO_ATHERIS
    targets = _instrumented_targets(options.out)
    unknown = sorted(set(options.targets) - targets.keys())
    if unknown:
        sys.stderr.write(f"unknown targets: {' '.join(unknown)}; there are {' '.join(targets)}\n")
        return 2
    chosen = [
        targets[name] for name in options.targets or [name for name in targets if name != SELF_TEST_NAME]
    ]
    results = list(_run_all(chosen, options))
    _print_table(results)
    return int(any(result.has_failed for result in results))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz the places where bytes of strangers enter.")
    parser.add_argument("targets", nargs="*", help="all of them unless given")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument(
        "--bounded", action="store_true", help="stop after each target's own number of executions"
    )
    parser.add_argument("--seed", type=int, default=0, help="0 takes another one each time")
    parser.add_argument("--jobs", type=int, default=1, help="targets at the same time")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    return parser.parse_args(arguments)


def _instrumented_targets(out: Path) -> dict[str, Target]:
    """Import the targets with the code that they lead to instrumented."""
    import atheris

    out.mkdir(parents=True, exist_ok=True)
    instrumented = atheris.instrument_imports(include=["govbus"], enable_loader_override=False)
    with (out / "instrumented.txt").open("w") as log, _output_to(log.fileno()), instrumented:
        from .targets import SELF_TEST, TARGETS
    return {**TARGETS, SELF_TEST.name: SELF_TEST}


@contextlib.contextmanager
def _output_to(descriptor: int) -> Iterator[None]:
    """Send what libraries write to the terminal into a file."""
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        for number, copy in enumerate(kept, start=1):
            os.dup2(copy, number)
            os.close(copy)


def _run_all(targets: Sequence[Target], options: argparse.Namespace) -> Iterator[Result]:
    """Run the targets, so many at a time, and yield each result as it comes."""
    waiting, running = list(reversed(targets)), {}
    while waiting or running:
        while waiting and len(running) < options.jobs:
            target = waiting.pop()
            running[_started(target, options)] = target
        child, status = os.wait()
        target = running.pop(child)
        yield _result(target, options.out / target.name, os.waitstatus_to_exitcode(status))


def _started(target: Target, options: argparse.Namespace) -> int:
    """Start a child and return its process id; atheris ends the process that it runs in."""
    folder = options.out / target.name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for path in _kept(folder):
        path.replace(corpus / path.name)  # what failed in an earlier campaign is tried again
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    child = os.fork()
    if child:
        return child
    try:
        with (folder / "log.txt").open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        _fuzz(target, _flags(target, folder, options))
    except SystemExit:
        raise  # atheris keeps the input while the process ends in the usual way
    except BaseException:  # noqa: BLE001  # whatever it is, this child must not go on as its parent
        traceback.print_exc()
    os._exit(_STARTED_BADLY)


def _flags(target: Target, folder: Path, options: argparse.Namespace) -> list[str]:
    """Return the options of libFuzzer."""
    flags = [
        f"-max_total_time={options.seconds}",
        f"-max_len={INPUT_BYTES_MAX}",
        f"-timeout={INPUT_TIME_MAX_S}",
        f"-rss_limit_mb={MEMORY_MB_MAX}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    ]
    if options.bounded:
        flags.append(f"-runs={target.runs}")
    if options.seed:
        flags.append(f"-seed={options.seed}")
    if target.words:
        words = folder / "words.txt"
        escaped = ("".join(f"\\x{octet:02x}" for octet in word) for word in target.words)
        words.write_text("".join(f'"{word}"\n' for word in escaped))
        flags.append(f"-dict={words}")
    return [*flags, str(folder / "corpus")]


def _fuzz(target: Target, flags: list[str]) -> None:
    import atheris

    atheris.Setup([sys.argv[0], *flags], target)
    atheris.Fuzz()


def _result(target: Target, folder: Path, exit_code: int) -> Result:
    log = folder / "log.txt"
    text = log.read_text("utf-8", "replace")
    covered = _COVERED.findall(text)
    executed = _EXECUTED.findall(text)
    return Result(
        target.name,
        int(executed[-1]) if executed else 0,
        int(covered[-1]) if covered else 0,
        _kept(folder),
        exit_code,
        log,
    )


def _kept(folder: Path) -> tuple[Path, ...]:
    """Return the inputs that failed."""
    return tuple(
        sorted(path for path in folder.iterdir() if path.name.startswith(("crash-", "timeout-", "oom-")))
    )


def _print_table(results: Sequence[Result]) -> None:
    lines = [f"{'target':<20}{'executions':>12}{'edges':>8}  findings"]
    for result in results:
        finding = f"exit code {result.exit_code}, see {result.log}" if result.has_failed else "none"
        lines.append(f"{result.name:<20}{result.executions:>12}{result.covered:>8}  {finding}")
        lines += [f"{'':<42}{path}" for path in result.kept]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
