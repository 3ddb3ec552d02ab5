"""Starting, watching and stopping Envoy processes. Each stops the child that it started, by its own handle."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import bootstrap, processes
from harness.adapter import ADAPTER
from harness.places import envoy_path

_PATIENCE = 60.0  # seconds; far more than any start takes, so that only a hang ends here
_LOG_LEVELS = ["--log-level", "warning", "--component-log-level", f"{ADAPTER.component}:info"]

# What a healthy gate never writes. Errors of the filter itself are listed too; a test that provokes one says so.
_ALARMS = re.compile(rf"\[critical\]|panicked|Segmentation fault|\[error\]\[{ADAPTER.component}\]|{ADAPTER.alarms}")

# Counters of the gate's that stay at zero: those of a table that could not be used.
_TROUBLES = ["store_contended_total", "store_corrupt_total", "store_failed_total", "store_unsettled_total"]


class Gate:
    """A running Envoy. `with Gate(directory, policy) as gate:` – ready on entry; stopped on exit, its log checked."""

    running: list[Gate] = []

    def __init__(
        self,
        directory: Path,
        policy: Any = None,
        *,
        workers: int = 2,
        upstream_port: int | None = None,
        http2_upstream: bool = False,
        trusted_hops: int = 0,
        watched: bool = False,
        config: dict | None = None,
        console: dict | None = None,
        environment: dict[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        """`console`: what the console is told, if there is to be one. `watched`: the listener comes from a file, so that `update` can change it. `config`: a whole bootstrap to
        run instead of the tests' own. `environment`: more variables. `arguments`: more of Envoy's command line."""
        self._directory = directory
        self._environment = _environment(environment)
        self._arguments = arguments
        self._workers = workers
        self._trusted_hops = trusted_hops
        self._has_upstream = upstream_port is not None
        self._has_console = console is not None
        self._updates = 0
        self._killed = False
        self._lds = directory / "listeners.json"
        self._expected_errors: list[str] = []
        self._process: subprocess.Popen | None = None
        self.log_file = directory / "envoy.log"
        if config is None:
            if watched:
                self._write_listener(self._listener(policy))
            config = bootstrap.bootstrap(
                listeners=None if watched else [self._listener(policy)],
                consoles=[] if console is None else [bootstrap.console(console)],
                lds=self._lds if watched else None,
                upstream_port=upstream_port,
                http2=http2_upstream,
            )
        self._config = directory / "envoy.json"
        self._config.write_text(json.dumps(config))

    # -- life ----------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Gate:
        admin_file = self._directory / "admin"
        command = [envoy_path(), "-c", str(self._config), "--concurrency", str(self._workers)]
        command += ["--disable-hot-restart", "--admin-address-path", str(admin_file), *_LOG_LEVELS, *self._arguments]
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self._environment
            )
        try:
            self._until(lambda: admin_file.exists() and admin_file.read_text().strip(), "an admin address")
            self._admin = admin_file.read_text().strip()
            self._until(self._ready, "readiness")
        except BaseException:
            self._stop()
            raise
        Gate.running.append(self)
        return self

    def pause(self) -> None:
        """It hangs, and keeps its connections."""
        processes.pause(self._process)

    def resume(self) -> None:
        processes.resume(self._process)

    def kill(self) -> None:
        """Ends it as a crash would: connections break."""
        self._process.kill()
        self._process.wait()
        self._killed = True

    def __exit__(self, *_exc) -> None:
        Gate.running.remove(self)
        if self._killed:
            return
        died = self._process.poll()
        troubles = [] if died else self._troubles()
        self._stop()
        assert died is None, f"Envoy had died with {died}\n{self.log()[-4000:]}"
        alarms = [line for line in self.log().splitlines() if _ALARMS.search(line) and not self._is_expected(line)]
        assert not alarms, "Envoy's log shows:\n" + "\n".join(alarms[:20])
        assert not troubles, f"counted: {troubles}"

    def _troubles(self) -> list[str]:
        return [name for name in ADAPTER.troubles if self.stat(name)] + [name for name in _TROUBLES if self.metric(name)]

    def _stop(self) -> None:
        processes.end(self._process)

    def _until(self, holds: Callable[[], Any], what: str) -> None:
        """Polls; nothing that a test asserts depends on how long it takes."""
        deadline = time.monotonic() + _PATIENCE
        while not holds():
            if self._process.poll() is not None:
                raise RuntimeError(f"Envoy exited with {self._process.returncode}\n{self.log()[-4000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited in vain for {what}\n{self.log()[-4000:]}")
            time.sleep(0.02)

    def _ready(self) -> bool:
        try:
            # With listeners from a file, "ready" alone can come before the workers have them.
            created = self.stat("listener_manager.listener_create_success")
            return self.admin("/ready").strip() == "LIVE" and created >= self._workers
        except OSError:
            return False

    # -- what it says --------------------------------------------------------------------------------------------------

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def expect_error(self, text: str) -> None:
        """The test has provoked this: log lines with `text` in them are no alarm."""
        self._expected_errors.append(text)

    def _is_expected(self, line: str) -> bool:
        return any(text in line for text in self._expected_errors)

    def admin(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self._admin}{path}", timeout=10) as reply:
            return reply.read().decode()

    @property
    def admin_address(self) -> str:
        """Where the admin interface listens, as `127.0.0.1:4711`."""
        return self._admin

    def admin_post(self, path: str) -> None:
        request = urllib.request.Request(f"http://{self._admin}{path}", method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def set_log_level(self, component: str, level: str) -> None:
        self.admin_post(f"/logging?{component}={level}")

    def console(self, path: str, body: dict | None = None, **headers: str) -> tuple[int, dict]:
        """What the console answers: to a POST, if there is a body. → status and JSON"""
        data = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"content-type": "application/json"}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.port_of('console')}{path}"
        request = urllib.request.Request(url, data=data, headers=kind | names)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def stat(self, name: str) -> int:
        """A counter or gauge of Envoy; 0 as long as it does not exist."""
        for line in self.admin(f"/stats?filter=^{re.escape(name)}$").splitlines():
            found, _, value = line.partition(": ")
            if found == name:
                return int(value)
        return 0

    def metric(self, name: str) -> int:
        """One of the gate's own, such as `store_clients`."""
        return self.stat(f"{ADAPTER.metrics}.tollgate.{name}")

    def decisions(self, scope: str, decision: str) -> int:
        return self.metric(f"scope_requests_total.policy.tollgate.scope.{scope}.decision.{decision}")

    @property
    def port(self) -> int:
        return self._addresses()[0]["socket_address"]["port_value"]

    @property
    def port_ipv6(self) -> int:
        return self._addresses()[1]["socket_address"]["port_value"]

    def port_of(self, listener: str) -> int:
        """Where there are several."""
        [status] = [status for status in self._listeners() if status["name"] == listener]
        return status["local_address"]["socket_address"]["port_value"]

    def _listeners(self) -> list[dict]:
        return json.loads(self.admin("/listeners?format=json"))["listener_statuses"]

    def _addresses(self) -> list[dict]:
        # A listener inside Envoy has no port.
        served = [status for status in self._listeners() if status["name"] != "console"]
        status = next(status for status in served if "socket_address" in status["local_address"])
        return [status["local_address"], *status.get("additional_local_addresses", [])]

    # -- reload --------------------------------------------------------------------------------------------------------

    def update(self, policy: Any, change: Callable[[list[dict]], None] | None = None) -> None:
        """A new policy by way of the watched file; returns when every worker has it. `change`: changes the HTTP filters, of which
        Tollgate is the first."""
        self._updates += 1
        self._write_listener(self._listener(policy), change)
        wanted = self._workers * (1 + self._has_console + self._updates)
        self._until(lambda: self.stat("listener_manager.listener_create_success") >= wanted, "the update")

    def refuse_update(self, policy: Any, change: Callable[[list[dict]], None] | None = None) -> None:
        """The same, for what has to be refused; returns when Envoy has done so."""
        self._expected_errors += ADAPTER.refusal
        before = self.stat("listener_manager.lds.update_rejected")
        self._write_listener(self._listener(policy), change)
        self._until(lambda: self.stat("listener_manager.lds.update_rejected") > before, "the refusal")

    def _write_listener(self, listener: dict, change: Callable[[list[dict]], None] | None = None) -> None:
        if change:
            change(listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"])
        kind = {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener"}
        temporary = self._lds.with_suffix(".new")
        temporary.write_text(json.dumps({"resources": [kind | listener]}))
        temporary.replace(self._lds)  # Envoy watches for a move

    def _listener(self, policy: Any) -> dict:
        return bootstrap.listener(policy, upstream=self._has_upstream, trusted_hops=self._trusted_hops)


def try_start(directory: Path, policy: Any, *arguments: str) -> tuple[int, str]:
    """Runs Envoy on a policy that it should refuse, or with `--mode validate`. → its exit code and its log."""
    config = bootstrap.bootstrap(
        listeners=[bootstrap.listener(policy, upstream=False, trusted_hops=0)],
        lds=None,
        upstream_port=None,
        http2=False,
    )
    return run_config(directory, config, *arguments)


def run_config(
    directory: Path, config: dict, *arguments: str, environment: dict[str, str] | None = None
) -> tuple[int, str]:
    file = directory / "envoy.json"
    file.write_text(json.dumps(config))
    command = [
        envoy_path(),
        "-c",
        str(file),
        "--disable-hot-restart",
        "--concurrency",
        "1",
        *_LOG_LEVELS,
        *arguments,
    ]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=_PATIENCE,
        env=_environment(environment),
    )
    return done.returncode, done.stdout.decode(errors="replace")


def _environment(more: dict[str, str] | None) -> dict[str, str]:
    """This process' own, without what is meant for the gate, and more."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TOLLGATE_")}
    return own | ADAPTER.environment | (more or {})
