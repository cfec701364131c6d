//! The link against a model of f_hid, its controller and a Linux host, in simulated time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use proptest::prelude::*;

use super::link::{Link, Node};
use super::*;
use crate::hid::conformance::{self, Fixture};
use crate::hid::{Decoder, usage};
use crate::time::{Clock, SimulatedClock};

/// A host asks for a report once a millisecond, on the millisecond.
const FRAME: Duration = Duration::from_millis(1);
/// What a system call takes.
const CALL: Duration = Duration::from_micros(10);
/// A slow host throws away what it fetches this long after its driver opened the device.
const DEAF: Duration = Duration::from_millis(300);
/// Between the drop of what is in flight and the mark that the function is disabled.
const DISABLE_LAG: Duration = Duration::from_micros(200);
/// As the typist retries.
const RETRY: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Reset, unplugged, unbound: the function is disabled.
    Leave,
    /// What follows: the kernel says so.
    Disabled,
    /// Enumerated; the driver opens the device after this time.
    Arrive {
        opens_after: Duration,
    },
    Sleep,
    Wake,
    Lights(u8),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Controller {
    /// Completes a report when the host has fetched it; refuses reports while the host sleeps.
    Dwc2,
    /// Completes the first report when it is in its buffer.
    DummyHcd,
}

struct World {
    controller: Controller,
    events: VecDeque<(Timestamp, Event)>,
    enabled: bool,
    /// A little earlier than the above when the host leaves.
    endpoint_enabled: bool,
    /// A drop is in the kernel's log, and nobody has asked since.
    dropped: bool,
    /// Whether the log can be read.
    has_log: bool,
    /// It was enabled, and nobody has asked since.
    newly_enabled: bool,
    asleep: bool,
    /// When the host's driver opens the device.
    open_at: Timestamp,
    next_frame: Timestamp,
    buffer: Option<[u8; 8]>,
    pending: Option<[u8; 8]>,
    lights: VecDeque<u8>,
    now: Timestamp,
    host: Decoder,
    down: Report,
    text: String,
    /// Reads while the function was disabled, which a loop that spins would do without end.
    futile_reads: usize,
    wake_requests: usize,
}

impl World {
    fn new(controller: Controller, events: impl IntoIterator<Item = (Timestamp, Event)>) -> Self {
        Self {
            controller,
            events: events.into_iter().collect(),
            enabled: false,
            endpoint_enabled: false,
            dropped: false,
            has_log: true,
            newly_enabled: false,
            asleep: false,
            open_at: Timestamp::ZERO,
            next_frame: FRAME,
            buffer: None,
            pending: None,
            lights: VecDeque::new(),
            now: Timestamp::ZERO,
            host: Decoder::with_late_modifiers(),
            down: Report::RELEASED,
            text: String::new(),
            futile_reads: 0,
            wake_requests: 0,
        }
    }

    /// Let happen what happens until `to`.
    fn run(&mut self, to: Timestamp) {
        loop {
            let event_at = self.events.front().map_or(Timestamp::MAX, |&(at, _)| at);
            if event_at.min(self.next_frame) > to {
                break;
            }
            if event_at < self.next_frame {
                self.now = self.now.max(event_at);
                if let Some((_, event)) = self.events.pop_front() {
                    self.happen(event);
                }
            } else {
                self.now = self.now.max(self.next_frame);
                self.next_frame += FRAME;
                if self.endpoint_enabled && !self.asleep && self.now >= self.open_at {
                    self.fetch();
                }
            }
        }
        self.now = self.now.max(to);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Leave => {
                self.endpoint_enabled = false;
                self.dropped |= self.pending.is_some();
                (self.buffer, self.pending) = (None, None);
                // Without a log it comes to which is faster, the kernel's mark or the woken thread: the mark is.
                let lag = if self.has_log { DISABLE_LAG } else { Duration::ZERO };
                self.events.push_front((self.now + lag, Event::Disabled));
                // The host removes the device, and with it what was down.
                self.host.decode(Report::RELEASED).for_each(drop);
                self.down = Report::RELEASED;
            }
            Event::Disabled => self.enabled = false,
            Event::Arrive { opens_after } if !self.endpoint_enabled => {
                (self.endpoint_enabled, self.enabled) = (true, true);
                self.newly_enabled = true;
                self.open_at = self.now + opens_after;
            }
            Event::Arrive { .. } => {}
            Event::Sleep => self.asleep = true,
            Event::Wake => self.asleep = false,
            Event::Lights(bits) => self.lights.push_back(bits),
        }
    }

    fn fetch(&mut self) {
        let Some(bytes) = self.buffer.take().or_else(|| self.pending.take()) else { return };
        if self.now >= self.open_at + DEAF {
            let report = Report::from_bytes(bytes);
            self.host.decode(report).for_each(|typed| typed.apply(&mut self.text));
            self.down = report;
        }
    }
}

