//! Correction of uneven light, from a picture of clear glass.
//!
//! A gain for each place and channel that makes the white field even (flat-field correction: Model, "Intensity calibration
//! and flat-field correction for fluorescence microscopes", 2014; for bright field there is no background to subtract).
//! Smooth by construction: what is smaller than a grid cell is dirt, which moves when the slide does. Even means as bright
//! as the brightest part, not as 255: exposure stays as it is.

use image::RgbImage;
use rayon::prelude::*;

/// Distance of the grid's nodes, in pixels.
const CELL: u32 = 32;
/// Gains are kept in 1/16384.
const UNIT: f64 = 16_384.0;
/// More gain than this makes noise of shadow; it also is what 16 bits hold.
const MOST_GAIN: f64 = 3.9;
/// The brightest part must have this mean level at least in its brightest channel.
const LEAST_LEVEL: f64 = 80.0;
/// A white field in which more pixels than this have a channel at 254 or 255 does not show how bright it is.
const MOST_CLIPPED: f64 = 0.005;
/// A cell is uneven where its levels deviate this much from smooth light: the level's share, and levels of noise beyond it.
const UNEVEN_SHARE: f64 = 0.04;
const NOISE_LEVELS: f64 = 6.0;
/// The share of uneven cells, dirt on the glass, that is put up with.
const MOST_UNEVEN: f64 = 0.03;
/// Light falls off smoothly from its middle: cells may deviate by this share from a surface of second order.
const SURFACE_SHARE: f64 = 0.10;

/// The gains that make a camera's white field even. Each is at least 1 in the brightest part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shading {
    width: u32,
    height: u32,
    /// At every node, R, G, B, in 1/16384. Nodes lie half a cell outside the first pixel and every [`CELL`] pixels from there.
    gains: Vec<[u16; 3]>,
}

/// Why a picture is no white field.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NotWhite {
    /// Smaller than four cells.
    #[error("the picture is smaller than {} pixels", 4 * CELL)]
    TooSmall,
    /// The lamp is too low, or off.
    #[error("the brightest part has a level of {level:.0}")]
    TooDark {
        /// Mean level of its brightest channel.
        level: f64,
    },
    /// Where a level is 255, how bright it was is not known.
    #[error("{:.1}% of the pixels are clipped", share * 100.0)]
    Clipped {
        /// The share of pixels with a channel at 254 or 255.
        share: f64,
    },
    /// There is something on the glass.
    #[error("{:.0}% of the picture is not clear", share * 100.0)]
    NotClear {
        /// The share of cells that are not even.
        share: f64,
    },
    /// A part is nearly black.
    #[error("a part of the picture is {factor:.1} times darker than the brightest")]
    TooUneven {
        /// The gain that it would need.
        factor: f64,
    },
}

/// A picture has another size than the white field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the white field has {white:?} pixels, the picture {picture:?}")]
pub struct OtherSize {
    /// Width and height of the white field.
    pub white: [u32; 2],
    /// Width and height of the picture.
    pub picture: [u32; 2],
}

/// Bytes that are no shading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no shading")]
pub struct NotShading;

/// Marks the bytes of a shading, with the version of their layout.
const MAGIC: [u8; 4] = *b"HSH1";

/// Cells along an axis; there is one node more beyond each end, and up to half a cell beyond the last cell has none.
fn cells(length: u32) -> usize {
    ((length.saturating_add(CELL / 2 - 1)) / CELL) as usize
}

