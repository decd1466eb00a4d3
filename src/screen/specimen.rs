//! One specimen of every page and of every state in which a page looks otherwise: a person's way through the panel, made up. For
//! tests and for `hilum bench`; nothing of it is ever shown to a patient's doctor.

use std::{sync::Arc, time::Duration};

use crate::{
    Screen,
    event::{Denied, Event, Key, Opened, Phase, Told, Touch, Wish},
    keyboard::{Layer, Stroke},
    model::{
        Assessment, Condition, Ct, Draft, Explanation, Export, Health, Keys, Live, LogLine, LogPart, Note, Opinion,
        Outcome, Part, Patient, Picture, Progress, Role, Row, Shown, Step, Waiting,
    },
    page::{Act, Field, Tab},
    picture::Plane,
    scene::Scene,
    state::{Setup, rescue},
    theme::Look,
    words::{Language, Words},
};
use hilum_domain::{Age, CaseNumber, Class, Identity, Metadata, Modality, Point, Sex, Specimen};
use hilum_imaging::{Grid, Volume};
use image::RgbImage;
use ndarray::Array3;

/// The panels that are sold, and how large a pixel is on them.
pub const LOOKS: [Look; 6] = [
    look(1280, 800, 1.0),
    look(800, 480, 0.89),
    look(1024, 600, 0.89),
    look(800, 1280, 1.0),
    look(480, 800, 0.89),
    look(600, 1024, 0.89),
];

const fn look(width: u16, height: u16, scale: f32) -> Look {
    Look { width, height, scale, large: false }
}

/// Whoever stands before the panel.
pub struct Person {
    /// The panel.
    pub screen: Screen,
    /// Now.
    pub now: Duration,
}

impl Person {
    /// Before a panel that has just begun.
    #[must_use]
    pub fn new(look: Look, language: Language, read_first: bool) -> Self {
        Self::before(Setup { look, language, auto_lock: Duration::from_secs(300), read_first, welcome: false })
    }

    /// Before a panel that is set up so.
    #[must_use]
    pub fn before(setup: Setup) -> Self {
        Self { screen: Screen::new(setup, Duration::ZERO), now: Duration::from_secs(1) }
    }

    /// Something happens.
    pub fn event(&mut self, event: Event) -> Vec<Wish> {
        self.screen.handle(event, self.now)
    }

    /// The daemon tells something.
    pub fn told(&mut self, told: Told) -> Vec<Wish> {
        self.event(Event::Told(told))
    }

    /// What is seen.
    #[must_use]
    pub fn scene(&self) -> Scene<Act> {
        self.screen.scene()
    }

    /// Whether something can be touched.
    #[must_use]
    pub fn offers(&self, act: &Act) -> bool {
        self.scene().targets.iter().any(|target| target.act == *act)
    }

    /// Where something is touched that is on the page.
    #[must_use]
    #[track_caller]
    pub fn place(&self, act: &Act) -> (u16, u16) {
        let scene = self.scene();
        let target = scene.targets.iter().find(|target| target.act == *act);
        let area = target.unwrap_or_else(|| panic!("nothing means {act:?} on {:?}", self.screen.state().page())).area;
        (area.x + area.width / 2, area.y + area.height / 2)
    }

    /// Touches something, and lets go.
    #[track_caller]
    pub fn tap(&mut self, act: Act) -> Vec<Wish> {
        let (x, y) = self.place(&act);
        self.now += Duration::from_secs(1);
        let mut wishes = Vec::new();
        for phase in [Phase::Down, Phase::Up] {
            wishes.extend(self.event(Event::Touch(Touch { finger: 0, phase, x, y })));
        }
        wishes
    }

    /// Keys of a scanner.
    pub fn scans(&mut self, text: &str) {
        for character in text.chars() {
            self.event(Event::Key(Key::Character(character)));
        }
        self.event(Event::Key(Key::Enter));
    }

