//! The methods and their names.

use hilum_domain::UnknownName;

/// A way to say where a network looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExplainMethod {
    /// Selvaraju et al. 2017: the feature maps, weighted by their mean gradient.
    GradCam,
    /// Chattopadhay et al. 2018: weighted by the gradients' shares of second and third order.
    GradCamPlusPlus,
    /// Sundararajan et al. 2017: the gradient along a straight way from a baseline, times the way.
    IntegratedGradients,
    /// Zeiler and Fergus 2014: how much the logit falls when a square is covered. Runs the engine.
    Occlusion,
    /// Simonyan et al. 2014: the largest absolute derivative among a pixel's channels.
    Saliency,
    /// Smilkov et al. 2017: the same of the mean derivative over noisy pictures.
    SmoothGrad,
}

/// How the feature maps are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CamKind {
    /// By the mean.
    Mean,
    /// By the closed form of Grad-CAM++.
    PlusPlus,
}

impl ExplainMethod {
    /// Every method, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::GradCam,
        Self::GradCamPlusPlus,
        Self::IntegratedGradients,
        Self::Occlusion,
        Self::Saliency,
        Self::SmoothGrad,
    ];

    /// The name on the command line, in board files and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GradCam => "gradcam",
            Self::GradCamPlusPlus => "gradcam++",
            Self::IntegratedGradients => "integrated-gradients",
            Self::Occlusion => "occlusion",
            Self::Saliency => "saliency",
            Self::SmoothGrad => "smoothgrad",
        }
    }

    /// The name by which its authors call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::GradCam => "Grad-CAM",
            Self::GradCamPlusPlus => "Grad-CAM++",
            Self::IntegratedGradients => "Integrated Gradients",
            Self::Occlusion => "Occlusion",
            Self::Saliency => "Saliency",
            Self::SmoothGrad => "SmoothGrad",
        }
    }

    /// The methods on feature maps; the others have a value a pixel.
    pub(crate) const fn of_features(self) -> Option<CamKind> {
        match self {
            Self::GradCam => Some(CamKind::Mean),
            Self::GradCamPlusPlus => Some(CamKind::PlusPlus),
            _ => None,
        }
    }
}

impl std::str::FromStr for ExplainMethod {
    type Err = UnknownName;

    /// Case, hyphens, underscores and spaces do not matter; `ig` is integrated gradients.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
        let wanted = if plain(name) == "ig" { Self::IntegratedGradients.name() } else { name };
        Self::ALL
            .into_iter()
            .find(|method| plain(method.name()) == plain(wanted))
            .ok_or_else(|| UnknownName::new("explanation method", name, Self::ALL.map(Self::name)))
    }
}
