//! Simulated cameras: pictures that are given, and a stage that moves a slide.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use image::RgbImage;

use super::{Camera, CameraFault, Picture, Shot};
use crate::linux::since_boot;

/// A camera that shows what a source gives it, a picture a frame, until the source is empty.
pub struct PhantomCamera<S> {
    source: S,
    pace: Pace,
}

impl<S: Iterator<Item = Arc<Picture>>> PhantomCamera<S> {
    /// A camera over `source` that gives so many pictures a second at most; as fast as it is asked without a rate.
    pub fn new(source: S, rate_hz: Option<f64>) -> Self {
        Self { source, pace: Pace::new(rate_hz) }
    }
}

impl<S: Iterator<Item = Arc<Picture>> + Send> Camera for PhantomCamera<S> {
    fn next(&mut self, _patience: Duration) -> Result<Shot, CameraFault> {
        let picture = self.source.next().ok_or(CameraFault::Absent)?;
        let sequence = self.pace.next();
        Ok(Shot { picture, sequence, at: since_boot() })
    }
}

/// When the next picture is due.
struct Pace {
    began: Option<Instant>,
    every: Duration,
    sequence: u64,
}

impl Pace {
    fn new(rate_hz: Option<f64>) -> Self {
        let every = rate_hz.map_or(Duration::ZERO, |hz| Duration::from_secs_f64(1.0 / hz.clamp(0.01, 1000.0)));
        Self { began: None, every, sequence: 0 }
    }

    /// Waits for the next picture and says its number. Whoever came too late has missed some.
    fn next(&mut self) -> u64 {
        let began = *self.began.get_or_insert_with(Instant::now);
        let now = began.elapsed();
        let missed = if self.every.is_zero() { 0 } else { now.as_nanos() / self.every.as_nanos() };
        let number = (self.sequence + 1).max(u64::try_from(missed).unwrap_or(u64::MAX));
        let due = self.every.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        thread::sleep(due.saturating_sub(now));
        self.sequence = number;
        number
    }
}

/// A stage that moves a slide under a camera: it travels, rests, is out of focus and is focused, under a lamp that is not even and
/// not quite steady, and the sensor makes noise. What it shows depends on the time alone.
pub struct Stage {
    slide: RgbImage,
    /// The slide out of focus, smaller: as it is at first while it is sought, and half way.
    planes: [RgbImage; 2],
    /// What is seen out of focus. The stage rests while it is shown.
    blurred: Option<Blurred>,
    size: [u32; 2],
    /// Levels of noise, by turns.
    noise: Vec<i8>,
    /// The share of light in 256ths, over the picture, one for every [`Stage::PATCH`] pixels.
    light: Vec<u16>,
    pace: Pace,
    every_s: f64,
}

/// A part of the slide, out of focus.
struct Blurred {
    corner: [u32; 2],
    plane: usize,
    image: RgbImage,
}

impl Stage {
    /// How often the planes are halved, and how far out of focus they are: standard deviations in pixels of the slide.
    const PLANES: [(u32, f32); 2] = [(2, 4.0), (1, 1.5)];
    /// A travel and a rest, seconds.
    const TRAVEL_S: f64 = 1.0;
    const REST_S: f64 = 4.0;
    /// Out of focus after every third travel, for so long.
    const SEARCH_S: f64 = 1.2;
    /// Standard deviation of the sensor's noise, levels.
    const NOISE: f64 = 1.5;
    /// The corners have so much less light.
    const VIGNETTE: f64 = 0.06;
    const PATCH: usize = 16;

    /// A stage under a camera of so many pixels across and down, or as many as the slide has.
    #[must_use]
    pub fn new(slide: RgbImage, size: [u32; 2], rate_hz: f64) -> Self {
        let size = [size[0].min(slide.width()), size[1].min(slide.height())];
        let planes = Self::PLANES.map(|(halvings, sigma)| {
            let times = 1 << halvings;
            let [width, height] = [slide.width(), slide.height()].map(|side: u32| side.div_ceil(times));
            #[expect(clippy::cast_precision_loss, reason = "a few")]
            let sigma = sigma / times as f32;
            image::imageops::fast_blur(&image::imageops::thumbnail(&slide, width, height), sigma)
        });
        let noise = noise(Self::NOISE);
        let [width, height] = size.map(f64::from);
        let patches = (size[0] as usize).div_ceil(Self::PATCH);
        let rows = (size[1] as usize).div_ceil(Self::PATCH);
        let light = (0..rows * patches).map(|at| {
            #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
            let [x, y] =
                [(at % patches * Self::PATCH) as f64 / width - 0.5, (at / patches * Self::PATCH) as f64 / height - 0.5];
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 256")]
            let share = (256.0 * (1.0 - Self::VIGNETTE * 2.0 * (x * x + y * y))).round() as u16;
            share
        });
        Self {
            slide,
            planes,
            blurred: None,
            size,
            noise,
            light: light.collect(),
            pace: Pace::new(Some(rate_hz)),
            every_s: 1.0 / rate_hz,
        }
    }