    /// Logs in and has today's cases.
    #[must_use]
    pub fn at_home(mut self) -> Self {
        self.told(Told::People(Role::ALL.to_vec()));
        self.told(Told::Health(health(true)));
        self.told(Told::Login(Ok(Role::Reviewer)));
        self.told(Told::Cases(rows()));
        self
    }
}

/// A wish that was not granted.
#[must_use]
pub fn denied() -> Denied {
    Denied { word: "denied-not-ready", why: "the camera gives no frame".into() }
}

/// A patient.
#[must_use]
pub fn patient() -> Patient {
    Patient {
        case: CaseNumber(119),
        identity: Identity::new("MRN-4711-0815", "Nakato Achieng, 1954-03-02").expect("two"),
    }
}

/// What is known of the patient.
#[must_use]
pub fn metadata() -> Metadata {
    Metadata {
        age: Some(Age::from_years(63.0).expect("an age")),
        sex: Some(Sex::Female),
        smoking: None,
        specimen: Some(Specimen::Biopsy),
    }
}

fn part(name: &'static str, condition: Condition, word: &'static str, figure: &str) -> Part {
    Part { name, condition, word, figure: figure.to_owned() }
}

/// A device that is well, or is not.
#[must_use]
pub fn health(well: bool) -> Health {
    let parts = if well {
        vec![
            part("part-camera", Condition::Well, "part-well", ""),
            part("part-share", Condition::Well, "part-well", ""),
            part("part-storage", Condition::Well, "part-well", "112 GB"),
            part("part-temperature", Condition::Well, "part-well", "58 °C"),
            part("part-clock", Condition::Well, "part-well", ""),
            part("part-control", Condition::Well, "part-well", ""),
            part("part-networks", Condition::Well, "part-well", ""),
        ]
    } else {
        vec![
            part("part-camera", Condition::Stop, "part-gone", ""),
            part("part-share", Condition::Unknown, "part-unknown", ""),
            part("part-storage", Condition::Stop, "part-full", ""),
            part("part-temperature", Condition::Stop, "part-hot", ""),
            part("part-clock", Condition::Warn, "part-not-trusted", ""),
            part("part-control", Condition::Warn, "part-overdue", ""),
            part("part-networks", Condition::Warn, "part-loading", ""),
            part("part-update", Condition::Warn, "update-installed", ""),
        ]
    };
    Health {
        board: "rpi5".to_owned(),
        parts,
        claimed: "2026-11-23T09:15:00Z".to_owned(),
        trusted: well,
        about: vec![
            ("about-board", "rpi5".to_owned()),
            ("about-version", "0.1.0".to_owned()),
            ("about-bundle", "reference 1 (b1946ac92492d234)".to_owned()),
            ("about-engine", "tract".to_owned()),
        ],
        can_restart: !well,
        keys: Some(Keys {
            sealed_by: if well { "key-box" } else { "key-disk" },
            signers: vec!["6F8C3C0A7C0AD193".to_owned()],
            development: !well,
        }),
    }
}

/// A day's cases, in every state.
#[must_use]
pub fn rows() -> Vec<Row> {
    let all = [
        Progress::Draft,
        Progress::Queued,
        Progress::Assessed,
        Progress::Refused,
        Progress::SetAside,
        Progress::Reviewed,
        Progress::Exported,
        Progress::Assessed,
        Progress::Assessed,
        Progress::Assessed,
        Progress::Assessed,
    ];
    let row = |(index, progress): (u64, &Progress)| Row {
        case: CaseNumber(119 - index),
        first: match index {
            1 => None,
            2 => Some("MÜLLER-4711-0001-2222-3333-4444-5555-66".to_owned()),
            _ => Some(format!("MRN-471{index}")),
        },
        progress: *progress,
        opened: "2026-11-23T08:00:00Z".to_owned(),
    };
    (0..).zip(&all).map(row).collect()
}

/// A picture of few colours: it is small as a file.
#[must_use]
pub fn picture(width: u32, height: u32, color: fn(u32, u32) -> [u8; 3]) -> Picture {
    Picture(Arc::new(RgbImage::from_fn(width, height, |x, y| image::Rgb(color(x / 16, y / 16)))))
}

