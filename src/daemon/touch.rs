//! The thread of hands at this machine: touch screens, keyboards, scanners and buttons, while a display shows the panel.

use std::{collections::BTreeSet, io, time::Duration};

use hilum_config::{Buttons as Wired, GpioLine, Pedal, Wiring};
use hilum_device::{
    Hands as Inputs,
    buttons::{Button, Buttons, Pull},
    hands::{Contact, Deed, Key, Phase},
};
use hilum_screen::event::{self, Touch};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};

use crate::{
    display::Placed,
    event::Event,
    glass::{Hand, Hands},
    supervise::thread_of,
};

/// How long inputs are waited for before it is looked whether the panel ended.
const LOOK: Duration = Duration::from_secs(1);

/// The buttons of a board.
pub(crate) fn buttons(wired: &Wired) -> Buttons {
    let button = |line: &GpioLine, key| Button { chip: line.chip.clone(), line: line.line, key };
    let lines = [
        (Some(&wired.next), Key::Next),
        (Some(&wired.press), Key::Enter),
        (wired.previous.as_ref(), Key::Previous),
        (wired.back.as_ref(), Key::Escape),
    ];
    wired_as(&wired.wiring, lines.into_iter().filter_map(|(line, key)| Some(button(line?, key))).collect())
}

/// The pedal of a camera.
pub(crate) fn pedal(Pedal { line: GpioLine { chip, line }, wiring }: &Pedal) -> Buttons {
    wired_as(wiring, vec![Button { chip: chip.clone(), line: *line, key: Key::Capture }])
}

fn wired_as(wiring: &Wiring, all: Vec<Button>) -> Buttons {
    Buttons {
        all,
        active_low: wiring.active_low,
        pull: match wiring.pull {
            hilum_config::Pull::Up => Pull::Up,
            hilum_config::Pull::Down => Pull::Down,
            hilum_config::Pull::None => Pull::None,
        },
        debounce: wiring.debounce,
    }
}

/// Starts the thread. `inputs` makes what hands can be used on. It ends with the panel.
pub(crate) fn start<I: Inputs>(
    inputs: impl Fn() -> I + Send + 'static,
    mut placed: Placed,
    hands: Hands,
    events: mpsc::Sender<Event>,
) -> io::Result<()> {
    let thread = thread_of("hands", events, move || match Builder::new_current_thread().build() {
        Ok(runtime) => run(&runtime, &mut inputs(), &mut placed, Teller { hands: &hands, cut: BTreeSet::new() }),
        Err(error) => tracing::error!(%error, "no touch screen, no keyboard and no buttons"),
    });
    thread.map(drop)
}

fn run(runtime: &Runtime, inputs: &mut impl Inputs, placed: &mut Placed, mut teller: Teller<'_>) {
    while !teller.hands.is_closed() {
        let Some(shown) = *placed.borrow_and_update() else {
            for deed in inputs.rest() {
                teller.tell(deed);
            }
            // Its end is the display thread's, and that ends with the panel.
            if runtime.block_on(placed.changed()).is_err() {
                return;
            }
            continue;
        };
        for deed in inputs.next(&shown, LOOK) {
            teller.tell(deed);
        }
    }
}

/// Tells the panel what hands do.
struct Teller<'a> {
    hands: &'a Hands,
    /// Fingers of which something was dropped: what they do counts again once they were lifted.
    cut: BTreeSet<u8>,
}

impl Teller<'_> {
    fn tell(&mut self, deed: Deed) {
        match deed {
            Deed::Contact(contact) => self.touch(contact),
            // An identifier without one of its characters is another one: a key waits. The panel is gone if it is in vain.
            Deed::Key(key) => drop(self.hands.blocking_send(Hand::Key(key_of(key)))),
        }
    }

    fn touch(&mut self, Contact { finger, phase, x, y }: Contact) {
        let at = |edge: u32| u16::try_from(edge).unwrap_or(u16::MAX);
        let touch = |phase| Hand::Touch(Touch { finger, phase, x: at(x), y: at(y) });
        if self.cut.contains(&finger) {
            // A touch that follows on one of which something was dropped begins with its loss.
            if phase == Phase::Down && self.hands.try_send(touch(event::Phase::Lost)).is_ok() {
                self.cut.remove(&finger);
            } else {
                return;
            }
        }
        let phase = match phase {
            Phase::Down => event::Phase::Down,
            Phase::Move => event::Phase::Move,
            Phase::Up => event::Phase::Up,
            Phase::Lost => event::Phase::Lost,
        };
        if self.hands.try_send(touch(phase)).is_err() {
            self.cut.insert(finger);
        }
    }
}

