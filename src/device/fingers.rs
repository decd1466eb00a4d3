//! Fingers on a touch screen, and what acts as one: the tip of a pen, the button of a mouse.

use evdev::{AbsoluteAxisCode, EventType, KeyCode, RelativeAxisCode, SynchronizationCode};

use crate::{
    hands::{Contact, Phase},
    placement::{Extent, Placement},
};

/// So many fingers of one device; a further one is not felt.
pub(crate) const FINGERS: u8 = 16;

/// An event as the kernel tells it: its type, its code, its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told(pub(crate) u16, pub(crate) u16, pub(crate) i32);

/// What an axis goes from and to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) least: i32,
    pub(crate) most: i32,
}

impl Axis {
    /// The pixel of `length` in which a value lies; the nearest for a value beyond the axis.
    fn pixel(self, value: i32, length: u32) -> u32 {
        let range = (i64::from(self.most) - i64::from(self.least) + 1).max(1);
        let at = (i64::from(value) - i64::from(self.least)) * i64::from(length);
        u32::try_from(at.div_euclid(range).clamp(0, i64::from(length.max(1)) - 1)).unwrap_or(0)
    }
}

/// How a device says where its finger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Fingers in slots: the kernel's protocol B.
    Slots([Axis; 2]),
    /// One finger, pen or button, on axes.
    Axes([Axis; 2]),
    /// Steps of a mouse.
    Steps,
}

/// What the kernel says of a device when it is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The slot that events are about.
    pub(crate) slot: i32,
    /// Where the finger of each slot is or was last.
    pub(crate) at: Vec<[i32; 2]>,
}

/// A finger.
#[derive(Debug, Clone, Copy, Default)]
struct Finger {
    is_down: bool,
    /// It was lifted since the last report, and may be down again.
    was_lifted: bool,
    /// It came down beside the picture, or before anybody looked: it counts once it was lifted.
    is_ignored: bool,
    at: [Option<i32>; 2],
    /// Where it is, as was said.
    said: Option<(u32, u32)>,
}

/// The fingers of one device.
#[derive(Debug)]
pub(crate) struct Fingers {
    way: Way,
    /// The number of its first finger.
    first: u8,
    fingers: [Finger; FINGERS as usize],
    /// Nothing for a slot beyond those that are felt.
    slot: Option<usize>,
    /// Of a mouse, in pixels of the picture.
    pointer: Option<(i64, i64)>,
    /// Events were lost: what comes until the next report belongs to nothing.
    is_deaf: bool,
}

impl Fingers {
    /// Nobody touches anything yet.
    pub(crate) fn new(way: Way, first: u8, asked: &Asked) -> Self {
        let mut fingers = Self {
            way,
            first,
            fingers: [Finger::default(); FINGERS as usize],
            slot: Some(0),
            pointer: None,
            is_deaf: false,
        };
        fingers.asked(asked);
        fingers
    }

    /// Takes over what the kernel said, once events were lost. Fingers that are down by then count once they were lifted.
    pub(crate) fn asked(&mut self, asked: &Asked) {
        self.slot = slot(asked.slot);
        for (finger, at) in self.fingers.iter_mut().zip(&asked.at) {
            finger.at = at.map(Some);
        }
    }

    /// Whether its fingers come in slots.
    pub(crate) const fn has_slots(&self) -> bool {
        matches!(self.way, Way::Slots(_))
    }

    /// Whether the kernel has to be asked, because events were lost.
    pub(crate) const fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    /// What it means to what is shown.
    pub(crate) fn heard(&mut self, told: Told, shown: &Placement) -> Vec<Contact> {
        let Told(kind, code, value) = told;
        match EventType(kind) {
            EventType::SYNCHRONIZATION if code == SynchronizationCode::SYN_DROPPED.0 => {
                self.is_deaf = true;
                return self.lost();
            }
            EventType::SYNCHRONIZATION if code == SynchronizationCode::SYN_REPORT.0 => {
                let was_deaf = std::mem::take(&mut self.is_deaf);
                return if was_deaf { Vec::new() } else { self.report(shown, value != 0) };
            }
            _ if self.is_deaf => {}
            EventType::ABSOLUTE => self.axis(AbsoluteAxisCode(code), value),
            EventType::KEY if self.has_button(KeyCode(code)) => self.down(Some(0), value != 0),
            EventType::RELATIVE if self.way == Way::Steps => self.step(RelativeAxisCode(code), value, shown.picture()),
            _ => {}
        }
        Vec::new()
    }

