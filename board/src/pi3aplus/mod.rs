//! Raspberry Pi 3 Model A+: the Zero 2 W's processor at 1.4 GHz, 512 MB, and a USB-A port that can be a device.
//!
//! That port needs a cable with two type A plugs; power comes through the other connector.

use crate::{Board, Model, raspberry};

/// The 3A+.
pub fn board() -> Board {
    Board {
        name: "pi3aplus",
        models: &[Model {
            name: "Raspberry Pi 3 Model A+",
            compatible: "raspberrypi,3-model-a-plus",
            device_tree: Some("bcm2837-rpi-3-a-plus.dtb"),
        }],
        ..raspberry::board()
    }
}
