//! Numbers and shapes: vectors, depths below surfaces and how they join, noise, conversions.
//!
//! A shape is a function of a point that gives the depth below its surface, in mm: positive inside.

use hilum_imaging::cross;
pub(super) use hilum_imaging::length;

use crate::{
    Random,
    numbers::{real, single},
};

pub(super) type Vec3 = [f64; 3];

pub(super) fn add(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(super) fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn times(a: Vec3, factor: f64) -> Vec3 {
    [a[0] * factor, a[1] * factor, a[2] * factor]
}

pub(super) fn unit(a: Vec3) -> Vec3 {
    times(a, 1.0 / length(a).max(1e-9))
}

pub(super) fn mix(from: f64, to: f64, share: f64) -> f64 {
    from + (to - from) * share
}

/// 0 below `-width`, 1 above `width`, 1/2 at 0: how much of a voxel lies inside a surface at depth `depth`.
pub(super) fn coverage(depth: f64, width: f64) -> f64 {
    let t = (0.5 * depth / width + 0.5).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The smaller of two depths, rounded over `k`: the intersection of two shapes with a soft corner.
pub(super) fn intersect(a: f64, b: f64, k: f64) -> f64 {
    let h = (k - (a - b).abs()).max(0.0);
    a.min(b) - h * h / (4.0 * k)
}

/// The larger of two depths, rounded over `k`: the union of two shapes with a soft groove.
pub(super) fn unite(a: f64, b: f64, k: f64) -> f64 {
    -intersect(-a, -b, k)
}

/// Piecewise linear through `(position, value)` in rising order of position, constant beyond the ends.
pub(super) fn piecewise(at: f64, knots: &[(f64, f64)]) -> f64 {
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

/// The whole part of a value that is not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers pass 0 to 2^32, and the cast saturates"
)]
pub(super) const fn whole(value: f64) -> usize {
    value as usize
}

/// A unit vector, uniform over the sphere.
pub(super) fn direction(random: &mut Random) -> Vec3 {
    let z = random.range(-1.0, 1.0);
    let angle = random.range(0.0, std::f64::consts::TAU);
    let r = (1.0 - z * z).max(0.0).sqrt();
    [r * libm::cos(angle), r * libm::sin(angle), z]
}

/// Three perpendicular unit vectors, the first one along `axis`.
pub(super) fn frame(axis: Vec3) -> [Vec3; 3] {
    let helper = if axis[2].abs() < 0.8 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
    let second = unit(cross(axis, helper));
    [axis, second, cross(axis, second)]
}

/// Depth below the surface of an ellipse-like rounded rectangle (the "squircle" of Fernandez-Guasti, with `square` the
/// square of its squareness), to first order.
pub(super) fn squircle(x: f64, y: f64, a: f64, b: f64, square: f64) -> f64 {
    let (ia, ib) = (1.0 / (a * a), 1.0 / (b * b));
    let (xx, yy) = (x * x * ia, y * y * ib);
    let f = 1.0 - xx - yy + square * xx * yy;
    let gx = 2.0 * x * ia * (1.0 - square * yy);
    let gy = 2.0 * y * ib * (1.0 - square * xx);
    let slope = (gx * gx + gy * gy).sqrt();
    // Beyond the corners of a squircle its polynomial turns positive again.
    if xx > 1.6 || yy > 1.6 { -a.min(b) } else { f / slope.max(0.6 / a.min(b)) }
}

/// A counter-based stream for voxels: much cheaper than [`Random`], seeded from it (SplitMix64, Steele et al. 2014).
#[derive(Debug, Clone)]
pub(super) struct Counter(u64);

impl Counter {
    pub(super) fn draw(random: &mut Random) -> Self {
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
    pub(super) fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum = (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
        // Four uniforms over 65536: mean 131070, variance 4 * 65536^2 / 12.
        (sum as f32 - 131_070.0) * (1.0 / 37_837.2)
    }
}

/// Value noise: random figures on a periodic lattice of 32^3, interpolated smoothly. One unit of the argument is one
/// lattice step; values lie in -1 to 1 with a standard deviation of about 0.35.
#[derive(Debug, Clone)]
pub(super) struct Lattice(Vec<f32>);

impl Lattice {
    pub(super) fn draw(random: &mut Random) -> Self {
        let mut counter = Counter::draw(random);
        #[expect(clippy::cast_precision_loss, reason = "24 bits")]
        let figures = (0..32 * 32 * 32).map(|_| (counter.next() >> 40) as f32 / 8_388_608.0 - 1.0);
        Self(figures.collect())
    }

    pub(super) fn at(&self, x: f64, y: f64, z: f64) -> f64 {
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
