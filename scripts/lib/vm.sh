# shellcheck shell=bash
# Sourced after setup.sh and cross.sh: what the emulator tests need besides the image.

readonly vm_programs=$cache/vm

# Installs QEMU, and builds what the tests run inside the emulated machine: .cache/vm/vm-agent.
prepare_vm() {
    install_packages qemu-system-arm
    ensure_cross
    mkdir -p "$vm_programs"
    cross_build -p oratype-vm-agent
    cp "$cross_out/vm-agent" "$vm_programs/"
}

# The image that scripts/build-image leaves.
image_file() {
    printf '%s/image/out/oratype-%s.img' "$cache" \
        "$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n1)"
}