impl Shading {
    /// The shading that a picture of clear glass shows.
    ///
    /// # Errors
    /// [`NotWhite`] if the picture does not show even, clear, unclipped light.
    pub fn of(white: &RgbImage) -> Result<Self, NotWhite> {
        let (width, height) = white.dimensions();
        if width.min(height) < 4 * CELL {
            return Err(NotWhite::TooSmall);
        }
        let clipped =
            white.as_raw().as_chunks::<3>().0.iter().filter(|pixel| pixel.iter().any(|&level| level >= 254)).count();
        #[expect(clippy::cast_precision_loss, reason = "pixel counts are far below 2^52")]
        let share = clipped as f64 / (white.as_raw().len() / 3) as f64;
        let grid = Grid::of(white);
        let brightest: [f64; 3] = std::array::from_fn(|channel| grid.brightest(channel));
        let level = brightest.into_iter().fold(0.0, f64::max);
        if level < LEAST_LEVEL {
            return Err(NotWhite::TooDark { level });
        }
        if share > MOST_CLIPPED {
            return Err(NotWhite::Clipped { share });
        }
        let darkest = |mean: &[f64; 3]| (0..3).map(|c| brightest[c] / mean[c].max(1e-3)).fold(1.0, f64::max);
        let dark: Vec<f64> = grid.mean.iter().map(darkest).filter(|&factor| factor > MOST_GAIN).collect();
        if grid.share(dark.len()) > MOST_UNEVEN {
            return Err(NotWhite::TooUneven { factor: dark.into_iter().fold(1.0, f64::max) });
        }
        let (rough, off) = (grid.rough(), grid.off());
        let share = grid.share(rough.iter().zip(&off).filter(|(rough, off)| **rough || **off).count());
        if share > MOST_UNEVEN {
            return Err(NotWhite::NotClear { share });
        }
        let grid = grid.without(&rough, &off);
        let brightest: [f64; 3] = std::array::from_fn(|channel| grid.brightest(channel));
        let nodes = grid.smoothed().with_rim();
        let factor = nodes.iter().flat_map(|node| (0..3).map(|c| brightest[c] / node[c].max(1e-3))).fold(1.0, f64::max);
        if factor > MOST_GAIN {
            return Err(NotWhite::TooUneven { factor });
        }
        let gain = |level: f64, brightest: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 3.9 × 16384")]
            let gain = (brightest / level * UNIT).round() as u16;
            gain
        };
        let gains = nodes.iter().map(|node| std::array::from_fn(|c| gain(node[c], brightest[c]))).collect();
        Ok(Self { width, height, gains })
    }

    /// Width and height of the pictures that it corrects, in pixels.
    #[must_use]
    pub fn size(&self) -> [u32; 2] {
        [self.width, self.height]
    }

    /// The largest gain of any channel.
    #[must_use]
    pub fn largest_gain(&self) -> f64 {
        f64::from(self.gains.iter().flatten().copied().max().unwrap_or(0)) / UNIT
    }

    /// The picture in even light. Levels beyond 255 become 255.
    ///
    /// # Errors
    /// [`OtherSize`] if the picture is not as large as the white field was.
    pub fn apply(&self, image: &RgbImage) -> Result<RgbImage, OtherSize> {
        if image.dimensions() != (self.width, self.height) {
            return Err(OtherSize { white: self.size(), picture: [image.width(), image.height()] });
        }
        let stride = 3 * self.width as usize;
        let lines: Vec<Vec<i32>> =
            self.gains.chunks_exact(cells(self.width) + 2).map(|nodes| along(nodes, stride)).collect();
        let mut corrected = RgbImage::new(self.width, self.height);
        let target: &mut [u8] = &mut corrected;
        let half = CELL as usize / 2;
        // A band of rows lies between two rows of nodes. The first is half a cell high: it begins in the middle between two.
        let level = fearless_simd::Level::new();
        target.par_chunks_mut(stride * half).zip(image.as_raw().par_chunks(stride * half)).enumerate().for_each(
            |(band, (target, source))| {
                let (above, below) = (&lines[band.div_ceil(2)], &lines[band.div_ceil(2) + 1]);
                let first = if band % 2 == 0 { CELL / 2 } else { 0 };
                for ((row, out), line) in
                    (first..).zip(target.chunks_exact_mut(stride)).zip(source.chunks_exact(stride))
                {
                    let below_64ths = (2 * row + 1).cast_signed();
                    fearless_simd::dispatch!(level, simd => amplify(simd, out, line, above, below, below_64ths));
                }
            },
        );
        Ok(corrected)
    }

    /// The shading as bytes, the same on every machine; 26 kB for 1920 × 1080 pixels.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + 6 * self.gains.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.width.to_le_bytes());
        bytes.extend_from_slice(&self.height.to_le_bytes());
        bytes.extend(self.gains.iter().flatten().flat_map(|gain| gain.to_le_bytes()));
        bytes
    }

    /// The shading whose [`to_bytes`](Self::to_bytes) these are.
    ///
    /// # Errors
    /// [`NotShading`] if they are not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotShading> {
        let (head, rest) = bytes.split_first_chunk::<12>().ok_or(NotShading)?;
        let [m0, m1, m2, m3, w0, w1, w2, w3, h0, h1, h2, h3] = *head;
        let (width, height) = (u32::from_le_bytes([w0, w1, w2, w3]), u32::from_le_bytes([h0, h1, h2, h3]));
        let nodes = (cells(width) + 2).checked_mul(cells(height) + 2).and_then(|nodes| nodes.checked_mul(6));
        if [m0, m1, m2, m3] != MAGIC || width.min(height) < 4 * CELL || nodes != Some(rest.len()) {
            return Err(NotShading);
        }
        let gain =
            |bytes: &[u8; 6]| [0, 1, 2].map(|channel| u16::from_le_bytes([bytes[2 * channel], bytes[2 * channel + 1]]));
        let gains: Vec<[u16; 3]> = rest.as_chunks::<6>().0.iter().map(gain).collect();
        Ok(Self { width, height, gains })
    }
}