/// Shared with the test.
#[derive(Clone)]
struct ModelNode {
    world: Arc<Mutex<World>>,
    clock: Arc<SimulatedClock>,
}

impl ModelNode {
    fn new(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)), clock: Arc::new(SimulatedClock::new()) }
    }

    /// The world, at the time of the clock.
    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap();
        world.run(self.clock.now());
        world
    }

    fn call(&self) -> MutexGuard<'_, World> {
        self.clock.advance(CALL);
        self.world()
    }

    fn link(&self) -> Link<Self> {
        Link::new(self.clone(), self.clock.clone())
    }
}

impl World {
    fn write(&mut self, report: [u8; Report::BYTES]) -> Result<(), Errno> {
        if !self.endpoint_enabled {
            return Err(Errno::ESHUTDOWN);
        }
        if self.pending.is_some() || self.controller == Controller::Dwc2 && self.asleep {
            return Err(Errno::EAGAIN);
        }
        if self.controller == Controller::DummyHcd && self.buffer.is_none() {
            self.buffer = Some(report);
        } else {
            self.pending = Some(report);
        }
        Ok(())
    }
}

impl Node for ModelNode {
    fn reopen(&mut self, _: Timestamp) -> Result<(), Errno> {
        Ok(())
    }

    fn write(&mut self, report: [u8; Report::BYTES]) -> Result<(), Errno> {
        self.call().write(report)
    }

    fn write_pair(&mut self, [first, second]: [[u8; Report::BYTES]; 2]) -> Result<bool, Errno> {
        let mut world = self.call();
        world.write(first)?;
        Ok(world.write(second).is_ok())
    }

    fn read(&mut self) -> Result<u8, Errno> {
        let mut world = self.call();
        if let Some(bits) = world.lights.pop_front() {
            return Ok(bits);
        }
        if !world.enabled {
            world.futile_reads += 1;
            return Err(Errno::ENOMEM);
        }
        Err(Errno::EAGAIN)
    }

    fn wait(&mut self, limit: Duration) -> bool {
        let deadline = self.clock.now() + limit;
        loop {
            let world = self.world();
            let writable = world.enabled && world.pending.is_none();
            if writable || !world.enabled || !world.lights.is_empty() || world.now >= deadline {
                return writable;
            }
            let event_at = world.events.front().map_or(Timestamp::MAX, |&(at, _)| at);
            let next = world.next_frame.min(event_at).min(deadline);
            drop(world);
            self.clock.sleep_until(next);
        }
    }

    fn was_dropped(&mut self) -> Option<bool> {
        let mut world = self.world();
        world.has_log.then(|| std::mem::take(&mut world.dropped))
    }

    fn was_enabled(&mut self) -> bool {
        std::mem::take(&mut self.world().newly_enabled)
    }

    fn is_suspended(&mut self) -> bool {
        self.call().asleep
    }

    fn wake_host(&mut self) {
        self.world().wake_requests += 1;
    }
}

const fn press(modifiers: u8, key: u8) -> Report {
    Report { modifiers, keys: [key, 0, 0, 0, 0, 0] }
}

/// The reports that type `text`, of letters only, each modifier in a report of its own.
fn reports(text: &str) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut held = 0;
    for c in text.bytes() {
        let modifiers = if c.is_ascii_uppercase() { usage::LEFT_SHIFT } else { 0 };
        if modifiers != held {
            reports.push(press(modifiers, 0));
            held = modifiers;
        }
        reports.push(press(modifiers, usage::A + c.to_ascii_lowercase() - b'a'));
        reports.push(press(modifiers, 0));
    }
    reports.push(Report::RELEASED);
    reports
}

