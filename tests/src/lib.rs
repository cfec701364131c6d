//! What the end-to-end tests share.

pub mod cores;
pub mod needs;
pub mod oratype;
pub mod paced;
pub mod soak;
pub mod sound;

pub mod vm;
pub mod words;
