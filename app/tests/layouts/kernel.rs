//! From reports to key codes, as the kernel's HID driver does it.

use oratype_hal::hid::Report;

use crate::host::Host;

/// Usage to key code, from 0x00: drivers/hid/hid-input.c of Linux, `hid_keyboard`; 240 is unknown to it.
const KEY_CODES: [u8; 0x92] = [
    0, 0, 0, 0, 30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, //
    50, 49, 24, 25, 16, 19, 31, 20, 22, 47, 17, 45, 21, 44, 2, 3, //
    4, 5, 6, 7, 8, 9, 10, 11, 28, 1, 14, 15, 57, 12, 13, 26, //
    27, 43, 43, 39, 40, 41, 51, 52, 53, 58, 59, 60, 61, 62, 63, 64, //
    65, 66, 67, 68, 87, 88, 99, 70, 119, 110, 102, 104, 111, 107, 109, 106, //
    105, 108, 103, 69, 98, 55, 74, 78, 96, 79, 80, 81, 75, 76, 77, 71, //
    72, 73, 82, 83, 86, 127, 116, 117, 183, 184, 185, 186, 187, 188, 189, 190, //
    191, 192, 193, 194, 134, 138, 130, 132, 128, 129, 131, 137, 133, 135, 136, 113, //
    115, 114, 240, 240, 240, 121, 240, 89, 93, 124, 92, 94, 95, 240, 240, 240, //
    122, 123,
];

/// The same for the modifiers, 0xe0 to 0xe7.
const MODIFIER_CODES: [u8; 8] = [29, 42, 56, 125, 97, 54, 100, 126];

/// Takes the reports of one keyboard.
pub(crate) struct Kernel {
    host: Host,
    last: Report,
}

impl Kernel {
    /// Tells `host` what happens on the keyboard.
    pub(crate) fn new(host: Host) -> Self {
        Self { host, last: Report::RELEASED }
    }

    /// Takes reports, and says what they typed.
    pub(crate) fn read(&mut self, reports: impl IntoIterator<Item = Report>) -> String {
        reports.into_iter().for_each(|report| self.report(report));
        self.host.typed()
    }

    /// Modifiers in the order of their bits, then keys that came up, then keys that went down.
    fn report(&mut self, report: Report) {
        let last = std::mem::replace(&mut self.last, report);
        for (bit, code) in MODIFIER_CODES.into_iter().enumerate() {
            let down = |report: Report| report.modifiers & (1 << bit) != 0;
            if down(last) != down(report) {
                self.host.key(code, down(report));
            }
        }
        for key in last.keys.into_iter().filter(|key| *key != 0 && !report.keys.contains(key)) {
            self.host.key(KEY_CODES[usize::from(key)], false);
        }
        for key in report.keys.into_iter().filter(|key| *key != 0 && !last.keys.contains(key)) {
            self.host.key(KEY_CODES[usize::from(key)], true);
        }
    }
}
