//! Where a picture lies on a display: turned, enlarged by a whole number, in the middle.

/// By how much a picture is turned, clockwise, for whoever stands before the display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Not at all.
    None,
    /// 90°.
    Right,
    /// 180°.
    Half,
    /// 270°.
    Left,
}

/// Pixels across and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Across.
    pub width: u32,
    /// Down.
    pub height: u32,
}

impl Extent {
    /// What it is after a turn.
    #[must_use]
    pub const fn turned(self, rotation: Rotation) -> Self {
        match rotation {
            Rotation::None | Rotation::Half => self,
            Rotation::Right | Rotation::Left => Self { width: self.height, height: self.width },
        }
    }
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// Across.
    pub width: u32,
    /// Down.
    pub height: u32,
}

/// A picture, as whoever stands before it sees it.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    pixels: &'a [u32],
    size: Extent,
}

impl<'a> Picture<'a> {
    /// Words 0x00RRGGBB, row by row from the upper left; `None` if there are more or fewer of them than pixels.
    #[must_use]
    pub fn new(pixels: &'a [u32], size: Extent) -> Option<Self> {
        let count = u64::from(size.width) * u64::from(size.height);
        (u64::try_from(pixels.len()) == Ok(count)).then_some(Self { pixels, size })
    }

    /// Pixels across and down.
    #[must_use]
    pub const fn size(&self) -> Extent {
        self.size
    }

    /// Where this picture differs from one of the same size: bands from edge to edge of what differs in them, few enough for
    /// one message to a display. `None` if the sizes differ: everything.
    #[must_use]
    pub fn changed(&self, before: &Picture<'_>) -> Option<Vec<Part>> {
        /// Rows that are alike between two bands; fewer are drawn with them.
        const GAP: u32 = 16;
        if self.size != before.size {
            return None;
        }
        let mut bands: Vec<Part> = Vec::new();
        let width = usize::try_from(self.size.width).unwrap_or(usize::MAX).max(1);
        for ((now, then), y) in self.pixels.chunks(width).zip(before.pixels.chunks(width)).zip(0_u32..) {
            if now == then {
                continue;
            }
            let differs = |(a, b): (&u32, &u32)| a != b;
            let first = now.iter().zip(then).position(differs).and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
            let same = now.iter().zip(then).rev().position(differs).and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
            let end = self.size.width - same;
            match bands.last_mut() {
                Some(band) if y - (band.y + band.height) < GAP => {
                    let (x, right) = (band.x.min(first), (band.x + band.width).max(end));
                    *band = Part { x, width: right - x, height: y + 1 - band.y, ..*band };
                }
                _ => bands.push(Part { x: first, y, width: end - first, height: 1 }),
            }
        }
        Some(bands)
    }
}

/// How a display holds a pixel. Both have the least significant byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 32 bits: blue, green, red, unused.
    Xrgb8888,
    /// 16 bits: five of blue, six of green, five of red.
    Rgb565,
}

impl Format {
    /// Bytes for a pixel.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Xrgb8888 => 4,
            Self::Rgb565 => 2,
        }
    }

    fn push(self, word: u32, to: &mut Vec<u8>) {
        match self {
            Self::Xrgb8888 => to.extend(word.to_le_bytes()),
            Self::Rgb565 => {
                let [_, red, green, blue] = word.to_be_bytes().map(u16::from);
                to.extend((red >> 3 << 11 | green >> 2 << 5 | blue >> 3).to_le_bytes());
            }
        }
    }
}

/// Where a picture lies on a display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    picture: Extent,
    display: Extent,
    rotation: Rotation,
    /// Pixels of the display, across and down, for one of the picture.
    scale: u32,
    /// Where on the display the picture begins; below zero if it is larger.
    left: i64,
    top: i64,
}

impl Placement {
    /// In the middle; enlarged as often as it fits, cropped if it does not.
    #[must_use]
    pub fn new(picture: Extent, display: Extent, rotation: Rotation) -> Self {
        let turned = picture.turned(rotation);
        let fits = |room: u32, length: u32| room.checked_div(length).unwrap_or(0);
        let scale = fits(display.width, turned.width).min(fits(display.height, turned.height)).max(1);
        let margin = |room: u32, length: u32| (i64::from(room) - i64::from(length) * i64::from(scale)).div_euclid(2);
        let (left, top) = (margin(display.width, turned.width), margin(display.height, turned.height));
        Self { picture, display, rotation, scale, left, top }
    }

    /// Pixels of the display.
    #[must_use]
    pub const fn display(&self) -> Extent {
        self.display
    }

    /// Pixels of the picture.
    #[must_use]
    pub const fn picture(&self) -> Extent {
        self.picture
    }

    /// The picture's pixel that a pixel of the display shows; nothing beside the picture.
    #[must_use]
    pub fn at(&self, x: u32, y: u32) -> Option<(u32, u32)> {
        let nearest = self.nearest(x, y);
        let turned = self.picture.turned(self.rotation);
        let inside = |at: u32, from: i64, length: u32| {
            (0..i64::from(length) * i64::from(self.scale)).contains(&(i64::from(at) - from))
        };
        (inside(x, self.left, turned.width) && inside(y, self.top, turned.height)).then_some(nearest)
    }