    /// Every finger is lost, because the device is, or events were.
    pub(crate) fn lost(&mut self) -> Vec<Contact> {
        let mut contacts = Vec::new();
        for (finger, number) in self.fingers.iter_mut().zip(self.first..) {
            if let Some((x, y)) = finger.said.take() {
                contacts.push(Contact { finger: number, phase: Phase::Lost, x, y });
            }
            *finger = Finger::default();
        }
        contacts
    }

    const fn has_button(&self, code: KeyCode) -> bool {
        match self.way {
            Way::Slots(_) => false,
            Way::Axes(_) => matches!(code, KeyCode::BTN_TOUCH | KeyCode::BTN_LEFT),
            Way::Steps => matches!(code, KeyCode::BTN_LEFT),
        }
    }

    fn axis(&mut self, code: AbsoluteAxisCode, value: i32) {
        let is_slots = matches!(self.way, Way::Slots(_));
        let finger = if is_slots { self.slot } else { Some(0) };
        let coordinate = match code {
            AbsoluteAxisCode::ABS_MT_SLOT if is_slots => {
                self.slot = slot(value);
                return;
            }
            AbsoluteAxisCode::ABS_MT_TRACKING_ID if is_slots => {
                // Another finger in the same slot: the one before was lifted.
                self.down(finger, false);
                return self.down(finger, value >= 0);
            }
            AbsoluteAxisCode::ABS_MT_POSITION_X if is_slots => 0,
            AbsoluteAxisCode::ABS_MT_POSITION_Y if is_slots => 1,
            AbsoluteAxisCode::ABS_X if !is_slots => 0,
            AbsoluteAxisCode::ABS_Y if !is_slots => 1,
            _ => return,
        };
        if let Some(finger) = finger.and_then(|finger| self.fingers.get_mut(finger)) {
            finger.at[coordinate] = Some(value);
        }
    }

    fn down(&mut self, finger: Option<usize>, is_down: bool) {
        if let Some(finger) = finger.and_then(|finger| self.fingers.get_mut(finger)) {
            finger.was_lifted |= !is_down;
            finger.is_down = is_down;
        }
    }

    fn step(&mut self, code: RelativeAxisCode, value: i32, picture: Extent) {
        let (x, y) = self.pointer.unwrap_or((i64::from(picture.width) / 2, i64::from(picture.height) / 2));
        let within = |at: i64, length: u32| at.clamp(0, i64::from(length.max(1)) - 1);
        self.pointer = Some(match code {
            RelativeAxisCode::REL_X => (within(x + i64::from(value), picture.width), y),
            RelativeAxisCode::REL_Y => (x, within(y + i64::from(value), picture.height)),
            _ => (x, y),
        });
    }

    /// Where a finger is on the picture: its nearest pixel, and whether it is that one.
    fn place(&self, finger: &Finger, shown: &Placement) -> Option<((u32, u32), bool)> {
        let (Way::Slots([x, y]) | Way::Axes([x, y])) = self.way else {
            let picture = shown.picture();
            let (x, y) = self.pointer.unwrap_or((i64::from(picture.width) / 2, i64::from(picture.height) / 2));
            return Some(((u32::try_from(x).ok()?, u32::try_from(y).ok()?), true));
        };
        let [Some(at_x), Some(at_y)] = finger.at else { return None };
        let Extent { width, height } = shown.display();
        let (x, y) = (x.pixel(at_x, width), y.pixel(at_y, height));
        Some((shown.nearest(x, y), shown.at(x, y).is_some()))
    }

