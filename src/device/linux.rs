//! The hardware as Linux shows it.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hilum_domain::Moment;
use rustix::time::{ClockId, clock_gettime};

use crate::{Celsius, Clock, ClockTrust, Reading, Thermal};

/// The kernel's clocks.
#[derive(Debug)]
pub struct SystemClock {
    trust: ClockTrust,
    boot: String,
}

/// No clock is right that says it is before this program was written: 2026-01-01, in seconds since 1970.
const WRITTEN_S: u64 = 1_767_225_600;

impl SystemClock {
    /// The clocks of this boot.
    #[must_use]
    pub fn new(trust: ClockTrust) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { trust, boot: boot.trim().to_owned() }
    }
}

/// Whether a key that the service manager sealed to this machine is out of reach of who takes the disk alone: the machine has a TPM,
/// or what `folder` lies on is encrypted as a whole (dm-crypt) with a key from elsewhere.
#[must_use]
pub fn keeps_keys_apart(folder: &Path) -> bool {
    let encrypted = || -> Option<bool> {
        let device = fs::metadata(folder).ok()?.dev();
        let [major, minor] = [rustix::fs::major(device), rustix::fs::minor(device)];
        let kind = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/dm/uuid")).ok()?;
        Some(kind.starts_with("CRYPT-"))
    };
    Path::new("/sys/class/tpm/tpm0").exists() || encrypted().unwrap_or(false)
}

/// What the firmware calls this machine, from the device tree: the board first, what it resembles after it. Nothing where the firmware
/// has no device tree, as on a PC.
#[must_use]
pub fn machine() -> Vec<String> {
    let written = fs::read("/proc/device-tree/compatible").unwrap_or_default();
    let names = written.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Time since the machine started, sleep included.
#[must_use]
pub fn since_boot() -> Duration {
    let at = clock_gettime(ClockId::Boottime);
    Duration::new(at.tv_sec.unsigned_abs(), u32::try_from(at.tv_nsec).unwrap_or(0))
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let wall = SystemTime::now();
        let plausible = wall.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() >= WRITTEN_S);
        let trusted = plausible
            && match self.trust {
                ClockTrust::Always => true,
                ClockTrust::Never => false,
                ClockTrust::Synchronised => synchronised(),
            };
        let claimed = chrono::DateTime::<chrono::Utc>::from(wall).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        Moment { claimed, trusted, boot: self.boot.clone(), since_boot: since_boot() }
    }
}

/// What systemd-timesyncd leaves once it has set the clock, in this boot.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

/// Whether something keeps the wall clock in step.
///
/// The kernel knows. A service that must not set the clock (`ProtectClock=`) may not ask it either; then systemd-timesyncd's
/// word is taken for it.
fn synchronised() -> bool {
    kernel_says_synchronised().unwrap_or_else(|| Path::new(TIMESYNCD).exists())
}

/// Whether the kernel says that its wall clock is kept in step; nothing if it may not be asked.
#[expect(unsafe_code, reason = "no safe wrapper of adjtimex")]
fn kernel_says_synchronised() -> Option<bool> {
    // SAFETY: all bytes zero are a valid `timex`; its `modes` 0 asks and changes nothing.
    let mut asked: libc::timex = unsafe { std::mem::zeroed() };
    // JUSTIFICATION: no safe wrapper that we depend on offers adjtimex.
    // SAFETY: `asked` is a live `timex`; the kernel keeps no pointer to it after the call.
    let state = unsafe { libc::adjtimex(&raw mut asked) };
    (state >= 0).then_some(state != libc::TIME_ERROR)
}

/// Bytes from which on a block of memory is the kernel's again as soon as it is freed.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 32 << 20;
/// From how many pools memory is taken. Each keeps what was freed for itself.
#[cfg(target_env = "gnu")]
const POOLS: libc::c_int = 2;

/// Has memory taken from few pools that keep what is freed: pictures of a camera and tensors are taken and freed all the time, and
/// while the kernel maps one for a thread that gives way, a thread that must not wait waits for it.
///
/// With a pool for each thread it was 14 MB more at rest than with two, and a case took as long. With blocks from 1 MB on given
/// back at once, the networks took 1.5 times as long beside the live picture, and 12 pictures a minute were left out.
/// See [`give_memory_back`].
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "no safe wrapper of mallopt"))]
pub fn pool_memory() {
    // JUSTIFICATION: no safe wrapper that we depend on offers mallopt.
    // SAFETY: it takes two numbers and may be called at any time; whether it took them changes nothing but memory and time.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_ARENA_MAX, POOLS);
    }
}

