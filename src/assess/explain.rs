//! Where a branch looked: six methods for one class, each with how faithful it is.

mod cam;
mod faithful;
mod map;
mod method;
mod pixels;
mod target;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

use hilum_domain::Modality;
use hilum_infer::{Engine, HeOutput, TwinHead, TwinNetwork, bag};
use ndarray::{Array2, Array3, ArrayView1};
use rayon::prelude::*;

pub use faithful::{Curves, Localisation, curves, localisation, over};
pub use map::shown_map;
pub use method::ExplainMethod;
pub use target::{Target, picture_levels};

use crate::{
    AssessFault, Ready,
    watch::{Part, Watch},
};

/// Whether a map may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Showing what it marks first brings the class back sooner than showing random places first.
    Faithful,
    /// It does not.
    Unfaithful,
    /// Nobody measured it.
    NotChecked,
    /// There is nothing to show: no signal for the class, or no place that differs from another.
    Blank,
}

impl Verdict {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Faithful => "faithful",
            Self::Unfaithful => "unfaithful",
            Self::NotChecked => "not_checked",
            Self::Blank => "blank",
        }
    }
}

/// The pictures of a branch, with what its engine said of them.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// A patch, normalised for the network, `[row, column, plane]`, and its last feature maps.
    Ct(&'a Array3<f32>, &'a Array3<f32>),
    /// The tiles.
    He(&'a dyn Tiles),
}

/// Tiles, made when they are looked at: hundreds of them as floats would fill the memory.
pub trait Tiles: std::fmt::Debug + Sync {
    /// A tile normalised for the network, `[row, column, channel]`.
    fn picture(&self, tile: usize) -> Array3<f32>;
    /// The last feature maps of every tile.
    fn features(&self) -> Vec<&Array3<f32>>;
    /// The embeddings, `[tile, channel]`.
    fn embeddings(&self) -> &Array2<f32>;
    /// Each tile's attention.
    fn attention(&self) -> &[f32];
}

/// Tiles that were given as floats.
#[derive(Debug)]
pub struct GivenTiles {
    pictures: Vec<Array3<f32>>,
    features: Vec<Array3<f32>>,
    embeddings: Array2<f32>,
    attention: Vec<f32>,
}

impl GivenTiles {
    /// Tiles and what the engine said of each, and the attention head of all.
    #[must_use]
    pub fn new(pictures: Vec<Array3<f32>>, outputs: Vec<HeOutput>, attention: Vec<f32>) -> Self {
        let embeddings = bag(&outputs);
        Self { pictures, features: outputs.into_iter().map(|output| output.features).collect(), embeddings, attention }
    }
}

impl Tiles for GivenTiles {
    fn picture(&self, tile: usize) -> Array3<f32> {
        self.pictures[tile].clone()
    }

    fn features(&self) -> Vec<&Array3<f32>> {
        self.features.iter().collect()
    }

    fn embeddings(&self) -> &Array2<f32> {
        &self.embeddings
    }

    fn attention(&self) -> &[f32] {
        &self.attention
    }
}

/// What is to be explained of a branch.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Its pictures.
    pub seen: Seen<'a>,
    /// The class, by position.
    pub class: usize,
    /// What the branch's logits are multiplied by before they are added to the other's: its fusion weight.
    pub weight: f32,
    /// Of how many tiles, by attention, the methods on pixels make maps; those on feature maps always make all.
    pub tiles: usize,
    /// Over how many faithfulness is measured.
    pub faithfulness_tiles: usize,
}

impl Seen<'_> {
    /// Which branch.
    #[must_use]
    pub const fn modality(&self) -> Modality {
        match self {
            Self::Ct(..) => Modality::Ct,
            Self::He(_) => Modality::He,
        }
    }
}

/// Heatmaps, not scaled, in logits of the class: Grad-CAM's at the resolution of the feature maps, the others' a value a pixel
/// of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// Which pictures: 0 for a patch, the positions of tiles.
    pub pictures: Vec<usize>,
    /// A map for each of them, `[row, column]`.
    pub maps: Vec<Array2<f32>>,
    /// How far integrated gradients are from what they must add up to, in logits.
    pub completeness_gap: Option<f64>,
}

