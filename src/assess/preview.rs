//! The live microscope, as far as time decides: is the slide at rest, was this place taken already, may a field be taken by itself,
//! and where does a map lie that belongs to an earlier picture?
//!
//! Pictures and times come in; what a single picture is worth is `hilum_imaging`'s to say.

use std::{sync::Arc, time::Duration};

use hilum_imaging::registration::{Thumb, overlap, shift};

/// A slide that moves by less of a picture's width in a second is at rest: the stage is not touched, it may creep.
const RESTS: f64 = 0.03;
/// A field is taken by itself after so long at rest on something good: whoever searches stops for as long before they look.
const SETTLES: Duration = Duration::from_millis(800);
/// A field that shows more than this of one that was taken is the same place.
pub const MOST_SHARED: f64 = 0.5;
/// What was found out about a place is found out again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// The share of a picture of `size` pixels that the field like it most shows too, and which field that is, from 0.
#[must_use]
pub fn shared(picture: &Thumb, fields: &[Arc<Thumb>], size: [u32; 2]) -> Option<(usize, f64)> {
    let shares =
        fields.iter().enumerate().map(|(index, field)| (index, overlap(shift(field, picture), size[0], size[1])));
    shares.filter(|(_, share)| *share > 0.0).max_by(|(_, one), (_, other)| one.total_cmp(other))
}

/// What a picture adds to what is known of those before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glance {
    /// The slide moves.
    pub moves: bool,
    /// For so long the slide has been at rest.
    pub rested: Duration,
    /// This place was taken: which field shows it, from 0.
    pub taken: Option<usize>,
}

/// What is known of the pictures so far.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    last: Option<(Arc<Thumb>, Duration)>,
    /// Since when the slide rests.
    since: Option<Duration>,
    /// What was found out about this place, when, and of how many fields.
    taken: Option<(Option<usize>, Duration, usize)>,
    /// A field was taken by itself here.
    done: bool,
}

impl Preview {
    /// Takes a picture of `size` pixels, at a time. `fields` are those that were taken.
    pub fn see(&mut self, picture: &Arc<Thumb>, size: [u32; 2], at: Duration, fields: &[Arc<Thumb>]) -> Glance {
        let moves =
            self.last.as_ref().is_some_and(|(last, when)| moved(last, picture, size[0], at.saturating_sub(*when)));
        self.last = Some((Arc::clone(picture), at));
        if moves || self.since.is_none() {
            (self.since, self.taken, self.done) = (Some(at), None, false);
        }
        let rested = self.since.map_or(Duration::ZERO, |since| at.saturating_sub(since));
        let known = self.taken.filter(|(_, when, of)| *of == fields.len() && at.saturating_sub(*when) < AGAIN);
        let taken = match known {
            Some((taken, ..)) => taken,
            // While it moves every place is another one.
            None if moves => None,
            None => {
                let found =
                    shared(picture, fields, size).filter(|(_, share)| *share > MOST_SHARED).map(|(index, _)| index);
                self.taken = Some((found, at, fields.len()));
                found
            }
        };
        Glance { moves, rested, taken }
    }

    /// Whether a field is to be taken by itself now, given that it would be a good one: once for each place.
    pub const fn takes(&mut self, glance: &Glance, is_good: bool) -> bool {
        let takes = is_good && !self.done && glance.taken.is_none() && glance.rested.as_millis() >= SETTLES.as_millis();
        self.done |= takes;
        takes
    }
}

/// Whether a slide moved between two pictures that are so far apart in time.
fn moved(before: &Thumb, now: &Thumb, width: u32, apart: Duration) -> bool {
    let found = shift(before, now);
    if !found.is_sure() {
        // Where there is nothing to be seen, nothing is seen to move.
        return before.has_detail() && now.has_detail();
    }
    let by = found.dx.hypot(found.dy) / f64::from(width.max(1));
    by > RESTS * apart.as_secs_f64().max(1.0 / 30.0)
}

/// By how many pixels a map that belongs to the picture `from` has to be moved to lie right on the picture `to`; nothing where they
/// do not show the same place.
#[must_use]
pub fn displaced(from: &Thumb, to: &Thumb, size: [u32; 2]) -> Option<[f64; 2]> {
    let found = shift(from, to);
    let enough = found.is_sure() && overlap(found, size[0], size[1]) > MOST_SHARED;
    enough.then_some([found.dx, found.dy])
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage, imageops};

    use super::*;

    const SIZE: [u32; 2] = [640, 360];

    /// A slide with something of every size on it.
    fn slide() -> RgbImage {
        let wave = |x: f64, y: f64| {
            (x / 37.0 + y / 53.0).sin() + (x / 11.0 - y / 17.0 + (y / 61.0).sin() * 3.0).sin() + (x * y / 9001.0).sin()
        };
        RgbImage::from_fn(2400, 1600, |x, y| {
            let value = wave(f64::from(x), f64::from(y));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "60 to 240")]
            let level = (150.0 + 28.0 * value) as u8;
            Rgb([level, level / 2, level])
        })
    }

    fn at(slide: &RgbImage, x: u32, y: u32) -> Arc<Thumb> {
        Arc::new(Thumb::of(&imageops::crop_imm(slide, x, y, SIZE[0], SIZE[1]).to_image()))
    }

    // verifies: REQ-SLIDE-05
    #[test]
    fn a_field_is_taken_once_where_the_slide_rests_and_not_where_one_was_taken() {
        let slide = slide();
        let mut preview = Preview::default();
        let mut fields = Vec::new();
        let mut now = Duration::ZERO;
        let mut taken = Vec::new();
        // Rests, travels to a place that shares most with it, then to one that shares nothing.
        let way: Vec<(u32, u32)> = std::iter::repeat_n((100, 100), 60)
            .chain((0..20).map(|step| (100 + step * 10, 100)))
            .chain(std::iter::repeat_n((290, 100), 60))
            .chain((0..30).map(|step| (290 + step * 40, 100 + step * 20)))
            .chain(std::iter::repeat_n((1450, 680), 60))
            .collect();
        for (x, y) in way {
            now += Duration::from_millis(33);
            let thumb = at(&slide, x, y);
            let glance = preview.see(&thumb, SIZE, now, &fields);
            if preview.takes(&glance, true) {
                taken.push((x, y));
                fields.push(thumb);
            }
        }
        assert_eq!(taken, [(100, 100), (1450, 680)]);
    }

    #[test]
    fn what_is_not_good_or_not_at_rest_is_not_taken() {
        let slide = slide();
        for (step, is_good) in [(0, false), (12, true)] {
            let mut preview = Preview::default();
            for number in 0..60 {
                let glance = preview.see(
                    &at(&slide, 10 + step * number, 40),
                    SIZE,
                    Duration::from_millis(u64::from(33 * number)),
                    &[],
                );
                assert!(!preview.takes(&glance, is_good), "picture {number}, step {step}");
                assert_eq!(glance.moves, step > 0 && number > 0);
            }
        }
    }

    // verifies: REQ-EXPLAIN-02
    #[test]
    fn a_map_is_moved_with_its_picture_or_not_shown() {
        let slide = slide();
        let from = at(&slide, 400, 300);
        let [dx, dy] = displaced(&from, &at(&slide, 420, 290), SIZE).expect("most of it is the same");
        assert!((dx + 20.0).abs() < 1.0 && (dy - 10.0).abs() < 1.0, "{dx} {dy}");
        assert_eq!(displaced(&from, &at(&slide, 1500, 900), SIZE), None);
    }
}
