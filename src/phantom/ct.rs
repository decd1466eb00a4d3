//! A synthetic chest CT with one lesion, drawn from a seed.
//!
//! Anatomy and lesion are implicit shapes in patient millimetres, sampled at voxel centres with edges as wide as the
//! scanner's blur; nothing is a picture of a patient. The body's own axes have x to the left, y to the back, z to the
//! head, and 0 between the two hila. Only `+ - * /`, `sqrt`, `floor` and crate `libm` are used, so that every machine
//! writes the same bytes.
//!
//! What the phenotypes look like follows radiology reviews: Travis et al., "The 2015 WHO classification of lung
//! tumors", J Thorac Oncol 2015; Hollings and Shaw, "Diagnostic imaging of lung cancer", Eur Respir J 2002; Rosado de
//! Christenson et al., "Bronchogenic carcinoma: radiologic-pathologic correlation", Radiographics 1994; Carter et al.,
//! "Small cell lung carcinoma: staging, imaging, and treatment considerations", Radiographics 2014; Truong et al.,
//! "Update in the evaluation of the solitary pulmonary nodule", Radiographics 2014. The figures below are shares of
//! cases of roughly the size these give, widened so that no sign is specific; they are not estimates.

use hilum_domain::{Class, Sex, Smoking};
use hilum_imaging::{Grid, Volume, cross, dot};
use ndarray::Array3;

use crate::Random;

/// How much of the patient is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// 120 mm along z, with the lesion at least 40 mm from both ends.
    Slab120mm,
    /// 300 mm from below the diaphragm to above the apices.
    WholeThorax,
}

/// What to draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request {
    /// The lesion's class; `Normal` draws a benign lesion that looks like one of the others.
    pub phenotype: Class,
    /// 0 (clear) to 1: emphysema, scarring, motion and noise hide the lesion's signs.
    pub obscurity: f64,
    /// The patient's age in years.
    pub age: f64,
    /// The patient's sex.
    pub sex: Sex,
    /// The patient's smoking history.
    pub smoking: Smoking,
    /// How much is scanned.
    pub extent: Extent,
    /// Columns, and as many rows.
    pub columns: usize,
    /// From slice to slice, in mm.
    pub slice_step_mm: f64,
}

/// A drawn scan, with the truth about its lesion.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The scan in HU.
    pub ct: Volume<i16>,
    /// 1 where a voxel's centre lies in the lesion, on the scan's grid. Cavity, necrosis and ground glass belong to the
    /// lesion; spicules, tags, satellites and the lung
    /// behind an obstruction do not.
    pub mask: Array3<u8>,
    /// The centroid of the mask, patient LPS, mm.
    pub lesion_lps_mm: [f64; 3],
    /// The diameter of the sphere with the mask's volume.
    pub diameter_mm: f64,
}

/// Draws a scan. The same request and the same stream give the same bytes on every machine.
#[must_use]
pub fn render(request: &Request, random: &mut Random) -> Rendered {
    let anatomy = Anatomy::draw(request, random);
    let scanner = Scanner::draw(request, random);
    let signs = Signs::draw(request, anatomy.contrast_hu, random);
    let lesion = Lesion::draw(signs, &anatomy, random);
    let mut canvas = Canvas::place(request, &anatomy, &scanner, &lesion, random);

    canvas.draw_body(&anatomy);
    canvas.draw_bones(&anatomy, random);
    canvas.draw_vessels(&anatomy, &lesion, random);
    let mask = canvas.draw_lesion(&anatomy, &lesion, random);
    canvas.draw_windpipe(&anatomy, &lesion, random);
    canvas.move_patient(&scanner);
    canvas.add_noise(&scanner);
    canvas.finish(mask, lesion.centre)
}

// ---------------------------------------------------------------------------------------------------------------------
// Numbers and shapes

type Vec3 = [f64; 3];

const AIR_HU: f64 = -1000.0;
/// Inflated lung at the middle of a supine chest.
const LUNG_HU: f64 = -868.0;
const FAT_HU: f64 = -100.0;
const MUSCLE_HU: f64 = 50.0;
const BLOOD_HU: f64 = 42.0;
const LIVER_HU: f64 = 58.0;
const CORTEX_HU: f64 = 620.0;
const MARROW_HU: f64 = 190.0;

