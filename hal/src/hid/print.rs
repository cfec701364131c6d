//! A keyboard that writes what it types as text.

use std::io::{IsTerminal, Write};

use super::{Decode, HostLeds, Keyboard, KeyboardError, Report, Typed, errno_of};

/// What a backspace becomes in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backspace {
    /// Wipe the character on the screen: back, blank, back. For terminals. Does not cross a line's beginning.
    Rubout,
    /// The single byte 0x08. What a pipe or a file took cannot be taken back, so the reader is told instead.
    Byte,
}

impl Backspace {
    /// What suits `output`.
    pub fn on(output: &impl IsTerminal) -> Self {
        if output.is_terminal() { Self::Rubout } else { Self::Byte }
    }
}

/// Decodes reports as a host would, and writes the text, each character at once.
///
/// The writer counts as a host that is always there: an error of it is final.
pub struct PrintKeyboard<W, D> {
    writer: W,
    backspace: Backspace,
    decoder: D,
}

impl<W: Write + Send, D: Decode> PrintKeyboard<W, D> {
    /// Type into `writer`, for the host that `decoder` stands for.
    pub const fn new(writer: W, backspace: Backspace, decoder: D) -> Self {
        Self { writer, backspace, decoder }
    }

    /// Where it is written.
    pub const fn writer(&self) -> &W {
        &self.writer
    }

    /// Follow the Caps Lock of a host that is typed to at the same time.
    pub(super) fn set_caps_lock(&mut self, on: bool) {
        self.decoder.set_caps_lock(on);
    }
}

impl<W: Write + Send, D: Decode> Keyboard for PrintKeyboard<W, D> {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        for typed in self.decoder.decode(report) {
            let mut utf8 = [0; 4];
            let bytes: &[u8] = match typed {
                Typed::Char(c) => c.encode_utf8(&mut utf8).as_bytes(),
                Typed::Backspace if self.backspace == Backspace::Rubout => b"\x08 \x08",
                Typed::Backspace => b"\x08",
                Typed::Key { .. } => continue,
            };
            self.writer
                .write_all(bytes)
                .and_then(|()| self.writer.flush())
                .map_err(|e| KeyboardError::Failed(errno_of(&e)))?;
        }
        Ok(())
    }

    /// The locks as the decoded reports set them.
    fn host_leds(&mut self) -> Option<HostLeds> {
        Some(self.decoder.leds())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufWriter, Write};

    use nix::errno::Errno;

    use super::*;
    use crate::hid::Decoder;
    use crate::hid::conformance::{self, Fixture};
    use crate::hid::usage;

    struct Printed(PrintKeyboard<Vec<u8>, Decoder>);

    impl Fixture for Printed {
        fn keyboard(&mut self) -> &mut dyn Keyboard {
            &mut self.0
        }
        fn typed(&mut self) -> String {
            String::from_utf8(self.0.writer.clone()).unwrap()
        }
    }

    #[test]
    fn conforms() {
        conformance::run(|| Printed(PrintKeyboard::new(Vec::new(), Backspace::Byte, Decoder::new())));
    }

    fn press(key: u8) -> Report {
        Report { modifiers: 0, keys: [key, 0, 0, 0, 0, 0] }
    }

    #[test]
    fn backspace_on_a_terminal_and_in_a_pipe() {
        for (backspace, expected) in [(Backspace::Rubout, "a\x08 \x08"), (Backspace::Byte, "a\x08")] {
            let mut keyboard = PrintKeyboard::new(Vec::new(), backspace, Decoder::new());
            keyboard.send(press(0x04)).unwrap();
            keyboard.send(press(usage::BACKSPACE)).unwrap();
            assert_eq!(keyboard.writer, expected.as_bytes());
        }
    }

    #[test]
    fn only_a_terminal_is_rubbed_out() {
        let pty = nix::pty::openpty(None, None).unwrap();
        assert_eq!(Backspace::on(&std::fs::File::from(pty.slave)), Backspace::Rubout);
        assert_eq!(Backspace::on(&tempfile::tempfile().unwrap()), Backspace::Byte);
    }

    #[test]
    fn every_character_is_flushed() {
        let mut keyboard = PrintKeyboard::new(BufWriter::new(Vec::new()), Backspace::Byte, Decoder::new());
        keyboard.send(press(0x04)).unwrap();
        assert_eq!(keyboard.writer.get_ref(), b"a");
    }

    #[test]
    fn a_closed_pipe_is_a_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(Errno::EPIPE as i32))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut keyboard = PrintKeyboard::new(Closed, Backspace::Byte, Decoder::new());
        assert_eq!(keyboard.send(press(0x04)), Err(KeyboardError::Failed(Errno::EPIPE)));
    }
}