/// The gains of one row of nodes at every sample of a row of pixels.
fn along(nodes: &[[u16; 3]], stride: usize) -> Vec<i32> {
    let mut line = Vec::with_capacity(stride);
    for x in 0..stride / 3 {
        // A node lies between two pixels.
        let from_first = x + CELL as usize / 2;
        let (node, pixel) = (from_first / CELL as usize, from_first % CELL as usize);
        let right = i32::try_from(2 * pixel + 1).unwrap_or(0);
        for (&near, &far) in nodes[node].iter().zip(&nodes[node + 1]) {
            let (near, far) = (i32::from(near), i32::from(far));
            line.push(near + (((far - near) * right) >> 6));
        }
    }
    line
}

/// A row of levels times its gains, to the nearest level.
#[inline(always)]
fn amplify<S: fearless_simd::Simd>(_: S, out: &mut [u8], line: &[u8], above: &[i32], below: &[i32], below_64ths: i32) {
    for (((out, &level), &above), &below) in out.iter_mut().zip(line).zip(above).zip(below) {
        let gain = above + (((below - above) * below_64ths) >> 6);
        let level = ((i32::from(level) * gain + 8_192) >> 14).min(255);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
        let level = level as u8;
        *out = level;
    }
}

/// Mean levels and their spread in cells of a white field.
struct Grid {
    columns: usize,
    rows: usize,
    mean: Vec<[f64; 3]>,
    /// Root mean square of the differences from the plane through the cell.
    residual: Vec<f64>,
}

impl Grid {
    fn of(white: &RgbImage) -> Self {
        let (columns, rows) = (cells(white.width()), cells(white.height()));
        let measured: Vec<([f64; 3], f64)> = (0..rows * columns)
            .into_par_iter()
            .map(|index| {
                // The cells of the last column and row are as large as the others, and overlap those before.
                let at =
                    |cell: usize, length: u32| u32::try_from(cell).unwrap_or(0).saturating_mul(CELL).min(length - CELL);
                measure(white, at(index % columns, white.width()), at(index / columns, white.height()))
            })
            .collect();
        let (mean, residual) = measured.into_iter().unzip();
        // What overlaps is moved to where its cell's middle would lie.
        Self { columns, rows, mean, residual }.moved([white.width(), white.height()])
    }