fn add(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn times(a: Vec3, factor: f64) -> Vec3 {
    [a[0] * factor, a[1] * factor, a[2] * factor]
}

fn length(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

fn unit(a: Vec3) -> Vec3 {
    times(a, 1.0 / length(a).max(1e-9))
}

fn mix(from: f64, to: f64, share: f64) -> f64 {
    from + (to - from) * share
}

/// 0 below `-width`, 1 above `width`, 1/2 at 0: how much of a voxel lies inside a surface at depth `depth`.
fn coverage(depth: f64, width: f64) -> f64 {
    let t = (0.5 * depth / width + 0.5).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The smaller of two depths, rounded over `k`: the intersection of two shapes with a soft corner.
fn intersect(a: f64, b: f64, k: f64) -> f64 {
    let h = (k - (a - b).abs()).max(0.0);
    a.min(b) - h * h / (4.0 * k)
}

/// The larger of two depths, rounded over `k`: the union of two shapes with a soft groove.
fn unite(a: f64, b: f64, k: f64) -> f64 {
    -intersect(-a, -b, k)
}

/// Piecewise linear through `(position, value)` in rising order of position, constant beyond the ends.
fn piecewise(at: f64, knots: &[(f64, f64)]) -> f64 {
    let mut before = knots[0];
    for &knot in knots {
        if at <= knot.0 {
            let span = knot.0 - before.0;
            return if span > 0.0 { mix(before.1, knot.1, (at - before.0) / span) } else { knot.1 };
        }
        before = knot;
    }
    before.1
}

#[expect(clippy::cast_precision_loss, reason = "counts and indices here are far below 2^52")]
const fn real(count: usize) -> f64 {
    count as f64
}

/// The whole part of a value that is not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers pass 0 to 2^32, and the cast saturates"
)]
const fn whole(value: f64) -> usize {
    value as usize
}

#[expect(clippy::cast_possible_truncation, reason = "HU need no more than the 24 bits of f32")]
const fn single(value: f64) -> f32 {
    value as f32
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of a 12-bit CT on this line")]
fn hounsfield(value: f32) -> i16 {
    value.clamp(-1024.0, 3071.0).round() as i16
}

/// A counter-based stream for voxels: much cheaper than [`Random`], seeded from it (SplitMix64, Steele et al. 2014).
#[derive(Debug, Clone)]
struct Counter(u64);

impl Counter {
    fn draw(random: &mut Random) -> Self {
        Self(random.unit().to_bits())
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Nearly normal, mean 0, standard deviation 1: the sum of four uniform 16-bit numbers.
    #[expect(clippy::cast_precision_loss, reason = "below 2^18")]
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum = (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
        // Four uniforms over 65536: mean 131070, variance 4 * 65536^2 / 12.
        (sum as f32 - 131_070.0) * (1.0 / 37_837.2)
    }
}

/// Value noise: random figures on a periodic lattice of 32^3, interpolated smoothly. One unit of the argument is one
/// lattice step; values lie in -1 to 1 with a standard deviation of about 0.35.
#[derive(Debug, Clone)]
struct Lattice(Vec<f32>);

impl Lattice {
    fn draw(random: &mut Random) -> Self {
        let mut counter = Counter::draw(random);
        #[expect(clippy::cast_precision_loss, reason = "24 bits")]
        let figures = (0..32 * 32 * 32).map(|_| (counter.next() >> 40) as f32 / 8_388_608.0 - 1.0);
        Self(figures.collect())
    }

    fn at(&self, x: f64, y: f64, z: f64) -> f64 {
        // Turned, so that no figure of the noise lies along the pixels.
        let (x, y, z) = (0.36 * x + 0.48 * y - 0.80 * z, -0.80 * x + 0.60 * y, 0.48 * x + 0.64 * y + 0.60 * z);
        let axis = |v: f64| {
            let v = v + 4096.0;
            let cell = whole(v);
            let f = v - real(cell);
            (cell & 31, (cell + 1) & 31, single(f * f * (3.0 - 2.0 * f)))
        };
        let (x0, x1, fx) = axis(x);
        let (y0, y1, fy) = axis(y);
        let (z0, z1, fz) = axis(z);
        let t = |z: usize, y: usize, x: usize| self.0[(z << 10) | (y << 5) | x];
        let row = |z: usize, y: usize| t(z, y, x0) + (t(z, y, x1) - t(z, y, x0)) * fx;
        let plane = |z: usize| row(z, y0) + (row(z, y1) - row(z, y0)) * fy;
        f64::from(plane(z0) + (plane(z1) - plane(z0)) * fz)
    }
}

/// A unit vector, uniform over the sphere.
fn direction(random: &mut Random) -> Vec3 {
    let z = random.range(-1.0, 1.0);
    let angle = random.range(0.0, std::f64::consts::TAU);
    let r = (1.0 - z * z).max(0.0).sqrt();
    [r * libm::cos(angle), r * libm::sin(angle), z]
}

/// Three perpendicular unit vectors, the first one along `axis`.
fn frame(axis: Vec3) -> [Vec3; 3] {
    let helper = if axis[2].abs() < 0.8 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
    let second = unit(cross(axis, helper));
    [axis, second, cross(axis, second)]
}

/// Depth below the surface of an ellipse-like rounded rectangle (the "squircle" of Fernandez-Guasti, with `square` the
/// square of its squareness), to first order.
fn squircle(x: f64, y: f64, a: f64, b: f64, square: f64) -> f64 {
    let (ia, ib) = (1.0 / (a * a), 1.0 / (b * b));
    let (xx, yy) = (x * x * ia, y * y * ib);
    let f = 1.0 - xx - yy + square * xx * yy;
    let gx = 2.0 * x * ia * (1.0 - square * yy);
    let gy = 2.0 * y * ib * (1.0 - square * xx);
    let slope = (gx * gx + gy * gy).sqrt();
    // Beyond the corners of a squircle its polynomial turns positive again.
    if xx > 1.6 || yy > 1.6 { -a.min(b) } else { f / slope.max(0.6 / a.min(b)) }
}

// ---------------------------------------------------------------------------------------------------------------------
// Body: wall, mediastinum, abdomen

/// A rounded bar in an axial plane: everything within `radius` of a segment, y stretched by `squash`.
#[derive(Debug, Clone, Copy)]
struct Bar {
    from: [f64; 2],
    to: [f64; 2],
    radius: f64,
    squash: f64,
    hu: f64,
}

impl Bar {
    fn depth(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = (self.to[0] - self.from[0], (self.to[1] - self.from[1]) * self.squash);
        let (px, py) = (x - self.from[0], (y - self.from[1]) * self.squash);
        let t = ((px * dx + py * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
        let (ex, ey) = (px - t * dx, py - t * dy);
        self.radius - (ex * ex + ey * ey).sqrt()
    }
}

/// What of the anatomy depends on z alone, worked out once a slice.
#[derive(Debug, Clone)]
struct Level {
    z: f64,
    cavity: [f64; 2],
    cavity_y: f64,
    column: Bar,
    column_half_depth: f64,
    bars: Vec<Bar>,
    disc: bool,
}

#[derive(Debug, Clone)]
struct Anatomy {
    scale: f64,
    female: bool,
    body: [f64; 2],
    cavity: [f64; 2],
    fat_mm: f64,
    heart: f64,
    contrast_hu: f64,
    blood_hu: f64,
    spine_y: f64,
    disc_phase: f64,
    dome: [f64; 2],
    gutter: f64,
    lung_shift: f64,
    emphysema: f64,
    reticulation: f64,
    atelectasis: f64,
    table: bool,
    fissure: [f64; 4],
    noise: Lattice,
    offset: Vec3,
    fov: f64,
}

/// Seen from the carina, this is where the bronchi and vessels enter each lung; [right, left].
const HILUM: [Vec3; 2] = [[-44.0, 4.0, -4.0], [44.0, 10.0, 2.0]];

impl Anatomy {
    fn draw(request: &Request, random: &mut Random) -> Self {
        let female = request.sex == Sex::Female;
        let scale = random.normal(if female { 0.91 } else { 1.0 }, 0.035).clamp(0.82, 1.08);
        let cavity = [134.0 * scale * random.range(0.96, 1.04), 90.0 * scale * random.range(0.94, 1.06)];
        let fat_mm = random.log_normal(if female { 15.0 } else { 12.0 }, 0.35).clamp(5.0, 26.0);
        let body = [cavity[0] + 17.0 + fat_mm, cavity[1] + 16.0 + 0.8 * fat_mm];
        let contrast = random.chance(0.35);
        let contrast_hu = if contrast { random.range(90.0, 190.0) } else { 0.0 };
        let smoke = match request.smoking {
            Smoking::Never => 0.02,
            Smoking::Former => 0.20,
            Smoking::Current => 0.28,
        };
        let old = ((request.age - 50.0) / 100.0).clamp(0.0, 0.4);
        let hidden = request.obscurity;
        let emphysema =
            (random.range(0.0, 2.0) * smoke + random.range(0.0, 0.45) * hidden + 0.4 * old - 0.12).clamp(0.0, 0.85);
        Self {
            scale,
            female,
            body,
            cavity,
            fat_mm,
            heart: random.range(0.92, 1.12),
            contrast_hu,
            blood_hu: BLOOD_HU + contrast_hu,
            spine_y: cavity[1] - random.range(17.0, 23.0),
            disc_phase: random.unit(),
            dome: [random.normal(-92.0, 6.0), random.normal(-101.0, 6.0)],
            gutter: random.range(9.0, 17.0),
            lung_shift: random.normal(0.0, 12.0),
            emphysema,
            reticulation: (random.range(0.0, 0.25) + random.range(0.1, 0.75) * hidden).min(1.0),
            atelectasis: random.range(0.0, 0.5) + random.range(0.0, 0.5) * hidden,
            table: random.chance(0.8),
            fissure: std::array::from_fn(|_| random.normal(0.0, 1.0)),
            noise: Lattice::draw(random),
            offset: [random.range(-12.0, 12.0), random.range(-190.0, -120.0), random.range(-420.0, -20.0)],
            fov: (2.0 * body[0] + random.range(4.0, 24.0)).clamp(300.0, 380.0),
        }
    }

    /// The anatomy of the axial plane at `z`.
    fn level(&self, z: f64) -> Level {
        let s = self.scale;
        let wide = piecewise(
            z,
            &[
                (-170.0, 1.0),
                (-60.0, 1.0),
                (-10.0, 0.985),
                (30.0, 0.93),
                (60.0, 0.84),
                (90.0, 0.68),
                (108.0, 0.52),
                (120.0, 0.36),
                (130.0, 0.1),
            ],
        );
        let deep = piecewise(
            z,
            &[
                (-170.0, 1.0),
                (-40.0, 1.0),
                (0.0, 0.97),
                (40.0, 0.88),
                (80.0, 0.70),
                (105.0, 0.52),
                (120.0, 0.36),
                (130.0, 0.15),
            ],
        );
        let cavity = [self.cavity[0] * wide, self.cavity[1] * deep];
        let cavity_y = piecewise(z, &[(0.0, 0.0), (60.0, 8.0), (120.0, 20.0)]) * s;
        let half = piecewise(
            z,
            &[
                (-170.0, 40.0),
                (-95.0, 38.0),
                (-40.0, 33.0),
                (0.0, 33.0),
                (25.0, 30.0),
                (60.0, 31.0),
                (95.0, 34.0),
                (125.0, 46.0),
            ],
        );
        let deep_half = piecewise(z, &[(-170.0, 64.0), (0.0, 60.0), (50.0, 52.0), (90.0, 46.0), (125.0, 46.0)]);
        let column = Bar { from: [1.0, -2.0], to: [1.0, -2.0], radius: half * s, squash: 1.0, hu: FAT_HU };

        let mut bars = Vec::with_capacity(20);
        let mut bar = |from: [f64; 2], to: [f64; 2], radius: f64, squash: f64, hu: f64| {
            let at = |p: [f64; 2]| [p[0] * s, p[1] * s];
            bars.push(Bar { from: at(from), to: at(to), radius: radius * s, squash, hu });
        };
        let blood = self.blood_hu;
        // Heart, apex to the left and front; the slice of an ellipsoid. Then the left atrium behind it.
        let up = (z + 64.0) / 62.0;
        if up.abs() < 0.999 {
            let share = (1.0 - up * up).sqrt() * self.heart;
            let shift = -0.28 * (z + 64.0);
            bar([14.0 + shift, -22.0], [34.0 + shift, -34.0], 46.0 * share, 1.15, blood - 0.25 * self.contrast_hu);
        }
        let up = (z + 38.0) / 28.0;
        if up.abs() < 0.999 {
            bar([-12.0, 12.0], [16.0, 12.0], 24.0 * (1.0 - up * up).sqrt() * self.heart, 1.1, blood);
        }
        // Aorta: ascending, arch, descending.
        if (-30.0..46.0).contains(&z) {
            bar([-12.0, -24.0], [-12.0, -24.0], 15.5, 1.0, blood);
        }
        if z < 46.0 {
            let x = piecewise(z, &[(-150.0, 8.0), (-60.0, 20.0), (0.0, 25.0)]);
            bar([x, 40.0], [x, 40.0], 12.5, 1.0, blood);
        }
        let up = (z - 46.0) / 13.5;
        if up.abs() < 0.999 {
            bar([-8.0, -20.0], [20.0, 34.0], 13.5 * (1.0 - up * up).sqrt(), 1.0, blood);
        }
        // Pulmonary trunk and its two branches.
        if (-28.0..16.0).contains(&z) {
            bar([16.0, -34.0], [16.0, -34.0], 14.0, 1.0, blood);
        }
        let up = (z - 1.0) / 10.5;
        if up.abs() < 0.999 {
            bar([12.0, -24.0], [-34.0, -2.0], 10.5 * (1.0 - up * up).sqrt(), 1.0, blood);
        }
        let up = (z - 10.0) / 11.5;
        if up.abs() < 0.999 {
            bar([18.0, -28.0], [38.0, 8.0], 11.5 * (1.0 - up * up).sqrt(), 1.0, blood);
        }
        // Hilar bulges: veins and interlobar arteries on their way out.
        for (side, hilum) in HILUM.iter().enumerate() {
            let up = (z - hilum[2] + 8.0) / 34.0;
            if up.abs() < 0.999 {
                let r = 9.0 * (1.0 - up * up).sqrt();
                let x = if side == 0 { -36.0 } else { 38.0 };
                bar([x, hilum[1] + 4.0], [x, hilum[1] - 6.0], r, 1.0, mix(BLOOD_HU, blood, 0.9));
            }
        }
        // Veins and arteries above; superior vena cava down to the atrium.
        if z > -28.0 {
            bar([-25.0, -18.0], [-25.0, -18.0], if z < 62.0 { 9.5 } else { 7.0 }, 1.0, mix(BLOOD_HU, blood, 1.2));
        }
        if z > 56.0 {
            bar([-9.0, -16.0], [-9.0, -16.0], 6.0, 1.0, blood);
            bar([11.0, -10.0], [11.0, -10.0], 4.5, 1.0, blood);
            bar([22.0, 4.0], [22.0, 4.0], 5.5, 1.0, blood);
            bar([22.0, -22.0], [22.0, -22.0], 6.5, 1.0, blood);
        }
        bar([7.0, 38.0], [3.0, 38.0], 6.5, 1.0, 32.0);
        // Fat in front, thymic bed.
        let front = -(cavity[1] - cavity_y) / s;
        bar(
            [2.0, -45.0],
            [0.0, front],
            piecewise(z, &[(-80.0, 22.0), (0.0, 10.0), (40.0, 9.0), (90.0, 18.0)]),
            1.0,
            FAT_HU + 18.0,
        );
        let y = self.spine_y / s;
        bar([0.0, y], [0.0, y], 20.0, 1.15, MUSCLE_HU);
        bar([0.0, y + 6.0], [0.0, y + 40.0], 22.0, 1.0, MUSCLE_HU);
        let phase = z / (25.0 * s) + self.disc_phase;
        let disc = phase - phase.floor() < 0.2;
        Level { z, cavity, cavity_y, column, column_half_depth: deep_half * s, bars, disc }
    }

    /// Depth below the inner surface of the rib cage.
    fn cage(&self, level: &Level, x: f64, y: f64) -> f64 {
        // The gutters on both sides of the spine reach further back.
        let t = (x.abs() - 0.46 * self.cavity[0]) / (0.30 * self.cavity[0]);
        let back = if y > 0.0 { self.gutter / (1.0 + t * t * t * t) * (y * 0.02).min(1.0) } else { 0.0 };
        squircle(x, y - level.cavity_y - back, level.cavity[0], level.cavity[1], 0.42)
    }

    /// Depth below the surface of the mediastinum (spine included), and the HU there.
    fn mediastinum(&self, level: &Level, x: f64, y: f64, width: f64) -> (f64, f64) {
        let column = {
            let squash = level.column.radius / level.column_half_depth;
            Bar { squash, ..level.column }.depth(x, y)
        };
        let mut shell = column;
        let mut hu = FAT_HU + 14.0 * self.noise.at(x * 0.12, y * 0.12, level.z * 0.12);
        for bar in &level.bars {
            let depth = bar.depth(x, y);
            if depth > -9.0 {
                shell = unite(shell, depth + 0.8, 7.0);
                if depth > -width {
                    hu = mix(hu, bar.hu, coverage(depth, width));
                }
            } else {
                shell = shell.max(depth);
            }
        }
        (shell, hu)
    }

    /// The height of the diaphragm above (x, y).
    fn diaphragm(&self, x: f64, y: f64) -> f64 {
        let side = usize::from(x > 0.0);
        let centre = [-0.52, 0.55][side] * self.cavity[0];
        let (u, v) = ((x - centre) / (0.64 * self.cavity[0]), (y + 18.0) / self.cavity[1]);
        self.dome[side] - 62.0 * (u * u + v * v) + 4.0 * self.noise.at(x * 0.025, y * 0.025, 3.5)
    }

    /// Depth below the surface of the lung: positive in lung.
    fn lung(&self, at: Vec3) -> f64 {
        self.lung_in(&self.level(at[2]), at)
    }

    /// The same where the level of `at` is at hand.
    fn lung_in(&self, level: &Level, at: Vec3) -> f64 {
        let shell = self.mediastinum(level, at[0], at[1], 1.0).0;
        let cage = self.cage(level, at[0], at[1]);
        let above = (at[2] - self.diaphragm(at[0], at[1])) * 0.75;
        intersect(intersect(cage, -shell, 6.0), above, 5.0)
    }

    /// Distances to the major fissure and, in the right lung, to the minor one.
    fn fissures(&self, at: Vec3) -> [f64; 2] {
        let wave = 5.0 * self.noise.at(at[0] * 0.018 + 7.3, at[1] * 0.018, at[2] * 0.018);
        let left = usize::from(at[0] > 0.0);
        // From high at the back to low at the front; the normal is about (0, -0.62, 0.78).
        let major =
            0.78 * (at[2] - 8.0 - 5.0 * self.fissure[left]) - 0.62 * (at[1] + 6.0) + wave + 0.0006 * at[0] * at[0];
        let minor = at[2] + 14.0 - 6.0 * self.fissure[2] + wave - 0.06 * (at[1] + 40.0);
        [major, if left == 0 && major > 0.0 { minor } else { f64::MAX }]
    }

    /// Soft tissue and fat outside the rib cage, given the depth below the skin.
    fn wall(&self, at: Vec3, skin: f64, cage: f64) -> f64 {
        let [x, y, z] = at;
        if skin < 2.0 {
            return 15.0;
        }
        let lumps = self.noise.at(x * 0.02, y * 0.02, z * 0.02);
        let side = (x / self.body[0]).abs();
        let fat = self.fat_mm * (0.75 + 0.35 * lumps + 0.35 * side * side);
        if cage < -1.5 && cage > -3.5 && lumps > 0.05 {
            return -30.0;
        }
        if skin < fat || (self.female && y < (0.12 * lumps - 0.72) * self.body[1] && cage < -14.0) {
            let strands = self.noise.at(x * 0.11, y * 0.11, z * 0.11);
            return FAT_HU + 10.0 * lumps + if strands > 0.45 { 70.0 } else { 0.0 };
        }
        // Planes of fat between the muscles.
        let planes = self.noise.at(x * 0.055 + 11.0, y * 0.055, z * 0.03).abs();
        let muscle = MUSCLE_HU + 8.0 * lumps;
        let fat = if cage < -9.0 { (1.0 - planes / 0.07).max(0.0) } else { 0.0 };
        // Fat of the armpits and between the shoulders.
        let pocket = if cage < -18.0 { coverage(lumps - 0.12, 0.10) } else { 0.0 };
        mix(muscle, FAT_HU, fat.max(pocket))
    }

    /// Liver, spleen, stomach and fat below the diaphragm; `below` is the depth under it.
    fn abdomen(&self, at: Vec3, below: f64) -> f64 {
        let [x, y, z] = at;
        let s = self.scale;
        let blur = 2.0;
        let liver = unite(-x + 10.0 - 0.25 * (z + 150.0), -40.0, 4.0).min(below - 1.0);
        let mut hu = FAT_HU;
        hu = mix(hu, 20.0, coverage(below, blur) * coverage(4.0 - below, blur));
        hu = mix(hu, LIVER_HU + 0.35 * self.contrast_hu, coverage(liver, blur));
        let ellipsoid = |c: Vec3, r: Vec3| {
            let (u, v, w) = ((x - c[0] * s) / r[0], (y - c[1] * s) / r[1], (z - c[2]) / r[2]);
            (1.0 - (u * u + v * v + w * w).sqrt()) * 30.0
        };
        hu =
            mix(hu, 52.0 + 0.5 * self.contrast_hu, coverage(ellipsoid([84.0, 38.0, -150.0], [34.0, 36.0, 42.0]), blur));
        let stomach = ellipsoid([58.0, -22.0, -152.0], [42.0, 44.0, 38.0]).min(below - 4.0);
        hu = mix(hu, 35.0, coverage(stomach, blur));
        mix(hu, AIR_HU, coverage((stomach - 4.0).min(-y - 24.0 * s), blur))
    }

    /// Cortex, marrow, disc and canal of the spine, and the sternum, drawn over `hu`.
    fn axial_bones(&self, level: &Level, x: f64, y: f64, width: f64, hu: f64) -> f64 {
        let s = self.scale;
        let mut hu = hu;
        let v = y - self.spine_y;
        if v > -24.0 * s && x.abs() < 42.0 * s {
            let body = Bar {
                from: [-5.0 * s, self.spine_y],
                to: [5.0 * s, self.spine_y],
                radius: 14.0 * s,
                squash: 1.1,
                hu: 0.0,
            };
            let depth = body.depth(x, y);
            if level.disc {
                hu = mix(hu, 85.0, coverage(depth, width));
            } else {
                hu = mix(hu, 430.0, coverage(depth, width));
                hu = mix(
                    hu,
                    MARROW_HU + 60.0 * self.noise.at(x * 0.4, y * 0.4, level.z * 0.4),
                    coverage(depth - 1.8, width),
                );
            }
            let canal = 8.5 * s - (x * x + (v - 23.0 * s) * (v - 23.0 * s)).sqrt();
            let arch = canal + 5.0 * s;
            if !level.disc || v > 20.0 * s {
                hu = mix(hu, 380.0, coverage(arch, width));
            }
            if !level.disc {
                let process = Bar {
                    from: [0.0, self.spine_y + 36.0 * s],
                    to: [0.0, self.spine_y + 50.0 * s],
                    radius: 3.2 * s,
                    squash: 1.0,
                    hu: 0.0,
                };
                let wing = Bar {
                    from: [12.0 * s, self.spine_y + 24.0 * s],
                    to: [32.0 * s, self.spine_y + 33.0 * s],
                    radius: 4.2 * s,
                    squash: 1.0,
                    hu: 0.0,
                };
                hu = mix(hu, 360.0, coverage(unite(process.depth(x, y), wing.depth(x.abs(), y), 2.0), width));
            }
            hu = mix(hu, 30.0, coverage(canal, width));
        }
        let front = level.cavity_y - level.cavity[1] - 8.0;
        if (y - front).abs() < 12.0 && x.abs() < 30.0 && level.z > -75.0 * s && level.z < 85.0 {
            let half = piecewise(level.z, &[(-75.0, 4.0), (-40.0, 9.0), (40.0, 9.0), (70.0, 18.0)]) * s;
            let bone = Bar { from: [-half, front], to: [half, front], radius: 6.0 * s, squash: 1.0, hu: 0.0 };
            let depth = bone.depth(x, y);
            hu = mix(hu, 380.0, coverage(depth, width));
            hu = mix(hu, 130.0, coverage(depth - 1.8, width));
        }
        hu
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Scanner and canvas

/// What the scan is like, apart from the patient.
#[derive(Debug, Clone, Copy)]
struct Scanner {
    /// Standard deviation of the noise, HU.
    noise_hu: f64,
    /// Standard deviation of the noise's grain, mm.
    grain_mm: f64,
    /// Multiplies the blur of edges: 0.8 for a sharp kernel, 1.3 for a soft one.
    softness: f64,
    /// The patient breathed: a second position, in mm, and its share.
    ghost_mm: [f64; 2],
    ghost_share: f64,
}

impl Scanner {
    fn draw(request: &Request, random: &mut Random) -> Self {
        let hidden = request.obscurity;
        let moved = random.chance(0.05 + 0.35 * hidden);
        let softness = random.range(0.8, 1.3);
        Self {
            noise_hu: (random.log_normal(15.0, 0.18) + 9.0 * hidden * random.unit() + 3.0 * (1.0 - softness) * 5.0)
                .clamp(12.0, 30.0),
            grain_mm: 0.42 * softness + 0.1,
            softness,
            ghost_mm: [random.range(-0.8, 0.8), random.range(0.8, 2.6)],
            ghost_share: if moved { random.range(0.2, 0.5) } else { 0.0 },
        }
    }
}

/// The scan while it is being drawn, in the body's axes.
struct Canvas {
    hu: Vec<f32>,
    levels: Vec<Level>,
    size: [usize; 3],
    origin: Vec3,
    step: Vec3,
    /// Half the width of an edge, mm.
    blur: f64,
    /// Thick slices see a thin tube that passes beside their centre.
    thick: f64,
    noise: Counter,
    offset: Vec3,
}

impl Canvas {
    fn place(request: &Request, anatomy: &Anatomy, scanner: &Scanner, lesion: &Lesion, random: &mut Random) -> Self {
        let step = request.slice_step_mm;
        let span = match request.extent {
            Extent::Slab120mm => 120.0,
            Extent::WholeThorax => 300.0,
        };
        let slices = whole((span / step).round()).max(1);
        let reach = real(slices - 1) * step;
        let low = match request.extent {
            // 46 mm, not 40: the centroid of a clipped lesion lies a little off its drawn centre.
            Extent::Slab120mm => lesion.centre[2] - random.range(46.0, (reach - 46.0).max(46.1)),
            Extent::WholeThorax => -168.0 + random.range(-3.0, 3.0),
        };
        let pixel = anatomy.fov / real(request.columns);
        let half = 0.5 * real(request.columns - 1) * pixel;
        let middle_y = random.range(-4.0, 10.0);
        Self {
            levels: (0..slices).map(|k| anatomy.level(low + real(k) * step)).collect(),
            hu: vec![single(AIR_HU); request.columns * request.columns * slices],
            size: [request.columns, request.columns, slices],
            origin: [-half, middle_y - half, low],
            step: [pixel, pixel, step],
            blur: (0.45 + 0.5 * pixel + 0.08 * step) * scanner.softness,
            thick: (2.0 / step).min(1.0),
            noise: Counter::draw(random),
            offset: anatomy.offset,
        }
    }

    fn point(&self, i: usize, j: usize, k: usize) -> Vec3 {
        [
            self.origin[0] + real(i) * self.step[0],
            self.origin[1] + real(j) * self.step[1],
            self.origin[2] + real(k) * self.step[2],
        ]
    }

    /// Calls `op` with every voxel's value and centre in the box from `low` to `high`.
    fn in_box(&mut self, low: Vec3, high: Vec3, mut op: impl FnMut(&mut f32, Vec3, usize, &Level)) {
        let first: [usize; 3] =
            std::array::from_fn(|a| whole(((low[a] - self.origin[a]) / self.step[a]).max(0.0).ceil()));
        let end: [usize; 3] = std::array::from_fn(|a| {
            let last = ((high[a] - self.origin[a]) / self.step[a]).floor();
            if last < 0.0 { 0 } else { (whole(last) + 1).min(self.size[a]) }
        });
        for k in first[2]..end[2] {
            for j in first[1]..end[1] {
                let row = (k * self.size[1] + j) * self.size[0];
                for i in first[0]..end[0] {
                    let at = self.point(i, j, k);
                    op(&mut self.hu[row + i], at, row + i, &self.levels[k]);
                }
            }
        }
    }

    /// Calls `op` with every voxel's value and its share inside a tapered round tube.
    fn tube(&mut self, from: Vec3, r_from: f64, to: Vec3, r_to: f64, mut op: impl FnMut(&mut f32, f64)) {
        let (blur, thick) = (self.blur, self.thick);
        // A tube thinner than the blur is drawn wider and fainter.
        let least = 0.7 * blur;
        let reach = r_from.max(r_to).max(least) + blur;
        let margin = [reach, reach, reach / thick];
        let low = std::array::from_fn(|a| from[a].min(to[a]) - margin[a]);
        let high = std::array::from_fn(|a| from[a].max(to[a]) + margin[a]);
        let along = sub(to, from);
        let scale = 1.0 / dot(along, along).max(1e-9);
        self.in_box(low, high, |value, at, _, _| {
            let p = sub(at, from);
            let t = (dot(p, along) * scale).clamp(0.0, 1.0);
            let off = sub(p, times(along, t));
            let distance = (off[0] * off[0] + off[1] * off[1] + off[2] * off[2] * thick * thick).sqrt();
            let radius = mix(r_from, r_to, t);
            let drawn = radius.max(least);
            let share = coverage(drawn - distance, blur);
            if share > 0.0 {
                let faint = radius / drawn;
                op(value, share * faint * faint);
            }
        });
    }

    /// Wall, lungs, mediastinum and abdomen, voxel by voxel.
    fn draw_body(&mut self, anatomy: &Anatomy) {
        let [columns, rows, slices] = self.size;
        let blur = self.blur;
        let domes: Vec<f64> = (0..rows * columns)
            .map(|index| {
                let at = self.point(index % columns, index / columns, 0);
                anatomy.diaphragm(at[0], at[1])
            })
            .collect();
        for k in 0..slices {
            let level = &self.levels[k];
            for j in 0..rows {
                let row = (k * rows + j) * columns;
                for i in 0..columns {
                    let at = self.point(i, j, k);
                    let hu = anatomy.tissue(level, at, domes[j * columns + i], blur, self.step[2]);
                    self.hu[row + i] = single(hu);
                }
            }
        }
    }
}

impl Anatomy {
    /// The HU of a point of the body without ribs, vessels and lesion.
    fn tissue(&self, level: &Level, at: Vec3, dome: f64, blur: f64, slice_mm: f64) -> f64 {
        let [x, y, z] = at;
        let mut skin = squircle(x, y - 2.0, self.body[0], self.body[1], 0.38);
        if self.female && y < 0.0 {
            let (u, v, w) = ((x.abs() - 78.0 * self.scale) / 58.0, (y + self.body[1] - 14.0) / 32.0, (z + 30.0) / 62.0);
            skin = unite(skin, (1.0 - (u * u + v * v + w * w).sqrt()) * 26.0, 8.0);
        }
        if skin < -blur {
            let shelf = (y - self.body[1] - 9.0 + x * x * 0.0009).abs();
            return if self.table && shelf < 3.0 { mix(AIR_HU, -420.0, coverage(1.5 - shelf, 1.2)) } else { AIR_HU };
        }
        let cage = self.cage(level, x, y);
        let inside = if cage > -blur {
            let (shell, chest) = if x.abs() < 118.0 { self.mediastinum(level, x, y, blur) } else { (-60.0, 0.0) };
            let above = (z - dome) * 0.75;
            let lung = intersect(intersect(cage, -shell, 6.0), above, 5.0);
            let mut hu = 0.0;
            if lung < blur {
                let middle = coverage(shell, blur);
                let rest = if middle < 1.0 && above < blur + 12.0 { self.abdomen(at, -above) } else { FAT_HU };
                // Where neither organ is near, the corner between them is fat.
                hu = mix(rest, chest, if above > 0.0 { 1.0 } else { middle });
                if above > -blur && -shell > above {
                    hu = mix(hu, rest, 0.9);
                }
            }
            if lung > -blur {
                hu = mix(
                    hu,
                    self.parenchyma(at, lung, cage, above),
                    coverage(lung, blur + if above < cage { 0.3 * slice_mm } else { 0.0 }),
                );
            }
            hu
        } else {
            0.0
        };
        let mut hu = inside;
        if cage < blur {
            hu = mix(self.wall(at, skin, cage), inside, coverage(cage, blur));
        }
        if x.abs() < 42.0 {
            hu = self.axial_bones(level, x, y, blur, hu);
        }
        if skin < blur { mix(AIR_HU, hu, coverage(skin, blur)) } else { hu }
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Lungs

    /// Lung between its vessels, at depth `lung` below the pleura.
    fn parenchyma(&self, at: Vec3, lung: f64, cage: f64, above: f64) -> f64 {
        let [x, y, z] = at;
        let coarse = self.noise.at(x * 0.035, y * 0.035, z * 0.035);
        let fine = self.noise.at(x * 0.27, y * 0.27, z * 0.27);
        // Gravity: about 0.4 HU a millimetre from front to back.
        let mut hu = LUNG_HU + self.lung_shift + 0.42 * y + 26.0 * coarse + 22.0 * fine;
        // Centrilobular emphysema: holes of 5 to 10 mm, more of them towards the apex.
        if self.emphysema > 0.0 {
            let zone = self.emphysema * (0.72 + 0.004 * z).clamp(0.15, 1.15) + 0.28 * coarse;
            let hole = self.noise.at(x * 0.105 + 17.0, y * 0.105, z * 0.105) + 0.25 * fine;
            let share = ((hole - 0.62 + 0.85 * zone) * 3.0).clamp(0.0, 1.0);
            hu = mix(hu, -968.0, share * zone.clamp(0.0, 1.0).sqrt());
        }
        // Reticulation under the pleura, more at the base.
        if lung < 22.0 && self.reticulation > 0.05 {
            let zone = self.reticulation * (0.75 - 0.004 * z).clamp(0.25, 1.3) * (1.0 - lung / 22.0) + 0.3 * coarse;
            if zone > 0.1 {
                let ridge = self.noise.at(x * 0.16, y * 0.16 + 5.0, z * 0.16).abs();
                hu += 330.0 * zone * (1.0 - ridge * 7.0).max(0.0) + 60.0 * zone;
            }
        }
        // Dependent atelectasis along the back.
        if y > 30.0 && cage < 16.0 {
            let depth = 16.0 * self.atelectasis * (0.5 + coarse.abs() + 0.3 * fine);
            hu += 420.0 * self.atelectasis * ((y - 30.0) / 25.0).min(1.0) * (1.0 - cage / depth.max(0.5)).max(0.0);
        }
        if above < 10.0 {
            hu += 40.0 * (1.0 - above / 10.0);
        }
        let [major, minor] = self.fissures(at);
        let sheet = major.abs().min(minor.abs());
        if sheet < 1.6 { hu + 190.0 * coverage(0.3 - sheet, 1.2) } else { hu }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Bones and vessels as tubes

impl Canvas {
    /// Ribs and shoulder blades.
    fn draw_bones(&mut self, anatomy: &Anatomy, random: &mut Random) {
        let s = anatomy.scale;
        let jitter = random.range(-8.0, 8.0);
        let surface = |angle: f64, z: f64, side: f64, out: f64| -> Vec3 {
            let level = anatomy.level(z);
            let (sin, cos) = (libm::sin(angle), libm::cos(angle));
            let (alpha, beta) =
                (sin * sin / (level.cavity[0] * level.cavity[0]), cos * cos / (level.cavity[1] * level.cavity[1]));
            let (sum, product) = (alpha + beta, (0.42 * alpha * beta).max(1e-16));
            let r = ((sum - (sum * sum - 4.0 * product).max(0.0).sqrt()) / (2.0 * product)).sqrt() + out;
            let x = r * sin;
            let t = (x - 0.46 * anatomy.cavity[0]) / (0.30 * anatomy.cavity[0]);
            let back = if cos > 0.0 { anatomy.gutter / (1.0 + t * t * t * t) * cos.min(0.5) * 2.0 } else { 0.0 };
            [side * x, level.cavity_y + r * cos + back, z]
        };
        let mut segments: Vec<(Vec3, Vec3, f64)> = Vec::new();
        for side in [-1.0, 1.0] {
            for rib in 0..12 {
                let n = real(rib);
                let top = 118.0 - 23.5 * n * s + jitter;
                let drop = 26.0 + 5.5 * n.min(7.0);
                let end = if rib < 8 { 2.35 } else { 2.0 - 0.28 * (n - 8.0) };
                let at = |t: f64| {
                    let angle = mix(0.24, end, t);
                    let z = top - drop * (angle / 2.6) * (1.3 - 0.3 * angle / 2.6)
                        + if angle < 0.5 { 4.0 * (angle - 0.5) } else { 0.0 };
                    surface(angle, z, side, 6.5)
                };
                let steps = 36;
                for step in 0..steps {
                    segments.push((at(real(step) / real(steps)), at(real(step + 1) / real(steps)), 5.4 * s));
                }
            }
            // The blade: a curved plate between the angles 0.75 and 1.45, from the armpit up.
            let mut z = -42.0;
            while z < 96.0 {
                let narrow = piecewise(z, &[(-42.0, 0.25), (20.0, 1.0), (96.0, 0.8)]);
                let at = |t: f64| {
                    let angle = mix(0.70, 0.70 + 0.75 * narrow, t);
                    let p = surface(angle, z.min(12.0), side, 14.0 + 4.0 * t);
                    [p[0], p[1], z]
                };
                for step in 0..6 {
                    let (from, to) = (at(real(step) / 6.0), at(real(step + 1) / 6.0));
                    // Never through the skin of a thin back.
                    if squircle(to[0], to[1] - 2.0, anatomy.body[0], anatomy.body[1], 0.38) > 6.0 {
                        segments.push((from, to, 2.4 * s));
                    }
                }
                z += 3.0;
            }
        }
        for &(from, to, radius) in &segments {
            self.tube(from, radius, to, radius, |value, share| {
                *value = value.max(single(mix(f64::from(*value), CORTEX_HU, share)))
            });
        }
        for &(from, to, radius) in segments.iter().filter(|segment| segment.2 > 4.0) {
            self.tube(from, radius - 2.0, to, radius - 2.0, |value, share| {
                *value = single(mix(f64::from(*value), MARROW_HU, share))
            });
        }
    }
}

/// A piece of a branching tree.
#[derive(Debug, Clone, Copy)]
struct Twig {
    from: Vec3,
    to: Vec3,
    r_from: f64,
    r_to: f64,
}

/// A tree from `root` to all of `targets`: each joins where wire length and path length together are least (the greedy
/// tree of Cuntz et al., PLoS Comput Biol 2010), radii by Murray's law from the tips down.
fn branch(root: Vec3, outward: Vec3, targets: &[Vec3], tip_radius: f64, root_radius: f64) -> Vec<Twig> {
    const BALANCE: f64 = 0.55;
    const MURRAY: f64 = 2.25;
    const PIECES: usize = 3;
    let mut nodes: Vec<(Vec3, usize, f64)> = vec![(root, 0, 0.0)];
    let mut best: Vec<(f64, usize)> = targets.iter().map(|&t| (length(sub(t, root)) * (1.0 + BALANCE), 0)).collect();
    let mut open: Vec<usize> = (0..targets.len()).collect();
    while !open.is_empty() {
        let mut pick = 0;
        for (slot, &target) in open.iter().enumerate() {
            if best[target].0 < best[open[pick]].0 {
                pick = slot;
            }
        }
        let target = open.swap_remove(pick);
        let parent = best[target].1;
        let at = targets[target];
        let path = nodes[parent].2 + length(sub(at, nodes[parent].0));
        nodes.push((at, parent, path));
        let index = nodes.len() - 1;
        for &other in &open {
            let wire = length(sub(targets[other], at));
            let cost = wire + BALANCE * (path + wire);
            if cost < best[other].0 {
                best[other] = (cost, index);
            }
        }
    }
    let mut flow = vec![0.0; nodes.len()];
    for index in (1..nodes.len()).rev() {
        if flow[index] < 0.5 {
            flow[index] = 1.0;
        }
        let own = flow[index];
        flow[nodes[index].1] += own;
    }
    let radius: Vec<f64> = flow.iter().map(|&f| (tip_radius * libm::pow(f, 1.0 / MURRAY)).min(root_radius)).collect();
    let mut heading = vec![outward; nodes.len()];
    let mut twigs = Vec::with_capacity(nodes.len() * PIECES);
    for index in 1..nodes.len() {
        let (to, parent, _) = nodes[index];
        let from = nodes[parent].0;
        let chord = sub(to, from);
        let reach = length(chord);
        heading[index] = unit(add(unit(chord), times(heading[parent], 0.35)));
        // A cubic from the parent's heading to one's own: branches leave in a curve.
        let (m0, m1) = (times(heading[parent], 0.8 * reach), times(heading[index], 0.9 * reach));
        let at = |t: f64| {
            let (t2, t3) = (t * t, t * t * t);
            let (a, b, c, d) = (2.0 * t3 - 3.0 * t2 + 1.0, t3 - 2.0 * t2 + t, 3.0 * t2 - 2.0 * t3, t3 - t2);
            add(add(times(from, a), times(m0, b)), add(times(to, c), times(m1, d)))
        };
        let r_parent = radius[parent].min(radius[index] * 1.4);
        for piece in 0..PIECES {
            let (t0, t1) = (real(piece) / real(PIECES), real(piece + 1) / real(PIECES));
            twigs.push(Twig {
                from: at(t0),
                to: at(t1),
                r_from: mix(r_parent, radius[index], t0),
                r_to: mix(r_parent, radius[index], t1),
            });
        }
    }
    twigs
}

impl Anatomy {
    /// `count` points in one lung (0 right, 1 left), at least `depth` below the pleura.
    fn scatter(&self, side: usize, count: usize, depth: f64, random: &mut Random) -> Vec<Vec3> {
        let sign = [-1.0, 1.0][side];
        let mut points = Vec::with_capacity(count);
        for _ in 0..count * 30 {
            if points.len() == count {
                break;
            }
            let at = [
                sign * random.range(18.0, self.cavity[0]),
                random.range(-self.cavity[1], self.cavity[1] + self.gutter),
                random.range(-150.0, 122.0),
            ];
            if self.lung(at) > depth {
                points.push(at);
            }
        }
        points
    }
}

impl Canvas {
    /// Arteries, veins and bronchi of both lungs.
    fn draw_vessels(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) {
        let blood = BLOOD_HU + 0.8 * anatomy.contrast_hu;
        let raise = |hu: f64| {
            move |value: &mut f32, share: f64| *value = value.max(single(mix(f64::from(*value).min(hu), hu, share)))
        };
        let tip = random.range(0.56, 0.70);
        let mut bronchi = Vec::new();
        for (side, &hilum) in HILUM.iter().enumerate() {
            let sign = [-1.0, 1.0][side];
            let hilum = times(hilum, anatomy.scale);
            for (shift, count, root_radius) in [([0.0, 0.0, 6.0], 560, 7.0), ([-6.0 * sign, -8.0, -14.0], 400, 6.0)] {
                let targets = anatomy.scatter(side, count, 2.5, random);
                for twig in branch(add(hilum, shift), [sign, 0.0, 0.0], &targets, tip, root_radius) {
                    if lesion.is_solid() && lesion.depth(anatomy, twig.from, true) > 1.5 {
                        continue;
                    }
                    self.tube(twig.from, twig.r_from, twig.to, twig.r_to, raise(blood));
                }
            }
            let targets = anatomy.scatter(side, 18, 24.0, random);
            bronchi.extend(branch(hilum, [sign, 0.0, -0.3], &targets, 0.85, 4.0));
        }
        self.draw_airways(&bronchi);
    }

    /// Windpipe and main bronchi. Drawn after the lesion: it narrows them, but seldom closes them.
    fn draw_windpipe(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) {
        let carina = [1.0, 8.0, 26.0];
        let radius = random.range(7.5, 9.5) * anatomy.scale;
        let mut airways = vec![
            Twig { from: carina, to: [0.0, 2.0, 90.0], r_from: radius, r_to: radius },
            Twig { from: [0.0, 2.0, 90.0], to: [0.0, 0.0, 190.0], r_from: radius, r_to: radius },
        ];
        for (side, &hilum) in HILUM.iter().enumerate() {
            let open = if side == lesion.side && lesion.signs.obstruction {
                random.range(0.1, 0.5)
            } else if side == lesion.side && lesion.signs.nodules > 1 {
                random.range(0.4, 0.9)
            } else {
                1.0
            };
            let r = [7.4, 6.7][side] * anatomy.scale;
            // A central cavity has no bronchus running through it.
            let reach =
                if side == lesion.side && lesion.signs.central && lesion.signs.cavity > 0.0 { 0.6 } else { 1.0 };
            let to = add(carina, times(sub(times(hilum, anatomy.scale), carina), reach));
            airways.push(Twig { from: carina, to, r_from: r, r_to: 0.7 * r * open });
        }
        self.draw_airways(&airways);
    }

    /// Walls first, so that no wall crosses a lumen.
    fn draw_airways(&mut self, twigs: &[Twig]) {
        const WALL_HU: f64 = 10.0;
        for twig in twigs {
            self.tube(twig.from, twig.r_from * 1.1 + 0.5, twig.to, twig.r_to * 1.1 + 0.5, |value, share| {
                let under = f64::from(*value);
                *value = value.max(single(mix(under.min(WALL_HU), WALL_HU, share)));
            });
        }
        for twig in twigs {
            self.tube(twig.from, twig.r_from, twig.to, twig.r_to, |value, share| {
                *value = single(mix(f64::from(*value), -985.0, share))
            });
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Lesion

/// How often a malignant phenotype shows each sign, and how strongly.
#[derive(Debug, Clone, Copy)]
struct Habit {
    /// Median diameter, mm, and the standard deviation of its logarithm.
    diameter_mm: f64,
    spread: f64,
    /// Shares of cases.
    central: f64,
    upper: f64,
    spiculated: f64,
    part_solid: f64,
    pure_ground: f64,
    bronchogram: f64,
    tag: f64,
    cavity: f64,
    necrosis: f64,
    obstruction: f64,
    confluent: f64,
    adenopathy: f64,
    calcified: f64,
    satellites: f64,
    /// Depth of the lobulation relative to the radius.
    lobulation: f64,
    /// Roughness of the margin, mm.
    rough_mm: f64,
}

/// Adenocarcinoma, squamous, large cell, small cell, in the order of [`Class::ALL`]; sources at the head of the file.
const HABITS: [Habit; 4] = [
    // Peripheral, spiculated, often with ground glass, bronchograms and a pleural tag.
    Habit {
        diameter_mm: 27.0,
        spread: 0.34,
        central: 0.05,
        upper: 0.64,
        spiculated: 0.90,
        part_solid: 0.48,
        pure_ground: 0.10,
        bronchogram: 0.42,
        tag: 0.55,
        cavity: 0.05,
        necrosis: 0.05,
        obstruction: 0.03,
        confluent: 0.02,
        adenopathy: 0.12,
        calcified: 0.03,
        satellites: 0.10,
        lobulation: 0.16,
        rough_mm: 0.7,
    },
    // Central with obstruction, or peripheral with a thick-walled cavity.
    Habit {
        diameter_mm: 40.0,
        spread: 0.30,
        central: 0.55,
        upper: 0.55,
        spiculated: 0.16,
        part_solid: 0.01,
        pure_ground: 0.0,
        bronchogram: 0.02,
        tag: 0.12,
        cavity: 0.66,
        necrosis: 0.20,
        obstruction: 0.82,
        confluent: 0.02,
        adenopathy: 0.12,
        calcified: 0.04,
        satellites: 0.06,
        lobulation: 0.20,
        rough_mm: 1.0,
    },
    // Large, peripheral, lobulated, necrotic.
    Habit {
        diameter_mm: 54.0,
        spread: 0.26,
        central: 0.07,
        upper: 0.55,
        spiculated: 0.10,
        part_solid: 0.01,
        pure_ground: 0.0,
        bronchogram: 0.03,
        tag: 0.08,
        cavity: 0.03,
        necrosis: 0.86,
        obstruction: 0.02,
        confluent: 0.03,
        adenopathy: 0.12,
        calcified: 0.05,
        satellites: 0.08,
        lobulation: 0.56,
        rough_mm: 0.4,
    },
    // A central bulk of smooth confluent nodes.
    Habit {
        diameter_mm: 54.0,
        spread: 0.28,
        central: 0.95,
        upper: 0.50,
        spiculated: 0.03,
        part_solid: 0.0,
        pure_ground: 0.0,
        bronchogram: 0.02,
        tag: 0.04,
        cavity: 0.01,
        necrosis: 0.12,
        obstruction: 0.06,
        confluent: 0.94,
        adenopathy: 0.90,
        calcified: 0.03,
        satellites: 0.04,
        lobulation: 0.08,
        rough_mm: 0.1,
    },
];

impl Habit {
    /// This habit as far as it still shows: the rest is what malignancies have in common.
    fn blurred(&self, share: f64) -> Self {
        let blend = |figure: fn(&Self) -> f64| {
            let common = HABITS.iter().map(figure).sum::<f64>() / real(HABITS.len());
            mix(figure(self), common, share)
        };
        Self {
            diameter_mm: blend(|h| h.diameter_mm),
            spread: blend(|h| h.spread),
            central: blend(|h| h.central),
            upper: blend(|h| h.upper),
            spiculated: blend(|h| h.spiculated),
            part_solid: blend(|h| h.part_solid),
            pure_ground: blend(|h| h.pure_ground),
            bronchogram: blend(|h| h.bronchogram),
            tag: blend(|h| h.tag),
            cavity: blend(|h| h.cavity),
            necrosis: blend(|h| h.necrosis),
            obstruction: blend(|h| h.obstruction),
            confluent: blend(|h| h.confluent),
            adenopathy: blend(|h| h.adenopathy),
            calcified: blend(|h| h.calcified),
            satellites: blend(|h| h.satellites),
            lobulation: blend(|h| h.lobulation),
            rough_mm: blend(|h| h.rough_mm),
        }
    }
}

/// Benign lesions that look like one of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mimic {
    Granuloma,
    Scar,
    VesselKnot,
    LymphNode,
    Pneumonia,
    Hamartoma,
    /// Enlarged hilar nodes, as in sarcoidosis.
    HilarNodes,
    Abscess,
}

/// Where calcium lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Calcium {
    None,
    Central,
    Diffuse,
    Popcorn,
    Specks,
}

/// What one lesion shows, once drawn.
#[derive(Debug, Clone)]
struct Signs {
    mimic: Option<Mimic>,
    diameter_mm: f64,
    /// Half-axes relative to half the diameter.
    axes: Vec3,
    central: bool,
    upper: bool,
    lobulation: f64,
    rough_mm: f64,
    spicules: usize,
    spicule_share: f64,
    solid_hu: f64,
    /// HU of the ground glass, and the solid core's share of the radius; 1 is a solid lesion.
    ground_hu: f64,
    core: f64,
    bronchograms: usize,
    tags: usize,
    /// The cavity's share of the radius.
    cavity: f64,
    /// How far necrosis lowers the middle, HU.
    necrosis_hu: f64,
    obstruction: bool,
    nodules: usize,
    adenopathy: usize,
    calcium: Calcium,
    satellites: usize,
    /// Extra width of the margin, mm.
    haze_mm: f64,
    /// Strands in the lung around.
    strands: f64,
}

impl Signs {
    fn draw(request: &Request, contrast_hu: f64, random: &mut Random) -> Self {
        let hidden = request.obscurity.clamp(0.0, 1.0);
        let enhancement = contrast_hu * random.range(0.15, 0.35);
        let haze_mm = hidden * random.range(0.2, 2.2);
        let strands = hidden * random.range(0.2, 1.0);
        if request.phenotype == Class::Normal {
            return Self::benign(hidden, enhancement, haze_mm, strands, random);
        }
        let habit = HABITS[request.phenotype.index().min(3)].blurred(0.01 + 0.10 * hidden);
        let pick = |random: &mut Random, share: f64| random.chance(share.clamp(0.0, 1.0));
        let confluent = pick(random, habit.confluent);
        let central = pick(random, if confluent { habit.central.max(0.8) } else { habit.central });
        let diameter_mm = random.log_normal(habit.diameter_mm, habit.spread).clamp(11.0, 84.0);
        let pure = diameter_mm < 32.0 && pick(random, habit.pure_ground);
        let part = !pure && diameter_mm < 45.0 && pick(random, habit.part_solid);
        let spiculated = pick(random, habit.spiculated);
        // A squamous cancer of the periphery shows itself by its cavity, a central one by what it blocks.
        let cavity = diameter_mm > 17.0 && !pure && pick(random, habit.cavity * if central { 0.6 } else { 1.4 });
        let necrosis = diameter_mm > 24.0 && pick(random, habit.necrosis);
        let small = libm::exp(-diameter_mm / 30.0);
        Self {
            mimic: None,
            diameter_mm,
            axes: [random.range(0.92, 1.15), random.range(0.86, 1.05), random.range(0.85, 1.1)],
            central,
            upper: pick(random, habit.upper),
            lobulation: habit.lobulation * random.range(0.6, 1.4),
            rough_mm: habit.rough_mm * random.range(0.6, 1.5),
            spicules: if spiculated { 18 + random.below(20) } else { random.below(3) },
            spicule_share: random.range(0.45, 0.85) * (1.0 - 0.35 * hidden) * (0.6 + small),
            solid_hu: random.normal(34.0, 8.0) + enhancement + if necrosis { 20.0 } else { 0.0 },
            ground_hu: random.normal(-580.0, 70.0).clamp(-720.0, -400.0),
            core: if pure {
                0.0
            } else if part {
                random.range(0.25, 0.75)
            } else {
                1.0
            },
            bronchograms: if pick(random, habit.bronchogram) { 1 + random.below(3) } else { 0 },
            tags: if pick(random, habit.tag) { 1 + random.below(3) } else { 0 },
            cavity: if cavity { random.range(0.30, 0.74) } else { 0.0 },
            necrosis_hu: if necrosis { random.range(35.0, 60.0) + 0.9 * enhancement } else { 0.0 },
            obstruction: central && pick(random, habit.obstruction),
            nodules: if confluent { 4 + random.below(4) } else { 1 },
            adenopathy: if pick(random, habit.adenopathy) { 2 + random.below(4) } else { 0 },
            calcium: if pick(random, habit.calcified) { Calcium::Specks } else { Calcium::None },
            satellites: if pick(random, habit.satellites) { 1 + random.below(4) } else { 0 },
            haze_mm,
            strands,
        }
    }

    fn benign(hidden: f64, enhancement: f64, haze_mm: f64, strands: f64, random: &mut Random) -> Self {
        use Mimic::{Abscess, Granuloma, Hamartoma, HilarNodes, LymphNode, Pneumonia, Scar, VesselKnot};
        // The more is hidden, the more of the mimics that are hard to tell.
        let choices = [
            (Granuloma, 0.26),
            (Scar, 0.15),
            (VesselKnot, 0.12 - 0.05 * hidden),
            (LymphNode, 0.10 - 0.05 * hidden),
            (Pneumonia, 0.05 + 0.14 * hidden),
            (Hamartoma, 0.14),
            (HilarNodes, 0.01 + 0.08 * hidden),
            (Abscess, 0.01 + 0.06 * hidden),
        ];
        let mimic = choices[random.weighted(&choices.map(|choice| choice.1))].0;
        let telling = 1.0 - 0.5 * hidden;
        let calcium = match mimic {
            Granuloma if random.chance(0.75 * telling) => [Calcium::Diffuse, Calcium::Central][random.below(2)],
            Hamartoma if random.chance(0.75 * telling) => Calcium::Popcorn,
            _ => Calcium::None,
        };
        // Median diameter and the spread of its logarithm, limits, half-axes, depth of lobes, roughness in mm.
        let (median, spread, limits, axes, lobulation, rough_mm) = match mimic {
            Granuloma => (13.0, 0.36, [6.5, 34.0], [[0.95, 1.08], [0.92, 1.04], [0.92, 1.04]], 0.08, 0.2),
            Scar => (27.0, 0.30, [13.0, 50.0], [[0.9, 1.1], [0.55, 0.95], [0.16, 0.32]], 0.24, 1.2),
            VesselKnot => (10.0, 0.20, [6.5, 15.0], [[1.0, 1.3], [0.7, 0.9], [0.7, 0.9]], 0.05, 0.1),
            LymphNode => (8.5, 0.20, [6.0, 13.0], [[1.0, 1.2], [0.7, 0.9], [0.5, 0.65]], 0.05, 0.1),
            Pneumonia => (34.0, 0.34, [14.0, 65.0], [[0.95, 1.25], [0.75, 1.0], [0.75, 1.0]], 0.34, 2.0),
            Hamartoma => (22.0, 0.38, [9.0, 48.0], [[0.95, 1.08], [0.92, 1.04], [0.92, 1.04]], 0.18, 0.1),
            HilarNodes => (36.0, 0.25, [20.0, 60.0], [[0.95, 1.1], [0.9, 1.05], [0.9, 1.05]], 0.10, 0.15),
            Abscess => (36.0, 0.28, [20.0, 65.0], [[0.95, 1.1], [0.9, 1.05], [0.9, 1.05]], 0.12, 0.8),
        };
        let smooth = matches!(mimic, Granuloma | Hamartoma | HilarNodes);
        let inflamed = matches!(mimic, Pneumonia | Abscess);
        Self {
            mimic: Some(mimic),
            diameter_mm: random.log_normal(median, spread).clamp(limits[0], limits[1]),
            axes: axes.map(|[least, most]| random.range(least, most)),
            central: match mimic {
                HilarNodes => true,
                Pneumonia | Abscess => random.chance(0.15),
                _ => random.chance(0.06),
            },
            upper: random.chance(match mimic {
                Scar => 0.75,
                LymphNode => 0.15,
                _ => 0.5,
            }),
            lobulation,
            rough_mm,
            spicules: match mimic {
                Scar => 2 + random.below(5),
                Pneumonia => random.below(10),
                Abscess => random.below(6),
                // A granuloma that heals may pull in strands like a cancer's.
                Granuloma if random.chance(0.05 + 0.2 * hidden) => 5 + random.below(8),
                _ => 0,
            },
            spicule_share: random.range(0.3, 0.7),
            solid_hu: match mimic {
                Hamartoma => random.normal(14.0, 14.0),
                Scar => random.normal(12.0, 18.0),
                _ => random.normal(34.0, 10.0) + enhancement,
            },
            ground_hu: random.normal(-540.0, 80.0).clamp(-700.0, -380.0),
            core: if mimic == Pneumonia { random.range(0.35, 1.0) } else { 1.0 },
            bronchograms: if mimic == Pneumonia { random.below(4) } else { 0 },
            tags: if matches!(mimic, Scar | Granuloma | LymphNode) { random.below(3) } else { 0 },
            cavity: if mimic == Abscess || (mimic == Granuloma && random.chance(0.1)) {
                random.range(0.35, 0.75)
            } else {
                0.0
            },
            necrosis_hu: if mimic == Abscess { random.range(10.0, 30.0) + 0.8 * enhancement } else { 0.0 },
            obstruction: false,
            nodules: if mimic == HilarNodes { 3 + random.below(4) } else { 1 },
            adenopathy: if mimic == HilarNodes { 1 + random.below(4) } else { 0 },
            calcium,
            satellites: if mimic == Granuloma && random.chance(0.3) { 1 + random.below(4) } else { 0 },
            haze_mm: haze_mm
                + match mimic {
                    Pneumonia => random.range(0.5, 3.0),
                    Abscess => random.range(0.0, 1.5),
                    _ => 0.0,
                },
            strands: if smooth { 0.6 * strands } else { strands + if inflamed || mimic == Scar { 0.4 } else { 0.0 } },
        }
    }
}

/// One ellipsoid of a lesion.
#[derive(Debug, Clone, Copy)]
struct Blob {
    centre: Vec3,
    frame: [Vec3; 3],
    axes: Vec3,
}

impl Blob {
    fn depth(&self, at: Vec3) -> f64 {
        let p = sub(at, self.centre);
        let q: Vec3 = std::array::from_fn(|a| dot(p, self.frame[a]) / self.axes[a]);
        let k0 = length(q);
        let k1 = length(std::array::from_fn(|a| q[a] / self.axes[a]));
        if k1 < 1e-9 { self.axes[0].min(self.axes[1]).min(self.axes[2]) } else { k0 * (1.0 - k0) / k1 }
    }
}

/// The lesion's shape and place.
#[derive(Debug, Clone)]
struct Lesion {
    signs: Signs,
    centre: Vec3,
    radius: f64,
    blobs: Vec<Blob>,
    nodes: Vec<Blob>,
    shape: Lattice,
    /// How far it grows beyond the pleura, mm.
    invasion: f64,
    /// Away from the hilum.
    outward: Vec3,
    cavity_shift: Vec3,
    side: usize,
}

impl Lesion {
    fn draw(signs: Signs, anatomy: &Anatomy, random: &mut Random) -> Self {
        let radius = 0.5 * signs.diameter_mm;
        let side = usize::from(random.chance(0.42));
        let sign = [-1.0, 1.0][side];
        let hilum = times(HILUM[side], anatomy.scale);
        // A centre near the hilum, or under the pleura; the best of many guesses.
        let mut centre = add(hilum, [sign * (0.4 * radius + 6.0), 0.0, 0.0]);
        let mut best = f64::MAX;
        for _ in 0..400 {
            let (guess, cost) = if signs.central {
                // Confluent nodes lie in the mediastinum as much as in the lung; others show against the lung.
                let (out, shown) = if signs.nodules > 1 { (0.0, -0.12) } else { (0.55, 0.30) };
                let x = hilum[0] + sign * (random.range(-6.0, 10.0) + out * radius);
                let guess = [x, hilum[1] + random.normal(0.0, 8.0), hilum[2] + random.normal(0.0, 11.0)];
                (guess, ((anatomy.lung(guess) - shown * radius).abs() - 2.0).max(0.0))
            } else {
                let guess = [
                    sign * random.range(26.0, anatomy.cavity[0]),
                    random.range(-0.95, 1.05) * anatomy.cavity[1],
                    if signs.upper { random.range(8.0, 96.0) } else { random.range(-92.0, 16.0) },
                ];
                let level = anatomy.level(guess[2]);
                let cage = anatomy.cage(&level, guess[0], guess[1]);
                let wanted = match signs.mimic {
                    Some(Mimic::Scar) => 0.5 * radius,
                    Some(Mimic::LymphNode) => 11.0,
                    _ => 0.80 * radius + 5.0,
                };
                let slack = (cage - wanted).abs() - 0.12 * radius - 4.0;
                let deep = (0.72 * radius).min(24.0) - anatomy.lung(guess);
                let fissure =
                    if signs.mimic == Some(Mimic::LymphNode) { anatomy.fissures(guess)[0].abs() - 7.0 } else { 0.0 };
                (guess, slack.max(0.0) + 3.0 * deep.max(0.0) + fissure.max(0.0))
            };
            if cost < best {
                best = cost;
                centre = guess;
            }
            if best <= 0.0 {
                break;
            }
        }
        let outward = unit(add(unit(sub(centre, hilum)), [0.25 * sign, 0.0, 0.0]));
        let turned = if signs.mimic == Some(Mimic::Scar) { frame(outward) } else { frame(direction(random)) };
        let mut blobs = vec![Blob { centre, frame: turned, axes: times(signs.axes, radius) }];
        if signs.nodules > 1 {
            // The same bulk in several lumps along the hilum.
            blobs[0].axes = times(blobs[0].axes, 0.66);
            for _ in 1..signs.nodules {
                let away = unit(add(direction(random), [0.0, 0.0, random.range(-0.3, 0.3)]));
                let share = random.range(0.36, 0.60);
                let axes = std::array::from_fn(|_| radius * share * random.range(0.88, 1.12));
                blobs.push(Blob {
                    centre: add(centre, times(away, radius * random.range(0.48, 0.75))),
                    frame: frame(direction(random)),
                    axes,
                });
            }
            let mean = times(blobs.iter().fold([0.0; 3], |sum, blob| add(sum, blob.centre)), 1.0 / real(blobs.len()));
            for blob in &mut blobs {
                blob.centre = add(blob.centre, times(sub(centre, mean), 0.8));
            }
        }
        let mut nodes = Vec::new();
        for _ in 0..signs.adenopathy {
            let [x, y, z] = [
                [-18.0, 6.0, 46.0],
                [0.0, 22.0, 8.0],
                [sign * 36.0, 4.0, -10.0],
                [sign * 34.0, -2.0, 16.0],
                [20.0, -6.0, 28.0],
                [-14.0, -2.0, 24.0],
            ][random.below(6)];
            let size = random.log_normal(9.0, 0.25).clamp(5.0, 17.0);
            let axes = std::array::from_fn(|_| size * random.range(0.8, 1.25));
            let jitter = std::array::from_fn(|_| random.normal(0.0, 4.0));
            nodes.push(Blob {
                centre: add(times([x, y, z], anatomy.scale), jitter),
                frame: frame(direction(random)),
                axes,
            });
        }
        let invasion = if signs.central {
            if signs.nodules > 1 { random.range(22.0, 40.0) } else { random.range(5.0, 18.0) }
        } else if signs.mimic.is_none() && radius > 18.0 && random.chance(0.3) {
            random.range(1.0, 6.0)
        } else {
            -0.6
        };
        let cavity_shift = times(direction(random), radius * random.range(0.0, 0.14));
        Self {
            signs,
            centre,
            radius,
            blobs,
            nodes,
            shape: Lattice::draw(random),
            invasion,
            outward,
            cavity_shift,
            side,
        }
    }

    const fn is_solid(&self) -> bool {
        self.signs.core > 0.95
    }

    /// Depth below the lesion's surface; the implicit shape that the mask samples. `free` leaves out the pleura.
    fn depth(&self, anatomy: &Anatomy, at: Vec3, free: bool) -> f64 {
        let p = sub(at, self.centre);
        if dot(p, p) > 6.0 * self.radius * self.radius + 400.0 {
            return -20.0;
        }
        let mut depth = f64::MIN;
        for blob in &self.blobs {
            depth = unite(depth, blob.depth(at), 0.12 * self.radius + 0.5);
        }
        // Lobulation is noise on the sphere of directions; roughness is noise in space.
        let d = times(p, 1.0 / length(p).max(0.35 * self.radius));
        let lobes = self.shape.at(d[0] * 1.5, d[1] * 1.5, d[2] * 1.5)
            + 0.45 * self.shape.at(d[0] * 3.1 + 9.0, d[1] * 3.1, d[2] * 3.1);
        let thin = self.signs.axes[2].min(1.0);
        depth += self.signs.lobulation * self.radius * thin * lobes;
        if self.signs.rough_mm > 0.0 {
            depth += self.signs.rough_mm * 1.8 * self.shape.at(at[0] * 0.3, at[1] * 0.3, at[2] * 0.3);
        }
        if free { depth } else { depth.min(anatomy.lung(at) + self.invasion) }
    }

    /// Depth below the wall of the cavity.
    fn cavity(&self, at: Vec3, depth: f64) -> f64 {
        if self.signs.cavity <= 0.0 {
            return -50.0;
        }
        let p = sub(sub(at, self.centre), self.cavity_shift);
        let wavy = 0.28 * self.shape.at(at[0] * 0.09 + 3.0, at[1] * 0.09, at[2] * 0.09);
        // No thinner than 2 mm at any place.
        (self.radius * (self.signs.cavity + wavy) - length(p)).min(depth - 2.0)
    }

    /// HU of the lesion's tissue at a depth.
    fn tissue(&self, at: Vec3, depth: f64) -> f64 {
        let [x, y, z] = at;
        let signs = &self.signs;
        let fine = self.shape.at(x * 0.31 + 2.0, y * 0.31, z * 0.31);
        let mut hu = signs.solid_hu + 16.0 * fine;
        if signs.necrosis_hu > 0.0 {
            let patch = self.shape.at(x * 0.085, y * 0.085 + 4.0, z * 0.085);
            let core = coverage(depth - 0.22 * self.radius + 0.3 * self.radius * patch, 2.0);
            hu -= signs.necrosis_hu * core;
        }
        if signs.mimic == Some(Mimic::Hamartoma) {
            let fat = self.shape.at(x * 0.2, y * 0.2 + 13.0, z * 0.2);
            hu = mix(hu, -90.0, coverage(fat - 0.2, 0.12));
        }
        if signs.core < 0.95 {
            // The core keeps the lesion's own outline, made rougher.
            let wave = self.shape.at(x * 0.14, y * 0.14 + 21.0, z * 0.14);
            let inner = depth - (1.0 - signs.core) * self.radius + 0.30 * self.radius * wave;
            let ground = signs.ground_hu + 90.0 * fine + 60.0 * wave;
            let solid = if signs.core > 0.0 { coverage(inner, 1.8) } else { 0.0 };
            hu = mix(ground, hu, solid);
        }
        let grain = self.shape.at(x * 0.33, y * 0.33 + 2.0, z * 0.33);
        match signs.calcium {
            Calcium::None => hu,
            Calcium::Diffuse => mix(hu, 480.0, coverage(depth - 1.0, 1.2)),
            Calcium::Central => mix(hu, 560.0, coverage(depth - 0.5 * self.radius, 1.2)),
            Calcium::Popcorn => mix(hu, 420.0, coverage(grain - 0.18, 0.12) * coverage(depth - 0.2 * self.radius, 1.0)),
            Calcium::Specks => mix(hu, 300.0, coverage(grain - 0.52, 0.1)),
        }
    }

    /// How far from the centre the surface lies in a direction.
    fn surface(&self, anatomy: &Anatomy, along: Vec3) -> f64 {
        let mut at = 0.2 * self.radius;
        while at < 1.9 * self.radius && self.depth(anatomy, add(self.centre, times(along, at)), false) > 0.0 {
            at += 0.7;
        }
        at
    }
}

impl Canvas {
    /// Draws the lesion and what it does to the lung around; returns its mask.
    fn draw_lesion(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) -> Vec<u8> {
        let signs = &lesion.signs;
        self.draw_surroundings(anatomy, lesion, random);

        let mut mask = vec![0_u8; self.hu.len()];
        let blur = self.blur;
        let width = blur + signs.haze_mm;
        let reach = 1.75 * lesion.radius + 12.0;
        let (low, high) = (add(lesion.centre, [-reach; 3]), add(lesion.centre, [reach; 3]));
        self.in_box(low, high, |value, at, index, level| {
            let free = lesion.depth(anatomy, at, true);
            if free < -width {
                return;
            }
            let lung = anatomy.lung_in(level, at);
            let depth = free.min(lung + lesion.invasion);
            if depth > 0.0 {
                mask[index] = 1;
            }
            // Haze belongs to the margin in the lung, not to the border with the wall.
            let share = coverage(free, width) * coverage(lung + lesion.invasion + blur, blur);
            if share <= 0.0 {
                return;
            }
            let hu = lesion.tissue(at, depth.max(0.0));
            let under = f64::from(*value);
            let calcified = signs.calcium != Calcium::None;
            let mut over = if under < hu || calcified { mix(under, hu, share) } else { under };
            let hole = lesion.cavity(at, depth);
            if hole > -blur {
                over = mix(over, -930.0, coverage(hole, blur));
            }
            *value = single(over);
        });
        self.draw_bronchograms(anatomy, lesion, random);
        mask
    }
}

impl Canvas {
    /// What surrounds the lesion: obstruction, strands, satellites, nodes, spicules, tags, vessels that meet in a knot.
    fn draw_surroundings(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) {
        let signs = &lesion.signs;
        let centre = lesion.centre;
        let hu = signs.solid_hu - 12.0;
        let raise = |hu: f64, strength: f64| {
            move |value: &mut f32, share: f64| {
                *value = value.max(single(mix(f64::from(*value).min(hu), hu, share * strength)))
            }
        };

        if signs.obstruction {
            self.draw_obstruction(anatomy, lesion, random);
        }
        if signs.strands > 0.05 {
            let reach = lesion.radius + 16.0;
            let (low, high) = (add(centre, [-reach; 3]), add(centre, [reach; 3]));
            self.in_box(low, high, |value, at, _, _| {
                let beyond = length(sub(at, centre)) - 0.8 * lesion.radius;
                if beyond < 16.0 && *value < -300.0 {
                    let fade = signs.strands * (1.0 - beyond.max(0.0) / 16.0);
                    let ridge = lesion.shape.at(at[0] * 0.13 + 5.0, at[1] * 0.13, at[2] * 0.13).abs();
                    *value += single(fade * (330.0 * (1.0 - 6.0 * ridge).max(0.0) + 55.0));
                }
            });
        }
        for node in &lesion.nodes {
            let reach = node.axes[0].max(node.axes[1]).max(node.axes[2]) + self.blur;
            let blur = self.blur;
            let node_hu = signs.solid_hu;
            self.in_box(add(node.centre, [-reach; 3]), add(node.centre, [reach; 3]), |value, at, _, _| {
                let under = f64::from(*value);
                // Windpipe and bronchi keep their lumen, vessels their contrast.
                if under < node_hu && under > -920.0 {
                    *value = single(mix(under, node_hu, coverage(node.depth(at), blur)));
                }
            });
        }
        for _ in 0..signs.satellites {
            let away = lesion.radius + random.range(4.0, 18.0);
            let at = add(centre, times(direction(random), away));
            let size = random.range(1.0, 2.6);
            if anatomy.lung(at) > size {
                self.tube(at, size, add(at, [0.0, 0.0, 0.5]), size, raise(hu, 1.0));
            }
        }
        for _ in 0..signs.spicules {
            let along = direction(random);
            let start = lesion.surface(anatomy, along);
            let reach = (signs.spicule_share * lesion.radius * random.range(0.4, 1.6)).clamp(3.5, 18.0);
            let width = random.range(0.9, 1.7);
            let bend = times(direction(random), 0.18 * reach);
            let from = add(centre, times(along, (start - 2.5).max(0.0)));
            let middle = add(add(centre, times(along, start + 0.45 * reach)), bend);
            let to = add(centre, times(along, start + reach));
            if anatomy.lung(middle) > -1.0 {
                let strength = random.range(0.6, 1.0);
                self.tube(from, width * 1.5, middle, width * 0.8, raise(hu, strength));
                self.tube(middle, width * 0.8, to, 0.3, raise(hu, strength));
            }
        }
        for _ in 0..signs.tags {
            // Towards the nearest pleura, found by trying directions.
            let mut tag = None;
            let mut best = lesion.radius + 32.0;
            for _ in 0..24 {
                let along = unit(add(direction(random), times(lesion.outward, 0.8)));
                let mut far = lesion.radius;
                while far < best && anatomy.lung(add(centre, times(along, far))) > 0.0 {
                    far += 1.0;
                }
                if far < best {
                    best = far;
                    tag = Some(along);
                }
            }
            if let Some(along) = tag {
                let start = lesion.surface(anatomy, along);
                let (from, to) = (add(centre, times(along, start - 2.0)), add(centre, times(along, best + 1.0)));
                let middle = add(times(add(from, to), 0.5), times(direction(random), 1.5));
                self.tube(from, 1.5, middle, 0.8, raise(hu, 0.9));
                self.tube(middle, 0.8, to, 2.2, raise(hu, 0.9));
            }
        }
        match signs.mimic {
            Some(Mimic::VesselKnot) => {
                for _ in 0..2 + random.below(3) {
                    let along = direction(random);
                    let side = times(direction(random), 2.0);
                    let reach = random.range(14.0, 32.0);
                    let width = random.range(1.2, 2.3);
                    let knee = add(centre, times(along, 0.4 * reach));
                    let (a, b) =
                        (add(centre, side), add(add(centre, times(along, reach)), times(direction(random), 7.0)));
                    if anatomy.lung(b) > 2.0 {
                        self.tube(a, width, knee, width * 0.9, raise(BLOOD_HU, 1.0));
                        self.tube(knee, width * 0.9, b, width * 0.6, raise(BLOOD_HU, 1.0));
                    }
                }
            }
            Some(Mimic::Scar) => {
                // Bands in the plane of the scar, drawn out towards pleura and hilum.
                let plane = lesion.blobs[0].frame;
                for _ in 0..3 + random.below(4) {
                    let sign = if random.chance(0.65) { 1.0 } else { -1.0 };
                    let lean = random.range(-0.7, 0.7);
                    let along = unit(add(times(plane[0], sign), times(plane[1], lean)));
                    let from = add(centre, times(along, 0.5 * lesion.radius));
                    let to = add(centre, times(along, lesion.radius * random.range(1.2, 2.0)));
                    if anatomy.lung(to) > -4.0 {
                        self.tube(from, 2.0, to, 0.6, raise(hu, 0.9));
                    }
                }
            }
            _ => {}
        }
    }

    /// Collapse and pneumonia behind a blocked bronchus: a wedge that widens from the lesion to the pleura.
    fn draw_obstruction(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) {
        let centre = lesion.centre;
        let axis = unit(add(lesion.outward, times(direction(random), 0.35)));
        let spread = random.range(0.35, 0.75);
        let reach = lesion.radius + random.range(25.0, 70.0);
        let density = random.range(0.55, 1.0);
        let sign = [-1.0, 1.0][lesion.side];
        let (low, high) = (add(centre, [-reach; 3]), add(centre, [reach; 3]));
        self.in_box(low, high, |value, at, _, level| {
            let p = sub(at, centre);
            let ahead = dot(p, axis);
            if ahead < 0.0 || at[0] * sign < 0.0 || *value > -150.0 {
                return;
            }
            let aside = (dot(p, p) - ahead * ahead).max(0.0).sqrt();
            let wave = lesion.shape.at(at[0] * 0.07, at[1] * 0.07 + 8.0, at[2] * 0.07);
            let wedge = (0.5 * lesion.radius + spread * ahead - aside + 14.0 * wave).min(reach - ahead);
            if wedge < -2.5 {
                return;
            }
            let lung = anatomy.lung_in(level, at);
            let patchy =
                0.5 + 1.2 * lesion.shape.at(at[0] * 0.16, at[1] * 0.16 + 1.0, at[2] * 0.16) + 0.4 * (density - 0.5);
            let fill =
                coverage(wedge, 2.5) * coverage(lung, 1.5) * mix(patchy.clamp(0.15, 1.0), 1.0, (density - 0.55) * 2.0);
            *value = single(mix(f64::from(*value), 28.0, fill * (1.0 - 0.35 * (ahead / reach))));
        });
    }

    /// Open bronchi, and bubbles, inside the lesion.
    fn draw_bronchograms(&mut self, anatomy: &Anatomy, lesion: &Lesion, random: &mut Random) {
        for _ in 0..lesion.signs.bronchograms {
            let side = times(direction(random), 0.35 * lesion.radius);
            let inward = unit(add(times(lesion.outward, -1.0), times(direction(random), 0.5)));
            let from = add(add(lesion.centre, side), times(inward, 0.75 * lesion.radius));
            let to = sub(add(lesion.centre, side), times(inward, 0.55 * lesion.radius));
            let fork = add(times(add(from, to), 0.5), times(direction(random), 1.5));
            let twig = add(to, times(direction(random), 0.45 * lesion.radius));
            let width = random.range(0.9, 1.7);
            for (a, b, ra, rb) in [
                (from, fork, width, 0.85 * width),
                (fork, to, 0.85 * width, 0.6 * width),
                (fork, twig, 0.7 * width, 0.5 * width),
            ] {
                if lesion.depth(anatomy, b, false) > 0.8 {
                    self.tube(a, ra, b, rb, |value, share| {
                        *value = value.min(single(mix(f64::from(*value), -930.0, share)))
                    });
                }
            }
        }
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Motion and noise

    /// Breathing during the rotation: a fainter copy, moved.
    fn move_patient(&mut self, scanner: &Scanner) {
        if scanner.ghost_share <= 0.0 {
            return;
        }
        let [columns, rows, slices] = self.size;
        let share = single(scanner.ghost_share);
        let (dx, dy) = (scanner.ghost_mm[0] / self.step[0] + 8.0, scanner.ghost_mm[1] / self.step[1] + 8.0);
        let (wx, wy) = (whole(dx), whole(dy));
        let (fx, fy) = (single(dx - real(wx)), single(dy - real(wy)));
        let clamp = |index: usize, by: usize, size: usize| (index + by).saturating_sub(8).min(size - 1);
        let mut moved = vec![0.0_f32; columns * rows];
        for k in 0..slices {
            let slice = &mut self.hu[k * columns * rows..(k + 1) * columns * rows];
            for j in 0..rows {
                let (j0, j1) = (clamp(j, wy, rows) * columns, clamp(j, wy + 1, rows) * columns);
                for i in 0..columns {
                    let (i0, i1) = (clamp(i, wx, columns), clamp(i, wx + 1, columns));
                    let top = slice[j0 + i0] + (slice[j0 + i1] - slice[j0 + i0]) * fx;
                    let low = slice[j1 + i0] + (slice[j1 + i1] - slice[j1 + i0]) * fx;
                    moved[j * columns + i] = top + (low - top) * fy;
                }
            }
            for (value, &ghost) in slice.iter_mut().zip(&moved) {
                *value += (ghost - *value) * share;
            }
        }
    }

    /// Gaussian noise with the grain of the kernel, stronger towards the middle of the field where fewer photons pass.
    fn add_noise(&mut self, scanner: &Scanner) {
        let [columns, rows, slices] = self.size;
        let sigma = scanner.grain_mm / self.step[0];
        let taps: [f64; 4] = std::array::from_fn(|tap| libm::exp(-0.5 * real(tap * tap) / (sigma * sigma)));
        let sum = taps[0] + 2.0 * (taps[1] + taps[2] + taps[3]);
        let power =
            (taps[0] * taps[0] + 2.0 * (taps[1] * taps[1] + taps[2] * taps[2] + taps[3] * taps[3])) / (sum * sum);
        let taps = taps.map(|tap| single(tap / sum));
        // Smoothing along rows and columns shrinks the deviation by `power`.
        let gain = scanner.noise_hu / power;
        let profile: Vec<f32> = (0..columns.max(rows))
            .map(|index| {
                let u = 2.0 * real(index) / real(columns) - 1.0;
                single(1.12 - 0.30 * u * u)
            })
            .collect();
        let pad = 3;
        let wide = columns + 2 * pad;
        let mut white = vec![0.0_f32; wide * (rows + 2 * pad)];
        let mut rowed = vec![0.0_f32; columns * (rows + 2 * pad)];
        let gain = single(gain);
        for k in 0..slices {
            for value in &mut white {
                *value = self.noise.normal();
            }
            let smooth = |line: &[f32], at: usize, by: usize| {
                taps[0] * line[at]
                    + taps[1] * (line[at - by] + line[at + by])
                    + taps[2] * (line[at - 2 * by] + line[at + 2 * by])
                    + taps[3] * (line[at - 3 * by] + line[at + 3 * by])
            };
            for j in 0..rows + 2 * pad {
                for i in 0..columns {
                    rowed[j * columns + i] = smooth(&white, j * wide + i + pad, 1);
                }
            }
            for j in 0..rows {
                let row = (k * rows + j) * columns;
                for i in 0..columns {
                    self.hu[row + i] +=
                        gain * profile[i] * profile[j] * smooth(&rowed, (j + pad) * columns + i, columns);
                }
            }
        }
    }

    /// Whole HU on the patient's grid, the lesion's centroid and size.
    fn finish(self, mut mask: Vec<u8>, centre: Vec3) -> Rendered {
        let [columns, rows, slices] = self.size;
        if mask.iter().all(|&inside| inside == 0) {
            // Voxels so coarse that no centre lies in the lesion: the nearest one stands for it.
            let nearest: [usize; 3] = std::array::from_fn(|a| {
                whole(((centre[a] - self.origin[a]) / self.step[a]).round().max(0.0)).min(self.size[a] - 1)
            });
            mask[(nearest[2] * rows + nearest[1]) * columns + nearest[0]] = 1;
        }
        let mut sum = [0.0; 3];
        let mut count = 0_usize;
        for (index, _) in mask.iter().enumerate().filter(|(_, inside)| **inside == 1) {
            let at = self.point(index % columns, index / columns % rows, index / (columns * rows));
            sum = add(sum, at);
            count += 1;
        }
        let volume = real(count) * self.step[0] * self.step[1] * self.step[2];
        let voxels: Vec<i16> = self.hu.iter().map(|&value| hounsfield(value)).collect();
        let grid = Grid::axial(self.size, add(self.origin, self.offset), self.step);
        let shape = (slices, rows, columns);
        let voxels = Array3::from_shape_vec(shape, voxels).expect("one value a voxel");
        Rendered {
            ct: Volume::new(voxels, grid).expect("the grid has the canvas's size"),
            mask: Array3::from_shape_vec(shape, mask).expect("one value a voxel"),
            lesion_lps_mm: add(times(sum, 1.0 / real(count)), self.offset),
            diameter_mm: libm::cbrt(6.0 * volume / std::f64::consts::PI),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(phenotype: Class, obscurity: f64) -> Request {
        Request {
            phenotype,
            obscurity,
            age: 66.0,
            sex: Sex::Female,
            smoking: Smoking::Former,
            extent: Extent::Slab120mm,
            columns: 64,
            slice_step_mm: 5.0,
        }
    }

    /// FNV-1a over the voxels, little endian.
    fn hash(rendered: &Rendered) -> u64 {
        rendered
            .ct
            .voxels()
            .iter()
            .flat_map(|hu| hu.to_le_bytes())
            .chain(rendered.mask.iter().copied())
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    #[test]
    fn bytes_are_frozen() {
        // Cohorts are regenerated from their seed, on x86-64 and on aarch64: this figure changes with the pictures only.
        let draw = |seed| hash(&render(&request(Class::Adenocarcinoma, 0.5), &mut Random::new(seed, "ct")));
        assert_eq!(draw(1), 0xa019_d23d_6b08_e88f);
        assert_ne!(draw(2), draw(1));
    }

    #[test]
    fn every_phenotype_has_its_lesion_well_inside() {
        for (seed, phenotype) in (0_u64..).zip(Class::ALL.into_iter().chain(Class::ALL)) {
            let obscurity = if seed < 5 { 0.1 } else { 0.95 };
            let rendered = render(&request(phenotype, obscurity), &mut Random::new(seed, "ct"));
            let grid = rendered.ct.grid();
            let [_, _, z] = rendered.lesion_lps_mm;
            let low = grid.origin_lps_mm[2];
            let high = low + real(grid.size[2] - 1) * grid.step_lps_mm[2][2];
            assert!(z - low >= 40.0 && high - z >= 40.0, "{phenotype:?} {low} {z} {high}");
            assert!(rendered.ct.voxels().iter().all(|hu| (-1024..=3071).contains(hu)));

            let inside: Vec<f64> = rendered
                .mask
                .indexed_iter()
                .filter(|(_, inside)| **inside == 1)
                .map(|((k, j, i), _)| {
                    grid.point([real(i), real(j), real(k)])
                        .distance_mm(hilum_domain::Point::new(rendered.lesion_lps_mm))
                })
                .collect();
            // One voxel of these coarse ones is 8 mm across.
            let limit = rendered.diameter_mm.max(10.0);
            assert!(!inside.is_empty(), "{phenotype:?}");
            assert!(inside.iter().any(|&mm| mm < 0.5 * limit), "{phenotype:?}");
            assert!((3.0..110.0).contains(&rendered.diameter_mm), "{phenotype:?} {}", rendered.diameter_mm);

            let lung = rendered.ct.voxels().iter().filter(|hu| (-970..-780).contains(*hu)).count();
            assert!(lung * 14 > rendered.ct.voxels().len(), "{phenotype:?} {lung}");
        }
    }

    #[test]
    fn a_whole_thorax_ends_in_soft_tissue_at_both_ends() {
        let whole = Request { extent: Extent::WholeThorax, slice_step_mm: 10.0, ..request(Class::Normal, 0.2) };
        let rendered = render(&whole, &mut Random::new(3, "ct"));
        let voxels = rendered.ct.voxels();
        assert_eq!(voxels.dim(), (30, 64, 64));
        // Lung within the chest's middle, not beside the table.
        let lung =
            |k: usize| voxels.index_axis(ndarray::Axis(0), k).iter().filter(|hu| (-930..-700).contains(*hu)).count();
        assert!(lung(29) * 3 < lung(15) && lung(0) * 2 < lung(15), "{} {} {}", lung(0), lung(15), lung(29));
    }

    #[test]
    fn obscurity_adds_noise() {
        let spread = |obscurity| {
            (0..4)
                .map(|seed| {
                    let rendered = render(&request(Class::Normal, obscurity), &mut Random::new(seed, "noise"));
                    // Air beside the patient: the upper corners.
                    let corner: Vec<f64> = rendered
                        .ct
                        .voxels()
                        .slice(ndarray::s![.., 0..8, 0..8])
                        .iter()
                        .map(|&hu| f64::from(hu))
                        .collect();
                    let mean = corner.iter().sum::<f64>() / real(corner.len());
                    corner.iter().map(|hu| (hu - mean) * (hu - mean)).sum::<f64>() / real(corner.len())
                })
                .sum::<f64>()
        };
        assert!(spread(1.0) > spread(0.0));
    }
}
