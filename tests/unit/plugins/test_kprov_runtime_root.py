"""kprov_runtime_root: the record of a move, where it goes on, what it refuses and removes. The runtime is an object."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

RUNNING, STOPPED = None, {"boot_id": "b", "units": {"containerd.service": "1"}}


class Runtime:
    """A containerd with a root directory and two images."""

    name = "containerd"
    units = ("containerd.service",)

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.active = True
        self.found = {"a:1": "sha256:a", "b:1": "sha256:b"}
        self.started: list[str] = []

    def configured_root(self) -> str:
        return self.root

    live_root = configured_root

    def runs_on(self, root: str) -> bool:
        return self.active and root == self.root

    def images(self) -> dict[str, str]:
        return self.found

    def start_own(self, ids: list[str]) -> None:
        self.started += ids


@pytest.fixture
def place(plugin: Any, node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """util, module, old, new, runtime, mark (what stopped_mark says) and record()."""
    module: ModuleType = plugin("modules", "kprov_runtime_root")
    from ansible.module_utils import kprov_runtime_root as util

    old = tmp_path / "disk1/containerd"
    (old / "content").mkdir(parents=True)
    (old / "content/blob").write_text("layer")
    found = SimpleNamespace(util=util, module=module, old=old, new=tmp_path / "disk2/a/containerd", mark=RUNNING)
    found.runtime = Runtime(old)
    found.record = lambda: json.loads((node / "var/lib/kprov/runtime_root.json").read_text())
    found.file = node / "var/lib/kprov/runtime_root.json"
    (tmp_path / "disk2").mkdir()
    monkeypatch.setattr(util, "try_overlay", lambda _: None)  # end to end a real one is mounted
    monkeypatch.setattr(util, "unmount_below", lambda _: [])
    monkeypatch.setattr(util, "stopped_mark", lambda _: found.mark)
    monkeypatch.setattr(util.kprov_runtime_copy, "stop", lambda: None)
    return found


def begun(place: SimpleNamespace, step: str = "begun", **values: Any) -> Any:
    move, _ = place.util.Move.begin(place.runtime, str(place.new))
    move.save(step, **values)
    return move


def test_begin_records_both_directories_and_what_it_made(place: SimpleNamespace) -> None:
    _, said = place.util.Move.begin(place.runtime, f"{place.new}/")
    assert said == f"{place.old} -> {place.new}"
    record = place.record()
    assert (record["from"], record["to"], record["step"]) == (str(place.old), str(place.new), "begun")
    assert record["made"] == [str(place.new.parent), str(place.new)]
    assert place.new.stat().st_mode & 0o777 == 0o711


def test_a_target_with_something_in_it_is_refused_and_nothing_recorded(place: SimpleNamespace) -> None:
    (place.new / "mine").mkdir(parents=True)
    with pytest.raises(place.util.MoveError, match=r"is not empty \(mine\)"):
        place.util.Move.begin(place.runtime, str(place.new))
    assert not place.file.exists()


@pytest.mark.parametrize("target", ["", "content/inner", ".."])
def test_directories_that_contain_each_other_are_refused(place: SimpleNamespace, target: str) -> None:
    with pytest.raises(place.util.MoveError, match="the same directory, or one contains the other"):
        place.util.Move.begin(place.runtime, str(place.old / target))
    assert not place.file.exists()


def test_a_link_to_the_old_directory_is_the_old_directory(place: SimpleNamespace) -> None:
    place.new.parent.mkdir()
    place.new.symlink_to(place.old)
    with pytest.raises(place.util.MoveError, match="the same directory"):
        place.util.Move.begin(place.runtime, str(place.new))


def test_a_file_system_without_overlay_leaves_nothing_behind(
    place: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unfit(_: str) -> None:
        raise place.util.MoveError("carries no overlay mounts")

    monkeypatch.setattr(place.util, "try_overlay", unfit)
    with pytest.raises(place.util.MoveError, match="no overlay"):
        place.util.Move.begin(place.runtime, str(place.new))
    assert not place.file.exists()
    assert not place.new.parent.exists()


def test_another_target_waits_until_the_first_move_has_ended(place: SimpleNamespace) -> None:
    begun(place, "copied")
    with pytest.raises(place.util.MoveError, match=f"a move to {place.new} was begun and has not ended"):
        place.util.Move.begin(place.runtime, str(place.new) + "2")


@pytest.mark.parametrize("step", ["stopped", "copied", "verified"])
@pytest.mark.parametrize(("mark", "goes_on"), [(STOPPED, True), (RUNNING, False), ({**STOPPED, "boot_id": "c"}, False)])
def test_a_move_goes_on_where_it_was_unless_the_runtime_has_run_since(
    place: SimpleNamespace, step: str, mark: Any, goes_on: bool
) -> None:
    begun(place, step, stopped=STOPPED)
    place.mark = mark
    _, said = place.util.Move.begin(place.runtime, str(place.new))
    assert place.record()["step"] == (step if goes_on else "begun")
    assert ("has run since" in said) is not goes_on


def test_after_the_switch_the_new_directory_is_never_copied_over(place: SimpleNamespace) -> None:
    begun(place, "switching", stopped=STOPPED)
    place.runtime.root = str(place.new)
    place.util.Move.begin(place.runtime, str(place.new))
    assert place.record()["step"] == "switching"
    begun(place, "switched", stopped=STOPPED)
    assert place.record()["step"] == "switched"


def test_a_docker_that_rolled_its_configuration_back_is_stopped_and_copied_again(place: SimpleNamespace) -> None:
    begun(place, "switching", stopped=STOPPED)  # its root is the old one, and it runs
    place.util.Move.begin(place.runtime, str(place.new))
    assert place.record()["step"] == "begun"


def test_a_copy_that_differs_is_no_copy(place: SimpleNamespace) -> None:
    move = begun(place, "copied", bytes=5)
    with pytest.raises(place.util.MoveError, match="content/blob: is missing"):
        move.verify()
    assert place.record()["step"] == "stopped"


def test_lost_or_other_images_are_named(place: SimpleNamespace) -> None:
    move = begun(place, "switching", images={"a:1": "sha256:a", "b:1": "sha256:other"}, own_containers=["c1"])
    with pytest.raises(place.util.MoveError, match="without 1 images: b:1"):
        move.prove(str(place.old))
    with pytest.raises(place.util.MoveError, match=f"runs on {place.old}, not on {place.new}"):
        move.prove(str(place.new))
    move.record["images"] = {"a:1": "sha256:a"}
    assert "the same 1 images" in move.prove(str(place.old))
    assert place.runtime.started == ["c1"]


def test_done_steps_are_not_done_again(place: SimpleNamespace) -> None:
    move = begun(place, "verified")
    for step in ("stop", "copy", "verify"):
        assert not place.module.forward(move, step)["changed"]
    assert place.module.forward(move, "switch")["changed"]
    assert place.record()["step"] == "switching"


def test_confirm_removes_the_recorded_directory_only_after_the_end(place: SimpleNamespace) -> None:
    move = begun(place, "switched")
    with pytest.raises(place.util.MoveError, match="has not ended"):
        move.remove_old()
    move.save("finished")
    with pytest.raises(place.util.MoveError, match="nothing was removed"):
        move.remove_old()  # the runtime runs on the old one
    assert (place.old / "content/blob").exists()
    place.runtime.root = str(place.new)
    move.remove_old()
    assert not place.old.exists()
    assert place.old.parent.exists()
    assert not place.file.exists()


def test_the_way_back_removes_the_copy_and_the_directories_it_made(place: SimpleNamespace) -> None:
    move = begun(place)
    (place.new / "content").mkdir()
    place.module.back(move, "back_finished", keep_copy=False)
    assert not place.new.parent.exists()
    assert (place.old / "content/blob").exists()
    assert not place.file.exists()


def test_the_way_back_may_keep_the_copy_and_never_what_others_put_beside_it(place: SimpleNamespace) -> None:
    place.module.back(begun(place), "back_finished", keep_copy=True)
    assert place.new.exists()
    place.new.rmdir()
    move = begun(place)
    (place.new.parent / "neighbour").touch()
    place.module.back(move, "back_finished", keep_copy=False)
    assert not place.new.exists()
    assert (place.new.parent / "neighbour").exists()


def test_a_record_of_another_machine_is_none_and_a_damaged_one_is_an_error(place: SimpleNamespace) -> None:
    begun(place, "copied", machine_id="another")
    assert place.util.Move.read(place.runtime) is None
    place.file.write_text("{")
    with pytest.raises(place.util.MoveError, match="is damaged"):
        place.util.Move.read(place.runtime)
