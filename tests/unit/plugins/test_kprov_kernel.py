"""kprov_kernel, with a kernel that is a directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def module(plugin):
    return plugin("modules", "kprov_kernel")


@pytest.fixture
def calls():
    return []


@pytest.fixture
def apply(module, calls, node):
    def run(argv):
        calls.append(argv)
        if argv[0] == "modprobe":
            return 1, f"modprobe: FATAL: Module {argv[-1]} not found in directory /lib/modules/6.18\n"
        (node / "proc/swaps").write_text("Filename Type Size Used Priority\n")
        return 0, ""

    def call(check_mode=False, **parameters):
        wanted = {"phase": "os", "modules": [], "known": {}, "sysctl": {}, "file": None, "swap": "keep", **parameters}
        return module.apply(wanted, module.Kernel(run), check_mode)

    return call


def setting(node, key, value):
    path = node / "proc/sys" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value + "\n")
    return path


def test_sets_what_differs_then_nothing(node, apply):
    path = setting(node, "net/ipv4/ip_forward", "0")
    setting(node, "net/ipv4/tcp_rmem", "4096\t131072\t6291456")
    wanted = {"net.ipv4.ip_forward": 1, "net.ipv4.tcp_rmem": "4096  131072 6291456"}
    assert apply(sysctl=wanted)["changes"] == ["net.ipv4.ip_forward: 0 -> 1"]
    assert path.read_text() == "1\n"
    assert not apply(sysctl=wanted)["changed"]


def about(value, rule="exact", essential=True, why=""):
    return {"value": value, "rule": rule, "essential": essential, "why": why}


def test_at_least_raises_but_never_lowers(node, apply):
    path = setting(node, "fs/file-max", "500")
    assert not apply(known={"fs.file-max": about(100, "at_least")})["changed"]
    assert apply(known={"fs.file-max": about(1000, "at_least")})["changed"]
    assert path.read_text() == "1000\n"
    assert not apply(known={"fs.file-max": about(1000, "at_least")}, sysctl={"fs.file-max": 100})["changed"]


def test_ports_are_added_to_those_that_somebody_else_keeps_free(node, apply):
    path = setting(node, "net/ipv4/ip_local_reserved_ports", "8080,30000-30010")
    wanted = {"net.ipv4.ip_local_reserved_ports": about("30000-32767", "includes")}
    assert apply(known=wanted)["changed"]
    assert path.read_text() == "8080,30000-32767\n"
    assert not apply(known=wanted)["changed"]


def test_what_a_node_cannot_take_is_an_error_only_if_it_is_essential(node, apply, module):
    known = {"net.absent": about(1, essential=False), "vm.absent": about(2)}
    with pytest.raises(module.KernelError) as error:
        apply(known=known)
    assert "vm.absent" in str(error.value)
    assert "net.absent" not in str(error.value)
    result = apply(known=known, sysctl={"vm.absent": None})
    assert result["not_set"] == {"net.absent": "net.absent = 1: this kernel does not have it, or does not show it here"}
    assert "net.absent = 1" in result["warnings"][0]
    assert not result["changed"]


def test_file_holds_reasons_and_the_higher_running_value(node, apply, tree):
    setting(node, "fs/file-max", "500")
    setting(node, "vm/a", "0")
    known = {"fs.file-max": about(100, "at_least", essential=False, why="Because."), "vm.a": about(1)}
    file = "/etc/sysctl.d/90-kprov.conf"
    assert apply(known=known, file=file)["changes"] == [file, "vm.a: 0 -> 1"]
    lines = (node / file[1:]).read_text().splitlines()
    assert lines[1:] == ["", "# Because.", "-fs.file-max = 500", "", "vm.a = 1"]
    before = tree()
    assert not apply(known=known, file=file)["changed"]
    after = tree()
    assert before[file[1:]] == after[file[1:]]


def test_file_that_is_right_keeps_even_its_time_of_change_and_a_wrong_mode_is_a_change(node, apply):
    setting(node, "vm/a", "1")
    wanted = {"sysctl": {"vm.a": 1}, "file": "/etc/sysctl.d/90-kprov.conf"}
    apply(**wanted)
    path = node / "etc/sysctl.d/90-kprov.conf"
    before = path.stat().st_ctime_ns
    assert not apply(**wanted)["changed"]
    assert path.stat().st_ctime_ns == before
    path.chmod(0o600)
    assert apply(**wanted)["changes"] == ["/etc/sysctl.d/90-kprov.conf"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_key_that_is_no_longer_wanted_gets_its_value_back_unless_somebody_changed_it(node, apply):
    back, changed, kept = (setting(node, f"vm/{name}", value) for name, value in zip("abc", "012", strict=True))
    file = "/etc/sysctl.d/90-kprov.conf"
    apply(sysctl={"vm.a": 7, "vm.b": 7, "vm.c": 2}, file=file)
    changed.write_text("9\n")
    result = apply(sysctl={"vm.a": None}, file=file)
    assert result["changes"] == ["vm.a: 7 -> 0 (no longer wanted)", f"remove {file}"]
    assert [path.read_text() for path in (back, changed, kept)] == ["0\n", "9\n", "2\n"]
    assert not (node / file[1:]).exists()


@pytest.mark.parametrize("file", ["etc/sysctl.conf", "etc/sysctl.d/95-x.conf", "usr/lib/sysctl.d/99-x.conf"])
def test_later_file_that_says_otherwise_is_named(node, apply, file):
    setting(node, "net/ipv4/ip_forward", "1")
    path = node / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# net.ipv4.ip_forward=1\nnet/ipv4/ip_forward=0\n")
    result = apply(sysctl={"net.ipv4.ip_forward": 1}, file="/etc/sysctl.d/90-kprov.conf")
    expected = {"key": "net.ipv4.ip_forward", "file": f"/{file}", "value": "0", "wanted": "1"}
    assert result["overridden"] == [expected]
    assert f"/{file} sets net.ipv4.ip_forward = 0" in result["warnings"][0]


def test_files_that_are_read_earlier_hidden_or_agree_are_not_named(node, apply):
    setting(node, "vm/a", "5")
    for name, text in {
        "etc/sysctl.d/10-x.conf": "vm.a = 1",
        "etc/sysctl.d/95-x.conf": "",
        "usr/lib/sysctl.d/95-x.conf": "vm.a = 1",  # hidden by the one in /etc
        "etc/sysctl.conf": "vm.a = 9",
    }.items():
        (node / name).parent.mkdir(parents=True, exist_ok=True)
        (node / name).write_text(text)
    result = apply(known={"vm.a": about(5, "at_least")}, file="/etc/sysctl.d/90-kprov.conf")
    assert result["overridden"] == []


def test_all_refused_settings_are_reported_with_the_reason(node, apply, module, monkeypatch):
    setting(node, "net/core/rmem_max", "1")
    setting(node, "vm/a", "1")
    real_open = open

    def refuse(path, mode="r", **options):
        if "w" in mode and str(path).endswith("rmem_max"):
            raise OSError(22, "Invalid argument")
        if "w" in mode and str(path).endswith("vm/a"):
            path = node / "elsewhere"
        elif "w" in mode and not str(path).startswith(str(node / "var")) and "absent" in str(path):
            raise FileNotFoundError(2, "No such file")
        return real_open(path, mode, **options)

    monkeypatch.setattr(module.kprov_sysctl, "open", refuse, raising=False)
    with pytest.raises(module.KernelError) as error:
        apply(sysctl={"net.core.rmem_max": 2, "vm.a": 2, "net.absent": 1})
    assert str(error.value).splitlines()[1:] == [
        "  net.absent = 1: this kernel does not have it, or does not show it here",
        "  net.core.rmem_max = 2: refused: Invalid argument",
        "  vm.a = 2: written, but it is 1",
    ]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
    ],
)
def test_names_of_settings_are_read_as_sysctl_does(node, module, key, path):
    assert module.kprov_sysctl.path(key) == str(node / "proc/sys" / path)


def test_module_that_cannot_be_loaded_is_an_error_unless_its_feature_is_there(node, apply, module, calls):
    (node / "proc/filesystems").write_text("nodev\toverlay\n\text4\n")
    (node / "proc/sys/net/bridge").mkdir(parents=True)
    (node / "sys/module/ip_vs").mkdir()
    assert not apply(modules=["overlay", "br_netfilter", "ip-vs"])["changed"]
    assert calls == []
    with pytest.raises(module.KernelError, match="module nf_tables: modprobe: FATAL"):
        apply(modules=["nf_tables"])


def test_swap_goes_off_now_and_in_fstab_and_nothing_else_changes(node, apply, calls):
    (node / "proc/swaps").write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    fstab = node / "etc/fstab"
    text = "/dev/sda1 / ext4 defaults 0 1\nUUID=x none swap sw 0 0\n# UUID=y none swap sw 0 0\n/swap /swap none bind\n"
    fstab.write_text(text)
    fstab.chmod(0o664)
    assert apply(swap="off")["changes"] == ["swap off: /dev/sda2", "/etc/fstab", "mask swap.target"]
    assert (node / "etc/systemd/system/swap.target").readlink() == Path("/dev/null")
    assert calls == [["swapoff", "--all"]]
    assert fstab.read_text() == text.replace("UUID=x", "# kprov: swap is off. UUID=x")
    assert fstab.stat().st_mode & 0o777 == 0o664
    assert (node / "var/lib/kprov/originals/etc/fstab").read_text() == text
    assert not apply(swap="off")["changed"]
    assert len(calls) == 1


def test_swap_is_left_alone_when_it_is_to_be_kept(node, apply, calls):
    (node / "proc/swaps").write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    assert not apply(swap="keep")["changed"]
    assert calls == []


def test_check_mode_says_what_would_change_and_writes_nothing(node, apply, calls, tree):
    setting(node, "net/ipv4/ip_forward", "0")
    (node / "proc/swaps").write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    before = tree()
    result = apply(check_mode=True, sysctl={"net.ipv4.ip_forward": 1}, modules=["overlay"], swap="off")
    assert result["changes"] == [
        "load overlay",
        "net.ipv4.ip_forward: 0 -> 1",
        "swap off: /dev/sda2",
        "mask swap.target",
    ]
    assert (calls, tree()) == ([], before)


def test_swap_that_is_to_be_kept_after_all_comes_back_at_the_next_boot(node, apply):
    (node / "proc/swaps").write_text("Filename Type Size Used Priority\n/dev/zram0 partition 1 0 100\n")
    apply(swap="off")
    assert apply(swap="keep")["changes"] == ["unmask swap.target"]
    assert not (node / "etc/systemd/system/swap.target").is_symlink()
    (node / "etc/systemd/system/swap.target").symlink_to("/dev/null")  # by somebody else
    (node / "var/lib/kprov/phases/os.dirty").unlink()
    assert not apply(swap="keep")["changed"]


def test_record_says_what_is_wanted_and_what_was_before(node, apply):
    setting(node, "fs/file-max", "500")
    setting(node, "vm/a", "0")
    apply(known={"fs.file-max": about(100, "at_least")}, sysctl={"vm.a": 1})
    dirty = json.loads((node / "var/lib/kprov/phases/os.dirty").read_text())
    assert dirty["parts"]["kprov_kernel"]["sysctl"] == {
        "fs.file-max": {"value": "100", "rule": "at_least"},
        "vm.a": {"value": "1", "rule": "exact", "before": "0", "set": "1"},
    }
