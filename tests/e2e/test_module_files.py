"""One file is one module, by whatever path it comes; a copy is another, with counters of its own."""

from __future__ import annotations

import shutil

import pytest

from harness.client import Client, fresh_address
from harness.layouts import side_by_side
from harness.places import module_path

pytestmark = pytest.mark.only("module", because="Envoy loads its file into itself")

POLICY = {"scopes": {"all": {"rate": "3/h", "key": "address"}}}


@pytest.fixture(params=["by its name", "by its path", "by a link", "a copy"])
def other(request, tmp_path):
    """How the second policy's module is named, and whether it shares the counters of the first."""
    file, here = module_path(), tmp_path / "libtollgate.so"
    if request.param == "by a link":
        here.symlink_to(file)
    if request.param == "a copy":
        shutil.copy(file, here)
    path = {"by its path": file}.get(request.param, here)
    named = {"name": "tollgate"} if request.param == "by its name" else {"module": {"local": {"filename": str(path)}}}
    return named, request.param != "a copy"


def test_one_file_is_one_module(open_gate, application, other):
    named, is_shared = other
    config = side_by_side({"one": POLICY, "other": POLICY}, upstream_port=application.port)
    manager = config["static_resources"]["listeners"][1]["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"][0]["typed_config"]["dynamic_module_config"] = named
    gate, address = open_gate(config=config), fresh_address()
    found = []
    for listener in ("one", "other"):
        with Client(gate.port_of(listener), address) as caller:
            found.append(caller.statuses(3))
    assert found == [{200: 3}, {429: 3} if is_shared else {200: 3}]


def test_a_new_file_in_its_place_is_not_loaded(open_gate, tmp_path):
    """Envoy keeps the one that it has, and with it the counters."""
    mine = tmp_path / "libtollgate.so"
    shutil.copy(module_path(), mine)
    environment = {"ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(tmp_path)}
    gate, address = open_gate(POLICY, watched=True, environment=environment), fresh_address()
    with Client(gate.port, address) as caller:
        assert caller.statuses(2) == {200: 2}
    new = tmp_path / "new"
    new.write_bytes(b"this is no module")
    new.replace(mine)
    gate.update(POLICY | {"response": {"status": 503}})
    with Client(gate.port, address) as caller:
        assert caller.statuses(2) == {200: 1, 503: 1}
