//! Touch screens, pens, mice, keyboards and barcode scanners as the kernel's event devices, and buttons.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use evdev::{AbsoluteAxisCode, KeyCode, PropType, RelativeAxisCode, raw_stream::RawDevice};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    buttons::{Button, Buttons, Line},
    fingers::{Asked, Axis, FINGERS, Fingers, Told, Way},
    hands::{Contact, Deed, Hands},
    keyboard::{self, Keyboard},
    placement::Placement,
};

/// Where event devices are.
const FOLDER: &str = "/dev/input";
/// How often it is looked for those that were plugged in.
const LOOK: Duration = Duration::from_secs(1);
/// What cannot be opened is tried again after the first of these, then ever more rarely, up to the second.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// What a device can do, as far as hands go.
#[derive(Debug, Clone, Copy, Default)]
struct Can {
    slots: bool,
    axes: bool,
    steps: bool,
    /// It has a button or a surface that tells a touch.
    touches: bool,
    /// A touch pad beside the display, not on it.
    is_beside: bool,
    /// It has a key that means something.
    types: bool,
}

impl Can {
    fn of(device: &RawDevice) -> Self {
        let has_axis =
            |code: AbsoluteAxisCode| device.supported_absolute_axes().is_some_and(|axes| axes.contains(code));
        let has_step =
            |code: RelativeAxisCode| device.supported_relative_axes().is_some_and(|axes| axes.contains(code));
        let has_key = |code: KeyCode| device.supported_keys().is_some_and(|keys| keys.contains(code));
        Self {
            slots: [
                AbsoluteAxisCode::ABS_MT_SLOT,
                AbsoluteAxisCode::ABS_MT_TRACKING_ID,
                AbsoluteAxisCode::ABS_MT_POSITION_X,
                AbsoluteAxisCode::ABS_MT_POSITION_Y,
            ]
            .into_iter()
            .all(has_axis),
            axes: [AbsoluteAxisCode::ABS_X, AbsoluteAxisCode::ABS_Y].into_iter().all(has_axis),
            steps: [RelativeAxisCode::REL_X, RelativeAxisCode::REL_Y].into_iter().all(has_step),
            touches: [KeyCode::BTN_TOUCH, KeyCode::BTN_LEFT].into_iter().any(has_key),
            is_beside: device.properties().contains(PropType::POINTER),
            types: keyboard::known().any(has_key),
        }
    }

    /// How it says where fingers are; a joystick, an accelerometer and a touch pad say nothing that is of use.
    fn way(self, axes: impl FnOnce(bool) -> [Axis; 2]) -> Option<Way> {
        match self {
            Self { slots: true, is_beside: false, .. } => Some(Way::Slots(axes(true))),
            Self { axes: true, touches: true, is_beside: false, .. } => Some(Way::Axes(axes(false))),
            Self { steps: true, touches: true, .. } => Some(Way::Steps),
            _ => None,
        }
    }
}

/// An open device.
struct Device {
    name: String,
    raw: RawDevice,
    fingers: Option<Fingers>,
    keyboard: Option<Keyboard>,
    /// The number of its first finger.
    first: Option<u8>,
}

impl Device {
    /// The device at `path`, for this program alone; `None` if it is of no use. `first` is the number that its first finger gets,
    /// if there is one left.
    fn open(path: &Path, first: Option<u8>) -> io::Result<Option<Self>> {
        let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let mut raw = RawDevice::try_from(file)?;
        let can = Can::of(&raw);
        let limits = raw.get_abs_state()?;
        let axis = |code: AbsoluteAxisCode| {
            let limits = limits[usize::from(code.0)];
            Axis { least: limits.minimum, most: limits.maximum }
        };
        let way = can.way(|of_slots| match of_slots {
            true => [AbsoluteAxisCode::ABS_MT_POSITION_X, AbsoluteAxisCode::ABS_MT_POSITION_Y].map(axis),
            false => [AbsoluteAxisCode::ABS_X, AbsoluteAxisCode::ABS_Y].map(axis),
        });
        let first = way.and(first);
        let fingers = way.zip(first).map(|(way, first)| Fingers::new(way, first, &Asked::default()));
        let keyboard = can.types.then(Keyboard::default);
        if fingers.is_none() && keyboard.is_none() {
            return Ok(None);
        }
        // What is typed here is typed nowhere else: a console would keep it, as a name that somebody wanted to log in with.
        raw.grab()?;
        let name = raw.name().unwrap_or("without a name").to_owned();
        let mut device = Self { name, raw, fingers, keyboard, first };
        device.ask()?;
        Ok(Some(device))
    }

