//! The figures of a table, or of a resample of it: one pass over the cases, one over each ranking.

use hilum_domain::Class;

use crate::table::{BINS, REFUSED, Table, Weights};

/// What is counted of a class against the others.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OfClass {
    /// Right among those that are predicted to be of the class; 0 where none is.
    pub precision: f64,
    /// Right among those that are of the class, a refused one counting as wrong; 0 where there is none.
    pub recall: f64,
    /// Right among those that are of another class, a refused one counting as wrong; 0 where there is none.
    pub specificity: f64,
    /// Right among those that are predicted to be of another class; 0 where none is.
    pub npv: f64,
    /// The harmonic mean of precision and recall; 0 where both are.
    pub f1: f64,
    /// The probability that a case of the class has a higher probability than one of another, ties counting half; of those
    /// that were not refused. None where there are not both.
    pub auroc: Option<f64>,
    /// Average precision: the sum over thresholds of precision times the step of recall; of those that were not refused. None where
    /// there are not both.
    pub average_precision: Option<f64>,
}

/// The figures of some cases. Means over classes are of all five: a class that is not there, or is never predicted, counts 0 in
/// precision, recall and F1 (scikit-learn's `zero_division=0`). Those of AUROC and average precision are of the classes that the table
/// has cases of, and in a resample of the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// The share of right answers; a refused case counts as wrong.
    pub accuracy: f64,
    /// The share of cases that were not refused.
    pub coverage: f64,
    /// The share of right answers among these.
    pub accuracy_covered: Option<f64>,
    /// The mean recall of the classes that are there.
    pub balanced_accuracy: Option<f64>,
    /// Matthews' correlation coefficient of several classes (Gorodkin 2004), a refusal being an answer of its own; 0 where it is
    /// not defined.
    pub mcc: f64,
    /// Cohen's kappa, a refusal being an answer of its own. None where chance alone agrees always.
    pub kappa: Option<f64>,
    /// Each class against the others.
    pub per_class: [OfClass; 5],
    /// Means over the classes.
    pub mean: OfClass,
    /// The squared distance of probabilities and truth, summed over the classes (Brier 1950); of those that were not refused.
    pub brier: Option<f64>,
    /// How much of the Brier score of who says the shares of the classes is avoided. None where there is one class.
    pub brier_skill: Option<f64>,
    /// Expected calibration error.
    pub ece: Option<f64>,
    /// Maximum calibration error.
    pub mce: Option<f64>,
    /// Mean −ln of the probability of what is true, probabilities kept 2⁻⁵² away from 0 and 1.
    pub log_loss: Option<f64>,
}

/// How often each class was predicted of each: rows are the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confusion {
    /// Of the cases that were not refused.
    pub counts: [[u64; 5]; 5],
    /// The refused ones by their truth.
    pub refused: [u64; 5],
}

/// What is counted of the cases in a bin of the top probability.
#[derive(Clone, Copy, Default)]
pub(crate) struct Binned {
    pub cases: u64,
    pub right: u64,
    /// The sum of their top probabilities.
    pub top: f64,
}

impl Binned {
    pub(crate) fn add(&mut self, times: u64, right: bool, top: f64) {
        self.cases += times;
        self.right += if right { times } else { 0 };
        self.top += real(times) * top;
    }

    /// How far the share of right answers is from the mean top probability, as often as there are cases.
    pub(crate) fn gap_sum(&self) -> f64 {
        (real(self.right) - self.top).abs()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

/// A share, and 0 of nothing.
fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { real(part) / real(of) }
}

/// A share, and none of nothing.
pub(crate) fn share_of_some(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| real(part) / real(of))
}

impl Confusion {
    pub(crate) fn counted(table: &Table, weights: &(impl Weights + ?Sized)) -> Self {
        let mut confusion = Self::default();
        for (case, (&label, &predicted)) in table.labels.iter().zip(&table.predicted).enumerate() {
            let times = u64::from(weights.of(case));
            let label = usize::from(label);
            if predicted == REFUSED {
                confusion.refused[label] += times;
            } else {
                confusion.counts[label][usize::from(predicted)] += times;
            }
        }
        confusion
    }

    /// How many cases are of each class.
    #[must_use]
    pub fn support(&self) -> [u64; 5] {
        std::array::from_fn(|class| self.counts[class].iter().sum::<u64>() + self.refused[class])
    }

