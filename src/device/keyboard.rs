//! Keys of a keyboard or a barcode scanner: the US layout, which scanners type in, and what moves the focus.

use evdev::{EventType, KeyCode, SynchronizationCode};

use crate::{fingers::Told, hands::Key};

/// Codes, without and with Shift.
const CHARACTERS: [(KeyCode, char, char); 64] = [
    (KeyCode::KEY_1, '1', '!'),
    (KeyCode::KEY_2, '2', '@'),
    (KeyCode::KEY_3, '3', '#'),
    (KeyCode::KEY_4, '4', '$'),
    (KeyCode::KEY_5, '5', '%'),
    (KeyCode::KEY_6, '6', '^'),
    (KeyCode::KEY_7, '7', '&'),
    (KeyCode::KEY_8, '8', '*'),
    (KeyCode::KEY_9, '9', '('),
    (KeyCode::KEY_0, '0', ')'),
    (KeyCode::KEY_MINUS, '-', '_'),
    (KeyCode::KEY_EQUAL, '=', '+'),
    (KeyCode::KEY_Q, 'q', 'Q'),
    (KeyCode::KEY_W, 'w', 'W'),
    (KeyCode::KEY_E, 'e', 'E'),
    (KeyCode::KEY_R, 'r', 'R'),
    (KeyCode::KEY_T, 't', 'T'),
    (KeyCode::KEY_Y, 'y', 'Y'),
    (KeyCode::KEY_U, 'u', 'U'),
    (KeyCode::KEY_I, 'i', 'I'),
    (KeyCode::KEY_O, 'o', 'O'),
    (KeyCode::KEY_P, 'p', 'P'),
    (KeyCode::KEY_LEFTBRACE, '[', '{'),
    (KeyCode::KEY_RIGHTBRACE, ']', '}'),
    (KeyCode::KEY_A, 'a', 'A'),
    (KeyCode::KEY_S, 's', 'S'),
    (KeyCode::KEY_D, 'd', 'D'),
    (KeyCode::KEY_F, 'f', 'F'),
    (KeyCode::KEY_G, 'g', 'G'),
    (KeyCode::KEY_H, 'h', 'H'),
    (KeyCode::KEY_J, 'j', 'J'),
    (KeyCode::KEY_K, 'k', 'K'),
    (KeyCode::KEY_L, 'l', 'L'),
    (KeyCode::KEY_SEMICOLON, ';', ':'),
    (KeyCode::KEY_APOSTROPHE, '\'', '"'),
    (KeyCode::KEY_GRAVE, '`', '~'),
    (KeyCode::KEY_BACKSLASH, '\\', '|'),
    (KeyCode::KEY_Z, 'z', 'Z'),
    (KeyCode::KEY_X, 'x', 'X'),
    (KeyCode::KEY_C, 'c', 'C'),
    (KeyCode::KEY_V, 'v', 'V'),
    (KeyCode::KEY_B, 'b', 'B'),
    (KeyCode::KEY_N, 'n', 'N'),
    (KeyCode::KEY_M, 'm', 'M'),
    (KeyCode::KEY_COMMA, ',', '<'),
    (KeyCode::KEY_DOT, '.', '>'),
    (KeyCode::KEY_SLASH, '/', '?'),
    (KeyCode::KEY_SPACE, ' ', ' '),
    // The key between Shift and Z of keyboards for other countries.
    (KeyCode::KEY_102ND, '\\', '|'),
    (KeyCode::KEY_KP0, '0', '0'),
    (KeyCode::KEY_KP1, '1', '1'),
    (KeyCode::KEY_KP2, '2', '2'),
    (KeyCode::KEY_KP3, '3', '3'),
    (KeyCode::KEY_KP4, '4', '4'),
    (KeyCode::KEY_KP5, '5', '5'),
    (KeyCode::KEY_KP6, '6', '6'),
    (KeyCode::KEY_KP7, '7', '7'),
    (KeyCode::KEY_KP8, '8', '8'),
    (KeyCode::KEY_KP9, '9', '9'),
    (KeyCode::KEY_KPDOT, '.', '.'),
    (KeyCode::KEY_KPMINUS, '-', '-'),
    (KeyCode::KEY_KPPLUS, '+', '+'),
    (KeyCode::KEY_KPASTERISK, '*', '*'),
    (KeyCode::KEY_KPSLASH, '/', '/'),
];

