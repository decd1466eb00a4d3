//! A monkey before the panel, and a daemon that answers late, out of order and about other cases: 100,000 random events. At
//! every step the panel shows at most one patient, nobody's result under another's name, and nothing of anybody while it is
//! locked; in the end every kind of page was seen.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use hilum_domain::{CaseNumber, Identity};
use hilum_screen::{
    event::{Denied, Event, Key, Opened, Phase, Told, Touch, Wish},
    model::{Ct, Draft, Outcome, Patient, Row, Shown, Step, Waiting},
    page::{Act, Page},
    scene::Item,
    specimen::{LOOKS, Person, assessed, assessment, ct, denied, draft, exports, health, patient, rows, shown},
    words::Language,
};
use rand_pcg::{Pcg32, rand_core::Rng as _};

const EVENTS: usize = 100_000;
/// The cases of the made-up box. Each has a patient and an adenocarcinoma probability of its own.
const CASES: u64 = 9;

struct Chance(Pcg32);

impl Chance {
    fn below(&mut self, end: u32) -> u32 {
        self.0.next_u32() % end.max(1)
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        let index = self.below(u32::try_from(all.len()).expect("few"));
        all[usize::try_from(index).expect("few")]
    }
}

fn who(case: CaseNumber) -> Patient {
    let first = format!("FIRST{}Q", case.0);
    Patient { case, identity: Identity::new(&first, &format!("SECOND{}Q", case.0)).expect("two") }
}

/// A result that only this case has: its probability says whose it is.
fn of(case: CaseNumber) -> Shown {
    let own = 0.5 + f64::from(u32::try_from(case.0).expect("small")) / 100.0;
    let mut result = assessment();
    result.fused = [own, 1.0 - own, 0.0, 0.0, 0.0];
    Shown { patient: who(case), ..assessed(result) }
}

/// What a box would say to a wish, now or later.
struct Daemon {
    role: Option<hilum_screen::model::Role>,
    next: u64,
    kept: BTreeMap<u64, Draft>,
    late: VecDeque<Told>,
}

impl Daemon {
    fn draft(&mut self, case: CaseNumber) -> Draft {
        self.kept
            .entry(case.0)
            .or_insert_with(|| Draft { patient: who(case), ..draft(case.0.is_multiple_of(2), 2) })
            .clone()
    }

