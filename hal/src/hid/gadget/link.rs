//! Reports to a host that comes and goes: when one was taken, and what to do with one that was not.
//!
//! What the kernel tells (drivers/usb/gadget/function/f_hid.c, Linux 6.12):
//! - A write hands one report to the USB device controller. Until that has completed it, writes give EAGAIN and
//!   poll does not say POLLOUT. It is completed when the host has fetched it, or dropped when the host disables the
//!   function (reset, unplugged, unbound). Which of the two is told in the kernel's log only: a drop by a line
//!   before the completion, a success by none.
//! - While the function is disabled a write gives ESHUTDOWN, poll says POLLIN for ever, and a read gives ESHUTDOWN
//!   or, without an OUT endpoint, ENOMEM. While it is enabled a read gives a lock light report or EAGAIN.
//! - That a host has enabled it anew is notified on the controller's `state` attribute, so that a quick reset is not
//!   overlooked.
//! - What is in flight when the host sleeps stays so and is delivered when it wakes. dwc2 then refuses further
//!   writes with EAGAIN although poll says POLLOUT.
//! - Some controllers complete a report when it is in their buffer, before the host has fetched it: dummy_hcd
//!   holds one. That shows by POLLOUT at once after the write, before any host could ask.
//!
//! What follows from it:
//! - A report counts as sent when it was completed and not dropped. What was dropped is written again for the next
//!   host. Where the log cannot be read, what was in flight when the function was disabled counts as dropped; a key
//!   press that the host had just fetched is then typed twice.
//! - With a controller that buffers, each key press is written behind a repetition of the report before it, which
//!   takes the buffer, so that its own completion is true. Repetitions mean nothing to a host.
//! - A key goes down only on a host that has just fetched a report that changes nothing, and its release follows
//!   at once when it was fetched, so that no key stays down on a host that fell asleep.
//! - A host that has enumerated the keyboard gets such a report first, and time; see [`Stage::Settling`].
//!
//! What a host that has enumerated the keyboard tells of its readiness (drivers/hid and drivers/tty/vt/keyboard.c,
//! Linux 6.12):
//! - Its driver sends a lock light report with every light off before it asks for any report (usbhid_set_leds in
//!   usbhid_start). That says nothing.
//! - It asks for reports when its input layer opens the device (usbhid_open), and throws away what comes within 50 ms,
//!   and then until its probe is through, a moment later (driver_input_lock in hid-core.c). So a report that was
//!   fetched is a beginning, and not yet proof.
//! - Then, 50 ms or more after it began to ask, the console tells the lock lights if one is on (kbd_start). Desktops,
//!   Windows and macOS also tell them when they have opened the keyboard. A lock light report at this time is the sign
//!   that nearly everything is done.
//! - If no light is on, no sign comes. How long the rest takes can only be judged by how long the first part took,
//!   from the configuration to the first report fetched.
//! - Where a host changes its driver without a word to the keyboard, what it throws away then is lost.

use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use crate::hid::{HostLeds, KeyboardError, Report};
use crate::time::{Clock, Timestamp};

/// The longest a `send` waits for the host: the limit the trait sets.
const WAIT: Duration = Duration::from_millis(50);

/// A host that tells no lights gets so many times as long as it took from configuring the keyboard to asking it for
/// reports. Both parts are some probing and waiting, which take ten milliseconds and sixty where nothing else is going
/// on; on a loaded emulator the second was seen to take 200 ms, where a patience of 200 ms lost letters.
const PATIENCE_FACTOR: u32 = 20;
/// At least, because the first part is seen late, up to a whole interval of looking.
const PATIENCE_MIN: Duration = Duration::from_secs(1);
/// At most: a host that begins to ask so late was not slow; it had no driver.
const PATIENCE_MAX: Duration = Duration::from_secs(5);

/// Lights that a host tells from this time on after it asked for reports are a sign of readiness: later than the first
/// ones may be under way, earlier than Linux tells them (50 ms).
const LIGHTS_AFTER: Duration = Duration::from_millis(30);
/// What is left of the patience after them, in tenths: 300 ms or more for what takes Linux some microseconds.
const PATIENCE_AFTER_LIGHTS_TENTHS: u32 = 3;

