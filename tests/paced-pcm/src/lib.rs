//! A sound card that is none: the PCM type `oratype_paced` for alsa-lib, by its external I/O plugin SDK.
//!
//! It delivers S32 stereo at the pace of `CLOCK_MONOTONIC`, into a buffer that overruns when the reader is late,
//! as a microphone does. Every frame carries its number, so a lost frame shows. Faults come when asked for. In
//! asound.conf:
//!
//! ```text
//! pcm_type.oratype_paced { lib "/path/to/liboratype_paced_pcm.so" }
//! pcm.mic {
//!     type oratype_paced
//!     rate 48000         # frames per second
//!     speed 1            # how many times faster than real time
//!     xrun_every 0       # frames between overruns; 0: only when the reader is late
//!     suspend_every 0    # frames between suspends; 0: never
//!     resume 1           # whether resuming works, or the PCM must be prepared anew
//!     disconnect_at 0    # frame at which it is gone for good; 0: never
//! }
//! ```
//!
//! The format is the one of alsa-lib's pcm_ioplug.h, protocol 1.0.2.

mod ffi;
mod source;

use std::ffi::{CStr, c_char, c_int, c_long};
use std::ptr;

use alsa_sys::{
    SND_PCM_ACCESS_MMAP_INTERLEAVED, SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_FORMAT_S32_LE,
    SND_PCM_STATE_DISCONNECTED, SND_PCM_STATE_RUNNING, SND_PCM_STATE_SUSPENDED, SND_PCM_STATE_XRUN,
    SND_PCM_STREAM_CAPTURE, snd_config_get_integer, snd_config_search, snd_config_t, snd_pcm_channel_area_t,
    snd_pcm_sframes_t, snd_pcm_stream_t, snd_pcm_t, snd_pcm_uframes_t,
};
use nix::errno::Errno;
use nix::libc::{POLLERR, POLLIN, pollfd};

use crate::ffi::{Callbacks, IoPlug, Parameter};
use crate::source::{Fault, Position, Settings, Source};

/// The name of the PCM type.
pub const TYPE: &str = "oratype_paced";

/// The file alsa-lib loads.
pub const LIBRARY: &str = "liboratype_paced_pcm.so";

/// The samples of frame `number`, left and right. The right one is the left one's complement, so that a frame
/// torn or shifted by a sample is noticed too.
pub const fn frame(number: u64) -> [i32; 2] {
    [number as i32, !(number as i32)]
}

/// Channels, as on an I2S bus.
const CHANNELS: u32 = 2;

/// Bytes of a frame.
const FRAME_BYTES: u32 = CHANNELS * 4;

/// What alsa-lib looks for beside the open function, to know that the plugin fits it: its name is the open
/// function's with SND_PCM_DLSYM_VERSION behind (pcm_external.h). The value does not matter.
#[unsafe(no_mangle)]
pub static __snd_pcm_oratype_paced_open_dlsym_pcm_001: c_char = 0;

/// What belongs to an open PCM.
struct Plugin {
    io: IoPlug,
    source: Source,
}

