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
        Self { shape, values: Values::Float(values) }
    }

    /// One axis of integers.
    pub(crate) fn ints(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], values: Values::Int(values) }
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
        Ok(Self { shape, values })
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
        let (Some(levels), Some(scales)) = (self.integers(), scale.floats()) else {
            return invalid("a DequantizeLinear has levels that are no integers, or scales that are no floats");
        };
        let zeros = zero.map_or(Ok(&[][..]), |zero| {
            zero.integers().ok_or_else(|| GradientError::Invalid("zero points are no integers".to_owned()))
        })?;
        // How many neighbouring values share a scale, and how many scales there are.
        let (inner, count) = if scales.len() == 1 {
            (levels.len().max(1), 1)
        } else {
            let axis = positive(axis, self.shape.len())?;
            (elements(&self.shape[axis + 1..])?.max(1), self.shape[axis])
        };
        if scales.len() != count || !(zeros.is_empty() || zeros.len() == count) {
            return invalid("a DequantizeLinear has scales or zero points for another axis");
        }
        let values = levels.iter().enumerate().map(|(index, &level)| {
            let channel = index / inner % count;
            let zero = zeros.get(channel).copied().unwrap_or(0);
            #[expect(clippy::cast_precision_loss, reason = "as a runtime does it")]
            let steps = level.saturating_sub(zero) as f32;
            steps * scales[channel]
        });
        Ok(Self::float(self.shape.clone(), values.collect()))
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
