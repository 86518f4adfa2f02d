"""kprov_kernel, with a kernel that is a directory."""

from __future__ import annotations

import json

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
        wanted = {"phase": "os", "modules": [], "sysctl": {}, "at_least": [], "swap": "keep", **parameters}
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


def test_at_least_raises_but_never_lowers(node, apply):
    path = setting(node, "fs/file-max", "500")
    assert not apply(sysctl={"fs.file-max": 100}, at_least=["fs.file-max"])["changed"]
    assert apply(sysctl={"fs.file-max": 1000}, at_least=["fs.file-max"])["changed"]
    assert path.read_text() == "1000\n"
    assert apply(sysctl={"fs.file-max": 100})["changed"]


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

    monkeypatch.setattr(module, "open", refuse, raising=False)
    with pytest.raises(module.KernelError) as error:
        apply(sysctl={"net.core.rmem_max": 2, "vm.a": 2, "net.absent": 1})
    assert str(error.value).splitlines()[1:] == [
        "  net.absent = 1: this kernel has no such setting",
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
    assert module.setting_path(key) == str(node / "proc/sys" / path)


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
    assert apply(swap="off")["changes"] == ["swap off: /dev/sda2", "/etc/fstab"]
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
    assert result["changes"] == ["load overlay", "net.ipv4.ip_forward: 0 -> 1", "swap off: /dev/sda2"]
    assert (calls, tree()) == ([], before)


def test_record_holds_the_live_values(node, apply):
    setting(node, "fs/file-max", "500")
    apply(sysctl={"fs.file-max": 100}, at_least=["fs.file-max"])
    dirty = json.loads((node / "var/lib/kprov/phases/os.dirty").read_text())
    assert dirty["parts"]["kprov_kernel"]["sysctl"] == {"fs.file-max": "500"}
