# shellcheck shell=bash
# Sourced after setup.sh and apt.sh: runs test programs under a real kernel of their own, with uinput,
# and with dummy_hcd as the wire between a USB gadget and its host. An emulated PC with the kernel,
# busybox and the programs, all in RAM.

# shellcheck disable=SC2154 # cache comes from setup.sh.
readonly kernel_vm=$cache/kernel-vm
# The modules that the tests need; what these depend on is found.
readonly kernel_modules=(libcomposite usb_f_hid usb_f_acm dummy_hcd usbhid hid-generic evdev uinput)

# Downloads and unpacks the kernel of the appliance's release, for this machine's processor, and busybox.
fetch_kernel() {
    local package
    install_packages busybox-static cpio kmod qemu-system-x86 xz-utils
    private_apt kernel amd64 main "$appliance_suite"
    package=$(APT_CONFIG=$cache/apt/kernel/apt.conf apt-cache depends linux-image-amd64 |
        sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p')
    [[ -n $package ]] || die "$appliance_suite has no linux-image-amd64"
    unpack_packages kernel "$kernel_vm/kernel" "$package"
    ln -sfn usr/lib "$kernel_vm/kernel/lib"
    depmod -b "$kernel_vm/kernel" "$(ls "$kernel_vm/kernel/lib/modules")"
}

# add_module TREE MODULES NAME: copies a module, and before it what it depends on, and notes the order.
add_module() {
    local tree=$1 modules=$2 path dependency
    [[ -e $tree/modules/$3.ko ]] && return 0
    path=$(sed -n "s|^\([^:]*/$3\.ko[^:]*\):.*|\1|p" "$modules/modules.dep")
    # Not there: built into the kernel.
    [[ -n $path ]] || return 0
    for dependency in $(sed -n "s|^$path: *||p" "$modules/modules.dep" | tr ' ' '\n' | tac); do
        dependency=${dependency##*/}
        add_module "$tree" "$modules" "${dependency%%.ko*}"
    done
    case $path in
        *.xz) xz -dc "$modules/$path" >"$tree/modules/$3.ko" ;;
        *) cp "$modules/$path" "$tree/modules/$3.ko" ;;
    esac
    printf '%s\n' "$3" >>"$tree/modules/order"
}

# run_under_kernel COMMAND...: boots, runs each command (a program of this machine and its arguments, in one
# string), shows what they print, and fails if one fails.
run_under_kernel() {
    local modules tree log command program library
    modules=$(find "$kernel_vm/kernel/lib/modules/" -mindepth 1 -maxdepth 1)
    tree=$(mktemp -d)
    mkdir -p "$tree"/{bin,dev,modules,proc,sys,tmp}
    cp /bin/busybox "$tree/bin/"
    for command in "${kernel_modules[@]}"; do add_module "$tree" "$modules" "$command"; done
    for command in "$@"; do
        program=${command%% *}
        for library in $(ldd "$program" | grep -o '/[^ ]*'); do
            mkdir -p "$tree${library%/*}"
            cp -L "$library" "$tree$library"
        done
        strip -o "$tree/bin/${program##*/}" "$program"
        printf '/bin/%s\n' "${program##*/}${command#"$program"}" >>"$tree/commands"
    done
    # The layouts that the tests' host is set to.
    local x11
    x11=$(printenv ORATYPE_X11_DATA || echo /usr/share/X11)
    mkdir -p "$tree/usr/share/X11/locale/en_US.UTF-8"
    cp -rL "$x11/xkb" "$tree/usr/share/X11/"
    cp "$x11/locale/en_US.UTF-8/Compose" "$tree/usr/share/X11/locale/en_US.UTF-8/"
    cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
while read -r module; do insmod "/modules/$module.ko"; done </modules/order
mount -t configfs configfs /sys/kernel/config
export ORATYPE_UDC=dummy_udc.0
while read -r command; do $command || failed=1; done </commands
[ -n "$failed" ] || echo "under its kernel: all passed"
poweroff -f
INIT
    chmod +x "$tree/init"
    (cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$kernel_vm/initrd"
    rm -rf "$tree"
    log=$(mktemp)
    # Four times what it takes on two cores.
    timeout 1800 qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max -smp 2 -m 512 -nodefaults \
        -display none -serial stdio -no-reboot -kernel "$kernel_vm"/kernel/boot/vmlinuz-* -initrd "$kernel_vm/initrd" \
        -append "console=ttyS0 quiet loglevel=1 panic=-1 rdinit=/init" </dev/null | tr -d '\r' | tee "$log"
    grep -q '^under its kernel: all passed' "$log" || die "a test failed under its kernel"
    # One that uinput's absence lets through, and one that nothing is left of.
    if grep 'NOT RUN: ' "$log" | grep -qv 'this computer has' || grep -q '^test result: ok. 0 passed' "$log"; then
        die "a test did not run under its kernel"
    fi
    rm -f "$log"
}

# The program that cargo builds for a test target: built_test ARGUMENT-OF-CARGO...
built_test() {
    (cd "$root" && cargo test --release --locked --no-run --message-format=json "$@") |
        # Of the programs it makes, those built as a test, not those that tests only start.
        grep '"overflow_checks":[a-z]*,"test":true' | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n1
}

# The tests that need a kernel of their own; ends with a failure if one does.
kernel_tests() {
    local hal gadget
    fetch_kernel
    hal=$(built_test -p oratype-hal --lib)
    gadget=$(built_test -p oratype-tests --test usb_gadget)
    run_under_kernel "$hal uinput" "$gadget --test-threads=1"
}
