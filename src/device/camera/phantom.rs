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
    /// The slide, in focus and further and further out of it.
    planes: Vec<RgbImage>,
    size: [u32; 2],
    /// Levels of noise, by turns.
    noise: Vec<i8>,
    /// The share of light in 256ths, over the picture, one for every [`Stage::PATCH`] pixels.
    light: Vec<u16>,
    pace: Pace,
    every_s: f64,
}

impl Stage {
    /// How far the planes are out of focus: standard deviations in pixels.
    const PLANES: [f32; 3] = [0.0, 1.5, 4.0];
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
        let blurred =
            Self::PLANES[1..].iter().map(|sigma| image::imageops::fast_blur(&slide, *sigma)).collect::<Vec<_>>();
        let planes = std::iter::once(slide).chain(blurred).collect();
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
        Self { planes, size, noise, light: light.collect(), pace: Pace::new(Some(rate_hz)), every_s: 1.0 / rate_hz }
    }

    /// Where the stage is after so many seconds: the upper left corner of what is seen, and the plane.
    fn place(&self, seconds: f64) -> ([u32; 2], usize) {
        let turn = Self::TRAVEL_S + Self::REST_S;
        let number = (seconds / turn).floor();
        let within = seconds - number * turn;
        let slide = &self.planes[0];
        let room = [slide.width() - self.size[0], slide.height() - self.size[1]];
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
        let plane = match rested {
            rested if rested < 0.0 => 0,
            rested if searches && rested < Self::SEARCH_S / 2.0 => 2,
            rested if searches && rested < Self::SEARCH_S => 1,
            _ => 0,
        };
        (corner, plane)
    }

    /// What the camera sees after so many seconds.
    #[must_use]
    pub fn seen(&self, seconds: f64) -> RgbImage {
        let ([left, top], plane) = self.place(seconds);
        let plane = &self.planes[plane];
        let [width, height] = self.size;
        let (row_bytes, slide_bytes) = (3 * width as usize, 3 * plane.width() as usize);
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
            let slide = &plane.as_raw()[from..from + row_bytes];
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
        Ok(Shot { picture: Arc::new(Picture::Ready(self.seen(seconds))), sequence, at: since_boot() })
    }
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
        let picture = Arc::new(Picture::Ready(RgbImage::new(2, 2)));
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
        let stage = Stage::new(slide, [160, 120], 30.0);
        let apart = |a: &RgbImage, b: &RgbImage| {
            let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            sum / u64::try_from(a.as_raw().len()).expect("small")
        };
        // At rest only the noise differs; while it travels everything does.
        assert!(
            (1..=4).contains(&apart(&stage.seen(3.0), &stage.seen(3.1))),
            "{}",
            apart(&stage.seen(3.0), &stage.seen(3.1))
        );
        assert!(apart(&stage.seen(0.3), &stage.seen(0.5)) > 20);
        // The third rest begins out of focus.
        let contrast = |image: &RgbImage| apart(image, &image::imageops::fast_blur(image, 3.0));
        let (found, sought) = (contrast(&stage.seen(14.5)), contrast(&stage.seen(11.2)));
        assert!(found > 3 * sought, "{found} {sought}");
        // A slide that is smaller than the picture is seen whole.
        assert_eq!(Stage::new(RgbImage::new(40, 30), [160, 120], 30.0).seen(7.0).dimensions(), (40, 30));
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
