//! QEMU's arm64 machine (`-M virt`) with four cores: what the tests boot. Its hardware is made of kernel modules.

use crate::pins::{Gpio, Pins};
use crate::{Board, Model, raspberry};

/// QEMU's `virt`.
pub fn board() -> Board {
    Board {
        name: "virt",
        models: &[Model { name: "QEMU virt", compatible: "linux,dummy-virt", device_tree: None }],
        // snd-aloop: what is played into hw:Loopback,0 is heard here.
        microphone: "hw:Loopback,1",
        microphone_gain_db: 0.0,
        // dummy_hcd: this kernel is its own USB host.
        udc: Some("dummy_udc.0"),
        gpio: Some(Gpio {
            // The PL061, by its address. QEMU's machine uses line 3 for the power button, and pulls inputs down.
            chip_labels: &["9030000.pl061"],
            pins: Pins { button: 5, light: 6 },
            button_active_low: false,
            settable: None,
        }),
        // Not in the machine itself; the limit is that of the boards it stands for.
        watchdog_timeout_max: raspberry::board().watchdog_timeout_max,
        overlay: None,
        ..raspberry::board()
    }
}
