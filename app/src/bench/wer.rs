//! Word error rate: the fewest word edits that turn a transcript into its reference, and how far chance
//! may have moved the rate.

use std::iter::Sum;
use std::ops::{Add, RangeInclusive};

use fastrand::Rng;

/// Resamples of the bootstrap. The ends of a 95 % interval then move by about a hundredth of its width
/// from seed to seed (Efron and Tibshirani, An Introduction to the Bootstrap, ask for 1,000 at least).
const RESAMPLES: usize = 10_000;

/// The seed of the bootstrap: any fixed number, so that a report can be repeated to the last digit.
const SEED: u64 = 1;

/// The edits of one utterance, or of many added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WordEdits {
    /// Words of the reference that were recognised as another.
    pub substitutions: usize,
    /// Words of the reference that are missing.
    pub deletions: usize,
    /// Words too many.
    pub insertions: usize,
    /// Words of the reference.
    pub reference_words: usize,
}

impl WordEdits {
    /// The fewest edits from `reference` to `text`; both are split at white space, so normalise them first.
    ///
    /// Where several ways need equally few edits, the one with the most substitutions is counted.
    #[must_use]
    pub fn between(reference: &str, text: &str) -> Self {
        let (reference, text): (Vec<_>, Vec<_>) =
            (reference.split_whitespace().collect(), text.split_whitespace().collect());
        // Wagner and Fischer's table, one row per word of the reference; its cells hold the edits so far.
        let mut row: Vec<Self> =
            (0..=text.len()).map(|insertions| Self { insertions, ..Self::default() }).collect();
        for (index, expected) in reference.iter().enumerate() {
            let mut diagonal = row[0];
            row[0].deletions = index + 1;
            for (column, word) in text.iter().enumerate() {
                let [mut substituted, mut inserted, mut deleted] = [diagonal, row[column], row[column + 1]];
                substituted.substitutions += usize::from(expected != word);
                inserted.insertions += 1;
                deleted.deletions += 1;
                diagonal = row[column + 1];
                row[column + 1] = substituted.fewer(deleted).fewer(inserted);
            }
        }
        Self { reference_words: reference.len(), ..row[text.len()] }
    }

    /// All edits.
    #[must_use]
    pub fn edits(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }

    /// The better of two ways to the same words. With as many edits, fewer insertions mean fewer deletions
    /// too, so more substitutions.
    fn fewer(self, other: Self) -> Self {
        let cost = |way: &Self| (way.edits(), way.insertions);
        if cost(&other) < cost(&self) { other } else { self }
    }

    /// Edits per word of the reference, 1.0 being 100 %; nothing when the reference has no word.
    #[must_use]
    pub fn wer(&self) -> Option<f64> {
        (self.reference_words > 0).then(|| self.edits() as f64 / self.reference_words as f64)
    }
}

impl Add for WordEdits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            substitutions: self.substitutions + other.substitutions,
            deletions: self.deletions + other.deletions,
            insertions: self.insertions + other.insertions,
            reference_words: self.reference_words + other.reference_words,
        }
    }
}