    /// The picture's pixel that is nearest to a pixel of the display.
    #[must_use]
    pub fn nearest(&self, x: u32, y: u32) -> (u32, u32) {
        let turned = self.picture.turned(self.rotation);
        let within = |at: u32, from: i64, length: u32| {
            let at = (i64::from(at) - from).div_euclid(i64::from(self.scale));
            u32::try_from(at.clamp(0, i64::from(length.max(1)) - 1)).unwrap_or(0)
        };
        let (x, y) = (within(x, self.left, turned.width), within(y, self.top, turned.height));
        let (right, bottom) = (self.picture.width.max(1) - 1, self.picture.height.max(1) - 1);
        match self.rotation {
            Rotation::None => (x, y),
            Rotation::Right => (y, bottom - x),
            Rotation::Half => (right - x, bottom - y),
            Rotation::Left => (right - y, x),
        }
    }

    /// Where a part of the picture lies on the display, as far as it does.
    #[must_use]
    pub fn on_display(&self, part: Part) -> Part {
        let Extent { width, height } = self.picture;
        let clip = |at: u32, length: u32, room: u32| (at.min(room), at.saturating_add(length).min(room));
        let ((x, right), (y, bottom)) = (clip(part.x, part.width, width), clip(part.y, part.height, height));
        let (columns, rows) = match self.rotation {
            Rotation::None => ((x, right), (y, bottom)),
            Rotation::Right => ((height - bottom, height - y), (x, right)),
            Rotation::Half => ((width - right, width - x), (height - bottom, height - y)),
            Rotation::Left => ((y, bottom), (width - right, width - x)),
        };
        let on = |(begin, end): (u32, u32), from: i64, room: u32| {
            let at = |edge: u32| (from + i64::from(edge) * i64::from(self.scale)).clamp(0, i64::from(room));
            let at = |edge: u32| u32::try_from(at(edge)).unwrap_or(0);
            (at(begin), at(end) - at(begin))
        };
        let (x, width) = on(columns, self.left, self.display.width);
        let (y, height) = on(rows, self.top, self.display.height);
        Part { x, y, width, height }
    }

    /// What of the display has to be drawn when parts of the picture changed; `None` is everything, margins too.
    #[must_use]
    pub fn drawn(&self, changed: Option<&[Part]>) -> Vec<Part> {
        let all = Part { x: 0, y: 0, width: self.display.width, height: self.display.height };
        let mut parts = changed
            .map_or_else(|| vec![all], |parts| parts.iter().map(|part| self.on_display(*part)).collect::<Vec<_>>());
        parts.retain(|part| part.width > 0 && part.height > 0);
        parts
    }

