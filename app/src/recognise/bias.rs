//! Words that the speaker has listed, favoured while decoding.
//!
//! The phrases lie in a prefix tree of tokens. Where a phrase may begin, its first token gets a bonus on its
//! log-probability; within a phrase, the tokens that continue it. A phrase is taken whole or not at all: when decoding
//! leaves the tree in the middle of one, it goes back to where the phrase began and decides without it. So a list costs
//! ordinary words nothing that they would have won by more than the bonus. What was listed with a small letter is
//! favoured with a capital too, as the model may take it for a name; the composer knows how it is to be written.

use std::collections::HashMap;

/// Bonus for the first token of a phrase, as natural logarithm. See ARCHITECTURE.md for the measurements.
const FIRST_BONUS: f32 = 3.0;
/// Bonus for each token that continues it.
const NEXT_BONUS: f32 = 5.0;

/// A token and its bonus.
pub type Bonus = (usize, f32);

/// The prefix tree.
#[derive(Debug, Default)]
pub struct Bias {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// Tokens that lead on, and where to.
    next: Vec<(usize, usize)>,
    /// A phrase ends here.
    ends: bool,
}

/// A place in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(usize);

impl Place {
    /// Before the first token of a phrase.
    pub const START: Self = Self(0);
}

impl Bias {
    /// The tree of phrases of these tokens.
    pub fn new(phrases: impl IntoIterator<Item = Vec<usize>>) -> Self {
        let mut bias = Self { nodes: vec![Node::default()] };
        for phrase in phrases {
            bias.add(&phrase);
        }
        bias
    }

    fn add(&mut self, phrase: &[usize]) {
        let mut place = Place::START;
        for &token in phrase {
            place = self.step(place, token).unwrap_or_else(|| {
                let next = self.nodes.len();
                self.nodes.push(Node::default());
                self.nodes[place.0].next.push((token, next));
                Place(next)
            });
        }
        self.nodes[place.0].ends = place != Place::START;
    }

    /// No phrases at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.iter().all(|node| node.next.is_empty())
    }

    /// What to favour at a place.
    pub fn bonuses(&self, place: Place) -> impl Iterator<Item = Bonus> {
        let (Place(at), bonus) = (place, if place == Place::START { FIRST_BONUS } else { NEXT_BONUS });
        self.nodes
            .get(at)
            .into_iter()
            .flat_map(move |node| node.next.iter().map(move |&(token, _)| (token, bonus)))
    }

    /// Where a token leads.
    pub fn step(&self, Place(at): Place, token: usize) -> Option<Place> {
        let (_, next) = self.nodes.get(at)?.next.iter().find(|(have, _)| *have == token)?;
        Some(Place(*next))
    }

    /// Whether a phrase may end here.
    pub fn ends(&self, Place(at): Place) -> bool {
        self.nodes.get(at).is_some_and(|node| node.ends)
    }
}

/// Words to tokens, as the model was trained to see them.
pub struct Tokens {
    /// The model's tokens by their bytes. They are numbered in the order in which byte pair encoding made them.
    by_bytes: HashMap<Vec<u8>, usize>,
}

impl Tokens {
    /// Of these tokens' bytes, from number 0 on.
    pub fn new(bytes: impl Iterator<Item = Vec<u8>>) -> Self {
        Self { by_bytes: bytes.enumerate().map(|(token, bytes)| (bytes, token)).collect() }
    }

    /// The tokens of a phrase as it stands after a space; as it was listed, and with a capital.
    pub fn spellings(&self, phrase: &str) -> impl Iterator<Item = Vec<usize>> {
        // The model writes plain apostrophes.
        let phrase = phrase.replace('’', "'");
        let mut chars = phrase.chars();
        let capital = chars.next().map(|first| first.to_uppercase().chain(chars).collect::<String>());
        let other = capital.filter(|capital| *capital != phrase);
        [Some(phrase), other].into_iter().flatten().filter_map(|written| self.encode(&format!(" {written}")))
    }

    /// Byte pair encoding (GPT-2): in each word, the pair whose token was made first is joined first.
    fn encode(&self, text: &str) -> Option<Vec<usize>> {
        let mut tokens = Vec::new();
        for word in words(text).map(str::as_bytes) {
            // Where the parts of the word begin, and its end.
            let mut cuts: Vec<usize> = (0..=word.len()).collect();
            let pair =
                |cuts: &[usize], at: usize| self.by_bytes.get(&word[cuts[at - 1]..cuts[at + 1]]).copied();
            while let Some((_, at)) = (1..cuts.len() - 1).filter_map(|at| Some((pair(&cuts, at)?, at))).min()
            {
                cuts.remove(at);
            }
            for part in cuts.windows(2) {
                tokens.push(*self.by_bytes.get(&word[part[0]..part[1]])?);
            }
        }
        Some(tokens)
    }
}

