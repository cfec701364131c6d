//! `oratype type`: types standard input, to try a layout, a pace or a computer.

use std::io::{self, Read, stdin};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use clap::Args;
use oratype::settings::Settings;
use oratype::typing::{Keymap, Pacing, Preset, TypingOutcome, Typist, open_end};
use oratype_hal::hid::Keyboard;
use oratype_hal::time::MonotonicClock;

use super::{Refusal, parts, run};

/// Input is typed as it comes, at most so many bytes at once.
const PIECE_BYTES: usize = 16 * 1024;
/// Pieces read ahead: more would be nothing but memory.
const PIECES_QUEUED: usize = 4;
/// A character whose accents may still be to come is kept for the next piece, but no more of them than this: a stack
/// of accents, or a part of an emoji, has some tens of bytes.
const KEPT_BYTES_MAX: usize = 1024;
/// How often to look for the host, and for Ctrl-C, while there is no input. What is kept is typed then: who writes so
/// slowly wants to see it.
const IDLE: Duration = Duration::from_millis(50);

#[derive(Args)]
pub(super) struct TypeArgs {
    /// Settings file; given again, the later file counts
    #[arg(long, value_name = "FILE")]
    settings: Vec<PathBuf>,
    /// Keyboard layout of the computer, in place of typing.layout
    #[arg(long, value_name = "NAME")]
    layout: Option<String>,
    /// How the computer takes characters that are not on its layout, in place of typing.unicode
    #[arg(long, value_name = "METHOD")]
    unicode: Option<String>,
    /// How fast, in place of typing.pacing
    #[arg(long, value_name = "PRESET", value_parser = clap::builder::PossibleValuesParser::new(Preset::NAMES))]
    pacing: Option<String>,
    /// Most characters in a second, in place of typing.characters_per_second
    #[arg(long, value_name = "N")]
    characters_per_second: Option<u32>,
    /// Where to type: `print` (as a computer with that layout shows it, to standard output), `uinput` (into this
    /// computer), or a PATH that gets raw 8-byte boot keyboard reports: a file, a pipe, or a /dev/hidgN
    #[arg(long, value_name = "print|uinput|PATH", default_value = "print")]
    to: parts::TypeTo,
}

impl TypeArgs {
    /// The settings, with what the command line says in place of some.
    fn settings(&self) -> Result<Settings, Refusal> {
        let mut settings = parts::settings(&self.settings)?;
        let asked = [
            ("layout", self.layout.as_deref().map(toml::Value::from)),
            ("unicode", self.unicode.as_deref().map(toml::Value::from)),
            ("pacing", self.pacing.as_deref().map(toml::Value::from)),
            ("characters_per_second", self.characters_per_second.map(toml::Value::from)),
        ];
        for (key, value) in asked {
            let Some(value) = value else { continue };
            if let Some(problem) = settings.apply(&format!("[typing]\n{key} = {value}\n")).first() {
                let option = key.replace('_', "-");
                return Err(format!("--{option}: {}; allowed: {}", problem.what, problem.allowed).into());
            }
        }
        Ok(settings)
    }
}

