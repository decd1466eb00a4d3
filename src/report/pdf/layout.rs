//! What stands where on the pages.

use image::RgbImage;

use super::typeface::Typeface;

/// A4, in points: across, down.
pub(super) const PAGE: [f32; 2] = [595.28, 841.89];
pub(super) const LEFT: f32 = 48.0;
pub(super) const RIGHT: f32 = PAGE[0] - LEFT;
/// The first line's top, below the head of a page.
const TOP: f32 = 74.0;
/// Where a page's foot begins.
const BOTTOM: f32 = PAGE[1] - 60.0;
/// The size of running text.
const TEXT: f32 = 10.0;
/// From line to line, in sizes.
const LINE: f32 = 1.4;

/// By fusion, CT, H&E: name and colour.
pub(super) const BRANCHES: [(&str, [u8; 3]); 3] =
    [("fused", [200, 120, 0]), ("CT", [40, 100, 190]), ("H&E", [170, 60, 130])];

/// How words look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Faint,
}

impl Ink {
    pub(super) const fn is_bold(self) -> bool {
        matches!(self, Self::Strong)
    }

    pub(super) const fn color(self) -> [u8; 3] {
        match self {
            Self::Plain | Self::Strong => [20, 24, 30],
            Self::Faint => [95, 100, 110],
        }
    }
}

/// One thing on a page; `at` is its upper left corner, of a text the start of its base line.
#[derive(Debug, Clone)]
pub(super) enum Mark {
    Text { at: [f32; 2], size: f32, ink: Ink, text: String },
    Bar { at: [f32; 2], size: [f32; 2], color: [u8; 3] },
    Picture { at: [f32; 2], size: [f32; 2], picture: RgbImage },
}

/// Pages that are being filled from the top.
pub(super) struct Sheets<'a> {
    faces: &'a [Typeface; 2],
    pages: Vec<Vec<Mark>>,
    y: f32,
}

impl<'a> Sheets<'a> {
    pub(super) fn new(faces: &'a [Typeface; 2]) -> Self {
        Self { faces, pages: vec![Vec::new()], y: TOP }
    }

