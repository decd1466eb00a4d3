//! The attached display.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    card::Card,
    framebuffer::Framebuffer,
    placement::{Extent, Part, Picture, Placement},
};

/// A display.
pub trait Display: Send {
    /// What it is, for the log.
    fn name(&self) -> String;

    /// Pixels across and down.
    fn size(&self) -> Extent;

    /// Shows what changed of a picture; `None` is everything, what is beside the picture too.
    ///
    /// # Errors
    /// If the display went away, or is somebody else's by now: it has to be looked for again.
    fn show(&mut self, picture: &Picture<'_>, at: &Placement, changed: Option<&[Part]>) -> io::Result<()>;

    /// Whether it still shows what it was given. Cheap: it is asked once a second.
    fn is_there(&mut self) -> bool;
}

/// Which display.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// A card (/dev/dri/card1) or a framebuffer (/dev/fb0); without it whichever has a display.
    pub path: Option<PathBuf>,
    /// A size to be used if the display has it; else it is the one that the display prefers.
    pub size: Option<Extent>,
}

/// Why there is no display.
#[derive(Debug, thiserror::Error)]
pub enum NoDisplay {
    /// Nothing is plugged in.
    #[error("no display is connected")]
    Absent,
    /// Another program has it: there is one master of a card.
    #[error("{0} is another program's, or may not be used")]
    Taken(PathBuf),
    /// It is not what can be drawn on.
    #[error("cannot use {path}")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl NoDisplay {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ResourceBusy => Self::Taken(path),
            _ => Self::Unusable { path, source },
        }
    }
}

fn is_framebuffer(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("fb"))
}

/// The attached display: of a graphics card, else the kernel's framebuffer.
///
/// A framebuffer that belongs to a card is that card's display and is not drawn on behind its master's back.
///
/// # Errors
/// [`NoDisplay`] if there is none that can be had.
pub fn find(wanted: &Wanted) -> Result<Box<dyn Display>, NoDisplay> {
    match &wanted.path {
        Some(path) if is_framebuffer(path) => Ok(Box::new(Framebuffer::open(path).map_err(NoDisplay::at(path))?)),
        Some(path) => Ok(Box::new(Card::open(path, wanted.size)?)),
        None => match Card::find(wanted.size) {
            Ok(card) => Ok(Box::new(card)),
            Err(NoDisplay::Absent) => Ok(Box::new(Framebuffer::find()?)),
            Err(fault) => Err(fault),
        },
    }
}

/// The size of the attached display, on which nothing is drawn yet.
#[must_use]
pub fn size(wanted: &Wanted) -> Option<Extent> {
    let framebuffer = |path: &Path| Some(Framebuffer::open(path).ok()?.size());
    match &wanted.path {
        Some(path) if is_framebuffer(path) => framebuffer(path),
        Some(path) => Card::attached(path, wanted.size),
        None => Card::all()
            .iter()
            .find_map(|path| Card::attached(path, wanted.size))
            .or_else(|| Framebuffer::find().ok().map(|framebuffer| framebuffer.size())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_program_has_is_said_so() {
        let path = Path::new("/dev/dri/card0");
        let said = |kind: io::ErrorKind| NoDisplay::at(path)(kind.into()).to_string();
        assert_eq!(said(io::ErrorKind::PermissionDenied), "/dev/dri/card0 is another program's, or may not be used");
        assert_eq!(said(io::ErrorKind::ResourceBusy), said(io::ErrorKind::PermissionDenied));
        assert_eq!(said(io::ErrorKind::InvalidInput), "cannot use /dev/dri/card0");
    }

    #[test]
    fn a_path_says_what_it_is() {
        assert!(is_framebuffer(Path::new("/dev/fb0")) && !is_framebuffer(Path::new("/dev/dri/card1")));
        let nowhere = |path: &str| Wanted { path: Some(path.into()), size: None };
        assert!(matches!(find(&nowhere("/nowhere/fb0")), Err(NoDisplay::Unusable { .. })));
        assert!(matches!(find(&nowhere("/nowhere/card0")), Err(NoDisplay::Unusable { .. })));
        assert_eq!(size(&nowhere("/nowhere/card0")), None);
    }
}