    /// Where the stage is after so many seconds: the upper left corner of what is seen, and the plane, if
    /// it is out of focus.
    fn place(&self, seconds: f64) -> ([u32; 2], Option<usize>) {
        let turn = Self::TRAVEL_S + Self::REST_S;
        let number = (seconds / turn).floor();
        let within = seconds - number * turn;
        let room = [self.slide.width() - self.size[0], self.slide.height() - self.size[1]];
        // Neighbours of this sequence (Roberts 2018) lie far apart, and it fills the slide evenly.
        let at = |number: f64| {
            let spread = |step: f64, room: u32| (0.5 + number * step).fract() * f64::from(room);
            [spread(0.754_877_666_246_692_7, room[0]), spread(0.569_840_290_998_053_2, room[1])]
        };
        let (from, to) = (at(number), at(number + 1.0));
        let way = (within / Self::TRAVEL_S).min(1.0);
        let eased = way * way * (3.0 - 2.0 * way);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the slide")]
        let corner = [0, 1].map(|axis| (from[axis] + (to[axis] - from[axis]) * eased).round() as u32);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
        let searches = number as u64 % 3 == 2;
        let rested = within - Self::TRAVEL_S;
        let share = rested / Self::SEARCH_S;
        (corner, (searches && (0.0..1.0).contains(&share)).then_some(usize::from(share >= 0.5)))
    }

    /// Keeps what is to be seen out of focus.
    fn focus(&mut self, corner: [u32; 2], plane: Option<usize>) {
        if self.blurred.as_ref().map(|blurred| (blurred.corner, blurred.plane)) != plane.map(|plane| (corner, plane)) {
            let image = |plane: usize| enlarged(&self.planes[plane], Self::PLANES[plane].0, corner, self.size);
            self.blurred = plane.map(|plane| Blurred { corner, plane, image: image(plane) });
        }
    }

    /// What the camera sees after so many seconds.
    #[must_use]
    pub fn seen(&mut self, seconds: f64) -> RgbImage {
        let (corner, plane) = self.place(seconds);
        self.focus(corner, plane);
        let (slide, [left, top]) = match &self.blurred {
            Some(blurred) => (&blurred.image, [0, 0]),
            None => (&self.slide, corner),
        };
        let [width, height] = self.size;
        let (row_bytes, slide_bytes) = (3 * width as usize, 3 * slide.width() as usize);
        // The mains, and a lamp that grows warm.
        let lamp = 1.0 + 0.01 * (seconds * 0.37).sin();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "about 256")]
        let lamp = (256.0 * lamp).round() as u32;
        let mut bytes = vec![0; row_bytes * height as usize];
        let patches = (width as usize).div_ceil(Self::PATCH);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "wraps around the table")]
        let turn = (seconds / self.every_s).round() as u64 as usize;
        for (y, row) in bytes.chunks_exact_mut(row_bytes).enumerate() {
            let from = (top as usize + y) * slide_bytes + 3 * left as usize;
            let slide = &slide.as_raw()[from..from + row_bytes];
            let light = &self.light[y / Self::PATCH * patches..][..patches];
            // A row has its own stretch of the noise, another one in each picture.
            let start = (turn.wrapping_mul(7919) + y.wrapping_mul(104_729)) % (self.noise.len() - row_bytes);
            let noise = &self.noise[start..start + row_bytes];
            let parts =
                row.chunks_mut(3 * Self::PATCH).zip(slide.chunks(3 * Self::PATCH)).zip(noise.chunks(3 * Self::PATCH));
            for (((out, slide), noise), light) in parts.zip(light) {
                let share = u32::from(*light) * lamp;
                for ((out, slide), noise) in out.iter_mut().zip(slide).zip(noise) {
                    let lit = i32::try_from((u32::from(*slide) * share) >> 16).unwrap_or(255) + i32::from(*noise);
                    *out = u8::try_from(lit.clamp(0, 255)).unwrap_or(255);
                }
            }
        }
        RgbImage::from_raw(width, height, bytes).unwrap_or_default()
    }
}

impl Camera for Stage {
    fn next(&mut self, _patience: Duration) -> Result<Shot, CameraFault> {
        let sequence = self.pace.next();
        #[expect(clippy::cast_precision_loss, reason = "counts of pictures")]
        let seconds = sequence as f64 * self.every_s;
        Ok(Shot { picture: Arc::new(Picture::Ready(Arc::new(self.seen(seconds)))), sequence, at: since_boot() })
    }
}

