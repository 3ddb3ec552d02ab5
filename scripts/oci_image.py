"""Writes the filter as an OCI image layout, and a list of what it is made of. `scripts/image` says the rest.

Everything that is written follows from the arguments: no clock, no user, no order of a directory.
"""

import argparse
import hashlib
import io
import json
import re
import shutil
import tarfile
import tempfile
import uuid
import zlib
from datetime import datetime, timezone
from pathlib import Path

TITLE = "tollgate"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
# This type, and this name in the layer, are what those who fetch look for.
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PLUGIN = "plugin.wasm"


# -- what it is made of ----------------------------------------------------------------------------------------------------


def linked(tree):
    """What cargo resolves for wasm32 without what only runs on the machine that builds (build scripts, procedural macros): the lines of
    `cargo tree --prefix depth --format '|{p}|{l}'` → (name, version) → licence and what it needs. The first is the filter itself."""
    found, above = {}, []
    for line in tree.splitlines():
        depth, package, licence = line.split("|")
        name, version = package.split(" ")[:2]
        key = name, version.removeprefix("v")
        found.setdefault(key, (licence, set()))
        del above[int(depth) :]
        if above:
            found[above[-1]][1].add(key)
        above.append(key)
    return found


def checksums(lock):
    """(name, version) → the SHA-256 that Cargo.lock has. Its form is simple enough to be read without a library."""
    found = {}
    for block in lock.split("[[package]]")[1:]:
        fields = dict(re.findall(r'^(\w+) = "([^"]*)"$', block, re.MULTILINE))
        if "checksum" in fields:
            found[fields["name"], fields["version"]] = fields["checksum"]
    return found


def bill_of_materials(tree, lock, wasm, when):
    """CycloneDX 1.5."""
    packages = linked(tree)
    sums = checksums(lock)

    def component(key):
        name, version = key
        licence = packages[key][0]
        entry = {"type": "library", "bom-ref": url(key), "name": name, "version": version, "purl": url(key)}
        if licence:
            # Cargo once allowed a slash for OR.
            entry["licenses"] = [{"expression": licence.replace("/", " OR ")}]
        if key in sums:
            entry["hashes"] = [{"alg": "SHA-256", "content": sums[key]}]
        return entry

    root, *others = packages
    ours = {"type": "application", "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(wasm).hexdigest()}]}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": when, "component": component(root) | ours},
        "components": [component(key) for key in sorted(others)],
        "dependencies": [
            {"ref": url(key), "dependsOn": sorted(map(url, needs))} for key, (_, needs) in sorted(packages.items())
        ],
    }
    # By its contents, as nothing else would be the same the next time.
    serial = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(bill, sort_keys=True))
    return bill | {"serialNumber": f"urn:uuid:{serial}"}


def url(key):
    return "pkg:cargo/{}@{}".format(*key)


# -- the image -------------------------------------------------------------------------------------------------------------


def tar(wasm, epoch):
    entry = tarfile.TarInfo(PLUGIN)
    entry.size, entry.mtime, entry.mode = len(wasm), epoch, 0o644
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(wasm))
    return out.getvalue()


def gzip(data):
    """Without a name and a time in its head."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


class Layout:
    """A directory that becomes an image layout."""

    def __init__(self, directory):
        self._blobs = directory / "blobs/sha256"
        self._blobs.mkdir(parents=True)
        self._directory = directory

    def add(self, media_type, data, **more):
        """→ the descriptor of what was added."""
        digest = hashlib.sha256(data).hexdigest()
        (self._blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)} | more

    def close(self, manifest):
        (self._directory / "oci-layout").write_bytes(to_json({"imageLayoutVersion": "1.0.0"}))
        (self._directory / "index.json").write_bytes(to_json({"schemaVersion": 2, "manifests": [manifest]}))


def to_json(value):
    return (json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n").encode()


def write_image(directory, wasm, annotations, epoch, when):
    """→ the descriptor of the manifest"""
    layout = Layout(directory)
    layer = tar(wasm, epoch)
    config = {
        "created": when,
        # A wasm file runs on any machine. Those who fetch it for a proxy do not look at this; tools that copy images want something
        # that they know.
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": annotations},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created": when, "created_by": "scripts/image"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.add(CONFIG, to_json(config)),
        "layers": [layout.add(LAYER, gzip(layer))],
        "annotations": annotations,
    }
    version = annotations["org.opencontainers.image.version"]
    descriptor = layout.add(MANIFEST, to_json(manifest), annotations={"org.opencontainers.image.ref.name": version})
    layout.close(descriptor)
    return descriptor


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("wasm", "output", "metadata", "tree", "lock"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--epoch", type=int, required=True)
    parser.add_argument("--revision", default="")
    parser.add_argument("--source", default="")
    arguments = parser.parse_args()

    wasm = arguments.wasm.read_bytes()
    if not wasm.startswith(b"\0asm"):
        raise SystemExit(f"{arguments.wasm} is no wasm file: make one with scripts/build")
    when = datetime.fromtimestamp(arguments.epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    packages = json.loads(arguments.metadata.read_text())["packages"]
    [package] = [package for package in packages if package["name"] == TITLE]
    bill = bill_of_materials(arguments.tree.read_text(), arguments.lock.read_text(), wasm, when)
    annotations = {
        "created": when,
        "title": TITLE,
        "description": package["description"],
        "version": package["version"],
        "licenses": package["license"],
        "revision": arguments.revision,
        "source": arguments.source or package["repository"],
    }
    annotations = {f"org.opencontainers.image.{name}": value for name, value in annotations.items() if value}

    output = arguments.output
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        # Others may read it, whatever the umask of a temporary directory.
        made = Path(scratch) / "image"
        made.mkdir()
        manifest = write_image(made, wasm, annotations, arguments.epoch, when)
        if output.exists():
            if not (output / "oci-layout").exists():
                raise SystemExit(f"{output} is there already, and is no image: choose another place with --output")
            shutil.rmtree(output)
        made.rename(output)
    bill_file = output.with_name(output.name + ".cdx.json")
    bill_file.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    print(f"image {manifest['digest']}")
    print(f"wasm  sha256:{hashlib.sha256(wasm).hexdigest()}")


if __name__ == "__main__":
    main()
