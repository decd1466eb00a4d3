//! The report that people read: one HTML file with everything in it, legible on paper too.

use hilum_domain::Class;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    CASES_LEAST, Difference, Evaluation, FIGURES, Interval, SUM_TOLERANCE, TEMPERATURES, Versus,
    plot::{name, three},
};

/// What stands on every page: nothing here is a diagnosis.
const NOTICE: &str =
    "Research use only: not a diagnosis. These figures are of the cases of one table, and of no others.";
const STYLE: &str = "
body { font: 15px/1.45 system-ui, 'Noto Sans', 'DejaVu Sans', sans-serif; color: #1a1a1a; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem } h2 { font-size: 1.25rem; margin-top: 2.2rem; border-bottom: 1px solid #bbb; break-after: avoid }
table { border-collapse: collapse; margin: .8rem 0; break-inside: avoid } th, td { border-bottom: 1px solid #ddd; padding: .3rem .7rem; text-align: right; vertical-align: top }
td small { display: block; color: #555; white-space: nowrap }
th:first-child, td:first-child, td.words, th.words { text-align: left } thead th { border-bottom: 2px solid #888 }
tr.few td { color: #767676 } .plots { display: flex; flex-wrap: wrap; gap: 1rem } .plots svg { max-width: 100%; height: auto; break-inside: avoid } .plots svg:not(:only-child) { width: calc(50% - .5rem) }
p.notice { border-left: 4px solid #b35900; padding: .4rem .8rem; background: #fff6e8 } caption { text-align: left; color: #555; padding-bottom: .3rem }
@media (max-width: 800px) { .plots svg:not(:only-child) { width: 100% } }
@media print { body { max-width: none; margin: 0; font-size: 11pt } }
";

/// What the report is of, in the words of whoever asked for it. Nothing of a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// The table: the SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The other table's, where there is one.
    pub versus_sha256: Option<String>,
    /// The program and its version.
    pub program: String,
}

impl Evaluation {
    /// `report.html`.
    #[must_use]
    pub fn report(&self, heading: &Heading) -> String {
        let row = |words: &str, name: &str, said: &str| {
            html! { tr { td { (words) } td { (valued(self.figure(name))) } td.words { (said) } } }
        };
        let refused = self.refused();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "Evaluation of " (self.cases) " cases" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { "Evaluation of " (self.cases) " cases of " (self.patients) " patients" }
                    p.notice { (NOTICE) }
                    p { (self.headline(refused)) }
                    h2 { "Figures" }
                    table {
                        caption { (self.how()) }
                        thead { tr { th { "Figure" } th { "Value (95% interval)" } th.words { "What it is" } } }
                        tbody {
                            (row("Accuracy", "accuracy", "right answers; a refused case counts as wrong"))
                            (row("Coverage", "coverage", "cases that were not refused"))
                            (row("Accuracy of the covered", "accuracy_covered", "right answers among these: never alone"))
                            (row("Balanced accuracy", "balanced_accuracy", "mean recall of the classes that are there"))
                            (row("Macro AUROC", "macro.auroc", "mean over classes, one against the others; covered cases"))
                            (row("Macro average precision", "macro.average_precision", "covered cases"))
                            (row("Macro precision", "macro.precision", "of the covered; a class that is never predicted counts as 0"))
                            (row("Macro recall", "macro.recall", "a refused case counts as missed"))
                            (row("Macro specificity", "macro.specificity", "a refused case counts as a false alarm"))
                            (row("Macro NPV", "macro.npv", "covered cases"))
                            (row("Macro F1", "macro.f1", "of precision and recall: a refused case lowers the recall alone"))
                            (row("Matthews' correlation", "mcc", "a refusal is an answer of its own"))
                            (row("Cohen's kappa", "kappa", "a refusal is an answer of its own"))
                            (row("Brier score", "brier", "summed over the five classes, 0 is best and 2 worst; covered cases"))
                            (row("Brier skill", "brier_skill", "how much better than to say the shares of the classes; below 0 it is worse; covered cases"))
                            (row("Log loss", "log_loss", "natural logarithm; covered cases"))
                            (row("ECE", "ece", "expected calibration error, 15 bins of equal width; covered cases"))
                            (row("MCE", "mce", "the worst of these bins; covered cases"))
                            (self.temperature_row())
                        }
                    }
                    (self.sample_size())
                    h2 { "Classes" }
                    (self.classes())
                    div.plots { (self.confused()) }
                    div.plots { (self.roc()) (self.precision_recall()) }
                    h2 { "Are the probabilities what they say?" }
                    div.plots { (self.calibration()) }
                    h2 { "What is it worth to act on it?" }
                    div.plots { (self.decided()) @if self.selective.is_some() { (self.coverage()) } }
                    @if let Some(selective) = &self.selective {
                        p { "Along that curve the mean share of wrong answers (AURC) is " (format!("{:.4}", selective.aurc))
                            ". Refused cases have no probability: the curve ends before them, and to refuse hard ones lowers it." }
                    }
                    @if !self.subgroups.is_empty() { (self.groups()) }
                    @if let Some(versus) = &self.versus { (versus.section()) }
                    (self.checklist())
                    h2 { "Where this comes from" }
                    table {
                        tbody {
                            tr { td { "Program" } td.words { (heading.program) } }
                            tr { td { "Predictions, SHA-256" } td.words { (heading.sha256) } }
                            @if let Some(other) = &heading.versus_sha256 { tr { td { "Other predictions, SHA-256" } td.words { (other) } } }
                            tr { td { "Resamples, seed" } td.words { (self.resampling.resamples) ", " (self.resampling.seed) } }
                        }
                    }
                    p { "Probabilities are used as they are written (their sum may be " (SUM_TOLERANCE) " from 1). Of equal top probabilities the class
                        that comes first is the answer." }
                }
            }
        };
        page.into_string()
    }

    fn headline(&self, refused: u64) -> Markup {
        let percent = |share: f64| format!("{:.1}%", share * 100.0);
        html! {
            (percent(self.figures.accuracy)) " of all cases are answered rightly. "
            @if refused == 0 { "None was refused." } @else {
                (refused) " were refused and count as wrong; of the " (percent(self.figures.coverage)) " that were answered, "
                (self.figures.accuracy_covered.map_or_else(|| "none".to_owned(), percent)) " are right."
            }
        }
    }

    fn how(&self) -> String {
        if self.resampling.resamples == 0 {
            return "Without intervals: no resamples were asked for.".to_owned();
        }
        if self.patients < 2 {
            return "Without resamples: there is one patient.".to_owned();
        }
        format!(
            "Intervals: bias-corrected and accelerated bootstrap, {} resamples of the {} patients with all of their cases.",
            self.resampling.resamples, self.patients
        )
    }

    fn temperature_row(&self) -> Markup {
        let Some(found) = self.temperature else {
            return html! { tr { td { "Temperature" } td { "not defined" } td.words { "no case has probabilities" } } };
        };
        let said = if found.at_end {
            format!(
                "the end of where it is looked for, {} to {}: no temperature is best",
                TEMPERATURES[0], TEMPERATURES[1]
            )
        } else {
            format!(
                "softmax(ln p / T) has the least log loss, {:.3}; above 1 the model was too sure; covered cases",
                found.log_loss
            )
        };
        html! { tr { td { "Temperature" } td { (format!("{:.3}", found.value)) } td.words { (said) } } }
    }

    fn sample_size(&self) -> Markup {
        let Some((width, more)) = self.to_halve() else { return html! {} };
        html! {
            p { "The interval of the accuracy is " (format!("{:.1}", width * 100.0)) " points wide. " (more)
                " more cases like these would make it about half as wide." }
        }
    }

    fn classes(&self) -> Markup {
        let support = self.confusion.support();
        let cell = |class: Class, figure: &str| {
            html! { td { (valued(self.figure(&format!("per_class.{}.{figure}", class.name())))) } }
        };
        html! {
            table {
                thead { tr { th { "Class" } th { "Cases" } th { "Precision" } th { "Recall" } th { "Specificity" } th { "NPV" } th { "F1" } th { "AUROC" } } }
                tbody {
                    @for class in Class::ALL {
                        @let cases = support[class.index()];
                        @let few = u64::try_from(CASES_LEAST).is_ok_and(|least| cases < least);
                        tr.few[few] {
                            td { (name(class)) } td { (cases) }
                            @for figure in ["precision", "recall", "specificity", "npv", "f1", "auroc"] { (cell(class, figure)) }
                        }
                    }
                }
            }
            @let absent: Vec<&str> = Class::ALL.iter().filter(|class| support[class.index()] == 0).map(|class| name(*class)).collect();
            @if !absent.is_empty() {
                p { "There is no case of " (absent.join(", ")) ": in the means of precision, recall and F1 these count as 0, in those of AUROC, average precision and in
                    balanced accuracy not at all." }
            }
        }
    }

    fn groups(&self) -> Markup {
        html! {
            h2 { "Subgroups" }
            div.plots { (self.grouped()) }
            table {
                caption { "Below " (CASES_LEAST) " cases, in grey, a figure says next to nothing. Differences between groups were not tested." }
                thead { tr { th { "Group" } th { "Cases" } th { "Patients" } th { "Accuracy" } th { "Balanced accuracy" } th { "Macro AUROC" } th { "Brier score" } } }
                tbody {
                    @for group in &self.subgroups {
                        @let values = group.values();
                        tr.few[group.is_small()] {
                            td { (group.by) ": " (group.name) } td { (group.cases) } td { (group.patients) }
                            @for which in 0..FIGURES.len() {
                                td { (valued(values[which].map(|value| (value, group.intervals[which])))) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What a reviewer asks for (STARD 2015, TRIPOD+AI 2024, CLAIM 2024), and whether it is in these figures.
    fn checklist(&self) -> Markup {
        let refusals =
            if self.selective.is_some() || self.refused() > 0 { "yes" } else { "the table says nothing of refusals" };
        let several = if self.patients < self.cases {
            "intervals are of patients; DeLong's and McNemar's tests take cases as independent, and these are not"
        } else {
            "each patient has one case"
        };
        let groups =
            if self.subgroups.is_empty() { "the table has no metadata" } else { "yes; differences are not tested" };
        let intervals = if self.intervals.iter().any(Option::is_some) { "yes, by patient" } else { "no" };
        let compared =
            if self.versus.is_some() { "yes: DeLong, McNemar, paired bootstrap" } else { "no other table was given" };
        let rows: [(&str, &str, &str); 19] = [
            ("Intervals of what is estimated", "STARD 24, TRIPOD+AI 23a", intervals),
            ("Cross tabulation against the reference standard", "STARD 23", "yes: the confusion matrix"),
            (
                "Discrimination and calibration",
                "TRIPOD+AI 12e",
                "yes: AUROC, average precision, reliability, Brier score",
            ),
            ("Indeterminate and missing results", "STARD 15 and 16, TRIPOD+AI 11", refusals),
            (
                "Clinical usefulness",
                "TRIPOD+AI 12e",
                "a decision curve of malignant against normal; no study of decisions",
            ),
            ("Subgroups, fairness", "STARD 17, TRIPOD+AI 3c, 14 and 23a", groups),
            ("Comparison with another model", "STARD 14, TRIPOD+AI 12e", compared),
            ("Several cases of one patient", "STARD 14", several),
            (
                "Many figures at once",
                "TRIPOD+AI 12e",
                "each interval is by itself: of fifty, two or three miss; P values of the classes are adjusted",
            ),
            (
                "Sample size",
                "STARD 18, TRIPOD+AI 10",
                "how wide an interval is, and what would halve it; it was not planned here",
            ),
            (
                "Where, when and how patients were chosen",
                "STARD 6 to 9, TRIPOD+AI 5 and 6",
                "not in the table: write it",
            ),
            (
                "Reference standard, and who read it",
                "STARD 10b, 11, 12b and 13b, TRIPOD+AI 8",
                "not in the table: write how each label was found, and by whom",
            ),
            (
                "Data apart from those of training",
                "TRIPOD+AI 12a, CLAIM 2024: data partitions",
                "not in the table: write how patients were kept apart",
            ),
            (
                "Other sites, scanners and stains",
                "TRIPOD+AI 12d, CLAIM 2024: external testing",
                "not in the table: a table for each site",
            ),
            ("Where it fails", "CLAIM 2024: failure analysis", "the confusion matrix; no image was looked at"),
            ("Adverse events", "STARD 25", "none can be in figures"),
            ("How the model is used by people", "TRIPOD+AI 27", "not in these figures: they are of the model alone"),
            ("Label noise", "CLAIM 2024: reference standard", "labels are taken as true"),
            ("Registration, protocol, funding", "STARD 28 to 30, TRIPOD+AI 18", "write it"),
        ];
        html! {
            h2 { "What these figures cover, and what they do not" }
            table {
                caption { "In the terms of STARD 2015, TRIPOD+AI 2024 and CLAIM 2024. It is a help for whoever writes a paper, and no claim that one is complete." }
                thead { tr { th { "Item" } th.words { "Asked for by" } th.words { "Here" } } }
                tbody { @for (item, by, here) in rows { tr { td { (item) } td.words { (by) } td.words { (here) } } } }
            }
        }
    }
}

/// A figure, and its interval below it.
fn valued(found: Option<(f64, Option<Interval>)>) -> Markup {
    let Some((value, interval)) = found else { return html! { "not defined" } };
    html! { (three(value)) @if let Some([low, high]) = interval { small { (three(low)) " to " (three(high)) } } }
}

fn p_value(p: Option<f64>) -> String {
    match p {
        None => "not defined".to_owned(),
        Some(p) if p < 0.0001 => "below 0.0001".to_owned(),
        Some(p) => format!("{p:.4}"),
    }
}

impl Versus {
    fn section(&self) -> Markup {
        let adjusted = self.adjusted();
        let difference = |words: &str, of: &Difference| {
            let [a, b] = of.of;
            html! {
                tr {
                    td { (words) } td { (format!("{a:.3}")) } td { (format!("{b:.3}")) }
                    td { (valued(Some((a - b, of.interval)))) }
                }
            }
        };
        html! {
            h2 { "Against the other table" }
            p { "A is the table of this report, B the other one, of the same " (self.cases) " cases." }
            table {
                thead { tr { th { "Figure" } th { "A" } th { "B" } th { "A − B (95% interval)" } } }
                tbody {
                    (difference("Accuracy, all cases", &self.accuracy))
                    @if let Some(auroc) = &self.auroc { (difference("Macro AUROC, cases that neither refused", auroc)) }
                }
            }
            table {
                caption { "AUROC of each class on the " (self.covered) " cases that neither refused: DeLong's test (two-sided), P also adjusted for the classes that are tested (Holm)." }
                thead { tr { th { "Class" } th { "A" } th { "B" } th { "z" } th { "P" } th { "P, adjusted" } } }
                tbody {
                    @for (class, (of, adjusted)) in Class::ALL.iter().zip(self.delong.iter().zip(adjusted)) {
                        @match of {
                            Some(of) => tr {
                                td { (name(*class)) } td { (format!("{:.3}", of.auc[0])) } td { (format!("{:.3}", of.auc[1])) }
                                td { (of.z.map_or_else(|| "no spread".to_owned(), |z| format!("{z:.2}").replace('-', "−"))) }
                                td { (p_value(of.p)) } td { (p_value(adjusted)) }
                            },
                            None => tr { td { (name(*class)) } td.words colspan="5" { "too few cases" } },
                        }
                    }
                }
            }
            p {
                "A alone is right in " (self.mcnemar.first_only) " cases, B alone in " (self.mcnemar.second_only) ". McNemar's test: exact P "
                (p_value(Some(self.mcnemar.exact_p))) ", mid-P " (p_value(Some(self.mcnemar.mid_p))) "."
            }
            @if self.patients < self.cases {
                p { "There are " (self.patients) " patients: both tests take cases as independent, which several of one patient are not, and their P is
                    too small. The intervals of the differences are of patients." }
            }
        }
    }
}