/// Keys that type nothing.
const OTHERS: [(KeyCode, Key); 15] = [
    (KeyCode::KEY_BACKSPACE, Key::Backspace),
    (KeyCode::KEY_DELETE, Key::Backspace),
    (KeyCode::KEY_ENTER, Key::Enter),
    (KeyCode::KEY_KPENTER, Key::Enter),
    (KeyCode::KEY_SELECT, Key::Enter),
    (KeyCode::KEY_OK, Key::Enter),
    (KeyCode::KEY_TAB, Key::Next),
    (KeyCode::KEY_DOWN, Key::Next),
    (KeyCode::KEY_RIGHT, Key::Next),
    (KeyCode::KEY_UP, Key::Previous),
    (KeyCode::KEY_LEFT, Key::Previous),
    (KeyCode::KEY_ESC, Key::Escape),
    (KeyCode::KEY_BACK, Key::Escape),
    (KeyCode::KEY_EXIT, Key::Escape),
    (KeyCode::KEY_CAMERA, Key::Capture),
];

const SHIFTS: [KeyCode; 2] = [KeyCode::KEY_LEFTSHIFT, KeyCode::KEY_RIGHTSHIFT];
/// With one of these held a character is a command to something else.
const COMMANDS: [KeyCode; 5] = [
    KeyCode::KEY_LEFTCTRL,
    KeyCode::KEY_RIGHTCTRL,
    KeyCode::KEY_LEFTALT,
    KeyCode::KEY_LEFTMETA,
    KeyCode::KEY_RIGHTMETA,
];

/// Every code that means something.
pub(crate) fn known() -> impl Iterator<Item = KeyCode> {
    CHARACTERS.iter().map(|(code, ..)| *code).chain(OTHERS.iter().map(|(code, _)| *code))
}

/// Which keys are held that change what others mean.
#[derive(Debug, Default)]
pub(crate) struct Keyboard {
    shifts: [bool; 2],
    commands: [bool; 5],
    capitals: bool,
    /// Events were lost: what comes until the next report belongs to nothing.
    is_deaf: bool,
}

impl Keyboard {
    /// What it means.
    pub(crate) fn heard(&mut self, Told(kind, code, value): Told) -> Option<Key> {
        match EventType(kind) {
            EventType::SYNCHRONIZATION if code == SynchronizationCode::SYN_DROPPED.0 => self.is_deaf = true,
            EventType::SYNCHRONIZATION if code == SynchronizationCode::SYN_REPORT.0 => self.is_deaf = false,
            EventType::KEY if !self.is_deaf => return self.key(code, value),
            _ => {}
        }
        None
    }

    /// Whether the kernel has to be asked, because events were lost.
    pub(crate) const fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    /// Takes over which keys the kernel says are held.
    pub(crate) fn asked(&mut self, is_held: impl Fn(KeyCode) -> bool) {
        (self.shifts, self.commands) = (SHIFTS.map(&is_held), COMMANDS.map(&is_held));
    }

