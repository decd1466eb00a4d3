//! What a bundle's manifest promises of a quantised network: what goes in, what comes out, and what the levels mean.

use hilum_domain::{Modality, PerClass};
use ndarray::Array3;

use crate::{Bundle, BundleError, CtOutput, HeOutput, InputLevels, Quantiser, TensorManifest};

/// Which of a network's two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `ct.tflite`, `he.tflite`.
    Tflite,
    /// `ct.onnx`, `he.onnx`.
    Onnx,
}

impl Form {
    /// The file of a branch.
    pub(crate) const fn file(self, branch: Modality) -> &'static str {
        match (self, branch) {
            (Self::Tflite, Modality::Ct) => "ct.tflite",
            (Self::Tflite, Modality::He) => "he.tflite",
            (Self::Onnx, Modality::Ct) => "ct.onnx",
            (Self::Onnx, Modality::He) => "he.onnx",
        }
    }
}

/// The first output of a branch's network; the other is `features`.
pub(crate) const fn first_output(branch: Modality) -> &'static str {
    match branch {
        Modality::Ct => "logits",
        Modality::He => "embedding",
    }
}

/// The tensors of a network as its manifest has them: input, first output, features.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Tensors {
    pub(crate) input: TensorManifest,
    pub(crate) outputs: [TensorManifest; 2],
}

impl Tensors {
    /// Those of a branch's file.
    pub(crate) fn of(bundle: &Bundle, branch: Modality, form: Form) -> Result<Self, BundleError> {
        let files = bundle.manifest().quantisation.of(branch);
        let quantisation = match form {
            Form::Tflite => &files.tflite,
            Form::Onnx => &files.onnx,
        };
        let output = |name: &str| quantisation.output(name).cloned().ok_or_else(|| wrong(form.file(branch), name));
        let outputs = [output(first_output(branch))?, output("features")?];
        Ok(Self { input: quantisation.input.clone(), outputs })
    }

    /// Where the two outputs are among those of these shapes: a file numbers them as its converter liked.
    pub(crate) fn places(&self, shapes: &[Vec<usize>]) -> Result<[usize; 2], String> {
        let place = |wanted: &TensorManifest| {
            let found = shapes.iter().position(|shape| *shape == wanted.shape);
            found.ok_or_else(|| format!("it has no output of the shape of {}", wanted.name))
        };
        Ok([place(&self.outputs[0])?, place(&self.outputs[1])?])
    }
}

fn wrong(file: &str, what: &str) -> BundleError {
    BundleError::Unsuitable(format!("the contract of {file} has no valid {what}"))
}

/// How the levels of one network are made and read.
#[derive(Debug, Clone)]
pub(crate) struct Contract {
    levels: InputLevels,
    /// Levels of a picture.
    inputs: usize,
    outputs: [(Quantiser, Vec<usize>); 2],
}

impl Contract {
    pub(crate) fn of(bundle: &Bundle, branch: Modality, form: Form) -> Result<Self, BundleError> {
        let wrong = |what: &str| wrong(form.file(branch), what);
        let Tensors { input, outputs } = Tensors::of(bundle, branch, form)?;
        let [_, _, _, 3] = input.shape[..] else { return Err(wrong("input shape")) };
        let quantiser = Quantiser::new(input.scale, input.zero_point).ok_or_else(|| wrong("input scale"))?;
        let manifest = bundle.manifest();
        let (mean, std) = match branch {
            Modality::Ct => (manifest.ct.mean, manifest.ct.std),
            Modality::He => (manifest.he.mean, manifest.he.std),
        };
        let levels = InputLevels::new(mean, std, &quantiser).ok_or_else(|| wrong("mean or std"))?;
        let [first, features] = outputs.map(|tensor| {
            let quantiser = Quantiser::new(tensor.scale, tensor.zero_point).ok_or_else(|| wrong(&tensor.name));
            quantiser.map(|quantiser| (quantiser, tensor.shape))
        });
        let outputs = [first?, features?];
        if outputs[1].1.len() != 4 {
            return Err(wrong("features"));
        }
        Ok(Self { levels, inputs: input.shape.iter().product(), outputs })
    }

    /// The network's levels of a picture's, both `[row, column, channel]`.
    pub(crate) fn input(&self, picture: &[u8]) -> Result<Vec<i8>, String> {
        if picture.len() == self.inputs {
            return Ok(self.levels.apply(picture));
        }
        Err(format!("a picture of {} levels was given, and the network takes {}", picture.len(), self.inputs))
    }

    /// Real values of one output.
    fn real(&self, index: usize, levels: &[i8]) -> Result<Vec<f32>, String> {
        let (quantiser, shape) = &self.outputs[index];
        let wanted: usize = shape.iter().product();
        if levels.len() != wanted {
            return Err(format!("output {index} has {} levels, not {wanted}", levels.len()));
        }
        Ok(levels.iter().map(|&level| quantiser.real(level)).collect())
    }

    fn maps(&self, levels: &[i8]) -> Result<Array3<f32>, String> {
        let shape = &self.outputs[1].1;
        Array3::from_shape_vec((shape[1], shape[2], shape[3]), self.real(1, levels)?).map_err(|error| error.to_string())
    }

    /// The outputs of the CT network.
    pub(crate) fn ct(&self, [logits, features]: &[Vec<i8>; 2]) -> Result<CtOutput, String> {
        let logits = PerClass::<f32>::try_from(self.real(0, logits)?);
        let logits = logits.map_err(|logits| format!("{} logits", logits.len()))?;
        Ok(CtOutput { logits, features: self.maps(features)? })
    }

    /// The outputs of the H&E network.
    pub(crate) fn he(&self, [embedding, features]: &[Vec<i8>; 2]) -> Result<HeOutput, String> {
        Ok(HeOutput { embedding: self.real(0, embedding)?, features: self.maps(features)? })
    }
}