/// A small field of one colour.
#[must_use]
pub fn field(shade: u8) -> Picture {
    let rgb = image::Rgb([200, 120, shade]);
    Picture(Arc::new(RgbImage::from_pixel(320, 240, rgb)))
}

/// A draft with or without a CT, with so many fields.
#[must_use]
pub fn draft(ct: bool, fields: u8) -> Draft {
    Draft {
        patient: patient(),
        metadata: metadata(),
        ct,
        lesion: None,
        fields: (0..fields).map(|index| field(index * 40)).collect(),
        enough: 6,
    }
}

/// A good picture of the camera.
#[must_use]
pub const fn live(picture: Picture) -> Live {
    Live {
        picture,
        condition: Condition::Well,
        advice: "live-good",
        also: None,
        heat: None,
        can_heat: true,
        objective: None,
        next_objective: None,
    }
}

/// A chest of air with a ball in it.
#[must_use]
pub fn ct() -> Ct {
    let voxels = Array3::from_shape_fn((40, 96, 96), |(k, j, i)| {
        let away = |at: usize, from: f64, by: f64| (f64::from(u32::try_from(at).expect("small")) - from) * by;
        let body = away(i, 48.0, 1.0).powi(2) / 44.0_f64.powi(2) + away(j, 48.0, 1.0).powi(2) / 34.0_f64.powi(2);
        let ball = away(i, 30.0, 1.0).powi(2) + away(j, 44.0, 1.0).powi(2) + away(k, 20.0, 1.5).powi(2);
        if ball < 36.0 {
            40
        } else if body > 1.0 {
            -1000
        } else if body > 0.8 {
            60
        } else {
            -820
        }
    });
    let grid = Grid::axial([96, 96, 40], [-180.0, -170.0, -400.0], [3.75, 3.75, 5.0]);
    let volume = Arc::new(Volume::new(voxels, grid).expect("its shape"));
    let at = |i: f64, j: f64, k: f64| Point::new([-180.0 + 3.75 * i, -170.0 + 3.75 * j, -400.0 + 5.0 * k]);
    Ct { patient: patient(), volume, candidates: vec![(at(30.0, 44.0, 20.0), 42.0), (at(70.0, 60.0, 20.0), 9.0)] }
}

/// Exports on the share: the patient's, another's, nobody's.
#[must_use]
pub fn exports() -> Vec<Export> {
    let export = |key, matches, patient_id: &str, series: &str, study_date: &str| Export {
        key,
        slices: 182,
        matches,
        patient_id: patient_id.to_owned(),
        series: series.to_owned(),
        study_date: study_date.to_owned(),
    };
    vec![
        export(1, true, "MRN-4711-0815", "Thorax 1.0 Br40", "20261121"),
        export(4, true, "MRN-4711-0815", "Thorax 3.0 Bl57 lung, with contrast medium", "20261121"),
        export(2, false, "MRN-4711-0816", "", "20261122"),
        export(3, false, "", "", ""),
    ]
}

fn note(code: &str, message: &str, next_step: &str) -> Note {
    Note { code: code.to_owned(), message: message.to_owned(), next_step: next_step.to_owned() }
}

/// Limits of a result, one of them of a later version.
#[must_use]
pub fn limits() -> Vec<Note> {
    vec![
        note(
            "metadata-missing",
            "not known: smoking",
            "the mean of the training cohort stood in for what is not known",
        ),
        note(
            "lesion-suggested",
            "the lesion was chosen by the machine",
            "check that the ring lies on the lesion that is meant",
        ),
        note(
            "phantom-bundle",
            "the bundle was trained on synthetic phantoms",
            "figures of this bundle mean nothing on patients",
        ),
        note("of-a-later-version", "something that this version does not know", "ask whoever sent the bundle"),
    ]
}

