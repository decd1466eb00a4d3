//! What the daemon does by the hour and by the day, unasked.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hilum_config::Store as Settings;
use hilum_device::Clock;
use hilum_store::{Actor, Rules};

use crate::{appliance::chain, receive, records::Records};

const HOUR: Duration = Duration::from_secs(3600);
/// The head of the log is said once in so many hours.
const DAY: u32 = 24;

/// So long a damaged database that was set aside is kept, for whoever wants to see what happened to it.
const ASIDE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Removes what the retention rules want removed, what was set aside and what was received long ago, and says the head of the log: at the start, then by the hour and the day.
pub(crate) async fn done(
    records: Records,
    clock: Arc<dyn Clock>,
    settings: Settings,
    received: Option<(PathBuf, Duration)>,
) {
    let mut hours = tokio::time::interval(HOUR);
    hours.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut hour = 0;
    loop {
        hours.tick().await;
        expire(&records, &clock, &settings).await;
        clear_aside(&records, &clock).await;
        if let Some((folder, keep)) = &received
            && clock.now().trusted
        {
            clear_received(folder.clone(), *keep).await;
        }
        if hour % DAY == 0 {
            say_head(&records).await;
        }
        hour = (hour + 1) % DAY;
    }
}

async fn expire(records: &Records, clock: &Arc<dyn Clock>, settings: &Settings) {
    let now = clock.now();
    let rules = rules(&now.claimed, settings);
    let asked = now.clone();
    let due = match records.with(move |store| store.due(&asked, &rules)).await {
        Ok(Ok(due)) => due,
        Ok(Err(fault)) => return tracing::error!(error = %chain(fault), "cannot tell which cases are over"),
        Err(_) => return,
    };
    for case in due {
        let now = now.clone();
        match records.with(move |store| store.expire(case, Actor::Device, &now)).await {
            Ok(Ok(())) => tracing::info!(%case, "removed, as the retention rules want it"),
            Ok(Err(fault)) => tracing::error!(%case, error = %chain(fault), "cannot remove a case"),
            Err(_) => return,
        }
    }
}

async fn clear_aside(records: &Records, clock: &Arc<dyn Clock>) {
    let now = clock.now();
    let Some(before) = before(&now.claimed, Some(ASIDE)) else { return };
    match records.with(move |store| store.clear_aside(&now, &before)).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(files)) => tracing::info!(files, "removed a database that was set aside"),
        Ok(Err(fault)) => tracing::error!(error = %chain(fault), "cannot remove a database that was set aside"),
    }
}

async fn clear_received(folder: PathBuf, keep: Duration) {
    match tokio::task::spawn_blocking(move || receive::clear(&folder, keep, SystemTime::now())).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(series)) => tracing::info!(series, "removed what was received long ago"),
        Ok(Err(error)) => tracing::error!(%error, "cannot remove what was received long ago"),
    }
}

async fn say_head(records: &Records) {
    match records.with(|store| store.head()).await {
        Ok(Ok(head)) => tracing::info!(%head, entries = head.entries, "the day's head"),
        Ok(Err(fault)) => tracing::error!(error = %chain(fault), "cannot read the head of the log"),
        Err(_) => {}
    }
}

/// The settings as moments before now.
fn rules(now: &str, settings: &Settings) -> Rules {
    Rules { drafts_before: before(now, settings.drafts), finished_before: before(now, settings.retention) }
}

/// The moment before which something must be over that is kept so long. A clock that says what is no moment has none.
fn before(now: &str, kept: Option<Duration>) -> Option<String> {
    let now = chrono::DateTime::parse_from_rfc3339(now).ok()?.to_utc();
    let before = now.checked_sub_signed(chrono::TimeDelta::from_std(kept?).ok()?)?;
    Some(before.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_moments_before_now() {
        let day = Duration::from_secs(86_400);
        let settings = Settings { watermark_bytes: 0, retention: Some(36_500 * day), drafts: Some(30 * day) };
        let found = rules("2026-03-01T00:00:00Z", &settings);
        assert_eq!(found.drafts_before.as_deref(), Some("2026-01-30T00:00:00Z"));
        assert_eq!(found.finished_before.as_deref(), Some("1926-03-26T00:00:00Z"));
        let none = Settings { retention: None, drafts: None, ..settings.clone() };
        assert_eq!(rules("2026-03-01T00:00:00Z", &none), Rules::default());
        assert_eq!(rules("no moment", &settings), Rules::default());
    }
}
