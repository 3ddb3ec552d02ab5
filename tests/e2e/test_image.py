"""The image that `scripts/image` writes: the same whoever writes it, taken by a tool that knows images, and unpacked by the rules of
those who fetch it for a proxy."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness.places import repo_path, wasm_path
from harness.registry import Registry

pytestmark = pytest.mark.only("filter", because="the image has the filter in it")

_SOURCE = "https://example.org/tollgate"


def make(output: Path, *arguments: str, umask: int = 0o022, **environment: str) -> str:
    """→ what it says"""
    command = [str(repo_path("scripts", "image")), "--wasm", str(wasm_path()), "--output", str(output), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | environment, umask=umask, cwd=output.parent
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("image") / "image"
    make(output, "--source", _SOURCE)
    return output


def everything(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def manifest_of(layout: Path) -> tuple[str, dict]:
    """→ digest and manifest"""
    [descriptor] = json.loads((layout / "index.json").read_text())["manifests"]
    return descriptor["digest"], json.loads(blob(layout, descriptor))


def blob(layout: Path, descriptor: dict) -> bytes:
    data = (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
    assert len(data) == descriptor["size"]
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"]
    return data


def skopeo(*arguments: str) -> str:
    found = shutil.which("skopeo")
    assert found, "skopeo is missing (Debian: apt-get install skopeo)"
    done = subprocess.run([found, "--insecure-policy", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fetched(layout: Path) -> bytes:
    """As Istio, Envoy Gateway and Higress do it: of the last layer, which has to be of this type, the first file of this name, in
    whatever directory."""
    _, manifest = manifest_of(layout)
    last = manifest["layers"][-1]
    assert last["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layout, last)))) as archive:
        for entry in archive:
            if os.path.basename(entry.name) == "plugin.wasm":
                return archive.extractfile(entry).read()
    raise AssertionError("no plugin.wasm in the last layer")


def test_it_is_the_same_whoever_makes_it(image, tmp_path):
    again = tmp_path / "again"
    said = make(again, "--source", _SOURCE, umask=0o077, TZ="Pacific/Chatham", LC_ALL="C", LANG="de_DE", HOME=os.environ["HOME"])
    assert everything(again) == everything(image)
    assert again.with_name("again.cdx.json").read_bytes() == image.with_name("image.cdx.json").read_bytes()
    assert manifest_of(image)[0] in said

    other = tmp_path / "other"
    make(other, "--source", _SOURCE, SOURCE_DATE_EPOCH="86400")
    assert manifest_of(other)[0] != manifest_of(image)[0]
    assert manifest_of(other)[1]["annotations"]["org.opencontainers.image.created"] == "1970-01-02T00:00:00Z"


def test_it_is_made_again_in_the_same_place(image, tmp_path):
    output = tmp_path / "image"
    make(output, SOURCE_DATE_EPOCH="1")
    make(output, "--source", _SOURCE)
    assert everything(output) == everything(image)


def test_a_directory_that_is_no_image_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years of work")
    command = [str(repo_path("scripts", "image")), "--wasm", str(wasm_path()), "--output", str(tmp_path / "mine")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "is no image" in done.stderr
    assert (tmp_path / "mine/thesis.tex").exists()


def test_it_is_unpacked_as_fetchers_do(image):
    assert fetched(image) == wasm_path().read_bytes()


def test_skopeo_reads_it(image):
    version = re.search(r'^version = "(.+)"', repo_path("Cargo.toml").read_text(), re.MULTILINE)[1]
    told = json.loads(skopeo("inspect", f"oci:{image}:{version}"))
    assert told["Digest"] == manifest_of(image)[0]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in told["Labels"].items()}
    assert labels["title"] == "tollgate"
    assert labels["version"] == version
    assert labels["licenses"] == "Apache-2.0"
    assert labels["source"] == _SOURCE
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert labels["created"].endswith("Z") and labels["description"]
    # Registries show the manifest's annotations, older tools the configuration's labels.
    assert manifest_of(image)[1]["annotations"] == told["Labels"]


def test_it_is_pulled_from_a_registry(image, tmp_path):
    """By its tag, and by its digest."""
    digest, _ = manifest_of(image)
    with Registry(image) as registry:
        for number, reference in enumerate([":0.1.0", f"@{digest}"]):
            pulled = tmp_path / str(number)
            skopeo("copy", "--src-tls-verify=false", f"docker://{registry.host}/tollgate{reference}", f"oci:{pulled}:pulled")
            assert manifest_of(pulled)[0] == digest
            assert fetched(pulled) == wasm_path().read_bytes()
        assert f"/v2/tollgate/manifests/{digest}" in registry.asked


def test_it_says_what_it_is_made_of(image):
    """Of each crate that is linked in, its version, licence and checksum; and nothing that only the tests or the command need."""
    bill = json.loads(image.with_name("image.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    ours = bill["metadata"]["component"]
    assert ours["name"] == "tollgate"
    assert ours["hashes"][0]["content"] == hashlib.sha256(wasm_path().read_bytes()).hexdigest()
    names = {component["name"] for component in bill["components"]}
    assert {"proxy-wasm", "serde_json", "siphasher", "memchr"} <= names
    assert not names & {"criterion", "proptest", "serde_derive", "syn"}
    lock = repo_path("Cargo.lock").read_text()
    for component in bill["components"]:
        assert component["licenses"][0]["expression"]
        assert f'checksum = "{component["hashes"][0]["content"]}"' in lock
        assert component["purl"] == f"pkg:cargo/{component['name']}@{component['version']}"
    references = {component["bom-ref"] for component in [ours, *bill["components"]]}
    assert {entry["ref"] for entry in bill["dependencies"]} == references
    assert {other for entry in bill["dependencies"] for other in entry["dependsOn"]} == references - {ours["bom-ref"]}
