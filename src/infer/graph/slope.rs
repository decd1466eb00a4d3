//! The way back through ReLU and clipping, g · sign(y) or g · sign(y (c − y)) at the output y: four passes in tract, two here, and
//! where the way there and the way back are two plans, a byte a value is kept between them.

use fearless_simd::{Level, Simd, dispatch};
use tract_onnx::tract_core::{
    internal::*,
    ops::{element_wise::ElementWiseOp, math},
};

use super::{is, only_reader, with_number};

/// The sign of how far an output is from its limits, as a byte.
#[derive(Debug, Clone, PartialEq)]
struct Signs {
    high: Option<f32>,
}

impl Eq for Signs {}

/// The cotangent times signs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signed;

/// The byte of a NaN, which must not get lost.
const NAN: i8 = 2;

/// The two instead of the product with the sign, if what is multiplied is of one shape.
pub(super) fn of(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    if !is::<math::Mul>(node) {
        return Ok(None);
    }
    let &[left, right] = node.inputs.as_slice() else { return Ok(None) };
    for (g, sign) in [(left, right), (right, left)] {
        let sign = model.node(sign.node);
        let Some(op) = sign.op_as::<ElementWiseOp>().filter(|op| op.0.is::<math::Sign>()) else { continue };
        if op.1.is_some() || only_reader(model, sign)?.is_none() {
            continue;
        }
        let room = model.node(sign.inputs[0].node);
        let (y, high) = match between(model, room)? {
            Some((y, high)) if only_reader(model, room)?.is_some() => (y, Some(high)),
            _ => (sign.inputs[0], None),
        };
        let facts = [model.outlet_fact(g)?, model.outlet_fact(y)?, &node.outputs[0].fact];
        if facts.iter().any(|fact| fact.datum_type != f32::datum_type() || fact.shape != facts[0].shape) {
            continue;
        }
        let mut patch = TypedModelPatch::default();
        let [g, y] = [patch.tap_model(model, g)?, patch.tap_model(model, y)?];
        let signs = patch.wire_node(format!("{}.signs", node.name), Signs { high }, &[y])?[0];
        let product = patch.wire_node(format!("{}.signed", node.name), Signed, &[g, signs])?[0];
        patch.shunt_outside(model, OutletId::new(node.id, 0), product)?;
        return Ok(Some(patch));
    }
    Ok(None)
}

/// y and c, where a node is y (c − y).
fn between(model: &TypedModel, node: &TypedNode) -> TractResult<Option<(OutletId, f32)>> {
    if !is::<math::Mul>(node) {
        return Ok(None);
    }
    for (y, rest) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
        let rest = model.node(rest.node);
        if !is::<math::Sub>(rest) {
            continue;
        }
        if let Some((of, high, true)) = with_number(model, rest)?
            && of == y
        {
            return Ok(Some((y, high)));
        }
    }
    Ok(None)
}

#[inline(always)]
fn signs<S: Simd>(_: S, high: Option<f32>, y: &[f32], signs: &mut [i8]) {
    let byte = |room: f32| {
        let sign = i8::from(room > 0.0) - i8::from(room < 0.0);
        if room.is_nan() { NAN } else { sign }
    };
    match high {
        Some(high) => signs.iter_mut().zip(y).for_each(|(sign, &y)| *sign = byte(y * (high - y))),
        None => signs.iter_mut().zip(y).for_each(|(sign, &y)| *sign = byte(y)),
    }
}

#[inline(always)]
fn signed<S: Simd>(_: S, g: &mut [f32], signs: &[i8]) {
    let float = |sign: i8| if sign == NAN { f32::NAN } else { f32::from(sign) };
    g.iter_mut().zip(signs).for_each(|(g, &sign)| *g *= float(sign));
}

impl Op for Signs {
    fn name(&self) -> StaticName {
        "Signs".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Signs {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let y = args_1!(inputs);
        let mut found = Tensor::zero::<i8>(y.shape())?;
        let level = Level::new();
        let (y, mut plain) = (y.try_as_plain_ram()?, found.try_as_plain_ram_mut()?);
        let (y, bytes) = (y.as_slice::<f32>()?, plain.as_slice_mut::<i8>()?);
        dispatch!(level, simd => signs(simd, self.high, y, bytes));
        Ok(tvec!(found.into_tvalue()))
    }
}

impl TypedOp for Signs {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(i8::fact(inputs[0].shape.clone())))
    }

    as_op!();
}

impl Op for Signed {
    fn name(&self) -> StaticName {
        "Signed".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Signed {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (g, bytes) = args_2!(inputs);
        let mut g = g.into_tensor();
        let level = Level::new();
        let (mut plain, bytes) = (g.try_as_plain_ram_mut()?, bytes.try_as_plain_ram()?);
        let (floats, bytes) = (plain.as_slice_mut::<f32>()?, bytes.as_slice::<i8>()?);
        dispatch!(level, simd => signed(simd, floats, bytes));
        Ok(tvec!(g.into_tvalue()))
    }
}

impl TypedOp for Signed {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}
