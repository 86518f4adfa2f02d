"""kprov_files, on the controller: render the calling role's templates/ tree and hand it to the module in one call."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import zlib

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

SUFFIX = ".j2"
MANIFESTS = "manifests/"  # Kubernetes objects: kprov_apply renders them
MODULE_UTILS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "module_utils")
IMPORT = re.compile(r"^\s*from ansible\.module_utils(?:\.(\w+) import| import (\w+))", re.MULTILINE)
ARGUMENTS = {
    "phase": {"type": "str", "required": True},
    "record": {"type": "dict"},
    "units": {"type": "list", "elements": "dict", "default": []},
    "modes": {"type": "dict", "default": {}},
    "validate": {"type": "dict", "default": {}},
    "copies": {"type": "dict", "default": {}},
    "module_utils": {"type": "dict", "default": {}},
    "each": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "template": {"type": "str", "required": True},
            "items": {"type": "dict", "required": True},
            "path": {"type": "str", "required": True},
        },
    },
}


class ActionModule(ActionBase):
    """Collects the files of a role; the module of the same name compares and writes them on the node."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        role = self._task._role
        if role is None:
            raise AnsibleActionFail("kprov_files writes the templates of a role: call it from a role's tasks")
        _, arguments = self.validate_argument_spec(ARGUMENTS)
        tree = Tree(os.path.join(role.get_role_path(), "templates"), self._loader, self._templar, task_vars or {})
        files = collect(tree, arguments["modes"], arguments["validate"], arguments["each"])
        files |= copied(arguments["copies"])
        for target, name in arguments["module_utils"].items():
            files |= {f"{target}/{path}": plain(text) for path, text in closure(name).items()}
        result = self._execute_module(
            module_name="kprov_files",
            module_args={**{name: arguments[name] for name in ("phase", "record", "units")}, "files": pack(files)},
            task_vars=task_vars,
        )
        result["module_calls"] = 1
        return result


class Tree:
    """A role's templates/ directory and what is needed to render it."""

    def __init__(self, directory: str, loader, templar, variables: dict) -> None:
        self.directory = directory
        self._loader = loader
        self._templar = templar
        self._variables = variables

    def names(self) -> list[str]:
        """Every file of the tree, as a path relative to it; manifests left out."""
        found = []
        for parent, _, names in os.walk(self.directory):
            found += [os.path.relpath(os.path.join(parent, name), self.directory) for name in names]
        return sorted(name for name in found if not name.startswith(MANIFESTS))

    def render(self, name: str, item: dict | None = None) -> str:
        """The text of a file; `item` is a variable for templates that are rendered more than once."""
        path = os.path.join(self.directory, name)
        text = self._loader.get_text_file_contents(path)
        if not name.endswith(SUFFIX):
            return text
        variables = self._variables if item is None else {**self._variables, "item": item}
        templar = self._templar.copy_with_new_env(searchpath=[self.directory], available_variables=variables)
        try:
            # A template that is one expression would render to that expression's value: text in front makes it text.
            rendered = templar.template(
                trust_as_template("." + text), escape_backslashes=False, overrides={"trim_blocks": True}
            )
        except AnsibleError as error:
            raise AnsibleActionFail(explain(path, text, error)) from error
        return str(rendered)[1:]


def collect(tree: Tree, modes: dict, validate: dict, each: list[dict]) -> dict[str, dict]:
    """Path on the node to {"text", "mode", "validate"} for everything that the tree says should be there."""
    files: dict[str, dict] = {}
    repeated = {entry["template"] for entry in each}
    for name in tree.names():
        if name not in repeated:
            files["/" + name.removesuffix(SUFFIX)] = {"text": tree.render(name)}
    for entry in each:
        for key, value in entry["items"].items():
            path = expand(entry["path"], str(key))
            files[path] = {"text": tree.render(entry["template"], {"key": key, "value": value})}
    for argument, paths in (("modes", modes), ("validate", validate)):
        for path in set(paths) - set(files):
            raise AnsibleActionFail(f"{argument}: the role has no template for {path}")
    for path, entry in files.items():
        entry["mode"] = octal(path, modes.get(path, "0644"))
        entry["validate"] = command(path, validate[path]) if path in validate else None
    return {path: entry for path, entry in sorted(files.items()) if entry["text"].strip()}


def copied(copies: dict[str, str]) -> dict[str, dict]:
    """Path on the node to its file, as collect() has it, for the Python files of whole directories."""
    files = {}
    for target, source in copies.items():
        directory = os.path.join(package(), source)
        for name in sorted(name for name in os.listdir(directory) if name.endswith(".py")):
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                files[f"{target}/{name}"] = plain(file.read())
    return files


def plain(text: str) -> dict:
    """A file that everybody may read, as collect() has it."""
    return {"text": text, "mode": 0o644, "validate": None}


def closure(name: str) -> dict[str, str]:
    """Path to text of a module_utils file and of all that it imports, as the package ansible.module_utils of a library.

    What a module does on a node, a program there can do with the same code, without Ansible.
    """
    files = {f"ansible/{package}__init__.py": '"""Files of kprov."""\n' for package in ("", "module_utils/")}
    wanted = [name]
    while wanted:
        name = wanted.pop()
        path = f"ansible/module_utils/{name}.py"
        if path not in files:
            with open(os.path.join(MODULE_UTILS, f"{name}.py"), encoding="utf-8") as file:
                files[path] = file.read()
            wanted += [first or second for first, second in IMPORT.findall(files[path])]
    return files


def package() -> str:
    """kprov's own files: in a checkout beside plugins/, in an installed kprov (kprov/_content/plugins) around it."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    checkout = os.path.join(root, "kprov")
    return checkout if os.path.isdir(checkout) else os.path.dirname(root)


def expand(pattern: str, key: str) -> str:
    """The path of one repeated file. A key cannot lead out of its directory."""
    if "{key}" not in pattern:
        raise AnsibleActionFail(f"each: path {pattern} must contain {{key}}")
    if "/" in key or key in ("", ".", ".."):
        raise AnsibleActionFail(f"each: {key!r} cannot be part of the path {pattern}")
    return pattern.replace("{key}", key)


def octal(path: str, mode: object) -> int:
    """The mode as a number; a YAML number without quotes would be decimal, so only text is taken."""
    if not isinstance(mode, str) or not re.fullmatch(r"0?[0-7]{3}", mode):
        raise AnsibleActionFail(f'modes: {path}: {mode!r} is not a mode such as "0600" (with quotes)')
    return int(mode, 8)


def command(path: str, line: str) -> list[str]:
    """A validation command as a list of arguments."""
    words = shlex.split(line)
    if not any("%s" in word for word in words):
        raise AnsibleActionFail(f"validate: {path}: the command must contain %s, the file to check")
    return words


def explain(path: str, text: str, error: AnsibleError) -> str:
    """What is wrong with a template, where. Ansible knows the line of syntax errors only; else look for the name."""
    message = getattr(error, "message", None) or str(error)
    line = getattr(error.__cause__, "lineno", None)
    name = re.search(r"'([^']+)' is undefined|has no attribute '([^']+)'", message)
    lines = [line] if line else []
    if not lines and name:
        word = re.compile(rf"\b{re.escape(name.group(1) or name.group(2))}\b")
        lines = [number for number, content in enumerate(text.splitlines(), 1) if word.search(content)]
    where = f", line {' or '.join(map(str, lines))}" if lines else ""
    return f"template {path}{where}: {message}"


def pack(files: dict[str, dict]) -> str:
    """The files as one argument of the module."""
    return base64.b64encode(zlib.compress(json.dumps(files).encode())).decode()
