"""Router, log service and population register, and the witnesses outside of the bus where the demo has some."""

from __future__ import annotations

import asyncio

from govbus.cli.demo.outside import Outside
from govbus.cli.demo.processes import Processes
from govbus.cli.demo.stage import Stage
from govbus.service.sample_directory import BUS, POPULATION_REGISTER

_READY = {"router": "partition taken over", "register": "consumer started"}
"""What a process writes to its log once it serves."""


class BusProcesses:
    """Everything of the demo that runs beside it."""

    def __init__(self, stage: Stage, outside: Outside | None = None) -> None:
        """Prepare for a stage; without anything outside, the log service works alone."""
        self._stage = stage
        self._outside = outside
        self._processes = Processes(stage.folder, stage.bootstrap_servers)
        self._serving: list[str] = []

    def start(self, *, is_registering: bool = True) -> None:
        """Start all of them, or all but the register; with witnesses, the log service follows once they answer."""
        stage, sample = self._stage, self._stage.sample
        authority = ("--authority", str(sample.authority_certificate))
        keys = ("--key", str(sample.key(BUS)), "--certificate", str(sample.certificate(BUS)))
        folder = stage.folder
        self._processes.start("router", "router", *keys, *authority, "--data", str(folder / "router"))
        self._serving = ["router"]
        if self._outside is None:
            self._start_log()
        else:
            for witness in self._outside.witnesses:
                self._processes.start(witness.process, *witness.command)
        if is_registering:
            database = ("--database", str(stage.register_file))
            agency = ("--agency", POPULATION_REGISTER.text)
            serve = ("registry", "serve", "population", *agency, *authority, *database)
            self._processes.start("register", *serve)
            self._serving.append("register")

    def _start_log(self) -> None:
        folder, outside = self._stage.folder, self._outside
        log_keys = ("--keys", str(folder / "log-keys"), "--bus", BUS.text)
        witnesses = ("--witnesses", str(outside.trust.policy_file)) if outside is not None else ()
        settings = outside.log_settings() if outside is not None else None
        serve = ("log", "serve", *log_keys, *witnesses, "--data", str(folder / "log"))
        self._processes.start("log", *serve, settings=settings)

    async def wait_until_ready(self) -> None:
        """Wait until each says in its log that it serves.

        Raises:
            MissingPartError: if one ends instead.
            TimeoutError: if one says nothing in time.
        """
        if self._outside is not None:
            for witness in self._outside.witnesses:
                line = await self._processes.wait_for(witness.process, witness.ready_sign)
                witness.url = line.split()[-1]
            await asyncio.to_thread(self._outside.write_policy)
            self._start_log()
        for name in self._serving:
            await self._processes.wait_for(name, _READY[name])

    def require_running(self) -> None:
        """Check that none has ended; raises as `Processes.require_running`."""
        self._processes.require_running()

    async def stop(self, *names: str) -> None:
        """Stop processes and wait until they have; all that are left where none is named."""
        await self._processes.stop(*names)
