//! `oratype bench`: accuracy and speed on a set of recordings.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write, sink, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use oratype::bench::comparison::Comparison;
use oratype::bench::manifest::{self, Utterance};
use oratype::bench::report::{self, PeakRss, StageTimes, Summary, UtteranceResult};
use oratype::metrics::{DictationReport, peak_rss_bytes, process_cpu};
use oratype::pipeline::{Parts, Pipeline, Recogniser};
use oratype::recognise::policy::{Decoding, Guards};
use oratype::recognise::protocol;
use oratype::report::About;
use oratype::speech::SpeechDetector;
use oratype_board::Board;
use oratype_hal::hid::{Backspace, Decoder, PrintKeyboard};
use oratype_hal::time::MonotonicClock;

use super::parts::{self, RELEASED_AFTER_MAX};
use super::{Pace, Refusal};

#[derive(Args)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    common: super::Common,
    /// Recordings and what is said in them: tab separated, with the header
    /// `id path duration_s speaker reference`, paths relative to the file
    #[arg(long, value_name = "MANIFEST.tsv", required_unless_present = "score")]
    set: Option<PathBuf>,
    /// Sum up the results in this file, of this or another engine, instead of measuring. Given again, those of several
    /// sets together
    #[arg(long, value_name = "FILE.jsonl", conflicts_with = "set")]
    score: Vec<PathBuf>,
    /// Compare with the results in this file, utterance by utterance; may be given again too
    #[arg(long, value_name = "FILE.jsonl", requires = "score")]
    against: Vec<PathBuf>,
    /// How fast recordings play; latencies as a person would see them need `realtime` (but for a full stop at the end,
    /// which a dictation holds back for a moment, and a recording does not)
    #[arg(long, value_enum, default_value_t = Pace::Realtime)]
    pace: Pace,
    /// Write a line of JSON for each utterance
    #[arg(long, value_name = "FILE.jsonl")]
    out: Option<PathBuf>,
    /// How speech is recognised
    #[arg(long, value_enum, default_value_t = Engine::Product)]
    engine: Engine,
    /// Release the button so many milliseconds after the last word, as the speech detector hears it, instead of at the
    /// end of the recording
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u16).range(..=RELEASED_AFTER_MAX.as_millis() as i64))]
    released_after: Option<u16>,
    /// Silence that the decoder sees behind each segment, in encoder positions of 20 ms
    #[arg(long, value_name = "POSITIONS", default_value_t = Decoding::STANDARD.margin_positions)]
    margin: u16,
    /// Encoder positions that the retries of one segment may cost; without it what the board allows
    #[arg(long, value_name = "POSITIONS")]
    retries: Option<u16>,
    /// How often to look again where another word was nearly as likely
    #[arg(long, value_name = "N", default_value_t = Decoding::STANDARD.second_looks)]
    second_looks: u8,
    /// Tell the decoder how the text before each segment of a dictation ends
    #[arg(long)]
    prompt: bool,
    /// Leave out a guard, to see what it is worth
    #[arg(long, value_name = "GUARD", value_enum)]
    without: Vec<Guard>,
    /// The model file, instead of the one in the folder of models; whisper.cpp's formats
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

/// How speech is recognised.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// Oratype's own way: context cut to the speech, guarded
    Product,
    /// whisper.cpp's own: the whole 30 s window, beam search of five; for comparison
    FullContext,
}

/// What makes Oratype recognise again.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Guard {
    /// More words than fit the time, or a loop
    Endless,
    /// The text ends before the speech
    Unheard,
    /// The model doubts its words
    Doubt,
    /// The text ends with the same words twice
    Twice,
}

impl BenchArgs {
    fn engine(&self, board: &Board) -> protocol::Engine {
        let on = |guard| !self.without.contains(&guard);
        let guards = Guards {
            endless: on(Guard::Endless),
            unheard: on(Guard::Unheard),
            doubt: on(Guard::Doubt),
            twice: on(Guard::Twice),
        };
        let standard = parts::decoding(board);
        let retry_positions = self.retries.unwrap_or(standard.retry_positions);
        match self.engine {
            Engine::Product => protocol::Engine::Product(Decoding {
                margin_positions: self.margin,
                retry_positions,
                second_looks: self.second_looks,
                prompt: self.prompt,
                guards,
            }),
            Engine::FullContext => protocol::Engine::FullContext,
        }
    }
}

