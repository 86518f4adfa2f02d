"""kprov_files: rendering on the controller, comparing and writing on the node."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar


@pytest.fixture
def action(plugin):
    return plugin("action", "kprov_files")


@pytest.fixture
def module(plugin):
    return plugin("modules", "kprov_files")


@pytest.fixture
def role(tmp_path_factory):
    """Write templates; returns their directory."""
    directory = tmp_path_factory.mktemp("templates")

    def write(**templates):
        for name, text in templates.items():
            path = directory / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return directory

    return write


@pytest.fixture
def render(action):
    def run(directory, variables=None, modes=None, validate=None, each=None):
        loader = DataLoader()
        tree = action.Tree(str(directory), loader, Templar(loader=loader), variables or {})
        return action.collect(tree, modes or {}, validate or {}, each or [])

    return run


def wanted(text, mode=0o644, validate=None):
    return {"text": text, "mode": mode, "validate": validate}


def record(node, phase="os"):
    return json.loads((node / f"var/lib/kprov/phases/{phase}.json").read_text())


def finish(phase="os"):
    from ansible.module_utils.kprov_state import PhaseRecord

    PhaseRecord(phase, "kprov_phase", False).finish(None, "demo")


# Rendering


def test_paths_mirror_the_node_and_manifests_are_left_out(role, render):
    directory = role(
        etc__a_dot_j2="{{ x }}\n", etc__plain="{{ not rendered }}\n", manifests__m_dot_j2="{{ undefined }}"
    )
    files = render(directory, {"x": 1})
    assert {path: entry["text"] for path, entry in files.items()} == {
        "/etc/a": "1\n",
        "/etc/plain": "{{ not rendered }}\n",
    }
    assert {entry["mode"] for entry in files.values()} == {0o644}


def test_blocks_take_no_line_and_the_last_newline_stays(role, render):
    directory = role(etc__a_dot_j2="{% for i in l %}\n{{ i }}\n{% endfor %}\nend\n")
    assert render(directory, {"l": [1, 2]})["/etc/a"]["text"] == "1\n2\nend\n"


def test_template_of_white_space_only_is_no_file(role, render):
    assert render(role(etc__a_dot_j2="{% if x %}\ntext\n{% endif %}\n\n"), {"x": False}) == {}


def test_each_renders_a_template_once_per_entry(role, render):
    directory = role(etc__hosts_dot_j2="{{ item.key }}={{ item.value }}")
    each = [
        {"template": "etc/hosts.j2", "items": {"docker.io": 1, "localhost:5000": 2}, "path": "/etc/certs.d/{key}/hosts"}
    ]
    files = render(directory, each=each)
    assert {path: entry["text"] for path, entry in files.items()} == {
        "/etc/certs.d/docker.io/hosts": "docker.io=1",
        "/etc/certs.d/localhost:5000/hosts": "localhost:5000=2",
    }
    assert render(directory, each=[{**each[0], "items": {}}]) == {}


@pytest.mark.parametrize("key", ["..", "../../shadow", "a/b", ""])
def test_a_key_cannot_lead_out_of_its_directory(role, render, key):
    directory = role(etc__hosts_dot_j2="x")
    with pytest.raises(AnsibleActionFail, match="cannot be part of the path"):
        render(directory, each=[{"template": "etc/hosts.j2", "items": {key: 1}, "path": "/etc/certs.d/{key}/hosts"}])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\n\n{{ missing_one }}\n", r"etc/a\.j2, line 3: 'missing_one' is undefined"),
        ("x\n{{ d.nope }}\n", r"etc/a\.j2, line 2: object of type 'dict' has no attribute 'nope'"),
        ("x\n{{ y\n{% endfor %}\n", r"etc/a\.j2, line \d: Syntax error in template"),
        ("x\n{{ 1 / 0 }}\n", r"etc/a\.j2: .*division by zero"),
    ],
)
def test_rendering_errors_name_the_template_the_line_and_the_variable(role, render, text, message):
    with pytest.raises(AnsibleActionFail, match=message):
        render(role(etc__a_dot_j2=text), {"d": {"k": 1}})


def test_modes_and_validation_must_name_a_template(role, render):
    directory = role(etc__a_dot_j2="x")
    with pytest.raises(AnsibleActionFail, match="modes: the role has no template for /etc/b"):
        render(directory, modes={"/etc/b": "0600"})
    with pytest.raises(AnsibleActionFail, match='is not a mode such as "0600"'):
        render(directory, modes={"/etc/a": 384})
    with pytest.raises(AnsibleActionFail, match="must contain %s"):
        render(directory, validate={"/etc/a": "true"})


def test_what_the_action_packs_the_module_unpacks(action, module):
    files = {"/etc/a": wanted("ä\n")}
    assert module.unpack(action.pack(files)) == files


# On the node


def test_second_run_changes_nothing(node, module, tree):
    files = {"/etc/app/a": wanted("a"), "/etc/b": wanted("b", 0o600)}
    first = module.apply("os", files)
    assert first["changed"] and first["changed_files"] == ["/etc/app/a", "/etc/b"]
    assert (node / "etc/b").stat().st_mode & 0o777 == 0o600
    assert (node / "etc/app").stat().st_mode & 0o777 == 0o755
    finish()
    before = tree()
    second = module.apply("os", files)
    finish()
    assert not second["changed"]
    assert tree() == before


def test_drift_of_content_and_mode_is_repaired(node, module):
    files = {"/etc/a": wanted("a"), "/etc/b": wanted("b")}
    module.apply("os", files)
    (node / "etc/a").write_text("tampered")
    (node / "etc/b").chmod(0o666)
    assert module.apply("os", files)["changed_files"] == ["/etc/a", "/etc/b"]
    assert (node / "etc/a").read_text() == "a"
    assert (node / "etc/b").stat().st_mode & 0o777 == 0o644
    assert not (node / "var/lib/kprov/originals").exists()  # what was tampered with was kprov's


def test_check_mode_says_what_would_change_and_writes_nothing(node, module, tree):
    module.apply("os", {"/etc/old": wanted("old")})
    finish()
    before = tree()
    result = module.apply("os", {"/etc/new": wanted("new")}, check_mode=True)
    assert (result["changed_files"], result["removed_files"]) == (["/etc/new"], ["/etc/old"])
    assert tree() == before


def test_file_that_the_role_has_no_more_is_removed_with_its_empty_directory(node, module):
    module.apply("os", {"/etc/app/certs.d/docker.io/hosts.toml": wanted("x"), "/etc/app/keep": wanted("y")})
    finish()
    result = module.apply("os", {"/etc/app/keep": wanted("y")})
    finish()
    assert result["removed_files"] == ["/etc/app/certs.d/docker.io/hosts.toml"]
    assert not (node / "etc/app/certs.d").exists()
    assert list(record(node)["files"]) == ["/etc/app/keep"]
    assert not module.apply("os", {"/etc/app/keep": wanted("y")})["changed"]


def test_file_that_somebody_changed_is_not_pruned(node, module):
    module.apply("os", {"/etc/a": wanted("a")})
    finish()
    (node / "etc/a").write_text("mine now")
    result = module.apply("os", {})
    assert (node / "etc/a").read_text() == "mine now"
    assert not result["changed"]
    assert "/etc/a is no longer kprov's" in result["warnings"][0]
    finish()
    assert module.apply("os", {})["warnings"] == []


def test_file_that_moved_to_another_phase_stays(node, module):
    module.apply("os", {"/etc/a": wanted("a")})
    module.apply("kubelet", {"/etc/a": wanted("b")})
    assert module.apply("os", {})["removed_files"] == []
    assert (node / "etc/a").read_text() == "b"
    assert not (node / "var/lib/kprov/originals").exists()


def test_directory_that_was_there_before_survives_pruning(node, module):
    (node / "etc/theirs").mkdir()
    module.apply("os", {"/etc/theirs/a": wanted("a")})
    module.apply("os", {})
    assert (node / "etc/theirs").is_dir()


def test_original_of_a_foreign_file_is_kept_once(node, module):
    (node / "etc/a").write_text("theirs")
    for text in ("kprov 1", "kprov 2"):
        module.apply("os", {"/etc/a": wanted(text)})
    assert (node / "var/lib/kprov/originals/etc/a").read_text() == "theirs"


def test_run_killed_between_report_and_write_still_keeps_the_original(node, module, monkeypatch):
    (node / "etc/a").write_text("theirs")
    write = module.kprov_fs.atomic_write

    def killed(path, *arguments):
        if path.endswith("/etc/a"):
            raise KeyboardInterrupt
        write(path, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(module.kprov_fs, "atomic_write", killed)
        with pytest.raises(KeyboardInterrupt):
            module.apply("os", {"/etc/a": wanted("kprov's")})
    assert (node / "var/lib/kprov/phases/os.dirty").exists()
    assert (node / "etc/a").read_text() == "theirs"
    module.apply("os", {"/etc/a": wanted("kprov's")})
    assert (node / "var/lib/kprov/originals/etc/a").read_text() == "theirs"


def test_file_of_a_killed_run_is_pruned_by_the_next(node, module):
    module.apply("os", {"/etc/a": wanted("a")})  # never finished
    assert module.apply("os", {"/etc/b": wanted("b")})["removed_files"] == ["/etc/a"]


def test_failing_validation_changes_nothing_and_shows_the_output(node, module):
    files = {
        "/etc/a": wanted("a"),
        "/etc/b": wanted("bad", validate=["/bin/sh", "-c", 'echo "wrong: $(cat "$0")"; exit 1', "%s"]),
    }
    with pytest.raises(module.FilesError, match=r"/etc/b is not valid, nothing was changed(?s:.*)wrong: bad"):
        module.apply("os", files)
    assert not (node / "etc/a").exists()
    assert list((node / "run").iterdir()) == []


def test_validation_sees_the_new_content_and_runs_only_for_a_change(node, module):
    files = {"/etc/b": wanted("good", validate=["grep", "-q", "good", "%s"])}
    assert module.apply("os", files)["changed"]
    files["/etc/b"]["validate"] = ["/bin/false", "%s"]
    assert not module.apply("os", files)["changed"]


def test_missing_validator_is_an_error_but_a_warning_in_check_mode(node, module):
    files = {"/etc/b": wanted("x", validate=["/nonexistent/kubeadm", "%s"])}
    assert "not installed yet" in module.apply("os", files, check_mode=True)["warnings"][0]
    with pytest.raises(module.FilesError, match="cannot run /nonexistent/kubeadm"):
        module.apply("os", files)


def test_diff_shows_no_secret(node, module):
    result = module.apply("os", {"/etc/a": wanted("open\n"), "/etc/s": wanted("hunter2", 0o600)})
    shown = json.dumps(result["diff"])
    assert "open" in shown and "hunter2" not in shown


def test_directory_in_the_way_is_an_error(node, module):
    (node / "etc/a").mkdir()
    with pytest.raises(module.FilesError, match="/etc/a is a directory"):
        module.apply("os", {"/etc/a": wanted("x")})


# A program on a node with the modules' code


def test_what_is_installed_of_module_utils_runs_without_ansible(action, tmp_path):
    files = action.closure("kprov_certs_scheduled")
    for path, text in files.items():
        ast.parse(text, feature_version=(3, 9))
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import ansible.module_utils.kprov_certs_scheduled"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "ansible/module_utils/kprov_lease.py" in files
    assert "ansible/module_utils/kprov_docker_api.py" not in files
