//! What a benchmark run measured: one line of JSON for each utterance, and the summary of them all.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::normalise::normalise;
use super::wer::{WordEdits, wer_interval};

/// What one utterance came to; one line of `bench --out`.
///
/// Only `id`, `text` and `reference` must be there when a file is read, so that the output of another
/// engine can be scored; what was not measured is `null` or left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UtteranceResult {
    /// The utterance's name in the manifest.
    pub id: String,
    /// What was typed.
    pub text: String,
    /// What was said.
    pub reference: String,
    /// Length of the recording in seconds.
    pub duration_s: Option<f64>,
    /// CPU time of all threads in milliseconds, loading and warming the model left out.
    pub cpu_ms: Option<f64>,
    /// From the release of the button to the first key press the computer sees, in milliseconds.
    pub release_to_first_key_ms: Option<f64>,
    /// From the release of the button to the last key press the computer sees, in milliseconds.
    pub release_to_last_key_ms: Option<f64>,
    /// The audio context that the text of each segment came from, in encoder positions of 20 ms.
    pub contexts: Option<Vec<u32>>,
    /// Recognitions that were done again, over all segments.
    pub retries: Option<u32>,
    /// Segments that the utterance was recognised in.
    pub segments: Option<u32>,
    /// Segments whose recognition had begun before the end of the speech was certain.
    pub early_hits: Option<u32>,
    /// Recognitions begun at a pause and given up because the speaker went on.
    pub early_wasted: Option<u32>,
    /// CPU time of the recogniser that those took, in milliseconds; part of `cpu_ms`.
    pub wasted_cpu_ms: Option<f64>,
    /// Time in each stage.
    #[serde(flatten)]
    pub stages: StageTimes,
}

/// Time that an utterance took in each stage of the pipeline, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// From the sound at the microphone to its period in the ring.
    pub capture_ms: Option<f64>,
    /// From the release until the end of the utterance is certain.
    pub endpoint_ms: Option<f64>,
    /// Waiting for the recogniser.
    pub queue_ms: Option<f64>,
    /// Mel spectrogram and encoder.
    pub encode_ms: Option<f64>,
    /// Decoder.
    pub decode_ms: Option<f64>,
    /// From the recogniser's words to the text to type.
    pub compose_ms: Option<f64>,
    /// From the text to the last input report.
    pub type_ms: Option<f64>,
}

/// Why a file of results cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file could not be read.
    #[error("{}: {source}; name a file with one JSON object per line", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not a result.
    #[error(
        "{}:{line}: {source}; each line must be a JSON object with id, text and reference", path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What the JSON reader said.
        source: serde_json::Error,
    },
    /// The file holds no result.
    #[error("{}: no results; each line must be a JSON object with id, text and reference", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl UtteranceResult {
    /// Writes the result as one line of JSON.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_line(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }

    /// The word edits between reference and text, both normalised.
    #[must_use]
    pub fn word_edits(&self) -> WordEdits {
        WordEdits::between(&normalise(&self.reference), &normalise(&self.text))
    }
}

/// Reads the results that a benchmark wrote, of this engine or another, one file after the other.
///
/// # Errors
/// When a file cannot be read, a line is not a result, or a file holds none.
pub fn load_all(paths: &[PathBuf]) -> Result<Vec<UtteranceResult>, ReportError> {
    let files = paths.iter().map(|path| load(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(files.into_iter().flatten().collect())
}

/// Reads one file of results.
fn load(path: &Path) -> Result<Vec<UtteranceResult>, ReportError> {
    let io_error = |source| ReportError::Io { path: path.into(), source };
    let file = BufReader::new(std::fs::File::open(path).map_err(io_error)?);
    let mut results = Vec::new();
    for (line, text) in (1..).zip(file.lines()) {
        let text = text.map_err(io_error)?;
        if text.trim().is_empty() {
            continue;
        }
        let result = serde_json::from_str(&text);
        results.push(result.map_err(|source| ReportError::Line { path: path.into(), line, source })?);
    }
    if results.is_empty() {
        return Err(ReportError::Empty { path: path.into() });
    }
    Ok(results)
}

/// The most memory that was resident at once, in MB (10⁶ bytes).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeakRss {
    /// The process that listens and types.
    pub app_mb: f64,
    /// The process that recognises; 0 when it is the same one.
    pub worker_mb: f64,
}

/// How the segments of all utterances were recognised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Segments {
    /// All of them.
    pub all: u32,
    /// Recognitions that were done again with a wider context.
    pub retries: u32,
    /// Those whose recognition had begun before their end was certain.
    pub early_hits: u32,
    /// Recognitions begun early for nothing.
    pub early_wasted: u32,
}

