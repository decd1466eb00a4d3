//! Simulated hardware.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    Display, Hands, Output,
    hands::Deed,
    output::NoOutput,
    placement::{Extent, Format, Part, Picture, Placement},
};

/// Something that is switched, and remembers how. Clones are the same: whoever tests keeps one.
#[derive(Debug, Clone, Default)]
pub struct PhantomOutput(Arc<Mutex<Vec<u8>>>);

impl PhantomOutput {
    /// What it was set to, in its order.
    #[must_use]
    pub fn was(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Output for PhantomOutput {
    fn set(&mut self, percent: u8) -> Result<(), NoOutput> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(percent);
        Ok(())
    }
}

/// A display in memory. Clones are the same display: whoever tests keeps one.
#[derive(Debug, Clone)]
pub struct PhantomDisplay {
    size: Extent,
    /// Words 0x00RRGGBB, row by row.
    shown: Arc<Mutex<Vec<u32>>>,
    is_there: Arc<AtomicBool>,
}

impl PhantomDisplay {
    /// A display that is plugged in, and shows noise.
    #[must_use]
    pub fn new(size: Extent) -> Self {
        let pixels = usize::try_from(u64::from(size.width) * u64::from(size.height)).unwrap_or(0);
        Self { size, shown: Arc::new(Mutex::new(vec![0x00a5_5a3c; pixels])), is_there: Arc::new(true.into()) }
    }

    /// What somebody before it sees: words 0x00RRGGBB, row by row.
    #[must_use]
    pub fn seen(&self) -> Vec<u32> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Plugs it in, or out.
    pub fn plug(&self, is_there: bool) {
        self.is_there.store(is_there, Ordering::Relaxed);
    }

    /// Whether it is plugged in.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }
}

impl Display for PhantomDisplay {
    fn name(&self) -> String {
        "a phantom".to_owned()
    }

    fn size(&self) -> Extent {
        self.size
    }

    fn show(&mut self, picture: &Picture<'_>, at: &Placement, changed: Option<&[Part]>) -> io::Result<()> {
        if !self.is_plugged() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut row = Vec::new();
        for part in at.drawn(changed) {
            for y in part.y..part.y + part.height {
                at.row(picture, (part.x, y), part.width, Format::Xrgb8888, &mut row);
                let from = usize::try_from(y * self.size.width + part.x).unwrap_or(usize::MAX);
                let words = row.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
                shown.iter_mut().skip(from).zip(words).for_each(|(pixel, word)| *pixel = word);
            }
        }
        Ok(())
    }

    fn is_there(&mut self) -> bool {
        self.is_plugged()
    }
}

/// Hands that do what is written, a step at each asking, and then nothing any more.
#[derive(Debug, Default)]
pub struct PhantomHands {
    steps: VecDeque<Vec<Deed>>,
}

impl PhantomHands {
    /// Hands that take these steps.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Vec<Deed>>) -> Self {
        Self { steps: steps.into_iter().collect() }
    }
}

impl Hands for PhantomHands {
    fn next(&mut self, _shown: &Placement, patience: Duration) -> Vec<Deed> {
        self.steps.pop_front().unwrap_or_else(|| {
            std::thread::sleep(patience);
            Vec::new()
        })
    }

    fn rest(&mut self) -> Vec<Deed> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Rotation;

    #[test]
    fn a_display_shows_what_it_is_given_while_it_is_plugged_in() {
        let size = Extent { width: 2, height: 2 };
        let mut display = PhantomDisplay::new(Extent { width: 4, height: 2 });
        let placement = Placement::new(size, display.size(), Rotation::None);
        let picture = Picture::new(&[1, 2, 3, 4], size).expect("four pixels");
        display.show(&picture, &placement, None).expect("shown");
        assert_eq!(display.seen(), [0, 1, 2, 0, 0, 3, 4, 0]);
        display.plug(false);
        assert!(!display.is_there() && display.show(&picture, &placement, None).is_err());
    }
}
