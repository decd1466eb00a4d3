//! The shape of what an operator gives, from the shapes of what it takes.

use std::collections::BTreeMap;

use crate::{
    error::{Result, invalid},
    proto::Node,
    tensor::{Tensor, elements, positive},
    window::Window,
};

/// What is known while a network is read.
pub(crate) struct Known<'a> {
    pub(crate) shapes: &'a BTreeMap<String, Vec<usize>>,
    pub(crate) constants: &'a BTreeMap<String, Tensor>,
}

impl<'a> Known<'a> {
    pub(crate) fn shape(&self, name: &str) -> Result<&'a [usize]> {
        match self.shapes.get(name) {
            Some(shape) => Ok(shape),
            None => invalid(format!("nothing gives \"{name}\"")),
        }
    }

    pub(crate) fn shape_of(&self, node: &Node, index: usize) -> Result<&'a [usize]> {
        self.shape(node.needed(index)?)
    }

    /// The integers of a constant input.
    pub(crate) fn integers(&self, node: &Node, index: usize) -> Result<Option<&'a [i64]>> {
        let Some(name) = node.optional(index) else { return Ok(None) };
        match self.constants.get(name).and_then(Tensor::integers) {
            Some(values) => Ok(Some(values)),
            None => Err(node.unsupported(format!("its input {index} is not a constant of whole numbers"))),
        }
    }

    /// The floats of a constant input.
    pub(crate) fn floats(&self, node: &Node, index: usize) -> Result<Option<&'a [f32]>> {
        let Some(name) = node.optional(index) else { return Ok(None) };
        match self.constants.get(name).and_then(Tensor::floats) {
            Some(values) => Ok(Some(values)),
            None => Err(node.unsupported(format!("its input {index} is not a constant of floats"))),
        }
    }

    /// The axes of a reduction, from the front: of its input, or all of them.
    pub(crate) fn axes(&self, node: &Node) -> Result<Vec<usize>> {
        let rank = self.shape_of(node, 0)?.len();
        let given = match node.ints("axes") {
            Some(axes) => Some(axes),
            None => self.integers(node, 1)?,
        };
        match given {
            Some(axes) if !axes.is_empty() => {
                once(axes.iter().map(|&axis| positive(axis, rank)).collect::<Result<_>>()?)
            }
            _ if node.int("noop_with_empty_axes", 0) != 0 => Ok(Vec::new()),
            _ => Ok((0..rank).collect()),
        }
    }
}

/// Axes of which none is named twice.
fn once(axes: Vec<usize>) -> Result<Vec<usize>> {
    let twice = (1..axes.len()).find(|&index| axes[..index].contains(&axes[index]));
    match twice {
        Some(index) => invalid(format!("axis {} is named twice", axes[index])),
        None => Ok(axes),
    }
}

/// The shape of two operands laid over one another.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(rank).and_then(|axis| shape.get(axis)).copied().unwrap_or(1)
    };
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (a, b) if a == b || b == 1 => Ok(a),
            (1, b) => Ok(b),
            _ => invalid(format!("shapes {a:?} and {b:?} do not fit together")),
        })
        .collect()
}

/// Batch, channels and the rest.
pub(crate) fn spatial<'a>(node: &Node, shape: &'a [usize]) -> Result<(usize, usize, &'a [usize])> {
    match shape {
        [batch, channels, space @ ..] if !space.is_empty() => Ok((*batch, *channels, space)),
        _ => invalid(format!("node \"{}\" ({}) reads a tensor of shape {shape:?}", node.label(), node.op_type)),
    }
}

/// The kernel of a pool.
pub(crate) fn pool_kernel(node: &Node) -> Result<Vec<usize>> {
    let kernel = node.ints("kernel_shape").unwrap_or_default();
    kernel
        .iter()
        .map(|&size| usize::try_from(size).or_else(|_| invalid(format!("node \"{}\" has no kernel", node.label()))))
        .collect()
}

/// Whether a shape is that of one number.
fn one(shape: Result<&[usize]>) -> bool {
    shape.is_ok_and(|shape| shape.iter().all(|&size| size == 1))
}

fn misfit<T>(node: &Node, what: &[usize]) -> Result<T> {
    invalid(format!("node \"{}\" ({}) cannot take a tensor of shape {what:?}", node.label(), node.op_type))
}

