//! A keyboard that also writes what it types as text.

use std::io::Write;

use super::{Decode, HostLeds, Keyboard, KeyboardError, PrintKeyboard, Report};

/// Sends to `keyboard`; what that accepted is decoded and written to a writer as well.
///
/// The writer is only a witness: when it fails, that is logged once and typing goes on without it.
pub struct Echo<K, W, D> {
    keyboard: K,
    print: Option<PrintKeyboard<W, D>>,
}

impl<K: Keyboard, W: Write + Send, D: Decode> Echo<K, W, D> {
    /// Type to `keyboard` and show it by `print`.
    pub const fn new(keyboard: K, print: PrintKeyboard<W, D>) -> Self {
        Self { keyboard, print: Some(print) }
    }
}

impl<K: Keyboard, W: Write + Send, D: Decode> Keyboard for Echo<K, W, D> {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        self.keyboard.send(report)?;
        if let Some(print) = &mut self.print
            && let Err(error) = print.send(report)
        {
            log::warn!("typed text is no longer shown: {error}");
            self.print = None;
        }
        Ok(())
    }

    fn host_leds(&mut self) -> Option<HostLeds> {
        let leds = self.keyboard.host_leds();
        if let (Some(print), Some(leds)) = (&mut self.print, leds) {
            print.set_caps_lock(leds.caps_lock);
        }
        leds
    }

    fn meet_host(&mut self) -> bool {
        self.keyboard.meet_host()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::hid::conformance::{self, Fixture, ScriptedKeyboard};
    use crate::hid::{Backspace, Decoder};

    fn print<W: Write + Send>(writer: W) -> PrintKeyboard<W, Decoder> {
        PrintKeyboard::new(writer, Backspace::Byte, Decoder::new())
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Echoed {
        host: ScriptedKeyboard,
        shown: Shared,
        echo: Echo<ScriptedKeyboard, Shared, Decoder>,
    }

    fn echoed() -> Echoed {
        let (host, shown) = (ScriptedKeyboard::default(), Shared::default());
        let echo = Echo::new(host.clone(), print(shown.clone()));
        Echoed { host, shown, echo }
    }

    impl Fixture for Echoed {
        fn keyboard(&mut self) -> &mut dyn Keyboard {
            &mut self.echo
        }
        fn typed(&mut self) -> String {
            let shown = String::from_utf8(self.shown.0.lock().unwrap().clone()).unwrap();
            assert_eq!(shown, self.host.typed(), "shown and typed differ");
            shown
        }
        fn set_host_present(&mut self, present: bool) -> bool {
            self.host.set_host_present(present);
            true
        }
    }

    #[test]
    fn conforms() {
        conformance::run(echoed);
    }

    #[test]
    fn shows_what_a_host_with_caps_lock_shows() {
        let mut e = echoed();
        e.host.set_caps_lock(true);
        assert!(e.echo.host_leds().unwrap().caps_lock);
        e.echo.send(Report { modifiers: 0, keys: [0x04, 0, 0, 0, 0, 0] }).unwrap();
        assert_eq!(e.typed(), "A");
    }

    #[test]
    fn types_on_when_the_writer_fails() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::Error::from_raw_os_error(nix::errno::Errno::ENOSPC as i32))
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let host = ScriptedKeyboard::default();
        let mut echo = Echo::new(host.clone(), print(Full));
        for key in [0x04, 0x05] {
            echo.send(Report { modifiers: 0, keys: [key, 0, 0, 0, 0, 0] }).unwrap();
        }
        assert_eq!(host.typed(), "ab");
    }
}
