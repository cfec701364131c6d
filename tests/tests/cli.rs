//! The command line besides dictation: measure, score, verify, check, explain.

#![expect(clippy::unwrap_used, reason = "a test, though clippy knows only its test functions as such")]

use std::fs::{self, File};
use std::path::Path;
use std::process::Output;

use oratype::models;
use oratype_hal::hid::{Decoder, Report};
use oratype_tests::needs::{Dictation, folder_for_test, models, workspace, write};
use oratype_tests::oratype::{Outcome, command, run};
use oratype_tests::words::edits;
use serde_json::Value;

/// The value of a row of a summary, up to its unit.
#[track_caller]
fn figure(summary: &str, row: &str) -> f64 {
    let line = summary.lines().find(|line| line.starts_with(row));
    let line = line.unwrap_or_else(|| panic!("no {row} in:\n{summary}"));
    line[row.len()..].split_whitespace().next().unwrap().parse().unwrap()
}

/// `oratype bench` on three recordings: its summary, and the lines of its output file.
fn bench(dictation: &Dictation, folder: &Path, more: &[&str]) -> (String, Vec<Value>) {
    let mut manifest = "id\tpath\tduration_s\tspeaker\treference\n".to_owned();
    for id in ["conf-invalid", "vm-whichbox", "auth-incorrect"] {
        let utterance = dictation.utterance(id);
        manifest += &format!(
            "{id}\t{}\t{}\t{}\t{}\n",
            utterance.path.display(),
            utterance.duration_s,
            utterance.speaker,
            utterance.reference
        );
    }
    let set = write(folder, "set.tsv", manifest);
    let out = folder.join("out.jsonl");
    let models = dictation.models().to_str().unwrap();
    let args = ["bench", "--models", models, "--set", set.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let summary = run(args.iter().chain(more)).success();
    let lines = fs::read_to_string(out).unwrap();
    (summary, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn a_benchmark_writes_what_it_measured_and_sums_it_up() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let (summary, lines) = bench(&dictation, folder.path(), &["--pace", "realtime"]);
    assert_eq!(lines.len(), 3);
    for (line, id) in lines.iter().zip(["conf-invalid", "vm-whichbox", "auth-incorrect"]) {
        let utterance = dictation.utterance(id);
        assert_eq!(line["id"], id);
        assert_eq!(line["reference"], utterance.reference.as_str());
        assert_eq!(line["duration_s"], utterance.duration_s);
        assert!(edits(&utterance.reference, line["text"].as_str().unwrap()).edits() <= 1, "{line}");
        let number = |key: &str| line[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {line}"));
        assert!(number("cpu_ms") > 1.0, "{line}");
        let contexts = line["contexts"].as_array().unwrap();
        assert!(contexts.iter().all(|context| (1..=1500).contains(&context.as_u64().unwrap())), "{line}");
        assert_eq!(line["segments"], contexts.len());
        assert!(number("retries") >= 0.0 && number("segments") == 1.0, "{line}");
        assert!(number("release_to_first_key_ms") <= number("release_to_last_key_ms"), "{line}");
        assert!(number("endpoint_ms") <= number("release_to_first_key_ms"), "{line}");
        for stage in ["capture_ms", "queue_ms", "encode_ms", "decode_ms", "compose_ms", "type_ms"] {
            assert!(number(stage) >= 0.0, "{line}");
        }
    }
    assert_eq!(figure(&summary, "utterances"), 3.0);
    assert!(figure(&summary, "WER") < 10.0, "{summary}");
    assert!(figure(&summary, "RTF") > 0.0, "{summary}");
    for row in ["CPU per utterance", "capture", "endpoint", "mel + encode", "decode", "compose", "type"] {
        figure(&summary, row);
    }
    for column in ["p50", "p95", "p99"] {
        assert!(summary.contains(column), "{summary}");
    }
    // The product's promise for both processes together; far above what a leak-free run takes.
    assert!((1.0..130.0).contains(&figure(&summary, "peak RSS")), "{summary}");

    // The same results give the same figures again; memory is not in the file.
    let score = run(["bench", "--score", folder.path().join("out.jsonl").to_str().unwrap()]).success();
    for row in ["utterances", "words", "WER", "audio", "RTF"] {
        assert_eq!(figure(&score, row), figure(&summary, row), "{row}");
    }
}

/// Who lets go half a second after the last word has had the text made meanwhile.
#[test]
fn the_pause_before_the_release_is_used() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let (_, lines) = bench(&dictation, folder.path(), &["--pace", "realtime", "--released-after", "500"]);
    for line in &lines {
        assert!(line["early_hits"] == 1 && line["segments"] == 1, "{line}");
        assert!(
            edits(line["reference"].as_str().unwrap(), line["text"].as_str().unwrap()).edits() <= 1,
            "{line}"
        );
    }
}

#[test]
fn the_whole_window_can_be_benchmarked() {
    let Some(dictation) = Dictation::needs() else { return };
    let folder = folder_for_test();
    let (summary, lines) = bench(&dictation, folder.path(), &["--pace", "fast", "--engine", "full-context"]);
    assert!(
        lines.iter().all(|line| line["contexts"] == serde_json::json!([1500]) && line["retries"] == 0),
        "{lines:?}"
    );
    assert!(figure(&summary, "WER") < 10.0, "{summary}");
}

/// Results of another engine have nothing but words.
#[test]
fn other_engines_are_scored_by_the_same_rules() {
    let folder = folder_for_test();
    let results = "{\"id\": \"a\", \"text\": \"it's five dollars\", \"reference\": \"It is $5.\"}\n\
                   {\"id\": \"b\", \"text\": \"open a door\", \"reference\": \"Open the door.\"}\n";
    let results = write(folder.path(), "other.jsonl", results);
    let summary = run(["bench", "--score", results.to_str().unwrap()]).success();
    assert_eq!(figure(&summary, "utterances"), 2.0);
    assert_eq!(figure(&summary, "words"), 6.0);
    assert_eq!(figure(&summary, "WER"), 16.67);
}

/// Utterance by utterance, over all the files that are given.
#[test]
fn results_are_compared_with_others() {
    let folder = folder_for_test();
    let file = |name: &str, set: &str, texts: [&str; 2]| {
        let line = |(number, text): (usize, &str)| {
            format!("{{\"id\": \"{set}{number}\", \"text\": \"{text}\", \"reference\": \"stop it now\"}}\n")
        };
        let lines: String = texts.into_iter().enumerate().map(line).collect();
        write(folder.path(), name, &lines).to_str().unwrap().to_owned()
    };
    let (here_a, here_b) =
        (&file("1", "a", ["stop it now", "stop it"]), &file("2", "b", ["stop", "stop it now"]));
    let (there_a, there_b) =
        (&file("3", "a", ["stop it", "stop it"]), &file("4", "b", ["stop it", "stop it now"]));
    let scores = ["bench", "--score", here_a, "--score", here_b];
    let compared = run(scores.iter().chain(&["--against", there_a, "--against", there_b])).success();
    assert_eq!(figure(&compared, "WER"), 25.0);
    assert_eq!(figure(&compared, "against the other"), 0.0);
    assert!(compared.contains("1 better, 1 worse of 4 shared (12 words)"), "{compared}");
    let nothing = write(folder.path(), "c", "{\"id\": \"c\", \"text\": \"\", \"reference\": \"no\"}\n");
    let refused = run(["bench", "--score", here_a, "--against", nothing.to_str().unwrap()]);
    assert!(refused.stderr.contains("no utterance in common"), "{refused:?}");
}

#[test]
fn models_are_verified() {
    let Some(folder) = models() else { return };
    for model in models::ALL {
        let said = run(["model", "verify", folder.join(model.name).to_str().unwrap()]).success();
        assert!(said.contains(model.name) && said.contains(model.sha256), "{said}");
    }
}

#[test]
fn the_settings_that_come_with_it_are_good_and_complete() {
    let file = workspace().join("app/oratype.toml");
    let said = run(["settings", "check", file.to_str().unwrap()]).success();
    assert!(said.ends_with("oratype.toml: no problems\n"), "{said}");
    assert_eq!(run(["settings", "example"]).success(), fs::read_to_string(file).unwrap());
}

/// `oratype type` with this on its standard input.
fn type_input(folder: &Path, input: impl AsRef<[u8]>, args: &[&str]) -> Output {
    let input = File::open(write(folder, "input", input)).unwrap();
    command(["type"].iter().chain(args)).stdin(input).output().unwrap()
}

#[test]
fn standard_input_is_typed() {
    let folder = folder_for_test();
    let printed = |input: &[u8], args: &[&str]| {
        let output = type_input(folder.path(), input, args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let fast = ["--pacing", "fast"];
    assert_eq!(printed(b"Hello, World!\nTab\tand end", &fast), "Hello, World!\nTab\tand end");
    assert_eq!(printed("\u{201c}caf\u{e9}\u{201d}\u{2026}".as_bytes(), &fast), "\"cafe\"...");
    assert_eq!(printed(b"a\xff\xc3b\x07\0", &fast).len(), 6, "something stands for each");
    assert_eq!(printed(b"", &fast), "");
    assert_eq!(printed(b"slowly", &["--layout", "us", "--characters-per-second", "1000"]), "slowly");
    let settings = write(folder.path(), "my.toml", "[typing]\npacing = \"fast\"\n");
    assert_eq!(printed(b"as the file says", &["--settings", settings.to_str().unwrap()]), "as the file says");
}

/// 100 kB, as the reports they are.
#[test]
fn a_long_text_becomes_reports() {
    let folder = folder_for_test();
    let text = "Pack my box with five dozen Liquor Jugs! 0123456789 (aa bb CC).\n".repeat(1600);
    let reports = folder.path().join("reports");
    let output = type_input(folder.path(), &text, &["--pacing", "fast", "--to", reports.to_str().unwrap()]);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let (mut decoder, mut typed) = (Decoder::with_late_modifiers(), String::new());
    let bytes = fs::read(reports).unwrap();
    let (reports, rest) = bytes.as_chunks::<{ Report::BYTES }>();
    assert!(rest.is_empty());
    for &report in reports {
        decoder.decode(Report::from_bytes(report)).for_each(|typed_| typed_.apply(&mut typed));
    }
    assert!(typed == text);
    assert_eq!(Report::from_bytes(*reports.last().unwrap()), Report::RELEASED);
}

#[test]
fn what_cannot_be_typed_with_is_refused() {
    let folder = folder_for_test();
    let cases: [(&[&str], &str); 4] = [
        (&["--layout", "klingon"], "--layout: "),
        (&["--characters-per-second", "5000"], "allowed: a whole number from 0 to 1000"),
        (&["--to", "/no/such/folder/reports"], "/no/such/folder/reports"),
        (&["--to", "/dev/full"], "4 characters that were read were not typed"),
    ];
    for (args, says) in cases {
        let output = type_input(folder.path(), "text", args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.contains(says) && stderr.lines().count() == 1, "{args:?}: {stderr}");
    }
}

#[test]
fn every_command_explains_itself() {
    let cases: [(&[&str], &[&str]); 7] = [
        (
            &["type"],
            &["--layout", "--unicode", "--pacing", "fast", "safe", "remote", "--to", "uinput", "PATH"],
        ),
        (&[], &["run", "type", "bench", "model", "settings", "--verbose"]),
        (
            &["run"],
            &[
                "--wav",
                "--mic",
                "--type",
                "print",
                "uinput",
                "PATH",
                "--pace",
                "realtime",
                "fast",
                "--settings",
            ],
        ),
        (
            &["bench"],
            &[
                "--set",
                "MANIFEST.tsv",
                "--pace",
                "--out",
                "FILE.jsonl",
                "--engine",
                "full-context",
                "--score",
                "--against",
            ],
        ),
        (&["model"], &["verify"]),
        (&["settings"], &["check", "example"]),
        (&["settings", "check"], &["FILE"]),
    ];
    for (command, mentions) in cases {
        let help = run(command.iter().chain(&["--help"])).success();
        for mention in mentions {
            assert!(help.contains(mention), "no {mention} in the help of {command:?}:\n{help}");
        }
        assert!(!help.contains("recogniser"), "a command for the program's own use is shown:\n{help}");
    }
}

#[test]
fn a_wrong_command_line_is_explained() {
    let cases: [(&[&str], &str); 6] = [
        (&["run"], "--wav"),
        (&["run", "--wav", "a.wav", "--mic"], "cannot be used with"),
        (&["run", "--wav", "a.wav", "--pace", "slow"], "realtime, fast"),
        (&["run", "--wav", "a.wav", "--board", "toaster"], "desk"),
        (&["bench"], "--set"),
        (&["dictate"], "unrecognized subcommand"),
    ];
    for (args, says) in cases {
        let Outcome { status, stdout, stderr, .. } = run(args);
        assert_eq!(status.code(), Some(2), "{args:?}: {stderr}");
        assert_eq!(stdout, "", "{args:?}");
        assert!(stderr.contains(says), "{args:?}: {stderr}");
    }
}
