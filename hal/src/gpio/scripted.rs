//! A button and a light without hardware: a list of edges, and a record of what was shown.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Button, Edge, GpioError, Led};
use crate::time::Timestamp;

/// A button that is pressed as a list says.
#[derive(Clone, Debug, Default)]
pub struct ScriptedButton {
    edges: VecDeque<Edge>,
}

impl ScriptedButton {
    /// These edges, which are put in the order of time.
    pub fn new(edges: impl IntoIterator<Item = Edge>) -> Self {
        let mut edges: Vec<_> = edges.into_iter().collect();
        edges.sort_by_key(|e| e.at);
        Self { edges: edges.into() }
    }

    /// Down from the first to the second time of each pair.
    pub fn held(times: impl IntoIterator<Item = (Timestamp, Timestamp)>) -> Self {
        Self::new(
            times
                .into_iter()
                .flat_map(|(down, up)| [Edge { at: down, pressed: true }, Edge { at: up, pressed: false }]),
        )
    }
}

impl Button for ScriptedButton {
    fn next_edge(&mut self, until: Timestamp) -> Result<Option<Edge>, GpioError> {
        Ok(self.edges.pop_front_if(|edge| edge.at <= until))
    }
}

/// A light that remembers what it was told. Clones share the memory.
#[derive(Clone, Debug, Default)]
pub struct RecordingLed {
    states: Arc<Mutex<Vec<bool>>>,
}

impl RecordingLed {
    /// Every state it was set to, oldest first.
    pub fn states(&self) -> Vec<bool> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<bool>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Led for RecordingLed {
    fn set(&mut self, lit: bool) -> Result<(), GpioError> {
        self.lock().push(lit);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gpio::conformance;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_button_conforms() {
        let edges = [
            Edge { at: 10 * MS, pressed: true },
            Edge { at: 10 * MS, pressed: false },
            Edge { at: 900 * MS, pressed: true },
        ];
        conformance::check_button(&mut ScriptedButton::new(edges), &edges);
    }

    #[test]
    fn holds_become_edges_in_order() {
        let mut button = ScriptedButton::held([(30 * MS, 40 * MS), (10 * MS, 20 * MS)]);
        let expected = [(10, true), (20, false), (30, true), (40, false)];
        conformance::check_button(&mut button, &expected.map(|(at, pressed)| Edge { at: at * MS, pressed }));
    }

    #[test]
    fn the_led_conforms() {
        let mut led = RecordingLed::default();
        let seen = led.clone();
        conformance::check_led(&mut led, || seen.states().last().copied().unwrap_or(false));
    }
}
