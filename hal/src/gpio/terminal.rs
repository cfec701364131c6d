//! The terminal as a button and a light, for a computer without either.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Stderr, Stdin, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd;

use super::{Button, Edge, GpioError, Led};
use crate::time::{Clock, Timestamp};

/// Bytes read at once. Each may be a tap, so this also bounds the edges that wait.
const READ_BYTES: usize = 32;

/// A button that is tapped by pressing Enter: every line end in the input is one tap.
///
/// A terminal tells of presses only, so this button cannot be held. Lines that come faster than taps can are spread
/// out in time. When the input ends there are no more taps; that is not an error.
pub struct TerminalButton<F> {
    input: Option<F>,
    clock: Arc<dyn Clock>,
    /// How long a tap lasts, and the least time between two.
    tap: Duration,
    edges: VecDeque<Edge>,
    /// When the next tap can begin.
    free_at: Timestamp,
}

impl TerminalButton<Stdin> {
    /// Standard input, stamped with `clock`; a tap is `tap` long.
    pub fn stdin(clock: Arc<dyn Clock>, tap: Duration) -> Self {
        Self::new(io::stdin(), clock, tap)
    }
}

impl<F: AsFd> TerminalButton<F> {
    /// Any file, pipe or terminal, stamped with `clock`; a tap is `tap` long.
    pub fn new(input: F, clock: Arc<dyn Clock>, tap: Duration) -> Self {
        Self {
            input: Some(input),
            clock,
            tap,
            edges: VecDeque::with_capacity(2 * READ_BYTES),
            free_at: Timestamp::ZERO,
        }
    }

