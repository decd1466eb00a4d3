//! The backward sweep: what has been derived so far, and the nodes that derive it.

use std::collections::BTreeMap;

use crate::{
    error::Result,
    network::{BACKWARD, Network},
    proto::Node,
    rules,
    tensor::{Tensor, Values},
};

/// The backward part of a gradient graph while it is written.
pub(crate) struct Tape<'a> {
    pub(crate) network: &'a Network,
    pub(crate) nodes: Vec<Node>,
    pub(crate) constants: BTreeMap<String, Tensor>,
    /// What has come back to a tensor, from each of its readers.
    parts: BTreeMap<String, Vec<String>>,
    /// Their sums, once every reader has been asked.
    sums: BTreeMap<String, String>,
    count: usize,
}

impl<'a> Tape<'a> {
    /// Sweeps back from the output, whose own derivative is the tensor `cotangent`.
    pub(crate) fn sweep(network: &'a Network, cotangent: &str) -> Result<Self> {
        let mut tape = Self {
            network,
            nodes: Vec::new(),
            constants: BTreeMap::new(),
            parts: BTreeMap::from([(network.output.clone(), vec![cotangent.to_owned()])]),
            sums: BTreeMap::new(),
            count: 0,
        };
        for node in network.nodes.iter().rev() {
            let Some(output) = node.output.first().filter(|name| network.between.contains(*name)) else { continue };
            if let Some(gradient) = tape.sum(output) {
                rules::derive(&mut tape, node, &gradient)?;
            }
        }
        tape.sum(&network.input);
        Ok(tape)
    }

    /// The derivative of a tensor, if anything came back to it.
    pub(crate) fn derivative(&self, name: &str) -> Option<&str> {
        self.sums.get(name).map(String::as_str)
    }

    fn sum(&mut self, name: &str) -> Option<String> {
        let mut parts = self.parts.remove(name)?.into_iter();
        let first = parts.next()?;
        let sum = parts.fold(first, |sum, part| self.op("Add", &[&sum, &part]));
        self.sums.insert(name.to_owned(), sum.clone());
        Some(sum)
    }

    /// Whether a node's input is on the way from the network's input.
    pub(crate) fn wants(&self, node: &Node, index: usize) -> bool {
        node.optional(index).is_some_and(|name| self.network.between.contains(name))
    }

    /// Adds a part to the derivative of a node's input.
    pub(crate) fn give(&mut self, node: &Node, index: usize, gradient: String) -> Result<()> {
        self.parts.entry(node.needed(index)?.to_owned()).or_default().push(gradient);
        Ok(())
    }

    pub(crate) fn shape(&self, name: &str) -> Result<&'a [usize]> {
        let network = self.network;
        match network.shapes.get(name) {
            Some(shape) => Ok(shape),
            None => crate::error::invalid(format!("nothing gives \"{name}\"")),
        }
    }

    pub(crate) fn shape_of(&self, node: &Node, index: usize) -> Result<&'a [usize]> {
        self.shape(node.needed(index)?)
    }

    /// A new node; the name of its output.
    pub(crate) fn push(&mut self, make: impl FnOnce(&str) -> Node) -> String {
        self.count += 1;
        let mut node = make(&format!("{BACKWARD}{}", self.count));
        let name = format!("{BACKWARD}{}_{}", self.count, node.op_type);
        node.name.clone_from(&name);
        node.output = vec![name.clone()];
        self.nodes.push(node);
        name
    }

    /// A new node without attributes.
    pub(crate) fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.push(|output| Node::new(op, inputs, output))
    }

    /// A new constant.
    pub(crate) fn constant(&mut self, tensor: Tensor) -> String {
        if let Some((name, _)) = self.constants.iter().find(|(_, known)| small(&tensor) && **known == tensor) {
            return name.clone();
        }
        self.count += 1;
        let name = format!("{BACKWARD}{}_constant", self.count);
        self.constants.insert(name.clone(), tensor);
        name
    }

    pub(crate) fn number(&mut self, value: f32) -> String {
        self.constant(Tensor::float(Vec::new(), vec![value]))
    }

    pub(crate) fn integers(&mut self, values: Vec<i64>) -> String {
        self.constant(Tensor::ints(values))
    }

    pub(crate) fn sizes(&mut self, shape: &[usize]) -> String {
        self.integers(shape.iter().map(|&size| size as i64).collect())
    }

    /// A tensor of `from` as one of `to`.
    pub(crate) fn reshaped(&mut self, name: &str, from: &[usize], to: &[usize]) -> String {
        if from == to {
            return name.to_owned();
        }
        let shape = self.sizes(to);
        self.op("Reshape", &[name, &shape])
    }

    /// A tensor repeated to the shape.
    pub(crate) fn expanded(&mut self, name: &str, to: &[usize]) -> String {
        let shape = self.sizes(to);
        self.op("Expand", &[name, &shape])
    }

    /// The sum over some axes, which stay with size 1.
    pub(crate) fn summed(&mut self, name: &str, axes: &[usize]) -> String {
        let axes = self.sizes(axes);
        self.push(|output| Node::new("ReduceSum", &[name, &axes], output).with_int("keepdims", 1))
    }

    /// The derivative of an operand of shape `to` that was laid over a tensor of shape `from`.
    pub(crate) fn unbroadcast(&mut self, name: &str, from: &[usize], to: &[usize]) -> String {
        let front = from.len() - to.len().min(from.len());
        let repeated = |axis: &usize| *axis < front || (to[axis - front] == 1 && from[*axis] != 1);
        let axes: Vec<usize> = (0..from.len()).filter(repeated).collect();
        if axes.is_empty() {
            return self.reshaped(name, from, to);
        }
        let summed = self.summed(name, &axes);
        let left: Vec<usize> = (0..from.len()).map(|axis| if axes.contains(&axis) { 1 } else { from[axis] }).collect();
        self.reshaped(&summed, &left, to)
    }

    /// The gradient where `mask` holds, else 0.
    pub(crate) fn masked(&mut self, mask: &str, gradient: &str) -> String {
        let zero = self.number(0.0);
        self.op("Where", &[mask, gradient, &zero])
    }
}

/// Worth looking for another one of the same values.
fn small(tensor: &Tensor) -> bool {
    match &tensor.values {
        Values::Float(values) => values.len() < 16,
        Values::Int(values) => values.len() < 16,
    }
}
