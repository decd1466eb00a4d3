//! Plots as SVG, to be read on a screen, on paper, and by who cannot tell colours apart: every line has a dash pattern of its own,
//! and its name beside it.

use hilum_domain::{Class, Specimen};
use maud::{Markup, html};

use crate::{
    BINS, Evaluation, Group, Interval, Point,
    figures::{real, share_of_some},
};

/// Okabe and Ito's colours, dark ones; and the dashes of the lines.
const COLOURS: [&str; 5] = ["#0072B2", "#D55E00", "#007A5A", "#A0527D", "#5A5A5A"];
const DASHES: [&str; 5] = ["none", "7 3", "2 3", "9 3 2 3", "12 4"];
const INK: &str = "#1a1a1a";
const FAINT: &str = "#6b6b6b";
const GRID: &str = "#dcdcdc";
const FONT: &str = "system-ui, 'Noto Sans', 'DejaVu Sans', sans-serif";

/// Where the axes are, in the picture's own units, and what they are of.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x: [f64; 2],
    y: [f64; 2],
}

const SIDE: f64 = 380.0;
const MARGIN: f64 = 64.0;

impl Frame {
    const fn square() -> Self {
        Self { left: MARGIN, top: 40.0, width: SIDE, height: SIDE, x: [0.0, 1.0], y: [0.0, 1.0] }
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, [low, high]: [f64; 2]| (value - low) / (high - low);
        (self.left + share(x, self.x) * self.width, self.top + (1.0 - share(y, self.y)) * self.height)
    }

    fn path(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        for (x, y) in points {
            let (x, y) = self.at(x, y);
            path.push_str(if path.is_empty() { "M" } else { "L" });
            path.push_str(&format!("{x:.1} {y:.1}"));
        }
        path
    }

    /// The axes, five steps each, with what they are.
    fn axes(&self, x: &str, y: &str) -> Markup {
        let steps = |[low, high]: [f64; 2]| (0..=5).map(move |step| low + (high - low) * f64::from(step) / 5.0);
        let (bottom, right) = (self.top + self.height, self.left + self.width);
        html! {
            @for value in steps(self.x) {
                @let (at, _) = self.at(value, self.y[0]);
                line x1=(at) y1=(self.top) x2=(at) y2=(bottom) stroke=(GRID) {}
                text x=(at) y=(bottom + 18.0) text-anchor="middle" fill=(INK) { (tick(value)) }
            }
            @for value in steps(self.y) {
                @let (_, at) = self.at(self.x[0], value);
                line x1=(self.left) y1=(at) x2=(right) y2=(at) stroke=(GRID) {}
                text x=(self.left - 8.0) y=(at + 4.0) text-anchor="end" fill=(INK) { (tick(value)) }
            }
            rect x=(self.left) y=(self.top) width=(self.width) height=(self.height) fill="none" stroke=(INK) {}
            text x=(self.left + self.width / 2.0) y=(bottom + 40.0) text-anchor="middle" fill=(INK) { (x) }
            text transform=(format!("translate({:.1} {:.1}) rotate(-90)", self.left - 46.0, self.top + self.height / 2.0))
                text-anchor="middle" fill=(INK) { (y) }
        }
    }
}

fn tick(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.replace('-', "−") }
}

/// A picture with a title, which is also what is read out.
fn picture(title: &str, width: f64, height: f64, inside: &Markup) -> Markup {
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width:.0} {height:.0}")) width=(width) height=(height) role="img"
            font-family=(FONT) font-size="13" {
            title { (title) }
            rect width=(width) height=(height) fill="#ffffff" {}
            text x="12" y="22" font-size="15" font-weight="600" fill=(INK) { (title) }
            (inside)
        }
    }
}

/// What a class is called where people read it.
pub(crate) fn name(class: Class) -> &'static str {
    class.display(None::<Specimen>)
}

