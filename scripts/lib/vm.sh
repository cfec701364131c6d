# shellcheck shell=bash
# Sourced after setup.sh and cross.sh: what the emulator tests need besides the image.

readonly vm_programs=$cache/vm

# Installs QEMU, and builds what the tests run inside the emulated machine: .cache/vm/vm-agent, and
# .cache/vm/hal-tests, the unit tests of hal.
prepare_vm() {
    install_packages qemu-system-arm
    ensure_cross
    mkdir -p "$vm_programs"
    cross_build -p oratype-vm-agent
    cp "$cross_out/vm-agent" "$vm_programs/"
    cross_build -p oratype-hal --tests
    # The name has a hash in it; older ones stay where they are.
    local tests=("$cross_out"/deps/oratype_hal-*[!.d]) newest=
    for file in "${tests[@]}"; do
        [[ -x $file && ($file -nt $newest || -z $newest) ]] && newest=$file
    done
    [[ -n $newest ]] || die "cargo has built no unit tests of hal"
    cp "$newest" "$vm_programs/hal-tests"
}

# The image that scripts/build-image leaves.
image_file() {
    printf '%s/image/out/oratype-%s.img' "$cache" \
        "$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n1)"
}
