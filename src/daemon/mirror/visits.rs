//! Browsers without a WebSocket: each request says which page it is from, and a page that asks nothing for a while is gone.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    sync::{Mutex, Notify},
    time::{Instant, sleep},
};

use super::{
    Mirror, Shown,
    clients::Client,
    message::Said,
    pace::{Pace, Verdict},
    session::Session,
};

/// So many pages at once.
const MOST: usize = 16;
/// A page that asks nothing for so long is gone; it asks every second.
const SILENCE: Duration = Duration::from_secs(5);
/// How often silence is looked for, while there are pages.
const LOOK: Duration = Duration::from_secs(1);
/// So long is the number that a page gives itself: 128 bits in hexadecimal.
const NUMBER: usize = 32;
/// So much is said at once.
const MESSAGES: usize = 64;

/// Why a request is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It makes no sense.
    Nonsense,
    /// There are too many pages, or this one says too much.
    TooMuch,
    /// There is no screen.
    NoScreen,
}

/// The pages.
#[derive(Default)]
pub(super) struct Visits {
    pages: Mutex<HashMap<String, Page>>,
    came: Notify,
}

struct Page {
    client: Client,
    session: Option<Arc<Session>>,
    pace: Pace,
    last: Instant,
}

impl Visits {
    /// A request: the page's number, then a message a line. Answers with the state as that page sees it, and the
    /// serial of the newest frame.
    pub(super) async fn said(
        &self,
        mirror: &Mirror,
        session: Option<Arc<Session>>,
        shown: Option<&Shown>,
        text: &str,
    ) -> Result<Value, Refused> {
        let mut lines = text.lines();
        let number = lines.next().filter(|number| number.len() == NUMBER).ok_or(Refused::Nonsense)?;
        let said = lines.map(Said::of).collect::<Option<Vec<Said>>>().ok_or(Refused::Nonsense)?;
        if !number.bytes().all(|byte| byte.is_ascii_hexdigit()) || said.len() > MESSAGES {
            return Err(Refused::Nonsense);
        }
        let mut pages = self.pages.lock().await;
        if !pages.contains_key(number) {
            if pages.len() >= MOST {
                return Err(Refused::TooMuch);
            }
            let (client, pace) = (mirror.clients.join().await, Pace::new(std::time::Instant::now()));
            let page = Page { client, session: session.clone(), pace, last: Instant::now() };
            pages.insert(number.to_owned(), page);
            self.came.notify_one();
        }
        let page = pages.get_mut(number).ok_or(Refused::Nonsense)?;
        // A number is no login.
        if page.session.as_ref().map(Arc::as_ptr) != session.as_ref().map(Arc::as_ptr) {
            return Err(Refused::Nonsense);
        }
        page.last = Instant::now();
        for said in said {
            match page.pace.verdict(std::time::Instant::now()) {
                Verdict::Take => {}
                Verdict::Drop => continue,
                Verdict::Close => {
                    pages.remove(number);
                    return Err(Refused::TooMuch);
                }
            }
            if let Some(session) = &session {
                session.touched();
            }
            mirror.done(&page.client, said, shown).await.map_err(|_| Refused::NoScreen)?;
        }
        let mut state = mirror.state(&page.client, shown);
        // So that only a new picture is asked for.
        state["serial"] = shown.map(|shown| shown.serial).into();
        Ok(state)
    }

    /// Takes pages away that are gone, until it is dropped. Sleeps while there are none.
    pub(super) async fn swept(&self) {
        loop {
            let is_empty = {
                let mut pages = self.pages.lock().await;
                pages.retain(|_, page| page.last.elapsed() < SILENCE);
                pages.is_empty()
            };
            if is_empty {
                self.came.notified().await;
            }
            sleep(LOOK).await;
        }
    }
}
