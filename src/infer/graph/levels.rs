//! QuantizeLinear with DequantizeLinear behind it: a float is rounded to the nearest of 256 levels and stays a float. tract does it
//! in two passes, the first of them a value at a time.

use fearless_simd::{Level, Simd, dispatch};
use tract_onnx::tract_core::{
    internal::*,
    ops::{
        element_wise::ElementWiseOp,
        quant::{DequantizeLinearF32, QuantizeLinearI8},
    },
};

use super::instead;

/// Rounds to int8 levels and back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Levels {
    /// Levels a unit, and units a level.
    fine: f32,
    scale: f32,
    /// Of the levels, less the zero point.
    low: f32,
    high: f32,
}

impl Eq for Levels {}

/// One instead of the two.
pub(super) fn of(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    let before = match node.inputs.as_slice() {
        [from] if node.op_is::<DequantizeLinearF32>() => model.node(from.node),
        _ => return Ok(None),
    };
    let Some(op) = between(model, before, node)? else { return Ok(None) };
    instead(model, node, op, &before.inputs)
}

/// The levels that floats take between two nodes.
pub(super) fn between(model: &TypedModel, there: &TypedNode, back: &TypedNode) -> TractResult<Option<Levels>> {
    let quantise = there.op_as::<ElementWiseOp>().and_then(|op| op.0.downcast_ref::<QuantizeLinearI8>());
    let (Some(quantise), Some(back)) = (quantise, back.op_as::<DequantizeLinearF32>()) else { return Ok(None) };
    let zero = quantise.zero_point;
    if back.zero_point != i32::from(zero) || model.outlet_fact(there.inputs[0])?.datum_type != f32::datum_type() {
        return Ok(None);
    }
    let level = |level: i8| f32::from(i16::from(level) - i16::from(zero));
    Ok(Some(Levels { fine: quantise.scale, scale: back.scale, low: level(i8::MIN), high: level(i8::MAX) }))
}

#[inline(always)]
pub(super) fn rounded<S: Simd>(_: S, levels: &Levels, values: &mut [f32]) {
    for value in values {
        *value = (*value * levels.fine).round_ties_even().clamp(levels.low, levels.high) * levels.scale;
    }
}

impl Op for Levels {
    fn name(&self) -> StaticName {
        "Levels".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Levels {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut values = args_1!(inputs).into_tensor();
        let level = Level::new();
        let mut plain = values.try_as_plain_ram_mut()?;
        let floats = plain.as_slice_mut::<f32>()?;
        dispatch!(level, simd => rounded(simd, self, floats));
        Ok(tvec!(values.into_tvalue()))
    }
}

impl TypedOp for Levels {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}
