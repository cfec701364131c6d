//! Keeps memory resident for threads that must not wait for it.

use std::hint::black_box;

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall};

/// Stack that [`touch_stack`] makes resident. A period through alsa-lib and its plugins takes a few KiB; this is what
/// the deepest of them take, several times over, and an eighth of what a thread has.
const STACK_BYTES: usize = 256 << 10;

/// Why memory could not be locked. Everything works on without; do not retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// The process maps more than this user may lock.
    #[error(
        "no permission to lock memory: run as root, or give the user a memlock limit \
         (/etc/security/limits.d) or the program CAP_IPC_LOCK"
    )]
    NotPermitted,
    /// The kernel refused for another reason.
    #[error("memory cannot be locked: {0}")]
    Failed(Errno),
}

/// From now on, keep every page of this process resident once it was touched, those of later mappings included.
///
/// Nothing is read in ahead (`MCL_ONFAULT`, Linux 4.4): the resident set grows by nothing. What may not even fault
/// the first time has to be touched beforehand. Child processes do not inherit the lock. See mlockall(2).
pub fn lock() -> Result<(), LockError> {
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    match mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault) {
        Ok(()) => Ok(()),
        // ENOMEM: over the limit; EPERM: the limit is 0.
        Err(Errno::ENOMEM | Errno::EPERM) => Err(LockError::NotPermitted),
        Err(errno) => Err(LockError::Failed(errno)),
    }
}

/// Make the calling thread's stack resident, as far down as it will ever need it.
#[inline(never)]
pub fn touch_stack() {
    black_box(&mut [0u8; STACK_BYTES]);
}

#[cfg(test)]
mod tests {
    use nix::sys::resource::{UsageWho, getrusage};

    use super::*;

    fn faults() -> i64 {
        getrusage(UsageWho::RUSAGE_THREAD).unwrap().minor_page_faults()
    }

    /// Stack as a deep call uses it.
    #[inline(never)]
    fn deep_call() {
        black_box(&mut [0u8; STACK_BYTES / 2]);
    }

    #[test]
    fn a_touched_stack_faults_no_more() {
        std::thread::spawn(|| {
            faults();
            let before = faults();
            touch_stack();
            let touched = faults();
            deep_call();
            assert!(touched > before, "the stack was resident before");
            assert_eq!(faults(), touched);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_missing_permission_names_the_remedy() {
        let text = LockError::NotPermitted.to_string();
        assert!(text.contains("limits.d") && text.contains("CAP_IPC_LOCK"), "{text}");
    }
}
