"""A cluster out of a bundle that `kprov bundle create` made: compressed layers, Docker's image types, by a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kprov.artifacts.bundle import Bundle, open_bundle
from kprov.lab.build import build_bundle
from kprov.ui.progress import PlainProgress
from tests.e2e.cluster import LabCluster, change
from tests.e2e.conftest import MakeLab
from tests.e2e.test_bundle import World
from tests.publisher import publisher
from tests.registry import Registry, insecure_registries_conf, registry

OTHERS = ("docker.io", "ghcr.io")  # registries that image_repository does not stand in for
IMAGES = "ctr -n k8s.io images ls | awk 'NR > 1 {print $1, $3}'"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the lab's bundle holds, published as publishers do, and a bundle of that."""
    home = tmp_path_factory.mktemp("publishers")
    own = open_bundle(build_bundle(["1.36"], PlainProgress()))
    with publisher() as files, registry() as images:
        manifest = json.loads(own.manifest.model_dump_json(by_alias=True))
        for entry in manifest["files"]:
            path = f"dl.example/{entry['url']}"
            files.add(f"/{path}", (own.directory / entry["url"]).read_bytes())
            entry["url"] = f"https://{path}"
        for position, image in enumerate(manifest["images"]):
            image["digest"] = publish(images, own, image["ref"], image["digest"], position)
        configuration = home / ".config/containers/registries.conf"
        configuration.parent.mkdir(parents=True)
        configuration.write_text(insecure_registries_conf(images, *OTHERS))
        world = World(home, files, images, manifest)
        target = home / "bundle"
        source = ["--mirror", files.url, "--image-repository", f"{images.address}/k8s"]
        done = world.kprov("bundle", "create", str(target), *source, timeout=400)
        assert done.exit_code == 0, done.stderr
        assert world.check(target).exit_code == 0
    yield target


def publish(server: Registry, own: Bundle, ref: str, digest: str, position: int) -> str:
    """An image of the lab's bundle at its registry, every second one under Docker's types. Digest of its index."""
    blobs = own.directory / "images/blobs/sha256"

    def blob(named: dict[str, str]) -> bytes:
        return (blobs / named["digest"].removeprefix("sha256:")).read_bytes()

    document = json.loads((blobs / digest.removeprefix("sha256:")).read_text())
    host, _, rest = ref.partition("/")
    name, _, tag = rest.rpartition(":")
    if host not in OTHERS:
        name = f"k8s/{name.removeprefix('coredns/')}"
    kind = ("oci", "docker")[position % 2]
    return server.publish_image(
        name, tag, "amd64", blob(document["config"]), [blob(layer) for layer in document["layers"]], kind
    )


def test_cluster_runs_out_of_the_bundle(made: Path, make_lab: MakeLab) -> None:
    lab: LabCluster = make_lab("made", workers=0)
    before = change(lab, artifacts_bundle=str(made), control_plane_schedulable=True)
    assert before["artifacts_bundle"] != str(made)
    done = lab.up()
    assert all(check["ok"] and not check["skipped"] for check in done.data["verify"]["checks"])
    there = dict(line.split() for line in lab.ssh("cp1", IMAGES).splitlines())
    listed = json.loads((made / "manifest.json").read_text())["images"]
    wanted = {image["ref"]: image["digest"] for image in listed if image["for"] != "flannel"}
    assert wanted
    assert {ref: there.get(ref) for ref in wanted} == wanted
    lab_manifest = json.loads((Path(before["artifacts_bundle"]) / "manifest.json").read_text())
    assert not set(wanted.values()) & {image["digest"] for image in lab_manifest["images"]}
    assert lab.kprov("plan").exit_code == 0
