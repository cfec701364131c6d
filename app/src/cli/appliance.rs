//! `oratype run` on a board of its own: its microphone, button and light, and a keyboard made of its USB port.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use oratype::appliance::{self, Devices, Options, REOPEN_PAUSE};
use oratype::recognise::protocol::Engine;
use oratype::report::About;
use oratype::status::{Lamp, Status};
use oratype_board::{Board, Pins};
use oratype_hal::cpufreq;
use oratype_hal::gpio::{ButtonLine, LedLine, open_button, open_led};
use oratype_hal::hid::GadgetKeyboard;
use oratype_hal::time::{Clock, MonotonicClock, Timestamp};
use oratype_hal::watchdog::Watchdog;

use super::{Common, Refusal, parts};

/// The first hardware watchdog.
const WATCHDOG: &str = "/dev/watchdog";
/// How long a try to make the gadget waits for the USB controller to appear; there is always another try.
const UDC_WAIT: Duration = Duration::from_secs(1);

/// Dictate until a signal comes. Nothing that is missing or wrong ends it: the light shows it.
pub(super) fn run(
    common: &Common,
    type_to: Option<&parts::TypeTo>,
    board: Board,
    model: String,
    stopping: &AtomicBool,
) -> Result<ExitCode, Refusal> {
    let (mut settings, mut settings_problems) = parts::settings_at_any_rate(common);
    settings.audio.gain_db += board.microphone_gain_db;
    let gpio = board.gpio.ok_or("this board has neither button nor light")?;
    let asked = Pins { button: settings.button.gpio, light: settings.light.gpio };
    let (pins, pin_problems) = gpio.choose(asked);
    settings_problems.extend(pin_problems.iter().map(ToString::to_string));
    for problem in &settings_problems {
        log::warn!("settings: {problem}; the default is used");
    }
    if let Err(error) = cpufreq::set_governor(Path::new(cpufreq::POLICIES), "performance") {
        log::warn!("the processor may run slower than it could: {error}");
    }
    // Before other threads are started, which keep off the recogniser's cores.
    let recogniser = parts::recogniser(common, &board, &settings);
    let watchdog = board.watchdog_timeout_max.and_then(|timeout| {
        Watchdog::open(Path::new(WATCHDOG), timeout)
            .inspect_err(|error| log::warn!("a hang will not reboot this machine: {error}"))
            .ok()
    });

    let clock = Arc::new(MonotonicClock);
    let devices = Devices {
        microphone: {
            let (board, settings) = (board.clone(), settings.clone());
            Box::new(move || Ok(Box::new(parts::microphone(None, &board, &settings)?)))
        },
        button: {
            let clock = Arc::clone(&clock);
            let (chip_labels, active_low) = (gpio.chip_labels, gpio.button_active_low);
            let line = ButtonLine { chip_labels, line: pins.button, active_low };
            Box::new(move || Ok(open_button(&line, clock.clone())?))
        },
        keyboard: match type_to.cloned() {
            Some(elsewhere) => {
                let typing = settings.typing.clone();
                Box::new(move || parts::keyboard(&elsewhere, false, &typing))
            }
            None => {
                let own = board.udc.unwrap_or_default().to_owned();
                let asked = settings.usb.udc.clone();
                let udc = if asked.is_empty() { own } else { asked };
                Box::new(move || Ok(Box::new(GadgetKeyboard::create(&udc, UDC_WAIT)?)))
            }
        },
        light: Box::new(move || {
            Ok(open_led(&LedLine { chip_labels: gpio.chip_labels, line: pins.light }, false)?)
        }),
    };
    let vad = {
        let common = common.clone();
        Box::new(move || parts::vad(&common))
    };
    let options = Options {
        about: About { board: model, settings_problems },
        settings,
        recogniser,
        engine: Engine::Product(parts::decoding(&board)),
        vad,
        watchdog,
        clock: clock.clone(),
        reopen_pause: REOPEN_PAUSE,
        // Not the words: what was said is nobody's business.
        on_report: Box::new(|report| {
            log::info!("dictation {}: {} characters", report.number + 1, report.text.chars().count());
        }),
    };
    let mut lamp = Lamp::new(clock.now());
    let show = |status: &Status, now: Timestamp| {
        let light = status.light(now);
        if lamp.show(light, now) {
            log::info!("{}", light.name());
        }
        lamp.is_lit(now)
    };
    let faults = appliance::run(devices, options, show, stopping)?;
    for fault in &faults {
        log::error!("{fault}");
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use oratype::listen::frontend::FrontEnd;
    use oratype::settings::Settings;
    use oratype_hal::pcm::{SampleFormat, StreamFormat};

    /// Otherwise a device would never dictate, for a number in its settings that was accepted.
    #[test]
    fn the_gain_of_every_board_can_be_changed_as_far_as_the_settings_go() {
        let format = StreamFormat { rate_hz: 48_000, channels: 2, sample: SampleFormat::S32 };
        for gain_db in [-20, 60] {
            let (settings, problems) = Settings::from_toml(&format!("[audio]\ngain_db = {gain_db}"));
            assert!(problems.is_empty(), "{problems:?}");
            for board in oratype_board::appliances() {
                let gain_db = settings.audio.gain_db + board.microphone_gain_db;
                assert!(FrontEnd::new(format, gain_db).is_ok(), "{}: {gain_db} dB", board.name);
            }
        }
    }
}
