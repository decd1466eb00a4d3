//! The display's thread: shows the newest picture on whatever is plugged in, and looks for a display while there is none.
//!
//! Only what changed is drawn. While nothing does, the display is asked once a second whether it is still there.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use embedded_graphics::geometry::OriginDimensions as _;
use hilum_config::{Attached, Panel as Settings};
use hilum_device::{
    Display,
    display::{NoDisplay, Wanted, find, size},
    placement::{Extent, Picture, Placement, Rotation},
};
use hilum_screen::Frame;
use tokio::{
    runtime::Builder,
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use crate::{event::Event, glass::Glasses, supervise::thread_of};

/// How often it is looked whether the display is there.
const LOOK: Duration = Duration::from_secs(1);
/// A display that another program has is asked for ever more rarely, down to this.
const LONGEST: Duration = Duration::from_secs(30);

/// The slowest display is black in less.
const DARKENED: Duration = Duration::from_secs(3);

/// Where the picture lies on the display; nothing while no display shows it.
pub(crate) type Placed = watch::Receiver<Option<Placement>>;

/// Which display a board means; nothing if it shall have none.
pub(crate) fn wanted(settings: &Settings) -> Option<Wanted> {
    let size = settings.size.map(|[width, height]| Extent { width: width.into(), height: height.into() });
    let path = match &settings.display {
        Attached::None => return None,
        Attached::Any => None,
        Attached::At(path) => Some(path.clone()),
    };
    Some(Wanted { path, size })
}

/// The size of the display that is attached now.
pub(crate) fn attached(settings: &Settings) -> Option<[u16; 2]> {
    /// A panel that is smaller or larger has room for nothing, or is none; see the range of `size`.
    const EDGES: std::ops::RangeInclusive<u32> = 320..=4096;
    let Extent { width, height } = size(&wanted(settings)?)?;
    if ![width, height].iter().all(|edge| EDGES.contains(edge)) {
        tracing::warn!(width, height, "the display has a size for which no page is made");
        return None;
    }
    Some([u16::try_from(width).ok()?, u16::try_from(height).ok()?])
}

/// How a board's display is turned.
pub(crate) const fn rotation(settings: &Settings) -> Rotation {
    match settings.rotation {
        hilum_config::Rotation::None => Rotation::None,
        hilum_config::Rotation::Right => Rotation::Right,
        hilum_config::Rotation::Half => Rotation::Half,
        hilum_config::Rotation::Left => Rotation::Left,
    }
}

/// Starts the thread. It ends with the sender of what is shown.
pub(crate) fn start(
    wanted: Wanted,
    rotation: Rotation,
    glasses: Glasses,
    events: mpsc::Sender<Event>,
) -> io::Result<Placed> {
    started(move || find(&wanted), rotation, glasses, events)
}

fn started(
    mut find: impl FnMut() -> Result<Box<dyn Display>, NoDisplay> + Send + 'static,
    rotation: Rotation,
    mut glasses: Glasses,
    events: mpsc::Sender<Event>,
) -> io::Result<Placed> {
    let (places, placed) = watch::channel(None);
    thread_of("display", events, move || {
        // After a panic hands rest until there is a display again.
        places.send_replace(None);
        match Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => {
                runtime.block_on(Front { find: &mut find, rotation, glasses: &mut glasses, places: &places }.run());
            }
            Err(error) => tracing::error!(%error, "no display"),
        }
    })?;
    Ok(placed)
}

/// Waits until a display shows nothing any more, once the panel ended.
pub(crate) async fn darkened(mut placed: Placed) {
    let ended = async { while placed.changed().await.is_ok() {} };
    if timeout(DARKENED, ended).await.is_err() {
        tracing::warn!("the display may keep its last picture");
    }
}

/// Whatever was shown is no longer: the panel ended.
struct Ended;

struct Front<'a, F> {
    find: &'a mut F,
    rotation: Rotation,
    glasses: &'a mut Glasses,
    places: &'a watch::Sender<Option<Placement>>,
}

/// A picture of a frame.
pub(crate) fn extent(frame: &Frame) -> Extent {
    let size = frame.size();
    Extent { width: size.width, height: size.height }
}

