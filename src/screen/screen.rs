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
            // Whoever still shows the frame before keeps it: then this one is a copy.
            let frame = Arc::make_mut(&mut self.frame);
            for area in &damage {
                let Ok(()) = self.painter.paint(&scene, *area, frame);
            }
        }
        self.painted = Some(scene);
        damage
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
