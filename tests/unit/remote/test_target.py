from __future__ import annotations

from pathlib import Path

from kprov.remote.target import resolve, resolve_hop
from kprov.spec.cluster import Connection


def config(home: Path, text: str) -> None:
    (home / ".ssh" / "config").write_text(text)


def test_plain_host(home: Path) -> None:
    target = resolve(Connection("10.0.0.1", user="admin", private_key_file="/k", ssh_args=("-F", "/dev/null")))
    assert (target.address, target.port, target.user, target.known_as) == ("10.0.0.1", 22, "admin", "10.0.0.1")
    assert target.identity_files == ("/k",)
    assert target.known_hosts[0] == f"{home}/.ssh/known_hosts"
    assert target.command == "ssh -F /dev/null -i /k admin@10.0.0.1"


def test_other_port_is_part_of_the_name_in_known_hosts() -> None:
    assert resolve(Connection("h", port=2222, user="u")).known_as == "[h]:2222"


def test_users_ssh_config_is_followed(home: Path) -> None:
    config(
        home, "Host n*\n  HostName 192.0.2.7\n  User deploy\n  Port 2200\n  ProxyJump b1,b2\n  IdentityFile ~/.ssh/x\n"
    )
    target = resolve(Connection("n1"))
    assert (target.address, target.user, target.port) == ("192.0.2.7", "deploy", 2200)
    assert target.known_as == "[192.0.2.7]:2200"
    assert target.proxy_jump == ("b1", "b2")
    assert target.identity_files == (f"{home}/.ssh/x",)


def test_include_is_followed(home: Path) -> None:
    config(home, "Include conf.d/*\n")
    (home / ".ssh" / "conf.d").mkdir()
    (home / ".ssh" / "conf.d" / "a").write_text("Host n1\n  ProxyJump bastion\n")
    assert resolve(Connection("n1", user="u")).proxy_jump == ("bastion",)


def test_arguments_win_over_ssh_config(home: Path) -> None:
    config(home, "Host *\n  ProxyJump wrong\n  UserKnownHostsFile /wrong\n")
    args = ("-o", "ProxyCommand=nc %h %p", "-o", "UserKnownHostsFile=/a /b")
    target = resolve(Connection("h", port=2222, user="u", ssh_args=args))
    assert target.proxy_jump == ()
    assert target.proxy_command == "nc h 2222"
    assert target.known_hosts == ("/a", "/b")


def test_host_key_alias() -> None:
    assert resolve(Connection("h", user="u", ssh_args=("-o", "HostKeyAlias=x"))).known_as == "x"


def test_jump_host_takes_nothing_from_the_host_behind_it(home: Path) -> None:
    config(home, "Host bastion\n  User ops\n  HostName 192.0.2.1\n")
    assert resolve_hop("bastion", None).user == "ops"
    hop = resolve_hop("me@bastion:2222", None)
    assert (hop.address, hop.user, hop.port, hop.known_as) == ("192.0.2.1", "me", 2222, "[192.0.2.1]:2222")
    assert resolve_hop("u@[2001:db8::1]:22", None).address == "2001:db8::1"
