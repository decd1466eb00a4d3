//! TensorFlow Lite's C library linked in when the program is built (feature `tflitec`), for boards whose SDK ships library and
//! headers. About four times slower than [`crate::EngineKind::Tflite`]: the crate's own build of XNNPACK fails, so it runs without.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use hilum_domain::Modality;
use tflitec::{
    interpreter::{Interpreter, Options},
    model::Model,
};

use crate::{
    BranchManifest, EngineKind,
    contract::Tensors,
    runtime::{RunError, Runtime},
};

/// The two networks of a bundle.
pub(crate) struct TflitecRuntime(BranchManifest<Network>);

struct Network {
    interpreter: Mutex<Interpreter<'static>>,
    order: [usize; 2],
}

impl TflitecRuntime {
    pub(crate) fn load(networks: BranchManifest<(Tensors, Vec<u8>)>, threads: NonZeroUsize) -> Result<Self, RunError> {
        let threads = i32::try_from(threads.get())?;
        let of = |(tensors, model)| Network::load(&tensors, model, threads);
        Ok(Self(BranchManifest { ct: of(networks.ct)?, he: of(networks.he)? }))
    }
}

impl Network {
    fn load(tensors: &Tensors, model: Vec<u8>, threads: i32) -> Result<Self, RunError> {
        // The engine is there for as long as the process.
        let model: &'static [u8] = Vec::leak(model);
        let model: &'static Model<'_> = Box::leak(Box::new(Model::from_bytes(model)?));
        let interpreter = Interpreter::new(model, Some(Options { thread_count: threads }))?;
        interpreter.allocate_tensors()?;
        let shapes = (0..interpreter.output_tensor_count())
            .map(|index| interpreter.output(index).map(|output| output.shape().dimensions().clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let order = tensors.places(&shapes)?;
        Ok(Self { interpreter: Mutex::new(interpreter), order })
    }
}

impl Runtime for TflitecRuntime {
    fn kind(&self) -> EngineKind {
        EngineKind::Tflitec
    }

    fn run(&self, branch: Modality, levels: &[i8]) -> Result<[Vec<i8>; 2], RunError> {
        let Network { interpreter, order } = self.0.of(branch);
        let interpreter = interpreter.lock().unwrap_or_else(PoisonError::into_inner);
        interpreter.copy(levels, 0)?;
        interpreter.invoke()?;
        let output = |place: usize| interpreter.output(place).map(|output| output.data::<i8>().to_vec());
        Ok([output(order[0])?, output(order[1])?])
    }
}
