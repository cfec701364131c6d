//! What every [`Capture`](super::Capture) must do.
