//! The normal and the binomial distribution, as far as tests and intervals need them.

use std::f64::consts::SQRT_2;

/// P(Z ≤ z).
pub(crate) fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

/// The z below which a standard normal variable is with this probability; infinite at 0 and 1. Wichura's algorithm AS 241
/// (PPND16, Applied Statistics 37, 1988): about one part in 10¹⁶.
pub(crate) fn quantile(probability: f64) -> f64 {
    // The coefficients of a numerator and a denominator, from the constant on.
    fn ratio(r: f64, above: [f64; 8], below: [f64; 7]) -> f64 {
        let value =
            |coefficients: &[f64]| coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * r + coefficient);
        value(&above) / (value(&below) * r + 1.0)
    }
    let q = probability - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(0.180_625 - q * q, CENTRE.0, CENTRE.1);
    }
    let r = (-probability.min(1.0 - probability).ln()).sqrt();
    let z = match r {
        f64::INFINITY => f64::INFINITY,
        r if r <= 5.0 => ratio(r - 1.6, MIDDLE.0, MIDDLE.1),
        r => ratio(r - 5.0, TAIL.0, TAIL.1),
    };
    if q < 0.0 { -z } else { z }
}

type Coefficients = ([f64; 8], [f64; 7]);

#[expect(clippy::excessive_precision, reason = "as they are printed")]
const CENTRE: Coefficients = (
    [
        3.387_132_872_796_366_608,
        1.331_416_678_917_843_774_5e2,
        1.971_590_950_306_551_442_7e3,
        1.373_169_376_550_946_112_5e4,
        4.592_195_393_154_987_145_7e4,
        6.726_577_092_700_870_085_3e4,
        3.343_057_558_358_812_810_5e4,
        2.509_080_928_730_122_672_7e3,
    ],
    [
        4.231_333_070_160_091_125_2e1,
        6.871_870_074_920_579_083e2,
        5.394_196_021_424_751_107_7e3,
        2.121_379_430_158_659_586_7e4,
        3.930_789_580_009_271_061e4,
        2.872_908_573_572_194_267_4e4,
        5.226_495_278_852_854_561e3,
    ],
);
#[expect(clippy::excessive_precision, reason = "as they are printed")]
const MIDDLE: Coefficients = (
    [
        1.423_437_110_749_683_577_34,
        4.630_337_846_156_545_295_9,
        5.769_497_221_460_691_405_5,
        3.647_848_324_763_204_605_04,
        1.270_458_252_452_368_382_58,
        2.417_807_251_774_506_117_7e-1,
        2.272_384_498_926_918_458_33e-2,
        7.745_450_142_783_414_076_4e-4,
    ],
    [
        2.053_191_626_637_758_821_87,
        1.676_384_830_183_803_849_4,
        6.897_673_349_851_000_045_5e-1,
        1.481_039_764_274_800_745_9e-1,
        1.519_866_656_361_645_719_66e-2,
        5.475_938_084_995_344_946e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
);
#[expect(clippy::excessive_precision, reason = "as they are printed")]
const TAIL: Coefficients = (
    [
        6.657_904_643_501_103_777_2,
        5.463_784_911_164_114_369_9,
        1.784_826_539_917_291_335_8,
        2.965_605_718_285_048_912_3e-1,
        2.653_218_952_657_612_309_3e-2,
        1.242_660_947_388_078_438_6e-3,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ],
    [
        5.998_322_065_558_879_376_9e-1,
        1.369_298_809_227_358_053_1e-1,
        1.487_536_129_085_061_485_25e-2,
        7.868_691_311_456_132_591e-4,
        1.846_318_317_510_054_681_8e-5,
        1.421_511_758_316_445_888_7e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
);

/// P(|Z| ≥ |z|).
pub(crate) fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / SQRT_2)
}

/// P(X = k) and P(X ≤ k) of heads in `n` tosses of a fair coin.
///
/// By products and ratios: logarithms of factorials of a million lose what a relative difference of 1e-9 asks for.
pub(crate) fn heads(k: u64, n: u64) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "counts of cases")]
    let real = |count: u64| count as f64;
    let (mut product, mut halvings) = (1.0_f64, n);
    for i in 1..=k {
        product *= real(n - k + i) / real(i);
        while product > 1.0 && halvings > 0 {
            product *= 0.5;
            halvings -= 1;
        }
    }
    let exactly = libm::ldexp(product, -i32::try_from(halvings).unwrap_or(i32::MAX));
    let (mut sum, mut term) = (1.0, 1.0);
    for i in 0..k {
        term *= real(k - i) / real(n - k + 1 + i);
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    (exactly, exactly * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: f64, wanted: f64) {
        assert!((found - wanted).abs() <= 1e-12 * wanted.abs(), "{found} is not {wanted}");
    }

    // scipy 1.17.1: norm.cdf, norm.ppf, 2 * norm.sf, binom.pmf and binom.cdf.

    #[test]
    fn a_normal_variable() {
        check(below(-1.959_963_984_540_054), 0.025);
        check(quantile(0.975), 1.959_963_984_540_054);
        check(quantile(0.3), -0.524_400_512_708_041);
        check(quantile(1e-300), -37.047_096_299_361_2);
        check(quantile(1e-10), -6.361_340_902_404_056);
        check(two_sided(8.0), 1.244_192_114_854_356_8e-15);
        let ends = [quantile(0.5), quantile(0.0), quantile(1.0)].map(f64::to_bits);
        assert_eq!(ends, [0.0, f64::NEG_INFINITY, f64::INFINITY].map(f64::to_bits));
    }

    #[test]
    fn quantiles_are_what_is_below_them() {
        for step in 1..1000 {
            let probability = f64::from(step) / 1000.0;
            check(below(quantile(probability)), probability);
        }
    }

    #[test]
    fn tosses_of_a_coin() {
        let both = |k, n, exactly, at_most| {
            let found = heads(k, n);
            check(found.0, exactly);
            check(found.1, at_most);
        };
        both(0, 0, 1.0, 1.0);
        both(0, 1, 0.5, 0.5);
        both(2, 5, 0.3125, 0.5);
        both(40, 100, 0.010_843_866_711_637_978, 0.028_443_966_820_490_375);
        both(2400, 5000, 0.000_206_604_387_580_431_2, 0.002_441_824_868_758_747);
        // Below the least double.
        assert!(heads(10, 5000).1 < f64::MIN_POSITIVE);
    }
}
