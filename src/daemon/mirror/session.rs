//! Who of the network logged in, and until when: a cookie of 256 random bits.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, header::COOKIE};
use hilum_store::random;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// The cookie's name: the prefix has a browser refuse it from anywhere but this address, and without TLS.
const NAME: &str = "__Host-hilum";
/// So many are logged in at once; who comes later takes the place of who has been silent longest.
const MOST: usize = 16;

/// Everybody who is logged in.
pub(super) struct Sessions {
    auto_lock: Duration,
    live: Mutex<HashMap<String, Arc<Session>>>,
}

/// One who is logged in.
pub(super) struct Session {
    until: watch::Sender<Instant>,
    auto_lock: Duration,
}

impl Sessions {
    /// They end after so long without a touch or a key.
    pub(super) fn new(auto_lock: Duration) -> Self {
        Self { auto_lock, live: Mutex::default() }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        // A map is whole whatever happened to who held it.
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|_, session| session.is_live());
        live
    }

    /// Begins one, and gives the cookie.
    ///
    /// # Errors
    /// If the kernel gives no random bytes.
    pub(super) fn begin(&self) -> io::Result<String> {
        let token: String = random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut live = self.live();
        while live.len() >= MOST {
            let silent = live.iter().min_by_key(|(_, session)| *session.until.borrow()).map(|(token, _)| token.clone());
            if let Some(session) = silent.and_then(|token| live.remove(&token)) {
                session.end();
            }
        }
        let until = watch::Sender::new(Instant::now() + self.auto_lock);
        live.insert(token.clone(), Arc::new(Session { until, auto_lock: self.auto_lock }));
        Ok(format!("{NAME}={token}; Path=/; HttpOnly; Secure; SameSite=Strict"))
    }

    /// Whose cookie it is.
    pub(super) fn of(&self, headers: &HeaderMap) -> Option<Arc<Session>> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let mut cookies =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        let (_, token) = cookies.find(|(name, _)| *name == NAME)?;
        self.live().get(token).cloned()
    }

    /// Ends all of them.
    pub(super) fn end_all(&self) {
        for (_, session) in self.live().drain() {
            session.end();
        }
    }
}

impl Session {
    fn is_live(&self) -> bool {
        Instant::now() < *self.until.borrow()
    }

    /// Somebody works with it.
    pub(super) fn touched(&self) {
        if self.is_live() {
            self.until.send_replace(Instant::now() + self.auto_lock);
        }
    }

    pub(super) fn end(&self) {
        self.until.send_replace(Instant::now());
    }

    /// Returns when it is over.
    pub(super) async fn over(&self) {
        let mut until = self.until.subscribe();
        loop {
            let end = *until.borrow_and_update();
            tokio::select! {
                () = sleep_until(end) => return,
                changed = until.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: Duration = Duration::from_secs(60);

    fn headers(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            COOKIE,
            format!("other=1; {}", cookie.split(';').next().expect("a cookie")).parse().expect("a value"),
        );
        headers
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_hands_keep_it() {
        let sessions = Sessions::new(LOCK);
        let cookie = sessions.begin().expect("random bytes");
        for part in ["; HttpOnly", "; Secure", "; SameSite=Strict", "; Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let headers = headers(&cookie);
        let session = sessions.of(&headers).expect("live");
        tokio::time::advance(LOCK * 3 / 4).await;
        session.touched();
        tokio::time::advance(LOCK * 3 / 4).await;
        assert!(sessions.of(&headers).is_some());
        tokio::time::timeout(LOCK / 2, session.over()).await.expect("over");
        assert!(sessions.of(&headers).is_none());
        session.touched();
        assert!(sessions.of(&headers).is_none(), "what is over stays over");
    }

    #[tokio::test(start_paused = true)]
    async fn all_end_at_once() {
        let sessions = Sessions::new(LOCK);
        let held: Vec<_> = [(); 2].map(|()| headers(&sessions.begin().expect("random bytes"))).into();
        let session = sessions.of(&held[0]).expect("live");
        sessions.end_all();
        tokio::time::timeout(Duration::ZERO, session.over()).await.expect("over at once");
        assert!(held.iter().all(|headers| sessions.of(headers).is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_only_so_many() {
        let sessions = Sessions::new(LOCK);
        let first = headers(&sessions.begin().expect("random bytes"));
        for _ in 0..MOST {
            tokio::time::advance(Duration::from_millis(1)).await;
            sessions.begin().expect("random bytes");
        }
        assert!(sessions.of(&first).is_none());
        assert_eq!(sessions.live().len(), MOST);
        assert!(sessions.of(&headers("__Host-hilum=")).is_none());
    }
}