impl Segments {
    fn of(results: &[UtteranceResult]) -> Option<Self> {
        let sum = |field: fn(&UtteranceResult) -> Option<u32>| results.iter().filter_map(field).sum();
        let segments = Self {
            all: sum(|result| result.segments),
            retries: sum(|result| result.retries),
            early_hits: sum(|result| result.early_hits),
            early_wasted: sum(|result| result.early_wasted),
        };
        (segments.all > 0).then_some(segments)
    }
}

/// Mean and percentiles of one quantity over the utterances for which it was measured.
///
/// A percentile is the nearest rank: the smallest measured value that at least that share of the values
/// does not exceed. It is always a value that was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distribution {
    /// How many values there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
}

impl Distribution {
    /// The distribution of some values; nothing when there are none. Values that are not finite are left out.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let percentile = |percent: usize| sorted[(percent * count).div_ceil(100).max(1) - 1];
        (count > 0).then(|| Self {
            count,
            mean: sorted.iter().sum::<f64>() / count as f64,
            p50: percentile(50),
            p95: percentile(95),
            p99: percentile(99),
        })
    }
}

/// The whole run in figures. `Display` prints it as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Utterances.
    pub utterances: usize,
    /// Utterances without a word edit.
    pub exact: usize,
    /// All word edits, after normalisation.
    pub words: WordEdits,
    /// 95 % interval of the word error rate, 1.0 being 100 %; nothing without a reference word.
    pub wer_interval: Option<RangeInclusive<f64>>,
    /// Sum of the recordings' lengths, in seconds.
    pub audio_s: f64,
    /// Real-time factor: CPU time of all threads by length of the recordings, over the utterances for
    /// which both are known.
    pub rtf: Option<f64>,
    /// Peak memory, when it was measured.
    pub peak_rss: Option<PeakRss>,
    /// What happened to segments, when it was counted.
    pub segments: Option<Segments>,
    /// Audio contexts of the segments, in encoder positions, when they were noted.
    pub contexts: Option<Distribution>,
    /// The rows of the table of times in milliseconds; a quantity that was never measured is left out.
    pub times_ms: Vec<(&'static str, Distribution)>,
}