/// The pieces that byte pair encoding does not join: contractions, and runs of letters, of digits, of anything else,
/// each with the space before it.
fn words(text: &str) -> impl Iterator<Item = &str> {
    const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    let kind = |c: char| (c.is_alphabetic(), c.is_numeric(), c.is_whitespace());
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().find(|c| *c != ' ')?;
        let begins = rest.find(|c| c != ' ')?;
        let run = || rest[begins..].find(|c| kind(c) != kind(first)).unwrap_or(rest.len() - begins);
        let contraction = CONTRACTIONS.iter().find(|contraction| rest.starts_with(**contraction));
        let length = contraction.map_or_else(run, |contraction| contraction.len());
        let word;
        (word, rest) = rest.split_at(begins + length);
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes, then joined pairs in the order in which they were made.
    fn tokens() -> Tokens {
        let joined = ["ll", " c", "er", " ca", "all", " call", "caller"];
        let bytes = (0..=255_u8).map(|byte| vec![byte]);
        Tokens::new(bytes.chain(joined.iter().map(|joined| joined.as_bytes().to_vec())))
    }

    #[test]
    fn pairs_are_joined_in_the_order_in_which_they_were_made() {
        let tokens = tokens();
        let text = |ids: &[usize]| -> Vec<Vec<u8>> {
            let bytes = |id| tokens.by_bytes.iter().find(|(_, have)| **have == id).unwrap().0.clone();
            ids.iter().map(|&id| bytes(id)).collect()
        };
        // "ll" before " ca", so "all" is never made of " ca" and "ll", but " call" is.
        assert_eq!(text(&tokens.encode(" caller").unwrap()), [b" call".to_vec(), b"er".to_vec()]);
        assert_eq!(text(&tokens.encode(" call1").unwrap()), [b" call".to_vec(), b"1".to_vec()]);
        let spellings: Vec<_> = tokens.spellings("call").collect();
        assert_eq!(spellings.len(), 2);
        assert_eq!(tokens.spellings("Call").count(), 1);
    }

    #[test]
    fn contractions_are_pieces_of_their_own() {
        let pieces = |text| words(text).collect::<Vec<_>>();
        assert_eq!(pieces(" McDonald's we'll 'em"), [" McDonald", "'s", " we", "'ll", " '", "em"]);
        let tokens = tokens();
        assert!(tokens.spellings("O’Neill’s").eq(tokens.spellings("O'Neill's")));
    }

    #[test]
    fn the_tree_leads_through_every_phrase() {
        let bias = Bias::new([vec![1, 2, 3], vec![1, 2], vec![7]]);
        let start = Place::START;
        let [one, seven] = [1, 7].map(|token| bias.step(start, token).unwrap());
        let two = bias.step(one, 2).unwrap();
        let three = bias.step(two, 3).unwrap();
        assert_eq!([one, two, three, seven].map(|place| bias.ends(place)), [false, true, true, true]);
        assert_eq!((bias.step(one, 7), bias.ends(start)), (None, false));
        let favoured = |place| bias.bonuses(place).map(|(token, _)| token).collect::<Vec<_>>();
        assert_eq!((favoured(start), favoured(two), favoured(three)), (vec![1, 7], vec![3], vec![]));
    }

    #[test]
    fn no_phrases_favour_nothing() {
        for bias in [Bias::new([vec![]]), Bias::default()] {
            assert!(bias.bonuses(Place::START).next().is_none() && !bias.ends(Place::START));
            assert!(bias.is_empty());
        }
    }

    proptest! {
        /// Whatever is listed, its tokens are its bytes.
        #[test]
        fn tokens_spell_the_phrase(phrase in "\\PC{1,20}") {
            let tokens = tokens();
            let by_number: HashMap<_, _> = tokens.by_bytes.iter().map(|(bytes, id)| (*id, bytes)).collect();
            let ids = tokens.encode(&phrase).unwrap();
            let spelled: Vec<u8> = ids.iter().flat_map(|id| by_number[id].clone()).collect();
            prop_assert_eq!(spelled, phrase.trim_end_matches(' ').as_bytes());
        }
    }
}
