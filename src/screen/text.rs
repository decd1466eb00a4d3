//! Text as people write it: shaped, broken into lines, in both directions, with the fonts that are built in.
//!
//! A block of text becomes a mask of coverage, one byte a pixel, once; painting it is mixing two colours. What is shown again
//! is not shaped again.

use std::{borrow::Cow, collections::HashMap, ops::Range, rc::Rc, sync::Arc};

use parley::{
    Alignment, AlignmentOptions, BaseDirection, FontContext, FontFamily, FontFamilyName, FontWeight, Layout,
    LayoutContext, LineHeight, OverflowWrap, PositionedLayoutItem, StyleProperty,
    fontique::{Blob, Collection, CollectionOptions, SourceCache},
    layout::BreakReason,
};
use swash::{
    FontRef,
    scale::{Render, ScaleContext, Source, image::Image},
    zeno::{Format, Vector},
};

/// The fonts, in the order in which a character is looked for. SIL Open Font License 1.1, `fonts/OFL.txt`.
const FONTS: [&[u8]; 8] = [
    include_bytes!("fonts/NotoSans-Regular.ttf"),
    include_bytes!("fonts/NotoSans-Bold.ttf"),
    include_bytes!("fonts/NotoSansThai-Regular.ttf"),
    include_bytes!("fonts/NotoSansThai-Bold.ttf"),
    include_bytes!("fonts/NotoSansDevanagari-Regular.ttf"),
    include_bytes!("fonts/NotoSansDevanagari-Bold.ttf"),
    include_bytes!("fonts/NotoSansArabic-Regular.ttf"),
    include_bytes!("fonts/NotoSansArabic-Bold.ttf"),
];
const FAMILIES: [FontFamilyName<'static>; 4] = [
    FontFamilyName::Named(Cow::Borrowed("Noto Sans")),
    FontFamilyName::Named(Cow::Borrowed("Noto Sans Thai")),
    FontFamilyName::Named(Cow::Borrowed("Noto Sans Devanagari")),
    FontFamilyName::Named(Cow::Borrowed("Noto Sans Arabic")),
];
/// Lines stand so far apart, as a share of the size: marks above and below of every script fit.
const LINE: f32 = 1.5;
/// So many pixels of masks are kept before the oldest half is forgotten.
const KEPT_PIXELS: usize = 8 << 20;

/// Where the lines of a block begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Align {
    /// Where reading begins: right in a language from right to left.
    Start,
    /// In the middle.
    Centre,
    /// Where reading ends.
    End,
}

/// How a block is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Style {
    /// The height of the letters' square, in pixels.
    pub size: u16,
    /// Heavier.
    pub bold: bool,
    /// Where lines begin.
    pub align: Align,
    /// Whether the language that surrounds it is read from right to left.
    pub rtl: bool,
    /// What has too little room: how it is made to fit.
    pub fit: Fit,
}

/// How text is made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// Its letters become smaller, down to this size in pixels, until no word is broken: what the catalogues say is always said
    /// whole.
    Smaller(u16),
    /// Likewise, but a word may be broken: a long number has to be copied whole.
    Broken(u16),
    /// Likewise, and at last what is in the middle is left out: what people type may have any length.
    Shorter(u16),
}

/// A block of text as coverage: 0 is the ground, 255 the ink.
#[derive(Debug, PartialEq, Eq)]
pub struct Mask {
    /// Pixels across, the width that was given.
    pub width: usize,
    /// Pixels down that its lines take.
    pub height: usize,
    /// Row by row.
    pub coverage: Vec<u8>,
    /// The columns that have ink: nothing has to be painted beside them.
    pub ink: Range<usize>,
    /// Pixels across that the longest line takes: above `width`, if a word is longer.
    pub longest: usize,
    /// Lines.
    pub lines: usize,
    /// Characters that no font has.
    pub missing: usize,
    /// Lines that end within a word because it is longer than a line.
    pub broken: usize,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    text: String,
    style: Style,
    width: u16,
    height: u16,
}

/// Sets text.
pub struct Typesetter {
    fonts: FontContext,
    layouts: LayoutContext<()>,
    scaler: ScaleContext,
    masks: HashMap<Key, (Rc<Mask>, u64)>,
    pixels: usize,
    asked: u64,
}

impl Default for Typesetter {
    fn default() -> Self {
        Self::new()
    }
}

/// A number of pixels that is not negative.
fn pixels(length: f32) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and negative is nothing")]
    let whole = length.ceil().max(0.0) as usize;
    whole
}