/// A host that fetched a report this recently is there. Longer than the time between the reports of one character
/// (20 ms at the slowest pace), shorter than the way of a cable from one computer to the next.
const FRESH: Duration = Duration::from_millis(100);

/// How often a host that sleeps is asked to wake.
const WAKE_INTERVAL: Duration = Duration::from_secs(1);

/// Reports that greet a host: the first may only have filled the controller's buffer.
const GREETINGS: u8 = 2;

/// Lock light reports read at once at most: the kernel keeps one, or four with an OUT endpoint.
const LED_REPORTS_MAX: usize = 16;

/// Attempts to write two reports at once before the controller is taken to have no buffer: what is in it may have
/// to leave first.
const PAIR_ATTEMPTS: usize = 3;

/// What the link needs of a node of f_hid.
pub(super) trait Node: Send {
    /// Open the node anew; it may be another one after the gadget was bound again.
    fn reopen(&mut self, now: Timestamp) -> Result<(), Errno>;
    /// Hand over one report.
    fn write(&mut self, report: [u8; Report::BYTES]) -> Result<(), Errno>;
    /// Hand over two reports with nothing between them. False if only the first was taken.
    fn write_pair(&mut self, reports: [[u8; Report::BYTES]; 2]) -> Result<bool, Errno>;
    /// The next lock light report; EAGAIN if there is none, another error while the function is disabled.
    fn read(&mut self) -> Result<u8, Errno>;
    /// Wait until a report may be written (true), or something can be read, or `limit` is over.
    fn wait(&mut self, limit: Duration) -> bool;
    /// Whether a report that was written before was dropped, asked once after its completion; `None` if that is not
    /// to be learned.
    fn was_dropped(&mut self) -> Option<bool>;
    /// Whether a host has enabled the function since the last call, as far as is known.
    fn was_enabled(&mut self) -> bool;
    /// Whether the host sleeps, as far as is known.
    fn is_suspended(&mut self) -> bool;
    /// Ask the host to wake.
    fn wake_host(&mut self);
}

/// How far the host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has disabled the function, or there is none.
    Away,
    /// It is to fetch this many reports that change nothing before keys are sent. If it has just enumerated the
    /// keyboard, when that was seen.
    Greeting { left: u8, enumerated_at: Option<Timestamp> },
    /// It has just enumerated the keyboard and has fetched them, at this time. It gets so much time, or less from when
    /// it has told its lights.
    Settling { opened_at: Timestamp, patience: Duration, lights_at: Option<Timestamp> },
    /// It takes keys.
    Ready,
}

/// A report that was written and whose completion was not seen.
#[derive(Clone, Copy, Debug)]
struct Flight {
    report: Report,
    /// It is what the caller sends, not an addition of ours.
    asked: bool,
}

/// A node and what is known of the host behind it.
pub(super) struct Link<N> {
    node: N,
    clock: Arc<dyn Clock>,
    stage: Stage,
    in_flight: Option<Flight>,
    /// The last report that the host has fetched: what it believes to be down.
    host: Report,
    /// The last of the caller's reports that a host has fetched.
    sent: Report,
    /// It was fetched before the host left, and `send` has not said so yet.
    unconfirmed: bool,
    /// The controller completes reports that the host has not fetched.
    buffers: bool,
    fetched_at: Timestamp,
    asked_to_wake_at: Option<Timestamp>,
    leds: Option<HostLeds>,
    /// When there was no lock light report that had not been read.
    lights_read_at: Timestamp,
}

impl<N: Node> Link<N> {
    pub(super) const fn new(node: N, clock: Arc<dyn Clock>) -> Self {
        Self {
            node,
            clock,
            stage: Stage::Away,
            in_flight: None,
            host: Report::RELEASED,
            sent: Report::RELEASED,
            unconfirmed: false,
            buffers: false,
            fetched_at: Timestamp::ZERO,
            asked_to_wake_at: None,
            leds: None,
            lights_read_at: Timestamp::ZERO,
        }
    }

