//! A microphone made of software: see the crate `oratype_paced_pcm`, of which this makes an asound.conf.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use oratype_hal::pcm::{SampleFormat, StreamFormat};
use oratype_paced_pcm::{LIBRARY, TYPE};

/// What every paced PCM delivers.
pub const FORMAT: StreamFormat = StreamFormat { rate_hz: 48_000, channels: 2, sample: SampleFormat::S32 };

/// A PCM in asound.conf, without faults and in real time by default.
#[derive(Clone, Copy, Debug)]
pub struct PacedPcm {
    /// Its name for alsa-lib.
    pub name: &'static str,
    /// How many times faster than real time it runs.
    pub speed: u32,
    /// Frames between overruns, 0 for none but those of a late reader.
    pub xrun_every: u64,
    /// Frames between suspends, 0 for none.
    pub suspend_every: u64,
    /// Whether resuming works.
    pub resumes: bool,
    /// Frame at which it is gone, 0 for never.
    pub disconnect_at: u64,
}

impl PacedPcm {
    /// A PCM that works.
    pub const fn new(name: &'static str) -> Self {
        Self { name, speed: 1, xrun_every: 0, suspend_every: 0, resumes: true, disconnect_at: 0 }
    }
}

/// Write an asound.conf with `pcms`, besides what the machine has, and whatever `more` defines, to `dir`. alsa-lib
/// reads it where `ALSA_CONFIG_PATH` names it.
pub fn conf(dir: &Path, pcms: &[PacedPcm], more: &str) -> io::Result<PathBuf> {
    let library = library()?;
    let mut conf = String::from("</usr/share/alsa/alsa.conf>\n");
    let _ = writeln!(conf, "pcm_type.{TYPE} {{ lib \"{}\" }}", library.display());
    for pcm in pcms {
        let PacedPcm { name, speed, xrun_every, suspend_every, resumes, disconnect_at } = pcm;
        let resume = u8::from(*resumes);
        let _ = writeln!(
            conf,
            "pcm.{name} {{ type {TYPE} rate {} speed {speed} xrun_every {xrun_every} \
             suspend_every {suspend_every} resume {resume} disconnect_at {disconnect_at} }}",
            FORMAT.rate_hz
        );
    }
    conf.push_str(more);
    let path = dir.join("asound.conf");
    fs::write(&path, conf)?;
    Ok(path)
}

/// Make alsa-lib in this process use [`conf`].
///
/// # Safety
/// Sets the environment: no other thread may run yet.
pub unsafe fn configure(dir: &Path, pcms: &[PacedPcm], more: &str) -> io::Result<()> {
    let path = conf(dir, pcms, more)?;
    // SAFETY: no other thread, by contract.
    unsafe { env::set_var("ALSA_CONFIG_PATH", path) };
    Ok(())
}

/// The plugin. Cargo puts it beside the test programs, or for other programs in `deps` beside them.
fn library() -> io::Result<PathBuf> {
    let exe = env::current_exe()?;
    let dir = exe.parent().unwrap_or(Path::new("."));
    [dir.join(LIBRARY), dir.join("deps").join(LIBRARY)].into_iter().find(|path| path.exists()).ok_or_else(
        || io::Error::other(format!("{LIBRARY} is not beside {}: build it with cargo", exe.display())),
    )
}
