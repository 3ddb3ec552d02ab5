"""A real Prometheus of the tests' own, with the configuration and the rules that are shipped."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from harness import ports
from harness.asking import Server, program
from harness.places import repo_path

HINT = "Debian's package prometheus"


class Refused(Exception):
    """Prometheus says what is wrong with a question."""


class Prometheus(Server):
    """It collects from these addresses, each with its port, once a second. `with Prometheus(…)`: ready on entry."""

    def __init__(self, directory: Path, targets: Sequence[str]) -> None:
        config = yaml.safe_load(repo_path("prometheus", "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(repo_path("prometheus", name)) for name in config["rule_files"]]
        [job] = config["scrape_configs"]
        job["static_configs"] = [{"targets": list(targets)}]
        file = directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        port = ports.reserve()
        command = [program("prometheus", HINT), f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}"]
        super().__init__(port, [*command, f"--web.listen-address=127.0.0.1:{port}"], directory / "prometheus.log")

    def series(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series that an expression has now, labels and value of each; raises `Refused`."""
        return [(series["metric"], float(series["value"][1])) for series in self._ask("query", query=expression)["result"]]

    def values(self, expression: str) -> list[float]:
        return [value for _, value in self.series(expression)]

    def label_values(self, selector: str, label: str) -> set[str]:
        return {series[label] for series in self._ask("series", **{"match[]": selector}) if label in series}

    def rules(self) -> list[dict]:
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def _ask(self, what: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as reply:
                return json.loads(reply.read())["data"]
        except urllib.error.HTTPError as error:
            raise Refused(f"{parameters}: {json.loads(error.read())['error']}") from error

    def _is_ready(self) -> bool:
        # It listens before it has read what it has stored.
        if not super()._is_ready():
            return False
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=10).close()
        except urllib.error.HTTPError:
            return False
        return True
