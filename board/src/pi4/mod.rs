//! Raspberry Pi 4B, 400 and Compute Module 4: four Cortex-A72, 1 GB or more, USB-C as the device port.

use crate::{Board, Model, ONE_RETRY_POSITIONS, raspberry};

/// The Pi 4 family.
pub fn board() -> Board {
    Board {
        name: "pi4",
        models: &[
            Model {
                name: "Raspberry Pi 4 Model B",
                compatible: "raspberrypi,4-model-b",
                device_tree: Some("bcm2711-rpi-4-b.dtb"),
            },
            Model {
                name: "Raspberry Pi 400",
                compatible: "raspberrypi,400",
                device_tree: Some("bcm2711-rpi-400.dtb"),
            },
            Model {
                name: "Raspberry Pi Compute Module 4 IO Board",
                compatible: "raspberrypi,4-compute-module",
                device_tree: Some("bcm2711-rpi-cm4-io.dtb"),
            },
        ],
        udc: Some("fe980000.usb"),
        gpio: Some(raspberry::GPIO_BCM2711),
        retry_positions: ONE_RETRY_POSITIONS,
        overlay: Some(raspberry::OVERLAY_BCM2711),
        ..raspberry::board()
    }
}
