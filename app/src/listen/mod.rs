//! The listen thread: drains the capture ring, watches the button, and cuts the sound into segments.
//!
//! The button is read here, once a period, and its edges are placed among the samples by their time stamps: what
//! belongs to a dictation depends on when the button moved, not on when a thread ran.
//!
//! Architecture invariant: no recognition here; whatever the recogniser does, the ring is drained.

pub mod frontend;
pub mod gaps;
pub mod meter;
pub mod ptt;
pub mod segmenter;

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use oratype_hal::gpio::{Button, GpioError};
use oratype_hal::pcm::{CaptureError, StreamFormat};
use oratype_hal::time::{Clock, MonotonicClock, Timestamp};

use self::frontend::{FrontEnd, FrontEndError};
use self::gaps::Gaps;
use self::meter::{Meter, SILENT_DBFS};
use self::ptt::{Command, Gesture, Ptt};
use self::segmenter::{NoRoom, Release, Segmenter, Work};
use crate::capture::{Header, Next, Record, RingReader};
use crate::liveness::Alive;
use crate::recognise::engine::SAMPLE_RATE_HZ;
use crate::status::{Cause, Status};
use crate::typing::Interrupt;

/// How long to wait for a period before looking again; only the end of the thread depends on it.
const PERIOD_WAIT: Duration = Duration::from_millis(100);

/// Periods waited for in vain, after which a microphone counts as lost and the dictation as over: a second. A device
/// that resumes may take that long.
const PERIOD_WAITS_MAX: u32 = 10;