impl Typesetter {
    /// With the built-in fonts and no others.
    #[must_use]
    pub fn new() -> Self {
        let options = CollectionOptions { shared: false, system_fonts: false };
        let mut collection = Collection::new(options);
        for font in FONTS {
            collection.register_fonts(Blob::new(Arc::new(font)), None);
        }
        Self {
            fonts: FontContext { collection, source_cache: SourceCache::default() },
            layouts: LayoutContext::new(),
            scaler: ScaleContext::new(),
            masks: HashMap::new(),
            pixels: 0,
            asked: 0,
        }
    }

    /// The text as lines in so many pixels across and down, as large as it fits up to the style's size. What does not fit at all
    /// is larger than that.
    pub fn set(&mut self, text: &str, style: Style, width: u16, height: u16) -> Rc<Mask> {
        self.asked += 1;
        let key = Key { text: text.to_owned(), style, width, height };
        if let Some((mask, used)) = self.masks.get_mut(&key) {
            *used = self.asked;
            return Rc::clone(mask);
        }
        let mask = Rc::new(self.fitted(text, style, width, height));
        self.pixels += mask.coverage.len();
        if self.pixels > KEPT_PIXELS {
            self.forget();
        }
        self.masks.insert(key, (Rc::clone(&mask), self.asked));
        mask
    }

    fn fitted(&mut self, text: &str, style: Style, width: u16, height: u16) -> Mask {
        let (Fit::Smaller(least) | Fit::Broken(least) | Fit::Shorter(least)) = style.fit;
        let mut size = style.size;
        loop {
            let set = Style { size, ..style };
            let layout = self.layout(text, set, width);
            let words = matches!(style.fit, Fit::Smaller(_));
            let fits = is_in(&layout, width, height) && !(words && broken(&layout) > 0);
            if fits || size <= least {
                if fits || !matches!(style.fit, Fit::Shorter(_)) {
                    return self.mask(&layout, width);
                }
                return self.shortened(text, set, width, height);
            }
            // A step of a twelfth: it is seen as the same size.
            size = (size - size.div_ceil(12)).max(least);
        }
    }

    /// As much of both ends as fits.
    fn shortened(&mut self, text: &str, style: Style, width: u16, height: u16) -> Mask {
        let characters: Vec<char> = text.chars().collect();
        let with = |kept: usize| -> String {
            let (head, tail) = (kept.div_ceil(2), characters.len() - kept / 2);
            // A mark does not stand alone.
            let tail = characters[tail..].iter().skip_while(|character| is_mark(**character));
            characters[..head].iter().chain(std::iter::once(&'\u{2026}')).chain(tail).collect()
        };
        let (mut fits, mut not) = (0, characters.len());
        while fits + 1 < not {
            let middle = usize::midpoint(fits, not);
            if is_in(&self.layout(&with(middle), style, width), width, height) {
                fits = middle;
            } else {
                not = middle;
            }
        }
        let layout = self.layout(&with(fits), style, width);
        self.mask(&layout, width)
    }

    /// Forgets the half that was not asked for the longest time.
    fn forget(&mut self) {
        let mut used: Vec<u64> = self.masks.values().map(|(_, used)| *used).collect();
        used.sort_unstable();
        let median = used.get(used.len() / 2).copied().unwrap_or_default();
        self.masks.retain(|_, (_, used)| *used > median);
        self.pixels = self.masks.values().map(|(mask, _)| mask.coverage.len()).sum();
    }