/// One line for each class below the axes, with a figure of it.
fn legend(frame: &Frame, below: f64, figures: [Option<String>; 5]) -> Markup {
    html! {
        @for (class, figure) in Class::ALL.iter().zip(figures) {
            @let index = class.index();
            @let y = frame.top + frame.height + below + 20.0 * real(index as u64);
            line x1=(frame.left) y1=(y - 4.0) x2=(frame.left + 36.0) y2=(y - 4.0) stroke=(COLOURS[index]) stroke-width="2.5"
                stroke-dasharray=(DASHES[index]) {}
            text x=(frame.left + 46.0) y=(y) fill=(INK) {
                (name(*class)) ": " (figure.unwrap_or_else(|| "not in these cases".to_owned()))
            }
        }
    }
}

/// A figure with three digits.
pub(crate) fn three(value: f64) -> String {
    format!("{value:.3}").replace('-', "−")
}

/// A figure with its interval.
fn with_interval(value: f64, interval: Option<Interval>) -> String {
    match interval {
        Some([low, high]) => format!("{} ({} to {})", three(value), three(low), three(high)),
        None => three(value),
    }
}

impl Evaluation {
    /// Each plot with the name of its file; none where there is nothing to be drawn.
    #[must_use]
    pub fn plots(&self) -> [(&'static str, Option<String>); 7] {
        [
            ("roc.svg", Some(self.roc())),
            ("precision-recall.svg", Some(self.precision_recall())),
            ("calibration.svg", Some(self.calibration())),
            ("confusion.svg", Some(self.confused())),
            ("decision.svg", Some(self.decided())),
            ("coverage.svg", self.selective.as_ref().map(|_| self.coverage())),
            ("subgroups.svg", (!self.subgroups.is_empty()).then(|| self.grouped())),
        ]
        .map(|(name, plot)| (name, plot.map(maud::PreEscaped::into_string)))
    }

    /// A figure of a class with its interval, as people read it.
    fn said(&self, class: Class, figure: &str) -> Option<String> {
        self.figure(&format!("per_class.{}.{figure}", class.name()))
            .map(|(value, interval)| with_interval(value, interval))
    }

    fn lines(&self, frame: &Frame, point: fn(&Point) -> (f64, f64), begin: (f64, f64)) -> Markup {
        html! {
            @for (index, points) in self.thresholds.iter().enumerate().filter(|(_, points)| !points.is_empty()) {
                path d=(frame.path(std::iter::once(begin).chain(points.iter().map(point)))) fill="none" stroke=(COLOURS[index])
                    stroke-width="2" stroke-dasharray=(DASHES[index]) stroke-linejoin="round" {}
            }
        }
    }

    pub(crate) fn roc(&self) -> Markup {
        let frame = Frame::square();
        let figures = Class::ALL.map(|class| self.said(class, "auroc").map(|figure| format!("AUROC {figure}")));
        picture(
            "ROC, each class against the others",
            520.0,
            580.0,
            &html! {
                (frame.axes("False positive rate (1 − specificity)", "Sensitivity (recall)"))
                path d=(frame.path([(0.0, 0.0), (1.0, 1.0)])) stroke=(FAINT) stroke-dasharray="4 4" {}
                (self.lines(&frame, |point| (point.false_positives, point.sensitivity), (0.0, 0.0)))
                (legend(&frame, 66.0, figures))
            },
        )
    }

    pub(crate) fn precision_recall(&self) -> Markup {
        let frame = Frame::square();
        let figures =
            Class::ALL.map(|class| self.said(class, "average_precision").map(|figure| format!("AP {figure}")));
        let steps = html! {
            // Between two thresholds nothing is known: a step, not a slope.
            @for (index, points) in self.thresholds.iter().enumerate().filter(|(_, points)| !points.is_empty()) {
                @let first = (0.0, points[0].precision);
                @let rest = points.iter().zip(std::iter::once(0.0).chain(points.iter().map(|point| point.sensitivity)))
                    .flat_map(|(point, before)| [(before, point.precision), (point.sensitivity, point.precision)]);
                path d=(frame.path(std::iter::once(first).chain(rest))) fill="none" stroke=(COLOURS[index]) stroke-width="2"
                    stroke-dasharray=(DASHES[index]) stroke-linejoin="round" {}
            }
        };
        picture(
            "Precision over recall, each class against the others",
            520.0,
            580.0,
            &html! {
                (frame.axes("Recall (sensitivity)", "Precision (positive predictive value)"))
                (steps)
                (legend(&frame, 66.0, figures))
            },
        )
    }

    pub(crate) fn calibration(&self) -> Markup {
        let frame = Frame::square();
        let below = Frame { left: MARGIN, top: 500.0, width: SIDE, height: 70.0, x: [0.0, 1.0], y: [0.0, 1.0] };
        let most = self.reliability.iter().map(|bin| bin.cases).max().unwrap_or(1);
        let three = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:.3}"));
        let said = format!(
            "expected error {}, maximum {}, adaptive {}",
            three(self.figures.ece),
            three(self.figures.mce),
            three(self.adaptive_ece)
        );
        picture(
            "Reliability of the top probability, covered cases",
            520.0,
            620.0,
            &html! {
                (frame.axes("Mean top probability of the bin", "Share of right answers"))
                path d=(frame.path([(0.0, 0.0), (1.0, 1.0)])) stroke=(FAINT) stroke-dasharray="4 4" {}
                @for bin in &self.reliability {
                    @let (x, y) = frame.at(bin.top, bin.accuracy);
                    @let (_, wanted) = frame.at(bin.top, bin.top);
                    line x1=(x) y1=(y) x2=(x) y2=(wanted) stroke=(COLOURS[1]) stroke-width="2" {}
                    circle cx=(x) cy=(y) r="5" fill=(COLOURS[0]) {
                        title { (bin.cases) " cases above " (tick(bin.ends[0])) " up to " (tick(bin.ends[1])) }
                    }
                }
                text x=(below.left) y=(below.top + below.height + 24.0) fill=(INK) { (said) }
                text x=(below.left) y=(below.top - 8.0) fill=(INK) { "Cases in each of the " (BINS) " bins; the fullest has " (most) }
                @for bin in &self.reliability {
                    @let (x, y) = below.at(bin.ends[0], real(bin.cases) / real(most));
                    @let (right, bottom) = below.at(bin.ends[1], 0.0);
                    rect x=(x + 1.0) y=(y) width=(right - x - 2.0) height=(bottom - y) fill=(COLOURS[0]) {}
                }
                line x1=(below.left) y1=(below.top + below.height) x2=(below.left + below.width) y2=(below.top + below.height) stroke=(INK) {}
            },
        )
    }

