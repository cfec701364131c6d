//! Addresses that were spoken: "jo at example dot com".

use super::super::casing::lower;
use super::super::tokens::Token;
use super::super::words;
use super::{joined, replace};

/// Ends of host names that people say.
const DOMAINS: [&str; 16] =
    ["com", "org", "net", "edu", "gov", "io", "dev", "info", "eu", "uk", "de", "fr", "ca", "au", "us", "co"];

/// "jo at example dot com", "example dot org".
pub(super) fn rewrite(tokens: &mut Vec<Token<'_>>) {
    let mut at = 0;
    while at < tokens.len() {
        // The host: words with "dot" between them, the last one an end of host names.
        let mut end = at;
        let mut host = String::from(tokens[at].word.as_ref());
        while end + 2 < tokens.len()
            && tokens[end + 1].key == "dot"
            && joined(tokens, end + 1)
            && joined(tokens, end + 2)
        {
            end += 2;
            host = format!("{host}.{}", tokens[end].word);
        }
        let domain = host.rsplit_once('.').map(|(_, domain)| lower(domain));
        if !domain.is_some_and(|domain| DOMAINS.contains(&domain.as_str())) {
            at += 1;
            continue;
        }
        // What was written as one word, such as "ASP.NET", may be a name.
        if end > at {
            replace(tokens, at, end - at + 1, lower(&host));
        }
        // Somebody at it. "Look at example.com" is none.
        let named = at >= 2 && joined(tokens, at) && joined(tokens, at - 1) && tokens[at - 1].key == "at";
        if named && !words::is_common(&tokens[at - 2].key) {
            let mut start = at - 2;
            while start >= 2
                && tokens[start - 1].key == "dot"
                && joined(tokens, start)
                && joined(tokens, start - 1)
            {
                start -= 2;
            }
            let name: Vec<_> =
                tokens[start..at - 1].iter().map(|t| if t.key == "dot" { "." } else { &t.word }).collect();
            let address = lower(&format!("{}@{host}", name.concat()));
            replace(tokens, start, at - start + 1, address);
            at = start;
        }
        at += 1;
    }
}
