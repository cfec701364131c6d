//! What every [`Button`] and every [`Led`] must do, as checks that run on any of them.

use super::{Button, Edge, Led};
use crate::time::Timestamp;

/// Check a button on which exactly `expected`, at least one edge, has happened or will happen.
///
/// # Panics
/// When a check fails.
pub fn check_button(button: &mut dyn Button, expected: &[Edge]) {
    for edge in expected {
        if let Some(before) = edge.at.checked_sub(Timestamp::from_nanos(1)) {
            assert_eq!(button.next_edge(before), Ok(None), "an edge before its time, {:?}", edge.at);
        }
        assert_eq!(button.next_edge(edge.at), Ok(Some(*edge)));
    }
    for _ in 0..2 {
        assert_eq!(button.next_edge(Timestamp::MAX), Ok(None), "an edge that did not happen");
    }
}

/// Check a light; `lit` looks at it.
///
/// # Panics
/// When a check fails.
pub fn check_led(led: &mut dyn Led, lit: impl Fn() -> bool) {
    for state in [true, true, false, false, true, false] {
        assert_eq!(led.set(state), Ok(()));
        assert_eq!(lit(), state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpio::{GpioError, ScriptedButton};

    /// The suite must be able to fail: a button that tells of the future.
    #[test]
    #[should_panic(expected = "an edge before its time")]
    fn a_button_that_does_not_wait_is_caught() {
        struct Hasty(ScriptedButton);
        impl Button for Hasty {
            fn next_edge(&mut self, _: Timestamp) -> Result<Option<Edge>, GpioError> {
                self.0.next_edge(Timestamp::MAX)
            }
        }
        let edge = Edge { at: Timestamp::from_secs(1), pressed: true };
        check_button(&mut Hasty(ScriptedButton::new([edge])), &[edge]);
    }
}