    /// The share of each class's cases, refused ones among them, that was predicted to be of each; none of a class without cases.
    #[must_use]
    pub fn shares(&self) -> [[Option<f64>; 5]; 5] {
        let support = self.support();
        std::array::from_fn(|row| self.counts[row].map(|count| share_of_some(count, support[row])))
    }

    fn covered(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    fn cases(&self) -> u64 {
        self.covered() + self.refused.iter().sum::<u64>()
    }

    fn predicted(&self) -> [u64; 5] {
        std::array::from_fn(|class| self.counts.iter().map(|row| row[class]).sum())
    }

    fn right(&self) -> u64 {
        (0..5).map(|class| self.counts[class][class]).sum()
    }

    /// Matthews' correlation coefficient, and kappa: both compare what agrees with what would by chance.
    fn agreement(&self) -> (f64, Option<f64>) {
        let (cases, right) = (real(self.cases()), real(self.right()));
        let truth = self.support().map(real);
        let said = self.predicted().map(real);
        let chance: f64 = truth.iter().zip(said).map(|(truth, said)| truth * said).sum();
        let squares = |counts: &[f64]| counts.iter().map(|count| count * count).sum::<f64>();
        let refusals = real(self.refused.iter().sum());
        let spread = (cases * cases - squares(&truth)) * (cases * cases - squares(&said) - refusals * refusals);
        let mcc = if spread > 0.0 { (right * cases - chance) / spread.sqrt() } else { 0.0 };
        let left = cases * cases - chance;
        (mcc, (left > 0.0).then(|| 1.0 - (cases * cases - right * cases) / left))
    }
}

impl Figures {
    pub(crate) fn weighed(table: &Table, weights: &(impl Weights + ?Sized)) -> Self {
        let confusion = Confusion::counted(table, weights);
        let (cases, covered, right) = (confusion.cases(), confusion.covered(), confusion.right());
        let (support, predicted) = (confusion.support(), confusion.predicted());
        let mut bins = [Binned::default(); BINS];
        let (mut brier, mut log_loss) = (0.0, 0.0);
        for case in 0..table.len() {
            let times = u64::from(weights.of(case));
            if times == 0 || table.predicted[case] == REFUSED {
                continue;
            }
            let right = table.predicted[case] == table.labels[case];
            bins[usize::from(table.bins[case])].add(times, right, table.tops[case]);
            brier += real(times) * table.brier[case];
            log_loss += real(times) * table.log_loss[case];
        }
        let mut per_class = [OfClass::default(); 5];
        for (class, of_class) in per_class.iter_mut().enumerate() {
            let hits = confusion.counts[class][class];
            let recall = share(hits, support[class]);
            let precision = share(hits, predicted[class]);
            let misses: u64 = confusion.counts[class].iter().sum::<u64>() - hits;
            let others = covered - misses - predicted[class];
            let both = precision + recall;
            let (auroc, average_precision) = ranking(table, class, weights);
            *of_class = OfClass {
                precision,
                recall,
                specificity: share(others, cases - support[class]),
                npv: share(others, others + misses),
                f1: if both > 0.0 { 2.0 * precision * recall / both } else { 0.0 },
                auroc,
                average_precision,
            };
        }
        let of_each = |what: fn(&OfClass) -> f64| per_class.iter().map(what).sum::<f64>() / 5.0;
        let mean = OfClass {
            precision: of_each(|class| class.precision),
            recall: of_each(|class| class.recall),
            specificity: of_each(|class| class.specificity),
            npv: of_each(|class| class.npv),
            f1: of_each(|class| class.f1),
            auroc: mean_of(&table.told_apart, |class| per_class[class].auroc),
            average_precision: mean_of(&table.told_apart, |class| per_class[class].average_precision),
        };
        let (mcc, kappa) = confusion.agreement();
        let some = |sum: f64| (covered > 0).then(|| sum / real(covered));
        let filled = || bins.iter().filter(|bin| bin.cases > 0);
        // Of who says the shares of the classes that were not refused, of each of them.
        let rows = confusion.counts.map(|row| real(row.iter().sum()));
        let of_shares = 1.0 - rows.iter().map(|row| (row / real(covered)).powi(2)).sum::<f64>();
        Self {
            accuracy: share(right, cases),
            coverage: share(covered, cases),
            accuracy_covered: share_of_some(right, covered),
            balanced_accuracy: mean_of(&table.there, |class| (support[class] > 0).then_some(per_class[class].recall)),
            mcc,
            kappa,
            per_class,
            mean,
            brier: some(brier),
            brier_skill: some(brier).filter(|_| of_shares > 0.0).map(|brier| 1.0 - brier / of_shares),
            ece: some(filled().map(Binned::gap_sum).sum()),
            mce: filled().map(|bin| bin.gap_sum() / real(bin.cases)).reduce(f64::max),
            log_loss: some(log_loss),
        }
    }