    pub(crate) fn confused(&self) -> Markup {
        let shares = self.confusion.shares();
        let support = self.confusion.support();
        let has_refused = self.refused() > 0;
        let columns = if has_refused { 6 } else { 5 };
        let (left, top, side, tall) = (190.0, 96.0, 92.0, 62.0);
        let width = left + side * real(columns) + 16.0;
        let cell = |row: usize, column: usize| {
            let refused = column == 5;
            let count = if refused { self.confusion.refused[row] } else { self.confusion.counts[row][column] };
            let share = if refused { share_of_some(count, support[row]) } else { shares[row][column] };
            // From white to a dark blue. Black words until that is as dark as white ones need it: a contrast of 4.5 for either.
            let depth = share.unwrap_or(0.0);
            let blend = |from: f64, to: f64| (from + (to - from) * depth).round();
            let fill = format!("rgb({},{},{})", blend(255.0, 8.0), blend(255.0, 48.0), blend(255.0, 107.0));
            let (x, y) = (left + side * real(column as u64), top + tall * real(row as u64));
            let ink = if depth > 0.65 { "#ffffff" } else { "#000000" };
            html! {
                rect x=(x) y=(y) width=(side) height=(tall) fill=(fill) stroke=(if row == column { INK } else { GRID })
                    stroke-width=(if row == column { 2 } else { 1 }) {}
                text x=(x + side / 2.0) y=(y + tall / 2.0 - 3.0) text-anchor="middle" fill=(ink) font-weight="600" { (count) }
                text x=(x + side / 2.0) y=(y + tall / 2.0 + 15.0) text-anchor="middle" fill=(ink) font-size="12" {
                    (share.map_or_else(|| "no case".to_owned(), |share| format!("{:.1}%", share * 100.0)))
                }
            }
        };
        let head = |words: &str, x: f64| {
            // A name of three words takes three lines.
            let words = words.replace(" / ", "\u{a0}/ ");
            let lines: Vec<&str> = words.split(' ').collect();
            html! {
                @for (line, word) in lines.iter().enumerate() {
                    text x=(x) y=(top - 8.0 - 15.0 * real((lines.len() - 1 - line) as u64)) text-anchor="middle" fill=(INK) font-size="12" { (word) }
                }
            }
        };
        picture(
            "Confusion: rows are the truth, columns the prediction",
            width,
            top + tall * 5.0 + 44.0,
            &html! {
                @for class in Class::ALL {
                    (head(name(class), left + side * (real(class.index() as u64) + 0.5)))
                    text x=(left - 10.0) y=(top + tall * (real(class.index() as u64) + 0.5) + 4.0) text-anchor="end" fill=(INK) {
                        (name(class))
                    }
                }
                @if has_refused { (head("refused", left + side * 5.5)) }
                @for row in 0..5 { @for column in 0..usize::try_from(columns).unwrap_or(5) { (cell(row, column)) } }
                text x=(left) y=(top + tall * 5.0 + 24.0) fill=(INK) { "Cases, and their share of the row." }
            },
        )
    }

