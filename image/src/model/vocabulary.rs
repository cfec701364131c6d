//! GPT-2's vocabulary: from its printable alphabet back to the bytes a token stands for.
//!
//! GPT-2 writes each byte as one character that a text file can hold: printable Latin-1 bytes as
//! themselves, the others as U+0100 and up, in order. Source: openai/gpt-2, src/encoder.py,
//! `bytes_to_unicode`.

/// Tokens of the English vocabulary that stand for text; the special ones follow in the file.
const TEXT_TOKENS: usize = 50_256;

/// Written as the last token: ggml's tiny.en file counts 50,257.
const END_OF_TEXT: &[u8] = b"<|endoftext|>";

/// A line that is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file ends early.
    #[error("the vocabulary has {found} tokens, expected at least {TEXT_TOKENS}")]
    TooShort {
        /// Lines there.
        found: usize,
    },
    /// A character outside GPT-2's alphabet.
    #[error("line {line} of the vocabulary holds {character:?}, which is not in GPT-2's alphabet")]
    Character {
        /// Counted from 1.
        line: usize,
        /// The character.
        character: char,
    },
    /// Not text at all.
    #[error("the vocabulary is not UTF-8")]
    NotUtf8,
}

/// All tokens of `vocabulary.txt` (one a line) in the order of their numbers, as bytes.
pub fn parse(file: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let text = std::str::from_utf8(file).map_err(|_| Error::NotUtf8)?;
    let mut tokens = text
        .split('\n')
        .take(TEXT_TOKENS)
        .enumerate()
        .map(|(index, token)| {
            decode(token).map_err(|character| Error::Character { line: index + 1, character })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if tokens.len() < TEXT_TOKENS {
        return Err(Error::TooShort { found: tokens.len() });
    }
    tokens.push(END_OF_TEXT.to_vec());
    Ok(tokens)
}

/// The bytes of one token, or the first character that stands for no byte.
fn decode(token: &str) -> Result<Vec<u8>, char> {
    token.chars().map(|character| byte_of(character).ok_or(character)).collect()
}

fn byte_of(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0..=0xFF => Some(code as u8).filter(|&byte| is_printable(byte)),
        code => (0..=u8::MAX).filter(|&byte| !is_printable(byte)).nth((code - 0x100) as usize),
    }
}

/// Whether GPT-2's alphabet writes this byte as the Latin-1 character of the same number.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_byte_has_exactly_one_character() {
        let bytes: Vec<u8> = (0..=0x200u32).filter_map(char::from_u32).filter_map(byte_of).collect();
        assert_eq!(bytes.len(), 256);
        assert_eq!(bytes.into_iter().collect::<BTreeSet<_>>().len(), 256);
    }

    #[test]
    fn decodes_spaces_newlines_and_utf8() {
        for (token, bytes) in [
            ("Ġthe", &b" the"[..]),
            ("Ċ", b"\n"),
            ("ÃŃ", "í".as_bytes()),
            ("don", b"don"),
            ("Ń", &[0xAD]),
            ("", b""),
        ] {
            assert_eq!(decode(token).as_deref(), Ok(bytes), "{token}");
        }
        assert_eq!(decode("a b"), Err(' '));
        assert_eq!(decode("a\u{10FFFF}"), Err('\u{10FFFF}'));
    }

    #[test]
    fn takes_the_text_tokens_and_adds_the_end() {
        let file = "Ġa\n".repeat(TEXT_TOKENS) + "<|special|>\n";
        let tokens = parse(file.as_bytes()).unwrap();
        assert_eq!(tokens.len(), TEXT_TOKENS + 1);
        assert_eq!(tokens[TEXT_TOKENS - 1], b" a");
        assert_eq!(tokens[TEXT_TOKENS], END_OF_TEXT);
    }

    #[test]
    fn refuses_what_is_no_vocabulary() {
        assert_eq!(parse(b"a\nb"), Err(Error::TooShort { found: 2 }));
        assert_eq!(parse(b"a\nb c"), Err(Error::Character { line: 2, character: ' ' }));
        assert_eq!(parse(&[0xFF]), Err(Error::NotUtf8));
    }
}
