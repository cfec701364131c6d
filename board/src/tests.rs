//! The boards' data against each other, and against the files of `board/`.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::*;

#[test]
fn boards_are_known_by_their_device_tree() {
    // As in the device trees of Linux 6.12.
    let cases = [
        ("raspberrypi,model-zero-2-w brcm,bcm2837", "zero2w: Raspberry Pi Zero 2 W"),
        ("raspberrypi,3-model-a-plus brcm,bcm2837", "pi3aplus: Raspberry Pi 3 Model A+"),
        ("raspberrypi,4-model-b brcm,bcm2711", "pi4: Raspberry Pi 4 Model B"),
        ("raspberrypi,400 brcm,bcm2711", "pi4: Raspberry Pi 400"),
        ("raspberrypi,4-compute-module brcm,bcm2711", "pi4: Raspberry Pi Compute Module 4 IO Board"),
        ("linux,dummy-virt", "virt: QEMU virt"),
        // A hub sits between its connectors and the controller: it cannot be a USB device.
        ("raspberrypi,3-model-b brcm,bcm2837", "none"),
        ("raspberrypi,5-model-b brcm,bcm2712", "none"),
    ];
    for (entries, expected) in cases {
        let compatible = entries.replace(' ', "\0") + "\0";
        let found = detect(compatible.as_bytes());
        let found = found.map_or("none".into(), |(board, model)| format!("{}: {}", board.name, model.name));
        assert_eq!(found, expected, "{entries}");
    }
}

#[test]
fn odd_device_trees_are_no_board() {
    for bytes in [&b""[..], b"\0", b"\0\0\0", b"raspberrypi,40", b"raspberrypi,400x\0", b"\xff\xfe\0"] {
        assert!(detect(bytes).is_none(), "{bytes:?}");
    }
    // The last NUL may be missing.
    assert!(detect(b"raspberrypi,400").is_some());
}

#[test]
fn every_name_has_its_board() {
    for name in NAMES {
        assert_eq!(by_name(name, &[0, 1]).map(|board| board.name), Some(name));
    }
    assert!(by_name("", &[]).is_none());
    assert_eq!(NAMES[1..], appliances().map(|board| board.name));
}

#[test]
fn cores_are_given_out_once() {
    for board in appliances() {
        let all: HashSet<_> = board.recogniser_cores.iter().chain(&board.other_cores).collect();
        assert_eq!(all.len(), board.recogniser_cores.len() + board.other_cores.len(), "{}", board.name);
        assert_eq!(all.len(), 4, "{}", board.name);
    }
}

#[test]
fn lines_are_not_taken_by_anything_else() {
    for board in appliances() {
        let gpio = board.gpio.unwrap();
        assert_eq!(gpio.choose(gpio.pins), (gpio.pins, Vec::new()), "{}", board.name);
    }
}

#[test]
fn overlays_are_there_and_name_the_sound_card() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("overlays");
    for board in appliances() {
        let Some(overlay) = board.overlay else { continue };
        let text = fs::read_to_string(folder.join(overlay)).unwrap();
        let card = text.split("simple-audio-card,name = \"").nth(1).and_then(|rest| rest.split('"').next());
        assert_eq!(card.map(|card| format!("hw:CARD={card},DEV=0")).as_deref(), Some(board.microphone));
    }
}

#[test]
fn the_firmware_sets_the_default_pins() {
    for board in appliances().into_iter().filter(|board| board.overlay.is_some()) {
        let pins = board.gpio.unwrap().pins;
        for line in [format!("gpio={}=ip,pu", pins.button), format!("gpio={}=op,dh", pins.light)] {
            assert!(raspberry::CONFIG_TXT.lines().any(|l| l == line), "no {line} in config.txt");
        }
    }
}

#[test]
fn the_wiring_diagram_shows_the_default_pins() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("wiring.svg");
    let svg = fs::read_to_string(path).unwrap();
    let pins = zero2w::board().gpio.unwrap().pins;
    for gpio in [pins.button, pins.light, 18, 19, 20] {
        assert!(svg.contains(&format!(">GPIO {gpio}<")), "no GPIO {gpio} in the diagram");
    }
}

/// The firmware ignores what comes behind 98 characters of a line, knows no comment behind a value, and takes the
/// first line of cmdline.txt only (Raspberry Pi documentation, config.txt).
#[test]
fn the_boot_files_are_what_the_firmware_can_read() {
    for line in raspberry::CONFIG_TXT.lines() {
        assert!(line.is_ascii(), "{line}");
        assert!(line.starts_with('#') || !line.contains('#'), "a comment behind a value: {line}");
        assert!(line.starts_with('#') || line.len() <= 98, "{line}");
    }
    assert_eq!(raspberry::CMDLINE_TXT.lines().count(), 1);
    assert!(raspberry::CMDLINE_TXT.split_whitespace().any(|word| word == "iomem=relaxed"));
    let modules = raspberry::MODULES_TXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let name = |m: &str| m.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    assert!(modules.clone().all(name) && modules.clone().count() > 30);
}