/// The same, but that a key comes up in the report in which the next one goes down, where that is another one and no
/// modifier changes.
fn rolling_reports(text: &str) -> Vec<Report> {
    let apart = reports(text);
    let is_needed = |i: usize| match (i.checked_sub(1).and_then(|i| apart.get(i)), apart.get(i + 1)) {
        (Some(before), Some(after)) => {
            apart[i].keys[0] != 0
                || before.keys[0] == 0
                || after.keys[0] == 0
                || before.keys[0] == after.keys[0]
        }
        _ => true,
    };
    (0..apart.len()).filter(|&i| is_needed(i)).map(|i| apart[i]).collect()
}

/// Sends each report until it is taken.
fn send_all(link: &mut Link<ModelNode>, node: &ModelNode, reports: &[Report]) {
    for &report in reports {
        loop {
            let tried_at = node.clock.now();
            match link.send(report) {
                Ok(()) => break,
                Err(KeyboardError::HostAway) => node.clock.sleep_until(tried_at + RETRY),
                Err(error) => panic!("{error}"),
            }
            let waited = node.clock.now() - tried_at;
            assert!(waited <= RETRY + FRAME + 20 * CALL, "one send took {waited:?}");
            assert!(node.clock.now() < Duration::from_secs(600), "never ends");
        }
        node.clock.advance(FRAME);
    }
}

const ARRIVE: Event = Event::Arrive { opens_after: Duration::from_millis(3) };

fn at_ms(ms: u64, event: Event) -> (Timestamp, Event) {
    // Between two frames.
    (Duration::from_micros(ms * 1000 + 500), event)
}

struct Modelled {
    node: ModelNode,
    link: Link<ModelNode>,
}

impl Keyboard for Modelled {
    fn send(&mut self, report: Report) -> Result<(), KeyboardError> {
        // The suite's host has been there for long.
        while self.node.world().enabled && !self.link.meet_host() {}
        self.link.send(report)
    }
    fn host_leds(&mut self) -> Option<HostLeds> {
        self.link.host_leds()
    }
}

impl Fixture for Modelled {
    fn keyboard(&mut self) -> &mut dyn Keyboard {
        self
    }
    fn typed(&mut self) -> String {
        self.node.clock.advance(10 * FRAME);
        self.node.world().text.clone()
    }
    fn set_host_present(&mut self, present: bool) -> bool {
        self.node.world().happen(if present { ARRIVE } else { Event::Leave });
        true
    }
}

#[test]
fn a_gadget_conforms() {
    for controller in [Controller::Dwc2, Controller::DummyHcd] {
        conformance::run(|| {
            let node = ModelNode::new(World::new(controller, [at_ms(0, ARRIVE)]));
            node.clock.advance(FRAME);
            Modelled { link: node.link(), node }
        });
    }
}

#[test]
fn a_host_that_listens_late_misses_nothing() {
    for controller in [Controller::Dwc2, Controller::DummyHcd] {
        for opens_after_ms in [0, 40, 1000, 5000] {
            let arrive = Event::Arrive { opens_after: Duration::from_millis(opens_after_ms) };
            let node = ModelNode::new(World::new(controller, [at_ms(20, arrive)]));
            send_all(&mut node.link(), &node, &reports("Ab"));
            assert_eq!(node.world().text, "Ab");
        }
    }
}

/// How long after its driver opened the device a host is ready, that tells lights at these times after its arrival and
/// is looked at as often as the typist does.
fn ready_after(opens_after_ms: u64, lights_ms: &[u64]) -> Duration {
    let arrive = Event::Arrive { opens_after: Duration::from_millis(opens_after_ms) };
    let lights = lights_ms.iter().map(|&ms| at_ms(20 + ms, Event::Lights(1)));
    let node = ModelNode::new(World::new(Controller::Dwc2, std::iter::once(at_ms(20, arrive)).chain(lights)));
    let mut link = node.link();
    loop {
        let tried_at = node.clock.now();
        if link.meet_host() {
            return node.clock.now() - at_ms(20 + opens_after_ms, arrive).0;
        }
        node.clock.sleep_until(tried_at + RETRY);
    }
}