    fn layout(&mut self, text: &str, style: Style, width: u16) -> Layout<()> {
        let mut builder = self.layouts.ranged_builder(&mut self.fonts, text, 1.0, true);
        builder.push_default(StyleProperty::FontFamily(FontFamily::List(Cow::Borrowed(&FAMILIES))));
        builder.push_default(StyleProperty::FontSize(f32::from(style.size)));
        builder.push_default(LineHeight::FontSizeRelative(LINE));
        builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::Anywhere));
        if style.bold {
            builder.push_default(FontWeight::BOLD);
        }
        // Identifiers, figures and English keep their order in a language from right to left.
        if style.rtl && text.chars().any(is_rtl) {
            builder.set_base_direction(BaseDirection::Rtl);
        }
        let mut layout = builder.build(text);
        layout.break_all_lines(Some(f32::from(width)));
        let align = match (style.align, style.rtl) {
            (Align::Centre, _) => Alignment::Center,
            (Align::Start, false) | (Align::End, true) => Alignment::Left,
            (Align::Start, true) | (Align::End, false) => Alignment::Right,
        };
        layout.align(align, AlignmentOptions::default());
        layout
    }

    fn mask(&mut self, layout: &Layout<()>, width: u16) -> Mask {
        let mut mask = Mask {
            width: usize::from(width),
            height: pixels(layout.height()),
            coverage: Vec::new(),
            ink: usize::from(width)..0,
            longest: pixels(layout.width()),
            lines: layout.len(),
            missing: 0,
            broken: broken(layout),
        };
        mask.coverage = vec![0; mask.width * mask.height];
        let mut image = Image::new();
        for line in layout.lines() {
            for item in line.items() {
                let PositionedLayoutItem::GlyphRun(run) = item else { continue };
                let font = run.run().font();
                let Some(face) = FontRef::from_index(font.data.as_ref(), 0) else { continue };
                let mut scaler = self
                    .scaler
                    .builder_with_id(face, [font.data.id(), 0])
                    .size(run.run().font_size())
                    .hint(false)
                    .build();
                for glyph in run.positioned_glyphs() {
                    let Ok(id) = u16::try_from(glyph.id) else { continue };
                    mask.missing += usize::from(id == 0);
                    let (x, y) = (glyph.x.floor(), glyph.y.round());
                    image.clear();
                    let drawn = Render::new(&[Source::Outline])
                        .format(Format::Alpha)
                        .offset(Vector::new(quarter(glyph.x - x), 0.0))
                        .render_into(&mut scaler, id, &mut image);
                    if drawn {
                        #[expect(clippy::cast_possible_truncation, reason = "saturates: far outside is outside")]
                        mask.add(&image, x as i32 + image.placement.left, y as i32 - image.placement.top);
                    }
                }
            }
        }
        mask
    }
}

fn is_in(layout: &Layout<()>, width: u16, height: u16) -> bool {
    pixels(layout.width()) <= usize::from(width) && pixels(layout.height()) <= usize::from(height)
}

/// Lines that end within a word.
fn broken(layout: &Layout<()>) -> usize {
    layout.lines().filter(|line| line.break_reason() == BreakReason::Emergency).count()
}

/// Whether every character of a text is seen, in its place: the fonts have it, and it is none that is invisible or turns others
/// around (UAX #9, 2.4 to 2.6). Identifiers that look the same are the same.
pub(crate) fn is_legible(text: &str) -> bool {
    let faces: Vec<FontRef<'_>> = FONTS.iter().filter_map(|font| FontRef::from_index(font, 0)).collect();
    text.chars().all(|character| {
        let unseen = matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        !unseen && faces.iter().any(|face| face.charmap().map(character) != 0)
    })
}

/// Whether a character stands on, below or around another one.
pub(crate) fn is_mark(character: char) -> bool {
    matches!(character,
        '\u{0300}'..='\u{036f}' | '\u{0e31}' | '\u{0e34}'..='\u{0e3a}' | '\u{0e47}'..='\u{0e4e}'
        | '\u{0900}'..='\u{0903}' | '\u{093a}'..='\u{094f}' | '\u{0951}'..='\u{0957}'
        | '\u{064b}'..='\u{0652}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Whether a character is of a script from right to left: Hebrew, Arabic and what lies around them, with the presentation forms.
fn is_rtl(character: char) -> bool {
    matches!(character, '\u{0590}'..='\u{08ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

/// Glyphs stand at quarters of a pixel.
fn quarter(offset: f32) -> f32 {
    (offset * 4.0).floor() / 4.0
}

impl Mask {
    /// Adds a glyph whose upper left corner is at `x`, `y`. Marks overlap their letters: the darker of the two stays.
    fn add(&mut self, glyph: &Image, x: i32, y: i32) {
        let (Ok(width), Ok(height)) = (usize::try_from(glyph.placement.width), usize::try_from(glyph.placement.height))
        else {
            return;
        };
        let column = |at: usize| offset(at, x).unwrap_or(0).min(self.width);
        self.ink = self.ink.start.min(column(0))..self.ink.end.max(column(width));
        for row in 0..height {
            let Some(to_row) = offset(row, y).filter(|&to_row| to_row < self.height) else { continue };
            for column in 0..width {
                let Some(to) = offset(column, x).filter(|&to| to < self.width) else { continue };
                let ink = &mut self.coverage[to_row * self.width + to];
                *ink = (*ink).max(glyph.data[row * width + column]);
            }
        }
    }
}

fn offset(at: usize, by: i32) -> Option<usize> {
    i64::try_from(at).ok().and_then(|at| usize::try_from(at + i64::from(by)).ok())
}
