//! Phrases of one or more words, each with what it stands for; the longest that fits is found.

use super::tokens::Token;

/// Phrases in order, as [`phrase_key`](super::tokens::phrase_key) writes them.
#[derive(Debug, Clone)]
pub(super) struct Phrases<T>(Vec<(Box<str>, T)>);

impl<T> Phrases<T> {
    /// Of equal phrases the first counts.
    pub(super) fn new(phrases: impl IntoIterator<Item = (Box<str>, T)>) -> Self {
        let mut sorted: Vec<_> = phrases.into_iter().collect();
        // Stable: equal ones keep their order.
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        sorted.dedup_by(|later, first| later.0 == first.0);
        Self(sorted)
    }

    /// The longest phrase at the beginning of these words, and how many of them it takes. Punctuation between two
    /// words ends a phrase.
    pub(super) fn longest(&self, tokens: &[Token<'_>]) -> Option<(usize, &T)> {
        let mut found = None;
        let mut left = &self.0[..];
        let mut key = String::new();
        for (index, token) in tokens.iter().enumerate() {
            if index > 0 {
                if !tokens[index - 1].closing.is_empty() || !token.opening.is_empty() {
                    break;
                }
                key.push(' ');
            }
            key += &token.key;
            let from = left.partition_point(|(phrase, _)| **phrase < *key);
            left = &left[from..];
            let to = left.partition_point(|(phrase, _)| phrase.starts_with(&key));
            left = &left[..to];
            match left.first() {
                None => break,
                Some((phrase, value)) if **phrase == *key => found = Some((index + 1, value)),
                Some(_) => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    #[test]
    fn the_longest_phrase_counts() {
        let phrases = ["tab", "new line", "new", "new line feed", "new", "open"];
        let phrases =
            Phrases::new(phrases.iter().enumerate().map(|(index, phrase)| ((*phrase).into(), index)));
        let found = |text: &str| phrases.longest(&tokens(text)).map(|(words, index)| (words, *index));
        assert_eq!(found("New line."), Some((2, 1)));
        assert_eq!(found("new-line feeds"), Some((1, 1)));
        assert_eq!(found("new line feed"), Some((3, 3)));
        assert_eq!(found("new. Line"), Some((1, 2)));
        assert_eq!(found("new lines"), Some((1, 2)));
        assert_eq!(found("table"), None);
        assert_eq!(found("op"), None);
        assert_eq!(found(""), None);
    }
}
