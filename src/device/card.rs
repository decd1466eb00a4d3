//! A display at a graphics card, by the kernel's mode setting.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
};

use drm::{
    buffer::{Buffer as _, DrmFourcc},
    control::{
        ClipRect, Device as _, Mode, ModeTypeFlags, PageFlipFlags, connector, crtc, dumbbuffer::DumbBuffer, framebuffer,
    },
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    Display,
    display::NoDisplay,
    placement::{Extent, Format, Part, Picture, Placement},
};

/// Where cards are.
const FOLDER: &str = "/dev/dri";
/// Where the kernel says of each of their connectors whether something is plugged in.
const CONNECTORS: &str = "/sys/class/drm";
/// More rectangles than this are one message no longer.
const RECTANGLES: usize = 64;
/// The slowest display turns its pages in less.
const TURN: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// An open card.
struct Node(File);

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Node {}
impl drm::control::Device for Node {}

/// Memory that can be shown.
#[derive(Clone, Copy)]
struct Page {
    buffer: DumbBuffer,
    framebuffer: framebuffer::Handle,
    format: Format,
}

/// How what is drawn gets to be seen.
enum Way {
    /// One page, and the driver is told what changed: those whose pixels go elsewhere want that, and send no more than it.
    Told,
    /// Two pages by turns: what is drawn is seen whole or not at all.
    Turns {
        /// The one that is not seen.
        other: Page,
        /// What of it is older than what is seen; nothing is known of it at first.
        stale: Option<Vec<Part>>,
        /// Whether the last turn may still be under way.
        is_turning: bool,
    },
    /// One page, which is drawn into while it is seen.
    Plain,
}

/// A display at a graphics card.
pub(crate) struct Card {
    page: Page,
    way: Way,
    crtc: crtc::Handle,
    connector: connector::Info,
    mode: Mode,
    row: Vec<u8>,
    path: PathBuf,
    /// Whoever opens a card first is its master. The kernel takes back what was set when it is closed.
    node: Node,
}

/// What is at a card: a connector with a display, and what drives it.
struct Output {
    connector: connector::Info,
    mode: Mode,
    crtc: crtc::Handle,
}

/// Built-in panels before what is plugged in.
const fn rank(interface: connector::Interface) -> u8 {
    use connector::Interface;
    match interface {
        Interface::DSI | Interface::DPI | Interface::LVDS | Interface::EmbeddedDisplayPort | Interface::SPI => 0,
        Interface::Writeback => 2,
        _ => 1,
    }
}

fn extent((width, height): (u16, u16)) -> Extent {
    Extent { width: width.into(), height: height.into() }
}

fn whole(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Which of a display's modes, given their sizes and whether the display prefers them: one of the size that is wanted, else one
/// that is preferred, else the first. Among equals a preferred one comes first.
fn choice(modes: &[(Extent, bool)], wanted: Option<Extent>) -> Option<usize> {
    let preferred = |index: &usize| modes[*index].1;
    let fitting: Vec<usize> = (0..modes.len()).filter(|index| Some(modes[*index].0) == wanted).collect();
    let fitting_first = fitting.iter().copied().find(preferred).or_else(|| fitting.first().copied());
    fitting_first.or_else(|| (0..modes.len()).find(preferred)).or_else(|| (!modes.is_empty()).then_some(0))
}

/// Whether the kernel says in `folder` that nothing is plugged into a card. It is asked without opening the card, which would
/// make a master of whoever does.
fn is_bare(folder: &Path, card: &Path) -> bool {
    let Some(card) = card.file_name().map(|name| format!("{}-", name.to_string_lossy())) else { return false };
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let connectors = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&card));
    let said: Vec<String> =
        connectors.filter_map(|connector| fs::read_to_string(connector.path().join("status")).ok()).collect();
    !said.is_empty() && said.iter().all(|status| status.trim() == "disconnected")
}

