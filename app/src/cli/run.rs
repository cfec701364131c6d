//! `oratype run`: dictate.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgGroup, Args, CommandFactory};
use oratype::metrics::DictationReport;
use oratype::pipeline::{Parts, Pipeline, Recogniser};
use oratype::recognise::protocol::Engine;
use oratype::report::About;
use oratype::status::Lamp;
use oratype_hal::gpio::{Button, Led, TerminalButton, TerminalLed};
use oratype_hal::pcm::Capture;
use oratype_hal::time::{Clock, MonotonicClock};

use super::{Pace, Refusal, appliance, parts};

/// How often the light and the signals are looked at.
const CONTROL_INTERVAL: Duration = Duration::from_millis(50);
/// What shells give a program that Ctrl-C ended.
pub(super) const EXIT_INTERRUPTED: u8 = 130;

#[derive(Args)]
#[command(group(ArgGroup::new("source")))]
pub(super) struct RunArgs {
    #[command(flatten)]
    common: super::Common,
    /// Dictate these recordings, one after another; the button is held while each one plays.
    ///
    /// Standard output then carries exactly what is typed, and a newline after each recording's text.
    #[arg(long, value_name = "FILE", num_args = 1.., group = "source")]
    wav: Vec<PathBuf>,
    /// Dictate from a microphone: the ALSA device PCM, or the board's own. Enter starts and ends a dictation
    #[arg(long, value_name = "PCM", num_args = 0..=1, group = "source")]
    mic: Option<Option<String>>,
    /// Where to type: `print` (decoded, to standard output; the default on a PC), `uinput` (into this computer), or a
    /// PATH that gets raw 8-byte boot keyboard reports: a file, a pipe, or a /dev/hidgN. A board with a USB port of its
    /// own makes a keyboard of it
    #[arg(long = "type", value_name = "print|uinput|PATH")]
    type_to: Option<parts::TypeTo>,
    /// How fast recordings play
    #[arg(long, value_enum, default_value_t = Pace::Realtime)]
    pace: Pace,
    /// Print how long each stage took, at the end
    #[arg(long)]
    latency: bool,
}

/// Dictate until the recordings are over, or a signal comes.
pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Refusal> {
    let stopping = on_signals()?;
    let (board, model) = parts::board(args.common.board.as_deref())?;
    if args.wav.is_empty() && args.mic.is_none() {
        if parts::is_appliance(&board) {
            return appliance::run(&args.common, args.type_to.as_ref(), board, model, &stopping);
        }
        let message = "nothing to dictate: name recordings with --wav, or a microphone with --mic";
        super::Cli::command().error(ErrorKind::MissingRequiredArgument, message).exit();
    }
    let mut settings = parts::settings(&args.common.settings)?;
    let clock = Arc::new(MonotonicClock);
    let from_wav = args.mic.is_none();
    if from_wav {
        // Each recording is a whole: the text shall not depend on how quickly they are recognised.
        settings.ignore_the_clock();
    }
    // What can be refused is looked at before the recogniser is started, a second later.
    let recordings = match from_wav {
        true => Some(parts::recordings(&args.wav, args.pace, &settings, false, None)?),
        false => None,
    };
    let type_to = args.type_to.as_ref().unwrap_or(&parts::TypeTo::Print);
    let keyboard = parts::keyboard(type_to, from_wav, &settings.typing)?;
    let vad = parts::vad(&args.common)?;
    let decoding = parts::decoding(&board);
    let recogniser = Recogniser::start(parts::recogniser(&args.common, &board, &settings))?;
    let (source, button): (Box<dyn Capture>, Box<dyn Button>) = match recordings {
        Some((source, button)) => (Box::new(source), Box::new(button)),
        None => {
            let name = args.mic.as_ref().and_then(|pcm| pcm.as_deref());
            let microphone = parts::microphone(name, &board, &settings)?;
            settings.audio.gain_db += board.microphone_gain_db;
            // Surely longer than bouncing, and surely shorter than a hold.
            let tap = (settings.button.debounce + settings.button.tap) / 2;
            (Box::new(microphone), Box::new(TerminalButton::stdin(clock.clone(), tap)))
        }
    };
    if from_wav && args.pace == Pace::Fast {
        settings.ignore_the_pacing();
    }
    let (reports, finished) = channel();
    let mut pipeline = Pipeline::start(
        Parts {
            source,
            button,
            keyboard,
            clock: clock.clone(),
            vad,
            recogniser,
            status: Arc::default(),
            engine: Engine::Product(decoding),
            about: About { board: model, settings_problems: Vec::new() },
            on_report: Box::new(move |report| {
                if from_wav {
                    // A reader that went away has seen enough.
                    let _ = writeln!(stdout());
                }
                let _ = reports.send(report);
            }),
        },
        &settings,
    )?;
    if !from_wav {
        eprintln!("Ready. Press Enter, speak, press Enter again; the words follow. Ctrl-C ends.");
    }
    let interrupted = control(&mut pipeline, &stopping, clock.as_ref(), !from_wav) && from_wav;
    let faults = pipeline.join();
    let reports: Vec<_> = finished.try_iter().collect();
    if args.latency {
        eprint!("{}", latency_table(&reports));
    }
    for fault in &faults {
        eprintln!("oratype: {fault}");
    }
    Ok(match (faults.is_empty(), interrupted) {
        (true, false) => ExitCode::SUCCESS,
        (true, true) => {
            eprintln!("oratype: interrupted in recording {} of {}", reports.len().max(1), args.wav.len());
            ExitCode::from(EXIT_INTERRUPTED)
        }
        (false, _) => ExitCode::FAILURE,
    })
}