    /// What it means that the key `code` is at `value`: 0 up, 1 down, 2 still down.
    fn key(&mut self, code: u16, value: i32) -> Option<Key> {
        let code = KeyCode(code);
        for (held, of) in self.shifts.iter_mut().zip(SHIFTS).chain(self.commands.iter_mut().zip(COMMANDS)) {
            if of == code {
                *held = value != 0;
                return None;
            }
        }
        if value == 0 {
            return None;
        }
        if code == KeyCode::KEY_CAPSLOCK {
            self.capitals ^= value == 1;
            return None;
        }
        let shift = self.shifts.contains(&true);
        let other = OTHERS.iter().find(|(of, _)| *of == code).map(|(_, key)| *key);
        match other {
            Some(Key::Next) if code == KeyCode::KEY_TAB && shift => Some(Key::Previous),
            // A key that leans on something submits once.
            Some(Key::Enter | Key::Escape | Key::Capture) if value != 1 => None,
            Some(key) => Some(key),
            None if value != 1 || self.commands.contains(&true) => None,
            None => CHARACTERS.iter().find(|(of, ..)| *of == code).map(|(_, plain, shifted)| {
                let is_upper = shift != (self.capitals && plain.is_ascii_alphabetic());
                Key::Character(if is_upper { *shifted } else { *plain })
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys by name, `+` down, `-` up, `=` still down; characters as they are, others by their first letter in `<>`.
    #[track_caller]
    fn check(pressed: &[(KeyCode, i32)], want: &str) {
        let mut keyboard = Keyboard::default();
        let mut said = String::new();
        for (code, value) in pressed {
            match keyboard.key(code.0, *value) {
                Some(Key::Character(character)) => said.push(character),
                Some(key) => said.push_str(&format!("<{}>", format!("{key:?}").to_lowercase())),
                None => {}
            }
        }
        assert_eq!(said, want);
    }

    #[test]
    fn every_character_of_ascii_can_be_typed() {
        let mut typed: Vec<char> = CHARACTERS.iter().flat_map(|(_, plain, shifted)| [*plain, *shifted]).collect();
        typed.sort_unstable();
        typed.dedup();
        assert_eq!(typed, (' '..='~').collect::<Vec<char>>());
    }

    #[test]
    fn a_scanner_types_capitals_and_ends_with_enter() {
        let shift = KeyCode::KEY_LEFTSHIFT;
        check(
            &[
                (shift, 1),
                (KeyCode::KEY_A, 1),
                (KeyCode::KEY_A, 0),
                (shift, 0),
                (KeyCode::KEY_MINUS, 1),
                (KeyCode::KEY_7, 1),
                (KeyCode::KEY_KP3, 1),
                (KeyCode::KEY_ENTER, 1),
            ],
            "A-73<enter>",
        );
    }

    #[test]
    fn capitals_are_for_letters_and_turned_round_by_shift() {
        let (caps, shift) = (KeyCode::KEY_CAPSLOCK, KeyCode::KEY_RIGHTSHIFT);
        let (q, two) = (KeyCode::KEY_Q, KeyCode::KEY_2);
        check(&[(caps, 1), (caps, 2), (caps, 0), (q, 1), (two, 1), (shift, 1), (q, 1), (two, 1)], "Q2q@");
    }

    #[test]
    fn the_focus_moves_and_repeats_and_what_submits_does_not() {
        let (tab, enter, a) = (KeyCode::KEY_TAB, KeyCode::KEY_ENTER, KeyCode::KEY_A);
        check(&[(tab, 1), (tab, 2), (KeyCode::KEY_LEFTSHIFT, 1), (tab, 1)], "<next><next><previous>");
        check(&[(KeyCode::KEY_UP, 1), (KeyCode::KEY_DOWN, 1), (KeyCode::KEY_ESC, 1)], "<previous><next><escape>");
        check(&[(enter, 1), (enter, 2), (enter, 0), (a, 1), (a, 2), (a, 2)], "<enter>a");
    }

    // verifies: REQ-IMAGE-03
    #[test]
    fn what_is_a_command_types_nothing() {
        let control = KeyCode::KEY_LEFTCTRL;
        check(&[(control, 1), (KeyCode::KEY_A, 1), (control, 0), (KeyCode::KEY_A, 1), (KeyCode(0x2ff), 1)], "a");
    }

    #[test]
    fn what_was_dropped_types_nothing_and_holds_nothing() {
        let mut keyboard = Keyboard::default();
        let (key, shift, a) = (EventType::KEY.0, KeyCode::KEY_LEFTSHIFT, KeyCode::KEY_A);
        let synchronised = |code: SynchronizationCode| Told(EventType::SYNCHRONIZATION.0, code.0, 0);
        assert_eq!(keyboard.heard(Told(key, shift.0, 1)), None);
        assert_eq!(keyboard.heard(synchronised(SynchronizationCode::SYN_DROPPED)), None);
        assert!(keyboard.is_deaf());
        assert_eq!(keyboard.heard(Told(key, a.0, 1)), None);
        assert_eq!(keyboard.heard(synchronised(SynchronizationCode::SYN_REPORT)), None);
        assert!(!keyboard.is_deaf());
        keyboard.asked(|_| false);
        assert_eq!(keyboard.heard(Told(key, a.0, 1)), Some(Key::Character('a')));
        keyboard.asked(|code| code == shift);
        assert_eq!(keyboard.heard(Told(key, a.0, 1)), Some(Key::Character('A')));
    }

    #[test]
    fn what_is_typed_is_not_in_any_log() {
        assert_eq!(format!("{:?}", Key::Character('7')), "Character(…)");
    }
}