/// A result.
#[must_use]
pub fn assessment() -> Assessment {
    let plain = picture(384, 384, |x, y| if (x + y) % 5 == 0 { [90; 3] } else { [40; 3] });
    let over =
        picture(384, 384, |x, y| if x.abs_diff(12) + y.abs_diff(10) < 5 { [250, 180, 40] } else { [30, 20, 60] });
    let fields: Vec<_> = (0..3).map(|index| (field(index * 60), over.clone())).collect();
    let explanation = |modality, method: &str, verdict: &str, pictures| Explanation {
        modality,
        method: method.to_owned(),
        verdict: verdict.to_owned(),
        pictures,
    };
    Assessment {
        fused: [0.862, 0.06, 0.048, 0.029, 0.001],
        ct: Some([0.6, 0.2, 0.1, 0.05, 0.05]),
        he: Some([0.948, 0.02, 0.02, 0.009, 0.003]),
        weights: [0.38, 0.62],
        weights_unknown: Some([0.5, 0.5]),
        limits: limits(),
        explanations: vec![
            explanation(Modality::Ct, "Grad-CAM", "not_checked", vec![(plain.clone(), over.clone())]),
            explanation(Modality::Ct, "Grad-CAM++", "faithful", vec![(plain, over)]),
            explanation(Modality::He, "Grad-CAM", "not_checked", fields),
            explanation(Modality::He, "Grad-CAM++", "blank", Vec::new()),
        ],
        made_by: "reference 1".to_owned(),
    }
}

/// A case with what became of it.
#[must_use]
pub fn shown(outcome: Outcome) -> Shown {
    Shown {
        patient: patient(),
        metadata: metadata(),
        progress: Progress::Assessed,
        outcome,
        opinion: None,
        read_first: None,
        images: vec![picture(384, 384, |x, y| if (x * y) % 7 == 0 { [90; 3] } else { [40; 3] }), field(90)],
        exports_to: Some("/media/stick".into()),
    }
}

/// A case with a result.
#[must_use]
pub fn assessed(assessment: Assessment) -> Shown {
    shown(Outcome::Assessed(Box::new(assessment)))
}

/// A page as it is seen. The first of its kind is the page, the others are what else it can look like.
pub struct Page {
    /// What it is called: the kind, and what is different about it.
    pub name: &'static str,
    /// Whether it is the first of its kind.
    pub first: bool,
    /// What is on it.
    pub scene: Scene<Act>,
}

