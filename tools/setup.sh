# Functions that bring a machine to where the build and the tests work. Sourced
# by ./run and ./test; every step is skipped, without touching the network, when
# what it installs is there.

cache_root=${XDG_CACHE_HOME:-$HOME/.cache}
# uv and the default Python environment: where the daemon looks for them too.
uv_env=$cache_root/runt/tools/uv-venv
default_env=$cache_root/runt/default-env

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"
	elif command -v sudo >/dev/null; then sudo "$@"
	else die "Need root (or sudo) to run: $*"
	fi
}

# need_packages PACKAGE... : installs the Debian or Ubuntu packages that are missing.
need_packages() {
	local missing=() p
	for p in "$@"; do
		[ -e "/var/lib/dpkg/info/$p.list" ] || compgen -G "/var/lib/dpkg/info/$p:*.list" >/dev/null || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return
	command -v apt-get >/dev/null || die "Missing packages: ${missing[*]} (no apt-get here: install them yourself)"
	say "Installing: ${missing[*]}"
	as_root apt-get update -qq >&2 || say "apt-get update failed; trying with the lists there are"
	DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
		die "Could not install: ${missing[*]}"
}

build_packages=(gcc libc6-dev meson ninja-build pkg-config binutils python3 python3-venv
	libuv1-dev libzmq3-dev libjson-c-dev libcbor-dev libdeflate-dev libutf8proc-dev libhttp-parser-dev
	libmd4c-dev libssl-dev libcmocka-dev)

# The interpreter that makes environments: the system's when it can, else the one on PATH.
python_for_env() {
	local p
	for p in /usr/bin/python3 python3; do
		if "$p" -c 'import venv, ensurepip' 2>/dev/null; then echo "$p"; return; fi
	done
	die "No python3 that can make environments (python3-venv)"
}

need_uv() {
	[ -x "$uv_env/bin/uv" ] && return
	say "Installing uv from PyPI into $uv_env"
	mkdir -p "$(dirname "$uv_env")"
	"$(python_for_env)" -m venv "$uv_env" && "$uv_env/bin/pip" install -q --disable-pip-version-check uv >&2 ||
		{ rm -rf "$uv_env"; die "Could not install uv from PyPI"; }
}

need_default_env() {
	[ -e "$default_env/.ready" ] && return
	need_uv
	say "Making the default Python environment (ipykernel) in $default_env"
	rm -rf "$default_env"
	"$uv_env/bin/uv" venv -q --python "$(python_for_env)" "$default_env" &&
		"$uv_env/bin/uv" pip install -q --python "$default_env/bin/python" ipykernel ipywidgets nbformat nbconvert >&2 ||
		die "Could not make the default Python environment"
	"$default_env/bin/python" -c 'import ipykernel.ipkernel, IPython' >/dev/null 2>&1
	touch "$default_env/.ready"
}

# build_release SOURCE_DIR: build/runtimed, build/runt, build/automerge, with their
# debug information beside them (gdb finds it through the debug link).
build_release() {
	local src=$1 b=$1/build x
	[ -e "$b/build.ninja" ] || meson setup "$b" "$src" --buildtype=release -Ddebug=true -Dtests=false -Dwerror=false >"$src/.meson.log" 2>&1 ||
		{ cat "$src/.meson.log" >&2; die "meson setup failed"; }
	rm -f "$src/.meson.log"
	ninja -C "$b" runtimed runt automerge >"$b/.ninja.log" 2>&1 || { tail -n 40 "$b/.ninja.log" >&2; die "The build failed"; }
	for x in runtimed runt automerge; do
		[ -e "$b/$x.debug" ] && ! [ "$b/$x" -nt "$b/$x.debug" ] && continue
		# Renamed into place: the program may be running.
		(cd "$b" && objcopy --only-keep-debug "$x" "$x.debug" &&
			objcopy --strip-debug --add-gnu-debuglink="$x.debug" "$x" "$x.stripped" && mv -f "$x.stripped" "$x" &&
			touch "$x.debug") || die "Could not strip $x"
	done
}
