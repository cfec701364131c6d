//! Numbers, times, money and addresses that were written out as words, in figures and signs.

use super::tokens::Token;

/// Put written forms in the place of words.
pub(super) fn rewrite(_tokens: &mut Vec<Token<'_>>) {}
