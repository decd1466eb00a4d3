//! Constants of a network, in memory.

use crate::{
    error::{GradientError, Result, invalid},
    proto::{TensorProto, element},
};

/// No tensor of a network has as many elements: a file that says so is damaged or hostile.
const ELEMENTS_MOST: usize = 1 << 31;

/// The numbers of a constant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    /// Weights.
    Float(Vec<f32>),
    /// Shapes, axes, quantised weights; truth is 0 or 1.
    Int(Vec<i64>),
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
    /// The lowest and the highest level, where the file has levels of 8 bits.
    range: Option<(i64, i64)>,
}

/// The number of elements of a shape, if a network may have it.
pub(crate) fn elements(shape: &[usize]) -> Result<usize> {
    let product = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    match product {
        Some(product) if product <= ELEMENTS_MOST && shape.iter().all(|&size| size <= ELEMENTS_MOST) => Ok(product),
        _ => invalid(format!("a tensor of shape {shape:?} is too large")),
    }
}

/// Sizes as a file has them.
pub(crate) fn sizes(dims: &[i64]) -> Result<Vec<usize>> {
    dims.iter().map(|&dim| usize::try_from(dim).or_else(|_| invalid(format!("a tensor has a size of {dim}")))).collect()
}

impl Tensor {
    /// Floats of a shape.
    pub(crate) const fn float(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { shape, values: Values::Float(values), range: None }
    }

    /// One axis of integers.
    pub(crate) fn ints(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], values: Values::Int(values), range: None }
    }

    /// An integer without axes.
    pub(crate) fn int(value: i64) -> Self {
        Self { shape: Vec::new(), values: Values::Int(vec![value]), range: None }
    }

    pub(crate) fn read(proto: &TensorProto) -> Result<Self> {
        let name = &proto.name;
        if proto.data_location != 0 {
            return invalid(format!("the values of \"{name}\" lie in another file"));
        }
        let shape = sizes(&proto.dims)?;
        let wanted = elements(&shape)?;
        let raw = &proto.raw_data;
        let values = match proto.data_type {
            element::FLOAT if raw.is_empty() => Values::Float(proto.float_data.clone()),
            element::FLOAT => Values::Float(chunks(raw).map(f32::from_le_bytes).collect()),
            element::INT64 if raw.is_empty() => Values::Int(proto.int64_data.clone()),
            element::INT64 => Values::Int(chunks(raw).map(i64::from_le_bytes).collect()),
            element::INT32 if !raw.is_empty() => {
                Values::Int(chunks(raw).map(|bytes| i64::from(i32::from_le_bytes(bytes))).collect())
            }
            element::UINT8 | element::BOOL if !raw.is_empty() => {
                Values::Int(raw.iter().map(|&byte| i64::from(byte)).collect())
            }
            element::INT8 if !raw.is_empty() => {
                Values::Int(raw.iter().map(|&byte| i64::from(byte.cast_signed())).collect())
            }
            element::INT32 | element::UINT8 | element::BOOL | element::INT8 => {
                Values::Int(proto.int32_data.iter().map(|&value| i64::from(value)).collect())
            }
            other => return invalid(format!("\"{name}\" has elements of type {other}, which are not read here")),
        };
        let found = match &values {
            Values::Float(values) => values.len(),
            Values::Int(values) => values.len(),
        };
        if found != wanted {
            return invalid(format!("\"{name}\" has {found} values for the shape {shape:?}"));
        }
        let range = match proto.data_type {
            element::INT8 => Some((-128, 127)),
            element::UINT8 => Some((0, 255)),
            _ => None,
        };
        Ok(Self { shape, values, range })
    }

    pub(crate) fn write(&self, name: &str) -> TensorProto {
        let (data_type, raw_data) = match &self.values {
            Values::Float(values) => (element::FLOAT, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Values::Int(values) => (element::INT64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        };
        let dims = self.shape.iter().map(|&size| size.try_into().unwrap_or(i64::MAX)).collect();
        TensorProto { dims, data_type, raw_data, name: name.to_owned(), ..TensorProto::default() }
    }

    /// Its floats, if it has some.
    pub(crate) fn floats(&self) -> Option<&[f32]> {
        match &self.values {
            Values::Float(values) => Some(values),
            Values::Int(_) => None,
        }
    }

    /// Its integers, if it has some.
    pub(crate) fn integers(&self) -> Option<&[i64]> {
        match &self.values {
            Values::Int(values) => Some(values),
            Values::Float(_) => None,
        }
    }

    /// Real values of levels: (level − zero) · scale, per tensor or along `axis`.
    pub(crate) fn dequantised(&self, scale: &Self, zero: Option<&Self>, axis: i64) -> Result<Self> {
        let Some(levels) = self.integers() else {
            return invalid("a DequantizeLinear has levels that are no integers");
        };
        let steps = self.steps(scale, zero, axis)?;
        let values = levels.iter().zip(steps).map(|(&level, (scale, zero))| {
            #[expect(clippy::cast_precision_loss, reason = "as a runtime does it")]
            let steps = level.saturating_sub(zero) as f32;
            steps * scale
        });
        Ok(Self::float(self.shape.clone(), values.collect()))
    }

    /// Levels of real values: value / scale, rounded half to even, + zero, within the range of the zero point's type (that of
    /// uint8 where there is none).
    pub(crate) fn quantised(&self, scale: &Self, zero: Option<&Self>, axis: i64) -> Result<Self> {
        let Some(values) = self.floats() else { return invalid("a QuantizeLinear has values that are no floats") };
        let (low, high) = zero.and_then(|zero| zero.range).unwrap_or((0, 255));
        let levels = values.iter().zip(self.steps(scale, zero, axis)?).map(|(&value, (scale, zero))| {
            #[expect(clippy::cast_possible_truncation, reason = "rounded; the cast saturates, and so does the format")]
            let level = (value / scale).round_ties_even() as i64;
            level.saturating_add(zero).clamp(low, high)
        });
        Ok(Self { shape: self.shape.clone(), values: Values::Int(levels.collect()), range: Some((low, high)) })
    }

    /// Scale and zero point of every element.
    fn steps(&self, scale: &Self, zero: Option<&Self>, axis: i64) -> Result<Vec<(f32, i64)>> {
        let Some(scales) = scale.floats() else { return invalid("a quantisation has scales that are no floats") };
        let zeros = zero.map_or(Ok(&[][..]), |zero| {
            zero.integers().ok_or_else(|| GradientError::Invalid("zero points are no integers".to_owned()))
        })?;
        let whole = elements(&self.shape)?;
        // How many neighbouring values share a scale, and how many scales there are.
        let (inner, count) = if scales.len() == 1 {
            (whole.max(1), 1)
        } else {
            let axis = positive(axis, self.shape.len())?;
            (elements(&self.shape[axis + 1..])?.max(1), self.shape[axis])
        };
        if scales.len() != count || !(zeros.is_empty() || zeros.len() == count) {
            return invalid("a quantisation has scales or zero points for another axis");
        }
        let of = |index: usize| (scales[index / inner % count], zeros.get(index / inner % count).copied().unwrap_or(0));
        Ok((0..whole).map(of).collect())
    }
}

/// An axis counted from the front.
pub(crate) fn positive(axis: i64, rank: usize) -> Result<usize> {
    let rank_i = i64::try_from(rank).unwrap_or(0);
    let from_front = if axis < 0 { axis.saturating_add(rank_i) } else { axis };
    match usize::try_from(from_front) {
        Ok(axis) if axis < rank => Ok(axis),
        _ => invalid(format!("there is no axis {axis} among {rank}")),
    }
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}