    /// What a report means. One of the kernel's own is no hand's doing: it lets go of the buttons of a device that is going away
    /// or of a machine that falls asleep (drivers/input/input.c, `input_dev_release_keys`), and has the value 1.
    fn report(&mut self, shown: &Placement, is_kernels_own: bool) -> Vec<Contact> {
        let mut contacts = Vec::new();
        for (index, number) in (self.first..).take(self.fingers.len()).enumerate() {
            let mut finger = self.fingers[index];
            let mut say = |phase, (x, y)| contacts.push(Contact { finger: number, phase, x, y });
            if std::mem::take(&mut finger.was_lifted) || !finger.is_down {
                finger.is_ignored = false;
                if let Some(at) = finger.said.take() {
                    say(if is_kernels_own { Phase::Lost } else { Phase::Up }, at);
                }
            }
            // A finger whose place is not known yet touches nothing.
            if finger.is_down
                && !finger.is_ignored
                && let Some((at, is_on_picture)) = self.place(&finger, shown)
            {
                match finger.said {
                    None if is_on_picture => say(Phase::Down, at),
                    None => finger.is_ignored = true,
                    Some(before) if before != at => say(Phase::Move, at),
                    Some(_) => {}
                }
                finger.said = (!finger.is_ignored).then_some(at);
            }
            self.fingers[index] = finger;
        }
        contacts
    }
}