/// Why the listen thread ended before its source did.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The microphone is gone or broken.
    #[error("{0}; check the microphone and start again")]
    Capture(#[from] CaptureError),
    /// The microphone delivers something that cannot be converted.
    #[error("{0}")]
    Format(#[from] FrontEndError),
    /// The button is broken.
    #[error("button: {0}")]
    Button(#[from] GpioError),
}

/// The listen thread's state.
pub struct Listener {
    /// Where the sound comes from.
    pub reader: RingReader,
    /// The push-to-talk button.
    pub button: Box<dyn Button>,
    /// Its meaning.
    pub ptt: Ptt,
    /// What becomes of the samples.
    pub segmenter: Segmenter,
    /// Whether the source is a microphone, which may be lost and come back.
    pub live: bool,
    /// Gain of the microphone, dB.
    pub gain_db: f32,
    /// Where segments go.
    pub work: SyncSender<Work>,
    /// Stops the typing.
    pub interrupt: Arc<Interrupt>,
    /// For the light.
    pub status: Arc<Status>,
    /// Marks the thread's life.
    pub alive: Alive,
}

impl Listener {
    /// Listen until the source ends. A dictation that is going on then ends with it.
    pub fn run(self) -> Result<(), ListenError> {
        let Self { mut reader, mut button, ptt, segmenter, live, gain_db, work, interrupt, status, alive } =
            self;
        let outlet = Outlet { work, interrupt, status, alive };
        let mut stage = Stage { ptt, segmenter, meter: Meter::default(), gaps: Gaps::default(), outlet };
        let mut front_end: Option<(StreamFormat, FrontEnd)> = None;
        let mut waited = 0;
        let result = loop {
            stage.outlet.alive.mark();
            match reader.next(PERIOD_WAIT) {
                Next::Record(record) => {
                    waited = 0;
                    let heard = stage.hear(&record, &mut front_end, gain_db).and_then(|()| {
                        let header = record.header();
                        let end = header.period.end;
                        stage.gestures(end, button.as_mut(), |stage, gesture| stage.act(gesture, header))
                    });
                    if let Err(error) = heard {
                        break Err(error);
                    }
                }
                Next::Timeout if live && waited >= PERIOD_WAITS_MAX => {
                    if let Err(error) = stage.deaf(button.as_mut()) {
                        break Err(error);
                    }
                }
                Next::Timeout => waited += 1,
                Next::End => break Ok(()),
                Next::Failed(error) => break Err(error.into()),
            }
        };
        if let Some((_, front_end)) = &mut front_end {
            front_end.flush(|samples| stage.push(samples));
        }
        stage.finish();
        if let Some(line) = stage.gaps.rest() {
            log::warn!("{line}");
        }
        result
    }
}

/// What a period goes through, apart from where it comes from.
struct Stage {
    ptt: Ptt,
    segmenter: Segmenter,
    meter: Meter,
    gaps: Gaps,
    outlet: Outlet,
}

/// Where segments go, and who hears of it.
struct Outlet {
    work: SyncSender<Work>,
    interrupt: Arc<Interrupt>,
    status: Arc<Status>,
    alive: Alive,
}

impl Stage {
    /// Convert a period's frames and pass them on.
    fn hear(
        &mut self,
        record: &Record<'_>,
        front_end: &mut Option<(StreamFormat, FrontEnd)>,
        gain_db: f32,
    ) -> Result<(), ListenError> {
        let period = record.header().period;
        if period.discontinuity {
            self.outlet.status.count_gap();
        }
        if let Some(line) = self.gaps.hear(record.header()) {
            log::warn!("{line}");
        }
        if let Some((_, stale)) = front_end.take_if(|(format, _)| *format != period.format) {
            // One recording follows another.
            { stale }.flush(|samples| self.push(samples));
        }
        let (_, front_end) = match front_end {
            Some(present) => present,
            None => front_end.insert((period.format, FrontEnd::new(period.format, gain_db)?)),
        };
        if period.discontinuity {
            front_end.reset();
        }
        front_end.process(record.frames(), |samples| self.push(samples));
        Ok(())
    }

    fn push(&mut self, samples: &[f32]) {
        self.meter.push(samples, &self.outlet.status.levels);
        let latched = self.ptt.is_latched();
        let ended = self.segmenter.push(samples, latched, &mut |work| self.outlet.send(work));
        self.settled(ended);
    }

    /// No sound comes any more: end the dictation with what was heard, and let the button begin none.
    fn deaf(&mut self, button: &mut dyn Button) -> Result<(), ListenError> {
        self.finish();
        let now = MonotonicClock.now();
        self.gestures(now, button, |stage, gesture| match gesture {
            Gesture::Command(command) => stage.command(command),
            Gesture::Report => stage.outlet.send(Work::Report),
            Gesture::Start(_) | Gesture::Latch | Gesture::Stop(_) | Gesture::Discard => {}
        })?;
        self.ptt.ended();
        Ok(())
    }

    fn finish(&mut self) {
        self.segmenter.finish(&mut |work| self.outlet.send(work));
        self.meter.end_dictation();
        self.outlet.status.set_listening(false);
    }

    /// Act on what the button did up to `end`.
    fn gestures(
        &mut self,
        end: Timestamp,
        button: &mut dyn Button,
        act: impl Fn(&mut Self, Gesture),
    ) -> Result<(), ListenError> {
        while let Some(edge) = button.next_edge(end)? {
            while let Some(gesture) = self.ptt.advance(edge.at) {
                act(self, gesture);
            }
            self.ptt.edge(edge);
        }
        while let Some(gesture) = self.ptt.advance(end) {
            act(self, gesture);
        }
        Ok(())
    }

    fn act(&mut self, gesture: Gesture, header: &Header) {
        match gesture {
            Gesture::Start(at) => {
                let position = self.position_of(at, header);
                let started = self.segmenter.start(position, &mut |work| self.outlet.send(work));
                match started {
                    Ok(()) => {
                        self.meter.start_dictation();
                        self.outlet.status.set_listening(true);
                    }
                    Err(NoRoom) => self.settled(Err(NoRoom)),
                }
            }
            Gesture::Latch => log::info!("dictating until the next tap"),
            Gesture::Stop(at) => self.stop(at, header),
            Gesture::Discard => self.discard(),
            Gesture::Command(command) => self.command(command),
            Gesture::Report => {
                self.discard();
                self.outlet.send(Work::Report);
            }
        }
    }

    fn discard(&mut self) {
        if self.segmenter.discard(&mut |work| self.outlet.send(work)) {
            self.meter.end_dictation();
            self.outlet.status.set_listening(false);
        }
    }

    fn command(&mut self, command: Command) {
        log::info!("asked to {command}");
        self.outlet.send(match command {
            // At once; in its order the same comes through the queues.
            Command::Undo => Work::Undo(self.outlet.interrupt.undo(self.segmenter.last_spoken())),
            Command::Retype => Work::Retype,
            Command::Enter => Work::Enter,
            Command::NextProfile => Work::NextProfile,
        });
    }

    /// End the dictation, if one goes on, at a moment at or before the end of the period just heard.
    fn stop(&mut self, at: Timestamp, header: &Header) {
        let capture = MonotonicClock.now().saturating_sub(header.committed);
        let ago = capture + header.period.end.saturating_sub(at);
        let now = Instant::now();
        let release = Release { at: now.checked_sub(ago).unwrap_or(now), capture };
        self.segmenter.stop(self.position_of(at, header), release);
        let ended = self.segmenter.settle(false, &mut |work| self.outlet.send(work));
        self.settled(ended);
    }

    /// The sample position of a moment at or before the end of the period just heard.
    fn position_of(&self, at: Timestamp, header: &Header) -> u64 {
        let before_end = header.period.end.saturating_sub(at).as_micros() as u64;
        self.segmenter.position().saturating_sub(before_end * SAMPLE_RATE_HZ as u64 / 1_000_000)
    }

    /// See to the consequences when a dictation ended by itself, or could not go on.
    fn settled(&mut self, ended: Result<bool, NoRoom>) {
        match ended {
            Ok(false) => {}
            Ok(true) => {
                if self.ptt.is_latched() {
                    self.ptt.ended();
                }
                self.outlet.status.set_listening(false);
                // I2S has no way to tell that nobody is at the other end.
                if self.meter.end_dictation().is_some_and(|level| level.rms_dbfs < SILENT_DBFS) {
                    log::info!("nothing at all came from the microphone");
                    self.outlet.status.set_fault(Cause::Microphone);
                }
            }
            Err(error) => {
                log::error!("{error}");
                self.ptt.ended();
                self.meter.end_dictation();
                self.outlet.status.set_listening(false);
                self.outlet.status.count_refused();
            }
        }
    }
}

impl Outlet {
    /// Hand work to the recognise thread. Its queue holds more than there are slots, so this waits only when hundreds
    /// of empty dictations pile up behind a recogniser that hangs.
    fn send(&self, work: Work) {
        if work.is_counted() {
            self.status.begin_work();
        }
        let sent = match self.work.try_send(work) {
            Err(TrySendError::Full(work)) => {
                self.alive.idle();
                let sent = self.work.send(work);
                self.alive.mark();
                sent.is_ok()
            }
            result => result.is_ok(),
        };
        if !sent {
            log::error!("the recognise thread is gone");
        }
    }
}