/// Open the PCM; called by alsa-lib (SND_PCM_PLUGIN_DEFINE_FUNC in pcm_external.h).
///
/// # Safety
/// `pcmp` takes a pointer, `name` is a string, `conf` the PCM's configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _snd_pcm_oratype_paced_open(
    pcmp: *mut *mut snd_pcm_t,
    name: *const c_char,
    _root: *mut snd_config_t,
    conf: *mut snd_config_t,
    stream: snd_pcm_stream_t,
    mode: c_int,
) -> c_int {
    if stream != SND_PCM_STREAM_CAPTURE {
        return -(Errno::EINVAL as c_int);
    }
    // SAFETY: `conf` is what alsa-lib gave us.
    let read = |key, default| unsafe { integer(conf, key, default) };
    let settings = Settings {
        rate_hz: read(c"rate", 48_000) as u64,
        speed: read(c"speed", 1).max(1) as u64,
        xrun_every: read(c"xrun_every", 0) as u64,
        suspend_every: read(c"suspend_every", 0) as u64,
        resumes: read(c"resume", 1) != 0,
        disconnect_at: read(c"disconnect_at", 0) as u64,
    };
    let source = match Source::new(settings) {
        Ok(source) => source,
        Err(errno) => return -(errno as c_int),
    };
    let io = IoPlug::new(c"Paced frames with numbers", source.timer.as_fd_raw(), POLLIN as u32, &CALLBACKS);
    let plugin = Box::into_raw(Box::new(Plugin { io, source }));
    // SAFETY: `plugin` stays at its place until `close` frees it, and nothing else refers to it yet; the functions
    // are called as pcm_ioplug.h says.
    unsafe {
        (*plugin).io.private_data = plugin.cast();
        let io = &raw mut (*plugin).io;
        let error = ffi::snd_pcm_ioplug_create(io, name, stream, mode);
        if error < 0 {
            drop(Box::from_raw(plugin));
            return error;
        }
        let list = |parameter: Parameter, values: &[u32]| {
            ffi::snd_pcm_ioplug_set_param_list(io, parameter as c_int, values.len() as u32, values.as_ptr())
        };
        let between = |parameter: Parameter, min: u32, max: u32| {
            ffi::snd_pcm_ioplug_set_param_minmax(io, parameter as c_int, min, max)
        };
        let results = [
            // The second is how alsa-lib's own plugins read.
            list(Parameter::Access, &[SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED]),
            list(Parameter::Format, &[SND_PCM_FORMAT_S32_LE as u32]),
            list(Parameter::Channels, &[CHANNELS]),
            list(Parameter::Rate, &[settings.rate_hz as u32]),
            // As the DMA of a Raspberry Pi: from a few frames to 64 kB at a time, 512 kB in all.
            between(Parameter::PeriodBytes, 32 * FRAME_BYTES, 64 << 10),
            between(Parameter::BufferBytes, 64 * FRAME_BYTES, 512 << 10),
            between(Parameter::Periods, 2, 1024),
        ];
        if let Some(&error) = results.iter().find(|&&result| result < 0) {
            ffi::snd_pcm_ioplug_delete(io);
            return error;
        }
        *pcmp = (*io).pcm;
    }
    0
}

/// A number of the PCM's configuration, or `default` if it is not there or no number.
///
/// # Safety
/// `conf` is a configuration node.
unsafe fn integer(conf: *mut snd_config_t, key: &CStr, default: c_long) -> c_long {
    let mut node = ptr::null_mut();
    let mut value = default;
    // SAFETY: `conf` is a node by contract; `node` is only used when it was found.
    unsafe {
        if snd_config_search(conf, key.as_ptr(), &mut node) == 0 {
            snd_config_get_integer(node, &mut value);
        }
    }
    value
}

static CALLBACKS: Callbacks = Callbacks {
    start: Some(start),
    stop: Some(stop),
    pointer: Some(pointer),
    transfer: Some(transfer),
    close: Some(close),
    prepare: Some(stop),
    resume: Some(resume),
    poll_revents: Some(poll_revents),
    ..Callbacks::NONE
};

/// The plugin behind a callback's argument.
///
/// # Safety
/// `io` is what alsa-lib passes to a callback, between `snd_pcm_ioplug_create` and `close`; alsa-lib makes no two
/// calls at once on a PCM that is used from one thread.
unsafe fn plugin<'a>(io: *mut IoPlug) -> &'a mut Plugin {
    // SAFETY: `private_data` was set to the plugin when it was opened.
    unsafe { &mut *(*io).private_data.cast::<Plugin>() }
}

unsafe extern "C" fn start(io: *mut IoPlug) -> c_int {
    // SAFETY: called by alsa-lib.
    let plugin = unsafe { plugin(io) };
    match plugin.source.start(plugin.io.period_size) {
        Ok(()) => 0,
        Err(errno) => -(errno as c_int),
    }
}

