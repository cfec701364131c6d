//! Cores that the recogniser has for itself.
//!
//! ggml's threads spin while they wait for each other: one that shares its core holds up all of them. ggml makes them
//! anew for each graph, so they are not pinned one by one; they inherit the process's cores, among which the kernel
//! balances them.

use std::path::Path;
use std::sync::Arc;

use oratype_hal::cpuset::Partition;
use oratype_hal::sched;

/// The recogniser's cgroup.
const CGROUP: &str = "oratype-recogniser";

/// Keep everything else off `cores`: by a partition of the cgroup v2 at `cgroup_root`, and in any case the calling
/// thread and those it will make. To be called before other threads are started.
///
/// A partition keeps off the rest of the system too. That is right for an appliance; a PC has other work for its
/// cores (`cgroup_root` none).
pub fn set_aside(cores: &[usize], cgroup_root: Option<&Path>) -> Option<Arc<Partition>> {
    if cores.is_empty() {
        return None;
    }
    // First, while this thread may still be moved; the partition takes the cores away from whoever is on them.
    match sched::keep_off(cores) {
        Ok(left) => log::info!("recogniser on cores {cores:?}, everything else on {left:?}"),
        Err(error) => log::warn!("the recogniser's cores are not kept free: {error}"),
    }
    match Partition::create(cgroup_root?, CGROUP, cores) {
        Ok(partition) => Some(Arc::new(partition)),
        Err(error) => {
            log::warn!("only our own threads keep off the recogniser's cores: {error}");
            None
        }
    }
}