    /// The bytes of `width` pixels of the display, from (`x`, `y`) to the right. Black beside the picture.
    pub fn row(&self, picture: &Picture<'_>, (x, y): (u32, u32), width: u32, format: Format, to: &mut Vec<u8>) {
        to.clear();
        let turned = self.picture.turned(self.rotation);
        let scale = i64::from(self.scale);
        let across = i64::from(self.picture.width);
        let last = i64::try_from(picture.pixels.len()).unwrap_or(0) - 1;
        // The pixel at column c and row r of the turned picture is origin + c · column + r · row.
        let (origin, column, row) = match self.rotation {
            Rotation::None => (0, 1, across),
            Rotation::Right => (last + 1 - across, -across, 1),
            Rotation::Half => (last, -1, -across),
            Rotation::Left => (across - 1, across, -1),
        };
        let r = (i64::from(y) - self.top).div_euclid(scale);
        let is_row = picture.size == self.picture && (0..i64::from(turned.height)).contains(&r);
        let columns = 0..i64::from(turned.width) * scale;
        for x in x..x.saturating_add(width) {
            let c = i64::from(x) - self.left;
            let at = if is_row && columns.contains(&c) { origin + c / scale * column + r * row } else { -1 };
            let word = usize::try_from(at).ok().and_then(|at| picture.pixels.get(at));
            format.push(word.copied().unwrap_or(0), to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURNS: [Rotation; 4] = [Rotation::None, Rotation::Right, Rotation::Half, Rotation::Left];

    const fn extent(width: u32, height: u32) -> Extent {
        Extent { width, height }
    }

    /// Rows of the display as text: a letter a pixel, a dot for black.
    #[track_caller]
    fn check(rotation: Rotation, display: (u32, u32), want: &str) {
        let words: Vec<u32> = "abcdef".bytes().map(u32::from).collect();
        let picture = Picture::new(&words, extent(3, 2)).expect("six pixels");
        let placement = Placement::new(picture.size(), extent(display.0, display.1), rotation);
        let mut shown = Vec::new();
        for y in 0..display.1 {
            let mut row = Vec::new();
            placement.row(&picture, (0, y), display.0, Format::Xrgb8888, &mut row);
            let letters = row.chunks(4).map(|bytes| if bytes[0] == 0 { '.' } else { char::from(bytes[0]) });
            shown.push(letters.collect::<String>());
        }
        assert_eq!(shown.join(" "), want);
    }

    #[test]
    fn a_picture_is_turned_clockwise() {
        check(Rotation::None, (3, 2), "abc def");
        check(Rotation::Right, (2, 3), "da eb fc");
        check(Rotation::Half, (3, 2), "fed cba");
        check(Rotation::Left, (2, 3), "cf be ad");
    }

    #[test]
    fn what_has_another_size_is_in_the_middle_enlarged_or_cropped() {
        check(Rotation::None, (5, 4), "..... .abc. .def. .....");
        check(Rotation::None, (7, 5), "aabbcc. aabbcc. ddeeff. ddeeff. .......");
        check(Rotation::Right, (4, 7), "ddaa ddaa eebb eebb ffcc ffcc ....");
        check(Rotation::None, (1, 1), "e");
        check(Rotation::Left, (1, 9), ". . . f e d . . .");
        check(Rotation::None, (0, 2), " ");
    }

    /// What a pixel shows and what is hit there are the same, for every size and turn.
    #[test]
    fn a_touch_hits_what_is_shown_there() {
        let size = extent(5, 3);
        let words: Vec<u32> = (1..=15).collect();
        let picture = Picture::new(&words, size).expect("fifteen pixels");
        for rotation in TURNS {
            for display in [(5, 3), (3, 5), (4, 2), (11, 7), (2, 40), (1, 1)] {
                let placement = Placement::new(size, extent(display.0, display.1), rotation);
                let mut shown = 0;
                for y in 0..display.1 {
                    for x in 0..display.0 {
                        let mut bytes = Vec::new();
                        placement.row(&picture, (x, y), 1, Format::Xrgb8888, &mut bytes);
                        let word = |(x, y): (u32, u32)| u8::try_from(1 + x + y * size.width).expect("small");
                        assert_eq!(bytes[0], placement.at(x, y).map_or(0, word), "{rotation:?} {display:?} {x} {y}");
                        shown += u32::from(bytes[0] > 0);
                    }
                }
                let all = Part { x: 0, y: 0, width: size.width, height: size.height };
                let part = placement.on_display(all);
                assert_eq!(part.width * part.height, shown, "{rotation:?} {display:?}");
            }
        }
    }

    /// Drawing what changed over what was there is the same as drawing everything.
    #[test]
    fn what_changed_is_enough() {
        let size = extent(40, 70);
        let before: Vec<u32> = (0..2800).collect();
        for rotation in TURNS {
            for display in [(40, 70), (70, 40), (90, 150), (33, 21)] {
                let placement = Placement::new(size, extent(display.0, display.1), rotation);
                let mut after = before.clone();
                for at in [41, 77, 90, 1500, 2799] {
                    after[at] = 0x00ff_ffff;
                }
                let [then, now] = [&before, &after].map(|words| Picture::new(words, size).expect("as many"));
                let changed = now.changed(&then).expect("of one size");
                assert_eq!(changed.len(), 3, "{changed:?}");
                let mut shown = draw(&placement, &then, &placement.drawn(None), Vec::new());
                shown = draw(&placement, &now, &placement.drawn(Some(&changed)), shown);
                assert_eq!(shown, draw(&placement, &now, &placement.drawn(None), Vec::new()));
            }
        }
        let picture = Picture::new(&before, size).expect("as many");
        assert_eq!(picture.changed(&picture), Some(Vec::new()));
        assert_eq!(picture.changed(&Picture::new(&before, extent(70, 40)).expect("as many")), None);
        assert!(Picture::new(&before, extent(40, 71)).is_none());
    }

    fn draw(placement: &Placement, picture: &Picture<'_>, parts: &[Part], mut shown: Vec<u8>) -> Vec<u8> {
        let Extent { width, height } = placement.display();
        let at = |x: u32, y: u32| usize::try_from((y * width + x) * 2).expect("small");
        shown.resize(at(0, height), 7);
        for part in parts {
            for y in part.y..part.y + part.height {
                let mut row = Vec::new();
                placement.row(picture, (part.x, y), part.width, Format::Rgb565, &mut row);
                shown[at(part.x, y)..at(part.x + part.width, y)].copy_from_slice(&row);
            }
        }
        shown
    }

    #[test]
    fn sixteen_bits_keep_the_upper_ones() {
        let mut bytes = Vec::new();
        for (word, want) in [(0x00ff_0000, 0xf800), (0x0000_ff00, 0x07e0), (0x0000_00ff, 0x001f), (0x0008_0408, 0x0821)]
        {
            bytes.clear();
            Format::Rgb565.push(word, &mut bytes);
            assert_eq!(u16::from_le_bytes([bytes[0], bytes[1]]), want);
        }
    }
}