    /// Continues the last column and row to their cells' middles.
    fn moved(mut self, size: [u32; 2]) -> Self {
        let beyond = |length: u32| {
            let left_over = length % CELL;
            if left_over > CELL / 2 { f64::from(CELL - left_over) / f64::from(CELL) } else { 0.0 }
        };
        let (columns, rows) = (self.columns, self.rows);
        let continued = |last: [f64; 3], before: [f64; 3], beyond: f64| -> [f64; 3] {
            // The last cell's middle lies 1 − beyond from the one before.
            let slope = beyond / (1.0 - beyond);
            std::array::from_fn(|c| (last[c] + (last[c] - before[c]) * slope).clamp(0.5, 255.0))
        };
        if beyond(size[0]) > 0.0 {
            for row in 0..rows {
                let last = row * columns + columns - 1;
                self.mean[last] = continued(self.mean[last], self.mean[last - 1], beyond(size[0]));
            }
        }
        if beyond(size[1]) > 0.0 {
            for column in 0..columns {
                let last = (rows - 1) * columns + column;
                self.mean[last] = continued(self.mean[last], self.mean[last - columns], beyond(size[1]));
            }
        }
        self
    }

    fn brightest(&self, channel: usize) -> f64 {
        self.smoothed().mean.iter().map(|mean| mean[channel]).fold(0.0, f64::max)
    }

    /// Which cells have something in them.
    fn rough(&self) -> Vec<bool> {
        let rough = |(mean, residual): (&[f64; 3], &f64)| *residual > NOISE_LEVELS + UNEVEN_SHARE * mean[1];
        self.mean.iter().zip(&self.residual).map(rough).collect()
    }

    /// Which cells are not as bright as a smooth fall of light would have them.
    fn off(&self) -> Vec<bool> {
        let surfaces = [0, 1, 2].map(|channel| Surface::through(self, channel, &vec![false; self.mean.len()]));
        let off = |index: usize| {
            let (x, y) = self.place(index);
            (0..3).any(|c| {
                let smooth = surfaces[c].at(x, y);
                (self.mean[index][c] - smooth).abs() > SURFACE_SHARE * smooth.max(1.0)
            })
        };
        (0..self.mean.len()).map(off).collect()
    }

    /// The cells up to two away, itself included.
    fn near(&self, index: usize) -> impl Iterator<Item = usize> {
        let (x, y) = (index % self.columns, index / self.columns);
        let (columns, rows) = (self.columns, self.rows);
        (y.saturating_sub(2)..(y + 3).min(rows))
            .flat_map(move |y| (x.saturating_sub(2)..(x + 3).min(columns)).map(move |x| y * columns + x))
    }

    fn share(&self, cells: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are few cells")]
        let share = cells as f64 / self.mean.len() as f64;
        share
    }

    /// With the light that the other cells tell of in place of what lies on the glass: in rough cells, and in those beside
    /// them that are off, as the inside of a larger speck is.
    fn without(mut self, rough: &[bool], off: &[bool]) -> Self {
        let hidden: Vec<bool> =
            (0..rough.len()).map(|at| rough[at] || (off[at] && self.near(at).any(|near| rough[near]))).collect();
        if hidden.contains(&true) {
            let surfaces = [0, 1, 2].map(|channel| Surface::through(&self, channel, &hidden));
            let smooth = |index: usize, channel: usize| {
                let (x, y) = self.place(index);
                surfaces[channel].at(x, y).max(1.0)
            };
            let mut mean = self.mean.clone();
            for index in (0..hidden.len()).filter(|&index| hidden[index]) {
                let clear: Vec<usize> = self.near(index).filter(|&near| !hidden[near]).collect();
                mean[index] = std::array::from_fn(|c| {
                    // Where the surface misses the light around, it does so here.
                    let factors = clear.iter().map(|&near| self.mean[near][c] / smooth(near, c));
                    #[expect(clippy::cast_precision_loss, reason = "at most 24")]
                    let factor = if clear.is_empty() { 1.0 } else { factors.sum::<f64>() / clear.len() as f64 };
                    smooth(index, c) * factor
                });
            }
            self.mean = mean;
        }
        self
    }

