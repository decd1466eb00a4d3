//! What is known of the patient besides the pictures.

/// A name that is not in a closed list, with the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} \"{found}\": expected one of {known}")]
pub struct UnknownName {
    kind: &'static str,
    found: String,
    known: String,
}

impl UnknownName {
    /// An error for `found` where one of `known` was expected.
    pub fn new<const N: usize>(kind: &'static str, found: &str, known: [&str; N]) -> Self {
        Self { kind, found: found.to_owned(), known: known.join(", ") }
    }
}

/// An age outside 0 to 120 years.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("age {0} is outside 0 to 120 years")]
pub struct AgeOutOfRange(pub f64);

/// Age in years, 0 to 120.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Age(f64);

impl Age {
    /// An age in years.
    ///
    /// # Errors
    /// [`AgeOutOfRange`] below 0, above 120, or not a number.
    pub fn from_years(years: f64) -> Result<Self, AgeOutOfRange> {
        if (0.0..=120.0).contains(&years) { Ok(Self(years)) } else { Err(AgeOutOfRange(years)) }
    }

    /// The age in years.
    #[must_use]
    pub const fn years(self) -> f64 {
        self.0
    }
}

macro_rules! closed_list {
    ($(#[$doc:meta])* $kind:literal $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// The name in files and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                Self::ALL.into_iter().find(|value| value.name() == name)
                    .ok_or_else(|| UnknownName::new($kind, name, Self::ALL.map(Self::name)))
            }
        }
    };
}

closed_list! {
    /// Sex as the metadata encoder knows it.
    "sex" Sex {
        /// Female, 0 for the encoder.
        Female = "female",
        /// Male, 1 for the encoder.
        Male = "male",
    }
}

closed_list! {
    /// Smoking history as the metadata encoder knows it.
    "smoking history" Smoking {
        /// Fewer than 100 cigarettes in a life, 0 for the encoder.
        Never = "never",
        /// Stopped, 1 for the encoder.
        Former = "former",
        /// Smokes, 2 for the encoder.
        Current = "current",
    }
}

closed_list! {
    /// How the tissue was taken. Changes the wording of a result, never its numbers.
    "specimen" Specimen {
        /// A small tissue biopsy.
        Biopsy = "biopsy",
        /// Cells on a slide.
        Cytology = "cytology",
        /// Surgical resection.
        Resection = "resection",
    }
}

closed_list! {
    /// A form in which a result leaves for others.
    "form of a result" Form {
        /// DICOM objects in the study of the CT, with the patient's name as it stands there.
        Dicom = "dicom",
        /// FHIR R4, without anything of the patient but the study's UID.
        Fhir = "fhir",
        /// A page, without anything of the patient.
        Pdf = "pdf",
    }
}

closed_list! {
    /// One of the two pictures that are read.
    "modality" Modality {
        /// Computed tomography.
        Ct = "ct",
        /// Haematoxylin and eosin.
        He = "he",
    }
}

closed_list! {
    /// How H&E is brought to one stain.
    "stain method" StainMethod {
        /// Macenko 2009: stain vectors at the extreme angles of the plane of densities. The default.
        Macenko = "macenko",
        /// Vahadane 2016: stain vectors by sparse non-negative factorisation.
        Vahadane = "vahadane",
        /// Reinhard 2001: means and deviations of colour; no stain vectors.
        Reinhard = "reinhard",
    }
}

/// Age, sex and smoking history, each known or not, and the kind of specimen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Metadata {
    /// Age.
    pub age: Option<Age>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Smoking history.
    pub smoking: Option<Smoking>,
    /// Specimen; not read by the encoder.
    pub specimen: Option<Specimen>,
}

impl Metadata {
    /// The names of the encoder's three inputs, in their order.
    pub const ENCODED: [&'static str; 3] = ["age", "sex", "smoking"];

    /// What the encoder reads, before standardisation: age in years, sex (female 0, male 1), smoking (never 0, former
    /// 1, current 2); `None` where it is not known.
    #[must_use]
    pub fn encoded(&self) -> [Option<f64>; 3] {
        [
            self.age.map(Age::years),
            self.sex.map(|sex| if sex == Sex::Male { 1.0 } else { 0.0 }),
            self.smoking.map(|smoking| match smoking {
                Smoking::Never => 0.0,
                Smoking::Former => 1.0,
                Smoking::Current => 2.0,
            }),
        ]
    }

    /// The encoder's inputs that are not known.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let values = self.encoded();
        Self::ENCODED.into_iter().zip(values).filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_outside_a_life_are_refused() {
        for years in [-3.0, 400.0, 120.5, f64::NAN, f64::INFINITY] {
            assert!(Age::from_years(years).is_err(), "{years}");
        }
        assert!(Age::from_years(0.0).is_ok() && Age::from_years(120.0).is_ok());
    }

    #[test]
    fn missing_values_are_listed_by_name() {
        let metadata = Metadata { sex: Some(Sex::Male), ..Metadata::default() };
        assert_eq!(metadata.missing(), ["age", "smoking"]);
        assert_eq!(metadata.encoded(), [None, Some(1.0), None]);
    }
}
