//! The serial port to the test outside.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use oratype_vm_agent::Message;

use crate::Failure;

/// The way out, for all threads.
#[derive(Clone)]
pub(crate) struct Port(Arc<Mutex<File>>);

impl Port {
    /// The way in, and the way out.
    pub(crate) fn open(path: &str) -> Result<(File, Self), Failure> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| format!("{path}: {error}"))?;
        // A virtio port is not a terminal, and needs no such thing.
        if let Ok(mut settings) = tcgetattr(&file) {
            cfmakeraw(&mut settings);
            tcsetattr(&file, SetArg::TCSANOW, &settings)?;
        }
        Ok((file.try_clone()?, Self(Arc::new(Mutex::new(file)))))
    }

    pub(crate) fn send(&self, message: &Message) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
    }
}
