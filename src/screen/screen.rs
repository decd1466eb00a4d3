//! State, words, painter and framebuffer as one: what a panel and its mirror need.

use std::{sync::Arc, time::Duration};

use embedded_graphics::prelude::Size;

use crate::{
    Area, Frame,
    event::{Event, Wish},
    page::Act,
    paint::Painter,
    scene::Scene,
    state::{Setup, State},
    words::Words,
};

/// A panel's content: takes what happens, paints what changed.
pub struct Screen {
    state: State,
    words: Words,
    painter: Painter,
    frame: Arc<Frame>,
    /// The frame before, and where it is another.
    before: Option<(Arc<Frame>, Vec<Area>)>,
    /// What the frame shows; nothing before the first picture.
    painted: Option<Scene<Act>>,
}

impl Screen {
    /// A black one. Time is counted from whatever zero the caller keeps to.
    #[must_use]
    pub fn new(setup: Setup, now: Duration) -> Self {
        let size = Size::new(setup.look.width.into(), setup.look.height.into());
        Self {
            words: Words::new(setup.language),
            state: State::new(setup, now),
            painter: Painter::default(),
            frame: Arc::new(Frame::new(size)),
            before: None,
            painted: None,
        }
    }

    /// Takes what happened, and answers with what is wanted of the daemon.
    pub fn handle(&mut self, event: Event, now: Duration) -> Vec<Wish> {
        let wishes = self.state.handle(event, &self.words, now);
        if self.state.language() != self.words.language() {
            self.words = Words::new(self.state.language());
        }
        wishes
    }

    /// When [`Event::Tick`] has to be told at the latest, if nothing else happens before.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        self.state.next_tick()
    }

    /// Paints what changed since it was last called, and answers with where: nothing, if nothing did.
    pub fn paint(&mut self) -> Vec<Area> {
        let scene = self.scene();
        let look = self.state.look();
        let damage = match &self.painted {
            None => vec![Area::new(0, 0, look.width, look.height)],
            Some(before) => scene.damage(before),
        };
        if !damage.is_empty() {
            self.turn(&damage);
            for area in &damage {
                let Ok(()) = self.painter.paint(&scene, *area, Arc::make_mut(&mut self.frame));
            }
        }
        self.painted = Some(scene);
        damage
    }

    /// Makes the frame one that nobody shows, since `damage` of it is painted: the one before, where nobody shows that any
    /// longer. Two frames take turns; a new one is made only for somebody who is slow.
    fn turn(&mut self, damage: &[Area]) {
        let before = self.before.take();
        if Arc::get_mut(&mut self.frame).is_some() {
            return;
        }
        let free = before.and_then(|(mut frame, differs)| {
            let pixels = Arc::get_mut(&mut frame)?;
            differs.into_iter().for_each(|area| pixels.take(&area.into(), &self.frame));
            Some(frame)
        });
        let mut next = free.unwrap_or_else(|| Arc::new(Frame::clone(&self.frame)));
        std::mem::swap(&mut self.frame, &mut next);
        // Nothing of a patient is kept behind the lock.
        if !self.state.is_locked() {
            self.before = Some((next, damage.to_vec()));
        }
    }

    /// What is shown, as of the last [`Self::paint`].
    #[must_use]
    pub const fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// What is to be seen now.
    #[must_use]
    pub fn scene(&self) -> Scene<Act> {
        self.state.scene(&self.words)
    }

    /// The words of the language that it is in.
    #[must_use]
    pub const fn words(&self) -> &Words {
        &self.words
    }

    /// The state behind it.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Key, Phase, Touch},
        keyboard::Stroke,
        page::Act,
        specimen::{LOOKS, Person},
        words::Language,
    };

    /// Whoever shows no frame, the newest, the one before as well, or every one: each shows what is painted at once, and keeps it.
    #[test]
    fn frames_take_turns_and_are_whole() {
        let four = Act::Stroke(Stroke::Key(Key::Character('4')));
        let acts = [&Act::New, &four, &Act::Back, &Act::Settings, &Act::Back, &Act::New, &four, &four];
        for held in [0, 1, 2, usize::MAX] {
            let mut person = Person::new(LOOKS[1], Language::English, false).at_home();
            let mut shown: Vec<(Arc<Frame>, Frame)> = Vec::new();
            for act in acts {
                let (x, y) = person.place(act);
                person.now += Duration::from_secs(1);
                for phase in [Phase::Down, Phase::Up] {
                    person.event(Event::Touch(Touch { finger: 0, phase, x, y }));
                    assert!(!person.screen.paint().is_empty());
                    let mut whole = Frame::new(Size::new(LOOKS[1].width.into(), LOOKS[1].height.into()));
                    let all = Area::new(0, 0, LOOKS[1].width, LOOKS[1].height);
                    let Ok(()) = Painter::default().paint(&person.scene(), all, &mut whole);
                    assert!(**person.screen.frame() == whole, "{held} are shown");
                    shown.push((Arc::clone(person.screen.frame()), whole));
                    shown.drain(..shown.len().saturating_sub(held));
                    assert!(shown.iter().all(|(frame, then)| **frame == *then), "{held} are shown");
                }
            }
        }
    }
}
