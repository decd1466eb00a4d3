//! Who is in the cohort: class, metadata, split, and how hard each modality is to read.
//!
//! **Metadata reach a result through the fusion weights alone**, so the cohort gives the weights something to learn:
//! each modality's reliability depends on the metadata by a mechanism, not on the class.
//!
//! * CT: emphysema and scarring grow with age and smoking and hide a lesion's margin (`ct_obscurity`).
//! * H&E: the weaker the smoking history, the more peripheral the tumour and the thinner the needle: scanty, crushed
//!   cores (`he_obscurity`).
//!
//! A presentation is discordant (the picture shows another class than the truth) with a probability that rises with
//! its obscurity, drawn apart for the two modalities: their errors are not the same cases.

use hilum_domain::{Age, Class, PerClass, Sex, Smoking, Specimen};

use crate::Random;

/// The proportions of the classes: patients of the paper's CT table (arXiv 2604.16104).
pub const PROPORTIONS: PerClass<usize> = [380, 320, 210, 290, 250];

/// Age mean and standard deviation in years, share of men, shares of never, former and current smokers.
struct Table {
    age: (f64, f64),
    men: f64,
    smoking: [f64; 3],
}

/// Metadata by class.
///
/// * Age: SEER 2002–2006 has a median of 71 years at diagnosis, 31% of cases between 65 and 74, 21% between 55 and 64:
///   mean 67 to 71, standard deviation about 10. That squamous patients are a little older and small cell patients a
///   little younger than the rest is an assumption.
/// * Men: 52–62% of patients over six registries (ICBP, Thorax 2013, table 1), more in squamous cell carcinoma; the
///   spread over the classes around that is an assumption.
/// * Smoking, adenocarcinoma: P(class | never, former, current) = 0.63, 0.47, 0.39 (Yang et al., Chest 2005, 5,628
///   patients; never-smokers there: 18% of women, 7% of men), turned round with 12% never, 50% former, 38% current.
/// * Smoking, squamous and large cell: 8.8% and 2.4% of never-smokers' tumours (254 never-smokers with NSCLC,
///   J Thorac Oncol 2007;2:827), turned round the same way; small cell: "virtually all of the never-smokers had NSCLC"
///   (Yang 2005), 2%. Former to current in these three is an assumption.
/// * Normal and benign: a nodule clinic's patients, younger and less smoking; an assumption.
const TABLES: PerClass<Table> = [
    Table { age: (68.0, 10.5), men: 0.48, smoking: [0.16, 0.51, 0.33] },
    Table { age: (71.0, 9.0), men: 0.68, smoking: [0.05, 0.51, 0.44] },
    Table { age: (68.0, 9.5), men: 0.60, smoking: [0.04, 0.50, 0.46] },
    Table { age: (67.0, 9.5), men: 0.55, smoking: [0.02, 0.43, 0.55] },
    Table { age: (60.0, 12.0), men: 0.50, smoking: [0.42, 0.38, 0.20] },
];

/// What a discordant presentation looks like, `[truth][shown]`: the confusions that readers report. Poorly
/// differentiated tumours of any line approach large cell; lepidic growth approaches reactive lung; a sampling error
/// shows normal tissue.
const CT_DISCORDANT: PerClass<PerClass<f64>> = [
    [0.0, 0.3, 0.3, 0.0, 0.4],
    [0.3, 0.0, 0.45, 0.25, 0.0],
    [0.35, 0.35, 0.0, 0.3, 0.0],
    [0.0, 0.5, 0.5, 0.0, 0.0],
    [0.8, 0.2, 0.0, 0.0, 0.0],
];
const HE_DISCORDANT: PerClass<PerClass<f64>> = [
    [0.0, 0.25, 0.55, 0.0, 0.2],
    [0.2, 0.0, 0.6, 0.0, 0.2],
    [0.35, 0.35, 0.0, 0.2, 0.1],
    [0.0, 0.2, 0.55, 0.0, 0.25],
    [0.7, 0.2, 0.1, 0.0, 0.0],
];

