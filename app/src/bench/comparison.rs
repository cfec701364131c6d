//! Two benchmark runs side by side, utterance by utterance.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::RangeInclusive;

use super::report::UtteranceResult;
use super::wer::{WordEdits, wer_difference_interval};

/// The word error rates of two runs over the utterances that both have.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Utterances that both have.
    pub utterances: usize,
    /// Words of their references.
    pub words: usize,
    /// Of the utterances, those with fewer word edits than in the other run.
    pub better: usize,
    /// Those with more.
    pub worse: usize,
    /// How much higher the word error rate is than the other run's, 1.0 being 100 %.
    pub difference: f64,
    /// The 95 % interval of that.
    pub interval: RangeInclusive<f64>,
}

impl Comparison {
    /// Compares a run with another one. Nothing when they share no reference word.
    #[must_use]
    pub fn of(results: &[UtteranceResult], others: &[UtteranceResult]) -> Option<Self> {
        // Several sets may have an utterance of the same name: the first goes with the first.
        let mut counterparts: HashMap<_, VecDeque<_>> = HashMap::new();
        for other in others {
            counterparts.entry((&other.id, &other.reference)).or_default().push_back(other);
        }
        let pairs: Vec<_> = results
            .iter()
            .filter_map(|result| {
                let other = counterparts.get_mut(&(&result.id, &result.reference))?.pop_front()?;
                Some((result.word_edits(), other.word_edits()))
            })
            .collect();
        let interval = wer_difference_interval(&pairs)?;
        let (here, there): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
        let sum = |edits: Vec<WordEdits>| edits.into_iter().sum::<WordEdits>();
        let (here, there) = (sum(here), sum(there));
        let count =
            |is: fn(usize, usize) -> bool| pairs.iter().filter(|(a, b)| is(a.edits(), b.edits())).count();
        Some(Self {
            utterances: pairs.len(),
            words: here.reference_words,
            better: count(|here, there| here < there),
            worse: count(|here, there| here > there),
            difference: here.wer()? - there.wer()?,
            interval,
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { utterances, words, better, worse, difference, interval } = self;
        let (low, high) = (100.0 * interval.start(), 100.0 * interval.end());
        writeln!(
            f,
            "{:<22}{:>+9.2} points of WER, 95 % interval {low:+.2} to {high:+.2}; {better} better, {worse} worse \
             of {utterances} shared ({words} words)",
            "against the other",
            100.0 * difference
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(id: &str, reference: &str, text: &str) -> UtteranceResult {
        UtteranceResult {
            id: id.into(),
            text: text.into(),
            reference: reference.into(),
            ..UtteranceResult::default()
        }
    }

    #[test]
    fn differences_are_over_shared_utterances() {
        let a = [result("1", "a b", "a x"), result("2", "c d", "c d"), result("only-a", "e", "")];
        let b = [result("2", "c d", "c d"), result("1", "a b", "a b")];
        let comparison = Comparison::of(&a, &b).unwrap();
        assert_eq!((comparison.difference, comparison.utterances, comparison.words), (0.25, 2, 4));
        assert_eq!((comparison.better, comparison.worse), (0, 1));
        assert!(comparison.interval.contains(&0.25));
        let text = comparison.to_string();
        assert!(text.contains("+25.00 points") && text.contains("+0.00 to +50.00"), "{text}");
        assert_eq!(Comparison::of(&a, &[]), None);
    }

    #[test]
    fn sets_that_use_the_same_names_are_not_mixed_up() {
        let clean = result("1", "a b", "a b");
        let (noisy, other) = (result("1", "a b", "x y"), result("1", "c d", "c d"));
        let run = [clean, noisy, other.clone()];
        let comparison = Comparison::of(&run, &run).unwrap();
        assert_eq!((comparison.utterances, comparison.better, comparison.worse), (3, 0, 0));
        assert_eq!(Comparison::of(&run[..2], &[other]), None, "another sentence");
    }
}
