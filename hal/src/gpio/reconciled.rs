//! What the drivers for GPIO lines share: edges from the kernel, held against the level.
//!
//! The kernel's queue of edges can overflow, an edge that is followed by another before its interrupt is handled
//! shows the level of the second, and some emulators have levels without edges. A lost edge would leave the button
//! down for ever. So whenever no edge is queued, the level is looked at; when it has been another than the last edge
//! said at two looks, an edge is made up.

use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use super::{Edge, GpioError};
use crate::time::{Clock, Timestamp};

/// How far the two looks lie apart at least. An edge whose interrupt is being handled is in the queue by then.
const LOOKS_APART: Duration = Duration::from_millis(5);

/// An input line.
pub(super) trait Input: Send {
    /// The oldest edge in the kernel's queue. Never blocks.
    fn queued_edge(&mut self) -> Result<Option<Edge>, Errno>;
    /// Whether the button is down now.
    fn is_pressed(&mut self) -> Result<bool, Errno>;
}

/// A button on an input line.
pub(super) struct Reconciled<I> {
    input: I,
    clock: Arc<dyn Clock>,
    /// The level after the last edge, seen or made up.
    pressed: bool,
    /// The button is down since before the start: its release is no edge either.
    held_at_start: bool,
    /// When the level was first seen to be another.
    differs_since: Option<Timestamp>,
    /// Happened already, but later than was asked for.
    waiting: Option<Edge>,
    /// Time of the last edge.
    last_at: Timestamp,
}

impl<I: Input> Reconciled<I> {
    /// The button as it is now. One that is down counts only when it has come up: at the start of the device a
    /// button that is stuck, or a wire at the wrong pin, must not dictate.
    pub(super) fn new(mut input: I, clock: Arc<dyn Clock>) -> Result<Self, Errno> {
        let pressed = input.is_pressed()?;
        if pressed {
            log::warn!("the button is down at the start; it counts from its release on");
        }
        let last_at = clock.now();
        Ok(Self {
            input,
            clock,
            pressed,
            held_at_start: pressed,
            differs_since: None,
            waiting: None,
            last_at,
        })
    }

    /// See [`Button::next_edge`](super::Button::next_edge).
    pub(super) fn next_edge(&mut self, until: Timestamp) -> Result<Option<Edge>, GpioError> {
        if self.waiting.is_none() {
            self.waiting = self.look().map_err(GpioError)?;
        }
        Ok(self.waiting.take_if(|edge| edge.at <= until))
    }

    fn look(&mut self) -> Result<Option<Edge>, Errno> {
        while let Some(edge) = self.input.queued_edge()? {
            self.differs_since = None;
            // Twice the same: the one between them was lost.
            if edge.pressed != self.pressed
                && let Some(edge) = self.take(edge)
            {
                return Ok(Some(edge));
            }
        }
        let pressed = self.input.is_pressed()?;
        if pressed == self.pressed {
            self.differs_since = None;
            return Ok(None);
        }
        let now = self.clock.now();
        let since = *self.differs_since.get_or_insert(now);
        if now < since + LOOKS_APART {
            return Ok(None);
        }
        self.differs_since = None;
        Ok(self.take(Edge { at: now, pressed }))
    }

