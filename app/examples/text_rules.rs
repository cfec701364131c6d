//! Reads English text, a transcript a line, in which nobody speaks commands. Prints each line of which words were taken
//! for commands, how many of all words that are, and how long the rules took.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use oratype::compose::{Composer, Field};
use oratype::settings::Settings;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let obeying = Settings::default();
    let mut not_obeying = Settings::default();
    not_obeying.text.commands = "off".into();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut words, mut taken, mut took) = (0, 0, Vec::new());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (obeyed, time) = typed(&obeying, &line);
        let (plain, _) = typed(&not_obeying, &line);
        let [with, without] = [&plain, &obeyed].map(|text| text.split_whitespace().count());
        words += with;
        took.push(time);
        if obeyed != plain {
            taken += with.saturating_sub(without).max(1);
            writeln!(out, "{plain}\n  {obeyed:?}")?;
        }
    }
    took.sort_unstable();
    let us =
        |per_mille: usize| took.get(took.len() * per_mille / 1000).map_or(0.0, |t| t.as_secs_f64() * 1e6);
    let rate = taken as f64 / words.max(1) as f64 * 100.0;
    writeln!(out, "{taken} of {words} words in {} lines taken for commands: {rate:.3} %", took.len())?;
    writeln!(out, "p50 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs", us(500), us(990), us(999))?;
    Ok(())
}

fn typed(settings: &Settings, line: &str) -> (String, Duration) {
    let mut composer = Composer::new(settings);
    let mut field = Field::default();
    let start = Instant::now();
    let actions = composer.compose(line);
    let time = start.elapsed();
    actions.iter().chain(&composer.finished()).for_each(|action| field.apply(action));
    (field.text().to_owned(), time)
}