    /// Take what is there to read, if anything.
    fn read(&mut self) -> Result<(), Errno> {
        let Some(input) = &self.input else { return Ok(()) };
        let mut bytes = [0; READ_BYTES];
        let count = match poll(&mut [PollFd::new(input.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) {
            Ok(0) => return Ok(()),
            // A hang-up or an invalid descriptor is readable too: the read says which.
            Ok(_) => unistd::read(input, &mut bytes),
            Err(e) => Err(e),
        };
        match count {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // EBADF: standard input was closed. EIO: the terminal is gone, or belongs to another program.
            Ok(0) | Err(Errno::EBADF | Errno::EIO) => self.input = None,
            Err(errno) => return Err(errno),
            Ok(count) => {
                for _ in bytes[..count].iter().filter(|&&b| b == b'\n') {
                    let down = self.free_at.max(self.clock.now());
                    self.edges.push_back(Edge { at: down, pressed: true });
                    self.edges.push_back(Edge { at: down + self.tap, pressed: false });
                    self.free_at = down + 2 * self.tap;
                }
            }
        }
        Ok(())
    }
}

impl<F: AsFd + Send> Button for TerminalButton<F> {
    fn next_edge(&mut self, until: Timestamp) -> Result<Option<Edge>, GpioError> {
        if self.edges.is_empty() {
            self.read().map_err(GpioError)?;
        }
        Ok(self.edges.pop_front_if(|edge| edge.at <= until))
    }
}

/// A light at the right edge of the terminal's current line: ● lit, ○ dark.
///
/// The cursor stays where it is, so that text and log lines are not disturbed. Without a terminal it shows nothing.
pub struct TerminalLed<W> {
    terminal: Option<W>,
    lit: Option<bool>,
}

impl TerminalLed<Stderr> {
    /// Standard error, if that is a terminal.
    pub fn stderr() -> Self {
        let stderr = io::stderr();
        let is_terminal = stderr.is_terminal();
        Self::new(stderr, is_terminal)
    }
}

impl<W: Write> TerminalLed<W> {
    /// Show on `writer` if `is_terminal`, else nowhere.
    pub fn new(writer: W, is_terminal: bool) -> Self {
        Self { terminal: is_terminal.then_some(writer), lit: None }
    }
}

impl<W: Write + Send> Led for TerminalLed<W> {
    fn set(&mut self, lit: bool) -> Result<(), GpioError> {
        if self.lit == Some(lit) {
            return Ok(());
        }
        self.lit = Some(lit);
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        // DECSC, to the last column (CUF stops there), the light, DECRC.
        let light = if lit { "\x1b7\x1b[999C●\x1b8" } else { "\x1b7\x1b[999C○\x1b8" };
        terminal
            .write_all(light.as_bytes())
            .and_then(|()| terminal.flush())
            .map_err(|e| GpioError(e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::sync::Mutex;

    const TAP: Duration = Duration::from_millis(50);

    use super::*;
    use crate::gpio::conformance;

    const MS: Duration = Duration::from_millis(1);

    struct SetClock(Mutex<Timestamp>);

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
        fn sleep_until(&self, deadline: Timestamp) {
            let mut now = self.0.lock().unwrap();
            *now = deadline.max(*now);
        }
    }

    fn button() -> (TerminalButton<OwnedFd>, File, Arc<SetClock>) {
        let (reader, writer) = unistd::pipe().unwrap();
        let clock = Arc::new(SetClock(Mutex::new(1000 * MS)));
        (TerminalButton::new(reader, clock.clone(), TAP), writer.into(), clock)
    }

    fn edges(times_ms: &[u32]) -> Vec<Edge> {
        times_ms.iter().enumerate().map(|(i, &t)| Edge { at: t * MS, pressed: i % 2 == 0 }).collect()
    }

    #[test]
    fn enter_is_a_tap() {
        let (mut button, mut keys, _) = button();
        keys.write_all(b"no matter what\n").unwrap();
        conformance::check_button(&mut button, &edges(&[1000, 1050]));
    }

    #[test]
    fn taps_come_in_order_however_fast() {
        let (mut button, mut keys, _) = button();
        keys.write_all(b"\n\n\n").unwrap();
        conformance::check_button(&mut button, &edges(&[1000, 1050, 1100, 1150, 1200, 1250]));
    }

    #[test]
    fn a_tap_is_stamped_when_it_is_seen() {
        let (mut button, mut keys, clock) = button();
        assert_eq!(button.next_edge(clock.now()), Ok(None));
        clock.sleep_until(5000 * MS);
        keys.write_all(b"\n").unwrap();
        conformance::check_button(&mut button, &edges(&[5000, 5050]));
    }

    #[test]
    fn a_flood_of_lines_waits_in_the_kernel() {
        let (mut button, mut keys, _) = button();
        keys.write_all(&[b'\n'; 1000]).unwrap();
        let mut taps = 0;
        while button.next_edge(Timestamp::MAX).unwrap().is_some() {
            assert!(button.edges.len() < 2 * READ_BYTES);
            taps += 1;
        }
        assert_eq!(taps, 2000);
    }

    #[test]
    fn the_end_of_the_input_ends_the_taps() {
        let (mut button, mut keys, _) = button();
        keys.write_all(b"\nhalf a line").unwrap();
        drop(keys);
        conformance::check_button(&mut button, &edges(&[1000, 1050]));
        assert!(button.input.is_none(), "it would go on polling");
    }

    #[test]
    fn the_led_conforms() {
        #[derive(Clone, Default)]
        struct Screen(Arc<Mutex<Vec<u8>>>);
        impl Write for Screen {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let screen = Screen::default();
        let mut led = TerminalLed::new(screen.clone(), true);
        conformance::check_led(&mut led, || {
            let shown = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
            shown.rfind('●') > shown.rfind('○')
        });
    }

    #[test]
    fn the_led_writes_changes_only_and_to_terminals_only() {
        let mut led = TerminalLed::new(Vec::new(), true);
        led.set(true).unwrap();
        let once = led.terminal.clone();
        led.set(true).unwrap();
        assert_eq!(led.terminal, once);

        let mut file = Vec::new();
        TerminalLed::new(&mut file, false).set(true).unwrap();
        assert!(file.is_empty());
    }
}
