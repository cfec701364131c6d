//! Raspberry Pi Zero 2 W: four Cortex-A53 at 1 GHz, 512 MB, the smallest board there is an image for.

use crate::{Board, Model, raspberry};

/// The Zero 2 W.
pub fn board() -> Board {
    Board {
        name: "zero2w",
        models: &[Model {
            name: "Raspberry Pi Zero 2 W",
            compatible: "raspberrypi,model-zero-2-w",
            device_tree: Some("bcm2837-rpi-zero-2-w.dtb"),
        }],
        ..raspberry::board()
    }
}
