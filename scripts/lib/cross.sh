# shellcheck shell=bash
# Sourced after setup.sh: builds for the appliance, aarch64-unknown-linux-gnu, on Debian 12 x86-64.
# Only the cross compiler is installed; the arm64 libraries to link with, and where rustup's server
# cannot be reached the Rust compiler too, are unpacked under .cache/cross.

# shellcheck source=scripts/lib/apt.sh
. "$root/scripts/lib/apt.sh"

readonly cross_target=aarch64-unknown-linux-gnu
readonly cross=$cache/cross
# Where cross_build leaves what it made.
# shellcheck disable=SC2034 # For those who source this file.
readonly cross_out=$cross/target/$cross_target/image
# What cross_build is asked for to make the appliance's programs. Its processors multiply matrices faster in single
# precision than with 8-bit weights; see scripts/bench --arm.
# shellcheck disable=SC2034 # For those who source this file.
readonly appliance_programs=(-p oratype -p oratype-init --features oratype/blas)

# What keyboard layouts are made from.
readonly layout_packages=(xkb-data libx11-data)

# Prints what programs are built with: compilers, and the data that keyboard layouts are made from. Part of what they
# can be repeated from.
cross_built_with() {
    printf '%s; %s' "$("$cross/rustc" --version)" "$(aarch64-linux-gnu-g++ --version | head -n1)"
    APT_CONFIG=$cache/apt/host/apt.conf apt-cache show --no-all-versions "${layout_packages[@]}" |
        awk '$1 == "Package:" { name = $2 } $1 == "Version:" { printf "; %s %s", name, $2 } END { print "" }'
}

# dependency_of PACKAGE START: prints the package on which it depends whose name begins so.
dependency_of() {
    APT_CONFIG=$cache/apt/host/apt.conf apt-cache depends "$1" |
        awk -v start="$2" '$1 == "Depends:" && index($2, start) == 1 { print $2; exit }'
}

# Makes $cross/rustc, a Rust compiler that knows the target.
ensure_cross_rust() {
    local rustc sysroot libraries=
    if command -v rustup >/dev/null && (cd "$root" && rustup target list --installed | grep -qx "$cross_target" ||
        rustup target add "$cross_target" >&2 2>/dev/null); then
        sysroot=$(cd "$root" && rustc --print sysroot)
        rustc=$sysroot/bin/rustc
    else
        # Debian's, unpacked: installing it would replace packages of the machine.
        local std llvm
        std=$(dependency_of libstd-rust-web-dev libstd-rust-web-)
        llvm=$(dependency_of "$std" libllvm)
        # What LLVM runs on.
        install_packages libedit2 libffi8 libxml2 libz3-4 libzstd1 zlib1g
        unpack_packages host "$cross/rust" rustc-web "$std" "$llvm" \
            libstd-rust-web-dev libstd-rust-web-dev:arm64
        sysroot=$cross/rust/usr
        libraries=$sysroot/lib/x86_64-linux-gnu
        rustc=$sysroot/bin/rustc
    fi
    # Paths of this machine must not get into the program: the same source gives the same bytes
    # wherever it is built. In a compiler of our own, because flags in RUSTFLAGS would change the
    # names of symbols, and those the order of things in the program.
    {
        printf '#!/bin/sh\n'
        [[ -z $libraries ]] || printf 'export LD_LIBRARY_PATH=%q\n' "$libraries"
        printf 'exec %q "$@" --remap-path-prefix=%q=/oratype --remap-path-prefix=%q=/cargo --remap-path-prefix=%q=/rust\n' \
            "$rustc" "$root" "${CARGO_HOME:-$HOME/.cargo}" "$sysroot"
    } >"$cross/rustc.new"
    chmod +x "$cross/rustc.new"
    # Cargo builds everything again for a compiler that was touched.
    cmp -s "$cross/rustc.new" "$cross/rustc" || mv "$cross/rustc.new" "$cross/rustc"
    rm -f "$cross/rustc.new"
}

# Compiler and libraries; quick when they are there.
ensure_cross() {
    install_packages "${build_packages[@]}" g++-aarch64-linux-gnu
    ensure_cargo
    mkdir -p "$cross"
    private_apt host "amd64 arm64" main "$(host_codename)"
    # With the layouts that the program is to know, whatever the version of this machine.
    unpack_packages host "$cross/sysroot" libasound2-dev:arm64 libasound2:arm64 "${layout_packages[@]}"
    ensure_cross_rust
}

# cross_build ARGUMENT...: cargo build for the appliance; the arguments choose what, such as
# -p oratype. Programs land in $cross_out, or where $cross_target_folder says instead.
cross_build() {
    local map="-ffile-prefix-map=$root=/oratype -ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    (
        cd "$root"
        export RUSTC=$cross/rustc
        export CARGO_TARGET_DIR=${cross_target_folder:-$cross/target}
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
        export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
        export CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
        export AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar
        export CFLAGS_aarch64_unknown_linux_gnu=$map CXXFLAGS_aarch64_unknown_linux_gnu=$map
        export BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu="-isystem /usr/aarch64-linux-gnu/include"
        export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR=$cross/sysroot
        export PKG_CONFIG_LIBDIR=$cross/sysroot/usr/lib/aarch64-linux-gnu/pkgconfig
        # Cortex-A53 and A72 are both ARMv8.0: one program serves every board.
        export GGML_NATIVE=OFF GGML_CPU_ARM_ARCH=armv8-a
        # No part of the build may depend on the day.
        SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
        export SOURCE_DATE_EPOCH
        export ORATYPE_X11_DATA=$cross/sysroot/usr/share/X11
        unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
        renew_whisper "$CARGO_TARGET_DIR"
        cargo build --locked --profile image --target "$cross_target" "$@" >&2
    )
}
