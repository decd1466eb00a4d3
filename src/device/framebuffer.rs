//! The kernel's framebuffer, where there is no graphics card to ask.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use crate::{
    Display,
    display::NoDisplay,
    placement::{Extent, Format, Part, Picture, Placement},
};

/// The first one: others belong to other displays.
const FIRST: &str = "/dev/fb0";

/// A framebuffer of the kernel's, with 32 or 16 bits a pixel.
#[derive(Debug)]
pub(crate) struct Framebuffer {
    file: File,
    path: PathBuf,
    /// Where its layout is said.
    folder: PathBuf,
    layout: Layout,
    row: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Layout {
    /// Which driver it has.
    name: String,
    size: Extent,
    /// Bytes from one row to the next.
    stride: usize,
    format: Format,
}

impl Layout {
    /// As `folder` says it, which /sys/class/graphics has for each.
    fn read(folder: &Path) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::Unsupported, "the framebuffer has another layout");
        let said = |name: &str| fs::read_to_string(folder.join(name));
        let number = |text: &str| text.trim().parse::<u32>().ok();
        let size = said("virtual_size")?;
        let (width, height) = size.trim().split_once(',').ok_or_else(wrong)?;
        let size = Extent { width: number(width).ok_or_else(wrong)?, height: number(height).ok_or_else(wrong)? };
        let stride = number(&said("stride")?).and_then(|stride| usize::try_from(stride).ok()).ok_or_else(wrong)?;
        let format = match number(&said("bits_per_pixel")?) {
            Some(32) => Format::Xrgb8888,
            Some(16) => Format::Rgb565,
            _ => return Err(wrong()),
        };
        if usize::try_from(size.width).is_ok_and(|width| stride / format.bytes() < width) {
            return Err(wrong());
        }
        Ok(Self { name: said("name").unwrap_or_default().trim().to_owned(), size, stride, format })
    }
}

impl Framebuffer {
    /// The first framebuffer, if it is no card's.
    pub(crate) fn find() -> Result<Self, NoDisplay> {
        let path = Path::new(FIRST);
        // A card's driver makes one too: it is that card's display, of which somebody may be master.
        if !path.exists() || folder(path).join("device/drm").exists() {
            return Err(NoDisplay::Absent);
        }
        Self::open(path).map_err(NoDisplay::at(path))
    }

    /// The framebuffer at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::described(path, &folder(path))
    }

    /// The framebuffer at `path` whose layout `folder` says.
    fn described(path: &Path, folder: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new().write(true).open(path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            folder: folder.to_owned(),
            layout: Layout::read(folder)?,
            row: Vec::new(),
        })
    }
}

/// Where the layout of a framebuffer is said.
fn folder(path: &Path) -> PathBuf {
    Path::new("/sys/class/graphics").join(path.file_name().unwrap_or_default())
}

impl Display for Framebuffer {
    fn name(&self) -> String {
        format!("{} ({})", self.path.display(), self.layout.name)
    }

    fn size(&self) -> Extent {
        self.layout.size
    }

    fn show(&mut self, picture: &Picture<'_>, at: &Placement, changed: Option<&[Part]>) -> io::Result<()> {
        let Layout { stride, format, .. } = self.layout;
        for part in at.drawn(changed) {
            for y in part.y..part.y + part.height {
                at.row(picture, (part.x, y), part.width, format, &mut self.row);
                let row = usize::try_from(y).unwrap_or(usize::MAX).saturating_mul(stride);
                let column = usize::try_from(part.x).unwrap_or(usize::MAX).saturating_mul(format.bytes());
                let offset = u64::try_from(row.saturating_add(column)).unwrap_or(u64::MAX);
                self.file.write_all_at(&self.row, offset)?;
            }
        }
        Ok(())
    }

    fn is_there(&mut self) -> bool {
        // A graphics driver that is loaded late takes the place of the firmware's framebuffer.
        Layout::read(&self.folder).is_ok_and(|layout| layout == self.layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Rotation;

    fn folder_with(bits: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("fb0"), []).expect("written");
        for (name, text) in [("virtual_size", "3,2\n"), ("stride", "16\n"), ("bits_per_pixel", bits), ("name", "x\n")] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        folder
    }

    fn shown(bits: &str) -> Vec<u8> {
        let folder = folder_with(bits);
        let device = folder.path().join("fb0");
        let mut screen = Framebuffer::described(&device, folder.path()).expect("described");
        let size = Extent { width: 3, height: 2 };
        assert_eq!(screen.size(), size);
        let words = [0x08_1018, 0x08_2018, 0x08_2018, 0x08_1048, 0x08_2048, 0x08_2048];
        let picture = Picture::new(&words, size).expect("six pixels");
        screen.show(&picture, &Placement::new(size, size, Rotation::None), None).expect("shown");
        assert!(screen.is_there());
        fs::write(folder.path().join("virtual_size"), "4,2\n").expect("written");
        assert!(!screen.is_there());
        fs::read(&device).expect("readable")
    }

    #[test]
    fn a_framebuffer_takes_rows_of_its_own_length() {
        let row = |blue: u8| [blue, 16, 8, 0, blue, 32, 8, 0, blue, 32, 8, 0];
        // The last row ends with its last pixel.
        assert_eq!(shown("32\n"), [&row(24)[..], &[0; 4], &row(72)].concat());
        let row = |blue: u16| [blue | 4 << 5 | 1 << 11, blue | 8 << 5 | 1 << 11, blue | 8 << 5 | 1 << 11];
        let row = |blue: u16| row(blue).map(u16::to_le_bytes).concat();
        assert_eq!(shown("16\n"), [&row(3)[..], &[0; 10], &row(9)].concat());
    }

    #[test]
    fn another_layout_is_refused() {
        let folder = folder_with("24\n");
        assert!(Framebuffer::described(&folder.path().join("fb0"), folder.path()).is_err());
        let folder = folder_with("32\n");
        fs::write(folder.path().join("stride"), "11\n").expect("written");
        assert!(Framebuffer::described(&folder.path().join("fb0"), folder.path()).is_err());
    }
}
