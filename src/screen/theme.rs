//! Colours and sizes. One hand for all pages, so that a colour means one thing.

use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};

/// Behind everything.
pub const PAPER: Rgb888 = Rgb888::new(16, 20, 26);
/// Behind what belongs together.
pub const PLATE: Rgb888 = Rgb888::new(30, 36, 45);
/// What is touched.
pub const KEY: Rgb888 = Rgb888::new(50, 60, 74);
/// What is touched next, as a rule.
pub const CALL: Rgb888 = Rgb888::new(24, 94, 168);
/// What is being touched.
pub const PRESSED: Rgb888 = Rgb888::new(90, 106, 128);
/// What has been chosen.
pub const CHOSEN: Rgb888 = Rgb888::new(222, 228, 236);
/// Letters.
pub const INK: Rgb888 = Rgb888::new(238, 241, 245);
/// Letters of less weight.
pub const FAINT: Rgb888 = Rgb888::new(172, 182, 195);
/// Letters on what has been chosen.
pub const DARK: Rgb888 = Rgb888::new(16, 20, 26);
/// Something weakens a result, or wants to be looked at.
pub const WARN: Rgb888 = Rgb888::new(250, 190, 70);
/// Something must not be: a refusal, a fault.
pub const STOP: Rgb888 = Rgb888::new(255, 140, 125);
/// The device, never a result, is well.
pub const WELL: Rgb888 = Rgb888::new(125, 215, 165);
/// The fused result.
pub const FUSED: Rgb888 = Rgb888::new(250, 190, 70);
/// What the CT says.
pub const CT: Rgb888 = Rgb888::new(120, 178, 250);
/// What the fields say.
pub const HE: Rgb888 = Rgb888::new(232, 138, 196);

/// The contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio"). Letters need 4.5.
#[must_use]
pub fn contrast(a: Rgb888, b: Rgb888) -> f64 {
    let luminance = |color: Rgb888| {
        let part = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.0722f64.mul_add(part(color.b()), 0.2126f64.mul_add(part(color.r()), 0.7152 * part(color.g())))
    };
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    (a / b).max(b / a)
}

/// What a panel is, as far as sizes go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Pixels of the panel, as they are seen: after a rotation.
    pub width: u16,
    /// Likewise.
    pub height: u16,
    /// Pixels for each of a panel of 150 dpi.
    pub scale: f32,
    /// Letters a quarter larger.
    pub large: bool,
}

/// What a finger in a glove needs, mm.
const FINGER_MM: f32 = 9.0;
const MM_PER_INCH: f32 = 25.4;
const DPI: f32 = 150.0;

/// The least letters, pixels of a panel of 150 dpi: 2.4 mm from the top of their square to the bottom.
const LEAST: u16 = 14;

impl Look {
    /// So many pixels of a panel of 150 dpi.
    #[must_use]
    pub fn px(&self, length: u16) -> u16 {
        rounded(f32::from(length) * self.scale)
    }

    /// The least edge of what is touched.
    #[must_use]
    pub fn finger(&self) -> u16 {
        rounded((FINGER_MM / MM_PER_INCH * DPI * self.scale).ceil())
    }

    /// The size of letters.
    #[must_use]
    pub fn letters(&self, size: u16) -> u16 {
        rounded(f32::from(size) * self.scale * if self.large { 1.25 } else { 1.0 })
    }

    /// The size below which letters never go, where they have little room.
    #[must_use]
    pub fn least_letters(&self) -> u16 {
        self.px(LEAST)
    }

    /// Whether it has room for few lines: a page then has more parts that are seen one after the other.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.height < self.px(560)
    }

    /// Whether it is higher than wide.
    #[must_use]
    pub const fn is_portrait(&self) -> bool {
        self.height > self.width
    }
}

fn rounded(length: f32) -> u16 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and lengths are positive")]
    let whole = length.round() as u16;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((contrast(Rgb888::BLACK, Rgb888::WHITE) - 21.0).abs() < 1e-9);
        // The lightest grey that still does on white.
        assert!(contrast(Rgb888::new(118, 118, 118), Rgb888::WHITE) > 4.5);
        assert!(contrast(Rgb888::new(119, 119, 119), Rgb888::WHITE) < 4.5);
    }

    // verifies: REQ-SCREEN-01
    #[test]
    fn letters_can_be_read_on_every_ground_they_stand_on() {
        for (ink, grounds) in [
            (INK, vec![PAPER, PLATE, KEY, CALL]),
            (FAINT, vec![PAPER, PLATE, KEY]),
            (DARK, vec![CHOSEN, WARN, STOP, WELL, CT, HE]),
            (WARN, vec![PAPER, PLATE, KEY]),
            (STOP, vec![PAPER, PLATE, KEY]),
            (WELL, vec![PAPER, PLATE, KEY]),
            (INK, vec![PRESSED]),
        ] {
            for ground in grounds {
                assert!(contrast(ink, ground) >= 4.5, "{ink:?} on {ground:?}: {}", contrast(ink, ground));
            }
        }
    }

    #[test]
    fn a_finger_is_nine_millimetres() {
        let look = Look { width: 1280, height: 800, scale: 1.0, large: false };
        assert_eq!(look.finger(), 54);
        assert_eq!(Look { scale: 0.9, ..look }.finger(), 48);
    }
}