/// Every page.
#[must_use]
pub fn pages(look: Look, language: Language) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut add = |name: &'static str, scene: Scene<Act>| {
        let kind = |name: &'static str| name.split('-').next();
        let first = pages.iter().all(|page: &Page| kind(page.name) != kind(name));
        pages.push(Page { name, first, scene });
    };
    let new = || Person::new(look, language, false);
    let home = || new().at_home();

    let mut person = new();
    person.told(Told::People(Role::ALL.to_vec()));
    person.told(Told::Health(health(true)));
    person.tap(Act::Role(Role::Operator));
    add("lock", person.scene());
    for _ in 0..6 {
        person.tap(Act::Stroke(Stroke::Key(Key::Character('4'))));
    }
    add("lock-typed", person.scene());
    person.tap(Act::Enter);
    add("lock-trying", person.scene());
    let wrong = Denied { word: "denied-pin-wait", why: "60 s".into() };
    person.told(Told::Login(Err(wrong)));
    add("lock-denied", person.scene());
    add("lock-starting", new().scene());
    person.tap(Act::Speech);
    add("speech-locked", person.scene());

    let mut person = home();
    add("home", person.scene());
    // A high panel has room for all of them.
    if person.offers(&Act::Page(1)) {
        person.tap(Act::Page(1));
        add("home-more", person.scene());
    }
    person.told(Told::Health(health(false)));
    person.told(Told::Cases(Vec::new()));
    add("home-unwell", person.scene());
    person.told(Told::Done(Ok("done-control")));
    add("said-done", person.scene());
    person.tap(Act::Heard);
    person.told(Told::Done(Err(denied())));
    add("said-denied", person.scene());
    person.tap(Act::Heard);

    person.tap(Act::New);
    person.scans("4711");
    add("form", person.scene());
    person.tap(Act::Stroke(Stroke::Layer(Layer::Latin)));
    person.tap(Act::Stroke(Stroke::Shift));
    add("form-latin", person.scene());
    let local = Act::Stroke(Stroke::Layer(Layer::Local));
    person.tap(Act::Stroke(Stroke::Shift));
    if person.offers(&local) {
        person.tap(local);
        add("form-local", person.scene());
        person.tap(Act::Stroke(Stroke::Shift));
        add("form-local-more", person.scene());
    }
    person.scans("4711");
    person.scans("150");
    person.tap(Act::Field(Field::Age));
    add("form-wrong", person.scene());
    person.tap(Act::Choose(Field::Age, None));
    add("form-sex", person.scene());
    person.tap(Act::Choose(Field::Sex, Some(1)));
    person.tap(Act::Choose(Field::Smoking, Some(2)));
    add("form-specimen", person.scene());
    person.tap(Act::Choose(Field::Specimen, None));
    person.tap(Act::Field(Field::Second));
    person.scans(&"-ถัดไป ".repeat(50));
    add("form-long", person.scene());
    for _ in 0..350 {
        person.event(Event::Key(Key::Backspace));
        person.tap(Act::Field(Field::Second));
    }
    person.scans("\u{202e}20-30-4591");
    add("form-unshown", person.scene());
    for _ in 0..12 {
        person.event(Event::Key(Key::Backspace));
        person.tap(Act::Field(Field::Second));
    }
    person.scans("1954-03-02");
    person.tap(Act::Open);
    person.told(Told::Opened(Opened::OtherSecond(vec![CaseNumber(12)])));
    add("form-other", person.scene());
    person.tap(Act::SamePatient(true));
    person.told(Told::Opened(Opened::Draft(Box::new(draft(false, 0)), vec![CaseNumber(12), CaseNumber(13)])));
    add("draft", person.scene());
    person.tap(Act::ToCt);
    add("choosing-looking", person.scene());
    person.told(Told::Exports(CaseNumber(119), exports()));
    add("choosing", person.scene());
    person.tap(Act::Take(Some(2)));
    add("choosing-other", person.scene());
    person.tap(Act::Take(None));
    person.told(Told::Exports(CaseNumber(119), Vec::new()));
    add("choosing-none", person.scene());
    person.told(Told::Exports(CaseNumber(119), exports()));
    person.tap(Act::Take(Some(1)));
    add("choosing-reading", person.scene());
    person.told(Told::Draft(Box::new(draft(true, 0))));
    add("draft-reading", person.scene());
    person.told(Told::Ct(ct()));
    add("viewing", person.scene());
    person.tap(Act::Candidate);
    person.tap(Act::Zoom(1));
    person.tap(Act::Plane(Plane::Coronal));
    add("viewing-coronal", person.scene());
    person.tap(Act::Plane(Plane::Sagittal));
    person.tap(Act::View(crate::page::View::Mediastinum));
    person.tap(Act::Zoom(1));
    add("viewing-sagittal", person.scene());
    person.tap(Act::SetLesion);
    person.tap(Act::Back);
    let mut kept = draft(true, 0);
    person.told(Told::Draft(Box::new(kept.clone())));
    add("draft-no-lesion", person.scene());
    kept.lesion = ct().candidates.first().map(|(point, _)| *point);
    person.told(Told::Draft(Box::new(kept.clone())));

    person.tap(Act::ToMicroscope);
    add("microscope-none", person.scene());
    let live = live(picture(480, 320, |x, y| if (x ^ y) % 3 == 0 { [190, 110, 170] } else { [230, 200, 220] }));
    person.told(Told::Live(Ok(live.clone())));
    add("microscope", person.scene());
    person.tap(Act::Heat(true));
    let heat = picture(480, 320, |x, _| if x < 12 { [250, 180, 40] } else { [30, 20, 60] });
    let blurred = Live { condition: Condition::Stop, advice: "live-no-colour", heat: Some(heat), ..live.clone() };
    kept.fields = draft(true, 8).fields;
    person.tap(Act::Capture);
    person.told(Told::Draft(Box::new(kept.clone())));
    person.told(Told::Live(Ok(blurred)));
    add("microscope-heat", person.scene());
    person.tap(Act::Auto(true));
    // The longest words on it.
    let much = Live {
        condition: Condition::Warn,
        advice: "live-not-he",
        also: Some("live-power"),
        objective: Some("Plan Apo 20x/0.8".into()),
        next_objective: Some("40x".into()),
        ..live
    };
    person.told(Told::Live(Ok(much)));
    add("microscope-much", person.scene());
    person.told(Told::Live(Err("camera-hangs")));
    add("microscope-hangs", person.scene());
    person.tap(Act::Drop(Some(7)));
    add("microscope-drop", person.scene());
    person.tap(Act::Back);
    person.told(Told::Draft(Box::new(kept)));
    add("draft-ready", person.scene());
    person.tap(Act::Submit);
    let waiting = |step, seconds, usual| Told::Waiting(Waiting { patient: patient(), step, seconds, usual });
    person.told(waiting(Step::Queue(2), 0, None));
    add("processing-queue", person.scene());
    person.told(waiting(Step::Fields, 3, Some(6)));
    add("processing", person.scene());
    person.told(Told::Shown(Box::new(assessed(assessment()))));
    add("result", person.scene());
    if person.offers(&Act::Tab(Tab::Weights)) {
        person.tap(Act::Tab(Tab::Weights));
        add("result-weights", person.scene());
    }
    person.tap(Act::Tab(Tab::Looked));
    add("result-looked", person.scene());
    person.tap(Act::Look(2));
    person.tap(Act::NextPicture);
    add("result-looked-field", person.scene());
    person.tap(Act::Look(3));
    add("result-looked-blank", person.scene());
    person.tap(Act::Tab(Tab::Limits));
    add("result-limits", person.scene());
    person.tap(Act::Opinion);
    add("review", person.scene());
    person.tap(Act::Agrees(false));
    person.event(Event::Key(Key::Character('N')));
    add("review-disagree", person.scene());
    person.tap(Act::Save);
    let reviewed = Shown { opinion: Some(Opinion { agrees: false, reason: "N".to_owned() }), ..assessed(assessment()) };
    person.told(Told::Shown(Box::new(reviewed.clone())));
    person.tap(Act::Opinion);
    add("review-again", person.scene());
    person.tap(Act::Back);
    person.tap(Act::Export);
    person.tap(Act::WithIdentity(true));
    add("export", person.scene());
    person.tap(Act::WithIdentity(false));
    person.tap(Act::Write);
    add("export-writing", person.scene());
    person.told(Told::Exported(CaseNumber(119), "/media/stick/hilum-box-H000119.tar".into()));
    add("export-done", person.scene());

    let result = |name, shown: Shown, add: &mut dyn FnMut(&'static str, Scene<Act>)| {
        let mut person = home();
        person.tap(Act::Case(CaseNumber(119)));
        person.told(Told::Shown(Box::new(shown)));
        add(name, person.scene());
        person
    };
    let of = |class: Class| {
        let mut fused = [0.04; 5];
        fused[class.index()] = 0.84;
        fused
    };
    for (name, class) in [
        ("result-squamous", Class::SquamousCellCarcinoma),
        ("result-nos", Class::LargeCellCarcinoma),
        ("result-small", Class::SmallCellCarcinoma),
        ("result-normal", Class::Normal),
    ] {
        result(name, assessed(Assessment { fused: of(class), weights_unknown: None, ..assessment() }), &mut add);
    }
    let alone =
        Assessment { he: None, weights: [1.0, 0.0], limits: Vec::new(), explanations: Vec::new(), ..assessment() };
    let mut person = result("result-ct-alone", assessed(alone), &mut add);
    person.tap(Act::Tab(Tab::Limits));
    add("result-no-limits", person.scene());
    person.tap(Act::Tab(Tab::Looked));
    add("result-not-looked", person.scene());
    let disagree = Assessment {
        ct: None,
        weights: [0.0, 1.0],
        limits: vec![note("branches-disagree", "the CT favours one class and the fields another", "weigh them")],
        ..assessment()
    };
    result("result-he-alone-disagree", assessed(disagree), &mut add);
    let blurred =
        note("blurred-image", "image 2 is out of focus (sharpness 0.012, 0.050 is needed)", "turn the fine focus");
    result("refused", shown(Outcome::Refused(blurred)), &mut add);
    let unknown =
        note("of-a-later-version", "something that this version does not know", "ask whoever sent the bundle");
    result("refused-unknown", shown(Outcome::Refused(unknown)), &mut add);
    result("aside", shown(Outcome::SetAside), &mut add);
    let nowhere = Shown { exports_to: None, ..assessed(assessment()) };
    let mut person = home();
    person.tap(Act::Case(CaseNumber(119)));
    person.told(Told::Shown(Box::new(nowhere)));
    person.tap(Act::Export);
    add("export-nowhere", person.scene());

    let mut person = Person::new(look, language, true).at_home();
    person.tap(Act::Case(CaseNumber(119)));
    person.told(Told::Shown(Box::new(assessed(assessment()))));
    add("first", person.scene());
    person.tap(Act::See(Some(Class::SmallCellCarcinoma)));
    add("first-chosen", person.scene());

    let mut person = home();
    person.tap(Act::Settings);
    add("settings", person.scene());
    person.tap(Act::Speech);
    add("speech", person.scene());
    person.tap(Act::Back);
    person.told(Told::Health(health(false)));
    person.tap(Act::Restart);
    add("settings-restart", person.scene());
    person.told(Told::Health(health(true)));
    person.tap(Act::Log);
    let line = |number: u64| LogLine {
        number,
        claimed: "2026-11-23T09:15:00Z".to_owned(),
        by: "operator".to_owned(),
        what: "queued".to_owned(),
        case: (!number.is_multiple_of(3)).then_some(CaseNumber(number / 2)),
    };
    person.told(Told::Log(LogPart {
        lines: (0..40).map(|back| line(500 - back)).collect(),
        newer: 3,
        older: 400,
        head: "503:1c0f8b0e7f2a4d6b8c9daebf0123456789abcdef0123456789abcdef01234567".into(),
    }));
    add("audit", person.scene());
    let mut person = new();
    person.told(Told::People(Role::ALL.to_vec()));
    person.told(Told::Health(health(true)));
    person.told(Told::Login(Ok(Role::Administrator)));
    person.tap(Act::Settings);
    person.tap(Act::Pins);
    person.tap(Act::Role(Role::Reviewer));
    add("pin", person.scene());
    for _ in 0..2 {
        for digit in "123456".chars() {
            person.tap(Act::Stroke(Stroke::Key(Key::Character(digit))));
        }
        if person.offers(&Act::Enter) {
            person.tap(Act::Enter);
        }
    }
    add("pin-setting", person.scene());
    let setup = Setup { look, language, auto_lock: Duration::from_secs(300), read_first: false, welcome: true };
    let mut person = Person::before(setup);
    person.told(Told::Health(health(false)));
    person.told(Told::People(Vec::new()));
    add("welcome", person.scene());
    person.tap(Act::Onward);
    add("welcome-keys", person.scene());
    person.tap(Act::Onward);
    add("welcome-pin", person.scene());
    let problems = [
        "/etc/hilum/site.toml:14:10: poll-s = 0 is outside 0.5 to 60 seconds".to_owned(),
        "/etc/hilum/site.toml:22:1: there is no section [scren]".to_owned(),
    ];
    add("rescue", rescue(look, &Words::new(language), &problems, "Correct the files: the box starts by itself."));
    pages
}