    pub(crate) fn decided(&self) -> Markup {
        let most = self.decision.iter().map(|at| at.model.max(at.all)).fold(0.05, f64::max);
        // So that a fifth of the axis has two decimals.
        let most = (most * 5.0).ceil() / 5.0;
        let frame = Frame { y: [-0.25 * most, most], ..Frame::square() };
        let line =
            |which: fn(&crate::Benefit) -> f64| frame.path(self.decision.iter().map(|at| (at.threshold, which(at))));
        let below = |line: f64| frame.top + frame.height + 66.0 + 20.0 * line;
        picture(
            "Decision curve: malignant against normal, covered cases",
            520.0,
            540.0,
            &html! {
                (frame.axes("Probability of malignancy from which on somebody acts", "Net benefit, share of the cases"))
                path d=(frame.path([(0.0, 0.0), (1.0, 0.0)])) stroke=(INK) stroke-dasharray=(DASHES[2]) {}
                clipPath id="decision" { rect x=(frame.left) y=(frame.top) width=(frame.width) height=(frame.height) {} }
                path d=(line(|at| at.all)) clip-path="url(#decision)" fill="none" stroke=(COLOURS[1]) stroke-width="2" stroke-dasharray=(DASHES[1]) {}
                path d=(line(|at| at.model)) clip-path="url(#decision)" fill="none" stroke=(COLOURS[0]) stroke-width="2.5" {}
                @for (index, (words, colour, dash)) in
                    [("the model", COLOURS[0], DASHES[0]), ("to act on everybody", COLOURS[1], DASHES[1]), ("to act on nobody", INK, DASHES[2])]
                    .into_iter().enumerate() {
                    @let y = below(real(index as u64));
                    line x1=(frame.left) y1=(y - 4.0) x2=(frame.left + 36.0) y2=(y - 4.0) stroke=(colour) stroke-width="2.5" stroke-dasharray=(dash) {}
                    text x=(frame.left + 46.0) y=(y) fill=(INK) { (words) }
                }
            },
        )
    }