#[test]
fn a_host_is_ready_sooner_when_it_has_told_its_lights() {
    let ms = Duration::from_millis;
    let around = |expected_ms: u64, found: Duration| {
        assert!(found >= ms(expected_ms) && found < ms(expected_ms + 110), "{expected_ms} ms, not {found:?}");
    };
    around(1000, ready_after(5, &[]));
    // Before it asks for reports, and a little later.
    around(1000, ready_after(20, &[1, 22]));
    // When its input layer has opened the keyboard.
    around(300 + 100, ready_after(20, &[1, 100]));
    around(300 + 600, ready_after(20, &[620, 700]));
    // No later than without.
    around(1000, ready_after(20, &[900]));
}

#[test]
fn a_slow_host_gets_more_time() {
    for (opens_after_ms, expected) in [(150, 2000..3001), (100_000, 5000..5101)] {
        let found = ready_after(opens_after_ms, &[]).as_millis() as u64;
        assert!(expected.contains(&found), "{opens_after_ms} ms: {found} ms");
    }
}

#[test]
fn a_host_that_was_met_takes_the_first_key_at_once() {
    let node = ModelNode::new(World::new(Controller::Dwc2, [at_ms(0, ARRIVE)]));
    let mut link = node.link();
    assert!(!link.meet_host(), "nobody is there yet");
    while !link.meet_host() {
        node.clock.advance(RETRY);
    }
    // Long after: the host is only asked whether it is still there.
    node.clock.advance(Duration::from_secs(60));
    let start = node.clock.now();
    assert_eq!(link.send(press(0, 4)), Ok(()));
    assert!(node.clock.now() - start < 5 * FRAME, "took {:?}", node.clock.now() - start);
    assert_eq!(node.world().text, "a");
}

/// While the host sleeps nothing that presses a key is in the queue.
#[test]
fn a_sleeping_host_is_asked_to_wake_and_finds_no_key_down() {
    for controller in [Controller::Dwc2, Controller::DummyHcd] {
        let events = [at_ms(0, ARRIVE), at_ms(1900, Event::Sleep), at_ms(4500, Event::Wake)];
        let node = ModelNode::new(World::new(controller, events));
        let mut link = node.link();
        send_all(&mut link, &node, &reports("a"));
        node.clock.sleep_until(Duration::from_secs(2));
        for _ in 0..40 {
            assert_eq!(link.send(press(0, 5)), Err(KeyboardError::HostAway));
            assert!(!link.meet_host());
            let world = node.world();
            for bytes in [world.buffer, world.pending].into_iter().flatten() {
                assert_eq!(Report::from_bytes(bytes), Report::RELEASED);
            }
            drop(world);
            node.clock.advance(RETRY);
        }
        let asked = node.world().wake_requests;
        assert!((2..=5).contains(&asked), "asked {asked} times in about 3 s");
        send_all(&mut link, &node, &reports("b"));
        assert_eq!(node.world().text, "ab");
    }
}

/// A report caught in flight by the host's sleep is delivered when it wakes, and not sent again.
#[test]
fn what_a_sleeping_host_holds_is_not_repeated() {
    for controller in [Controller::Dwc2, Controller::DummyHcd] {
        for offset_us in (0..8000).step_by(100) {
            let asleep = Duration::from_millis(1600) + Duration::from_micros(offset_us);
            let events = [at_ms(0, ARRIVE), (asleep, Event::Sleep), at_ms(4000, Event::Wake)];
            let node = ModelNode::new(World::new(controller, events));
            let mut link = node.link();
            while !link.meet_host() {}
            node.clock.sleep_until(Duration::from_millis(1599));
            send_all(&mut link, &node, &reports("aBc"));
            assert_eq!(node.world().text, "aBc", "asleep at {asleep:?} with {controller:?}");
        }
    }
}