    fn answer(&mut self, wish: Wish, chance: &mut Chance) {
        if chance.one_in(12) {
            // Some things go wrong.
            let told = match wish {
                Wish::Open(..) => Told::Opened(Opened::Denied(denied())),
                Wish::Login(..) => Told::Login(Err(Denied { word: "denied-pin-wrong", why: "2 more".into() })),
                Wish::TakeExport(case, ..)
                | Wish::Ct(case)
                | Wish::Submit(case)
                | Wish::Cancel(case)
                | Wish::Capture(case)
                | Wish::DropField(case, _)
                | Wish::Review(case, _)
                | Wish::Export(case, _)
                | Wish::ReadFirst(case, _)
                | Wish::Case(case) => Told::Failed(case, denied()),
                _ => Told::Done(Err(denied())),
            };
            self.late.push_back(told);
            return;
        }
        let told = match wish {
            Wish::Login(role, _) => {
                self.role = Some(role);
                Told::Login(Ok(role))
            }
            Wish::Logout => {
                self.role = None;
                return;
            }
            Wish::Refresh => {
                self.late.push_back(Told::Health(health(chance.one_in(2))));
                let row =
                    |number| Row { case: CaseNumber(number), first: Some(format!("ROW{number}")), ..rows().remove(0) };
                Told::Cases((1..=CASES).map(row).collect())
            }
            Wish::Open(_, _, confirmed) => {
                if !confirmed && chance.one_in(3) {
                    Told::Opened(Opened::OtherSecond(vec![CaseNumber(1)]))
                } else {
                    self.next = self.next % CASES + 1;
                    self.kept.remove(&self.next);
                    Told::Opened(Opened::Draft(Box::new(self.draft(CaseNumber(self.next))), Vec::new()))
                }
            }
            Wish::Case(case) => match chance.below(5) {
                0 => Told::Draft(Box::new(self.draft(case))),
                1 => Told::Waiting(Waiting { patient: who(case), step: Step::Queue(1), seconds: 0, usual: None }),
                2 => Told::Shown(Box::new(Shown { outcome: Outcome::SetAside, ..of(case) })),
                _ => Told::Shown(Box::new(of(case))),
            },
            Wish::Exports(case) => Told::Exports(case, exports()),
            Wish::TakeExport(case, ..) => {
                let mut draft = self.draft(case);
                draft.ct = true;
                self.kept.insert(case.0, draft.clone());
                Told::Draft(Box::new(draft))
            }
            Wish::Ct(case) => Told::Ct(Ct { patient: who(case), ..ct() }),
            Wish::Lesion(case, point) => {
                let mut draft = self.draft(case);
                draft.lesion = Some(point);
                self.kept.insert(case.0, draft.clone());
                Told::Draft(Box::new(draft))
            }
            Wish::Live(_) | Wish::Objective(_) => Told::Live(Ok(live())),
            Wish::Capture(case) | Wish::DropField(case, _) | Wish::Cancel(case) => {
                Told::Draft(Box::new(self.draft(case)))
            }
            Wish::Submit(case) => {
                self.late.push_back(Told::Shown(Box::new(of(case))));
                Told::Waiting(Waiting { patient: who(case), step: Step::Ct, seconds: 1, usual: Some(5) })
            }
            Wish::ReadFirst(case, class) => Told::Shown(Box::new(Shown { read_first: Some(class), ..of(case) })),
            Wish::Review(case, opinion) => Told::Shown(Box::new(Shown { opinion: Some(opinion), ..of(case) })),
            Wish::Export(case, _) => Told::Exported(case, "file.tar".into()),
            Wish::Log(_) => return,
            Wish::Control => Told::Done(Ok("done-control")),
            Wish::Verify => Told::Done(Ok("done-verified")),
            Wish::SetPin(..) => Told::Done(Ok("done-pin-set")),
            Wish::Remember(..) | Wish::SetUp => return,
            Wish::Restart => Told::Done(Ok("done-restart")),
        };
        self.late.push_back(told);
    }
}

fn live() -> hilum_screen::model::Live {
    hilum_screen::model::Live {
        also: Some("live-warm"),
        objective: Some("20x".into()),
        next_objective: Some("40x".into()),
        ..hilum_screen::specimen::live(hilum_screen::specimen::field(9))
    }
}

/// The words on the page.
fn said(person: &Person) -> Vec<Arc<str>> {
    let scene = person.scene();
    scene
        .items
        .iter()
        .filter_map(|item| if let Item::Text { text, .. } = item { Some(Arc::clone(text)) } else { None })
        .collect()
}

/// What must be true of the panel at every moment.
fn check(person: &Person, at: usize) {
    let words = said(person);
    let named: BTreeSet<u64> = (1..=CASES)
        .filter(|number| {
            let names = [format!("FIRST{number}Q"), format!("SECOND{number}Q")];
            words.iter().any(|text| names.iter().any(|name| text.contains(name)))
        })
        .collect();
    let keeps_out = matches!(person.screen.state().page(), Page::Lock(_));
    assert!(!keeps_out || person.screen.state().is_locked(), "event {at}: the lock is shown and is open");
    if person.screen.state().is_locked() {
        assert!(named.is_empty(), "event {at}: a locked panel names {named:?}");
        assert!(!words.iter().any(|text| text.contains("ROW")), "event {at}: a locked panel lists cases");
        assert!(
            matches!(person.screen.state().page(), Page::Lock(_) | Page::Speech(_)),
            "event {at}: {:?}",
            person.screen.state().page()
        );
        return;
    }
    assert!(named.len() <= 1, "event {at}: several patients at once: {named:?}");
    if let Some(patient) = person.screen.state().page().patient() {
        for own in [patient.identity.first(), patient.identity.second()] {
            assert!(words.iter().any(|text| text.contains(own)), "event {at}: the page does not say whose it is");
        }
        let others = (1..=CASES).map(CaseNumber).filter(|case| who(*case).identity != patient.identity);
        let others: Vec<u64> = others.map(|case| case.0).filter(|number| named.contains(number)).collect();
        assert!(others.is_empty(), "event {at}: the page is about {} and names {others:?}", patient.case);
    }
    // A result is its own patient's.
    if let Page::Result(page) = person.screen.state().page()
        && let Outcome::Assessed(result) = &page.shown.outcome
    {
        let own = 0.5 + f64::from(u32::try_from(page.shown.patient.case.0).expect("small")) / 100.0;
        assert!((result.fused[0] - own).abs() < 1e-9, "event {at}: another patient's result");
    }
    // Before a person has said what they see, nothing of a result is seen.
    if let Page::ReadFirst(_) = person.screen.state().page() {
        assert!(!words.iter().any(|text| text.contains('%')), "event {at}: a figure before the opinion");
    }
    let safety = person.screen.words().safe("research-only");
    assert!(words.iter().any(|text| **text == *safety), "event {at}: the page does not say what the device is not");
}

