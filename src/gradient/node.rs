//! Operators: reading their attributes, making new ones.

use crate::{
    error::{GradientError, Result, invalid},
    proto::{Attribute, Node, kind},
};

/// No size, step or padding of an operator is larger.
const NUMBER_MOST: i64 = 1 << 31;

impl Node {
    /// An operator with one output.
    pub(crate) fn new(op: &str, inputs: &[&str], output: &str) -> Self {
        Self {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn with_int(mut self, name: &str, value: i64) -> Self {
        self.set(Attribute { name: name.to_owned(), i: value, kind: kind::INT, ..Attribute::default() });
        self
    }

    pub(crate) fn with_ints(mut self, name: &str, values: Vec<i64>) -> Self {
        self.set(Attribute { name: name.to_owned(), ints: values, kind: kind::INTS, ..Attribute::default() });
        self
    }

    pub(crate) fn with_float(mut self, name: &str, value: f32) -> Self {
        self.set(Attribute { name: name.to_owned(), f: value, kind: kind::FLOAT, ..Attribute::default() });
        self
    }

    /// Without the attributes of these names.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.attribute.retain(|attribute| !names.contains(&attribute.name.as_str()));
        self
    }

    fn set(&mut self, attribute: Attribute) {
        self.attribute.retain(|old| old.name != attribute.name);
        self.attribute.push(attribute);
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(crate) fn int(&self, name: &str, otherwise: i64) -> i64 {
        self.attribute(name).map_or(otherwise, |attribute| attribute.i)
    }

    pub(crate) fn float(&self, name: &str, otherwise: f32) -> f32 {
        self.attribute(name).map_or(otherwise, |attribute| attribute.f)
    }

    pub(crate) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let attribute = self.attribute(name).filter(|attribute| attribute.kind == kind::STRING);
        attribute.map(|attribute| String::from_utf8_lossy(&attribute.s).into_owned())
    }

    /// `count` numbers of 0 to 2³¹, or `otherwise` each where the operator does not say.
    pub(crate) fn counts(&self, name: &str, count: usize, otherwise: i64) -> Result<Vec<i64>> {
        let values = self.ints(name).map_or_else(|| vec![otherwise; count], <[i64]>::to_vec);
        if values.len() != count || values.iter().any(|value| !(0..NUMBER_MOST).contains(value)) {
            return invalid(format!("{name} of node \"{}\" is {values:?}", self.label()));
        }
        Ok(values)
    }

    /// An input that the operator cannot do without.
    pub(crate) fn needed(&self, index: usize) -> Result<&str> {
        self.optional(index)
            .map_or_else(|| invalid(format!("node \"{}\" ({}) has no input {index}", self.label(), self.op_type)), Ok)
    }

    /// An input, if it is given.
    pub(crate) fn optional(&self, index: usize) -> Option<&str> {
        self.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Its name, or its first output's where it has none.
    pub(crate) fn label(&self) -> &str {
        if self.name.is_empty() { self.output.first().map_or("", String::as_str) } else { &self.name }
    }

    pub(crate) fn unsupported(&self, why: impl Into<String>) -> GradientError {
        GradientError::Unsupported { op: self.op_type.clone(), node: self.label().to_owned(), why: why.into() }
    }
}
