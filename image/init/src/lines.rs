//! What the program writes, cut into lines for the log.

use crate::kmsg::RECORD_BYTES_MAX;

/// Log target of the program's own lines.
pub(crate) const TARGET: &str = "oratype";

/// Room in a record for the priority and the program's name.
const LINE_BYTES_MAX: usize = RECORD_BYTES_MAX - 20;

/// Collects bytes until a line is complete.
#[derive(Default)]
pub(crate) struct Lines {
    started: Vec<u8>,
}

impl Lines {
    /// Take what was read and call `line` for each complete line. A line that is too long for a record is cut.
    pub(crate) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for &byte in bytes {
            if byte != b'\n' {
                self.started.push(byte);
            }
            if byte == b'\n' || self.started.len() >= LINE_BYTES_MAX {
                let text = String::from_utf8_lossy(&self.started);
                if !text.trim().is_empty() {
                    line(&text);
                }
                self.started.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = vec![];
        for piece in pieces {
            lines.push(piece, |line| seen.push(line.to_owned()));
        }
        seen
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        assert_eq!(lines(&[b"rea", b"dy\n\nhost", b" away\nhalf"]), ["ready", "host away"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        assert_eq!(lines(&[&[b'x'; 2 * LINE_BYTES_MAX]]).len(), 2);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_the_pieces(text in "([a-z ]{0,9}\n){0,5}", cut in 0usize..40) {
            let (a, b) = text.as_bytes().split_at(cut.min(text.len()));
            prop_assert_eq!(lines(&[a, b]), lines(&[text.as_bytes()]));
        }
    }
}