unsafe extern "C" fn stop(io: *mut IoPlug) -> c_int {
    // SAFETY: called by alsa-lib.
    let plugin = unsafe { plugin(io) };
    plugin.source.stop();
    0
}

/// Where the hardware is in the buffer. Any negative number means an overrun to alsa-lib; the other faults are told
/// through the state.
unsafe extern "C" fn pointer(io: *mut IoPlug) -> snd_pcm_sframes_t {
    // SAFETY: called by alsa-lib.
    let plugin = unsafe { plugin(io) };
    if plugin.io.state != SND_PCM_STATE_RUNNING as c_int {
        return (plugin.source.written() % plugin.io.buffer_size) as snd_pcm_sframes_t;
    }
    match plugin.source.advance(plugin.io.appl_ptr, plugin.io.buffer_size) {
        Position::Written(frames) => return (frames % plugin.io.buffer_size) as snd_pcm_sframes_t,
        Position::Failed(Fault::Xrun) => return -(Errno::EPIPE as snd_pcm_sframes_t),
        Position::Failed(Fault::Suspend) => plugin.io.state = SND_PCM_STATE_SUSPENDED as c_int,
        Position::Failed(Fault::Disconnect) => plugin.io.state = SND_PCM_STATE_DISCONNECTED as c_int,
    }
    (plugin.source.written() % plugin.io.buffer_size) as snd_pcm_sframes_t
}

/// Copy the next `size` frames for the application. Where it maps the buffer this comes before it takes them, maybe
/// more than once, so alsa-lib's pointer says which they are.
unsafe extern "C" fn transfer(
    io: *mut IoPlug,
    areas: *const snd_pcm_channel_area_t,
    offset: snd_pcm_uframes_t,
    size: snd_pcm_uframes_t,
) -> snd_pcm_sframes_t {
    // SAFETY: called by alsa-lib; there is an area for each channel, with room for `size` samples behind `offset`,
    // bit offsets being multiples of 8 for S32.
    unsafe {
        let plugin = plugin(io);
        let first = plugin.source.number(plugin.io.appl_ptr);
        for i in 0..size {
            for (channel, sample) in frame(first + i).into_iter().enumerate() {
                let area = &*areas.add(channel);
                let bits = area.first as usize + area.step as usize * (offset + i) as usize;
                area.addr.cast::<u8>().add(bits / 8).cast::<i32>().write_unaligned(sample.to_le());
            }
        }
    }
    size as snd_pcm_sframes_t
}

/// alsa-lib does not look at the result; resuming worked if the state says so.
unsafe extern "C" fn resume(io: *mut IoPlug) -> c_int {
    // SAFETY: called by alsa-lib.
    let plugin = unsafe { plugin(io) };
    if plugin.source.resume() {
        plugin.io.state = SND_PCM_STATE_RUNNING as c_int;
        0
    } else {
        -(Errno::ENOSYS as c_int)
    }
}

/// Whether there is something to read: the timer's tick alone does not say so.
unsafe extern "C" fn poll_revents(
    io: *mut IoPlug,
    _fds: *mut pollfd,
    _count: u32,
    revents: *mut u16,
) -> c_int {
    // SAFETY: called by alsa-lib; `revents` takes a number.
    unsafe {
        let plugin = plugin(io);
        plugin.source.clear_tick();
        let failed = [SND_PCM_STATE_XRUN, SND_PCM_STATE_SUSPENDED, SND_PCM_STATE_DISCONNECTED]
            .iter()
            .any(|&state| plugin.io.state == state as c_int);
        *revents = if failed {
            (POLLIN | POLLERR) as u16
        } else if plugin.source.readable_now(plugin.io.appl_ptr) >= plugin.io.period_size {
            POLLIN as u16
        } else {
            0
        };
    }
    0
}

unsafe extern "C" fn close(io: *mut IoPlug) -> c_int {
    // SAFETY: called by alsa-lib, last; made by Box::into_raw when it was opened.
    drop(unsafe { Box::from_raw((*io).private_data.cast::<Plugin>()) });
    0
}