impl<F: FnMut() -> Result<Box<dyn Display>, NoDisplay>> Front<'_, F> {
    /// Shows what there is, until the panel ends.
    async fn run(&mut self) {
        let mut said = String::new();
        let mut wait = LOOK;
        loop {
            match (self.find)() {
                Ok(display) => {
                    let Extent { width, height } = display.size();
                    let name = display.name();
                    tracing::info!(name, width, height, "a display");
                    let shown = self.shown(display).await;
                    self.places.send_replace(None);
                    match shown {
                        Err(Ended) => return,
                        Ok(why) => tracing::info!(name, why, "the display went away"),
                    }
                    (said, wait) = (String::new(), LOOK);
                }
                Err(fault) => {
                    let why = cause(&fault);
                    if why != said {
                        tracing::warn!(why, "nothing is shown at this machine");
                    }
                    // What is plugged in is seen within a second.
                    wait =
                        if matches!(fault, NoDisplay::Absent) || why != said { LOOK } else { (wait * 2).min(LONGEST) };
                    said = why;
                }
            }
            if self.rested(wait).await.is_err() {
                return;
            }
        }
    }

    /// Waits, whatever there would be to show.
    async fn rested(&mut self, wait: Duration) -> Result<(), Ended> {
        let ended = async { while self.glasses.changed().await.is_ok() {} };
        tokio::select! {
            () = ended => Err(Ended),
            () = sleep(wait) => Ok(()),
        }
    }

    /// Shows what there is on a display, until that goes away: why it did.
    async fn shown(&mut self, mut display: Box<dyn Display>) -> Result<String, Ended> {
        let mut before: Option<(Arc<Frame>, Placement)> = None;
        let mut looked = Instant::now();
        loop {
            let frame = self.glasses.borrow_and_update().as_ref().map(|glass| Arc::clone(&glass.frame));
            if let Some(frame) = frame
                && let Some(picture) = Picture::new(frame.pixels(), extent(&frame))
            {
                let at = Placement::new(picture.size(), display.size(), self.rotation);
                let changed = before.as_ref().and_then(|(frame, placement)| {
                    let before = Picture::new(frame.pixels(), extent(frame)).filter(|_| *placement == at)?;
                    picture.changed(&before)
                });
                if let Err(error) = display.show(&picture, &at, changed.as_deref()) {
                    return Ok(error.to_string());
                }
                if before.is_none() {
                    self.places.send_replace(Some(at));
                }
                before = Some((frame, at));
            }
            match timeout(LOOK.saturating_sub(looked.elapsed()), self.glasses.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    blacken(display.as_mut());
                    return Err(Ended);
                }
                Err(_) => {
                    looked = Instant::now();
                    if !display.is_there() {
                        return Ok("it was unplugged, or shows something else".to_owned());
                    }
                }
            }
        }
    }
}

/// Nothing of a patient stays on a display that keeps its picture, as a framebuffer does.
fn blacken(display: &mut dyn Display) {
    let nothing = Extent { width: 0, height: 0 };
    let shown = Picture::new(&[], nothing)
        .map(|picture| display.show(&picture, &Placement::new(nothing, display.size(), Rotation::None), None));
    if let Some(Err(error)) = shown {
        tracing::warn!(%error, "the display keeps its last picture");
    }
}

/// A fault with what is behind it.
fn cause(fault: &NoDisplay) -> String {
    let source = std::error::Error::source(fault);
    source.map_or_else(|| fault.to_string(), |source| format!("{fault}: {source}"))
}

#[cfg(test)]
mod tests {
    use embedded_graphics::{
        geometry::{Point, Size},
        pixelcolor::Rgb888,
        prelude::{DrawTarget as _, WebColors as _},
        primitives::Rectangle,
    };
    use hilum_device::sim::PhantomDisplay;

    use super::*;
    use crate::glass::Glass;

    const SIZE: Extent = Extent { width: 24, height: 16 };

    /// A picture with a white square somewhere.
    fn glass(x: i32) -> Glass {
        let mut frame = Frame::new(Size::new(SIZE.width, SIZE.height));
        let Ok(()) = frame.fill_solid(&Rectangle::new(Point::new(x, 3), Size::new(4, 4)), Rgb888::CSS_WHITE);
        Glass { frame: Arc::new(frame), locked: false }
    }

    /// Waits until something is so.
    #[track_caller]
    fn until(is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn the_newest_picture_is_on_the_display_whenever_there_is_one() {
        let display = PhantomDisplay::new(SIZE);
        let found = display.clone();
        let find = move || -> Result<Box<dyn Display>, NoDisplay> {
            if found.is_plugged() { Ok(Box::new(found.clone())) } else { Err(NoDisplay::Absent) }
        };
        let (events, _events) = mpsc::channel(4);
        let (glasses, shown) = watch::channel(None);
        let placed = started(find, Rotation::None, shown, events).expect("a thread");
        let same = |glass: &Glass| display.seen() == glass.frame.pixels();
        for x in [0, 5, 20] {
            glasses.send_replace(Some(glass(x)));
            until(|| same(&glass(x)));
        }
        until(|| placed.borrow().is_some_and(|at| at.picture() == SIZE));
        display.plug(false);
        until(|| placed.borrow().is_none());
        glasses.send_replace(Some(glass(9)));
        display.plug(true);
        until(|| same(&glass(9)) && placed.borrow().is_some());
        drop(glasses);
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(darkened(placed.clone()));
        until(|| display.seen().iter().all(|word| *word == 0) && placed.has_changed().is_err());
    }

    #[test]
    fn a_board_says_which_display() {
        let mut settings = crate::panel::tests::settings(hilum_config::Rotation::Left);
        assert_eq!(wanted(&settings), Some(Wanted { path: None, size: None }));
        assert_eq!(rotation(&settings), Rotation::Left);
        settings.size = Some([800, 480]);
        settings.display = Attached::At("/dev/fb0".into());
        let size = Some(Extent { width: 800, height: 480 });
        assert_eq!(wanted(&settings), Some(Wanted { path: Some("/dev/fb0".into()), size }));
        settings.display = Attached::None;
        assert_eq!((wanted(&settings), attached(&settings)), (None, None));
    }
}