impl Heat {
    /// What of it is shown, see [`shown_map`].
    #[must_use]
    pub fn shown(&self, method: ExplainMethod) -> Self {
        let maps = self.maps.iter().map(|map| shown_map(map, method)).collect();
        Self { pictures: self.pictures.clone(), maps, completeness_gap: self.completeness_gap }
    }

    /// Whether anything in it speaks for the class, at one place more than at another, and all of it is numbers.
    #[must_use]
    pub fn speaks(&self) -> bool {
        let mut values = self.maps.iter().flatten();
        let Some(&first) = values.next() else { return false };
        let finite = self.maps.iter().flatten().all(|value| value.is_finite());
        #[expect(clippy::float_cmp, reason = "a map over one pixel, or over nothing, is exactly constant")]
        let varies = values.any(|&value| value != first);
        finite && varies && self.maps.iter().flatten().any(|&value| value > 0.0)
    }
}

/// How a map was found to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Whether it may be believed.
    pub verdict: Verdict,
    /// Area under the insertion curve, 0 to 1.
    pub insertion_auc: Option<f64>,
    /// Area under the deletion curve, 0 to 1.
    pub deletion_auc: Option<f64>,
    /// The mean insertion of random maps of the same smoothness.
    pub random_auc: Option<f64>,
    /// The twin's logit of the class less the engine's.
    pub twin_gap: Option<f64>,
}

impl Judged {
    /// Of a map that nobody measures.
    #[must_use]
    pub fn unjudged(heat: &Heat) -> Self {
        let verdict = if heat.speaks() { Verdict::NotChecked } else { Verdict::Blank };
        Self { verdict, ..Self::BLANK }
    }

    const BLANK: Self =
        Self { verdict: Verdict::Blank, insertion_auc: None, deletion_auc: None, random_auc: None, twin_gap: None };
}

/// Steps of the curves on the device.
const DEVICE_STEPS: usize = 20;
/// Random maps that a map is compared with.
const RANDOM_MAPS: usize = 5;

/// A branch whose questions are answered. Its twin is loaded when something first needs it: half a second and 60 MB that Grad-CAM
/// does without.
pub struct Explainer<'a> {
    ready: &'a Ready,
    /// What scored the pictures.
    engine: Arc<dyn Engine>,
    question: Question<'a>,
    /// For H&E, the attention head over so many tiles.
    head: Option<TwinHead>,
    twin: OnceLock<TwinNetwork>,
    /// The mean insertion of random maps by their cells, which methods share.
    chance: Mutex<BTreeMap<(usize, usize), f64>>,
}

impl<'a> Explainer<'a> {
    /// Prepares to answer for pictures that the engine has scored which runs the networks now.
    ///
    /// # Errors
    /// [`AssessFault::Bundle`] if the attention head has no derivative.
    pub fn new(ready: &'a Ready, question: Question<'a>) -> Result<Self, AssessFault> {
        Self::by(ready.engine(), ready, question)
    }

    /// Prepares to answer for pictures that `engine` has scored.
    ///
    /// # Errors
    /// [`AssessFault::Bundle`] if the attention head has no derivative.
    pub fn by(engine: Arc<dyn Engine>, ready: &'a Ready, question: Question<'a>) -> Result<Self, AssessFault> {
        let head = match question.seen {
            Seen::Ct(..) => None,
            Seen::He(tiles) => {
                let (count, channels) = tiles.embeddings().dim();
                Some(TwinHead::load(&ready.bundle, count, channels)?)
            }
        };
        Ok(Self { ready, engine, question, head, twin: OnceLock::new(), chance: Mutex::default() })
    }

