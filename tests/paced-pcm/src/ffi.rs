//! alsa-lib's pcm_ioplug.h, as far as it is used here.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr;

use alsa_sys::{snd_pcm_channel_area_t, snd_pcm_sframes_t, snd_pcm_stream_t, snd_pcm_t, snd_pcm_uframes_t};
use nix::libc::pollfd;

/// SND_PCM_IOPLUG_VERSION: 1.0.2.
const VERSION: c_uint = (1 << 16) | 2;

/// `snd_pcm_ioplug_t`. The fields from `pcm` on are alsa-lib's.
#[repr(C)]
pub(crate) struct IoPlug {
    version: c_uint,
    name: *const c_char,
    flags: c_uint,
    poll_fd: c_int,
    poll_events: c_uint,
    mmap_rw: c_uint,
    callback: *const Callbacks,
    pub(crate) private_data: *mut c_void,
    pub(crate) pcm: *mut snd_pcm_t,
    stream: c_int,
    pub(crate) state: c_int,
    pub(crate) appl_ptr: c_ulong,
    hw_ptr: c_ulong,
    nonblock: c_int,
    access: c_int,
    format: c_int,
    channels: c_uint,
    rate: c_uint,
    pub(crate) period_size: snd_pcm_uframes_t,
    pub(crate) buffer_size: snd_pcm_uframes_t,
}

impl IoPlug {
    /// As snd_pcm_ioplug_create wants it, but for `private_data`.
    pub(crate) fn new(
        name: &'static CStr,
        poll_fd: c_int,
        poll_events: c_uint,
        callback: &'static Callbacks,
    ) -> Self {
        Self {
            version: VERSION,
            name: name.as_ptr(),
            flags: 0,
            poll_fd,
            poll_events,
            mmap_rw: 0,
            callback,
            private_data: ptr::null_mut(),
            pcm: ptr::null_mut(),
            stream: 0,
            state: 0,
            appl_ptr: 0,
            hw_ptr: 0,
            nonblock: 0,
            access: 0,
            format: 0,
            channels: 0,
            rate: 0,
            period_size: 0,
            buffer_size: 0,
        }
    }
}

type Simple = unsafe extern "C" fn(*mut IoPlug) -> c_int;
type Pointer = unsafe extern "C" fn(*mut IoPlug) -> snd_pcm_sframes_t;
type Transfer = unsafe extern "C" fn(
    *mut IoPlug,
    *const snd_pcm_channel_area_t,
    snd_pcm_uframes_t,
    snd_pcm_uframes_t,
) -> snd_pcm_sframes_t;
type PollRevents = unsafe extern "C" fn(*mut IoPlug, *mut pollfd, c_uint, *mut u16) -> c_int;
/// A callback that is not used here, whatever its arguments.
type Unused = unsafe extern "C" fn();

/// `snd_pcm_ioplug_callback_t`.
#[repr(C)]
pub(crate) struct Callbacks {
    pub(crate) start: Option<Simple>,
    pub(crate) stop: Option<Simple>,
    pub(crate) pointer: Option<Pointer>,
    pub(crate) transfer: Option<Transfer>,
    pub(crate) close: Option<Simple>,
    pub(crate) hw_params: Option<Unused>,
    pub(crate) hw_free: Option<Unused>,
    pub(crate) sw_params: Option<Unused>,
    pub(crate) prepare: Option<Simple>,
    pub(crate) drain: Option<Unused>,
    pub(crate) pause: Option<Unused>,
    pub(crate) resume: Option<Simple>,
    pub(crate) poll_descriptors_count: Option<Unused>,
    pub(crate) poll_descriptors: Option<Unused>,
    pub(crate) poll_revents: Option<PollRevents>,
    pub(crate) dump: Option<Unused>,
    pub(crate) delay: Option<Unused>,
    pub(crate) query_chmaps: Option<Unused>,
    pub(crate) get_chmap: Option<Unused>,
    pub(crate) set_chmap: Option<Unused>,
}

impl Callbacks {
    /// None of them.
    pub(crate) const NONE: Self = Self {
        start: None,
        stop: None,
        pointer: None,
        transfer: None,
        close: None,
        hw_params: None,
        hw_free: None,
        sw_params: None,
        prepare: None,
        drain: None,
        pause: None,
        resume: None,
        poll_descriptors_count: None,
        poll_descriptors: None,
        poll_revents: None,
        dump: None,
        delay: None,
        query_chmaps: None,
        get_chmap: None,
        set_chmap: None,
    };
}

/// What a hw_params constraint is about (SND_PCM_IOPLUG_HW_*).
#[derive(Clone, Copy)]
pub(crate) enum Parameter {
    Access = 0,
    Format,
    Channels,
    Rate,
    PeriodBytes,
    BufferBytes,
    Periods,
}

unsafe extern "C" {
    pub(crate) fn snd_pcm_ioplug_create(
        io: *mut IoPlug,
        name: *const c_char,
        stream: snd_pcm_stream_t,
        mode: c_int,
    ) -> c_int;
    pub(crate) fn snd_pcm_ioplug_delete(io: *mut IoPlug) -> c_int;
    pub(crate) fn snd_pcm_ioplug_set_param_minmax(
        io: *mut IoPlug,
        parameter: c_int,
        min: c_uint,
        max: c_uint,
    ) -> c_int;
    pub(crate) fn snd_pcm_ioplug_set_param_list(
        io: *mut IoPlug,
        parameter: c_int,
        count: c_uint,
        list: *const c_uint,
    ) -> c_int;
}