/// Light and signals, until everything is typed. Whether a signal ended the capture before its source did.
fn control(pipeline: &mut Pipeline, stopping: &AtomicBool, clock: &dyn Clock, light: bool) -> bool {
    let mut led = light.then(TerminalLed::stderr);
    let mut lamp = Lamp::new(clock.now());
    let mut stopped = false;
    let mut interrupted = false;
    while !pipeline.wait(CONTROL_INTERVAL) {
        if stopping.load(Ordering::Relaxed) && !stopped {
            stopped = true;
            interrupted = pipeline.stop();
        }
        let now = clock.now();
        let state = pipeline.status().light(now);
        if lamp.show(state, now) {
            log::info!("{}", state.name());
        }
        if let Some(shown) = &mut led
            && let Err(error) = shown.set(lamp.is_lit(now))
        {
            log::warn!("light: {error}");
            led = None;
        }
    }
    interrupted
}

/// The first SIGINT or SIGTERM asks for an orderly end; the second ends the process at once.
pub(super) fn on_signals() -> Result<Arc<AtomicBool>, Refusal> {
    use signal_hook::consts::TERM_SIGNALS;
    let stopping = Arc::new(AtomicBool::new(false));
    for &signal in TERM_SIGNALS {
        let at_once = i32::from(EXIT_INTERRUPTED);
        signal_hook::flag::register_conditional_shutdown(signal, at_once, Arc::clone(&stopping))?;
        signal_hook::flag::register(signal, Arc::clone(&stopping))?;
    }
    Ok(stopping)
}

fn latency_table(reports: &[DictationReport]) -> String {
    let ms = |d: Duration| format!("{:.0}", d.as_secs_f64() * 1e3);
    let maybe_ms = |d: Option<Duration>| d.map_or_else(|| "–".to_owned(), ms);
    let mut table = format!(
        "\n{:>9}{:>10}{:>10}{:>10}{:>11}{:>11}   ms\n",
        "dictation", "tail", "encode", "decode", "first key", "last key"
    );
    for r in reports {
        table += &format!(
            "{:>9}{:>10}{:>10}{:>10}{:>11}{:>11}\n",
            r.number + 1,
            ms(r.endpoint),
            ms(r.encode),
            ms(r.decode),
            maybe_ms(r.release_to_first_key),
            maybe_ms(r.release_to_last_key),
        );
    }
    table + "Tail, first key and last key are counted from the release of the button.\n"
}