    /// Makes room for something so high: on a new page if this one has none.
    fn room(&mut self, height: f32) {
        if self.y + height > BOTTOM && self.pages.last().is_some_and(|page| !page.is_empty()) {
            self.pages.push(Vec::new());
            self.y = TOP;
        }
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn text(&mut self, at: [f32; 2], size: f32, ink: Ink, text: &str) {
        self.mark(Mark::Text { at, size, ink, text: text.to_owned() });
    }

    /// A paragraph, broken where the line ends.
    fn lines(&mut self, size: f32, ink: Ink, words: &str) {
        for line in self.faces[usize::from(ink.is_bold())].broken(words, size, RIGHT - LEFT) {
            self.room(size * LINE);
            self.text([LEFT, self.y + size], size, ink, &line);
            self.y += size * LINE;
        }
    }

    pub(super) fn words(&mut self, ink: Ink, words: &str) {
        self.lines(TEXT, ink, words);
    }

    pub(super) fn heading(&mut self, words: &str) {
        // Never alone at the foot of a page.
        self.room(60.0);
        self.gap(10.0);
        self.lines(15.0, Ink::Strong, words);
        self.gap(2.0);
    }

    pub(super) fn gap(&mut self, height: f32) {
        self.y += height;
    }

    /// Shares of 1, a row each, with a bar and a figure a column.
    pub(super) fn table(&mut self, columns: &[(&'static str, [u8; 3])], rows: &[(&str, Vec<f64>)]) {
        const NAME: f32 = 170.0;
        const COLUMN: f32 = 108.0;
        const BAR: f32 = 62.0;
        const ROW: f32 = 17.0;
        #[expect(clippy::cast_precision_loss, reason = "three columns and five rows")]
        let column = |index: usize| LEFT + NAME + COLUMN * index as f32;
        #[expect(clippy::cast_precision_loss, reason = "three columns and five rows")]
        self.room(ROW * (rows.len() + 1) as f32);
        for (index, (name, _)) in columns.iter().enumerate() {
            self.text([column(index), self.y + TEXT], TEXT, Ink::Strong, name);
        }
        self.y += ROW;
        for (name, shares) in rows {
            self.text([LEFT, self.y + TEXT], TEXT, Ink::Plain, name);
            for (index, (share, (_, color))) in shares.iter().zip(columns).enumerate() {
                #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
                let length = (*share as f32).clamp(0.0, 1.0) * BAR;
                self.mark(Mark::Bar { at: [column(index), self.y + 2.0], size: [length.max(0.5), 8.0], color: *color });
                self.text(
                    [column(index) + BAR + 6.0, self.y + TEXT],
                    TEXT,
                    Ink::Plain,
                    &format!("{:.1}%", share * 100.0),
                );
            }
            self.y += ROW;
        }
        self.gap(4.0);
    }

    /// A bar of two parts below its words: so much of it is CT's, the rest H&E's.
    pub(super) fn share(&mut self, words: &str, of_ct: f64) {
        self.room(TEXT * LINE + 14.0);
        self.words(Ink::Plain, words);
        let whole = 240.0;
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
        let of_ct = (of_ct as f32).clamp(0.0, 1.0) * whole;
        for (left, width, (_, color)) in [(0.0, of_ct, BRANCHES[1]), (of_ct, whole - of_ct, BRANCHES[2])] {
            if width > 0.0 {
                self.mark(Mark::Bar { at: [LEFT + left, self.y], size: [width, 8.0], color });
            }
        }
        self.gap(14.0);
    }

    /// A picture as wide as the page, or as high as half of it.
    pub(super) fn picture(&mut self, title: &str, picture: RgbImage) {
        #[expect(clippy::cast_precision_loss, reason = "sizes of pictures")]
        let [width, height] = [picture.width() as f32, picture.height() as f32];
        let scale = ((RIGHT - LEFT) / width).min((BOTTOM - TOP - 60.0) / 2.0 / height);
        let size = [width * scale, height * scale];
        self.room(size[1] + 40.0);
        self.gap(10.0);
        self.words(Ink::Strong, title);
        self.gap(4.0);
        self.mark(Mark::Picture { at: [LEFT, self.y], size, picture });
        self.y += size[1];
    }

    /// The pages, each with the notice at head and foot, and its number.
    pub(super) fn finished(mut self, notice: &str) -> Vec<Vec<Mark>> {
        let count = self.pages.len();
        let right = |face: &Typeface, words: &str| RIGHT - face.width(words, 9.0);
        for (number, page) in (1..).zip(&mut self.pages) {
            let of = format!("{number} of {count}");
            let text = |at, size, ink, text: &str| Mark::Text { at, size, ink, text: text.to_owned() };
            page.push(text([LEFT, 48.0], 13.0, Ink::Strong, "HILUM"));
            page.push(text([right(&self.faces[1], notice), 48.0], 9.0, Ink::Strong, notice));
            page.push(Mark::Bar { at: [LEFT, 56.0], size: [RIGHT - LEFT, 0.8], color: [120, 125, 135] });
            page.push(text([LEFT, PAGE[1] - 36.0], 9.0, Ink::Faint, notice));
            page.push(text([right(&self.faces[0], &of), PAGE[1] - 36.0], 9.0, Ink::Faint, &of));
        }
        self.pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_goes_to_another_page() {
        let faces = Typeface::both().expect("fonts");
        let mut sheets = Sheets::new(&faces);
        for _ in 0..110 {
            sheets.words(Ink::Plain, "one line");
        }
        let pages = sheets.finished("Notice.");
        assert_eq!(pages.len(), 3);
        for page in &pages {
            let notices =
                page.iter().filter(|mark| matches!(mark, Mark::Text { text, .. } if text == "Notice.")).count();
            assert_eq!(notices, 2);
            assert!(page.iter().all(|mark| match mark {
                Mark::Text { at, .. } | Mark::Bar { at, .. } | Mark::Picture { at, .. } => at[1] < PAGE[1] - 30.0,
            }));
        }
    }
}