    /// Where a cell lies, from −1 to 1 along each axis.
    fn place(&self, index: usize) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "there are few cells")]
        let along = |at: usize, count: usize| (2 * at + 1) as f64 / count as f64 - 1.0;
        (along(index % self.columns, self.columns), along(index / self.columns, self.rows))
    }

    /// Each mean with its two neighbours on each side along each axis, by the weights that leave a parabola as it is
    /// (Savitzky & Golay 1964); without two neighbours, as it is.
    fn smoothed(&self) -> Self {
        let mut mean = self.mean.clone();
        for (stride, count) in [(1, self.columns), (self.columns, self.rows)] {
            let from = mean.clone();
            for (index, value) in mean.iter_mut().enumerate() {
                let at = index / stride % count;
                if at >= 2 && at + 2 < count {
                    *value = std::array::from_fn(|c| {
                        let both = |steps: usize| from[index - steps * stride][c] + from[index + steps * stride][c];
                        (17.0 * from[index][c] + 12.0 * both(1) - 3.0 * both(2)) / 35.0
                    });
                }
            }
        }
        Self { mean, residual: self.residual.clone(), ..*self }
    }

    /// The means with a node beyond each end.
    fn with_rim(&self) -> Vec<[f64; 3]> {
        let (columns, rows) = (self.columns, self.rows);
        let inside = |x: usize, y: usize| self.mean[y * columns + x];
        // The parabola through the last three.
        let beyond = |a: [f64; 3], b: [f64; 3], c: [f64; 3]| {
            std::array::from_fn(|i| {
                // Beside an edge, smoothing may have gone below zero.
                let near = a[i].max(0.0);
                (3.0 * (a[i] - b[i]) + c[i]).clamp(0.25 * near, 2.0 * near)
            })
        };
        let in_row = |x: usize, y: usize| match x {
            0 => beyond(inside(0, y), inside(1, y), inside(2, y)),
            x if x > columns => beyond(inside(columns - 1, y), inside(columns - 2, y), inside(columns - 3, y)),
            x => inside(x - 1, y),
        };
        (0..rows + 2)
            .flat_map(|y| {
                (0..columns + 2).map(move |x| match y {
                    0 => beyond(in_row(x, 0), in_row(x, 1), in_row(x, 2)),
                    y if y > rows => beyond(in_row(x, rows - 1), in_row(x, rows - 2), in_row(x, rows - 3)),
                    y => in_row(x, y - 1),
                })
            })
            .collect()
    }
}

/// Mean levels of the cell at a place, and how far green lies from the plane through it.
fn measure(white: &RgbImage, left: u32, top: u32) -> ([f64; 3], f64) {
    let mut sum = [0_u32; 3];
    let (mut along, mut down, mut squares) = (0.0, 0.0, 0.0);
    let middle = f64::from(CELL - 1) / 2.0;
    for y in 0..CELL {
        for x in 0..CELL {
            let pixel = white.get_pixel(left + x, top + y).0;
            sum = std::array::from_fn(|c| sum[c] + u32::from(pixel[c]));
            let green = f64::from(pixel[1]);
            along += green * (f64::from(x) - middle);
            down += green * (f64::from(y) - middle);
            squares += green * green;
        }
    }
    let count = f64::from(CELL * CELL);
    let mean = sum.map(|sum| f64::from(sum) / count);
    // Sum of the squares of the distances from the middle along one axis.
    let spread = count * (f64::from(CELL * CELL) - 1.0) / 12.0;
    let left_over = squares - count * mean[1] * mean[1] - (along * along + down * down) / spread;
    (mean, (left_over.max(0.0) / count).sqrt())
}

/// a + bx + cy + dx² + exy + fy².
struct Surface([f64; 6]);

impl Surface {
    fn terms(x: f64, y: f64) -> [f64; 6] {
        [1.0, x, y, x * x, x * y, y * y]
    }