    /// As [`Keyboard::send`](crate::hid::Keyboard::send). After a refusal the next call continues where this one
    /// stopped; if it is for another report, one that is still in flight goes first.
    pub(super) fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        let deadline = self.clock.now() + WAIT;
        let enabled = self.check_enabled();
        if std::mem::take(&mut self.unconfirmed) && self.sent == report {
            return Ok(());
        }
        enabled?;
        if let Some(flight) = self.in_flight {
            self.complete(deadline)?;
            if flight.asked && flight.report == report {
                return Ok(());
            }
        }
        if self.is_asleep() {
            return Err(KeyboardError::HostAway);
        }
        if self.stage == Stage::Ready && self.clock.now() > self.fetched_at + FRESH {
            self.stage = Stage::Greeting { left: GREETINGS, enumerated_at: None };
        }
        self.meet(deadline)?;
        if !report.presses_after(self.host) {
            return self.deliver(report, true, deadline);
        }
        // A new host knows nothing of modifiers that are held, and needs them before their key.
        let held = self.sent.without_keys();
        if self.host.modifiers != held.modifiers {
            self.deliver(held, false, deadline)?;
        }
        self.press(report, deadline)
    }

    /// As [`Keyboard::meet_host`](crate::hid::Keyboard::meet_host).
    pub(super) fn meet_host(&mut self) -> bool {
        let deadline = self.clock.now() + WAIT;
        self.check_enabled().and_then(|()| self.meet(deadline)).is_ok() && !self.node.is_suspended()
    }

    /// Lock lights as the host last set them. What is known stays while it is away.
    pub(super) fn host_leds(&mut self) -> Option<HostLeds> {
        // That the host has gone is noted, and for `send` to tell.
        let _ = self.check_enabled();
        self.leds
    }

    /// Read what the host has sent; the error tells that it has disabled the function, if only for a moment.
    fn check_enabled(&mut self) -> Result<(), KeyboardError> {
        let was_enabled = self.node.was_enabled();
        if self.stage == Stage::Away {
            self.node.reopen(self.clock.now()).map_err(|_| KeyboardError::HostAway)?;
        } else if was_enabled {
            return Err(self.disabled());
        }
        for _ in 0..LED_REPORTS_MAX {
            match self.node.read() {
                Ok(bits) => {
                    self.leds = Some(HostLeds { num_lock: bits & 1 != 0, caps_lock: bits & 2 != 0 });
                    self.see_lights();
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {
                    self.lights_read_at = self.clock.now();
                    break;
                }
                Err(_) => return Err(self.disabled()),
            }
        }
        if self.stage == Stage::Away {
            self.stage = Stage::Greeting { left: GREETINGS, enumerated_at: Some(self.clock.now()) };
        }
        Ok(())
    }

    /// The host has told its lights, at some time since they were last read.
    fn see_lights(&mut self) {
        if let Stage::Settling { opened_at, lights_at, .. } = &mut self.stage
            && self.lights_read_at >= *opened_at + LIGHTS_AFTER
        {
            lights_at.get_or_insert(self.clock.now());
        }
    }

    /// What was in flight was fetched or dropped; what the host knew is gone.
    fn disabled(&mut self) -> KeyboardError {
        self.stage = Stage::Away;
        let dropped = self.node.was_dropped().unwrap_or(true);
        if let Some(flight) = self.in_flight.take()
            && flight.asked
            && !dropped
        {
            self.sent = flight.report;
            self.unconfirmed = true;
        }
        self.host = Report::RELEASED;
        KeyboardError::HostAway
    }

    /// Whether the host sleeps; if so it is asked to wake.
    fn is_asleep(&mut self) -> bool {
        let asleep = self.node.is_suspended();
        let now = self.clock.now();
        if asleep && self.asked_to_wake_at.is_none_or(|at| now >= at + WAKE_INTERVAL) {
            self.asked_to_wake_at = Some(now);
            self.node.wake_host();
        }
        asleep
    }

    /// Bring the host to where it takes keys.
    fn meet(&mut self, deadline: Timestamp) -> Result<(), KeyboardError> {
        while let Stage::Greeting { left, enumerated_at } = self.stage {
            if left > 0 {
                self.complete(deadline)?;
                self.write(self.host.without_keys(), false, deadline)?;
                // Better learned now than from a key press, whose completion then is not true.
                self.buffers |= self.node.wait(Duration::ZERO);
                self.complete(deadline)?;
                self.stage = Stage::Greeting { left: left - 1, enumerated_at };
            } else if let Some(enumerated_at) = enumerated_at {
                let opened_at = self.clock.now();
                let patience =
                    (PATIENCE_FACTOR * (opened_at - enumerated_at)).clamp(PATIENCE_MIN, PATIENCE_MAX);
                self.stage = Stage::Settling { opened_at, patience, lights_at: None };
            } else {
                self.stage = Stage::Ready;
            }
        }
        if let Stage::Settling { opened_at, patience, lights_at } = self.stage {
            let until = lights_at.map_or(opened_at + patience, |lights_at| {
                (lights_at + patience * PATIENCE_AFTER_LIGHTS_TENTHS / 10).min(opened_at + patience)
            });
            self.clock.sleep_until(until.min(deadline));
            self.check_enabled()?;
            if self.clock.now() < until {
                return Err(KeyboardError::HostAway);
            }
            self.stage = Stage::Ready;
        }
        Ok(())
    }

    /// A report in which a key goes down, with a completion that is true.
    fn press(&mut self, report: Report, deadline: Timestamp) -> Result<(), KeyboardError> {
        for _ in 0..PAIR_ATTEMPTS {
            if !self.buffers {
                break;
            }
            // A report that changes nothing, for the buffer.
            let pair = [self.host, report].map(Report::to_bytes);
            let both = self.try_write(deadline, |node| node.write_pair(pair))?;
            let (report, asked) = if both { (report, true) } else { (self.host, false) };
            self.in_flight = Some(Flight { report, asked });
            self.complete(deadline)?;
            if both {
                return Ok(());
            }
        }
        self.buffers = false;
        self.write(report, true, deadline)?;
        if self.node.wait(Duration::ZERO) {
            // It is in the controller's buffer. The same behind it is fetched only after it.
            self.buffers = true;
            self.write(report, true, deadline)?;
        }
        self.complete(deadline)
    }

    fn deliver(&mut self, report: Report, asked: bool, deadline: Timestamp) -> Result<(), KeyboardError> {
        self.write(report, asked, deadline)?;
        self.complete(deadline)
    }

    /// Hand a report to the controller.
    fn write(&mut self, report: Report, asked: bool, deadline: Timestamp) -> Result<(), KeyboardError> {
        self.try_write(deadline, |node| node.write(report.to_bytes()))?;
        self.in_flight = Some(Flight { report, asked });
        Ok(())
    }

    fn try_write<T>(
        &mut self,
        deadline: Timestamp,
        mut write: impl FnMut(&mut N) -> Result<T, Errno>,
    ) -> Result<T, KeyboardError> {
        let mut waited = false;
        loop {
            match write(&mut self.node) {
                Ok(written) => return Ok(written),
                Err(Errno::EINTR) => {}
                // What another process has left in flight has to go first. Refused again: dwc2 with a host asleep.
                Err(Errno::EAGAIN) if !waited => {
                    waited = self.node.wait(deadline.saturating_sub(self.clock.now()));
                    self.check_enabled()?;
                    if !waited && self.clock.now() >= deadline {
                        return Err(KeyboardError::HostAway);
                    }
                }
                Err(Errno::EAGAIN) => return Err(KeyboardError::HostAway),
                // EINVAL: the endpoint was disabled under the write.
                Err(Errno::ESHUTDOWN | Errno::EINVAL | Errno::ENODEV | Errno::ENXIO) => {
                    return Err(self.disabled());
                }
                Err(errno) => return Err(KeyboardError::Failed(errno)),
            }
        }
    }

    /// Wait until what is in flight was fetched.
    fn complete(&mut self, deadline: Timestamp) -> Result<(), KeyboardError> {
        while let Some(flight) = self.in_flight {
            if self.node.wait(deadline.saturating_sub(self.clock.now())) {
                if self.node.was_dropped() == Some(true) {
                    self.in_flight = None;
                    return Err(self.disabled());
                }
                self.check_enabled()?;
                self.in_flight = None;
                self.host = flight.report;
                self.fetched_at = self.clock.now();
                if flight.asked {
                    self.sent = flight.report;
                }
                continue;
            }
            self.check_enabled()?;
            if self.clock.now() >= deadline {
                return Err(KeyboardError::HostAway);
            }
        }
        Ok(())
    }
}