/// The part of a study a patient belongs to, 70/10/20 as in the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Trains the branches.
    Train,
    /// Stops training, fits fusion and temperatures.
    Val,
    /// Held out.
    Test,
}

impl Split {
    /// The name in `cohort.csv`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

/// A synthetic patient with one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Patient {
    /// `case-0001` …
    pub case_id: String,
    /// Unlike the case id, unique over seeds.
    pub patient_id: String,
    /// The truth.
    pub label: Class,
    /// Age, whole years.
    pub age: Age,
    /// Sex.
    pub sex: Sex,
    /// Smoking history.
    pub smoking: Smoking,
    /// How the tissue was taken.
    pub specimen: Specimen,
    /// Where it was stained and scanned, 0 to 3.
    pub site: usize,
    /// The split of the patient.
    pub split: Split,
    /// 0 (clear) to 1 (hidden): how hard the CT is to read.
    pub ct_obscurity: f64,
    /// 0 (clear) to 1 (hidden): how hard the H&E is to read.
    pub he_obscurity: f64,
    /// The class the CT looks like.
    pub ct_phenotype: Class,
    /// The class the H&E looks like.
    pub he_phenotype: Class,
}

/// Emphysema and scarring: from nothing at 45 to much at 85, more in smokers.
fn ct_obscurity(age: Age, smoking: Smoking, random: &mut Random) -> f64 {
    let lungs = match smoking {
        Smoking::Never => 0.0,
        Smoking::Former => 0.22,
        Smoking::Current => 0.36,
    };
    (0.10 + 0.40 * (age.years() - 45.0) / 40.0 + lungs + random.normal(0.0, 0.12)).clamp(0.0, 1.0)
}

/// Scanty specimens: peripheral tumours of light smokers, reached by thin needles.
fn he_obscurity(age: Age, smoking: Smoking, random: &mut Random) -> f64 {
    let needle = match smoking {
        Smoking::Never => 0.75,
        Smoking::Former => 0.42,
        Smoking::Current => 0.22,
    };
    (needle - 0.25 * (age.years() - 65.0) / 40.0 + random.normal(0.0, 0.12)).clamp(0.0, 1.0)
}

/// How often the picture shows another class than the truth: `most` of the wholly hidden cases. An assumption.
fn discordance(obscurity: f64, most: f64) -> f64 {
    0.01 + most * obscurity * obscurity
}

/// The patients of a cohort, in the order of their case ids. The same seed and size give the same patients.
#[must_use]
pub fn draw(patients: usize, seed: u64) -> Vec<Patient> {
    let mut random = Random::new(seed, "cohort");
    let mut places: Vec<(Class, Split)> = Vec::with_capacity(patients);
    let counts = apportion(patients, &PROPORTIONS);
    // Small classes must not lose their validation case to rounding, so splits are dealt out over all classes in turn.
    let mut dealt = 0;
    for class in Class::ALL {
        for _ in 0..counts[class.index()] {
            places.push((class, DEAL[dealt % DEAL.len()]));
            dealt += 1;
        }
    }
    // Fisher-Yates, so that the order of the ids says nothing.
    for last in (1..places.len()).rev() {
        places.swap(last, random.below(last + 1));
    }
    places.into_iter().enumerate().map(|(index, (label, split))| patient(index, label, split, seed)).collect()
}

/// Ten places: seven train, one val, two test.
const DEAL: [Split; 10] = [
    Split::Train,
    Split::Train,
    Split::Test,
    Split::Train,
    Split::Train,
    Split::Val,
    Split::Train,
    Split::Test,
    Split::Train,
    Split::Train,
];

/// Whole numbers in the given proportions that add up to `total` (largest remainders).
fn apportion(total: usize, proportions: &PerClass<usize>) -> PerClass<usize> {
    let sum: usize = proportions.iter().sum();
    let mut counts = proportions.map(|part| total * part / sum);
    let mut order: Vec<usize> = (0..proportions.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(total * proportions[index] % sum));
    let given: usize = counts.iter().sum();
    for &index in order.iter().take(total - given) {
        counts[index] += 1;
    }
    counts
}

