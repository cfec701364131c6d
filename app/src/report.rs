//! The status report: how the device is, in a few sentences that it types itself.
//!
//! It goes wherever the focus of the host is. So it is plain ASCII, which every layout has, and one line without an
//! end: in a chat or a shell, Enter would do something.

use std::fs;
use std::time::Duration;

use deunicode::deunicode;

use crate::listen::meter::{Level, SILENT_DBFS};
use crate::status::{Cause, Light, Status};

/// Speech below this is too quiet. Of 24 recorded sentences made quieter in steps of 10 dB, nothing was lost down to a
/// median of -52 dBFS, and 28 of 209 words at -62, because the speech detector missed them.
const QUIET_DBFS: f32 = -50.0;
/// A peak above this is clipped, or about to be.
const LOUD_PEAK_DBFS: f32 = -1.0;
/// More problems are only counted: who made that many looks at the file anyway.
const PROBLEMS_SHOWN_MAX: usize = 3;
/// A problem is cut here, characters; its line and key stand at its front.
const PROBLEM_CHARS_MAX: usize = 120;

/// What the pipeline does not know of the device.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The board, as its maker calls it.
    pub board: String,
    /// What in the settings cannot be used, each with its line. They are shown by the light too.
    pub settings_problems: Vec<String>,
}

/// What a report tells.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Version of this program.
    pub version: &'a str,
    /// The board and the settings.
    pub about: &'a About,
    /// Name of the profile that is on; may be empty.
    pub profile: &'a str,
    /// Since the kernel started.
    pub uptime: Option<Duration>,
    /// Of the processor, degrees Celsius.
    pub temperature_c: Option<f32>,
    /// At the microphone, over the last second.
    pub last_second: Option<Level>,
    /// At the microphone, loudest tenth of a second of the last dictation.
    pub last_dictation: Option<Level>,
    /// How often sound was lost before it could be heard.
    pub gaps: u32,
    /// How often there was no room for speech, because too much waited.
    pub refused: u32,
    /// Recognisers that had to be started again.
    pub restarts: u32,
    /// What failed last.
    pub last_fault: Option<Cause>,
}

impl<'a> Facts<'a> {
    /// How things are now. What cannot be read is left out.
    pub fn gather(about: &'a About, status: &Status, restarts: u32) -> Self {
        let number =
            |path| -> Option<f32> { fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok() };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            about,
            profile: "",
            uptime: number("/proc/uptime").and_then(|s| Duration::try_from_secs_f32(s).ok()),
            // In thousandths of a degree; the first zone is the processor's on every Raspberry Pi.
            temperature_c: number("/sys/class/thermal/thermal_zone0/temp").map(|milli| milli / 1000.0),
            last_second: status.levels.last_second(),
            last_dictation: status.levels.last_dictation(),
            gaps: status.gaps(),
            refused: status.refused(),
            restarts,
            last_fault: status.last_fault(),
        }
    }

    /// The report: printable ASCII in one line.
    pub fn status_report(&self) -> String {
        let mut report = format!("Oratype {}", self.version);
        if !self.about.board.is_empty() {
            report += &format!(" on {}", self.about.board);
        }
        if let Some(uptime) = self.uptime {
            report += &format!(", up {}", rough(uptime));
        }
        if let Some(celsius) = self.temperature_c {
            report += &format!(", {celsius:.0} degrees C");
        }
        report += &format!(". Microphone: {}.", self.microphone());
        report += &format!(" Sound lost: {}.", times(self.gaps));
        if self.refused > 0 {
            report += &format!(" No room for speech: {}.", times(self.refused));
        }
        report += &format!(" Recogniser restarted: {}.", times(self.restarts));
        if !self.profile.is_empty() {
            report += &format!(" Profile: {}.", self.profile);
        }
        report += &format!(" Settings: {}.", self.settings());
        let fault = self.last_fault.map_or("none", |cause| Light::Error(cause).row().meaning);
        report += &format!(" Last error: {fault}.");
        ascii(&report)
    }

    fn microphone(&self) -> String {
        let now = self
            .last_second
            .map_or("nothing heard yet".into(), |level| format!("{:.0} dBFS now", level.rms_dbfs));
        match self.last_dictation {
            None => format!("{now}, no dictation yet"),
            Some(level) => {
                format!("{now}, {:.0} dBFS in the last dictation, {}", level.rms_dbfs, verdict(level))
            }
        }
    }

    fn settings(&self) -> String {
        let problems = &self.about.settings_problems;
        if problems.is_empty() {
            return "no problem".into();
        }
        let cut = |problem: &String| problem.chars().take(PROBLEM_CHARS_MAX).collect::<String>();
        let mut shown: Vec<String> = problems.iter().take(PROBLEMS_SHOWN_MAX).map(cut).collect();
        if problems.len() > PROBLEMS_SHOWN_MAX {
            shown.push(format!("and {} more", problems.len() - PROBLEMS_SHOWN_MAX));
        }
        shown.join(" / ")
    }
}