    /// The one that comes closest, in the sense of least squares, to the means of a channel in the cells that are not left out.
    fn through(grid: &Grid, channel: usize, left_out: &[bool]) -> Self {
        let mut equations = [[0.0; 7]; 6];
        for (index, mean) in grid.mean.iter().enumerate().filter(|(index, _)| !left_out[*index]) {
            let (x, y) = grid.place(index);
            let terms = Self::terms(x, y);
            for (row, &factor) in equations.iter_mut().zip(&terms) {
                for (sum, &term) in row.iter_mut().zip(&terms) {
                    *sum += factor * term;
                }
                row[6] += factor * mean[channel];
            }
        }
        // Gauss and Jordan; the matrix is positive definite, as there are at least four cells along each axis.
        for pivot in 0..6 {
            let scale = equations[pivot][pivot];
            equations[pivot].iter_mut().for_each(|value| *value /= scale);
            let row = equations[pivot];
            for (other, equation) in equations.iter_mut().enumerate() {
                let factor = equation[pivot];
                if other != pivot {
                    equation.iter_mut().zip(&row).for_each(|(value, &by)| *value -= factor * by);
                }
            }
        }
        Self(equations.map(|row| row[6]))
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        self.0.iter().zip(Self::terms(x, y)).map(|(factor, term)| factor * term).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    /// Light that falls off from a middle that is not the picture's.
    fn light(x: u32, y: u32, width: u32, height: u32, fall: f64) -> f64 {
        let (x, y) = (
            f64::from(x) / f64::from(width) - 0.45,
            f64::from(y) / f64::from(width) - 0.5 * f64::from(height) / f64::from(width),
        );
        1.0 / (1.0 + fall * (x * x + y * y))
    }

    fn level(value: f64) -> u8 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let level = value.round() as u8;
        level
    }

    fn white(width: u32, height: u32, fall: f64, noise: f32) -> RgbImage {
        let mut random = Random::new(2, "white");
        RgbImage::from_fn(width, height, |x, y| {
            let light = light(x, y, width, height, fall);
            image::Rgb([238.0, 244.0, 229.0].map(|top| level(top * light + f64::from(noise * random.noise()))))
        })
    }

    #[test]
    fn a_white_field_becomes_even() {
        for (width, height) in [(640, 480), (1_920, 1_080), (333, 257), (161, 128)] {
            // Light falls off over hundreds of pixels, whatever the part of it that is seen.
            for fall in [0.0, 0.5, 2.0].map(|fall| fall * f64::from(width.min(640)).powi(2) / 409_600.0) {
                let image = white(width, height, fall, 0.0);
                let flat = Shading::of(&image).expect("white").apply(&image).expect("the same size");
                let brightest =
                    Shading::of(&image).map(|_| flat.get_pixel(width * 45 / 100, height / 2).0).expect("white");
                for (x, y, pixel) in flat.enumerate_pixels() {
                    // What was rounded in the white field is rounded by as much more as it is amplified.
                    let gain =
                        light(width * 45 / 100, height / 2, width, height, fall) / light(x, y, width, height, fall);
                    for (&found, &wanted) in pixel.0.iter().zip(&brightest) {
                        let off = f64::from(found.abs_diff(wanted));
                        assert!(off <= 1.5 + 0.5 * gain, "{width} × {height}, {fall}, at {x}, {y}: {:?}", pixel.0);
                    }
                }
                // Over a few pixels it is even to a level.
                for (x, y) in (0..width - 8).step_by(8).flat_map(|x| (0..height - 8).step_by(8).map(move |y| (x, y))) {
                    for (channel, &wanted) in brightest.iter().enumerate() {
                        let levels = (0..64).map(|i| f64::from(flat.get_pixel(x + i % 8, y + i / 8).0[channel]));
                        let off = levels.sum::<f64>() / 64.0 - f64::from(wanted);
                        assert!(off.abs() <= 1.0, "{width} × {height}, {fall}, around {x}, {y}: {off}");
                    }
                }
            }
        }
    }

    #[test]
    fn noise_is_not_taken_for_shading() {
        let (noisy, clean) = (white(640, 480, 1.0, 3.0), white(640, 480, 1.0, 0.0));
        let flat = Shading::of(&noisy).expect("white").apply(&clean).expect("the same size");
        let middle = flat.get_pixel(288, 240).0[1];
        assert!(flat.pixels().all(|pixel| pixel.0[1].abs_diff(middle) <= 2));
    }

