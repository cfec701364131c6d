//! The wires of the emulated machine, through QEMU's qtest and QMP sockets: a button pressed, a light seen.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::{Value, json};

use super::Event;

/// GPIO registers of the BCM2835 at the address the BCM2837 has them: output set, output clear, level.
const GPSET0: u32 = 0x3f20_001c;
const GPCLR0: u32 = 0x3f20_0028;
const GPLEV0: u32 = 0x3f20_0034;

/// QEMU's test socket.
pub(super) struct Qtest {
    socket: UnixStream,
    answers: Receiver<String>,
}

impl Qtest {
    /// Changes of intercepted lines go to `events`.
    pub(super) fn new(socket: UnixStream, light: u32, events: Sender<Event>) -> io::Result<Self> {
        let lines = BufReader::new(socket.try_clone()?).lines();
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let Some(change) = line.strip_prefix("IRQ ") else {
                    if sender.send(line).is_err() {
                        return;
                    }
                    continue;
                };
                let (level, number) = change.split_once(' ').unwrap_or_default();
                if number.parse() == Ok(light) && events.send(Event::Light(level == "raise")).is_err() {
                    return;
                }
            }
        });
        Ok(Self { socket, answers })
    }

    /// One command, one answer: what follows `OK`.
    pub(super) fn command(&mut self, command: &str) -> io::Result<String> {
        writeln!(self.socket, "{command}")?;
        let answer = self.answers.recv().map_err(|_| io::Error::other("QEMU ended"))?;
        match answer.strip_prefix("OK") {
            Some(value) => Ok(value.trim().to_owned()),
            None => Err(io::Error::other(format!("{command}: {answer}"))),
        }
    }

    /// Level of a pin of the Raspberry Pi that nothing in the machine drives.
    pub(super) fn set_pin(&mut self, pin: u32, high: bool) -> io::Result<()> {
        let register = if high { GPSET0 } else { GPCLR0 };
        self.command(&format!("writel {register:#x} {:#x}", 1 << pin)).map(drop)
    }

    /// Level of a pin of the Raspberry Pi.
    pub(super) fn pin(&mut self, pin: u32) -> io::Result<bool> {
        let levels = self.command(&format!("readl {GPLEV0:#x}"))?;
        let levels = u32::from_str_radix(levels.trim_start_matches("0x"), 16).map_err(io::Error::other)?;
        Ok(levels >> pin & 1 != 0)
    }
}

/// The path of the only device of type `kind` that the machine itself made, asked over a QMP socket.
pub(super) fn device_path(socket: UnixStream, kind: &str) -> io::Result<String> {
    let mut lines = BufReader::new(socket.try_clone()?).lines();
    let mut ask = |command: Value| -> io::Result<Value> {
        writeln!(&socket, "{command}")?;
        loop {
            let line = lines.next().ok_or_else(|| io::Error::other("QEMU ended"))??;
            let answer: Value = serde_json::from_str(&line)?;
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            if let Some(error) = answer.get("error") {
                return Err(io::Error::other(format!("{command}: {error}")));
            }
        }
    };
    ask(json!({"execute": "qmp_capabilities"}))?;
    const MADE_BY_MACHINE: &str = "/machine/unattached";
    let devices = ask(json!({"execute": "qom-list", "arguments": {"path": MADE_BY_MACHINE}}))?;
    let kind = json!(format!("child<{kind}>"));
    let device = devices.as_array().and_then(|all| all.iter().find(|device| device["type"] == kind));
    let name = device.and_then(|device| device["name"].as_str());
    Ok(format!("{MADE_BY_MACHINE}/{}", name.ok_or_else(|| io::Error::other(format!("no {kind}")))?))
}
