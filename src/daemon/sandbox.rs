//! How a reader of outside bytes is confined, by itself, before it reads the first of them.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, RestrictionStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde::{Deserialize, Serialize};

/// What holds a reader. What the kernel does not offer is left out and said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Enforced {
    /// Landlock: "full", "part" or "none".
    pub(crate) landlock: String,
    /// Seccomp: whether system calls are filtered.
    pub(crate) seccomp: bool,
    /// Whether memory, time and file sizes are limited.
    pub(crate) limits: bool,
}

/// The latest version of Landlock that is asked for; older kernels enforce what they know.
const LANDLOCK: ABI = ABI::V6;

/// Confines this process: it may read `paths` and write nothing, connect to nothing, start nothing; `memory` bytes, `time_s`
/// seconds of computing.
pub(crate) fn confine(paths: &[&Path], memory: u64, time_s: u64) -> Enforced {
    let landlock = match landlocked(paths).map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => "full",
        Ok(RulesetStatus::PartiallyEnforced) => "part",
        Ok(RulesetStatus::NotEnforced) | Err(_) => "none",
    };
    let limits = limited(memory, time_s).is_ok();
    let seccomp = filter().is_some_and(|filter| seccompiler::apply_filter_all_threads(&filter).is_ok());
    Enforced { landlock: landlock.to_owned(), seccomp, limits }
}

fn landlocked(paths: &[&Path]) -> Result<RestrictionStatus, landlock::RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .create()?
        .add_rules(path_beneath_rules(paths, AccessFs::from_read(LANDLOCK)))?
        // How many processors there are, for the threads.
        .add_rules(path_beneath_rules(
            ["/proc/self", "/sys/fs/cgroup", "/sys/devices/system/cpu"],
            AccessFs::from_read(LANDLOCK),
        ))?
        .restrict_self()
}

fn limited(memory: u64, time_s: u64) -> rustix::io::Result<()> {
    let at_most = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::As, at_most(memory))?;
    // Several threads count together.
    setrlimit(Resource::Cpu, at_most(time_s.saturating_mul(4)))?;
    setrlimit(Resource::Fsize, at_most(0))?;
    setrlimit(Resource::Core, at_most(0))
}

/// What a program needs that reads files with threads, and nothing more. Everything else is an error to it.
fn filter() -> Option<BpfProgram> {
    let mut calls = vec![
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_openat,
        libc::SYS_lseek,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_getdents64,
        libc::SYS_readlinkat,
        libc::SYS_faccessat,
        libc::SYS_faccessat2,
        libc::SYS_getcwd,
        libc::SYS_fcntl,
        libc::SYS_ioctl,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_set_tid_address,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_setaffinity,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_prlimit64,
        libc::SYS_prctl,
        libc::SYS_ppoll,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_tgkill,
        libc::SYS_restart_syscall,
    ];
    // Older calls for the same, which aarch64 never had.
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        libc::SYS_open,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_access,
        libc::SYS_readlink,
        libc::SYS_poll,
    ]);
    calls.sort_unstable();
    calls.dedup();
    let rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let denied = SeccompAction::Errno(u32::try_from(libc::EPERM).ok()?);
    let filter =
        SeccompFilter::new(rules, denied, SeccompAction::Allow, std::env::consts::ARCH.try_into().ok()?).ok()?;
    filter.try_into().ok()
}
