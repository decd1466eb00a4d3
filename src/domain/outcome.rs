//! The two "no" that are part of a result: refusals and limits. (The third, a fault, is an `Err`.)

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $next:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every code.
            pub const ALL: [Self; [$($code),+].len()] = [$(Self::$variant),+];

            /// The code in files, kebab-case.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// What the person can do about it.
            #[must_use]
            pub const fn next_step(self) -> &'static str {
                match self { $(Self::$variant => $next),+ }
            }
        }
    };
}

codes! {
    /// Why an input must not be scored.
    RefusalCode {
        /// A slice position is missing from the series.
        MissingSlice = "missing-slice", "export the whole series again";
        /// Slice distances vary in another way than by whole missing slices.
        UnevenSlices = "uneven-slices", "export one reconstruction with even slice spacing";
        /// Two slices lie at one position.
        DuplicateSlices = "duplicate-slices", "export one acquisition of the series, without copies";
        /// Slices of one series differ in size, spacing, orientation or frame of reference.
        MixedGeometry = "mixed-geometry", "export the series again as one reconstruction";
        /// More than one patient.
        TwoPatients = "two-patients", "export one patient into the folder and try again";
        /// More than one series that could be meant.
        SeveralSeries = "several-series", "give the folder of the one series that is meant";
        /// Readable DICOM, but no axial CT series to make a volume of.
        NoVolume = "no-volume", "export an axial CT series of the thorax";
        /// The marked lesion lies outside the volume.
        LesionOutside = "lesion-outside-volume", "mark the lesion inside the scanned volume (patient coordinates in mm)";
        /// No lesion was marked and the search suggests no place, which does not mean that there is none.
        NoCandidate = "no-lesion-candidate", "mark the lesion by hand";
        /// An image's scale is not known.
        ScaleUnknown = "scale-unknown", "give the scale in µm per pixel, or calibrate the objective";
        /// An image's pixels are too large to show nuclei.
        ScaleTooCoarse = "scale-too-coarse", "use an objective of at least 10x";
        /// An image has no colour.
        NotColour = "not-colour", "take a colour image of an H&E-stained slide";
        /// An image shows no tissue: white.
        Blank = "blank-image", "move to tissue";
        /// An image is black or underexposed.
        TooDark = "too-dark", "turn up the light or the exposure";
        /// An image is out of focus.
        Blurred = "blurred-image", "turn the fine focus until the nuclei are sharp";
        /// An image is too small for one tile.
        TooSmall = "image-too-small", "take a larger field";
        /// Less tissue than can be read.
        TooLittleTissue = "too-little-tissue", "move to tissue";
        /// No two stains can be told apart.
        StainDegenerate = "stain-degenerate", "check that the slide is stained with H&E, and the white balance";
    }
}

codes! {
    /// What weakens a result that is given all the same.
    LimitCode {
        /// No CT was given.
        NoCt = "no-ct", "the H&E images alone were read";
        /// No H&E image was given.
        NoHe = "no-he", "the CT alone was read";
        /// Age, sex or smoking history is not known.
        MetadataMissing = "metadata-missing", "the mean of the training cohort stood in for what is not known";
        /// The lesion was suggested by the machine.
        LesionSuggested = "lesion-suggested", "check that the ring lies on the lesion that is meant";
        /// Part of the patch lies outside the scanned volume.
        PatchClipped = "patch-clipped", "the part outside the scan was filled with air";
        /// The branches favour different classes.
        BranchesDisagree = "branches-disagree", "read both branches and weigh them yourself";
        /// A field was left out.
        FieldLeftOut = "field-left-out", "take the field again";
        /// Few tiles were read.
        FewTiles = "few-tiles", "add fields with tissue";
        /// The stain is far from the reference.
        StainUnusual = "stain-unusual", "check the stain and the white balance";
        /// Slices are thicker than the patch needs.
        ThickSlices = "thick-slices", "use a thinner reconstruction if there is one";
        /// The bundle was trained on synthetic phantoms.
        PhantomBundle = "phantom-bundle", "figures of this bundle mean nothing on patients";
        /// The device has not proved itself on its control case in time.
        ControlOverdue = "control-overdue", "have the control case assessed";
        /// The device's control case was not answered as it should be.
        ControlFailed = "control-failed", "do not rely on the result: have the control case assessed again, and the device looked at";
        /// The device's clock is not believed.
        ClockNotTrusted = "clock-not-trusted", "note the date by hand; the numbers of the cases tell their order";
        /// The CT came under another Patient ID, and a person said whose it is.
        OtherPatientId = "other-patient-id", "compare the CT with the patient's papers before you rely on it";
        /// Slices of the CT came when the case was handed over already.
        CtRevised = "ct-revised", "open a new case with the whole CT";
        /// Metadata lie outside what training saw.
        OutsideTraining = "outside-training-range", "the weights are extrapolated: weigh the branches yourself";
    }
}

/// This input must not be scored. Shown, stored, never retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind.
    pub code: RefusalCode,
    /// What was found, in one sentence, without patient data.
    pub message: String,
}

impl Refusal {
    /// A refusal of `code` with what was found.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The result stands, weakened by this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Which kind.
    pub code: LimitCode,
    /// What was found, in one sentence, without patient data.
    pub message: String,
}

impl LimitCode {
    /// Whether it is the device that is weakened, and not the case.
    #[must_use]
    pub const fn is_of_device(self) -> bool {
        matches!(self, Self::ControlOverdue | Self::ControlFailed | Self::ClockNotTrusted)
    }
}

impl Limit {
    /// A limit of `code` with what was found.
    pub fn new(code: LimitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case_and_unique() {
        let codes: Vec<_> =
            RefusalCode::ALL.map(RefusalCode::code).into_iter().chain(LimitCode::ALL.map(LimitCode::code)).collect();
        for code in &codes {
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{code}");
            assert_eq!(codes.iter().filter(|other| other == &code).count(), 1, "{code}");
        }
    }
}