/// Gives back to the kernel what the pools keep. Takes some milliseconds: for a box at rest, which had 240 MB after an assessment,
/// of which 55 were in use.
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "no safe wrapper of malloc_trim"))]
pub fn give_memory_back() {
    // JUSTIFICATION: no safe wrapper that we depend on offers malloc_trim.
    // SAFETY: it may be called at any time, by any thread, and touches only what is free.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Has the thread that calls it go after others: what computes for seconds must not hold up what a person looks at.
///
/// # Errors
/// If the kernel, or a filter on system calls, says no. Nothing is lost but smoothness.
pub fn give_way() -> std::io::Result<()> {
    // Of two threads that both want a processor the other one has it nine times as long (sched(7): 1.25 for each step).
    const STEPS: i32 = 10;
    // On Linux a process without a number is the calling thread (setpriority(2)).
    Ok(rustix::process::setpriority_process(None, STEPS)?)
}

/// Files that say a temperature in thousandths of a degree, as /sys/class/thermal has them.
#[derive(Debug)]
pub struct ThermalZones {
    zones: Vec<PathBuf>,
    throttled: Option<PathBuf>,
}

impl ThermalZones {
    /// Sensors at these paths; one that cannot be read is passed over. `throttled` is a file of a hexadecimal number, as the
    /// firmware of a Raspberry Pi has it.
    #[must_use]
    pub const fn new(zones: Vec<PathBuf>, throttled: Option<PathBuf>) -> Self {
        Self { zones, throttled }
    }
}

impl Thermal for ThermalZones {
    fn poll(&mut self) -> Reading<Celsius> {
        if self.zones.is_empty() {
            return Reading::Absent;
        }
        let read = |zone: &PathBuf| fs::read_to_string(zone).ok()?.trim().parse::<f64>().ok();
        let hottest = self.zones.iter().filter_map(read).filter(|value| value.is_finite()).max_by(f64::total_cmp);
        hottest.map_or(Reading::NeverRead, |thousandths| Reading::Last {
            value: Celsius(thousandths / 1000.0),
            at: since_boot(),
        })
    }

    fn is_throttled(&mut self) -> bool {
        // Under-voltage, capped frequency, throttled, soft limit: what is so now. Higher bits say what was so once.
        const NOW: u32 = 0b1111;
        let said = self.throttled.as_ref().and_then(|path| fs::read_to_string(path).ok());
        let said = said.and_then(|said| u32::from_str_radix(said.trim().trim_start_matches("0x"), 16).ok());
        said.is_some_and(|said| said & NOW != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_says_what_it_claims_and_how_long_the_machine_runs() {
        let moment = SystemClock::new(ClockTrust::Never).now();
        assert!(!moment.trusted);
        assert_eq!(moment.boot.len(), 36);
        assert!(moment.since_boot > Duration::ZERO);
        assert!(moment.claimed.ends_with('Z') && moment.claimed.len() == 20, "{}", moment.claimed);
        assert!(SystemClock::new(ClockTrust::Always).now().trusted, "this machine's clock is after 2026");
    }

    // verifies: REQ-SERVICE-02
    #[test]
    fn the_hottest_zone_speaks() {
        let folder = tempfile::tempdir().expect("a folder");
        let zones: Vec<PathBuf> = ["61500\n", "95000\n", "broken"]
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let path = folder.path().join(index.to_string());
                fs::write(&path, text).expect("written");
                path
            })
            .collect();
        let fresh = |reading: Reading<Celsius>| reading.fresh(since_boot(), Duration::from_secs(5));
        assert_eq!(fresh(ThermalZones::new(zones.clone(), None).poll()), Some(Celsius(95.0)));
        assert_eq!(ThermalZones::new(zones[2..].to_vec(), None).poll(), Reading::NeverRead);
        assert_eq!(ThermalZones::new(Vec::new(), None).poll(), Reading::Absent);
    }

    #[test]
    fn what_was_throttled_once_is_not_throttled_now() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("get_throttled");
        let says = |text: &str| {
            fs::write(&file, text).expect("written");
            ThermalZones::new(Vec::new(), Some(file.clone())).is_throttled()
        };
        assert_eq!(["0\n", "50000\n", "50005\n", "0x1", "broken"].map(says), [false, false, true, true, false]);
        assert!(!ThermalZones::new(Vec::new(), None).is_throttled());
    }

    // verifies: REQ-SERVICE-02
    #[test]
    fn a_reading_grows_old() {
        let reading = Reading::Last { value: 1, at: Duration::from_secs(10) };
        assert_eq!(reading.fresh(Duration::from_secs(12), Duration::from_secs(2)), Some(1));
        assert_eq!(reading.fresh(Duration::from_secs(13), Duration::from_secs(2)), None);
    }
}