const fn key_of(key: Key) -> event::Key {
    match key {
        Key::Character(character) => event::Key::Character(character),
        Key::Backspace => event::Key::Backspace,
        Key::Enter => event::Key::Enter,
        Key::Next => event::Key::Next,
        Key::Previous => event::Key::Previous,
        Key::Escape => event::Key::Escape,
        Key::Capture => event::Key::Capture,
    }
}

#[cfg(test)]
mod tests {
    use hilum_device::{
        placement::{Extent, Placement, Rotation},
        sim::PhantomHands,
    };
    use tokio::sync::watch;

    use super::*;

    const fn contact(phase: Phase, x: u32) -> Deed {
        Deed::Contact(Contact { finger: 17, phase, x, y: 2 })
    }

    const fn touch(phase: event::Phase, x: u16) -> Hand {
        Hand::Touch(Touch { finger: 17, phase, x, y: 2 })
    }

    #[test]
    fn hands_are_felt_while_a_display_shows_the_panel() {
        let (hands, mut felt) = mpsc::channel(8);
        let (events, _events) = mpsc::channel(4);
        let (places, placed) = watch::channel(None);
        let steps = || {
            PhantomHands::new([
                vec![contact(Phase::Down, 5), Deed::Key(Key::Character('7'))],
                vec![contact(Phase::Up, 6), Deed::Key(Key::Enter)],
            ])
        };
        start(steps, placed, hands, events).expect("a thread");
        let size = Extent { width: 9, height: 9 };
        places.send_replace(Some(Placement::new(size, size, Rotation::None)));
        let told: Vec<Hand> = (0..4).filter_map(|_| felt.blocking_recv()).collect();
        let keys = [event::Key::Character('7'), event::Key::Enter].map(Hand::Key);
        assert_eq!(told, [touch(event::Phase::Down, 5), keys[0], touch(event::Phase::Up, 6), keys[1]]);
        // It ends with the panel's display.
        places.send_replace(None);
        drop(places);
        assert_eq!(felt.blocking_recv(), None);
    }

    #[test]
    fn a_touch_that_was_cut_is_lost_before_the_next() {
        let (hands, mut felt) = mpsc::channel(2);
        let mut teller = Teller { hands: &hands, cut: BTreeSet::new() };
        for (phase, x) in [(Phase::Down, 1), (Phase::Move, 2), (Phase::Move, 3)] {
            teller.tell(contact(phase, x));
        }
        let mut told = || [felt.try_recv().ok(), felt.try_recv().ok()];
        assert_eq!(told(), [touch(event::Phase::Down, 1), touch(event::Phase::Move, 2)].map(Some));
        for (phase, x) in [(Phase::Move, 4), (Phase::Up, 5)] {
            teller.tell(contact(phase, x));
        }
        assert_eq!(told(), [None, None]);
        teller.tell(contact(Phase::Down, 6));
        assert_eq!(told(), [touch(event::Phase::Lost, 6), touch(event::Phase::Down, 6)].map(Some));
        teller.tell(contact(Phase::Up, 7));
        assert_eq!(told(), [Some(touch(event::Phase::Up, 7)), None]);
    }

    #[test]
    fn buttons_do_what_a_board_says() {
        let line = |line| GpioLine { chip: "chip".to_owned(), line };
        let wired = Wired {
            next: line(4),
            press: line(5),
            previous: None,
            back: Some(line(6)),
            wiring: Wiring { active_low: true, pull: hilum_config::Pull::Up, debounce: Duration::from_millis(10) },
        };
        let keys: Vec<(u32, Key)> = buttons(&wired).all.iter().map(|button| (button.line, button.key)).collect();
        assert_eq!(keys, [(4, Key::Next), (5, Key::Enter), (6, Key::Escape)]);
    }
}
