//! Conversions that both kinds of picture need, each with the reason why nothing that matters is lost.

#[expect(clippy::cast_precision_loss, reason = "counts and indices here are far below 2^52")]
pub(crate) const fn real(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "HU and levels need no more than the 24 bits of f32")]
pub(crate) const fn single(value: f64) -> f32 {
    value as f32
}
