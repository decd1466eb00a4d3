//! What a browser says: a few words in a text message.

use hilum_screen::event::{Key, Phase};

/// The longest message, in bytes.
pub(super) const LONGEST: usize = 1024;
/// So many fingers of a browser are told apart.
pub(super) const FINGERS: u8 = 10;

/// What a browser says. Never shown: what is typed may be a PIN or a name.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Said {
    /// `down FINGER X Y`, `move FINGER X Y`, `up FINGER X Y`, `lost FINGER X Y`: pixels of the panel, which may lie outside.
    Finger { finger: u8, phase: Phase, x: i32, y: i32 },
    /// `text CHARACTER` or `key NAME`.
    Key(Key),
    /// `take`: to work with the panel from here on.
    Take,
    /// `seen SERIAL`: a frame was drawn.
    Seen(u32),
}

impl Said {
    /// `None` if it makes no sense.
    pub(super) fn of(message: &str) -> Option<Self> {
        let (word, rest) = message.split_once(' ').unwrap_or((message, ""));
        let finger = |phase| {
            let mut numbers = rest.split(' ');
            let finger: u8 = numbers.next()?.parse().ok()?;
            let [x, y] = [numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?];
            (finger < FINGERS && numbers.next().is_none()).then_some(Self::Finger { finger, phase, x, y })
        };
        match word {
            "down" => finger(Phase::Down),
            "move" => finger(Phase::Move),
            "up" => finger(Phase::Up),
            "lost" => finger(Phase::Lost),
            "text" => {
                let mut characters = rest.chars();
                let character = characters.next().filter(|character| !character.is_control())?;
                characters.next().is_none().then_some(Self::Key(Key::Character(character)))
            }
            "key" => Some(Self::Key(match rest {
                "backspace" => Key::Backspace,
                "enter" => Key::Enter,
                "next" => Key::Next,
                "previous" => Key::Previous,
                "escape" => Key::Escape,
                "capture" => Key::Capture,
                _ => return None,
            })),
            "take" => (message == "take").then_some(Self::Take),
            "seen" => rest.parse().ok().map(Self::Seen),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_they_say() {
        let finger = |finger, phase, x, y| Some(Said::Finger { finger, phase, x, y });
        for (message, want) in [
            ("down 0 10 20", finger(0, Phase::Down, 10, 20)),
            ("move 9 -3 99999", finger(9, Phase::Move, -3, 99_999)),
            ("up 1 0 0", finger(1, Phase::Up, 0, 0)),
            ("lost 2 5 6", finger(2, Phase::Lost, 5, 6)),
            ("text a", Some(Said::Key(Key::Character('a')))),
            ("text  ", Some(Said::Key(Key::Character(' ')))),
            ("text ก", Some(Said::Key(Key::Character('ก')))),
            ("key backspace", Some(Said::Key(Key::Backspace))),
            ("key previous", Some(Said::Key(Key::Previous))),
            ("take", Some(Said::Take)),
            ("seen 4294967295", Some(Said::Seen(u32::MAX))),
        ] {
            assert!(Said::of(message) == want, "{message:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        for message in [
            "",
            " ",
            "down",
            "down 0",
            "down 0 1",
            "down 0 1 2 3",
            "down 10 1 2",
            "down -1 1 2",
            "down 0 1.5 2",
            "down  0 1 2",
            "down 0 1 2 ",
            "down 0 99999999999 2",
            "text",
            "text ",
            "text ab",
            "text \n",
            "text \u{7f}",
            "key",
            "key Delete",
            "take it",
            "take ",
            "seen",
            "seen -1",
            "seen 4294967296",
            "Take",
            "{\"take\":1}",
        ] {
            assert!(Said::of(message).is_none(), "{message:?}");
        }
    }
}
