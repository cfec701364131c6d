//! The manifest of a speech set: which recordings there are and what is said in them.
//!
//! Tab-separated text with a header line that names at least the columns `id`, `path`, `duration_s`,
//! `speaker` and `reference`, in any order; further columns are ignored. Fields are not quoted.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// One recording of a speech set.
#[derive(Debug, Clone, PartialEq)]
pub struct Utterance {
    /// Its name, unique in the set.
    pub id: String,
    /// Its WAV file; a relative path of the manifest is already joined to the manifest's folder.
    pub path: PathBuf,
    /// Its length in seconds.
    pub duration_s: f64,
    /// Who speaks.
    pub speaker: String,
    /// What is said; empty when nothing is, so that nothing may be typed.
    pub reference: String,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file could not be read.
    #[error("{}: {source}; name a tab-separated manifest of a speech set", path.display())]
    Io {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not as it should be.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The manifest.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong and what should be there.
        what: String,
    },
    /// Recordings named in the manifest are not there.
    #[error(
        "{}:{line}: {} is not there ({missing} of {all} recordings are missing); fetch the speech set, \
         or correct the path, which is relative to the manifest",
        path.display(), wav.display()
    )]
    WavMissing {
        /// The manifest.
        path: PathBuf,
        /// The line of the first missing recording, counted from 1.
        line: usize,
        /// The first missing recording.
        wav: PathBuf,
        /// How many are missing.
        missing: usize,
        /// How many the manifest names.
        all: usize,
    },
}

/// Reads a manifest and makes sure that its recordings are there.
///
/// # Errors
/// When the manifest cannot be read or a line of it is wrong, when it names no recording, and when a
/// recording is missing. The error names the file, the line and the remedy.
pub fn load(path: &Path) -> Result<Vec<Utterance>, ManifestError> {
    let bytes = std::fs::read(path).map_err(|source| ManifestError::Io { path: path.into(), source })?;
    let rows = parse(path, &bytes)?;
    let missing: Vec<_> = rows.iter().filter(|(_, utterance)| !utterance.path.is_file()).collect();
    if let Some((line, first)) = missing.first() {
        return Err(ManifestError::WavMissing {
            path: path.into(),
            line: *line,
            wav: first.path.clone(),
            missing: missing.len(),
            all: rows.len(),
        });
    }
    Ok(rows.into_iter().map(|(_, utterance)| utterance).collect())
}

