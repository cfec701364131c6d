//! How fast the processor runs: the cpufreq governor.

use std::path::Path;
use std::{fs, io};

/// Where the kernel keeps its frequency policies, one for each group of cores that share a clock.
pub const POLICIES: &str = "/sys/devices/system/cpu/cpufreq";

/// Give every frequency policy in the folder `policies` the `governor` of that name. Returns how many policies took
/// it: 0 where the kernel leaves the frequency alone. See the kernel's Documentation/admin-guide/pm/cpufreq.rst.
///
/// # Errors
/// The first policy that refused; the others have taken it. Everything works on, only slower.
pub fn set_governor(policies: &Path, governor: &str) -> io::Result<usize> {
    let entries = match fs::read_dir(policies) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut taken = 0;
    let mut refused = None;
    for entry in entries {
        let path = entry?.path().join("scaling_governor");
        if !path.exists() {
            continue;
        }
        match fs::write(&path, governor) {
            Ok(()) => taken += 1,
            Err(error) => {
                let said = format!("{}: {error}", path.display());
                refused.get_or_insert(io::Error::new(error.kind(), said));
            }
        }
    }
    refused.map_or(Ok(taken), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_gets_the_governor() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["policy0", "policy2"].map(|policy| {
            let policy = folder.path().join(policy);
            fs::create_dir(&policy).unwrap();
            fs::write(policy.join("scaling_governor"), "schedutil\n").unwrap();
            policy.join("scaling_governor")
        });
        fs::create_dir(folder.path().join("boost")).unwrap();
        assert_eq!(set_governor(folder.path(), "performance").unwrap(), 2);
        for file in files {
            assert_eq!(fs::read_to_string(file).unwrap(), "performance");
        }
    }

    #[test]
    fn a_policy_that_refuses_is_named_and_the_others_are_set() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("policy0/scaling_governor")).unwrap();
        fs::create_dir(folder.path().join("policy1")).unwrap();
        let good = folder.path().join("policy1/scaling_governor");
        fs::write(&good, "").unwrap();
        let error = set_governor(folder.path(), "performance").unwrap_err();
        assert!(error.to_string().contains("policy0/scaling_governor"), "{error}");
        assert_eq!(fs::read_to_string(good).unwrap(), "performance");
    }

    #[test]
    fn without_policies_there_is_nothing_to_do() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(set_governor(folder.path(), "performance").unwrap(), 0);
        assert_eq!(set_governor(&folder.path().join("none"), "performance").unwrap(), 0);
    }
}
