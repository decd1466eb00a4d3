//! What is explained: the logit of a class as a function of a few pictures, everything else of the case held.

use hilum_domain::{Modality, PerClass, softmax};
use hilum_infer::{ExplainedBranch, Forward, TwinHead};
use ndarray::{Array2, Array3, ArrayView1, Zip};
use rayon::prelude::*;

use super::{Explainer, Question, Seen};
use crate::AssessFault;

/// The cotangent that picks one class's logit.
pub(super) fn one_hot(class: usize, weight: f32) -> PerClass<f32> {
    std::array::from_fn(|index| if index == class { weight } else { 0.0 })
}

/// The picture levels whose normalised values are nearest: what a network's int8 input can tell apart.
#[must_use]
pub fn picture_levels(picture: &Array3<f32>, mean: [f32; 3], std: [f32; 3]) -> Array3<u8> {
    let mut levels = Array3::zeros(picture.dim());
    for (mut levels, values) in levels.outer_iter_mut().zip(picture.outer_iter()) {
        for channel in 0..3 {
            let (scale, shift) = (std[channel] * 255.0, mean[channel] * 255.0);
            Zip::from(levels.column_mut(channel)).and(values.column(channel)).for_each(|level, &value| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "rounded; the cast saturates"
                )]
                let nearest = (value * scale + shift + 0.5) as u8;
                *level = nearest;
            });
        }
    }
    levels
}

/// The logit of a class as a function of a few pictures.
pub struct Target<'a> {
    explainer: &'a Explainer<'a>,
    /// Which pictures, by position.
    positions: Vec<usize>,
    /// They, normalised, `[row, column, channel]`.
    pub(super) originals: Vec<Array3<f32>>,
    mean: [f32; 3],
    std: [f32; 3],
    temperature: f64,
}

impl<'a> Target<'a> {
    pub(super) fn new(explainer: &'a Explainer<'a>, most: usize) -> Self {
        let manifest = explainer.ready.bundle.manifest();
        let (positions, originals) = match explainer.question.seen {
            Seen::Ct(picture, _) => (vec![0], vec![picture.clone()]),
            Seen::He(tiles) => {
                let attention = tiles.attention();
                let mut positions: Vec<usize> = (0..attention.len()).collect();
                positions.sort_by(|&a, &b| attention[b].total_cmp(&attention[a]));
                positions.truncate(most.max(1));
                positions.sort_unstable();
                let originals = positions.iter().map(|&tile| tiles.picture(tile)).collect();
                (positions, originals)
            }
        };
        let (mean, std, temperature) = match explainer.question.seen {
            Seen::Ct(..) => (manifest.ct.mean, manifest.ct.std, manifest.ct.temperature),
            Seen::He(_) => (manifest.he.mean, manifest.he.std, manifest.he.temperature),
        };
        Self { explainer, positions, originals, mean, std, temperature }
    }

    /// Which pictures of the branch, by position.
    #[must_use]
    pub fn pictures(&self) -> &[usize] {
        &self.positions
    }

    pub(super) fn modality(&self) -> Modality {
        self.question().seen.modality()
    }