/// Type until standard input ends, or a signal comes.
pub(super) fn type_input(args: &TypeArgs) -> Result<ExitCode, Refusal> {
    let stopping = run::on_signals()?;
    let settings = args.settings()?;
    let keyboard = parts::keyboard(&args.to, false, &settings.typing)?;
    let keymap = Keymap::from_settings(&settings.typing);
    let mut typist = Typist::new(keyboard, Arc::new(MonotonicClock), keymap, Pacing::from(&settings.typing));
    let (pieces, input) = sync_channel(PIECES_QUEUED);
    // It may wait for input for ever: nobody waits for it.
    thread::Builder::new().name("input".into()).spawn(move || read(stdin().lock(), &pieces))?;
    let interrupted = type_pieces(&mut typist, keymap, &input, &stopping)?;
    Ok(if interrupted { ExitCode::from(run::EXIT_INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// Whether a signal ended it.
fn type_pieces(
    typist: &mut Typist<Box<dyn Keyboard>>,
    keymap: Keymap,
    input: &Receiver<io::Result<String>>,
    stopping: &AtomicBool,
) -> Result<bool, Refusal> {
    let stop = || stopping.load(Ordering::Relaxed);
    let mut joints = Joints::default();
    let mut end = None;
    let mut remaining = 0;
    while !stop() {
        if let Some(end) = end {
            return end;
        }
        let piece = match input.recv_timeout(IDLE) {
            Ok(Ok(piece)) => joints.whole(piece),
            Ok(Err(error)) => {
                end = Some(Err(format!("standard input: {error}").into()));
                joints.rest()
            }
            Err(RecvTimeoutError::Timeout) => {
                typist.meet_host();
                joints.rest()
            }
            Err(RecvTimeoutError::Disconnected) => {
                end = Some(Ok(false));
                joints.rest()
            }
        };
        let host_away = |is_away: bool| {
            log::warn!("the computer {}", if is_away { "takes no keys; the text waits" } else { "is there" });
        };
        match typist.type_text(&keymap.prepare(&piece), |_| stop(), host_away) {
            TypingOutcome::Done { .. } => {}
            TypingOutcome::Stopped { remaining: of_piece } => remaining = of_piece,
            TypingOutcome::Failed { error, remaining } => {
                let untyped = remaining + waiting(&mut joints, input);
                return Err(format!("{error}; {untyped} characters that were read were not typed").into());
            }
        }
    }
    let untyped = remaining + waiting(&mut joints, input);
    if untyped > 0 {
        eprintln!("oratype: interrupted; {untyped} characters that were read were not typed");
    }
    Ok(true)
}

/// Characters that were read and have not come to the typist.
fn waiting(joints: &mut Joints, input: &Receiver<io::Result<String>>) -> usize {
    let queued = input.try_iter().flatten().map(|piece| piece.chars().count()).sum::<usize>();
    queued + joints.rest().chars().count()
}

/// Where pieces of the input meet.
#[derive(Default)]
struct Joints {
    /// The end of the last piece, which the next one may change.
    kept: String,
    /// The last piece ended with a CR: a LF that follows belongs to it.
    after_cr: bool,
}

impl Joints {
    /// What can be typed now that `piece` has come.
    fn whole(&mut self, piece: String) -> String {
        let lf_of_cr_lf = self.after_cr && piece.starts_with('\n');
        if !piece.is_empty() {
            self.after_cr = piece.ends_with('\r');
        }
        let mut text = std::mem::take(&mut self.kept) + &piece[usize::from(lf_of_cr_lf)..];
        let end = open_end(&text);
        if text.len() - end <= KEPT_BYTES_MAX {
            self.kept = text.split_off(end);
        }
        text
    }

    /// What was kept, because nothing follows, or not soon.
    fn rest(&mut self) -> String {
        std::mem::take(&mut self.kept)
    }
}

/// What some editors put before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Hand on `input` piece by piece, until it ends or nobody wants more.
fn read(mut input: impl Read, pieces: &SyncSender<io::Result<String>>) {
    let mut bytes = Vec::with_capacity(PIECE_BYTES);
    let mut buffer = [0; PIECE_BYTES];
    let mut at_start = true;
    loop {
        let piece = match input.read(&mut buffer) {
            Ok(length) => {
                bytes.extend_from_slice(&buffer[..length]);
                let end = length == 0;
                let mut text = take_text(&mut bytes, end);
                if end && text.is_empty() {
                    return;
                }
                if at_start && text.starts_with(BYTE_ORDER_MARK) {
                    text.remove(0);
                }
                at_start &= text.is_empty();
                Ok(text)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = piece.is_err();
        if pieces.send(piece).is_err() || failed {
            return;
        }
    }
}

/// All whole characters; what is no UTF-8 becomes U+FFFD. The beginning of a character stays, unless that was the end.
fn take_text(bytes: &mut Vec<u8>, end: bool) -> String {
    let begun = bytes.utf8_chunks().last().map_or(0, |last| match str::from_utf8(last.invalid()) {
        Err(error) if error.error_len().is_none() && !end => last.invalid().len(),
        _ => 0,
    });
    let rest = bytes.split_off(bytes.len() - begun);
    String::from_utf8_lossy(&std::mem::replace(bytes, rest)).into_owned()
}

#[cfg(test)]
mod tests {
    use oratype::typing::UnicodeEntry;
    use oratype_hal::hid::{Backspace, Decoder, PrintKeyboard};

    use super::*;

    /// Gives its bytes a few at a time.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(self.1);
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    /// However the input is cut, it is typed as the whole is.
    #[test]
    fn pieces_do_not_split_what_belongs_together() {
        let text = "one\r\ntwo\r\rthree\n\r\nCafe\u{301} \u{1f469}\u{200d}\u{1f4bb} x\u{302}\u{323}\u{1112}\u{1161}\u{11ab}e\r\n";
        for layout in ["us", "vn"] {
            let keymap = Keymap::new(layout.parse().unwrap(), UnicodeEntry::None, true);
            let typed =
                |text: &str| keymap.prepare(text).chars().flat_map(|c| keymap.typed(c)).collect::<String>();
            for length in 1..=text.len() {
                let (sender, receiver) = sync_channel(100);
                read(Dribble(text.as_bytes(), length), &sender);
                drop(sender);
                let mut joints = Joints::default();
                let mut all: String =
                    receiver.iter().map(|piece| typed(&joints.whole(piece.unwrap()))).collect();
                all += &typed(&joints.rest());
                assert_eq!(all, typed(text), "{layout}, {length} at a time");
            }
        }
    }

    #[test]
    fn no_more_is_kept_than_a_character_may_have() {
        let mut joints = Joints::default();
        let stack = "e".to_owned() + &"\u{301}".repeat(KEPT_BYTES_MAX);
        assert_eq!(joints.whole(stack.clone()), stack);
        assert_eq!(joints.rest(), "");
        assert_eq!(joints.whole("ab".into()), "a");
        assert_eq!(joints.rest(), "b");
    }

    #[test]
    fn pieces_do_not_split_characters() {
        let bytes = b"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xa4 \xff\xc3(\xe2\x82";
        for length in 1..=bytes.len() {
            let (sender, receiver) = sync_channel(100);
            read(Dribble(bytes, length), &sender);
            drop(sender);
            let text: String = receiver.iter().map(Result::unwrap).collect();
            assert_eq!(text, String::from_utf8_lossy(bytes), "{length} at a time");
        }
    }

    #[test]
    fn what_came_before_a_failure_is_typed() {
        let (shown, screen) = io::pipe().unwrap();
        let keymap = Keymap::new("us".parse().unwrap(), UnicodeEntry::None, true);
        let keyboard: Box<dyn Keyboard> =
            Box::new(PrintKeyboard::new(screen, Backspace::Byte, Decoder::new()));
        let pacing = Pacing::from(&Settings::default().typing);
        let mut typist = Typist::new(keyboard, Arc::new(MonotonicClock), keymap, pacing);
        let (pieces, input) = sync_channel(2);
        pieces.send(Ok("So far".into())).unwrap();
        pieces.send(Err(io::Error::other("it broke"))).unwrap();
        let refusal = type_pieces(&mut typist, keymap, &input, &AtomicBool::new(false)).unwrap_err();
        drop(typist);
        assert_eq!(io::read_to_string(shown).unwrap(), "So far");
        assert_eq!(refusal.to_string(), "standard input: it broke");
    }

    #[test]
    fn what_was_read_and_not_typed_is_counted() {
        let (pieces, input) = sync_channel(3);
        let mut joints = Joints::default();
        assert_eq!(joints.whole("abc".into()), "ab");
        for piece in [Ok("d\u{e9}".into()), Err(io::Error::other("it broke")), Ok("f".into())] {
            pieces.send(piece).unwrap();
        }
        assert_eq!(waiting(&mut joints, &input), 4);
    }
}
