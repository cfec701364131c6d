//! What the Raspberry Pi boards share: the 40-pin header, the I2S microphone, the boot files.

use std::time::Duration;

use oratype_hal::pcm::alsa::Timing;
use oratype_hal::pcm::{SampleFormat, StreamFormat};

use crate::Board;
use crate::pins::{Gpio, Pins, RangeOfLines, Taken};

/// `config.txt` of the FAT partition: what the firmware reads first.
pub const CONFIG_TXT: &str = include_str!("../boot/config.txt");
/// `cmdline.txt`: the kernel's command line. GPIO through rppal needs `iomem=relaxed`.
pub const CMDLINE_TXT: &str = include_str!("../boot/cmdline.txt");
/// The kernel modules the boards need, one name a line, `#` for comments.
pub const MODULES_TXT: &str = include_str!("../boot/modules.txt");

/// The overlay for Zero 2 W and 3A+.
pub(crate) const OVERLAY_BCM283X: &str = "oratype-bcm283x.dtso";
/// The overlay for 4B, 400 and CM4.
pub(crate) const OVERLAY_BCM2711: &str = "oratype-bcm2711.dtso";

/// The default lines are at the header's end, each next to a ground: button between pins 37 and 39, light
/// between 36 and 34.
const PINS: Pins = Pins { button: 26, light: 16 };

/// The 40-pin header brings out GPIO 0 to 27. The pin controller claims 4 to 11 for itself in Linux' device
/// trees (`gpioout` and `alt0`).
const HEADER: RangeOfLines = RangeOfLines {
    last: 27,
    taken: &[
        Taken { first: 0, last: 1, owner: "the memory of add-on boards, which the firmware reads" },
        Taken { first: 2, last: 3, owner: "I2C; the board pulls it up with 1.8 kohm" },
        Taken { first: 4, last: 6, owner: "the clock outputs" },
        Taken { first: 7, last: 11, owner: "SPI" },
        Taken { first: 14, last: 15, owner: "the serial port" },
        Taken { first: 18, last: 21, owner: "the microphone (I2S, GPIO 18 to 21)" },
    ],
};

const fn gpio(chip_labels: &'static [&'static str]) -> Gpio {
    Gpio { chip_labels, pins: PINS, button_active_low: true, settable: Some(HEADER) }
}

/// Zero 2 W and 3A+; the label is that of Linux' pinctrl-bcm2835.c.
pub(crate) const GPIO_BCM2835: Gpio = gpio(&["pinctrl-bcm2835"]);
/// 4B, 400 and CM4; the same file's other label.
pub(crate) const GPIO_BCM2711: Gpio = gpio(&["pinctrl-bcm2711"]);

/// What the boards have in common; the rest is that of the Zero 2 W and the 3A+.
pub(crate) fn board() -> Board {
    Board {
        name: "",
        models: &[],
        // The name the overlays give the sound card.
        microphone: "hw:CARD=i2smic,DEV=0",
        // These microphones give -26 dBFS at 94 dB SPL (INMP441 and ICS-43434 datasheets), and speech at 20 cm has
        // about 70: -50 dBFS. With 20 dB more it is where recordings have it, and only what is louder than 100 dB
        // SPL is clipped.
        microphone_gain_db: 20.0,
        // The I2S block does two channels only. 48 kHz: an ICS-43434 sleeps below 18.75 kHz, an INMP441 passes no
        // more than 6.8 kHz at a rate of 16 kHz, and a third of 48 kHz is what the recogniser wants.
        format: StreamFormat { rate_hz: 48_000, channels: 2, sample: SampleFormat::S32 },
        timing: Timing::default(),
        // Named by bus address; the same in all device trees of the BCM2837.
        udc: Some("3f980000.usb"),
        gpio: Some(GPIO_BCM2835),
        // Four cores on every board; interrupts and everything else on the first (irqaffinity=0 in cmdline.txt).
        recogniser_cores: vec![1, 2, 3],
        other_cores: vec![0],
        // One retry, and not the widest context for what was short: on four Cortex-A53 every 100 positions are a
        // noticeable wait.
        retry_positions: 800,
        // bcm2835_wdt counts 20 bits of 1/65536 s.
        watchdog_timeout_max: Some(Duration::from_secs(15)),
        overlay: Some(OVERLAY_BCM283X),
    }
}
