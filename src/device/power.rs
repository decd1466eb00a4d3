//! What the board draws.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A sensor of the whole board's power, or, where there is none, of its processor's.
#[derive(Debug)]
pub struct PowerMeter {
    name: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// A file of millionths of a watt.
    Microwatts(PathBuf),
    /// Two files: thousandths of a volt and of an ampere.
    MillivoltsAndMilliamperes(PathBuf, PathBuf),
    /// A file of millionths of a joule that begins anew after so many, and what it said last, and when.
    Microjoules { file: PathBuf, range: f64, last: Option<(f64, Duration)> },
}

/// Rails of a Jetson that feed all of the board, as its device tree names them.
const WHOLE_BOARD: [&str; 3] = ["VDD_IN", "VIN_SYS_5V0", "POM_5V_IN"];

impl PowerMeter {
    /// The first sensor below `sys` (`/sys`): a monitor of the whole board (hwmon, as a Jetson's INA3221), else the processor's
    /// own counter (powercap).
    #[must_use]
    pub fn find(sys: &Path) -> Option<Self> {
        Self::monitor(&sys.join("class/hwmon")).or_else(|| Self::counter(&sys.join("class/powercap")))
    }

    fn monitor(hwmon: &Path) -> Option<Self> {
        for monitor in entries(hwmon) {
            for rail in 1..=8 {
                let label = said(&monitor.join(format!("in{rail}_label")));
                let files = ["in", "curr"].map(|what| monitor.join(format!("{what}{rail}_input")));
                if let Some(name) = label.filter(|label| WHOLE_BOARD.contains(&label.as_str()))
                    && files.iter().all(|file| number(file).is_some())
                {
                    let [volts, amperes] = files;
                    return Some(Self { name, source: Source::MillivoltsAndMilliamperes(volts, amperes) });
                }
            }
            let file = monitor.join("power1_input");
            if number(&file).is_some() {
                let name = said(&monitor.join("name")).unwrap_or_else(|| "hwmon".to_owned());
                return Some(Self { name, source: Source::Microwatts(file) });
            }
        }
        None
    }

    fn counter(powercap: &Path) -> Option<Self> {
        entries(powercap).into_iter().find_map(|zone| {
            let file = zone.join("energy_uj");
            number(&file)?;
            let range = number(&zone.join("max_energy_range_uj")).unwrap_or(f64::INFINITY);
            let name = said(&zone.join("name")).unwrap_or_else(|| "powercap".to_owned());
            // Package zones come before what lies in them.
            name.starts_with("package")
                .then_some(Self { name, source: Source::Microjoules { file, range, last: None } })
        })
    }

    /// Which sensor it is, as its driver calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Watts `now` (any monotonic clock): at this moment, or since the last time that it was asked.
    pub fn watts(&mut self, now: Duration) -> Option<f64> {
        match &mut self.source {
            Source::Microwatts(file) => Some(number(file)? / 1e6),
            Source::MillivoltsAndMilliamperes(volts, amperes) => Some(number(volts)? * number(amperes)? / 1e6),
            Source::Microjoules { file, range, last } => {
                let said = number(file)?;
                let (before, at) = last.replace((said, now))?;
                let whole = if said < before { *range } else { 0.0 };
                let joules = (said + whole - before) / 1e6;
                let seconds = now.saturating_sub(at).as_secs_f64();
                (seconds > 0.0 && joules.is_finite()).then(|| joules / seconds)
            }
        }
    }
}

/// What lies in a folder, in the order of its names.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn said(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

fn number(file: &Path) -> Option<f64> {
    said(file)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sys(files: &[(&str, &str)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = sys.path().join(name);
            fs::create_dir_all(path.parent().expect("has one")).expect("made");
            fs::write(path, text).expect("written");
        }
        sys
    }

    fn close(found: Option<f64>, want: f64) {
        assert!(found.is_some_and(|found| (found - want).abs() < 1e-9), "{found:?}, not {want}");
    }

    #[test]
    fn a_jetson_says_what_all_of_it_draws() {
        let sys = sys(&[
            ("class/hwmon/hwmon0/name", "nvme\n"),
            ("class/hwmon/hwmon3/in1_label", "VDD_CPU_GPU_CV\n"),
            ("class/hwmon/hwmon3/in1_input", "5000\n"),
            ("class/hwmon/hwmon3/curr1_input", "1\n"),
            ("class/hwmon/hwmon3/in2_label", "VDD_IN\n"),
            ("class/hwmon/hwmon3/in2_input", "5072\n"),
            ("class/hwmon/hwmon3/curr2_input", "1500\n"),
        ]);
        let mut meter = PowerMeter::find(sys.path()).expect("a sensor");
        assert_eq!(meter.name(), "VDD_IN");
        close(meter.watts(Duration::ZERO), 7.608);
    }

    #[test]
    fn a_counter_says_the_mean_since_it_was_asked_and_may_begin_anew() {
        let sys = sys(&[
            ("class/powercap/intel-rapl/name", "control"),
            ("class/powercap/intel-rapl:0/name", "package-0\n"),
            ("class/powercap/intel-rapl:0/energy_uj", "9000000\n"),
            ("class/powercap/intel-rapl:0/max_energy_range_uj", "10000000\n"),
        ]);
        let mut meter = PowerMeter::find(sys.path()).expect("a sensor");
        assert_eq!(meter.watts(Duration::from_secs(1)), None);
        let energy = sys.path().join("class/powercap/intel-rapl:0/energy_uj");
        fs::write(&energy, "1000000").expect("written");
        close(meter.watts(Duration::from_secs(3)), 1.0);
        fs::write(&energy, "4000000").expect("written");
        close(meter.watts(Duration::from_secs(4)), 3.0);
    }

    #[test]
    fn there_may_be_no_sensor() {
        assert!(PowerMeter::find(sys(&[("class/hwmon/hwmon0/name", "x")]).path()).is_none());
        assert!(PowerMeter::find(Path::new("/nonexistent")).is_none());
    }
}