impl Node {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().read(true).write(true).open(path)?))
    }

    /// The display to be used, of those that are connected; `None` if there is none.
    fn output(&self, wanted: Option<Extent>) -> io::Result<Option<Output>> {
        let resources = match self.resource_handles() {
            // A card that only computes.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EINVAL)) => return Ok(None),
            resources => resources?,
        };
        let mut connectors: Vec<connector::Info> = Vec::new();
        for handle in resources.connectors() {
            // Looking at a cable takes a while, and is not done where nothing is plugged in.
            if self.get_connector(*handle, false)?.state() != connector::State::Disconnected {
                connectors.push(self.get_connector(*handle, true)?);
            }
        }
        connectors
            .retain(|connector| connector.state() == connector::State::Connected && rank(connector.interface()) < 2);
        connectors.sort_by_key(|connector| (rank(connector.interface()), connector.interface_id()));
        for connector in connectors {
            let modes = connector.modes();
            let sizes: Vec<(Extent, bool)> = modes
                .iter()
                .map(|mode| (extent(mode.size()), mode.mode_type().contains(ModeTypeFlags::PREFERRED)))
                .collect();
            let Some(mode) = choice(&sizes, wanted).map(|index| modes[index]) else { continue };
            let now = connector.current_encoder().into_iter();
            for encoder in now.chain(connector.encoders().iter().copied()) {
                let encoder = self.get_encoder(encoder)?;
                let possible = resources.filter_crtcs(encoder.possible_crtcs());
                if let Some(crtc) = encoder.crtc().or_else(|| possible.first().copied()) {
                    return Ok(Some(Output { connector, mode, crtc }));
                }
            }
        }
        Ok(None)
    }

    /// Memory in the first of the formats that the display's controller takes.
    fn page(&self, size: Extent) -> io::Result<Page> {
        let mut refused = io::Error::from(io::ErrorKind::Unsupported);
        for (format, fourcc, depth, bits) in
            [(Format::Xrgb8888, DrmFourcc::Xrgb8888, 24, 32), (Format::Rgb565, DrmFourcc::Rgb565, 16, 16)]
        {
            let buffer = match self.create_dumb_buffer((size.width, size.height), fourcc, bits) {
                Ok(buffer) => buffer,
                Err(error) => {
                    refused = error;
                    continue;
                }
            };
            match self.add_framebuffer(&buffer, depth, bits) {
                Ok(framebuffer) => return Ok(Page { buffer, framebuffer, format }),
                Err(error) => {
                    self.destroy_dumb_buffer(buffer)?;
                    refused = error;
                }
            }
        }
        Err(refused)
    }

    /// Draws parts of a page.
    fn draw(
        &self,
        page: &mut Page,
        (picture, at): (&Picture<'_>, &Placement),
        parts: &[Part],
        row: &mut Vec<u8>,
    ) -> io::Result<()> {
        let (pitch, format) = (whole(page.buffer.pitch()), page.format);
        let mut mapping = self.map_dumb_buffer(&mut page.buffer)?;
        for part in parts {
            for y in part.y..part.y + part.height {
                at.row(picture, (part.x, y), part.width, format, row);
                let from = whole(y).saturating_mul(pitch) + whole(part.x).saturating_mul(format.bytes());
                let room = mapping.get_mut(from..from.saturating_add(row.len()));
                room.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(row);
            }
        }
        Ok(())
    }

    /// Tells the driver what changed of a page.
    fn tell(&self, page: &Page, parts: &[Part]) -> io::Result<()> {
        let short = |edge: u32| u16::try_from(edge).unwrap_or(u16::MAX);
        let clip = |part: &Part| {
            ClipRect::new(short(part.x), short(part.y), short(part.x + part.width), short(part.y + part.height))
        };
        let clips: Vec<ClipRect> = parts.iter().map(clip).collect();
        clips.chunks(RECTANGLES).try_for_each(|clips| self.dirty_framebuffer(page.framebuffer, clips))
    }

    /// Waits until a turn of pages is over.
    fn turned(&self) -> io::Result<()> {
        if poll(&mut [PollFd::new(self, PollFlags::IN)], Some(&TURN))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.receive_events().map(drop)
    }
}

impl Card {
    /// The cards, in the order of their names.
    pub(crate) fn all() -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(FOLDER) else { return Vec::new() };
        let is_card = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("card"));
        let mut cards: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_card).collect();
        cards.sort();
        cards
    }

    /// The first card with a display that is connected.
    pub(crate) fn find(wanted: Option<Extent>) -> Result<Self, NoDisplay> {
        let mut why = NoDisplay::Absent;
        for path in Self::all() {
            match Self::open(&path, wanted) {
                Ok(card) => return Ok(card),
                Err(NoDisplay::Absent) => {}
                Err(fault) => why = fault,
            }
        }
        Err(why)
    }

    /// The size of what is connected to a card.
    pub(crate) fn attached(path: &Path, wanted: Option<Extent>) -> Option<Extent> {
        let output = Node::open(path).ok()?.output(wanted).ok()??;
        Some(extent(output.mode.size()))
    }

    /// The display that is connected to a card.
    pub(crate) fn open(path: &Path, wanted: Option<Extent>) -> Result<Self, NoDisplay> {
        if is_bare(Path::new(CONNECTORS), path) {
            return Err(NoDisplay::Absent);
        }
        let node = Node::open(path).map_err(NoDisplay::at(path))?;
        let output = node.output(wanted).map_err(NoDisplay::at(path))?;
        Self::with(node, path, output.ok_or(NoDisplay::Absent)?).map_err(NoDisplay::at(path))
    }

    fn with(node: Node, path: &Path, Output { connector, mode, crtc }: Output) -> io::Result<Self> {
        let page = node.page(extent(mode.size()))?;
        node.set_crtc(crtc, Some(page.framebuffer), (0, 0), &[connector.handle()], Some(mode))?;
        Ok(Self { page, way: Way::Told, crtc, connector, mode, row: Vec::new(), path: path.to_owned(), node })
    }

    /// Draws into the page that is seen.
    fn draw(&mut self, picture: (&Picture<'_>, &Placement), parts: &[Part]) -> io::Result<()> {
        self.node.draw(&mut self.page, picture, parts, &mut self.row)
    }
}