    /// Takes over how the device is.
    fn ask(&mut self) -> io::Result<()> {
        if let Some(fingers) = &mut self.fingers {
            let state = self.raw.get_abs_state()?;
            let value = |code: AbsoluteAxisCode| state[usize::from(code.0)].value;
            let asked = if fingers.has_slots() {
                let [x, y] = [AbsoluteAxisCode::ABS_MT_POSITION_X, AbsoluteAxisCode::ABS_MT_POSITION_Y]
                    .map(|code| slots(&self.raw, code));
                let at = x?.into_iter().zip(y?).map(|(x, y)| [x, y]).collect();
                Asked { slot: value(AbsoluteAxisCode::ABS_MT_SLOT), at }
            } else {
                Asked { slot: 0, at: vec![[AbsoluteAxisCode::ABS_X, AbsoluteAxisCode::ABS_Y].map(value)] }
            };
            fingers.asked(&asked);
        }
        if let Some(keyboard) = &mut self.keyboard {
            let held = self.raw.get_key_state()?;
            keyboard.asked(|code| held.contains(code));
        }
        Ok(())
    }

    fn is_deaf(&self) -> bool {
        self.fingers.as_ref().is_some_and(Fingers::is_deaf) || self.keyboard.as_ref().is_some_and(Keyboard::is_deaf)
    }