fn kind(page: &Page) -> String {
    let shown = format!("{page:?}");
    shown.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// A hand that mostly touches what can be touched, and sometimes anything.
fn hand(person: &Person, chance: &mut Chance) -> Vec<Event> {
    let look = person.screen.state().look();
    let anywhere = |chance: &mut Chance| {
        let x = u16::try_from(chance.below(u32::from(look.width) + 40)).expect("small");
        let y = u16::try_from(chance.below(u32::from(look.height) + 40)).expect("small");
        (x, y)
    };
    let touch = |finger, phase, (x, y)| Event::Touch(Touch { finger, phase, x, y });
    // A person who knows the PIN: a monkey alone would hardly ever come in.
    if person.screen.state().is_locked() && chance.one_in(3) {
        let role = Act::Role(chance.of(&hilum_screen::model::Role::ALL));
        if !person.offers(&role) {
            return vec![Event::Key(Key::Escape)];
        }
        let at = person.place(&role);
        let keys = "194603".chars().map(Key::Character).chain([Key::Enter]).map(Event::Key);
        return [touch(0, Phase::Down, at), touch(0, Phase::Up, at)].into_iter().chain(keys).collect();
    }
    match chance.below(10) {
        0 => {
            let keys = [Key::Next, Key::Previous, Key::Enter, Key::Escape, Key::Backspace, Key::Capture];
            vec![Event::Key(chance.of(&keys))]
        }
        1 => {
            let characters = ['4', '1', 'a', 'é', '\u{0301}', '\u{1f600}', '\u{202e}', 'ก', '\u{7f}', '9'];
            (0..3).map(|_| Event::Key(Key::Character(chance.of(&characters)))).collect()
        }
        2 => {
            let phases = [Phase::Down, Phase::Move, Phase::Up, Phase::Lost];
            let finger = u8::try_from(chance.below(10)).expect("small");
            vec![touch(finger, chance.of(&phases), anywhere(chance))]
        }
        // Ten fingers at once.
        3 => (0..10).map(|finger| touch(finger, Phase::Down, anywhere(chance))).collect(),
        _ => {
            let scene = person.scene();
            let Some(count) = u32::try_from(scene.targets.len()).ok().filter(|count| *count > 0) else {
                return Vec::new();
            };
            let target = &scene.targets[usize::try_from(chance.below(count)).expect("small")];
            // Languages and letters are changed seldom: a word has to be drawn before it can be judged.
            if matches!(target.act, Act::Language(_) | Act::Large(_)) && !chance.one_in(20) {
                return Vec::new();
            }
            let at = (target.area.x + target.area.width / 2, target.area.y + target.area.height / 2);
            let lost = (0..10).map(|finger| touch(finger, Phase::Lost, at));
            lost.chain([touch(0, Phase::Down, at), touch(0, Phase::Up, at)]).collect()
        }
    }
}

/// Untrue and late things that a daemon could say.
fn gossip(chance: &mut Chance) -> Told {
    let case = CaseNumber(u64::from(chance.below(u32::try_from(CASES).expect("small"))) + 1);
    match chance.below(11) {
        0 => Told::Shown(Box::new(of(case))),
        1 => Told::Draft(Box::new(Draft { patient: who(case), ..draft(true, 1) })),
        2 => Told::Waiting(Waiting { patient: who(case), step: Step::Explaining, seconds: 3, usual: None }),
        3 => Told::Ct(Ct { patient: who(case), ..ct() }),
        4 => Told::Exports(case, exports()),
        5 => Told::Exported(case, "other.tar".into()),
        6 => Told::Failed(case, denied()),
        7 => Told::Live(Err("camera-hangs")),
        8 => Told::Opened(Opened::OtherSecond(vec![case])),
        // The same number with another identity: a panel that was told of a case that was removed since.
        9 => Told::Shown(Box::new(Shown { patient: Patient { case, ..patient() }, ..shown(Outcome::SetAside) })),
        _ => Told::Cases(Vec::new()),
    }
}

fn run(seed: u64, read_first: bool) -> BTreeSet<String> {
    let mut chance = Chance(Pcg32::new(seed, 11));
    let mut person =
        Person::new(LOOKS[usize::try_from(seed).expect("small") % LOOKS.len()], Language::English, read_first);
    let mut daemon = Daemon { role: None, next: 0, kept: BTreeMap::new(), late: VecDeque::new() };
    let mut seen = BTreeSet::new();
    let people = hilum_screen::model::Role::ALL.to_vec();
    person.told(Told::People(people));
    let (mut events, mut asked) = (0, None);
    while events < EVENTS / 4 {
        person.now += Duration::from_millis(u64::from(chance.below(400)));
        let happened: Vec<Event> = if !daemon.late.is_empty() && chance.one_in(2) {
            // Mostly in order.
            let told = if chance.one_in(4) { daemon.late.pop_back() } else { daemon.late.pop_front() };
            told.map(Event::Told).into_iter().collect()
        } else if chance.one_in(16) {
            vec![Event::Told(gossip(&mut chance))]
        } else if chance.one_in(400) {
            vec![Event::Told(Told::LoggedOut)]
        } else if chance.one_in(300) {
            person.now += Duration::from_secs(301);
            vec![Event::Tick]
        } else if chance.one_in(20) {
            vec![Event::Tick]
        } else {
            hand(&person, &mut chance)
        };
        for event in happened {
            // Fingers that are taken away before a touch are no events of their own.
            events += usize::from(!matches!(event, Event::Touch(Touch { phase: Phase::Lost, .. })));
            let told = if let Event::Told(told) = &event { Some(told.clone()) } else { None };
            let before = person.screen.state().page().patient().cloned();
            for wish in person.event(event) {
                if let Wish::Case(case) = wish {
                    asked = Some(case);
                }
                daemon.answer(wish, &mut chance);
            }
            check(&person, events);
            // What the daemon tells brings up no patient for whom nobody asked.
            let after = person.screen.state().page().patient();
            if let (Some(told), Some(after)) = (told, after)
                && before.as_ref() != Some(after)
            {
                let opened = matches!(told, Told::Opened(Opened::Draft(..)));
                assert!(opened || asked == Some(after.case), "event {events}: {} comes up by itself", after.case);
            }
        }
        while daemon.late.len() > 20 {
            daemon.late.pop_front();
        }
        seen.insert(kind(person.screen.state().page()));
    }
    seen
}

// verifies: REQ-PATIENT-05, REQ-ACCESS-03, REQ-RESULT-05, REQ-RESULT-09
#[test]
fn no_page_is_out_of_reach_and_no_patient_is_mistaken() {
    let mut seen = BTreeSet::new();
    let runs: Vec<_> = (0..4).map(|seed| std::thread::spawn(move || run(seed, seed % 2 == 1))).collect();
    for run in runs {
        seen.extend(run.join().expect("no panic"));
    }
    let all = [
        "Audit",
        "Choosing",
        "Draft",
        "Export",
        "Form",
        "Home",
        "Lock",
        "Microscope",
        "Processing",
        "ReadFirst",
        "Result",
        "Review",
        "SetPin",
        "Settings",
        "Speech",
        "Viewing",
    ];
    let missed: Vec<&str> = all.into_iter().filter(|page| !seen.contains(*page)).collect();
    assert!(missed.is_empty(), "never seen: {missed:?} (of {seen:?})");
}
