//! Metrics for Prometheus, on this machine's loopback alone. Numbers and states, nothing of a case or a person.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router, extract::State, http::StatusCode, http::header::CONTENT_TYPE, response::IntoResponse, routing::get,
};
use hilum_store::Actor;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{mirror::Counts, office::Office, protocol::Request};

/// OpenMetrics 1.0, which Prometheus reads.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers scrapes until it is dropped.
pub(crate) async fn serve(address: SocketAddr, office: Office, mirror: Arc<Counts>) {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            // Cases matter more than their count.
            tracing::error!(%address, %error, "no metrics");
            return;
        }
    };
    tracing::info!(%address, "metrics");
    let router = Router::new().route("/metrics", get(scraped)).with_state((office, mirror));
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "no more metrics");
    }
}

async fn scraped(State((office, mirror)): State<(Office, Arc<Counts>)>) -> impl IntoResponse {
    match office.done(Request::Status, Actor::Device).await {
        Ok(status) => (StatusCode::OK, [(CONTENT_TYPE, FORMAT)], text(&status, &mirror)),
        Err(denied) => (StatusCode::SERVICE_UNAVAILABLE, [(CONTENT_TYPE, "text/plain")], denied.why),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    code: String,
}

type Whole = Gauge<i64>;
type Real = Gauge<f64, AtomicU64>;

/// A status, and what the mirror counted, as metrics.
fn text(status: &Value, mirror: &Counts) -> String {
    let mut registry = Registry::with_prefix("hilum");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let networks = &status["networks"];
    registry.register(
        "build",
        "What runs",
        Info::new([
            ("version", word(&status["version"])),
            ("board", word(&status["board"])),
            ("bundle", word(&networks["bundle"])),
            ("engine", word(&networks["engine"])),
        ]),
    );
    let cases: Family<Of, Whole> = Family::default();
    for (state, count) in status["store"]["cases"].as_object().into_iter().flatten() {
        cases.get_or_create(&Of { state: state.clone() }).set(count.as_i64().unwrap_or(0));
    }
    registry.register("cases", "Cases by state", cases);
    let refused: Family<Why, Whole> = Family::default();
    for (code, count) in status["exports"]["refused"].as_object().into_iter().flatten() {
        refused.get_or_create(&Why { code: code.clone() }).set(count.as_i64().unwrap_or(0));
    }
    registry.register("exports_refused", "Exports on the share that cannot be read or must not be scored", refused);
    for (name, key, help) in [
        ("exports_unread", "unread", "Exports on the share that nobody has read yet"),
        ("exports_waiting", "waiting", "Exports on the share that went to no case"),
        ("exports_late", "late", "Exports with slices that came after their case was handed over"),
    ] {
        let gauge: Whole = Gauge::default();
        gauge.set(status["exports"][key].as_i64().unwrap_or(0));
        registry.register(name, help, gauge);
    }
    let looking: Whole = Gauge::default();
    looking.set(mirror.clients.load(Ordering::Relaxed).cast_signed());
    registry.register("mirror_clients", "Browsers that show the panel", looking);
    let mut flag = |name: &str, help: &str, set: bool| {
        let gauge: Whole = Gauge::default();
        gauge.set(i64::from(set));
        registry.register(name, help, gauge);
    };
    flag("networks_ready", "Whether cases can be assessed", networks["state"] == "ready");
    flag("assessing", "Whether a case is being assessed", !status["running"].is_null());
    flag("store_locked", "Whether the records wait for a PIN", status["store"]["locked"] == true);
    flag("store_full", "Whether nothing new is taken in for want of room", !status["store"]["full"].is_null());
    flag("store_fault", "Whether the store does not answer", !status["store"]["fault"].is_null());
    flag("copy_behind", "Whether the second copy of the database is behind", status["store"]["copy-is-behind"] == true);
    flag("camera_there", "Whether the camera gives frames", status["camera"] == true);
    flag("share_there", "Whether the share can be read", status["share"] == true);
    flag("clock_trusted", "Whether the wall clock is believed", status["clock"]["trusted"] == true);
    flag(
        "control_good",
        "Whether the last control case was good and is not too old",
        status["control-limit"].is_null(),
    );
    let mut figure = |name: &str, help: &str, value: Option<f64>| {
        // What is not known is not there.
        if let Some(value) = value {
            let gauge: Real = Gauge::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        }
    };
    figure("temperature_celsius", "The hottest thermal zone", status["celsius"].as_f64());
    figure("up_seconds", "Since the daemon started", status["up-s"].as_f64());
    figure("last_case_seconds", "How long the last assessment took", status["last-case-s"].as_f64());
    figure(
        "control_drift",
        "Largest difference of a probability of the last control case",
        status["control"]["drift"].as_f64(),
    );
    let field = |file: &str, key: &str, unit: f64| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? * unit)
    };
    figure("resident_bytes", "Memory of the daemon", field("/proc/self/status", "VmRSS:", 1024.0));
    let mut count = |name: &str, help: &str, value: u64| {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    };
    count("attempts_ended", "Attempts at cases that ended", status["attempts-ended"].as_u64().unwrap_or(0));
    count(
        "parts_restarted",
        "Parts of the daemon that died and were started again",
        status["parts-restarted"].as_u64().unwrap_or(0),
    );
    for (name, help, counted) in [
        ("mirror_frames_sent", "Frames of the panel, or changes to one, sent to browsers", &mirror.frames),
        ("mirror_bytes_sent", "Bytes of them", &mirror.bytes),
        ("mirror_clients_dropped", "Browsers that were too slow or too fast, or made no sense", &mirror.dropped),
    ] {
        count(name, help, counted.load(Ordering::Relaxed));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of bytes")]
    let written = field("/proc/self/io", "write_bytes:", 1.0).unwrap_or(0.0) as u64;
    count("written_bytes", "Bytes sent to the disk", written);
    let mut encoded = String::new();
    // Into a string: it cannot fail, and if it did, an empty scrape says so.
    match encode(&mut encoded, &registry) {
        Ok(()) => encoded,
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_numbers() {
        let status = json!({
            "board": "sim", "networks": {"state": "ready", "bundle": "b 1", "engine": "tract"}, "running": null,
            "store": {"cases": {"queued": 2, "draft": 0}, "locked": false, "full": null}, "attempts-ended": 7,
            "exports": {"waiting": 3, "refused": {"missing-slice": 2}}, "clock": {"trusted": false}, "celsius": 61.5, "control-limit": "control-overdue",
        });
        let mirror = Counts { clients: 2.into(), frames: 5.into(), ..Counts::default() };
        let text = text(&status, &mirror);
        for line in [
            "hilum_cases{state=\"queued\"} 2",
            "hilum_networks_ready 1",
            "hilum_assessing 0",
            "hilum_clock_trusted 0",
            "hilum_control_good 0",
            "hilum_temperature_celsius 61.5",
            "hilum_attempts_ended_total 7",
            "hilum_exports_waiting 3",
            "hilum_mirror_clients 2",
            "hilum_mirror_frames_sent_total 5",
            "hilum_mirror_clients_dropped_total 0",
            "hilum_exports_refused{code=\"missing-slice\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("last_case"), "what is not known is not there");
        assert!(text.ends_with("# EOF\n"));
    }
}
