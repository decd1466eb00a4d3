//! The built-in fonts: glyphs and their widths. Latin letters one by one, as they stand in the result: nothing is shaped.

use krilla::text::{Font, GlyphId, KrillaGlyph};
use swash::FontRef;

/// SIL Open Font License 1.1, beside the fonts.
const FONTS: [&[u8]; 2] =
    [include_bytes!("../../screen/fonts/NotoSans-Regular.ttf"), include_bytes!("../../screen/fonts/NotoSans-Bold.ttf")];

/// One cut of the font.
pub(super) struct Typeface {
    glyphs: FontRef<'static>,
    font: Font,
    units_per_em: f32,
}

impl Typeface {
    /// Regular and bold; `None` if one is damaged.
    pub(super) fn both() -> Option<[Self; 2]> {
        let [regular, bold] = FONTS.map(Self::of);
        Some([regular?, bold?])
    }

    fn of(data: &'static [u8]) -> Option<Self> {
        let glyphs = FontRef::from_index(data, 0)?;
        let font = Font::new(data.into(), 0)?;
        let units_per_em = f32::from(glyphs.metrics(&[]).units_per_em);
        Some(Self { glyphs, font, units_per_em })
    }

    pub(super) fn font(&self) -> Font {
        self.font.clone()
    }

    /// The glyphs of a text; a question mark for what the font does not have.
    pub(super) fn glyphs(&self, text: &str) -> Vec<KrillaGlyph> {
        let map = self.glyphs.charmap();
        let metrics = self.glyphs.glyph_metrics(&[]);
        let glyph = |(at, character): (usize, char)| {
            let id = Some(map.map(character)).filter(|id| *id != 0).unwrap_or_else(|| map.map('?'));
            let advance = metrics.advance_width(id) / self.units_per_em;
            let range = at..at + character.len_utf8();
            KrillaGlyph::new(GlyphId::new(u32::from(id)), advance, 0.0, 0.0, 0.0, range, None)
        };
        text.char_indices().map(glyph).collect()
    }

    /// How wide a text is.
    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        self.glyphs(text).iter().map(|glyph| glyph.x_advance * size).sum()
    }

    /// Lines of at most `width`, broken at spaces; a word that is wider stands alone.
    pub(super) fn broken(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            let Some(line) = lines.last_mut() else { break };
            if line.is_empty() {
                line.push_str(word);
            } else if self.width(&format!("{line} {word}"), size) <= width {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_wider_than_asked() {
        let [regular, _] = Typeface::both().expect("fonts");
        let text = "use an objective of at least 10x, or give the scale in µm per pixel";
        let lines = regular.broken(text, 10.0, 120.0);
        assert!(lines.len() > 2 && lines.iter().all(|line| regular.width(line, 10.0) <= 120.0), "{lines:?}");
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn every_character_has_a_glyph() {
        let [regular, _] = Typeface::both().expect("fonts");
        let glyphs = regular.glyphs("aµ•山");
        let question = regular.glyphs("?")[0].glyph_id;
        assert_eq!(
            glyphs.iter().map(|glyph| glyph.glyph_id == question).collect::<Vec<_>>(),
            [false, false, false, true]
        );
    }
}