fn slot(value: i32) -> Option<usize> {
    usize::try_from(value).ok().filter(|slot| *slot < usize::from(FINGERS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Rotation;

    const SHOWN: Extent = Extent { width: 100, height: 50 };
    const THOUSAND: Axis = Axis { least: 0, most: 999 };

    fn upright() -> Placement {
        Placement::new(SHOWN, SHOWN, Rotation::None)
    }

    fn told(word: &str) -> Told {
        let (name, value) = word.split_once('=').unwrap_or((word, "0"));
        let (kind, code) = match name {
            "report" => (EventType::SYNCHRONIZATION, SynchronizationCode::SYN_REPORT.0),
            "dropped" => (EventType::SYNCHRONIZATION, SynchronizationCode::SYN_DROPPED.0),
            "slot" => (EventType::ABSOLUTE, AbsoluteAxisCode::ABS_MT_SLOT.0),
            "id" => (EventType::ABSOLUTE, AbsoluteAxisCode::ABS_MT_TRACKING_ID.0),
            "mx" => (EventType::ABSOLUTE, AbsoluteAxisCode::ABS_MT_POSITION_X.0),
            "my" => (EventType::ABSOLUTE, AbsoluteAxisCode::ABS_MT_POSITION_Y.0),
            "x" => (EventType::ABSOLUTE, AbsoluteAxisCode::ABS_X.0),
            "y" => (EventType::ABSOLUTE, AbsoluteAxisCode::ABS_Y.0),
            "dx" => (EventType::RELATIVE, RelativeAxisCode::REL_X.0),
            "dy" => (EventType::RELATIVE, RelativeAxisCode::REL_Y.0),
            "touch" => (EventType::KEY, KeyCode::BTN_TOUCH.0),
            "left" => (EventType::KEY, KeyCode::BTN_LEFT.0),
            other => panic!("{other}"),
        };
        Told(kind.0, code, value.parse().expect("a number"))
    }

    fn hear(fingers: &mut Fingers, words: &str, shown: &Placement) -> String {
        let contacts = words.split_whitespace().flat_map(|word| fingers.heard(told(word), shown));
        let said = contacts.map(|Contact { finger, phase, x, y }| format!("{finger} {phase:?} {x},{y}"));
        said.collect::<Vec<String>>().join("; ")
    }

    fn slots() -> Fingers {
        Fingers::new(Way::Slots([THOUSAND; 2]), 10, &Asked::default())
    }

    #[track_caller]
    fn check(fingers: &mut Fingers, words: &str, want: &str) {
        assert_eq!(hear(fingers, words, &upright()), want, "{words}");
    }

    #[test]
    fn two_fingers_come_move_and_go() {
        let mut fingers = slots();
        check(&mut fingers, "id=7 mx=500 my=500 slot=1 id=8 mx=0 my=999 report", "10 Down 50,25; 11 Down 0,49");
        check(&mut fingers, "mx=10 report report", "11 Move 1,49");
        check(&mut fingers, "mx=11 report", "");
        check(&mut fingers, "slot=0 id=-1 report", "10 Up 50,25");
        // The kernel says only what is new: this finger comes down where the last one of the slot was.
        check(&mut fingers, "id=9 my=0 report", "10 Down 50,0");
        check(&mut fingers, "id=-1 slot=1 id=-1 report", "10 Up 50,0; 11 Up 1,49");
        assert_eq!(fingers.lost(), []);
    }

    #[test]
    fn twelve_fingers_are_twelve() {
        let mut fingers = slots();
        let down: Vec<String> = (0..12).map(|slot| format!("slot={slot} id={slot} mx={slot}0 my=0")).collect();
        let said = |phase: &str| {
            (0..12).map(|slot| format!("{} {phase} {slot},0", slot + 10)).collect::<Vec<String>>().join("; ")
        };
        check(&mut fingers, &format!("{} report", down.join(" ")), &said("Down"));
        let up: Vec<String> = (0..12).map(|slot| format!("slot={slot} id=-1")).collect();
        check(&mut fingers, &format!("{} report", up.join(" ")), &said("Up"));
    }

    #[test]
    fn another_finger_in_the_same_slot_is_another_touch() {
        let mut fingers = slots();
        check(&mut fingers, "id=1 mx=0 my=0 report", "10 Down 0,0");
        check(&mut fingers, "id=2 mx=500 report", "10 Up 0,0; 10 Down 50,0");
        check(&mut fingers, "id=-1 id=3 report", "10 Up 50,0; 10 Down 50,0");
    }

    #[test]
    fn a_finger_too_many_is_not_felt() {
        let mut fingers = slots();
        check(&mut fingers, "slot=16 id=1 mx=0 my=0 slot=-3 id=2 slot=2147483647 mx=5 report", "");
        check(&mut fingers, "slot=15 id=3 mx=-50 my=5000 report", "25 Down 0,49");
    }

    #[test]
    fn what_was_dropped_leaves_no_finger_behind() {
        let mut fingers = slots();
        check(&mut fingers, "id=1 mx=0 my=0 report", "10 Down 0,0");
        check(&mut fingers, "dropped", "10 Lost 0,0");
        assert!(fingers.is_deaf());
        // What follows the loss is the rest of a report that nobody knows.
        check(&mut fingers, "mx=900 id=5 report", "");
        assert!(!fingers.is_deaf());
        fingers.asked(&Asked { slot: 1, at: vec![[100, 200], [300, 400]] });
        // The finger that stayed down says where it is, and counts no longer.
        check(&mut fingers, "slot=0 mx=101 report id=-1 report", "");
        check(&mut fingers, "slot=1 id=6 report", "11 Down 30,20");
    }

    #[test]
    fn a_place_that_nobody_knows_is_not_touched() {
        let mut fingers = slots();
        check(&mut fingers, "id=1 mx=500 report", "");
        check(&mut fingers, "my=500 report", "10 Down 50,25");
    }

    #[test]
    fn a_finger_is_lost_with_its_device() {
        let mut fingers = slots();
        check(&mut fingers, "slot=2 id=1 mx=0 my=0 report", "12 Down 0,0");
        assert_eq!(fingers.lost(), [Contact { finger: 12, phase: Phase::Lost, x: 0, y: 0 }]);
        assert_eq!(fingers.lost(), []);
    }

    #[test]
    fn what_the_kernel_lets_go_of_is_lost() {
        let mut fingers = Fingers::new(Way::Axes([THOUSAND; 2]), 0, &Asked::default());
        check(&mut fingers, "x=10 y=20 left=1 report", "0 Down 1,1");
        check(&mut fingers, "report=1", "");
        check(&mut fingers, "left=0 report=1", "0 Lost 1,1");
        check(&mut fingers, "left=1 report left=0 report", "0 Down 1,1; 0 Up 1,1");
    }

    #[test]
    fn one_finger_or_a_pen_or_a_tablet() {
        for button in ["touch", "left"] {
            let mut fingers = Fingers::new(Way::Axes([THOUSAND; 2]), 0, &Asked::default());
            check(&mut fingers, "x=10 y=20 report", "");
            check(&mut fingers, &format!("{button}=1 report"), "0 Down 1,1");
            check(&mut fingers, "x=999 y=999 report", "0 Move 99,49");
            check(&mut fingers, &format!("{button}=0 report"), "0 Up 99,49");
        }
    }

    #[test]
    fn what_emulates_a_mouse_beside_its_slots_is_heard_once() {
        check(&mut slots(), "id=1 mx=0 my=0 x=0 y=0 touch=1 left=1 report", "10 Down 0,0");
    }

    #[test]
    fn a_mouse_stays_inside() {
        let mut fingers = Fingers::new(Way::Steps, 0, &Asked::default());
        check(&mut fingers, "left=1 report", "0 Down 50,25");
        check(&mut fingers, "dx=2147483647 dy=-2147483648 report", "0 Move 99,0");
        check(&mut fingers, "dx=-3 dy=4 left=0 report", "0 Up 99,0");
        check(&mut fingers, "left=1 report", "0 Down 96,4");
    }

    #[test]
    fn axes_go_from_anywhere_to_anywhere() {
        for (least, most, value, want) in [
            (0, 999, 0, 0),
            (0, 999, 999, 99),
            (-500, 499, 0, 50),
            (0, 32767, 16384, 50),
            (0, 0, 7, 99),
            (7, 3, 5, 0),
            (i32::MIN, i32::MAX, i32::MAX, 99),
            (i32::MIN, i32::MAX, 0, 50),
        ] {
            assert_eq!(Axis { least, most }.pixel(value, 100), want, "{least} to {most}: {value}");
        }
        assert_eq!(THOUSAND.pixel(5, 0), 0);
    }

    #[test]
    fn touches_turn_with_the_picture() {
        let display = SHOWN.turned(Rotation::Right);
        for (rotation, want) in [(Rotation::Right, "0 Down 0,49"), (Rotation::Left, "0 Down 99,0")] {
            let shown = Placement::new(SHOWN, display, rotation);
            let mut fingers = Fingers::new(Way::Axes([THOUSAND; 2]), 0, &Asked::default());
            assert_eq!(hear(&mut fingers, "x=0 y=0 touch=1 report", &shown), want);
        }
    }

    #[test]
    fn a_touch_beside_the_picture_is_none_and_one_that_leaves_it_stays_at_its_edge() {
        let shown = Placement::new(SHOWN, Extent { width: 120, height: 50 }, Rotation::None);
        let mut fingers = slots();
        assert_eq!(hear(&mut fingers, "id=1 mx=0 my=0 report mx=500 report id=-1 report", &shown), "");
        assert_eq!(hear(&mut fingers, "id=2 report mx=999 report", &shown), "10 Down 50,0; 10 Move 99,0");
    }

    /// Whatever a device tells, what comes of it makes sense: a finger comes down before it moves, is lifted or lost, nothing is
    /// beside the picture, and once the device is gone nobody touches anything.
    // verifies: REQ-SCREEN-02
    #[test]
    fn whatever_is_told_every_touch_is_whole() {
        let mut random: u64 = 20_260_101;
        let mut draw = |below: u64| {
            // Knuth's generator, of which the upper bits are good.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let words = ["report", "dropped", "slot", "id", "mx", "my", "x", "y", "dx", "dy", "touch", "left"];
        let ways = [Way::Slots([THOUSAND; 2]), Way::Axes([THOUSAND; 2]), Way::Steps];
        let mut touches = 0;
        for round in 0..600 {
            let way = ways[round % 3];
            let size = Extent { width: 100 + 7 * u32::try_from(draw(5)).expect("small"), height: 50 };
            let shown = Placement::new(SHOWN, size, Rotation::None);
            let mut fingers = Fingers::new(way, 16, &Asked::default());
            let mut down = [false; 16];
            let mut hear = |contacts: Vec<Contact>| {
                for Contact { finger, phase, x, y } in contacts {
                    let is_down = &mut down[usize::from(finger - 16)];
                    assert_eq!(*is_down, phase != Phase::Down, "{finger} {phase:?}");
                    *is_down = matches!(phase, Phase::Down | Phase::Move);
                    assert!(x < SHOWN.width && y < SHOWN.height);
                    touches += 1;
                }
                down.contains(&true)
            };
            for _ in 0..400 {
                let word = match draw(4) {
                    0 => "report",
                    // Losses are rare.
                    _ if draw(40) == 0 => "dropped",
                    _ => words[usize::try_from(2 + draw(10)).expect("small")],
                };
                let value = match word {
                    "slot" => i64::try_from(draw(19)).expect("small") - 1,
                    "id" | "touch" | "left" => i64::try_from(draw(3)).expect("small") - 1,
                    _ => i64::try_from(draw(1200)).expect("small") - 100,
                };
                let was_deaf = fingers.is_deaf();
                hear(fingers.heard(told(&format!("{word}={value}")), &shown));
                if was_deaf && !fingers.is_deaf() {
                    fingers.asked(&Asked { slot: 3, at: vec![[1, 2]; 10] });
                }
            }
            assert!(!hear(fingers.lost()));
        }
        assert!(touches > 10_000, "{touches}");
    }
}