    fn take(&mut self, edge: Edge) -> Option<Edge> {
        self.pressed = edge.pressed;
        if std::mem::take(&mut self.held_at_start) {
            return None;
        }
        // One that was made up may have overtaken one that was on its way.
        self.last_at = self.last_at.max(edge.at);
        Some(Edge { at: self.last_at, pressed: edge.pressed })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use proptest::prelude::*;

    use super::*;
    use crate::gpio::{Button, conformance};
    use crate::time::SimulatedClock;

    const MS: Duration = Duration::from_millis(1);
    /// How often the listen thread asks.
    const PERIOD: Duration = Duration::from_millis(10);

    /// What the test moves and the driver sees.
    #[derive(Default)]
    struct Contact {
        pressed: bool,
        queue: VecDeque<Edge>,
    }

    #[derive(Clone, Default)]
    struct FakeLine(Arc<Mutex<Contact>>);

    impl FakeLine {
        fn lock(&self) -> MutexGuard<'_, Contact> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Move the contact; `seen` says whether the kernel notices.
        fn set(&self, pressed: bool, at: Timestamp, seen: bool) {
            let mut contact = self.lock();
            contact.pressed = pressed;
            if seen {
                contact.queue.push_back(Edge { at, pressed });
            }
        }
    }

    impl Input for FakeLine {
        fn queued_edge(&mut self) -> Result<Option<Edge>, Errno> {
            Ok(self.lock().queue.pop_front())
        }
        fn is_pressed(&mut self) -> Result<bool, Errno> {
            Ok(self.lock().pressed)
        }
    }

    impl Button for Reconciled<FakeLine> {
        fn next_edge(&mut self, until: Timestamp) -> Result<Option<Edge>, GpioError> {
            Reconciled::next_edge(self, until)
        }
    }

    fn button(pressed: bool) -> (Reconciled<FakeLine>, FakeLine, Arc<SimulatedClock>) {
        let (line, clock) = (FakeLine::default(), Arc::new(SimulatedClock::new()));
        line.lock().pressed = pressed;
        (Reconciled::new(line.clone(), clock.clone()).unwrap(), line, clock)
    }

    /// Ask as the listen thread does, once a period.
    fn listen(button: &mut Reconciled<FakeLine>, clock: &SimulatedClock, periods: u32) -> Vec<Edge> {
        let mut edges = Vec::new();
        for _ in 0..periods {
            clock.advance(PERIOD);
            edges.extend(std::iter::from_fn(|| button.next_edge(clock.now()).unwrap()));
        }
        edges
    }

    #[test]
    fn edges_of_the_kernel_conform() {
        let (mut button, line, _) = button(false);
        let edges = [(10, true), (40, false), (40, true), (900, false)];
        let edges = edges.map(|(at, pressed)| Edge { at: at * MS, pressed });
        for edge in edges {
            line.set(edge.pressed, edge.at, true);
        }
        conformance::check_button(&mut button, &edges);
    }

    #[test]
    fn a_lost_edge_is_made_up_for() {
        let (mut button, line, clock) = button(false);
        line.set(true, 5 * MS, true);
        assert_eq!(listen(&mut button, &clock, 3), [Edge { at: 5 * MS, pressed: true }]);
        line.set(false, 35 * MS, false);
        // Seen at 40 ms, believed at 50 ms.
        assert_eq!(listen(&mut button, &clock, 9), [Edge { at: 50 * MS, pressed: false }]);
    }

    #[test]
    fn an_edge_on_its_way_is_not_made_up() {
        let (mut button, line, clock) = button(false);
        clock.advance(PERIOD);
        line.set(true, clock.now(), false);
        // Many looks, but at once.
        for _ in 0..10 {
            assert_eq!(button.next_edge(Timestamp::MAX), Ok(None));
        }
        line.set(true, clock.now(), true);
        assert_eq!(listen(&mut button, &clock, 5), [Edge { at: PERIOD, pressed: true }]);
    }

    #[test]
    fn an_edge_that_was_made_up_is_not_told_twice_nor_is_time_set_back() {
        let (mut button, line, clock) = button(false);
        line.set(true, 5 * MS, false);
        assert_eq!(listen(&mut button, &clock, 3), [Edge { at: 20 * MS, pressed: true }]);
        // The real one comes after all, and then a release from before that.
        line.set(true, 5 * MS, true);
        line.set(false, 15 * MS, true);
        assert_eq!(listen(&mut button, &clock, 3), [Edge { at: 20 * MS, pressed: false }]);
    }

    #[test]
    fn a_button_that_is_down_at_the_start_counts_from_its_release_on() {
        let (mut button, line, clock) = button(true);
        assert_eq!(listen(&mut button, &clock, 20), []);
        line.set(false, clock.now(), true);
        assert_eq!(listen(&mut button, &clock, 2), []);
        let press = clock.now() + MS;
        line.set(true, press, true);
        assert_eq!(listen(&mut button, &clock, 2), [Edge { at: press, pressed: true }]);
    }

    #[test]
    fn a_line_that_fails_says_why() {
        struct Broken;
        impl Input for Broken {
            fn queued_edge(&mut self) -> Result<Option<Edge>, Errno> {
                Err(Errno::ENODEV)
            }
            fn is_pressed(&mut self) -> Result<bool, Errno> {
                Ok(false)
            }
        }
        let mut button = Reconciled::new(Broken, Arc::new(SimulatedClock::new())).unwrap();
        assert_eq!(button.next_edge(Timestamp::MAX), Err(GpioError(Errno::ENODEV)));
    }

    proptest! {
        /// Whatever the contact does and the kernel loses, edges alternate, time does not go back, and soon after the
        /// contact is still the button is where the contact is.
        #[test]
        fn the_button_never_stays_wrong(
            at_start in any::<bool>(),
            steps in proptest::collection::vec((any::<bool>(), any::<bool>(), 0..30_u32), 0..200),
        ) {
            let (mut button, line, clock) = button(at_start);
            let (mut told, mut last_at) = (false, Timestamp::ZERO);
            let mut check = |edges: Vec<Edge>| {
                for edge in edges {
                    prop_assert!(edge.pressed != told && edge.at >= last_at, "{edge:?}");
                    (told, last_at) = (edge.pressed, edge.at);
                }
                Ok(told)
            };
            for (pressed, seen, wait_ms) in steps {
                line.set(pressed, clock.now(), seen);
                clock.advance(wait_ms * MS);
                check(std::iter::from_fn(|| button.next_edge(clock.now()).unwrap()).collect())?;
            }
            let told = check(listen(&mut button, &clock, 3))?;
            // Held from the start until now, as far as could be seen, it does not count.
            prop_assert_eq!(told, line.lock().pressed && !button.held_at_start);
        }
    }
}
