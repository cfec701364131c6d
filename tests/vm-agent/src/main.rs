//! The agent inside the emulated machine.
//!
//! Started by the kernel (`rdinit=/test/init`) it loads the emulator's kernel modules, leaves a copy of itself
//! running, and becomes the machine's own `/init`, which is then started as always. The copy does what the test
//! outside asks for: it is the person who speaks and the computer that is typed to.

mod host;
mod keyboard;
mod log;
mod modules;
mod port;
mod processes;
mod speaker;

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs, process, thread};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use oratype_vm_agent::{Command as Asked, FOLDER, Message, REMOVE, Request};

use crate::port::Port;

/// Anything that went wrong, as text: it is for a person to read.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let result = if process::id() == 1 { become_init().map(|never| match never {}) } else { serve() };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vm-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Load the modules, delete what the test does without, start the agent, go on as the machine's own init.
fn become_init() -> Result<Infallible, Failure> {
    modules::load_all()?;
    for path in fs::read_to_string(Path::new(FOLDER).join(REMOVE))?.lines() {
        fs::remove_file(path).map_err(|error| format!("{path}: {error}"))?;
    }
    // Of the program's arguments only this one: /init gets the rest.
    Command::new(env::current_exe().unwrap_or_else(|_| "/test/init".into())).spawn()?;
    Err(Command::new("/init").args(env::args_os().skip(1)).exec().into())
}

fn serve() -> Result<(), Failure> {
    // File systems of its own: /init is to find the machine as the kernel leaves it.
    unshare(CloneFlags::CLONE_NEWNS)?;
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        fs::create_dir_all(target)?;
        match mount(Some(kind), target, Some(kind), MsFlags::empty(), None::<&str>) {
            // /init was faster, and this process has what it mounted.
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(errno) => return Err(format!("{target}: {errno}").into()),
        }
    }
    let (requests, port) = Port::open(&env::var(oratype_vm_agent::PORT)?)?;
    port.send(&Message::Ready)?;
    for watch in [keyboard::watch, log::follow] {
        let port = port.clone();
        thread::spawn(move || {
            if let Err(error) = watch(&port) {
                eprintln!("vm-agent: {error}");
            }
        });
    }
    for line in BufReader::new(requests).lines() {
        let Ok(request) = serde_json::from_str::<Request>(&line?) else { continue };
        let port = port.clone();
        thread::spawn(move || {
            let result = carry_out(request.command).map_err(|error| error.to_string());
            if let Err(error) = port.send(&Message::Reply { id: request.id, result }) {
                eprintln!("vm-agent: {error}");
            }
        });
    }
    Ok(())
}

fn carry_out(command: Asked) -> Result<String, Failure> {
    let done = String::new();
    Ok(match command {
        Asked::Read(path) => String::from_utf8_lossy(&fs::read(path)?).into_owned(),
        Asked::List(path) => {
            let names =
                fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.collect::<Result<Vec<_>, std::io::Error>>()?.join("\n")
        }
        Asked::Write { path, text } => {
            use std::io::Write;
            fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())?;
            done
        }
        Asked::Processes => serde_json::to_string(&processes::all()?)?,
        Asked::Signal { pid, signal } => {
            signal::kill(Pid::from_raw(pid), Signal::try_from(signal)?)?;
            done
        }
        Asked::Play(path) => speaker::play(&path)?,
        Asked::Run(args) => run(&args)?,
        Asked::LoadModule(name) => modules::load(&name).map(|()| done)?,
        Asked::RemoveModule(name) => modules::remove(&name).map(|()| done)?,
        Asked::SuspendPort(suspend) => host::suspend_port(suspend).map(|()| done)?,
    })
}

/// Run a program among the machine's own file systems.
fn run(args: &[String]) -> Result<String, Failure> {
    let [program, args @ ..] = args else { return Err("no program".into()) };
    let machine = fs::File::open("/proc/1/ns/mnt")?;
    let mut command = Command::new(program);
    command.args(args);
    // SAFETY: between fork and exec it makes one system call, on a file that is open.
    unsafe { command.pre_exec(move || Ok(setns(&machine, CloneFlags::CLONE_NEWNS)?)) };
    let output = command.output()?;
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if !output.status.success() {
        return Err(format!("{program}: {}\n{text}", output.status).into());
    }
    Ok(text)
}
