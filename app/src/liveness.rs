//! Which threads are alive. Each marks its life; who feeds the watchdog looks whether all of them did.
//!
//! A mark is one store to an atomic: the capture thread may make it. A thread that waits for others for as long as
//! it takes says so before ([`Alive::idle`]) and is not counted as stuck. The main thread has no mark: it is the one
//! that looks, and if it stops looking, nobody feeds the watchdog.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use oratype_hal::time::{Clock, MonotonicClock};

/// A thread of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads the microphone.
    Capture,
    /// Cuts sound into segments.
    Listen,
    /// Asks the recogniser.
    Recognise,
    /// Types.
    Type,
}

impl Role {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 4] = [Self::Capture, Self::Listen, Self::Recognise, Self::Type];

    /// The thread's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Listen => "listen",
            Self::Recognise => "recognise",
            Self::Type => "type",
        }
    }
}

/// How long each thread may go without a mark.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// A driver returns after 100 ms at most, and no thread of normal priority can hold this one up. A device that is
    /// made to resume may sleep for a while; twenty times the 100 ms is no matter of load.
    pub capture: Duration,
    /// It wakes every 100 ms. Five seconds without are more than a machine under the worst load takes, and by then
    /// four of five seconds of sound are lost.
    pub listen: Duration,
    /// It marks each message to the recogniser. The longest wait between two marks is the one for an answer; a
    /// recogniser that does not give it is ended and started again first.
    pub recognise: Duration,
    /// It marks every report, at least one a second, and every 50 ms while the host is away.
    pub typing: Duration,
}

impl Deadlines {
    /// With a recogniser that is given `answer` for each step.
    pub fn new(answer: Duration) -> Self {
        /// Beyond the answer: ending the recogniser that did not give it, and taking note.
        const AFTER_ANSWER: Duration = Duration::from_secs(10);
        Self {
            capture: Duration::from_secs(2),
            listen: Duration::from_secs(5),
            recognise: answer.saturating_add(AFTER_ANSWER),
            typing: Duration::from_secs(5),
        }
    }

    fn of(&self, role: Role) -> Duration {
        match role {
            Role::Capture => self.capture,
            Role::Listen => self.listen,
            Role::Recognise => self.recognise,
            Role::Type => self.typing,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::new(Duration::from_secs(60))
    }
}

/// No such thread: not started yet, or ended in order.
const ABSENT: u64 = 0;
/// It waits for others.
const IDLE: u64 = 1;
/// It ended by a panic.
const PANICKED: u64 = 2;
/// Larger values: marked so many milliseconds after the epoch of the clock, and this.
const FIRST_MARK: u64 = 3;

/// The register.
pub struct Liveness {
    clock: Arc<dyn Clock>,
    deadlines: Deadlines,
    states: [AtomicU64; Role::ALL.len()],
}

impl Default for Liveness {
    fn default() -> Self {
        Self::new(Arc::new(MonotonicClock), Deadlines::default())
    }
}

impl Liveness {
    /// Nobody is there yet.
    pub fn new(clock: Arc<dyn Clock>, deadlines: Deadlines) -> Self {
        Self { clock, deadlines, states: Default::default() }
    }

    /// A thread takes up its work, or is just being started.
    pub fn enter(self: &Arc<Self>, role: Role) -> Alive {
        let alive = Alive { liveness: Arc::clone(self), role };
        alive.mark();
        alive
    }

    /// The first thread whose deadline has passed, and how long ago it last gave a mark.
    pub fn stuck(&self) -> Option<(Role, Duration)> {
        Role::ALL.into_iter().find_map(|role| {
            // Looked at before the clock, lest a mark that comes in between lie in the future.
            let mark = self.state(role).load(Ordering::Relaxed).checked_sub(FIRST_MARK)?;
            let silent = self.clock.now().saturating_sub(Duration::from_millis(mark));
            (silent > self.deadlines.of(role)).then_some((role, silent))
        })
    }

    /// The first thread that ended by a panic.
    pub fn panicked(&self) -> Option<Role> {
        Role::ALL.into_iter().find(|&role| self.state(role).load(Ordering::Relaxed) == PANICKED)
    }

    fn state(&self, role: Role) -> &AtomicU64 {
        &self.states[role as usize]
    }

    /// Whole milliseconds, rounded up: a mark is never taken for older than it is.
    fn now_ms(&self) -> u64 {
        self.clock.now().as_micros().div_ceil(1000) as u64
    }
}

/// What a thread marks its life with. Dropped by its thread at the end, it tells an end in order from a panic.
pub struct Alive {
    liveness: Arc<Liveness>,
    role: Role,
}

impl Alive {
    /// The thread gets on with its work. Neither allocates nor locks.
    pub fn mark(&self) {
        self.set(self.liveness.now_ms() + FIRST_MARK);
    }

    /// The thread is about to wait for others, for as long as it takes. The next mark ends that.
    pub fn idle(&self) {
        self.set(IDLE);
    }

