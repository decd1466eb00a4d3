//! LiteRT's GPU accelerator, over Vulkan. Only ever in a process of its own: where the GPU or its driver is not what it expects,
//! it ends the process.

use std::sync::{Mutex, PoisonError};

use edgefirst_tflite::{
    Library,
    litert::{CompiledModel, Environment, HwAccelerators, Model, Options, TensorBuffer},
};
use hilum_domain::Modality;

use crate::{
    BranchManifest, EngineKind,
    contract::Tensors,
    library::{LITERT_GPU, LibraryError, LibraryFile},
    runtime::{RunError, Runtime},
};

/// The two networks of a bundle on the GPU.
pub(crate) struct LitertRuntime(BranchManifest<Mutex<Compiled>>);

struct Compiled {
    model: CompiledModel<'static>,
    input: TensorBuffer<'static>,
    outputs: [TensorBuffer<'static>; 2],
    /// Where the contract's outputs are among the model's.
    order: [usize; 2],
    /// Levels of each, in the order of the contract.
    sizes: [usize; 2],
}

impl LitertRuntime {
    /// Compiles the networks for the GPU: all of them, or none.
    pub(crate) fn load(library: &LibraryFile, networks: BranchManifest<(Tensors, Vec<u8>)>) -> Result<Self, RunError> {
        library.check()?;
        let accelerator = library.beside(LITERT_GPU).ok_or("no GPU accelerator is known for this processor")?;
        accelerator.check()?;
        // This process is there for these networks and ends with them: what they borrow is kept to its end.
        let kept = |library: &LibraryFile| -> Result<&'static Library, LibraryError> {
            let loaded = Library::from_path(library.path()).map_err(|error| LibraryError::load(library, error))?;
            Ok(Box::leak(Box::new(loaded)))
        };
        // LiteRT asks the system's linker for the accelerator by its bare name, and is given the one that is loaded already.
        kept(&accelerator)?;
        let loaded = kept(library)?;
        let environment: &'static Environment<'_> = Box::leak(Box::new(Environment::new(loaded)?));
        let compiled = |(tensors, model): (Tensors, Vec<u8>)| -> Result<Mutex<Compiled>, RunError> {
            let model: &'static Model<'_> = Box::leak(Box::new(Model::from_buffer(environment, model)?));
            if (model.num_inputs(0)?, model.num_outputs(0)?) != (1, 2) {
                return Err("the network has not one input and two outputs".into());
            }
            let options = Options::new(loaded)?.hardware_accelerators(HwAccelerators::GPU)?;
            let compiled = CompiledModel::create(environment, model, &options)?;
            if !compiled.is_fully_accelerated()? {
                return Err("the GPU does not take all of the network".into());
            }
            let outputs = [compiled.create_output_buffer(0, 0)?, compiled.create_output_buffer(0, 1)?];
            // By their sizes: a buffer may be longer than its tensor, and features are far longer than the other output.
            let order = if outputs[0].size() < outputs[1].size() { [0, 1] } else { [1, 0] };
            let sizes = tensors.outputs.each_ref().map(|tensor| tensor.shape.iter().product());
            let input = compiled.create_input_buffer(0, 0)?;
            let mut compiled = Compiled { model: compiled, input, outputs, order, sizes };
            // The first picture has the driver compile its shaders.
            compiled.run(&vec![0; tensors.input.shape.iter().product()])?;
            Ok(Mutex::new(compiled))
        };
        Ok(Self(BranchManifest { ct: compiled(networks.ct)?, he: compiled(networks.he)? }))
    }
}

impl Compiled {
    fn run(&mut self, levels: &[i8]) -> Result<[Vec<i8>; 2], RunError> {
        let levels: Vec<u8> = levels.iter().map(|level| level.cast_unsigned()).collect();
        self.input.write_bytes(&levels)?;
        self.model.run_default(std::slice::from_mut(&mut self.input), &mut self.outputs)?;
        let mut read = |index: usize| -> Result<Vec<i8>, RunError> {
            let mut bytes = vec![0; self.sizes[index]];
            self.outputs[self.order[index]].read_bytes_into(&mut bytes)?;
            Ok(bytes.into_iter().map(u8::cast_signed).collect())
        };
        Ok([read(0)?, read(1)?])
    }
}

impl Runtime for LitertRuntime {
    fn kind(&self) -> EngineKind {
        EngineKind::LitertGpu
    }

    fn run(&self, branch: Modality, levels: &[i8]) -> Result<[Vec<i8>; 2], RunError> {
        self.0.of(branch).lock().unwrap_or_else(PoisonError::into_inner).run(levels)
    }
}
