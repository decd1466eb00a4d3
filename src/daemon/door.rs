//! Who asks, and whether they may: PINs, the wait after wrong ones, the lock after silence.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use hilum_config::Access;
use hilum_device::Clock;
use hilum_store::{Actor, DataKey, Pin, Role, StoreFault, Stretching, Tried, random};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, watch};
use zeroize::Zeroizing;

use crate::{
    event::Event,
    protocol::{Denied, No, Request},
    records::{Closed, Records},
};

/// The longest wait after wrong PINs.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The door of the office.
pub(crate) struct Door {
    records: Records,
    clock: Arc<dyn Clock>,
    events: mpsc::Sender<Event>,
    access: Access,
    /// The PIN is what opens the records.
    wraps: bool,
    began: Instant,
    /// When each role's PIN was wrong last, as far as this process knows. Held while a PIN is tried: one at a time.
    wrong: Mutex<BTreeMap<Role, Instant>>,
    /// Marked when a PIN was set.
    people: watch::Sender<()>,
}

/// One connection's person.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Session {
    /// Who logged in, and when they last asked.
    role: Option<(Role, Instant)>,
}

/// Who a session is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody has a PIN: whoever comes may do everything.
    Open,
    /// Somebody is logged in.
    Role(Role),
    /// Somebody would have to be.
    Nobody,
}

fn denied(why: impl Into<String>) -> Denied {
    Denied::new(64, why)
}

fn stalled(error: std::io::Error) -> Denied {
    Denied::new(75, error.to_string())
}

impl Door {
    pub(crate) fn new(
        records: Records,
        clock: Arc<dyn Clock>,
        events: mpsc::Sender<Event>,
        access: Access,
        wraps: bool,
    ) -> Self {
        let (began, wrong, people) = (Instant::now(), Mutex::new(BTreeMap::new()), watch::Sender::new(()));
        Self { records, clock, events, access, wraps, began, wrong, people }
    }

    /// Who is taken to ask this, if they may.
    pub(crate) async fn actor(&self, session: &mut Session, request: &Request) -> Result<Actor, Denied> {
        let Some(allowed) = request.allowed() else {
            return Ok(self.role(session).map_or(Actor::Device, Actor::from));
        };
        let (people, locked) =
            self.records.with(|store| Ok::<_, StoreFault>((store.people()?, store.is_locked()))).await??;
        if people.is_empty() {
            if locked && !matches!(request, Request::SetPin { .. }) {
                return Err(Denied::new(75, "the records have no key yet: set the administrator's PIN first"));
            }
            // Nobody has a PIN: whoever reaches the socket is whoever they have to be.
            return Ok(allowed.first().copied().map_or(Actor::Device, Actor::from));
        }
        let Some(role) = self.role(session) else {
            session.role = None;
            return Err(Denied::of(No::Login, "say who you are: log in with the PIN of your role"));
        };
        session.role = Some((role, Instant::now()));
        if !allowed.contains(&role) {
            return Err(Denied::of(No::Role, format!("the {} may not do this", role.name())));
        }
        Ok(role.into())
    }

    /// Who is logged in and did not keep silent for too long.
    fn role(&self, session: &Session) -> Option<Role> {
        session.role.filter(|(_, last)| last.elapsed() < self.access.auto_lock).map(|(role, _)| role)
    }

    /// Who a session is taken for. Asking this is no sign of life.
    pub(crate) async fn standing(&self, session: &Session) -> Result<Standing, Denied> {
        if self.records.with(|store| store.people()).await??.is_empty() {
            return Ok(Standing::Open);
        }
        Ok(self.role(session).map_or(Standing::Nobody, Standing::Role))
    }

    /// Somebody is there, without asking for anything.
    pub(crate) fn touched(&self, session: &mut Session) {
        session.role = self.role(session).map(|role| (role, Instant::now()));
    }

    /// When a session ends if its person keeps silent.
    pub(crate) fn ends(&self, session: &Session) -> Option<Instant> {
        session.role.map(|(_, last)| last + self.access.auto_lock)
    }