    /// Every figure, in the order of [`Figures::names`].
    #[must_use]
    pub fn values(&self) -> Vec<Option<f64>> {
        let of_class = |class: &OfClass| {
            let OfClass { precision, recall, specificity, npv, f1, auroc, average_precision } = *class;
            [Some(precision), Some(recall), Some(specificity), Some(npv), Some(f1), auroc, average_precision]
        };
        let whole = [
            Some(self.accuracy),
            Some(self.coverage),
            self.accuracy_covered,
            self.balanced_accuracy,
            Some(self.mcc),
            self.kappa,
            self.brier,
            self.brier_skill,
            self.ece,
            self.mce,
            self.log_loss,
        ];
        let classes = self.per_class.iter().flat_map(of_class);
        whole.into_iter().chain(of_class(&self.mean)).chain(classes).collect()
    }

    /// Where a figure is among the [`Figures::values`].
    pub(crate) fn place(name: &str) -> Option<usize> {
        Self::names().iter().position(|known| known == name)
    }

    /// What `metrics.json` calls each of [`Figures::values`].
    #[must_use]
    pub fn names() -> Vec<String> {
        const WHOLE: [&str; 11] = [
            "accuracy",
            "coverage",
            "accuracy_covered",
            "balanced_accuracy",
            "mcc",
            "kappa",
            "brier",
            "brier_skill",
            "ece",
            "mce",
            "log_loss",
        ];
        const OF_CLASS: [&str; 7] = ["precision", "recall", "specificity", "npv", "f1", "auroc", "average_precision"];
        let of_class = |class: String| OF_CLASS.map(|figure| format!("{class}.{figure}"));
        let classes = Class::ALL.iter().flat_map(|class| of_class(format!("per_class.{}", class.name())));
        WHOLE.map(str::to_owned).into_iter().chain(of_class("macro".to_owned())).chain(classes).collect()
    }
}

/// The macro AUROC alone.
pub(crate) fn auroc(table: &Table, weights: &(impl Weights + ?Sized)) -> Option<f64> {
    mean_of(&table.told_apart, |class| ranking(table, class, weights).0)
}

/// The accuracy alone.
pub(crate) fn accuracy(table: &Table, weights: &(impl Weights + ?Sized)) -> f64 {
    let confusion = Confusion::counted(table, weights);
    share(confusion.right(), confusion.cases())
}

/// The mean over some classes; none where one of them has no figure.
fn mean_of(classes: &[bool; 5], figure: impl Fn(usize) -> Option<f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for class in (0..5).filter(|&class| classes[class]) {
        sum += figure(class)?;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}

/// Area under the ROC curve and average precision of one class against the others.
fn ranking(table: &Table, class: usize, weights: &(impl Weights + ?Sized)) -> (Option<f64>, Option<f64>) {
    // Twice the pairs in order: of each group of ties, those above it and half of those in it.
    let (mut in_order, mut above, mut below) = (0_u64, 0_u64, 0_u64);
    let (mut positives, mut all) = (0_u64, 0_u64);
    let mut precision = 0.0;
    for rank in table.ranked[class].iter() {
        let times = u64::from(weights.of(rank.case()));
        // Without a branch: which it is cannot be guessed.
        positives += times * u64::from(rank.positive());
        all += times;
        if rank.ends_ties() {
            let negatives = all - positives;
            in_order += negatives * (2 * above + positives);
            above += positives;
            below += negatives;
            if positives > 0 {
                precision += real(positives) * (real(above) / real(above + below));
            }
            (positives, all) = (0, 0);
        }
    }
    let auroc = (above > 0 && below > 0).then(|| real(in_order) / (2.0 * real(above) * real(below)));
    (auroc, (above > 0 && below > 0).then(|| precision / real(above)))
}
