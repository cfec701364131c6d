//! Dictation on a device without a screen: it never gives up. What is missing is shown by the light and tried again;
//! text waits meanwhile. Only a panic, or being told to, ends it.
//!
//! | what | then |
//! |---|---|
//! | no microphone, or it disappears | opened again, by a thread of its own; a dictation ends with what was heard |
//! | no button, keyboard or light | the same; untyped text waits for the keyboard |
//! | a model missing or altered, no recogniser | tried again, at growing intervals; speech waits in its slots |
//! | a recogniser that hangs or crashes | started again, and asked once more |
//! | a thread that hangs | the watchdog is no longer fed, and the machine reboots |
//! | a thread that panics | what can be typed at once is; then the program ends, to be started again |

mod devices;
mod reopen;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oratype_hal::gpio::{Button, Led};
use oratype_hal::hid::Keyboard;
use oratype_hal::pcm::Capture;
use oratype_hal::time::{Clock, Timestamp};
use oratype_hal::watchdog::Watchdog;

pub use self::devices::ReopenedMicrophone;
use self::devices::{ReopenedButton, ReopenedKeyboard, ReopenedLight};
pub use self::reopen::{Failure, Opener};
use crate::liveness::{Liveness, Supervision};
use crate::metrics::DictationReport;
use crate::pipeline::{BuildError, Fault, Parts, Pipeline, Recogniser};
use crate::recognise::protocol::Engine;
use crate::recognise::supervisor::SupervisorOptions;
use crate::report::About;
use crate::settings::Settings;
use crate::speech::SileroVad;
use crate::status::{Cause, Status};

/// How often the light, the watchdog and the signals are looked at. Ten times shorter than a flash of the light.
pub const CONTROL_INTERVAL: Duration = Duration::from_millis(50);

/// Between two tries to open a device: a person who plugs in a microphone waits no longer, and a try costs some
/// milliseconds.
pub const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// Between two tries to load the speech detector. It lies in memory, so this is for the improbable.
const VAD_PAUSE: Duration = Duration::from_secs(10);

/// How the board's devices are opened. Each is called on a thread of its own, whenever the device is wanted and not
/// there.
pub struct Devices {
    /// A live one.
    pub microphone: Opener<Box<dyn Capture>>,
    /// On the microphone's clock.
    pub button: Opener<Box<dyn Button>>,
    /// What is typed on.
    pub keyboard: Opener<Box<dyn Keyboard>>,
    /// The status light.
    pub light: Opener<Box<dyn Led>>,
}

/// What else the appliance is made of.
pub struct Options {
    /// The settings.
    pub settings: Settings,
    /// How recognisers are started.
    pub recogniser: SupervisorOptions,
    /// How segments are recognised.
    pub engine: Engine,
    /// Loads the speech detector, its weights checked.
    pub vad: Opener<SileroVad>,
    /// Reboots the machine when a thread is stuck; none where there is none.
    pub watchdog: Option<Watchdog>,
    /// `CLOCK_MONOTONIC`, but for tests.
    pub clock: Arc<dyn Clock>,
    /// See [`REOPEN_PAUSE`].
    pub reopen_pause: Duration,
    /// What a status report says of the device.
    pub about: About,
    /// Hears of every dictation, on the type thread.
    pub on_report: Box<dyn FnMut(DictationReport) + Send>,
}

/// Dictate until `stopping` is set, or a thread panics.
///
/// `lamp` says at each look whether the light is lit, from what the appliance does and what it lacks. To be called on
/// the main thread: it feeds the watchdog.
///
/// # Errors
/// When the system has no threads or memory left at the start. Otherwise what went wrong, if anything did: then the
/// program should be started again.
pub fn run(
    devices: Devices,
    options: Options,
    lamp: impl FnMut(&Status, Timestamp) -> bool,
    stopping: &AtomicBool,
) -> Result<Vec<Fault>, BuildError> {
    let Options { settings, recogniser, engine, mut vad, watchdog, clock, reopen_pause, about, on_report } =
        options;
    let status = Arc::new(Status::default());
    let pause = reopen_pause;
    // First of all, so that the light shows the rest.
    let light = ReopenedLight::start(devices.light, pause, &status)?;
    let source = ReopenedMicrophone::start(devices.microphone, pause, &status, Arc::clone(&clock))?;
    let button = ReopenedButton::start(devices.button, pause, &status)?;
    let keyboard = ReopenedKeyboard::start(devices.keyboard, pause, &status)?;
    let mut control = Control {
        light,
        lamp,
        status: Arc::clone(&status),
        watchdog,
        supervision: Supervision::default(),
        fed: true,
    };

    let nobody = Liveness::default();
    let Some(vad) = load(&mut vad, &status, &*clock, || {
        control.look(clock.now(), &nobody);
        stopping.load(Ordering::Relaxed)
    }) else {
        control.disarm();
        return Ok(Vec::new());
    };
    let mut pipeline = Pipeline::start(
        Parts {
            source: Box::new(source),
            button: Box::new(button),
            keyboard: Box::new(keyboard),
            clock: Arc::clone(&clock),
            vad,
            recogniser: Recogniser::deferred(recogniser, Arc::clone(&status))?,
            status,
            engine,
            about,
            on_report,
        },
        &settings,
    )?;
    let mut stopped = false;
    while !pipeline.wait(CONTROL_INTERVAL) {
        if stopping.load(Ordering::Relaxed) && !stopped {
            stopped = true;
            pipeline.stop();
        }
        control.look(clock.now(), pipeline.liveness());
    }
    let faults = pipeline.join();
    // Otherwise whoever starts the program again is in time to feed it.
    if stopped {
        control.disarm();
    }
    Ok(faults)
}

/// Load the speech detector, however often it takes; `None` when `stopped` answers true. It is asked all the time.
fn load(
    vad: &mut Opener<SileroVad>,
    status: &Status,
    clock: &dyn Clock,
    mut stopped: impl FnMut() -> bool,
) -> Option<SileroVad> {
    loop {
        match vad() {
            Ok(vad) => {
                status.set_lacking(Cause::Model, false);
                return Some(vad);
            }
            Err(error) => {
                status.set_lacking(Cause::Model, true);
                log::error!("{error}; next try in {} s", VAD_PAUSE.as_secs());
            }
        }
        let next_try = clock.now() + VAD_PAUSE;
        while clock.now() < next_try {
            if stopped() {
                return None;
            }
            clock.sleep_until(clock.now() + CONTROL_INTERVAL);
        }
    }
}

/// What the main thread does at each look.
struct Control<L> {
    light: ReopenedLight,
    lamp: L,
    status: Arc<Status>,
    watchdog: Option<Watchdog>,
    supervision: Supervision,
    /// The watchdog took the last feeding.
    fed: bool,
}

impl<L: FnMut(&Status, Timestamp) -> bool> Control<L> {
    fn look(&mut self, now: Timestamp, liveness: &Liveness) {
        let lit = (self.lamp)(&self.status, now);
        // It never fails: it is opened again.
        let _ = self.light.set(lit);
        if !self.supervision.may_feed(liveness) {
            return;
        }
        let Some(watchdog) = &mut self.watchdog else { return };
        let fed = watchdog.feed();
        if let Err(error) = &fed
            && self.fed
        {
            log::error!("{error}");
        }
        self.fed = fed.is_ok();
    }

    fn disarm(self) {
        if let Some(Err(error)) = self.watchdog.map(Watchdog::disarm) {
            log::warn!("{error}: the machine will reboot");
        }
    }
}

#[cfg(test)]
mod tests;