/// A part of an image that is enlarged, interpolated linearly: so many pixels from a corner on, both in pixels of the larger one.
fn enlarged(image: &RgbImage, doublings: u32, [left, top]: [u32; 2], [width, height]: [u32; 2]) -> RgbImage {
    // From the middle of a pixel to the next one's it is `whole` halves of a larger one: the pixels before and after, and the share
    // of that after.
    let whole = 2 << doublings;
    let between = |at: u32, size: u32| {
        let from = (2 * at + 1).saturating_sub(whole / 2);
        let before = (from / whole).min(size - 1);
        (before as usize, (before + 1).min(size - 1) as usize, from % whole)
    };
    let columns: Vec<_> = (left..left + width).map(|x| between(x, image.width())).collect();
    let row_bytes = 3 * image.width() as usize;
    let mut large = RgbImage::new(width, height);
    let mut mixed = vec![[0; 3]; image.width() as usize];
    for (y, out) in (top..).zip(large.chunks_exact_mut(3 * width as usize)) {
        let (above, below, down) = between(y, image.height());
        let [above, below] = [above, below].map(|y| image.as_raw()[y * row_bytes..][..row_bytes].as_chunks::<3>().0);
        for ((mixed, above), below) in mixed.iter_mut().zip(above).zip(below) {
            *mixed = [0, 1, 2].map(|i| u32::from(above[i]) * (whole - down) + u32::from(below[i]) * down);
        }
        for (out, &(before, after, across)) in out.as_chunks_mut::<3>().0.iter_mut().zip(&columns) {
            let (before, after) = (mixed[before], mixed[after]);
            *out = [0, 1, 2].map(|i| {
                let sum = before[i] * (whole - across) + after[i] * across + whole * whole / 2;
                u8::try_from(sum >> (2 * doublings + 2)).unwrap_or(255)
            });
        }
    }
    large
}

/// Noise of a sensor, the same each time: sums of uniform numbers are nearly normal.
fn noise(deviation: f64) -> Vec<i8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        // xorshift64 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f64::from(u32::try_from(state >> 32).unwrap_or(0)) / f64::from(u32::MAX) - 0.5
    };
    #[expect(clippy::cast_possible_truncation, reason = "a few levels")]
    let level = |sum: f64| (sum * deviation * 12.0_f64.sqrt() / 2.0).round() as i8;
    (0..1 << 17).map(|_| level(next() + next() + next() + next())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_numbered_and_end_with_the_source() {
        let picture = Arc::new(Picture::Ready(Arc::new(RgbImage::new(2, 2))));
        let mut camera = PhantomCamera::new(std::iter::repeat_n(picture, 2), None);
        let numbers: Vec<u64> = (0..2).map(|_| camera.next(Duration::ZERO).expect("a frame").sequence).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(matches!(camera.next(Duration::ZERO), Err(CameraFault::Absent)));
    }

    #[test]
    fn a_stage_travels_rests_and_is_focused() {
        let slide = RgbImage::from_fn(400, 300, |x, y| {
            image::Rgb(if (x / 3 + y / 5) % 2 == 0 { [90, 40, 120] } else { [230, 180, 210] })
        });
        let mut stage = Stage::new(slide, [160, 120], 30.0);
        let apart = |a: &RgbImage, b: &RgbImage| {
            let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            sum / u64::try_from(a.as_raw().len()).expect("small")
        };
        // At rest only the noise differs; while it travels everything does.
        let noise = apart(&stage.seen(3.0), &stage.seen(3.1));
        assert!((1..=4).contains(&noise), "{noise}");
        assert!(apart(&stage.seen(0.3), &stage.seen(0.5)) > 20);
        // The third rest begins out of focus.
        let contrast = |image: &RgbImage| apart(image, &image::imageops::fast_blur(image, 3.0));
        let (found, sought) = (contrast(&stage.seen(14.5)), contrast(&stage.seen(11.2)));
        assert!(found > 3 * sought, "{found} {sought}");
        // A slide that is smaller than the picture is seen whole.
        assert_eq!(Stage::new(RgbImage::new(40, 30), [160, 120], 30.0).seen(7.0).dimensions(), (40, 30));
    }

    #[test]
    fn an_enlarged_slope_stays_one_where_it_lay() {
        let level = |x: u32, y: u32| u8::try_from(8 * x + 4 * y).expect("a level");
        let slope = RgbImage::from_fn(20, 10, |x, y| image::Rgb([level(x, y), 0, level(0, y)]));
        for doublings in [1, 2] {
            let times = 1 << doublings;
            let large = enlarged(&slope, doublings, [times, times], [18 * times, 8 * times]);
            for (x, y, pixel) in large.enumerate_pixels() {
                // Twice the distance from the first pixel's middle, in larger pixels.
                let [x, y] = [x, y].map(|at| 2 * (at + times) + 1 - times);
                let want = (8 * x + 4 * y) / (2 * times);
                assert!(want.abs_diff(u32::from(pixel[0])) <= 1, "{times} times, {x}, {y}");
            }
        }
    }

    #[test]
    fn whoever_comes_late_has_missed_pictures() {
        let mut pace = Pace::new(Some(100.0));
        assert_eq!([pace.next(), pace.next()], [1, 2]);
        thread::sleep(Duration::from_millis(100));
        assert!(pace.next() >= 11);
        let mut unhurried = Pace::new(None);
        assert_eq!([unhurried.next(), unhurried.next()], [1, 2]);
    }
}
