//! TensorFlow Lite's C library, loaded at run time, with XNNPACK or a vendor's delegate added explicitly.

use std::{
    num::NonZeroUsize,
    sync::{Condvar, Mutex, PoisonError},
};

use edgefirst_tflite::{Delegate, DelegateOptions, Interpreter, Library, Model, Tensor, TensorType};
use hilum_domain::Modality;

use crate::{
    BranchManifest, EngineKind, TensorManifest,
    contract::Tensors,
    library::{LibraryError, LibraryFile},
    runtime::{RunError, Runtime},
};

/// What the interpreters hand their graphs to.
#[derive(Debug, Clone)]
pub(crate) enum Accelerator {
    /// The library's own kernels for this processor.
    Xnnpack,
    /// A vendor's library, with the options that its documentation has.
    External { library: LibraryFile, options: Vec<(String, String)> },
}

/// Of an interpreter.
const THREADS: i32 = 1;

/// The two networks of a bundle in TensorFlow Lite.
pub(crate) struct TfliteRuntime {
    kind: EngineKind,
    pools: BranchManifest<Pool>,
}

/// Interpreters of one network: each runs one picture at a time.
struct Pool {
    // Dropped before the model, which the interpreters read and the crate does not tie them to.
    idle: Mutex<Vec<Interpreter<'static>>>,
    freed: Condvar,
    /// Where the contract's outputs are among the interpreter's.
    order: [usize; 2],
    _model: Model<'static>,
}

impl TfliteRuntime {
    /// Loads the library and makes interpreters for `threads` tiles at once.
    pub(crate) fn load(
        library: &LibraryFile,
        accelerator: &Accelerator,
        networks: BranchManifest<(Tensors, Vec<u8>)>,
        threads: NonZeroUsize,
    ) -> Result<Self, RunError> {
        library.check()?;
        let kind = match accelerator {
            Accelerator::Xnnpack => EngineKind::Tflite,
            Accelerator::External { library, .. } => {
                library.check()?;
                EngineKind::TfliteDelegate
            }
        };
        let loaded = Library::from_path(library.path()).map_err(|error| LibraryError::load(library, error))?;
        // What a library has set going in a process outlives every attempt to unload it: it is never unloaded.
        let loaded: &'static Library = Box::leak(Box::new(loaded));
        // Each picture on one core: the library's own threads wait for each other by spinning, and one that is not given its core keeps
        // all of them waiting. Tiles are many; a patch is one, and takes milliseconds. A vendor's device takes one at a time.
        let at_once = if kind == EngineKind::Tflite { threads.get() } else { 1 };
        let BranchManifest { ct: (ct_tensors, ct_model), he: (he_tensors, he_model) } = networks;
        let pools = BranchManifest {
            ct: Pool::new(loaded, accelerator, ct_model, &ct_tensors, 1)?,
            he: Pool::new(loaded, accelerator, he_model, &he_tensors, at_once)?,
        };
        Ok(Self { kind, pools })
    }
}

impl Pool {
    fn new(
        library: &'static Library,
        accelerator: &Accelerator,
        model: Vec<u8>,
        tensors: &Tensors,
        interpreters: usize,
    ) -> Result<Self, RunError> {
        let model = Model::from_bytes(library, model)?;
        let idle = (0..interpreters)
            .map(|_| {
                let mut builder = Interpreter::builder(library)?.num_threads(THREADS);
                if let Accelerator::External { library: vendors, options } = accelerator {
                    let options =
                        options.iter().fold(DelegateOptions::new(), |all, (key, value)| all.option(key, value));
                    builder = builder.delegate(Delegate::load_with_options(vendors.path(), &options)?);
                }
                // What a vendor's device does not take is XNNPACK's, too: the library's plain kernels are four times slower.
                builder.delegate(Delegate::xnnpack(library, THREADS)?).build(&model)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let interpreter = idle.first().ok_or("no interpreter was asked for")?;
        matches(&only(interpreter.inputs()?)?, &tensors.input)?;
        let outputs = interpreter.outputs()?;
        let order = tensors.places(&outputs.iter().map(Tensor::shape).collect::<Result<Vec<_>, _>>()?)?;
        for (place, wanted) in order.into_iter().zip(&tensors.outputs) {
            matches(&outputs[place], wanted)?;
        }
        drop(outputs);
        Ok(Self { idle: Mutex::new(idle), freed: Condvar::new(), order, _model: model })
    }

    /// Runs one picture on the first interpreter that is free.
    fn run(&self, levels: &[i8]) -> Result<[Vec<i8>; 2], RunError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle = self.freed.wait_while(idle, |idle| idle.is_empty()).unwrap_or_else(PoisonError::into_inner);
        let interpreter = idle.pop();
        drop(idle);
        let mut interpreter = interpreter.ok_or("no interpreter is free")?;
        let outputs = invoke(&mut interpreter, levels, self.order);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(interpreter);
        self.freed.notify_one();
        outputs
    }
}

fn invoke(interpreter: &mut Interpreter<'_>, levels: &[i8], order: [usize; 2]) -> Result<[Vec<i8>; 2], RunError> {
    let mut inputs = interpreter.inputs_mut()?;
    inputs.first_mut().ok_or("it has no input")?.copy_from_slice(levels)?;
    drop(inputs);
    interpreter.invoke()?;
    let outputs = interpreter.outputs()?;
    let levels = |place: usize| outputs[place].as_slice::<i8>().map(<[i8]>::to_vec);
    Ok([levels(order[0])?, levels(order[1])?])
}

fn only(mut tensors: Vec<Tensor<'_>>) -> Result<Tensor<'_>, RunError> {
    match (tensors.pop(), tensors.len()) {
        (Some(tensor), 0) => Ok(tensor),
        (_, others) => Err(format!("it has {} inputs", others + 1).into()),
    }
}

/// Holds a tensor, as the library read it from the model, to the manifest.
fn matches(tensor: &Tensor<'_>, wanted: &TensorManifest) -> Result<(), RunError> {
    let (shape, read) = (tensor.shape()?, tensor.quantization_params());
    if tensor.tensor_type() != TensorType::Int8 || shape != wanted.shape {
        return Err(
            format!("{} is {:?} {shape:?}, not int8 {:?}", wanted.name, tensor.tensor_type(), wanted.shape).into()
        );
    }
    let same = read.scale.is_finite()
        && read.scale > 0.0
        && (read.scale - wanted.scale).abs() <= 1e-6 * wanted.scale
        && read.zero_point == i32::from(wanted.zero_point);
    if same {
        return Ok(());
    }
    let (scale, zero) = (read.scale, read.zero_point);
    let what = format!(
        "{} has scale {scale} and zero point {zero}, and its manifest {} and {}",
        wanted.name, wanted.scale, wanted.zero_point
    );
    Err(what.into())
}

impl Runtime for TfliteRuntime {
    fn kind(&self) -> EngineKind {
        self.kind
    }

    fn run(&self, branch: Modality, levels: &[i8]) -> Result<[Vec<i8>; 2], RunError> {
        self.pools.of(branch).run(levels)
    }
}
