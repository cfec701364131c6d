//! `oratype compose`: what becomes of transcripts.

use std::io::{BufRead, Write, stdin, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use oratype::compose::{Composer, Field};
use oratype::recognise::protocol::Text;

use super::{Refusal, parts};

#[derive(Args)]
pub(super) struct ComposeArgs {
    /// Settings file; every key is optional, the defaults serve without one. Given again, the later file counts
    #[arg(long, value_name = "FILE")]
    settings: Vec<std::path::PathBuf>,
    /// The profile to begin with, instead of the one that the settings name
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Print how long the rules took, at the end
    #[arg(long)]
    time: bool,
}

/// Read a transcript a line; print what the host's text field holds at the end.
pub(super) fn compose(args: &ComposeArgs) -> Result<ExitCode, Refusal> {
    let mut settings = parts::settings(&args.settings)?;
    if let Some(name) = &args.profile {
        if !settings.profiles.iter().any(|profile| profile.name == *name) {
            let known: Vec<_> = settings.profiles.iter().map(|profile| profile.name.as_str()).collect();
            return Err(format!("there is no profile {name}; there are {}", known.join(", ")).into());
        }
        settings.dictation.profile.clone_from(name);
    }
    let mut composer = Composer::new(&settings);
    let mut field = Field::default();
    let mut took = Vec::new();
    for line in stdin().lock().split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        // No segment has a longer transcript.
        for transcript in pieces(&line) {
            let start = Instant::now();
            let actions = composer.compose(transcript);
            took.push(start.elapsed());
            actions.iter().for_each(|action| field.apply(action));
        }
        composer.finished().iter().for_each(|action| field.apply(action));
    }
    composer.time_is_up().iter().for_each(|action| field.apply(action));
    // A reader that went away has seen enough.
    let _ = writeln!(stdout(), "{}", field.text());
    if args.time {
        eprint!("{}", times(took));
    }
    Ok(ExitCode::SUCCESS)
}

fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line.trim_end_matches('\r');
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(Text::new().capacity()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn times(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |percent: usize| took.get((took.len() * percent / 100).min(took.len().saturating_sub(1)));
    let us = |percent| at(percent).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    format!(
        "{} transcripts; p50 {:.0} µs, p99 {:.0} µs, longest {:.0} µs\n",
        took.len(),
        us(50),
        us(99),
        us(100)
    )
}