/// Measure, or score what was measured.
pub(super) fn bench(args: &BenchArgs) -> Result<ExitCode, Refusal> {
    if let Some(set) = &args.set {
        write!(stdout(), "{}", measure(args, set)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let results = report::load_all(&args.score)?;
    write!(stdout(), "{}", Summary::of(&results, None))?;
    if !args.against.is_empty() {
        let comparison = Comparison::of(&results, &report::load_all(&args.against)?);
        let comparison =
            comparison.ok_or("the two have no utterance in common in which something is said")?;
        write!(stdout(), "{comparison}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &BenchArgs, set: &Path) -> Result<Summary, Refusal> {
    let utterances = manifest::load(set)?;
    let mut out = match &args.out {
        Some(path) => {
            let file = File::create(path).map_err(|e| not_written(path, &e))?;
            Some((path, BufWriter::new(file)))
        }
        None => None,
    };
    let mut settings = parts::settings(&args.common.settings)?;
    // Every utterance is a text of its own.
    settings.dictation.space_between = false;
    // Nor what the recordings have to do with each other.
    settings.ignore_the_clock();
    if args.pace == Pace::Fast {
        settings.ignore_the_pacing();
    }
    if args.engine == Engine::FullContext {
        // It cannot be stopped, so that what is begun at a pause and given up would be charged to it in full.
        settings.recogniser.early = false;
    }
    let (board, _) = parts::board(args.common.board.as_deref())?;
    let mut recogniser = parts::recogniser(&args.common, &board, &settings);
    if let Some(model) = &args.model {
        (recogniser.worker.model, recogniser.worker.any_model) = (model.clone(), true);
    }
    let files: Vec<_> = utterances.iter().map(|utterance| &utterance.path).collect();
    let releases = match args.released_after {
        Some(after) => Some(releases(&utterances, Duration::from_millis(after.into()), &args.common)?),
        None => None,
    };
    let (source, button) = parts::recordings(&files, args.pace, &settings, true, releases.as_deref())?;
    let turnstile = source.turnstile().ok_or("the recordings do not wait for each other")?;
    let (reports, finished) = channel();
    let pipeline = Pipeline::start(
        Parts {
            source: Box::new(source),
            button: Box::new(button),
            keyboard: Box::new(PrintKeyboard::new(sink(), Backspace::Rubout, Decoder::new())),
            clock: Arc::new(MonotonicClock),
            vad: parts::vad(&args.common)?,
            recogniser: Recogniser::start(recogniser)?,
            status: Arc::default(),
            engine: args.engine(&board),
            about: About::default(),
            on_report: Box::new(move |report| drop(reports.send(report))),
        },
        &settings,
    )?;
    let mut results = Vec::with_capacity(utterances.len());
    let mut progress = Progress::new(utterances.len());
    for utterance in &utterances {
        let cpu_before = process_cpu();
        turnstile.release();
        let Some(report) = next_report(&finished, &pipeline) else { break };
        let cpu = process_cpu() - cpu_before + report.recogniser_cpu;
        let result = result_of(utterance, &report, cpu);
        if let Some((path, out)) = &mut out {
            result.write_line(out).map_err(|e| not_written(path, &e))?;
        }
        results.push(result);
        progress.advance();
    }
    if let Some((path, out)) = &mut out {
        out.flush().map_err(|e| not_written(path, &e))?;
    }
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let peak = PeakRss {
        app_mb: mb(peak_rss_bytes(std::process::id()).unwrap_or(0)),
        worker_mb: mb(pipeline.recogniser_stats().peak_rss_bytes.load(Ordering::Relaxed)),
    };
    let faults = pipeline.join();
    if let Some(fault) = faults.first() {
        return Err(format!("{fault}, after {} of {} utterances", results.len(), utterances.len()).into());
    }
    Ok(Summary::of(&results, Some(peak)))
}

/// When the button comes up in each recording, from its beginning.
fn releases(
    utterances: &[Utterance],
    after: Duration,
    common: &super::Common,
) -> Result<Vec<Duration>, Refusal> {
    let mut detector = SpeechDetector::new(parts::vad(common)?);
    utterances
        .iter()
        .map(|utterance| Ok(parts::speech_end(&utterance.path, &mut detector)? + after))
        .collect()
}

fn not_written(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}; give a path in a folder that exists and has room", path.display())
}

/// The next dictation's report; `None` when the pipeline ended instead.
fn next_report(finished: &Receiver<DictationReport>, pipeline: &Pipeline) -> Option<DictationReport> {
    const LOOK_INTERVAL: Duration = Duration::from_millis(100);
    loop {
        if let Ok(report) = finished.recv_timeout(LOOK_INTERVAL) {
            return Some(report);
        }
        if pipeline.wait(Duration::ZERO) {
            return finished.try_recv().ok();
        }
    }
}

fn result_of(utterance: &Utterance, report: &DictationReport, cpu: Duration) -> UtteranceResult {
    let ms = |duration: Duration| Some(duration.as_secs_f64() * 1e3);
    UtteranceResult {
        id: utterance.id.clone(),
        text: report.text.clone(),
        reference: utterance.reference.clone(),
        duration_s: Some(utterance.duration_s),
        cpu_ms: ms(cpu),
        release_to_first_key_ms: report.release_to_first_key.and_then(ms),
        release_to_last_key_ms: report.release_to_last_key.and_then(ms),
        contexts: Some(report.contexts.clone()),
        retries: Some(report.retries),
        segments: Some(report.segments),
        early_hits: Some(report.early_hits),
        early_wasted: Some(report.early_wasted),
        wasted_cpu_ms: ms(report.wasted_cpu),
        stages: StageTimes {
            capture_ms: ms(report.capture),
            endpoint_ms: ms(report.endpoint),
            queue_ms: ms(report.queue),
            encode_ms: ms(report.encode),
            decode_ms: ms(report.decode),
            compose_ms: ms(report.compose),
            type_ms: ms(report.typing),
        },
    }
}

/// One line that says how far the run is: overwritten on a terminal, every tenth part elsewhere.
struct Progress {
    total: usize,
    done: usize,
    begun: Instant,
    terminal: bool,
}

impl Progress {
    fn new(total: usize) -> Self {
        Self { total, done: 0, begun: Instant::now(), terminal: stderr().is_terminal() }
    }

    fn advance(&mut self) {
        self.done += 1;
        let left = self.begun.elapsed().as_secs_f64() / self.done as f64 * (self.total - self.done) as f64;
        let line = format!("{} of {} utterances, {left:.0} s to go", self.done, self.total);
        if self.terminal {
            eprint!("\r{line}   {}", if self.done == self.total { "\n" } else { "" });
        } else if self.done * 10 / self.total > (self.done - 1) * 10 / self.total {
            eprintln!("{line}");
        }
    }
}
