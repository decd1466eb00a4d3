//! Who sent a browser here: pages of other sites get nothing, whatever name they give this machine.

use axum::http::{
    HeaderMap, HeaderName, Method,
    header::{HOST, ORIGIN, UPGRADE},
};

/// What a browser says of where a request comes from (Fetch Metadata).
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request is one that the mirror's own page makes, or somebody who types the address.
///
/// `only_here` is for a mirror that asks nobody who they are: then the name in Host has to be this machine's own, as a page
/// could otherwise have its own name lead here (DNS rebinding).
pub(super) fn is_own(method: &Method, path: &str, headers: &HeaderMap, only_here: bool) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
    if only_here && !is_here(host) {
        return false;
    }
    let page = *method == Method::GET && path == "/";
    let site = headers.get(SITE).is_none_or(|site| site == "same-origin" || site == "none" || page);
    // Browsers say Origin with every WebSocket and every POST.
    let changes = *method != Method::GET || headers.contains_key(UPGRADE);
    let scheme = if only_here { "http://" } else { "https://" };
    let origin = match headers.get(ORIGIN) {
        None => !changes,
        Some(origin) => origin.to_str().is_ok_and(|origin| origin.strip_prefix(scheme) == Some(host)),
    };
    site && origin
}

/// Whether a Host, with or without a port, names this machine for itself.
fn is_here(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "[::1]"].contains(&name) || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for host in ["127.0.0.1:8733", "127.0.0.1", "localhost:9", "LocalHost", "[::1]:8733", "[::1]"] {
            assert!(is_here(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8733",
            "localhost:",
            "::1",
            "10.0.0.1:8733",
        ] {
            assert!(!is_here(host), "{host}");
        }
    }

    /// A request as `METHOD PATH`, its headers, and whether it is let in with a login and without.
    #[track_caller]
    fn check(request: &str, headers: &[(&'static str, &str)], open: bool, with_login: bool) {
        let (method, path) = request.split_once(' ').expect("two words");
        let method: Method = method.parse().expect("a method");
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        assert_eq!(
            [is_own(&method, path, &map, true), is_own(&method, path, &map, false)],
            [open, with_login],
            "{headers:?}"
        );
    }

    #[test]
    fn a_page_is_had_by_typing_its_address() {
        check("GET /", &[("host", "localhost:1")], true, true);
        check("GET /", &[("host", "box.example")], false, true);
        check("GET /", &[], false, false);
        check("GET /", &[("host", "localhost"), ("host", "evil.example")], false, false);
        check("GET /", &[("host", "localhost"), ("sec-fetch-site", "cross-site")], true, true);
        check("GET /frame.png", &[("host", "localhost"), ("sec-fetch-site", "cross-site")], false, false);
        check("GET /frame.png", &[("host", "localhost"), ("sec-fetch-site", "same-site")], false, false);
        check("GET /frame.png", &[("host", "localhost"), ("sec-fetch-site", "same-origin")], true, true);
    }

    #[test]
    fn other_sites_reach_nothing() {
        let socket = |origin| [("host", "localhost:1"), ("upgrade", "websocket"), ("origin", origin)];
        check("GET /glass", &socket("http://localhost:1"), true, false);
        check("GET /glass", &socket("https://localhost:1"), false, true);
        for origin in ["http://localhost:2", "http://localhost", "http://evil.example", "null", "localhost:1", ""] {
            check("GET /glass", &socket(origin), false, false);
        }
        check("GET /glass", &[("host", "localhost:1"), ("upgrade", "websocket")], false, false);
        check("POST /hand", &[("host", "localhost:1")], false, false);
        check("POST /hand", &[("host", "localhost:1"), ("origin", "http://localhost:1")], true, false);
        check("POST /login", &[("host", "box:1"), ("origin", "https://box:1")], false, true);
    }
}