/// Whether the recogniser can do something with a dictation of this level.
fn verdict(level: Level) -> &'static str {
    if level.peak_dbfs > LOUD_PEAK_DBFS {
        "too loud: lower audio.gain_db"
    } else if level.rms_dbfs < SILENT_DBFS {
        "nothing comes from it: check its wires"
    } else if level.rms_dbfs < QUIET_DBFS {
        "too quiet: speak closer or raise audio.gain_db"
    } else {
        "good"
    }
}

fn times(count: u32) -> String {
    match count {
        0 => "never".into(),
        1 => "once".into(),
        _ => format!("{count} times"),
    }
}

fn rough(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match minutes {
        0 => format!("{} s", duration.as_secs()),
        1..120 => format!("{minutes} min"),
        _ => format!("{} h", minutes / 60),
    }
}

/// Everything as printable ASCII, and a space for what is none.
fn ascii(text: &str) -> String {
    deunicode(text).chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(about: &About) -> Facts<'_> {
        Facts {
            version: "1.2.3",
            about,
            profile: "code",
            uptime: Some(Duration::from_secs(200)),
            temperature_c: Some(50.6),
            last_second: Some(Level { rms_dbfs: -61.7, peak_dbfs: -50.0 }),
            last_dictation: Some(Level { rms_dbfs: -24.0, peak_dbfs: -9.0 }),
            gaps: 0,
            refused: 0,
            restarts: 1,
            last_fault: None,
        }
    }

    #[test]
    fn a_healthy_device_says_so_in_one_line() {
        let about = About { board: "Raspberry Pi Zero 2 W".into(), settings_problems: vec![] };
        assert_eq!(
            facts(&about).status_report(),
            "Oratype 1.2.3 on Raspberry Pi Zero 2 W, up 3 min, 51 degrees C. Microphone: -62 dBFS now, -24 dBFS in \
             the last dictation, good. Sound lost: never. Recogniser restarted: once. Profile: code. Settings: no \
             problem. Last error: none."
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        let problem = |n| format!("{n}: audio.gain_db: is 99.0; allowed: a number from -20 to 60");
        let about = About { board: String::new(), settings_problems: (4..9).map(problem).collect() };
        let report = Facts {
            uptime: None,
            temperature_c: None,
            last_second: None,
            last_dictation: Some(Level { rms_dbfs: -70.0, peak_dbfs: -60.0 }),
            gaps: 3,
            refused: 1,
            last_fault: Some(Cause::Microphone),
            ..facts(&about)
        }
        .status_report();
        for part in [
            "Oratype 1.2.3. Microphone: nothing heard yet, ",
            "-70 dBFS in the last dictation, too quiet: speak closer",
            "Sound lost: 3 times. No room for speech: once.",
            "Settings: 4: audio.gain_db: is 99.0;",
            " / and 2 more.",
            "Last error: no microphone, or nothing comes from it",
        ] {
            assert!(report.contains(part), "{part:?} is not in {report:?}");
        }
    }

    #[test]
    fn the_verdict_follows_the_level() {
        let cases = [
            (-150.0, -150.0, "nothing"),
            (-24.0, -9.0, "good"),
            (-51.0, -30.0, "too quiet"),
            (-10.0, -0.2, "too loud"),
            (-49.0, -30.0, "good"),
        ];
        for (rms_dbfs, peak_dbfs, expected) in cases {
            assert!(verdict(Level { rms_dbfs, peak_dbfs }).starts_with(expected));
        }
    }

    #[test]
    fn this_machine_has_an_uptime() {
        let (about, status) = (About::default(), Status::default());
        assert!(Facts::gather(&about, &status, 0).uptime.is_some());
    }

    proptest! {
        /// The report is typed into whatever has the focus: it must not press Enter or Tab there, nor go on for ever.
        #[test]
        fn a_report_is_one_line_that_every_keyboard_has(
            board in ".{0,40}",
            settings_problems in proptest::collection::vec("\\PC{0,300}|[\n\r\t\u{1b}]{0,5}", 0..10),
        ) {
            let about = About { board, settings_problems };
            let report = facts(&about).status_report();
            prop_assert!(report.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{report:?}");
        }
    }
}
