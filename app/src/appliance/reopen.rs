//! A device that is opened again whenever it fails, on a thread of its own.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::status::{Cause, Status};

/// A device that failed and was opened again is taken to work when it has not failed for so long, if nothing shows it
/// before. Longer than any takes to be given up.
const PROBATION: Duration = Duration::from_secs(10);

/// Why a device could not be opened, in one line.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Opens a device. Called again and again until it succeeds.
pub type Opener<T> = Box<dyn FnMut() -> Result<T, Failure> + Send>;

/// What a device is called, and what the light shows while it is not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// One word.
    pub(super) name: &'static str,
    /// None for the light itself.
    pub(super) lacking: Option<Cause>,
}

impl Kind {
    fn set_lacking(self, status: &Status, lacking: bool) {
        if let Some(cause) = self.lacking {
            status.set_lacking(cause, lacking);
        }
    }
}

/// A device, while it is there.
///
/// Opening and closing take time, memory and locks, so both happen on the other thread.
pub(super) struct Reopened<T> {
    kind: Kind,
    current: Option<T>,
    /// It has shown that it works.
    works: bool,
    status: Arc<Status>,
    opened: Receiver<T>,
    failed: SyncSender<T>,
}

impl<T: Send + 'static> Reopened<T> {
    /// Open it as soon as possible, and again `pause` after it failed or could not be opened.
    pub(super) fn start(
        kind: Kind,
        open: Opener<T>,
        pause: Duration,
        status: &Arc<Status>,
    ) -> io::Result<Self> {
        let (opened_sender, opened) = sync_channel(1);
        let (failed, failed_receiver) = sync_channel(1);
        let attendant = Attendant { kind, open, pause, status: Arc::clone(status) };
        // It ends when the device is no longer wanted; nobody waits for a driver that takes its time.
        thread::Builder::new().name(kind.name.into()).spawn(move || {
            attendant.run(&opened_sender, &failed_receiver);
        })?;
        Ok(Self { kind, current: None, works: false, status: Arc::clone(status), opened, failed })
    }

    /// The device, if it is there. Neither allocates nor waits.
    pub(super) fn get(&mut self) -> Option<&mut T> {
        if self.current.is_none() {
            self.current = match self.opened.try_recv() {
                Ok(device) => {
                    self.works = false;
                    Some(device)
                }
                Err(TryRecvError::Empty) => None,
                // Nobody would open it any more: better to start the program again.
                Err(TryRecvError::Disconnected) => panic!("the {} thread is gone", self.kind.name),
            };
        }
        self.current.as_mut()
    }

    /// It does what it is for, so it is not lacking: that it could be opened does not say so. Neither allocates nor waits.
    pub(super) fn works(&mut self) {
        if !std::mem::replace(&mut self.works, true) {
            self.kind.set_lacking(&self.status, false);
        }
    }

    /// It failed: hand it over to be closed, and opened again.
    pub(super) fn fail(&mut self) {
        if let Some(device) = self.current.take() {
            // There is one device at a time, so there is room. If the thread is gone, `get` says so.
            let _ = self.failed.try_send(device);
        }
    }
}

/// The thread.
struct Attendant<T> {
    kind: Kind,
    open: Opener<T>,
    pause: Duration,
    status: Arc<Status>,
}

impl<T> Attendant<T> {
    /// Until the other side is gone.
    fn run(mut self, opened: &SyncSender<T>, failed: &Receiver<T>) {
        let name = self.kind.name;
        // What the log said last: the same thing every second is not news.
        let mut said = None;
        // A driver that hangs in its first attempt leaves the light blinking, not ready.
        self.set_opening(true);
        loop {
            let tried = (self.open)();
            self.set_opening(false);
            match tried {
                Ok(device) => {
                    log::info!("{name} opened");
                    said = None;
                    if opened.send(device).is_err() {
                        return;
                    }
                    let device = match failed.recv_timeout(PROBATION) {
                        Ok(device) => device,
                        Err(RecvTimeoutError::Disconnected) => return,
                        Err(RecvTimeoutError::Timeout) => {
                            self.kind.set_lacking(&self.status, false);
                            let Ok(device) = failed.recv() else { return };
                            device
                        }
                    };
                    self.kind.set_lacking(&self.status, true);
                    log::warn!("the {name} is gone");
                    drop(device);
                }
                Err(error) => {
                    self.kind.set_lacking(&self.status, true);
                    let error = error.to_string();
                    if said.as_ref() != Some(&error) {
                        log::error!("{name}: {error}; trying again every {:.1} s", self.pause.as_secs_f32());
                        said = Some(error);
                    }
                }
            }
            // Nothing comes; but the other side may go, and then there is nobody to open it for.
            if let Err(RecvTimeoutError::Disconnected) = failed.recv_timeout(self.pause) {
                return;
            }
        }
    }

    fn set_opening(&self, opening: bool) {
        if let Some(cause) = self.kind.lacking {
            self.status.set_opening(cause, opening);
        }
    }
}