    /// What waits to be heard.
    fn hear(&mut self, shown: &Placement, deeds: &mut Vec<Deed>) -> io::Result<()> {
        let told: Vec<Told> = match self.raw.fetch_events() {
            Ok(events) => events.map(|event| Told(event.event_type().0, event.code(), event.value())).collect(),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for told in told {
            let was_deaf = self.is_deaf();
            if let Some(fingers) = &mut self.fingers {
                deeds.extend(fingers.heard(told, shown).into_iter().map(Deed::Contact));
            }
            if let Some(keyboard) = &mut self.keyboard {
                deeds.extend(keyboard.heard(told).map(Deed::Key));
            }
            match (was_deaf, self.is_deaf()) {
                (false, true) => tracing::warn!(device = self.name, "events of an input were lost"),
                (true, false) => self.ask()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn lost(&mut self) -> impl Iterator<Item = Deed> + use<> {
        self.fingers.as_mut().map(Fingers::lost).unwrap_or_default().into_iter().map(Deed::Contact)
    }
}

/// What an axis is or was last in each slot.
#[expect(unsafe_code, reason = "no safe wrapper of EVIOCGMTSLOTS")]
fn slots(device: &RawDevice, code: AbsoluteAxisCode) -> io::Result<Vec<i32>> {
    /// linux/input.h, `EVIOCGMTSLOTS(len)`: the code in the first word, values in the others.
    const REQUEST: libc::c_ulong = 0x8000_450a;
    const SLOTS: usize = FINGERS as usize;
    const BYTES: libc::c_ulong = (4 * (1 + SLOTS)) as libc::c_ulong;
    let mut words = [0_i32; 1 + SLOTS];
    words[0] = i32::from(code.0);
    // JUSTIFICATION: no safe wrapper that we depend on offers EVIOCGMTSLOTS.
    // SAFETY: `device` is open; `words` is live and of the size that the request says; the kernel keeps no pointer to it.
    let rc = unsafe { libc::ioctl(device.as_raw_fd(), (REQUEST | BYTES << 16) as _, words.as_mut_ptr()) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(words[1..].to_vec()) }
}

/// What was tried in vain, and when to try it again.
#[derive(Debug, Clone)]
struct Vain {
    again: Option<Instant>,
    wait: Duration,
    why: String,
}

impl Vain {
    /// After another try in vain. Says so the first time, and when the reason is another one.
    fn after(before: Option<&Self>, why: String, what: &str) -> Self {
        if before.is_none_or(|before| before.why != why) {
            tracing::warn!(why, "an input cannot be used: {what}");
        }
        let wait = before.map_or(WAITS[0], |before| before.wait.saturating_mul(2).min(WAITS[1]));
        Self { again: Some(Instant::now() + wait), wait, why }
    }

    /// It is there, and of no use for as long as it is there.
    const fn useless() -> Self {
        Self { again: None, wait: WAITS[0], why: String::new() }
    }

    fn is_due(&self) -> bool {
        self.again.is_some_and(|again| Instant::now() >= again)
    }
}

/// The event devices of this machine, and its buttons. A device that comes is used within a second.
pub struct Inputs {
    devices: BTreeMap<PathBuf, Device>,
    vain: BTreeMap<PathBuf, Vain>,
    buttons: Vec<Buttons>,
    lines: Vec<Result<Line, Option<Vain>>>,
    looked: Option<Instant>,
}

impl Inputs {
    /// Nothing is open yet. Buttons that are wired differently are apart.
    #[must_use]
    pub fn new(buttons: Vec<Buttons>) -> Self {
        Self { devices: BTreeMap::new(), vain: BTreeMap::new(), buttons, lines: Vec::new(), looked: None }
    }

    /// Opens what was plugged in.
    fn look(&mut self) {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let present: Vec<PathBuf> = fs::read_dir(FOLDER).map(events).unwrap_or_default();
        self.vain.retain(|path, _| present.contains(path));
        for path in present {
            if self.devices.contains_key(&path) || self.vain.get(&path).is_some_and(|vain| !vain.is_due()) {
                continue;
            }
            let first = first(self.devices.values().filter_map(|device| device.first));
            match Device::open(&path, first) {
                Ok(Some(device)) => {
                    tracing::info!(
                        device = device.name,
                        touches = device.fingers.is_some(),
                        types = device.keyboard.is_some(),
                        "an input"
                    );
                    self.vain.remove(&path);
                    self.devices.insert(path, device);
                }
                Ok(None) => drop(self.vain.insert(path, Vain::useless())),
                Err(error) => {
                    let vain = Vain::after(self.vain.get(&path), error.to_string(), &path.to_string_lossy());
                    self.vain.insert(path, vain);
                }
            }
        }
        self.take_lines();
    }

    /// Takes the lines of buttons that are not taken yet.
    fn take_lines(&mut self) {
        let all: Vec<_> = self.buttons.iter().flat_map(|group| group.all.iter().map(move |one| (group, one))).collect();
        self.lines.resize_with(all.len(), || Err(None));
        for (line, (buttons, button)) in self.lines.iter_mut().zip(all) {
            if let Err(vain) = line
                && vain.as_ref().is_none_or(Vain::is_due)
            {
                let Button { chip, line: number, key } = button;
                *line = Line::take(button, buttons).map_err(|error| {
                    Some(Vain::after(vain.as_ref(), error.to_string(), &format!("line {number} of {chip}")))
                });
                if line.is_ok() {
                    tracing::info!(chip, line = number, ?key, "a button");
                }
            }
        }
    }

    /// Which devices and which lines have something to say, waiting at most `patience`.
    fn waiting(&self, patience: Duration) -> (Vec<PathBuf>, Vec<usize>) {
        let lines = self.lines.iter().enumerate().filter_map(|(index, line)| Some((index, line.as_ref().ok()?)));
        let lines: Vec<(usize, &Line)> = lines.collect();
        let devices = self.devices.values().map(|device| PollFd::new(&device.raw, PollFlags::IN));
        let mut polled: Vec<PollFd<'_>> =
            devices.chain(lines.iter().map(|(_, line)| PollFd::new(*line, PollFlags::IN))).collect();
        let patience = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        match poll(&mut polled, Some(&patience)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Default::default(),
            Err(error) => {
                tracing::error!(%error, "inputs cannot be waited for");
                std::thread::sleep(LOOK);
                return Default::default();
            }
        }
        let (of_devices, of_lines) = polled.split_at(self.devices.len());
        let is_ready = |polled: &PollFd<'_>| !polled.revents().is_empty();
        let devices = self.devices.keys().zip(of_devices).filter(|(_, polled)| is_ready(polled));
        let lines = lines.iter().zip(of_lines).filter(|(_, polled)| is_ready(polled));
        (devices.map(|(path, _)| path.clone()).collect(), lines.map(|((index, _), _)| *index).collect())
    }
}

/// The event devices of a folder.
fn events(entries: fs::ReadDir) -> Vec<PathBuf> {
    let is_event = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("event"));
    entries.flatten().map(|entry| entry.path()).filter(is_event).collect()
}

/// The number of a device's first finger, beside those of others; `None` once there are no more.
fn first(taken: impl Iterator<Item = u8>) -> Option<u8> {
    let taken: Vec<u8> = taken.collect();
    (0..Contact::FINGERS / FINGERS).map(|index| index * FINGERS).find(|first| !taken.contains(first))
}

impl Hands for Inputs {
    fn next(&mut self, shown: &Placement, patience: Duration) -> Vec<Deed> {
        self.look();
        let (devices, lines) = self.waiting(patience.min(LOOK));
        let mut deeds = Vec::new();
        for path in devices {
            let Some(device) = self.devices.get_mut(&path) else { continue };
            if let Err(error) = device.hear(shown, &mut deeds) {
                deeds.extend(device.lost());
                tracing::info!(device = device.name, %error, "an input went away");
                self.devices.remove(&path);
            }
        }
        for index in lines {
            let Some(Ok(line)) = self.lines.get(index) else { continue };
            match line.pressed() {
                Ok(pressed) => deeds.extend(pressed.into_iter().map(Deed::Key)),
                Err(error) => {
                    self.lines[index] = Err(Some(Vain::after(None, error.to_string(), "a button")));
                }
            }
        }
        deeds
    }

    fn rest(&mut self) -> Vec<Deed> {
        let deeds = self.devices.values_mut().flat_map(Device::lost).collect();
        *self = Self::new(std::mem::take(&mut self.buttons));
        deeds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(can: Can, want: Option<Way>) {
        let axes = |of_slots| [Axis { least: 0, most: i32::from(of_slots) }; 2];
        assert_eq!(can.way(axes), want, "{can:?}");
    }

    #[test]
    fn what_says_where_fingers_are_is_told_from_what_does_not() {
        let axes = |most| [Axis { least: 0, most }; 2];
        let touch_screen = Can { slots: true, axes: true, touches: true, ..Can::default() };
        check(touch_screen, Some(Way::Slots(axes(1))));
        check(Can { is_beside: true, ..touch_screen }, None);
        check(Can { slots: false, ..touch_screen }, Some(Way::Axes(axes(0))));
        check(Can { axes: true, ..Can::default() }, None);
        check(Can { steps: true, touches: true, ..Can::default() }, Some(Way::Steps));
        check(Can { types: true, ..Can::default() }, None);
    }

    #[test]
    fn each_device_has_fingers_of_its_own() {
        assert_eq!(first([].into_iter()), Some(0));
        assert_eq!(first([0, 32].into_iter()), Some(16));
        assert_eq!(first((0..8).map(|index| index * 16)), None);
    }

    #[test]
    fn what_is_tried_in_vain_is_tried_ever_more_rarely() {
        let mut vain = Vain::after(None, "no".to_owned(), "it");
        assert!(!vain.is_due() && vain.wait == WAITS[0]);
        for _ in 0..9 {
            vain = Vain::after(Some(&vain), "no".to_owned(), "it");
        }
        assert_eq!(vain.wait, WAITS[1]);
        assert!(!Vain::useless().is_due());
    }
}