impl Display for Card {
    fn name(&self) -> String {
        let interface = self.connector.interface().as_str();
        format!("{interface}-{} at {}", self.connector.interface_id(), self.path.display())
    }

    fn size(&self) -> Extent {
        extent(self.mode.size())
    }

    fn show(&mut self, picture: &Picture<'_>, at: &Placement, changed: Option<&[Part]>) -> io::Result<()> {
        let mut parts = at.drawn(changed);
        if parts.is_empty() {
            return Ok(());
        }
        match &mut self.way {
            Way::Told => {
                self.draw((picture, at), &parts)?;
                match self.node.tell(&self.page, &parts) {
                    Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
                        let other = self.node.page(self.size());
                        self.way =
                            other.map_or(Way::Plain, |other| Way::Turns { other, stale: None, is_turning: false });
                        Ok(())
                    }
                    told => told,
                }
            }
            Way::Turns { other, stale, is_turning } => {
                if *is_turning {
                    self.node.turned()?;
                }
                let fresh = parts.clone();
                match stale {
                    Some(stale) => parts.append(stale),
                    None => parts = at.drawn(None),
                }
                self.node.draw(other, (picture, at), &parts, &mut self.row)?;
                match self.node.page_flip(self.crtc, other.framebuffer, PageFlipFlags::EVENT, None) {
                    Ok(()) => {
                        std::mem::swap(other, &mut self.page);
                        (*stale, *is_turning) = (Some(fresh), true);
                        Ok(())
                    }
                    Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                        self.way = Way::Plain;
                        self.draw((picture, at), &at.drawn(None))
                    }
                    Err(error) => Err(error),
                }
            }
            Way::Plain => self.draw((picture, at), &parts),
        }
    }

    fn is_there(&mut self) -> bool {
        let connector = self.node.get_connector(self.connector.handle(), false);
        let is_connected = connector.is_ok_and(|connector| {
            connector.state() == connector::State::Connected
                && connector.modes().iter().any(|mode| mode.size() == self.mode.size())
        });
        // Another may have become the card's master, and shows something of its own.
        let shown = self.node.get_crtc(self.crtc).ok().and_then(|crtc| crtc.framebuffer());
        is_connected && shown == Some(self.page.framebuffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_in_panel_is_preferred_and_nothing_is_written_back() {
        use connector::Interface;
        assert!(rank(Interface::DSI) < rank(Interface::HDMIA));
        assert!(rank(Interface::HDMIA) < rank(Interface::Writeback));
    }

    #[test]
    fn the_wanted_size_else_the_preferred_else_the_first() {
        let size = |width: u32| Extent { width, height: 2 };
        let modes = [(size(3), false), (size(5), true), (size(4), false), (size(4), true)];
        assert_eq!(choice(&modes, None), Some(1));
        assert_eq!(choice(&modes, Some(size(3))), Some(0));
        assert_eq!(choice(&modes, Some(size(4))), Some(3));
        assert_eq!(choice(&modes, Some(size(9))), Some(1));
        assert_eq!(choice(&modes[..1], Some(size(9))), Some(0));
        assert_eq!(choice(&[], Some(size(9))), None);
    }

    #[test]
    fn a_card_is_bare_if_all_its_connectors_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let card = Path::new("/dev/dri/card1");
        assert!(!is_bare(folder.path(), card), "nobody knows");
        let says = |connector: &str, status: &str| {
            let connector = folder.path().join(connector);
            fs::create_dir_all(&connector).expect("a folder");
            fs::write(connector.join("status"), status).expect("written");
        };
        says("card1-HDMI-A-1", "disconnected\n");
        says("card10-HDMI-A-1", "connected\n");
        assert!(is_bare(folder.path(), card));
        says("card1-DSI-1", "unknown\n");
        assert!(!is_bare(folder.path(), card));
        says("card1-DSI-1", "connected\n");
        assert!(!is_bare(folder.path(), card));
    }
}