/// The utterances of a manifest, each with its line. `path` is for the messages and for the folder.
fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<(usize, Utterance)>, ManifestError> {
    let error = |line, what: String| ManifestError::Line { path: path.into(), line, what };
    let text = str::from_utf8(bytes).map_err(|bad| {
        let line = 1 + bytes[..bad.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        error(line, "not UTF-8; save the manifest as UTF-8".into())
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));

    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let (header_line, header) = lines.next().ok_or_else(|| error(1, "the manifest is empty".into()))?;
    let names: Vec<_> = header.split('\t').map(str::trim).collect();
    let column = |name: &str| {
        names.iter().position(|have| *have == name).ok_or_else(|| {
            let what = format!("no column {name}; the header must name id path duration_s speaker reference");
            error(header_line, what)
        })
    };
    let (id, wav, duration) = (column("id")?, column("path")?, column("duration_s")?);
    let (speaker, reference) = (column("speaker")?, column("reference")?);

    let mut ids = HashSet::new();
    let mut utterances = Vec::new();
    for (line, row) in lines {
        let fields: Vec<_> = row.split('\t').map(str::trim).collect();
        if fields.len() != names.len() {
            let what = format!("{} fields, but the header names {}", fields.len(), names.len());
            return Err(error(line, what));
        }
        if fields[id].is_empty() || !ids.insert(fields[id]) {
            return Err(error(line, format!("id {:?} is empty or not unique", fields[id])));
        }
        if fields[wav].is_empty() {
            return Err(error(line, "no path; name a WAV file, relative to the manifest".into()));
        }
        let duration_s = match fields[duration].parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => seconds,
            _ => {
                let what = format!("duration_s is {:?}; it must be a number of seconds", fields[duration]);
                return Err(error(line, what));
            }
        };
        let utterance = Utterance {
            id: fields[id].into(),
            path: folder.join(fields[wav]),
            duration_s,
            speaker: fields[speaker].into(),
            reference: fields[reference].into(),
        };
        utterances.push((line, utterance));
    }
    if utterances.is_empty() {
        return Err(error(header_line, "no utterance follows the header".into()));
    }
    Ok(utterances)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "id\tpath\tduration_s\tspeaker\treference";

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let error = parse(Path::new("sets/a.tsv"), text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, expected);
    }

    #[test]
    fn rows_are_read_by_the_names_of_the_header() {
        let text = "\u{feff}reference\tnote\tid\tspeaker\tpath\tduration_s\r\n\
                    Hello  there.\tx\ta\tann\twav/a.wav\t1.5\r\n\r\n\
                    \tx\tb\tbob\t/abs/b.wav\t2\r\n";
        let rows = parse(Path::new("sets/a.tsv"), text.as_bytes()).unwrap();
        let expected = [
            (
                2,
                Utterance {
                    id: "a".into(),
                    path: "sets/wav/a.wav".into(),
                    duration_s: 1.5,
                    speaker: "ann".into(),
                    reference: "Hello  there.".into(),
                },
            ),
            (
                4,
                Utterance {
                    id: "b".into(),
                    path: "/abs/b.wav".into(),
                    duration_s: 2.0,
                    speaker: "bob".into(),
                    reference: String::new(),
                },
            ),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn errors_name_file_line_and_what_should_be_there() {
        check_error("", "sets/a.tsv:1: the manifest is empty");
        check_error(HEADER, "sets/a.tsv:1: no utterance follows the header");
        check_error(
            "\nid\tpath\tduration_s\tspeaker",
            "sets/a.tsv:2: no column reference; the header must name id path duration_s speaker reference",
        );
        let row = |row: &str| format!("{HEADER}\na\ta.wav\t1\tann\thi\n{row}\n");
        check_error(&row("b\tb.wav\t1\tann"), "sets/a.tsv:3: 4 fields, but the header names 5");
        check_error(&row("a\tb.wav\t1\tann\thi"), "sets/a.tsv:3: id \"a\" is empty or not unique");
        check_error(
            &row("b\t\t1\tann\thi"),
            "sets/a.tsv:3: no path; name a WAV file, relative to the manifest",
        );
        for duration in ["", "x", "-1", "nan", "inf"] {
            let expected =
                format!("sets/a.tsv:3: duration_s is {duration:?}; it must be a number of seconds");
            check_error(&row(&format!("b\tb.wav\t{duration}\tann\thi")), &expected);
        }
        let bad = parse(Path::new("a.tsv"), b"id\npath\n\xff").unwrap_err().to_string();
        assert_eq!(bad, "a.tsv:3: not UTF-8; save the manifest as UTF-8");
    }

    #[test]
    fn recordings_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("set.tsv");
        let error = load(&manifest).unwrap_err().to_string();
        assert!(error.contains("set.tsv"), "{error}");

        std::fs::write(&manifest, format!("{HEADER}\na\ta.wav\t1\tann\thi\nb\tb.wav\t1\tann\tho\n")).unwrap();
        std::fs::write(folder.path().join("a.wav"), "").unwrap();
        let error = load(&manifest).unwrap_err().to_string();
        assert!(error.contains("set.tsv:3: "), "{error}");
        assert!(error.contains("b.wav is not there (1 of 2 recordings are missing)"), "{error}");

        std::fs::write(folder.path().join("b.wav"), "").unwrap();
        assert_eq!(load(&manifest).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(Path::new("a.tsv"), &bytes);
            let text = [HEADER.as_bytes(), b"\n", &bytes].concat();
            let _ = parse(Path::new("a.tsv"), &text);
        }
    }
}
