//! The person who speaks: plays recordings into the loopback sound card.

use alsa::pcm::{Access, Format, Frames, HwParams, PCM};
use alsa::{Direction, ValueOr};
use hound::WavReader;

use crate::Failure;

/// The side of the card that the microphone, `hw:Loopback,1`, hears.
const DEVICE: &str = "hw:Loopback,0";
/// Play the first channel of a 16-bit recording; returns when its last sample was played. Says what was played.
///
/// All of it is handed over before it starts, up to the five seconds that the card's buffer takes, so that a busy
/// emulator makes no gaps.
///
/// The card takes only what its other side asked for, so the recording must have that rate.
pub(crate) fn play(path: &str) -> Result<String, Failure> {
    let mut recording = WavReader::open(path)?;
    let spec = recording.spec();
    let pcm = PCM::new(DEVICE, Direction::Playback, false)?;
    let params = HwParams::any(&pcm)?;
    params.set_access(Access::RWInterleaved)?;
    params.set_rate(spec.sample_rate, ValueOr::Nearest)?;
    let channels = params.get_channels_min()?;
    params.set_channels(channels)?;
    let wide = params.test_format(Format::s32()).is_ok();
    params.set_format(if wide { Format::s32() } else { Format::s16() })?;
    params.set_buffer_size_near(recording.duration() as Frames)?;
    pcm.hw_params(&params)?;
    let start = pcm.sw_params_current()?;
    start.set_start_threshold(Frames::from(recording.duration()).min(params.get_buffer_size()?))?;
    pcm.sw_params(&start)?;
    let mut played = 0;
    let samples = recording.samples::<i16>().step_by(spec.channels.into()).collect::<Result<Vec<_>, _>>()?;
    let period = params.get_period_size()? as usize;
    // A last period that is not full would wait for ever.
    let silence = std::iter::repeat_n(0, period - samples.len() % period);
    let padded: Vec<i16> = samples.into_iter().chain(silence).collect();
    let channels = channels as usize;
    for piece in padded.chunks(period) {
        let frames = piece.iter().flat_map(|&sample| std::iter::repeat_n(sample, channels));
        let frames: Vec<u8> = if wide {
            frames.flat_map(|sample| (i32::from(sample) << 16).to_le_bytes()).collect()
        } else {
            frames.flat_map(i16::to_le_bytes).collect()
        };
        let mut rest = &frames[..];
        while !rest.is_empty() {
            let written = pcm.io_bytes().writei(rest)?;
            rest = &rest[written * channels * if wide { 4 } else { 2 }..];
            played += written;
        }
    }
    pcm.drain()?;
    Ok(format!(
        "{played} frames at {} Hz, {channels} channels, {} bits",
        spec.sample_rate,
        if wide { 32 } else { 16 }
    ))
}
