//! The model against its reference.
use super::*;