    /// The map of a method.
    ///
    /// # Errors
    /// [`AssessFault`] if a network fails, or whoever waits calls it off.
    pub fn map(&self, method: ExplainMethod, watch: &dyn Watch) -> Result<Heat, AssessFault> {
        if let Some(kind) = method.of_features() {
            return self.class_activation(kind);
        }
        let target = self.target(self.question.tiles);
        let part = Part::Map(method);
        let (maps, completeness_gap) = match method {
            ExplainMethod::Occlusion => (pixels::occlusion(&target, watch, part)?, None),
            ExplainMethod::IntegratedGradients => {
                let (maps, gap) = pixels::integrated_gradients(&target, watch, part)?;
                (maps, Some(gap))
            }
            ExplainMethod::SmoothGrad => (pixels::smoothgrad(&target, watch, part)?, None),
            _ => (pixels::saliency(&target, watch, part)?, None),
        };
        Ok(Heat { pictures: target.pictures().to_vec(), maps, completeness_gap })
    }

    fn class_activation(&self, kind: method::CamKind) -> Result<Heat, AssessFault> {
        let Question { seen, class, weight, .. } = self.question;
        let cotangent = target::one_hot(class, weight);
        let maps = match (seen, &self.head) {
            (Seen::He(tiles), Some(head)) => {
                let (_, cotangents) = head.derivative(tiles.embeddings(), &cotangent)?;
                let map = |(features, cotangent): (&Array3<f32>, ArrayView1<'_, f32>)| {
                    let gradient = self.ready.tails.he.derivative(features, &cotangent.to_vec())?;
                    Ok(cam::map(features, &gradient, kind))
                };
                let pairs: Vec<_> = tiles.features().into_iter().zip(cotangents.rows()).collect();
                pairs.into_par_iter().map(map).collect::<Result<Vec<_>, AssessFault>>()?
            }
            (Seen::Ct(_, features), _) => {
                let gradient = self.ready.tails.ct.derivative(features, &cotangent)?;
                vec![cam::map(features, &gradient, kind)]
            }
            (Seen::He(_), None) => Vec::new(),
        };
        Ok(Heat { pictures: (0..maps.len()).collect(), maps, completeness_gap: None })
    }

    /// How faithful a method's map is: its curves, against random maps of the same smoothness.
    ///
    /// # Errors
    /// [`AssessFault`] if a network fails, or whoever waits calls it off.
    pub fn judge(&self, method: ExplainMethod, heat: &Heat, watch: &dyn Watch) -> Result<Judged, AssessFault> {
        let target = self.target(self.question.faithfulness_tiles);
        let twin_gap = Some(target.twin_gap()?);
        let shown = heat.shown(method);
        if !shown.speaks() {
            return Ok(Judged { twin_gap, ..Judged::BLANK });
        }
        let cells = shown.maps.first().map_or((0, 0), Array2::dim);
        let known = self.chance.lock().ok().and_then(|chance| chance.get(&cells).copied());
        let random = if known.is_some() { 0 } else { RANDOM_MAPS };
        let part = Part::Faithfulness(method);
        let mut found = faithful::curves(&target, &shown, DEVICE_STEPS, random, watch, part)?;
        found.random = found.random.or(known);
        if let (Ok(mut chance), Some(random)) = (self.chance.lock(), found.random) {
            chance.insert(cells, random);
        }
        let better = found.random.is_some_and(|random| found.insertion > random);
        Ok(Judged {
            verdict: if better { Verdict::Faithful } else { Verdict::Unfaithful },
            insertion_auc: Some(found.insertion),
            deletion_auc: Some(found.deletion),
            random_auc: found.random,
            twin_gap,
        })
    }

    /// The bundle and engine that it explains.
    #[must_use]
    pub const fn ready(&self) -> &'a Ready {
        self.ready
    }

    /// The class's logit as a function of the pictures of most attention, at most `most` of them.
    #[must_use]
    pub fn target(&self, most: usize) -> Target<'_> {
        Target::new(self, most)
    }

    fn twin(&self) -> Result<&TwinNetwork, AssessFault> {
        if let Some(twin) = self.twin.get() {
            return Ok(twin);
        }
        let loaded = TwinNetwork::load(&self.ready.bundle, self.question.seen.modality())?;
        Ok(self.twin.get_or_init(|| loaded))
    }
}
