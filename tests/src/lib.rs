//! What the end-to-end tests share.

pub mod paced;
pub mod soak;