impl Sum for WordEdits {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// The 95 % interval of the pooled word error rate: the percentile bootstrap over utterances.
///
/// Nothing when there is no reference word. The same utterances give the same interval.
#[must_use]
pub fn wer_interval(utterances: &[WordEdits]) -> Option<RangeInclusive<f64>> {
    bootstrap(utterances.len(), |sample| pooled_wer(sample, utterances))
}

/// The 95 % interval of the difference of two pooled word error rates, `a` − `b`: the paired bootstrap
/// (Bisani and Ney, ICASSP 2004). When 0 is outside, chance does not explain the difference.
///
/// `utterances` holds the edits of both for each utterance. Nothing when there is no reference word.
#[must_use]
pub fn wer_difference_interval(utterances: &[(WordEdits, WordEdits)]) -> Option<RangeInclusive<f64>> {
    let (a, b): (Vec<_>, Vec<_>) = utterances.iter().copied().unzip();
    bootstrap(utterances.len(), |sample| Some(pooled_wer(sample, &a)? - pooled_wer(sample, &b)?))
}

fn pooled_wer(sample: &[usize], utterances: &[WordEdits]) -> Option<f64> {
    sample.iter().map(|index| utterances[*index]).sum::<WordEdits>().wer()
}

/// The middle 95 % of what `statistic` says of samples drawn, with replacement, from `count` things.
fn bootstrap(count: usize, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<RangeInclusive<f64>> {
    if count == 0 {
        return None;
    }
    let mut rng = Rng::with_seed(SEED);
    let mut sample = vec![0; count];
    // A sample may happen to hold no word; it says nothing.
    let mut values: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            sample.fill_with(|| rng.usize(..count));
            statistic(&sample)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let quantile = |share: f64| values[(share * last as f64).round() as usize];
    Some(quantile(0.025)..=quantile(0.975))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(reference: &str, text: &str, substitutions: usize, deletions: usize, insertions: usize) {
        let reference_words = reference.split_whitespace().count();
        let expected = WordEdits { substitutions, deletions, insertions, reference_words };
        assert_eq!(WordEdits::between(reference, text), expected, "{reference:?} {text:?}");
    }

    #[test]
    fn edits_are_counted_by_kind() {
        check("", "", 0, 0, 0);
        check("a b c", "a b c", 0, 0, 0);
        check("a b c", "", 0, 3, 0);
        check("", "a b", 0, 0, 2);
        check("a b c", "a x c", 1, 0, 0);
        check("a b c", "a c", 0, 1, 0);
        check("a b c", "a b b c", 0, 0, 1);
        check("a b c d", "b c d e", 0, 1, 1);
        check("the cat sat on the mat", "cat sat in the the mat", 1, 1, 1);
        // Two substitutions, not a deletion, an insertion and a match in the wrong place.
        check("a b", "b c", 2, 0, 0);
    }

    #[test]
    fn rate_is_pooled_over_words_not_over_utterances() {
        let edits = [WordEdits::between("a", "b"), WordEdits::between("a b c", "a b c")];
        assert_eq!(edits.into_iter().sum::<WordEdits>().wer(), Some(0.25));
        assert_eq!(WordEdits::between("", "a").wer(), None);
        assert_eq!(WordEdits::between("a", "b c d").wer(), Some(3.0));
    }

    /// `count` utterances of ten words, of which every `nth` has `errors` substitutions.
    fn set(count: usize, nth: usize, errors: usize) -> Vec<WordEdits> {
        (0..count)
            .map(|index| WordEdits {
                substitutions: if index % nth == 0 { errors } else { 0 },
                reference_words: 10,
                ..WordEdits::default()
            })
            .collect()
    }

    #[test]
    fn interval_is_that_of_the_binomial_it_estimates() {
        // One word in each of 1,000 utterances wrong with p = 0.2: 0.2 ± 1.96·√(p(1−p)/n) = 0.175…0.225.
        let utterances: Vec<_> =
            set(1000, 5, 1).into_iter().map(|edits| WordEdits { reference_words: 1, ..edits }).collect();
        let interval = wer_interval(&utterances).unwrap();
        assert!((interval.start() - 0.1752).abs() < 0.003, "{interval:?}");
        assert!((interval.end() - 0.2248).abs() < 0.003, "{interval:?}");
        assert_eq!(wer_interval(&utterances), Some(interval), "repeatable");
    }

    #[test]
    fn degenerate_sets_have_a_point_or_nothing() {
        assert_eq!(wer_interval(&[]), None);
        assert_eq!(wer_interval(&[WordEdits::default()]), None);
        assert_eq!(wer_interval(&set(5, 1, 2)), Some(0.2..=0.2));
    }

    #[test]
    fn pairing_sees_a_small_steady_difference() {
        // Utterances differ much from each other, but b is always one word worse than a.
        let pairs: Vec<_> = set(100, 2, 8)
            .into_iter()
            .map(|a| (a, WordEdits { insertions: a.insertions + 1, ..a }))
            .collect();
        let difference = wer_difference_interval(&pairs).unwrap();
        assert!((difference.start() + 0.1).abs() < 1e-9 && (difference.end() + 0.1).abs() < 1e-9);
        let same: Vec<_> = set(100, 3, 4).into_iter().zip(set(100, 4, 4)).collect();
        assert!(wer_difference_interval(&same).unwrap().contains(&0.0));
    }

    proptest! {
        #[test]
        fn edits_have_the_sense_of_a_distance(a in "([abc] ){0,8}", b in "([abc] ){0,8}") {
            let (there, back) = (WordEdits::between(&a, &b), WordEdits::between(&b, &a));
            let words = |text: &str| text.split_whitespace().count();
            prop_assert_eq!(there.edits(), back.edits());
            prop_assert_eq!(there.edits() == 0, a == b);
            prop_assert!(there.edits() <= words(&a).max(words(&b)));
            prop_assert_eq!(words(&a) + there.insertions, words(&b) + there.deletions);
            let (a, b): (Vec<_>, Vec<_>) = (a.split(' ').collect(), b.split(' ').collect());
            prop_assert_eq!(there.edits(), strsim::generic_levenshtein(&a, &b));
        }
    }
}
