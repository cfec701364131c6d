//! Speech to text: segments in, transcripts out.
//!
//! | module | what |
//! |---|---|
//! | [`thread`] | the thread that asks for transcripts and has them composed |
//! | [`supervisor`] | keeps the recogniser process alive, in the program's process |
//! | [`worker`] | the recogniser process itself |
//! | [`protocol`], [`audio`] | what they say, and the memory they share |
//! | [`policy`], [`guard`], [`engine`], `sampler`, `softmax`, [`bias`], `mel` | how a segment is decoded |
//! | [`verdict`] | whether the text is believed |
//!
//! Architecture invariant: whisper.cpp runs in the recogniser process only.

pub mod audio;
pub mod bias;
pub mod cores;
pub mod engine;
pub mod guard;
mod mel;
pub mod policy;
pub mod protocol;
mod sampler;
mod softmax;
pub mod supervisor;
pub mod thread;
pub mod verdict;
pub mod worker;

// Nothing of it is named here: ggml calls it.
#[cfg(feature = "blas")]
use oratype_blas as _;
