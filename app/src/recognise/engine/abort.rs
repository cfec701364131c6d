//! Stops whisper.cpp in the middle of an encoder run, which takes seconds on a small computer.
//!
//! whisper.cpp asks between two operations; that it does so in [`WhisperState::encode`](whisper_rs::WhisperState) too is
//! our patch (`app/whisper/abort.patch`). Whom it asks it is told once, with the audio context: a place that holds who
//! that is at present.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use whisper_rs::FullParams;

/// The place: it holds a pointer to a `&dyn Fn() -> bool`, or null where nobody is to be asked.
pub(super) struct Abort(Rc<Cell<*const c_void>>);

impl Abort {
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(ptr::null())))
    }

    /// Have whisper.cpp ask. It may do so for as long as this lives.
    pub(super) fn register(&self, parameters: &mut FullParams<'_, '_>) {
        // SAFETY: `ask` takes what it is given here, and leaves whisper.cpp alone.
        unsafe {
            parameters.set_abort_callback(Some(ask));
            parameters.set_abort_callback_user_data(Rc::as_ptr(&self.0).cast_mut().cast());
        }
    }

    /// Run whisper.cpp; it stops, with an error, once this says so.
    pub(super) fn when<T>(&self, is_withdrawn: &dyn Fn() -> bool, run: impl FnOnce() -> T) -> T {
        let _vacated = Vacated(&self.0);
        self.0.set(ptr::from_ref(&is_withdrawn).cast());
        run()
    }
}

/// Leaves the place empty, whatever happens meanwhile.
struct Vacated<'a>(&'a Cell<*const c_void>);

impl Drop for Vacated<'_> {
    fn drop(&mut self) {
        self.0.set(ptr::null());
    }
}

unsafe extern "C" fn ask(place: *mut c_void) -> bool {
    // SAFETY: what `register` has given, by the thread that runs whisper.cpp.
    let asked = unsafe { &*place.cast::<Cell<*const c_void>>() }.get();
    // SAFETY: null, or what `when` has put there and keeps while whisper.cpp runs.
    unsafe { asked.cast::<&dyn Fn() -> bool>().as_ref() }.is_some_and(|is_withdrawn| is_withdrawn())
}