impl Summary {
    /// Sums up the results of a run.
    #[must_use]
    pub fn of(results: &[UtteranceResult], peak_rss: Option<PeakRss>) -> Self {
        let edits: Vec<_> = results.iter().map(UtteranceResult::word_edits).collect();
        let timed = results.iter().filter_map(|result| Some((result.cpu_ms?, result.duration_s?)));
        let (cpu_ms, timed_s) = timed.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));

        type Time = fn(&UtteranceResult) -> Option<f64>;
        let times: [(&str, Time); 11] = [
            ("CPU per utterance", |result| result.cpu_ms),
            ("of it early, in vain", |result| result.wasted_cpu_ms),
            ("capture", |result| result.stages.capture_ms),
            ("endpoint", |result| result.stages.endpoint_ms),
            ("queue", |result| result.stages.queue_ms),
            ("mel + encode", |result| result.stages.encode_ms),
            ("decode", |result| result.stages.decode_ms),
            ("compose", |result| result.stages.compose_ms),
            ("type", |result| result.stages.type_ms),
            ("release to first key", |result| result.release_to_first_key_ms),
            ("release to last key", |result| result.release_to_last_key_ms),
        ];
        Self {
            utterances: results.len(),
            exact: edits.iter().filter(|edits| edits.edits() == 0).count(),
            words: edits.iter().copied().sum(),
            wer_interval: wer_interval(&edits),
            audio_s: results.iter().filter_map(|result| result.duration_s).sum(),
            rtf: (timed_s > 0.0).then(|| cpu_ms / 1000.0 / timed_s),
            peak_rss,
            segments: Segments::of(results),
            contexts: Distribution::of(
                results.iter().filter_map(|result| result.contexts.as_ref()).flatten().map(|&c| f64::from(c)),
            ),
            times_ms: times
                .into_iter()
                .filter_map(|(name, time)| Some((name, Distribution::of(results.iter().filter_map(time))?)))
                .collect(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WordEdits { substitutions, deletions, insertions, reference_words } = self.words;
        writeln!(f, "{:<22}{:>9}   {} without an error", "utterances", self.utterances, self.exact)?;
        writeln!(
            f,
            "{:<22}{reference_words:>9}   {substitutions} substituted, {deletions} deleted, {insertions} inserted",
            "words"
        )?;
        if let (Some(wer), Some(interval)) = (self.words.wer(), &self.wer_interval) {
            let (low, high) = (100.0 * interval.start(), 100.0 * interval.end());
            writeln!(f, "{:<22}{:>9.2} % 95 % interval {low:.2} to {high:.2}", "WER", 100.0 * wer)?;
        }
        if self.audio_s > 0.0 {
            writeln!(f, "{:<22}{:>9.1} s", "audio", self.audio_s)?;
        }
        if let Some(rtf) = self.rtf {
            writeln!(f, "{:<22}{rtf:>9.3}   CPU time of all threads / audio", "RTF")?;
        }
        if let Some(PeakRss { app_mb, worker_mb }) = self.peak_rss {
            let sum = app_mb + worker_mb;
            writeln!(f, "{:<22}{sum:>9.1} MB app {app_mb:.1}, worker {worker_mb:.1}", "peak RSS")?;
        }
        if let Some(Segments { all, retries, early_hits, early_wasted }) = self.segments {
            writeln!(
                f,
                "{:<22}{all:>9}   {retries} retries; {early_hits} begun early, {early_wasted} more in vain",
                "segments"
            )?;
        }
        if let Some(Distribution { mean, p50, p95, .. }) = self.contexts {
            writeln!(
                f,
                "{:<22}{mean:>9.0}   encoder positions; half of them up to {p50}, 95 % up to {p95}",
                "context"
            )?;
        }
        if !self.times_ms.is_empty() {
            writeln!(f, "\n{:<22}{:>6}{:>9}{:>9}{:>9}{:>9}", "ms", "n", "mean", "p50", "p95", "p99")?;
        }
        for (name, Distribution { count, mean, p50, p95, p99 }) in &self.times_ms {
            writeln!(f, "{name:<22}{count:>6}{mean:>9.1}{p50:>9.1}{p95:>9.1}{p99:>9.1}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn result(id: &str, reference: &str, text: &str) -> UtteranceResult {
        UtteranceResult {
            id: id.into(),
            text: text.into(),
            reference: reference.into(),
            duration_s: Some(2.0),
            cpu_ms: Some(100.0),
            ..UtteranceResult::default()
        }
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let of = |count: u32| Distribution::of((1..=count).rev().map(f64::from)).unwrap();
        let all = |d: Distribution| (d.count, d.mean, d.p50, d.p95, d.p99);
        assert_eq!(all(of(1)), (1, 1.0, 1.0, 1.0, 1.0));
        assert_eq!(all(of(2)), (2, 1.5, 1.0, 2.0, 2.0));
        assert_eq!(all(of(100)), (100, 50.5, 50.0, 95.0, 99.0));
        assert_eq!(all(of(101)), (101, 51.0, 51.0, 96.0, 100.0));
        assert_eq!(Distribution::of([]), None);
        assert_eq!(Distribution::of([f64::NAN]), None);
    }

    #[test]
    fn summary_prints_what_was_measured() {
        let mut results =
            vec![result("a", "Press one, please.", "press 1 please"), result("b", "Go on!", "go")];
        results[0].stages.decode_ms = Some(12.34);
        results[1].release_to_last_key_ms = Some(250.0);
        let rss = PeakRss { app_mb: 10.0, worker_mb: 80.5 };
        (results[0].segments, results[1].segments) = (Some(1), Some(2));
        (results[1].retries, results[1].early_hits, results[1].early_wasted) = (Some(3), Some(1), Some(4));
        (results[0].contexts, results[1].contexts) = (Some(vec![208]), Some(vec![400, 1024]));
        let expected = "\
utterances                    2   1 without an error
words                         5   0 substituted, 1 deleted, 0 inserted
WER                       20.00 % 95 % interval 0.00 to 50.00
audio                       4.0 s
RTF                       0.050   CPU time of all threads / audio
peak RSS                   90.5 MB app 10.0, worker 80.5
segments                      3   3 retries; 1 begun early, 4 more in vain
context                     544   encoder positions; half of them up to 400, 95 % up to 1024

ms                         n     mean      p50      p95      p99
CPU per utterance          2    100.0    100.0    100.0    100.0
decode                     1     12.3     12.3     12.3     12.3
release to last key        1    250.0    250.0    250.0    250.0
";
        assert_eq!(Summary::of(&results, Some(rss)).to_string(), expected);
    }

    #[test]
    fn empty_and_silent_sets_have_no_rate() {
        let text = Summary::of(&[], None).to_string();
        assert!(!text.contains("WER") && !text.contains("RTF") && !text.contains("NaN"), "{text}");
        let silent = Summary::of(&[result("a", "", "thank you")], None);
        assert_eq!((silent.words.insertions, silent.words.wer(), silent.exact), (2, None, 0));
    }

    #[test]
    fn a_line_has_every_field() {
        let mut line = Vec::new();
        result("a", "x", "y").write_line(&mut line).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let json: serde_json::Value = serde_json::from_slice(&line).unwrap();
        for field in [
            "id",
            "text",
            "reference",
            "duration_s",
            "cpu_ms",
            "release_to_first_key_ms",
            "release_to_last_key_ms",
            "contexts",
            "retries",
            "segments",
            "early_hits",
            "early_wasted",
            "wasted_cpu_ms",
            "capture_ms",
            "endpoint_ms",
            "queue_ms",
            "encode_ms",
            "decode_ms",
            "compose_ms",
            "type_ms",
        ] {
            assert!(json.get(field).is_some(), "{field}");
        }
    }

    #[test]
    fn other_engines_are_scored_by_the_fields_they_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.jsonl");
        let lines = concat!(
            r#"{"id":"a","text":"Hello, you.","reference":"hello you","cpu_ms":500,"duration_s":1.5,"engine":"x"}"#,
            "\n\n",
            r#"{"id":"b","text":"no","reference":"yes"}"#,
            "\r\n",
        );
        std::fs::write(&path, lines).unwrap();
        let score = |path: &Path| load(path).map(|results| Summary::of(&results, None));
        let summary = score(&path).unwrap();
        assert_eq!((summary.utterances, summary.words.edits(), summary.words.reference_words), (2, 1, 3));
        assert_eq!(summary.rtf, Some(1.0 / 3.0));

        for (text, expected) in [
            ("", "other.jsonl: no results"),
            ("{\"id\":\"a\",\"text\":\"\",\"reference\":\"\"}\n{\"id\":\"b\"", "other.jsonl:2: "),
            ("{\"id\":\"a\"}", "missing field `text`"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = score(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn results_survive_the_file(text in "\\PC{0,20}\n?", ms in proptest::option::of((0..1_000_000u32).prop_map(|eighths| f64::from(eighths) / 8.0)), contexts: Option<Vec<u32>>) {
            let mut written = result("a", "x", &text);
            written.stages.type_ms = ms;
            written.contexts = contexts;
            let mut line = Vec::new();
            written.write_line(&mut line).unwrap();
            let read: UtteranceResult = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(read, written);
        }
    }
}
