//! Real-time priority and CPU affinity of the calling thread.

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Why a thread's scheduling could not be changed. The thread runs on as before; do not retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchedError {
    /// Real-time priority is not allowed to this user.
    #[error(
        "no permission for real-time priority {0}: run as root, or give the user an rtprio limit \
         (/etc/security/limits.d) or the program CAP_SYS_NICE"
    )]
    NotPermitted(u8),
    /// SCHED_FIFO has priorities 1 to 99.
    #[error("real-time priority {0} is not between 1 and 99")]
    BadPriority(u8),
    /// None of the cores asked for exists, or may be used by this process.
    #[error("none of the cores asked for may be used: see `taskset -p` and /sys/devices/system/cpu/online")]
    NoSuchCore,
    /// The kernel refused for another reason.
    #[error("the scheduler refused: {0}")]
    Failed(Errno),
}

/// Run the calling thread under SCHED_FIFO at `priority` (1 to 99, higher goes first): it then runs before every
/// thread of normal priority. See sched(7).
pub fn set_realtime(priority: u8) -> Result<(), SchedError> {
    if !(1..=99).contains(&priority) {
        return Err(SchedError::BadPriority(priority));
    }
    let parameters = libc::sched_param { sched_priority: i32::from(priority) };
    // SAFETY: `parameters` lives through the call; 0 means the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) };
    match Errno::result(result) {
        Ok(_) => Ok(()),
        Err(Errno::EPERM) => Err(SchedError::NotPermitted(priority)),
        Err(errno) => Err(SchedError::Failed(errno)),
    }
}

/// Let the calling thread, and the threads it will make, run on `cores` only. Cores that do not exist are passed
/// over as long as one does.
pub fn pin_to(cores: &[usize]) -> Result<(), SchedError> {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core).map_err(|_| SchedError::NoSuchCore)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|errno| match errno {
        Errno::EINVAL => SchedError::NoSuchCore,
        errno => SchedError::Failed(errno),
    })
}

/// Keep the calling thread, and the threads it will make, off `cores`; returns the cores it is left with. Where none
/// would be left, it stays on all.
pub fn keep_off(cores: &[usize]) -> Result<Vec<usize>, SchedError> {
    let available = available_cores()?;
    let left: Vec<usize> = available.iter().copied().filter(|core| !cores.contains(core)).collect();
    if left.is_empty() {
        return Ok(available);
    }
    pin_to(&left)?;
    Ok(left)
}

/// The cores the calling thread may run on, in ascending order.
pub fn available_cores() -> Result<Vec<usize>, SchedError> {
    let set = sched_getaffinity(Pid::from_raw(0)).map_err(SchedError::Failed)?;
    Ok((0..CpuSet::count()).filter(|&core| set.is_set(core) == Ok(true)).collect())
}

/// The cores that are switched on, in ascending order, whatever this process may use of them.
pub fn online_cores() -> std::io::Result<Vec<usize>> {
    std::fs::read_to_string("/sys/devices/system/cpu/online").map(|list| cores_of(&list))
}

/// A list of the kernel's, such as `0,2-3`; what is no number is left out.
fn cores_of(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Affinity belongs to the thread, so this does not disturb the other tests.
    #[test]
    fn a_thread_stays_on_the_cores_it_was_pinned_to() {
        std::thread::spawn(|| {
            let cores = available_cores().unwrap();
            let last = *cores.last().unwrap();
            pin_to(&[last]).unwrap();
            assert_eq!(available_cores().unwrap(), [last]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_and_its_children_keep_off_cores() {
        std::thread::spawn(|| {
            let cores = available_cores().unwrap();
            assert_eq!(keep_off(&cores).unwrap(), cores, "it must run somewhere");
            let (first, others) = cores.split_first().unwrap();
            assert_eq!(keep_off(others).unwrap(), [*first]);
            let child = std::thread::spawn(|| available_cores().unwrap());
            assert_eq!(child.join().unwrap(), [*first]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn online_cores_are_listed() {
        assert_eq!(cores_of("0,2-3\n"), [0, 2, 3]);
        assert_eq!(cores_of(" \n"), []);
        let online = online_cores().unwrap();
        assert!(available_cores().unwrap().iter().all(|core| online.contains(core)));
    }

    #[test]
    fn cores_that_cannot_be_used_are_refused() {
        assert_eq!(pin_to(&[]), Err(SchedError::NoSuchCore));
        assert_eq!(pin_to(&[usize::MAX]), Err(SchedError::NoSuchCore));
    }

    #[test]
    fn priorities_outside_the_range_are_refused() {
        assert_eq!(set_realtime(0), Err(SchedError::BadPriority(0)));
        assert_eq!(set_realtime(100), Err(SchedError::BadPriority(100)));
    }

    #[test]
    fn a_missing_permission_names_the_remedy() {
        let text = SchedError::NotPermitted(50).to_string();
        assert!(text.contains("limits.d") && text.contains("CAP_SYS_NICE"), "{text}");
    }
}