    pub(super) const fn question(&self) -> &Question<'a> {
        &self.explainer.question
    }

    pub(super) fn parameters(&self) -> &ExplainedBranch {
        let explain = &self.explainer.ready.bundle.manifest().explain;
        match self.modality() {
            Modality::Ct => &explain.ct,
            Modality::He => &explain.he,
        }
    }

    pub(super) fn seed(&self) -> u64 {
        self.explainer.ready.bundle.manifest().explain.seed
    }

    /// A picture level as the network's input has it.
    pub(super) fn real(&self, level: u8, channel: usize) -> f32 {
        (f32::from(level) / 255.0 - self.mean[channel]) / self.std[channel]
    }

    /// A picture of one level.
    pub(super) fn flat(&self, level: u8, like: &Array3<f32>) -> Array3<f32> {
        Array3::from_shape_fn(like.dim(), |(_, _, channel)| self.real(level, channel))
    }

    /// Tiles and attention head, for H&E.
    fn bag(&self) -> Option<(&TwinHead, &Array2<f32>)> {
        match (self.question().seen, &self.explainer.head) {
            (Seen::He(tiles), Some(head)) => Some((head, tiles.embeddings())),
            _ => None,
        }
    }

    /// The bag with other embeddings at these of the target's pictures.
    fn with(&self, bag: &Array2<f32>, changed: &[(usize, Vec<f32>)]) -> Array2<f32> {
        let mut bag = bag.clone();
        for (picture, embedding) in changed {
            bag.row_mut(self.positions[*picture]).assign(&ArrayView1::from(embedding));
        }
        bag
    }

    /// The engine's logits of the branch with other pictures at some of the target's.
    pub(super) fn engine_logits(&self, changed: &[(usize, &Array3<f32>)]) -> Result<PerClass<f64>, AssessFault> {
        let levels: Vec<(usize, Array3<u8>)> =
            changed.iter().map(|&(picture, values)| (picture, self.levels(values))).collect();
        self.engine_logits_of(&levels)
    }

    /// What the engine's input can tell apart of a picture.
    pub(super) fn levels(&self, picture: &Array3<f32>) -> Array3<u8> {
        picture_levels(picture, self.mean, self.std)
    }

    /// The same with pictures of levels.
    pub(super) fn engine_logits_of(&self, changed: &[(usize, Array3<u8>)]) -> Result<PerClass<f64>, AssessFault> {
        let engine = &*self.explainer.engine;
        let logits = match self.bag() {
            None => {
                let logits = match changed.first() {
                    Some((_, levels)) => engine.ct(levels.view())?.logits,
                    None => engine.ct(self.levels(&self.originals[0]).view())?.logits,
                };
                logits.map(f64::from)
            }
            Some((head, bag)) => {
                let mut embeddings = Vec::new();
                for (picture, levels) in changed {
                    embeddings.push((*picture, engine.he(levels.as_slice().unwrap_or_default())?.embedding));
                }
                five(&head.logits(&self.with(bag, &embeddings))?)
            }
        };
        Ok(logits)
    }

    /// The logit of the class, times the branch's weight: what the branch adds to the fused one.
    pub(super) fn score(&self, logits: &PerClass<f64>) -> f64 {
        logits[self.question().class] * f64::from(self.question().weight)
    }

    /// The branch's calibrated probability of the class: softmax(z/T).
    pub(super) fn probability(&self, logits: &PerClass<f64>) -> f64 {
        softmax(&logits.map(|logit| logit / self.temperature))[self.question().class]
    }

    /// The twin's logits of the branch for other pictures, one for each of the target's.
    fn twin_logits(&self, pictures: &[Array3<f32>]) -> Result<PerClass<f64>, AssessFault> {
        let twin = self.explainer.twin()?;
        match self.bag() {
            None => Ok(five(&twin.forward(&pictures[0])?.output)),
            Some((head, bag)) => {
                let embeddings = pictures
                    .par_iter()
                    .enumerate()
                    .map(|(picture, values)| Ok((picture, twin.forward(values)?.output)));
                Ok(five(&head.logits(&self.with(bag, &embeddings.collect::<Result<Vec<_>, AssessFault>>()?))?))
            }
        }
    }

    /// The twin's score for other pictures, and its derivative by each of them.
    pub(super) fn derivatives(&self, pictures: &[Array3<f32>]) -> Result<Vec<Array3<f32>>, AssessFault> {
        let twin = self.explainer.twin()?;
        let one_hot = one_hot(self.question().class, self.question().weight);
        let Some((head, bag)) = self.bag() else {
            return Ok(vec![twin.backward(twin.forward(&pictures[0])?, &one_hot)?]);
        };
        let mut forwards = pictures.par_iter().map(|picture| twin.forward(picture)).collect::<Result<Vec<_>, _>>()?;
        let output = |(picture, forward): (usize, &mut Forward)| (picture, std::mem::take(&mut forward.output));
        let embeddings: Vec<_> = forwards.iter_mut().enumerate().map(output).collect();
        let (_, cotangents) = head.derivative(&self.with(bag, &embeddings), &one_hot)?;
        let derivative =
            |(forward, &position): (Forward, &usize)| Ok(twin.backward(forward, &cotangents.row(position).to_vec())?);
        forwards.into_par_iter().zip(&self.positions).map(derivative).collect()
    }

    /// The twin's score for other pictures.
    pub(super) fn twin_score(&self, pictures: &[Array3<f32>]) -> Result<f64, AssessFault> {
        Ok(self.score(&self.twin_logits(pictures)?))
    }

    /// The twin's logit of the class less the engine's, at the pictures as they are.
    ///
    /// # Errors
    /// [`AssessFault`] if a network fails.
    pub fn twin_gap(&self) -> Result<f64, AssessFault> {
        let class = self.question().class;
        Ok(self.twin_logits(&self.originals)?[class] - self.engine_logits(&[])?[class])
    }
}

fn five(logits: &[f32]) -> PerClass<f64> {
    std::array::from_fn(|class| logits.get(class).copied().map_or(f64::NAN, f64::from))
}