#[test]
fn held_modifiers_are_told_to_a_new_host() {
    let node = ModelNode::new(World::new(Controller::Dwc2, [at_ms(0, ARRIVE)]));
    let mut link = node.link();
    send_all(&mut link, &node, &[press(usage::LEFT_SHIFT, 0)]);
    node.world().happen(Event::Leave);
    node.clock.advance(RETRY);
    node.world().happen(ARRIVE);
    send_all(&mut link, &node, &[press(usage::LEFT_SHIFT, usage::A), Report::RELEASED]);
    assert_eq!(node.world().text, "A");
}

#[test]
fn an_absent_host_costs_one_look_for_each_call() {
    let node = ModelNode::new(World::new(Controller::Dwc2, []));
    let mut link = node.link();
    node.world().futile_reads = 0;
    for _ in 0..100 {
        assert_eq!(link.send(press(0, 4)), Err(KeyboardError::HostAway));
        assert_eq!(link.host_leds(), None);
    }
    assert_eq!(node.world().futile_reads, 200);
}

#[test]
fn lock_lights_are_the_last_the_host_set_and_stay_while_it_is_away() {
    let events = [at_ms(0, ARRIVE), at_ms(1, Event::Lights(0b01)), at_ms(2, Event::Lights(0b10))];
    let node = ModelNode::new(World::new(Controller::Dwc2, events));
    let mut link = node.link();
    assert_eq!(link.host_leds(), None);
    node.clock.advance(5 * FRAME);
    link.meet_host();
    let caps = Some(HostLeds { num_lock: false, caps_lock: true });
    assert_eq!(link.host_leds(), caps);
    node.world().happen(Event::Leave);
    link.meet_host();
    assert_eq!(link.host_leds(), caps);
}

/// Without the kernel's log what was in flight counts as dropped.
#[test]
fn a_report_that_was_dropped_unseen_is_sent_again() {
    let events = [at_ms(0, ARRIVE), at_ms(2000, Event::Leave), at_ms(2100, ARRIVE)];
    let node = ModelNode::new(World::new(Controller::Dwc2, events));
    node.world().has_log = false;
    let mut link = node.link();
    send_all(&mut link, &node, &reports("a"));
    node.clock.sleep_until(Duration::from_millis(1980));
    assert_eq!(link.send(Report::RELEASED), Ok(()));
    node.world().open_at = Timestamp::MAX;
    assert_eq!(link.send(press(0, 5)), Err(KeyboardError::HostAway), "the host left with it in flight");
    send_all(&mut link, &node, &reports("b"));
    assert_eq!(node.world().text, "ab");
}

/// What may happen, each so many microseconds after what was before.
fn happenings() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![
        2 => Just(Event::Leave),
        3 => (0_u64..150).prop_map(|ms| Event::Arrive { opens_after: Duration::from_millis(ms) }),
        1 => Just(Event::Sleep),
        2 => Just(Event::Wake),
        1 => (0_u8..4).prop_map(Event::Lights),
    ];
    // No host can enumerate a device faster than in some milliseconds.
    let gap_us = prop_oneof![2 => 3_000_u64..30_000, 1 => 30_000_u64..400_000];
    prop::collection::vec((gap_us, event), 0..25)
}

proptest! {
    #[test]
    fn the_host_reads_what_was_sent_whatever_it_does(
        text in "[a-cA-C]{1,40}",
        happenings in happenings(),
        dummy: bool,
        rolls_over: bool,
    ) {
        let mut now = Duration::ZERO;
        let mut events = vec![(now, ARRIVE)];
        for (gap_us, event) in happenings {
            now += Duration::from_micros(gap_us);
            events.push((now, event));
        }
        events.extend([(now + 500 * FRAME, Event::Wake), (now + 505 * FRAME, ARRIVE)]);
        let controller = if dummy { Controller::DummyHcd } else { Controller::Dwc2 };
        let node = ModelNode::new(World::new(controller, events));
        let reports = if rolls_over { rolling_reports(&text) } else { reports(&text) };
        send_all(&mut node.link(), &node, &reports);
        // A host that fell asleep at the very end fetches the last release when it wakes.
        node.clock.sleep_until(now + 2000 * FRAME);
        let world = node.world();
        prop_assert_eq!(&world.text, &text);
        prop_assert_eq!(world.down, Report::RELEASED);
    }
}