    pub(crate) fn coverage(&self) -> Markup {
        let Some(selective) = &self.selective else { return html! {} };
        let most = selective.points.iter().map(|point| point[1]).fold(0.05, f64::max);
        let most = ((most * 20.0).ceil() / 20.0).min(1.0);
        let frame = Frame { y: [0.0, most], ..Frame::square() };
        let last = selective.points.last().copied().unwrap_or_default();
        let (x, y) = frame.at(last[0], last[1]);
        picture(
            "Wrong answers over how many cases are answered",
            520.0,
            540.0,
            &html! {
                (frame.axes("Coverage: share of the cases answered, the surest first", "Share of wrong answers among them"))
                path d=(frame.path(selective.points.iter().map(|point| (point[0], point[1])))) fill="none" stroke=(COLOURS[0]) stroke-width="2" {}
                circle cx=(x) cy=(y) r="5" fill=(COLOURS[1]) {}
                text x=(frame.left) y=(frame.top + frame.height + 66.0) fill=(INK) {
                    "The dot is what is answered: " (format!("{:.1}%", last[0] * 100.0)) " of the cases,"
                }
                text x=(frame.left) y=(frame.top + frame.height + 84.0) fill=(INK) { (format!("{:.1}%", last[1] * 100.0)) " of them wrong." }
            },
        )
    }

    pub(crate) fn grouped(&self) -> Markup {
        let rows = real(self.subgroups.len() as u64);
        let frame =
            Frame { left: 250.0, top: 44.0, width: 330.0, height: 26.0 * rows + 10.0, x: [0.0, 1.0], y: [0.0, 1.0] };
        let row = |at: usize, group: &Group| {
            let y = frame.top + 20.0 + 26.0 * real(at as u64);
            let colour = if group.is_small() { FAINT } else { INK };
            let (x, _) = frame.at(group.figures.accuracy, 0.0);
            html! {
                text x="12" y=(y + 4.0) fill=(colour) { (group.by) ": " (group.name) }
                text x=(frame.left - 12.0) y=(y + 4.0) text-anchor="end" fill=(colour) { "n " (group.cases) }
                @if let Some([low, high]) = group.intervals[0] {
                    line x1=(frame.at(low, 0.0).0) y1=(y) x2=(frame.at(high, 0.0).0) y2=(y) stroke=(colour) stroke-width="2" {}
                }
                rect x=(x - 5.0) y=(y - 5.0) width="10" height="10" fill=(if group.is_small() { FAINT } else { COLOURS[0] }) {}
            }
        };
        let (all, _) = frame.at(self.figures.accuracy, 0.0);
        let bottom = frame.top + frame.height;
        picture(
            "Accuracy of subgroups, with 95% intervals",
            600.0,
            bottom + 80.0,
            &html! {
                @for step in 0..=5 {
                    @let value = f64::from(step) / 5.0;
                    @let (at, _) = frame.at(value, 0.0);
                    line x1=(at) y1=(frame.top) x2=(at) y2=(bottom) stroke=(GRID) {}
                    text x=(at) y=(bottom + 18.0) text-anchor="middle" fill=(INK) { (tick(value)) }
                }
                line x1=(all) y1=(frame.top) x2=(all) y2=(bottom) stroke=(COLOURS[1]) stroke-dasharray="5 4" stroke-width="1.5" {}
                @for (at, group) in self.subgroups.iter().enumerate() { (row(at, group)) }
                text x=(frame.left + frame.width / 2.0) y=(bottom + 42.0) text-anchor="middle" fill=(INK) {
                    "Accuracy"
                }
                text x="12" y=(bottom + 66.0) fill=(INK) {
                    "The dashed line is that of all cases; grey is below " (crate::CASES_LEAST) " cases."
                }
            },
        )
    }
}