    #[test]
    fn a_vignetted_field_comes_back() {
        let mut random = Random::new(8, "tissue");
        let even = RgbImage::from_fn(640, 480, |x, y| {
            let dark = (x / 9 + y / 7) % 3 == 0 || random.chance(0.1);
            image::Rgb(if dark { [110, 70, 140] } else { [205, 150, 190] })
        });
        let mut seen = even.clone();
        for (x, y, pixel) in seen.enumerate_pixels_mut() {
            pixel.0 = pixel.0.map(|value| level(f64::from(value) * light(x, y, 640, 480, 1.5)));
        }
        let back = Shading::of(&white(640, 480, 1.5, 1.0)).expect("white").apply(&seen).expect("the same size");
        let off: Vec<u8> = back.iter().zip(even.iter()).map(|(a, b)| a.abs_diff(*b)).collect();
        #[expect(clippy::cast_precision_loss, reason = "test")]
        let mean = off.iter().map(|&off| f64::from(off)).sum::<f64>() / off.len() as f64;
        assert!(mean < 0.8 && off.iter().all(|&off| off <= 4), "mean {mean}, most {:?}", off.iter().max());
    }

    #[track_caller]
    fn check(image: &RgbImage, want: &str) {
        let found = Shading::of(image).expect_err("not white");
        assert!(format!("{found:?}").starts_with(want), "{found:?}");
    }

    #[test]
    fn what_is_no_white_field_is_refused() {
        check(&RgbImage::from_pixel(64, 500, image::Rgb([200; 3])), "TooSmall");
        check(&RgbImage::from_pixel(640, 480, image::Rgb([40; 3])), "TooDark");
        check(&RgbImage::from_pixel(640, 480, image::Rgb([255, 240, 230])), "Clipped");
        check(&white(640, 480, 12.0, 0.0), "TooUneven");
        for (left, right) in [(0, 250), (250, 0), (2, 200)] {
            let half = RgbImage::from_fn(640, 480, |x, _| image::Rgb([if x < 96 { left } else { right }; 3]));
            check(&half, "TooUneven");
        }
        let mut tissue = white(640, 480, 0.5, 1.0);
        for (x, y, pixel) in tissue.enumerate_pixels_mut() {
            if x > 400 && y > 200 {
                pixel.0 = [if (x / 8 + y / 8) % 2 == 0 { 120 } else { 200 }, 110, 180];
            }
        }
        check(&tissue, "NotClear");
        // Pale and without texture, as acellular stroma is.
        let mut pale = white(640, 480, 0.5, 1.0);
        for (x, y, pixel) in pale.enumerate_pixels_mut() {
            if x > 300 && y < 300 {
                pixel.0[1] = level(f64::from(pixel.0[1]) * 0.75);
            }
        }
        check(&pale, "NotClear");
    }

    #[test]
    fn specks_of_dirt_are_put_up_with() {
        let mut image = white(1_920, 1_080, 0.5, 1.0);
        for y in 500..515 {
            for x in 700..715 {
                image.put_pixel(x, y, image::Rgb([120; 3]));
            }
        }
        // In a corner, where the slope would carry it outwards.
        for y in 0..20 {
            for x in 0..30 {
                image.put_pixel(x, y, image::Rgb([90, 60, 110]));
            }
        }
        let clean = Shading::of(&white(1_920, 1_080, 0.5, 1.0)).expect("white");
        let found = Shading::of(&image).expect("white but for specks");
        assert!((found.largest_gain() / clean.largest_gain() - 1.0).abs() < 0.02, "{}", found.largest_gain());
    }

    #[test]
    fn bytes_and_back() {
        let shading = Shading::of(&white(333, 257, 1.0, 0.0)).expect("white");
        let bytes = shading.to_bytes();
        assert_eq!(Shading::from_bytes(&bytes), Ok(shading.clone()));
        for length in 0..bytes.len() {
            assert_eq!(Shading::from_bytes(&bytes[..length]), Err(NotShading), "{length}");
        }
        let mut huge = bytes.clone();
        huge[4..12].fill(255);
        assert_eq!(Shading::from_bytes(&huge), Err(NotShading));
        let other = RgbImage::new(334, 257);
        assert_eq!(shading.apply(&other), Err(OtherSize { white: [333, 257], picture: [334, 257] }));
        assert!(shading.largest_gain() > 1.0);
    }
}