fn patient(index: usize, label: Class, split: Split, seed: u64) -> Patient {
    let case_id = format!("case-{:04}", index + 1);
    let mut random = Random::new(seed, &format!("{case_id} patient"));
    let table = &TABLES[label.index()];
    let years = random.normal(table.age.0, table.age.1).round().clamp(30.0, 92.0);
    let age = Age::from_years(years).expect("clamped to 30 to 92");
    let sex = if random.chance(table.men) { Sex::Male } else { Sex::Female };
    let smoking = Smoking::ALL[random.weighted(&table.smoking)];
    let specimen = Specimen::ALL[random.weighted(&[0.60, 0.12, 0.28])];
    let site = random.below(4);
    let ct_obscurity = ct_obscurity(age, smoking, &mut random);
    let he_obscurity = he_obscurity(age, smoking, &mut random);
    let mut shown = |chance: f64, discordant: &PerClass<PerClass<f64>>| {
        let other = Class::ALL[random.weighted(&discordant[label.index()])];
        if random.chance(chance) { other } else { label }
    };
    let ct_phenotype = shown(discordance(ct_obscurity, 0.24), &CT_DISCORDANT);
    let he_phenotype = shown(discordance(he_obscurity, 0.65), &HE_DISCORDANT);
    let patient_id = format!("PHANTOM-{seed}-{:04}", index + 1);
    Patient {
        case_id,
        patient_id,
        label,
        age,
        sex,
        smoking,
        specimen,
        site,
        split,
        ct_obscurity,
        he_obscurity,
        ct_phenotype,
        he_phenotype,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_and_splits_are_the_papers() {
        let patients = draw(1_450, 3);
        for class in Class::ALL {
            let of_class: Vec<_> = patients.iter().filter(|patient| patient.label == class).collect();
            assert_eq!(of_class.len(), PROPORTIONS[class.index()]);
            for (split, share) in [(Split::Train, 0.7), (Split::Val, 0.1), (Split::Test, 0.2)] {
                #[expect(clippy::cast_precision_loss, reason = "test")]
                let found =
                    of_class.iter().filter(|patient| patient.split == split).count() as f64 / of_class.len() as f64;
                assert!((found - share).abs() < 0.01, "{class:?} {split:?}: {found}");
            }
        }
    }

    #[test]
    fn any_size_adds_up() {
        for size in [0, 1, 4, 7, 25, 100] {
            assert_eq!(draw(size, 1).len(), size);
        }
        let again = draw(25, 1);
        assert_eq!(again, draw(25, 1));
        assert_ne!(again, draw(25, 2));
    }

    #[test]
    fn reliability_depends_on_metadata_and_errors_are_not_the_same_cases() {
        let patients = draw(4_000, 11);
        let share = |of: &dyn Fn(&Patient) -> bool, wrong: &dyn Fn(&Patient) -> bool| {
            let chosen: Vec<_> = patients.iter().filter(|patient| of(patient)).collect();
            #[expect(clippy::cast_precision_loss, reason = "test")]
            let share = chosen.iter().filter(|patient| wrong(patient)).count() as f64 / chosen.len() as f64;
            share
        };
        let ct_wrong = |patient: &Patient| patient.ct_phenotype != patient.label;
        let he_wrong = |patient: &Patient| patient.he_phenotype != patient.label;
        let old_smoker = |patient: &Patient| patient.age.years() > 70.0 && patient.smoking == Smoking::Current;
        let never = |patient: &Patient| patient.smoking == Smoking::Never;
        assert!(share(&old_smoker, &ct_wrong) > share(&old_smoker, &he_wrong) + 0.1);
        assert!(share(&never, &he_wrong) > share(&never, &ct_wrong) + 0.1);
        let both = share(&|_| true, &|patient| ct_wrong(patient) && he_wrong(patient));
        assert!(both < 0.05, "{both}");
        for wrong in [&ct_wrong as &dyn Fn(&Patient) -> bool, &he_wrong] {
            let alone = share(&|_| true, wrong);
            assert!((0.08..0.20).contains(&alone), "{alone}");
        }
    }
}