/// The shape of a node's first output.
pub(crate) fn infer(node: &Node, known: &Known<'_>) -> Result<Vec<usize>> {
    let of = |index: usize| known.shape_of(node, index);
    let shape = match node.op_type.as_str() {
        "Clip" if (1..3).any(|limit| node.optional(limit).is_some_and(|name| !one(known.shape(name)))) => {
            return misfit(node, known.shape(node.optional(1).or(node.optional(2)).unwrap_or_default())?);
        }
        "Relu" | "Clip" | "HardSwish" | "HardSigmoid" | "Sigmoid" | "Tanh" | "BatchNormalization" => of(0)?.to_vec(),
        "Softmax" => {
            let shape = of(0)?;
            positive(node.int("axis", -1), shape.len())?;
            shape.to_vec()
        }
        "Add" | "Sub" | "Mul" | "Div" => broadcast(of(0)?, of(1)?)?,
        "Conv" => {
            let (batch, channels, space) = spatial(node, of(0)?)?;
            let (out, of_group, kernel) = spatial(node, of(1)?)?;
            let groups = group(node, channels)?;
            if of_group * groups != channels || out % groups != 0 {
                return misfit(node, of(0)?);
            }
            [vec![batch, out], Window::of(node, kernel, space)?.steps(node, space)?].concat()
        }
        "ConvTranspose" => {
            let (batch, channels, space) = spatial(node, of(0)?)?;
            let (wanted, of_group, kernel) = spatial(node, of(1)?)?;
            let groups = group(node, channels)?;
            if wanted != channels {
                return misfit(node, of(0)?);
            }
            let window = Window::of(node, kernel, space)?;
            let added = node.counts("output_padding", space.len(), 0)?;
            let mut shape = vec![batch, of_group * groups];
            for axis in 0..space.len() {
                let size = i64::try_from(space[axis]).unwrap_or(i64::MAX);
                let whole = (size - 1) * window.strides[axis] + window.reach(axis) + added[axis];
                match usize::try_from(whole - window.begin[axis] - window.end[axis]) {
                    Ok(size) if size > 0 => shape.push(size),
                    _ => return misfit(node, of(0)?),
                }
            }
            shape
        }
        "AveragePool" | "MaxPool" => {
            let (batch, channels, space) = spatial(node, of(0)?)?;
            let window = Window::of(node, &pool_kernel(node)?, space)?;
            [vec![batch, channels], window.steps(node, space)?].concat()
        }
        "GlobalAveragePool" => {
            let (batch, channels, space) = spatial(node, of(0)?)?;
            [vec![batch, channels], vec![1; space.len()]].concat()
        }
        "Gemm" => {
            let turned = |index: usize, name: &str| match (of(index)?, node.int(name, 0) != 0) {
                (&[rows, columns], false) | (&[columns, rows], true) => Ok((rows, columns)),
                (other, _) => misfit(node, other),
            };
            let ((rows, inner), (same, columns)) = (turned(0, "transA")?, turned(1, "transB")?);
            let shape = vec![rows, columns];
            if inner != same || (node.optional(2).is_some() && broadcast(of(2)?, &shape)? != shape) {
                return misfit(node, of(0)?);
            }
            shape
        }
        "MatMul" => {
            let (a, b) = (matrix(of(0)?, true), matrix(of(1)?, false));
            let (Some((a_batch, [rows, inner])), Some((b_batch, [same, columns]))) = (a, b) else {
                return misfit(node, &[]);
            };
            if inner != same {
                return misfit(node, of(1)?);
            }
            let mut shape = broadcast(&a_batch, &b_batch)?;
            shape.extend((of(0)?.len() > 1).then_some(rows));
            shape.extend((of(1)?.len() > 1).then_some(columns));
            shape
        }
        "ReduceMean" | "ReduceSum" => {
            let (shape, axes) = (of(0)?, known.axes(node)?);
            let keep = node.int("keepdims", 1) != 0;
            let kept = |axis: usize| if !axes.contains(&axis) { Some(shape[axis]) } else { keep.then_some(1) };
            (0..shape.len()).filter_map(kept).collect()
        }
        "Flatten" => {
            let shape = of(0)?;
            let axis = node.int("axis", 1);
            let rank = i64::try_from(shape.len()).unwrap_or(0);
            let at = if axis == rank { shape.len() } else { positive(axis, shape.len())? };
            vec![elements(&shape[..at])?, elements(&shape[at..])?]
        }
        "Reshape" => {
            let from = of(0)?;
            let wanted = known.integers(node, 1)?.unwrap_or_default();
            let copies = node.int("allowzero", 0) == 0;
            let mut shape = Vec::new();
            for (axis, &size) in wanted.iter().enumerate() {
                shape.push(match (usize::try_from(size), from.get(axis)) {
                    (Ok(0), Some(&same)) if copies => same,
                    (Ok(size), _) => size,
                    (Err(_), _) => 1,
                });
            }
            let (whole, rest) = (elements(from)?, elements(&shape)?);
            if let Some(open) = wanted.iter().position(|&size| size == -1) {
                shape[open] = whole.checked_div(rest).unwrap_or(0);
            }
            if wanted.iter().any(|&size| size < -1)
                || wanted.iter().filter(|&&size| size == -1).count() > 1
                || elements(&shape)? != whole
            {
                return misfit(node, from);
            }
            shape
        }
        "Squeeze" => {
            let shape = of(0)?;
            let axes: Vec<usize> = match known.integers(node, 1)? {
                Some(axes) => once(axes.iter().map(|&axis| positive(axis, shape.len())).collect::<Result<_>>()?)?,
                None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
            };
            if axes.iter().any(|&axis| shape[axis] != 1) {
                return misfit(node, shape);
            }
            (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect()
        }
        "Unsqueeze" => {
            let shape = of(0)?;
            let axes = known.integers(node, 1)?.unwrap_or_default();
            let rank = shape.len() + axes.len();
            let axes: Vec<usize> = axes.iter().map(|&axis| positive(axis, rank)).collect::<Result<_>>()?;
            let mut sizes = shape.iter();
            let next = |axis: usize| if axes.contains(&axis) { Some(1) } else { sizes.next().copied() };
            match (0..rank).map(next).collect::<Option<Vec<usize>>>() {
                Some(unsqueezed) if sizes.next().is_none() => unsqueezed,
                _ => return misfit(node, shape),
            }
        }
        "Transpose" => {
            let shape = of(0)?;
            let permutation = permutation(node, shape.len())?;
            permutation.iter().map(|&axis| shape[axis]).collect()
        }
        "Concat" => {
            let mut shape = of(0)?.to_vec();
            let axis = positive(node.int("axis", 0), shape.len())?;
            for index in 1..node.input.len() {
                let other = of(index)?;
                if other.len() != shape.len() || (0..shape.len()).any(|at| at != axis && other[at] != shape[at]) {
                    return misfit(node, other);
                }
                shape[axis] += other[axis];
            }
            shape
        }
        "Slice" => {
            let shape = of(0)?;
            let (starts, ends) =
                (known.integers(node, 1)?.unwrap_or_default(), known.integers(node, 2)?.unwrap_or_default());
            let sizes = starts.iter().zip(ends).map(|(start, end)| usize::try_from(end - start).unwrap_or(0));
            match sizes.collect::<Vec<_>>() {
                sliced if sliced.len() == shape.len() && !sliced.contains(&0) => sliced,
                _ => return misfit(node, shape),
            }
        }
        "Pad" => {
            let shape = of(0)?;
            let pads = known.integers(node, 1)?.unwrap_or_default();
            if pads.len() != 2 * shape.len() || pads.iter().any(|pad| pad.unsigned_abs() > 1 << 31) {
                return misfit(node, shape);
            }
            let padded = (0..shape.len()).map(|axis| {
                let size = i64::try_from(shape[axis]).unwrap_or(i64::MAX);
                usize::try_from(size + pads[axis] + pads[axis + shape.len()])
            });
            match padded.collect::<std::result::Result<Vec<usize>, _>>() {
                Ok(padded) => padded,
                Err(_) => return misfit(node, shape),
            }
        }
        _ => return Err(node.unsupported("it is not one of the operators that are known")),
    };
    elements(&shape)?;
    Ok(shape)
}

/// Where each axis of a Transpose's output comes from.
pub(crate) fn permutation(node: &Node, rank: usize) -> Result<Vec<usize>> {
    let Some(given) = node.ints("perm") else { return Ok((0..rank).rev().collect()) };
    let permutation: Vec<usize> = given.iter().map(|&axis| positive(axis, rank)).collect::<Result<_>>()?;
    let whole = permutation.len() == rank && (0..rank).all(|axis| permutation.contains(&axis));
    if whole { Ok(permutation) } else { invalid(format!("perm of node \"{}\" is {given:?}", node.label())) }
}

/// The groups of a convolution over `channels`.
pub(crate) fn group(node: &Node, channels: usize) -> Result<usize> {
    match usize::try_from(node.int("group", 1)) {
        Ok(groups) if groups > 0 && channels.is_multiple_of(groups) => Ok(groups),
        _ => invalid(format!("node \"{}\" has a wrong number of groups", node.label())),
    }
}

/// An operand of MatMul as a stack of matrices: one axis alone is a row on the left, a column on the right.
pub(crate) fn matrix(shape: &[usize], left: bool) -> Option<(Vec<usize>, [usize; 2])> {
    match shape {
        [] => None,
        &[size] if left => Some((Vec::new(), [1, size])),
        &[size] => Some((Vec::new(), [size, 1])),
        [batch @ .., rows, columns] => Some((batch.to_vec(), [*rows, *columns])),
    }
}