    /// Tries a PIN.
    pub(crate) async fn login(&self, session: &mut Session, role: Role, pin: String) -> Result<Value, Denied> {
        let pin = Pin::typed(&Zeroizing::new(pin));
        session.role = None;
        let mut wrong = self.wrong.lock().await;
        let (stretching, failures) = self.records.with(move |store| store.stretching(role)).await??;
        let wait = self.wait(failures);
        let since = wrong.get(&role).copied().unwrap_or(self.began).elapsed();
        if since < wait {
            let left = (wait - since).as_secs() + 1;
            return Err(Denied::of(No::PinWait(left), format!("too many wrong PINs: wait {left} s")));
        }
        let stretched = tokio::task::spawn_blocking(move || stretching.stretch(&pin)).await;
        let stretched = stretched.map_err(|_| Denied::from(Closed))??;
        let now = self.clock.now();
        let (tried, was_locked) = self
            .records
            .with(move |store| {
                let locked = store.is_locked();
                store.try_pin(role, &stretched, &now).map(|tried| (tried, locked))
            })
            .await??;
        match tried {
            Tried::Wrong(failures) => {
                wrong.insert(role, Instant::now());
                let left = self.access.wrong_pins.saturating_sub(failures);
                let what = match left {
                    0 => format!("wait {} s", self.wait(failures).as_secs()),
                    left => format!("{left} more until a wait begins"),
                };
                Err(Denied::of(No::PinWrong, format!("the PIN is wrong; {what}")))
            }
            Tried::Right => {
                session.role = Some((role, Instant::now()));
                if was_locked {
                    self.events.send(Event::Unlocked).await.map_err(|_| Denied::from(Closed))?;
                }
                Ok(json!({"role": role.name()}))
            }
        }
    }

    /// The wait after so many wrong PINs: none at first, then each twice as long.
    fn wait(&self, failures: u32) -> Duration {
        match failures.checked_sub(self.access.wrong_pins) {
            None => Duration::ZERO,
            Some(more) => self.access.wait.saturating_mul(2_u32.saturating_pow(more)).min(LONGEST),
        }
    }

    /// Sets a PIN. The first is the administrator's.
    pub(crate) async fn set_pin(&self, role: Role, pin: String, by: Actor) -> Result<Value, Denied> {
        let pin = Pin::new(&Zeroizing::new(pin)).map_err(|fault| denied(fault.to_string()))?;
        let people = self.records.with(|store| store.people()).await??;
        if people.is_empty() && role != Role::Administrator {
            return Err(denied("the first PIN is the administrator's"));
        }
        let stretching = Stretching::new(*random().map_err(stalled)?);
        let stretched = tokio::task::spawn_blocking(move || stretching.stretch(&pin)).await;
        let stretched = stretched.map_err(|_| Denied::from(Closed))??;
        let now = self.clock.now();
        let wraps = self.wraps;
        let fresh = random::<32>().map_err(stalled)?;
        let unlocked = self
            .records
            .with(move |store| -> Result<bool, StoreFault> {
                if store.is_locked() {
                    return store.first_pin(role, stretching, &stretched, DataKey::new(&fresh), &now).map(|()| true);
                }
                store.set_pin(role, stretching, &stretched, wraps, by, &now).map(|()| false)
            })
            .await??;
        if unlocked {
            self.events.send(Event::Unlocked).await.map_err(|_| Denied::from(Closed))?;
        }
        self.people.send_replace(());
        Ok(json!({"role": role.name()}))
    }

    /// Marked whenever a PIN was set: who has one may be another list.
    pub(crate) fn people(&self) -> watch::Receiver<()> {
        self.people.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use hilum_device::{ClockTrust, linux::SystemClock};

    use super::*;
    use crate::records::Place;

    /// A door whose administrator has just logged in; the board locks after `auto_lock`.
    fn door(folder: &std::path::Path, auto_lock: Duration) -> (tokio::runtime::Runtime, Door, Session) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(ClockTrust::Never));
        let place = Place { folder: folder.to_owned(), key: Some(DataKey::new(&[7; 32])), watermark: 0 };
        let (records, _, _) = Records::open(place, &clock).expect("opens");
        let (events, _) = mpsc::channel(1);
        let access = Access { auto_lock, wrong_pins: 3, wait: Duration::from_secs(10) };
        let door = Door::new(records, clock, events, access, false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut session = Session::default();
        runtime.block_on(async {
            door.set_pin(Role::Administrator, "194603".into(), Actor::Administrator).await.expect("set");
            door.login(&mut session, Role::Administrator, "194603".into()).await.expect("right");
        });
        (runtime, door, session)
    }

    // verifies: REQ-ACCESS-03
    #[test]
    fn silence_locks_and_asking_keeps_open() {
        for (auto_lock, open) in [(Duration::from_secs(3600), true), (Duration::ZERO, false)] {
            let folder = tempfile::tempdir().expect("a folder");
            let (runtime, door, mut session) = door(folder.path(), auto_lock);
            for _ in 0..2 {
                let asked = runtime.block_on(door.actor(&mut session, &Request::List));
                assert_eq!(asked.is_ok(), open);
            }
        }
    }

    // verifies: REQ-ACCESS-02
    #[test]
    fn waits_double() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_runtime, door, _) = door(folder.path(), Duration::from_secs(60));
        let waits = [0, 2, 3, 4, 5, 40].map(|failures| door.wait(failures).as_secs());
        assert_eq!(waits, [0, 0, 10, 20, 40, 24 * 3600]);
    }
}