    fn set(&self, state: u64) {
        self.liveness.state(self.role).store(state, Ordering::Relaxed);
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.set(if thread::panicking() { PANICKED } else { ABSENT });
    }
}

/// Decides whether the watchdog is fed, and tells the log when that changes.
#[derive(Debug, Default)]
pub struct Supervision {
    stuck: Option<Role>,
}

impl Supervision {
    /// Whether to feed the watchdog now. To be asked many times within its timeout.
    pub fn may_feed(&mut self, liveness: &Liveness) -> bool {
        let stuck = liveness.stuck();
        match (self.stuck, stuck) {
            (before, Some((role, silent))) if before != Some(role) => {
                log::error!(
                    "the {} thread has been stuck for {} s; the watchdog is no longer fed",
                    role.name(),
                    silent.as_secs()
                );
            }
            (Some(role), None) => log::warn!("the {} thread goes on", role.name()),
            _ => {}
        }
        self.stuck = stuck.map(|(role, _)| role);
        stuck.is_none()
    }
}

#[cfg(test)]
mod tests {
    use oratype_hal::time::SimulatedClock;
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn simulated() -> (Arc<SimulatedClock>, Arc<Liveness>) {
        let clock = Arc::new(SimulatedClock::new());
        let liveness = Liveness::new(Arc::clone(&clock) as _, Deadlines::new(20_000 * MS));
        (clock, Arc::new(liveness))
    }

    #[test]
    fn a_thread_that_stops_marking_is_noticed_and_one_that_goes_on_again_too() {
        let (clock, liveness) = simulated();
        let alive = liveness.enter(Role::Capture);
        let mut supervision = Supervision::default();
        clock.advance(2000 * MS);
        assert!(supervision.may_feed(&liveness), "at its deadline it is not late yet");
        clock.advance(MS);
        assert_eq!(liveness.stuck(), Some((Role::Capture, 2001 * MS)));
        assert!(!supervision.may_feed(&liveness));
        alive.mark();
        assert!(supervision.may_feed(&liveness));
    }

    #[test]
    fn who_waits_for_others_or_has_ended_is_not_stuck() {
        let (clock, liveness) = simulated();
        let recognise = liveness.enter(Role::Recognise);
        recognise.idle();
        drop(liveness.enter(Role::Type));
        clock.advance(Duration::from_secs(365 * 24 * 3600));
        assert_eq!(liveness.stuck(), None);
        recognise.mark();
        clock.advance(30_001 * MS);
        assert_eq!(liveness.stuck(), Some((Role::Recognise, 30_001 * MS)));
    }

    #[test]
    fn a_panic_is_told_from_an_end() {
        let (_, liveness) = simulated();
        let alive = liveness.enter(Role::Listen);
        let result = thread::spawn(move || {
            let _alive = alive;
            panic!("on purpose");
        })
        .join();
        assert!(result.is_err());
        assert_eq!(liveness.panicked(), Some(Role::Listen));
        assert_eq!(liveness.stuck(), None, "it is dealt with otherwise");
    }

    /// How a thread behaves between two looks.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Mark,
        Idle,
        Nothing,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![Just(Step::Mark), Just(Step::Idle), Just(Step::Nothing)]
    }

    proptest! {
        /// Whatever the threads do, whenever it is looked: stuck are exactly those whose last word was a mark and
        /// whose deadline has passed since.
        #[test]
        fn exactly_the_silent_ones_are_stuck(
            script in proptest::collection::vec((0usize..4, step(), 0u64..4_000_000), 1..200),
        ) {
            let (clock, liveness) = simulated();
            let threads = Role::ALL.map(|role| liveness.enter(role));
            let mut marked_at = [Some(Duration::ZERO); 4];
            for (who, step, pass_us) in script {
                match step {
                    Step::Mark => {
                        threads[who].mark();
                        marked_at[who] = Some(clock.now());
                    }
                    Step::Idle => {
                        threads[who].idle();
                        marked_at[who] = None;
                    }
                    Step::Nothing => {}
                }
                clock.advance(Duration::from_micros(pass_us));
                let silent = |role: Role| marked_at[role as usize].map(|at| clock.now() - at);
                let late = |role: Role, by: Duration| {
                    silent(role).is_some_and(|silent| silent > liveness.deadlines.of(role) + by)
                };
                match liveness.stuck() {
                    // Marks are kept in whole milliseconds.
                    None => prop_assert!(!Role::ALL.into_iter().any(|role| late(role, MS))),
                    Some((role, _)) => prop_assert!(late(role, Duration::ZERO)),
                }
            }
        }

        /// Threads that mark within their deadlines keep the watchdog fed, however unevenly they do.
        #[test]
        fn threads_that_go_on_are_never_reported(
            pauses_ms in proptest::collection::vec(0u64..=2000, 1..200),
        ) {
            let (clock, liveness) = simulated();
            let alive = liveness.enter(Role::Capture);
            let mut supervision = Supervision::default();
            for pause_ms in pauses_ms {
                clock.advance(Duration::from_millis(pause_ms));
                prop_assert!(supervision.may_feed(&liveness));
                alive.mark();
            }
        }
    }
}
