//! Every key of a board, with its range and its default: the one place where they are said.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use hilum_domain::{Form, MicronsPerPixel};

use crate::{
    board::{
        Access, Attached, Backlight, Board, Bundle, Buttons, Buzzer, Camera, CameraSource, Case, ClockTrust, Control,
        Controls, Daemon, Delegate, Deliver, Engine, EngineName, Explanation, GpioLine, HttpCamera, KeySource, Mirror,
        Panel, Paths, Pedal, PublicKey, Pull, RawFormat, Receive, Rotation, Sha256, Share, Signals, Store, Thermal,
        Tls, Wiring, Worker,
    },
    problem::Findings,
    section::{Section, absolute},
    tree::Table,
};

/// The board that a tree says, or `None`: then something was reported. Something may be in any case.
pub(crate) fn board(tree: Table, findings: &mut Findings) -> Option<Board> {
    Section::top(tree, findings).finish(|top| {
        let name = top.text("name", board_name);
        let name = top.required("name", name);
        let compatible = top.text("compatible", machine_name);
        let paths = top.section("paths", paths);
        let bundle = top.section("bundle", bundle);
        let engine = top.section("engine", engine);
        let key = top.section("key", key);
        let access = top.section("access", access);
        let camera = top.optional_section("camera", camera);
        let share = top.optional_section("share", share);
        let receive = top.optional_section("receive", receive);
        let deliver = top.optional_section("deliver", deliver);
        let store = top.section("store", store);
        let worker = top.section("worker", worker);
        let case = top.section("case", case);
        let control = top.section("control", control);
        let thermal = top.section("thermal", thermal);
        let clock = top.section("clock", clock);
        let daemon = top.section("daemon", daemon);
        let signals = top.optional_section("signals", signals);
        let mirror = top.optional_section("mirror", mirror);
        let panel = top.section("panel", panel);
        Some(Board {
            name: name?,
            compatible: compatible?,
            paths: paths?,
            bundle: bundle?,
            engine: engine?,
            key: key?,
            access: access?,
            camera: camera?,
            share: share?,
            receive: receive?,
            deliver: deliver?,
            store: store?,
            worker: worker?,
            case: case?,
            control: control?,
            thermal: thermal?,
            clock: clock?,
            daemon: daemon?,
            signals: signals?,
            mirror: mirror?,
            panel: panel?,
        })
    })
}

/// It must fit a line of the panel.
fn board_name(written: &str) -> Result<String, String> {
    if written.trim().is_empty() || written.chars().count() > 64 || written.contains(char::is_control) {
        return Err("is not a name of 1 to 64 characters".to_owned());
    }
    Ok(written.to_owned())
}

/// As the device tree writes it: maker, comma, model.
fn machine_name(written: &str) -> Result<String, String> {
    let is_name = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    match written.split_once(',') {
        Some((maker, model)) if is_name(maker) && is_name(model) => Ok(written.to_owned()),
        _ => Err("is not a machine such as raspberrypi,5-model-b".to_owned()),
    }
}

fn paths(section: &mut Section) -> Option<Paths> {
    let data = section.absolute("data");
    let runtime = section.absolute("runtime");
    let exports = section.absolute("exports");
    let trouble = section.absolute("trouble");
    let (update, restart) = (section.absolute("update"), section.absolute("restart"));
    Some(Paths {
        data: data?,
        runtime: runtime?,
        exports: exports?,
        trouble: trouble?,
        update: update?,
        restart: restart?,
    })
}

fn bundle(section: &mut Section) -> Option<Bundle> {
    let folder = section.absolute("folder");
    let keys = section.list("keys", |written, _| {
        PublicKey::new(written).ok_or_else(|| "is not a minisign public key (56 characters of base64)".to_owned())
    });
    let development_key = section.switch("development-key", false);
    Some(Bundle { folder: folder?, keys: keys?.unwrap_or_default(), development_key: development_key? })
}

fn engine(section: &mut Section) -> Option<Engine> {
    let names = [
        ("auto", None),
        ("tract", Some(EngineName::Tract)),
        ("tflite", Some(EngineName::Tflite)),
        ("tflite-delegate", Some(EngineName::TfliteDelegate)),
        ("litert-gpu", Some(EngineName::LitertGpu)),
        ("tflitec", Some(EngineName::Tflitec)),
    ];
    let name = section.word("name", &names, None);
    let threads = section.count("threads", 64, 0);
    let library = section.absolute("library");
    let sha256 = section.text("sha256", sha256);
    let delegate = section.absolute("delegate");
    let delegate_sha256 = section.text("delegate-sha256", self::sha256);
    let options = section.list("delegate-options", |written, _| delegate_option(written));
    let (name, library, sha256, delegate) = (name?, library?, sha256?, delegate?);
    let (delegate_sha256, options) = (delegate_sha256?, options?);
    if let (Some(EngineName::Tract | EngineName::Tflitec), Some(_)) = (name, &library) {
        return section.contradiction("library", "library has no meaning with an engine that is built in".to_owned());
    }
    if sha256.is_some() && library.is_none() {
        return section.contradiction("sha256", "sha256 has no meaning without library".to_owned());
    }
    let delegate = match (name, delegate, delegate_sha256) {
        (Some(EngineName::TfliteDelegate), Some(library), Some(sha256)) => {
            Some(Delegate { library, sha256, options: options.unwrap_or_default() })
        }
        (Some(EngineName::TfliteDelegate), ..) => {
            let what = "name = \"tflite-delegate\" needs delegate and delegate-sha256";
            return section.contradiction("name", what.to_owned());
        }
        (_, None, None) if options.is_none() => None,
        _ => {
            let key =
                ["delegate", "delegate-sha256", "delegate-options"].into_iter().find(|key| section.at(key).is_some());
            let key = key.unwrap_or("delegate");
            return section.contradiction(key, format!("{key} has no meaning unless name = \"tflite-delegate\""));
        }
    };
    Some(Engine { name, threads: threads?, library, sha256, delegate })
}

fn sha256(written: &str) -> Result<Sha256, String> {
    Sha256::new(written).ok_or_else(|| "is not a SHA-256 (64 hexadecimal digits)".to_owned())
}

/// `key=value`
fn delegate_option(written: &str) -> Result<(String, String), String> {
    match written.split_once('=') {
        Some((key, value)) if !key.is_empty() && !written.contains('\0') => Ok((key.to_owned(), value.to_owned())),
        _ => Err("is not an option written as key=value".to_owned()),
    }
}

fn key(section: &mut Section) -> Option<KeySource> {
    #[derive(Clone, Copy)]
    enum Source {
        Credential,
        Pin,
        File,
    }
    let sources = [("credential", Source::Credential), ("pin", Source::Pin), ("file", Source::File)];
    let source = section.word("source", &sources, Source::Credential);
    let name = section.text("credential", credential_name);
    let path = section.absolute("file");
    let (source, name, path) = (source?, name?, path?);
    if !matches!(source, Source::File) && path.is_some() {
        return section.contradiction("file", "file has no meaning unless source = \"file\"".to_owned());
    }
    Some(match source {
        Source::Credential => KeySource::Credential { name: name.unwrap_or_else(|| "hilum-data-key".to_owned()) },
        Source::Pin => KeySource::Pin,
        Source::File => KeySource::File { path },
    })
}

/// A credential is a file in a folder of the service manager.
fn credential_name(written: &str) -> Result<String, String> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if written.is_empty() || written.len() > 255 || !written.bytes().all(is_known) {
        return Err("is not a name of letters, digits, - _ and .".to_owned());
    }
    if [".", ".."].contains(&written) {
        return Err("is not the name of a file".to_owned());
    }
    Ok(written.to_owned())
}

fn access(section: &mut Section) -> Option<Access> {
    let auto_lock = section.seconds("auto-lock-s", 30.0..=3600.0, 300.0);
    let wrong_pins = section.whole("wrong-pins", 3..=20, "", 5);
    let wait = section.seconds("wait-s", 10.0..=3600.0, 60.0);
    Some(Access { auto_lock: auto_lock?, wrong_pins: u32::try_from(wrong_pins?).ok()?, wait: wait? })
}

fn camera(section: &mut Section) -> Option<Camera> {
    let source = section.text("uri", camera_source);
    let source = section.required("uri", source);
    let scale = section.number_if_any("um-per-px", MicronsPerPixel::PLAUSIBLE, "µm");
    let objective = section.text("objective", objective_name);
    let size = section.wholes("size", 64..=8192, "pixels");
    let rate_hz = section.number("rate-hz", 0.1..=60.0, "Hz", 30.0);
    let raws = [("rgb", Some(RawFormat::Rgb)), ("bgr", Some(RawFormat::Bgr)), ("yuyv", Some(RawFormat::Yuyv))];
    let raw = section.word("raw", &raws, None);
    // From a ten-thousandth of a second to half a second: what is longer is no live picture.
    let exposure_ms = section.number_if_any("exposure-ms", 0.1..=500.0, "milliseconds");
    let white_balance_k = section.whole_if_any("white-balance-k", 1_000..=20_000, "K");
    let gain = section.whole_if_any("gain", 0..=65_535, "");
    let pedal = section.optional_below("pedal", "camera.pedal", pedal);
    let (source, scale, objective, size, raw) = (source?, scale?, objective?, size?, raw?);
    let controls = Controls {
        exposure_ms: exposure_ms?,
        white_balance_k: white_balance_k?.and_then(|kelvin| u32::try_from(kelvin).ok()),
        gain: gain?.and_then(|gain| u32::try_from(gain).ok()),
    };
    let size =
        size.map(|[width, height]: [u64; 2]| [width, height].map(|edge| u32::try_from(edge).unwrap_or(u32::MAX)));
    let is_exec = matches!(source, CameraSource::Exec(_));
    if raw.is_some() && !is_exec {
        return section.contradiction("raw", "raw has no meaning unless uri = \"exec:…\"".to_owned());
    }
    if raw.is_some() && size.is_none() {
        return section.contradiction("raw", "raw needs size".to_owned());
    }
    if raw == Some(RawFormat::Yuyv) && size.is_some_and(|[width, _]| width % 2 == 1) {
        return section
            .contradiction("size", "a picture of the kind yuyv is not an odd number of pixels wide".to_owned());
    }
    let moving = matches!(source, CameraSource::V4l2(_)) || raw.is_some();
    let drawn = matches!(source, CameraSource::Phantom(_));
    if size.is_some() && !moving && !drawn {
        return section.contradiction(
            "size",
            "size has no meaning unless uri = \"v4l2:…\" or \"phantom:…\", or with raw".to_owned(),
        );
    }
    let set = [
        ("exposure-ms", controls.exposure_ms.is_some()),
        ("white-balance-k", controls.white_balance_k.is_some()),
        ("gain", controls.gain.is_some()),
    ];
    let is_v4l2 = matches!(source, CameraSource::V4l2(_));
    if let Some((key, _)) = set.into_iter().find(|(_, is_set)| *is_set && !is_v4l2) {
        return section.contradiction(key, format!("{key} has no meaning unless uri = \"v4l2:…\""));
    }
    if scale.is_some() && objective.is_some() {
        let what = "um-per-px and objective exclude each other: an objective has the scale that was calibrated for it";
        return section.contradiction("um-per-px", what.to_owned());
    }
    let scale = scale.and_then(MicronsPerPixel::plausible);
    Some(Camera { source, scale, objective, size, rate_hz: rate_hz?, raw, controls, pedal: pedal? })
}

/// It must fit a button of the panel.
fn objective_name(written: &str) -> Result<String, String> {
    if !Camera::is_objective(written) {
        return Err("is not a name of 1 to 16 letters, digits, spaces, and . - / + ×".to_owned());
    }
    Ok(written.to_owned())
}

fn camera_source(uri: &str) -> Result<CameraSource, String> {
    const OURS: &str = "v4l2:/dev/video0, http://host/path, exec:command, dir:/absolute/folder or phantom:";
    let file = |path: &str, what: &str| absolute(path).map_err(|_| format!("is not {what}"));
    match uri.split_once(':') {
        Some(("phantom", "")) => Ok(CameraSource::Phantom(None)),
        Some(("phantom", slide)) => {
            file(slide, "phantom: or phantom:/absolute/picture").map(|slide| CameraSource::Phantom(Some(slide)))
        }
        Some(("dir", folder)) => file(folder, "dir:/absolute/folder").map(CameraSource::Folder),
        Some(("v4l2", node)) => file(node, "v4l2:/dev/video0").map(CameraSource::V4l2),
        Some(("http", rest)) => http_camera(rest).map(CameraSource::Http),
        Some(("exec", command)) if command.trim().is_empty() || command.contains('\0') => {
            Err("is not exec: and a command".to_owned())
        }
        Some(("exec", command)) => Ok(CameraSource::Exec(command.trim().to_owned())),
        Some(("https", _)) => {
            Err("is a camera behind TLS, which is not in this version: exec: with curl reads one".to_owned())
        }
        Some((kind @ ("libcamera" | "argus" | "gst" | "rtsp"), _)) => {
            Err(format!("is a camera of the kind {kind}:, which is reached by exec: and a command"))
        }
        _ => Err(format!("is not {OURS}")),
    }
}

/// What stands after `http:`.
fn http_camera(rest: &str) -> Result<HttpCamera, String> {
    let wrong = || "is not http://host[:port]/path".to_owned();
    let rest = rest.strip_prefix("//").ok_or_else(wrong)?;
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a character that no address has; write it as %XX".to_owned());
    }
    let (authority, target) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let target = target.split('#').next().unwrap_or(target);
    let (login, place) = match authority.rsplit_once('@') {
        Some((login, place)) => (Some(login.split_once(':').unwrap_or((login, ""))), place),
        None => (None, authority),
    };
    let (host, port) = match place.strip_prefix('[').and_then(|six| six.split_once(']')) {
        Some((six, port)) if six.parse::<std::net::Ipv6Addr>().is_ok() => (six, port.strip_prefix(':').unwrap_or(port)),
        Some(_) => return Err(wrong()),
        None => place.split_once(':').unwrap_or((place, "")),
    };
    let port = if port.is_empty() { Some(80) } else { port.parse().ok().filter(|port| *port > 0) };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || !host.bytes().all(named) {
        return Err(wrong());
    }
    let login = login.map(|(name, password)| (name.to_owned(), password.to_owned()));
    Ok(HttpCamera { host: host.to_owned(), port: port.ok_or_else(wrong)?, target: target.to_owned(), login })
}

fn pedal(section: &mut Section) -> Option<Pedal> {
    let line = section.text("line", gpio_line);
    let line = section.required("line", line);
    let wiring = wiring(section);
    Some(Pedal { line: line?, wiring: wiring? })
}

fn wiring(section: &mut Section) -> Option<Wiring> {
    let active_low = section.switch("active-low", true);
    let pull = section.word("pull", &[("up", Pull::Up), ("down", Pull::Down), ("none", Pull::None)], Pull::Up);
    let debounce = section.whole("debounce-ms", 1..=200, "milliseconds", 10).map(Duration::from_millis);
    Some(Wiring { active_low: active_low?, pull: pull?, debounce: debounce? })
}

fn share(section: &mut Section) -> Option<Share> {
    let folder = section.absolute("folder");
    let folder: Option<PathBuf> = section.required("folder", folder);
    let poll = section.seconds("poll-s", 0.5..=60.0, 2.0);
    let quiet = section.seconds("quiet-s", 0.0..=600.0, 5.0);
    Some(Share { folder: folder?, poll: poll?, quiet: quiet? })
}

fn receive(section: &mut Section) -> Option<Receive> {
    let listen = section.text("listen", |written| address(written, "127.0.0.1:11112"));
    let listen = section.required("listen", listen);
    let title = section.text("ae-title", ae_title);
    let title = section.required("ae-title", title);
    let allow = section.list("allow", |written, _| ae_title(written));
    let folder = section.absolute("folder");
    let quiet = section.seconds("quiet-s", 0.0..=600.0, 5.0);
    let keep = section.days("keep-days", 365, 14);
    let authorities = section.absolute("authorities");
    let tls = tls(section);
    let (listen, allow) = (listen?, allow?.unwrap_or_default());
    let (tls, authorities) = (tls?, authorities?);
    if authorities.is_some() && tls.is_none() {
        let message = "authorities has no meaning without certificate and key".to_owned();
        return section.contradiction("authorities", message);
    }
    if allow.is_empty() && !listen.ip().is_loopback() {
        let message =
            format!("listen = \"{listen}\" is not this machine alone, which needs allow: the AE titles that may send");
        return section.contradiction("listen", message);
    }
    Some(Receive { listen, ae_title: title?, allow, folder: folder?, quiet: quiet?, keep: keep?, tls, authorities })
}

/// An archive, as AE title, and host with port.
///
/// # Errors
/// What is wrong with it.
pub fn archive(written: &str) -> Result<(String, String), String> {
    let has_port = |address: &str| {
        let host_and_port = address.rsplit_once(':');
        host_and_port.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0))
    };
    match written.rsplit_once('@') {
        Some((title, address)) if has_port(address) => Ok((ae_title(title)?, address.to_owned())),
        _ => Err("is not an archive, such as PACS@192.0.2.9:104".to_owned()),
    }
}

fn deliver(section: &mut Section) -> Option<Deliver> {
    let archive = section.text("archive", archive);
    let title = section.text("ae-title", ae_title);
    let folder = section.absolute("folder");
    let forms = section.list("forms", |written, before| {
        let form = written.parse().map_err(|_| format!("is none of {}", Form::ALL.map(Form::name).join(", ")))?;
        if before.contains(&form) { Err("is there twice".to_owned()) } else { Ok(form) }
    });
    let authorities = section.absolute("authorities");
    let tls = tls(section);
    let (archive, title, folder) = (archive?, title?, folder?);
    let (forms, tls, authorities) = (forms?, tls?, authorities?);
    if authorities.is_some() && archive.is_none() {
        return section.contradiction("authorities", "authorities has no meaning without archive".to_owned());
    }
    if tls.is_some() && authorities.is_none() {
        return section.contradiction("certificate", "certificate has no meaning without authorities".to_owned());
    }
    if forms.is_some() && folder.is_none() {
        return section.contradiction("forms", "forms has no meaning without folder".to_owned());
    }
    if archive.is_none() && folder.is_none() {
        return section.contradiction("archive", "nothing says where results go: archive or folder".to_owned());
    }
    let ae_title = title.unwrap_or_else(|| "HILUM".to_owned());
    let forms = forms.unwrap_or_else(|| vec![Form::Dicom]);
    Some(Deliver { archive, ae_title, folder, forms, authorities, tls })
}

/// PS3.5 6.2: at most 16 characters, no backslash, no control characters, spaces around them without meaning.
///
/// # Errors
/// What is wrong with it.
pub fn ae_title(written: &str) -> Result<String, String> {
    let title = written.trim();
    let fits =
        (1..=16).contains(&title.len()) && title.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\\');
    if fits { Ok(title.to_owned()) } else { Err("is not an AE title (at most 16 letters)".to_owned()) }
}

fn store(section: &mut Section) -> Option<Store> {
    let watermark_bytes = section.megabytes("watermark-mb", 16..=1_000_000, 512);
    let retention = section.days("retention-days", 36_500, 0);
    let drafts = section.days("drafts-days", 365, 30);
    Some(Store { watermark_bytes: watermark_bytes?, retention: retention?, drafts: drafts? })
}

fn worker(section: &mut Section) -> Option<Worker> {
    let memory_bytes = section.megabytes("memory-mb", 128..=65_536, 2048);
    let time = section.seconds("time-s", 5.0..=3600.0, 120.0);
    let socket = section.absolute("socket");
    Some(Worker { memory_bytes: memory_bytes?, time: time?, socket: socket? })
}

fn case(section: &mut Section) -> Option<Case> {
    let time = section.seconds("time-s", 10.0..=3600.0, 300.0);
    let methods = [
        ("gradcam", Explanation::GradCam),
        ("gradcam++", Explanation::GradCamPlusPlus),
        ("integrated-gradients", Explanation::IntegratedGradients),
        ("occlusion", Explanation::Occlusion),
        ("saliency", Explanation::Saliency),
        ("smoothgrad", Explanation::SmoothGrad),
    ];
    let explain = section.words("explain", &methods, &[Explanation::GradCamPlusPlus]);
    Some(Case { time: time?, explain: explain? })
}

fn control(section: &mut Section) -> Option<Control> {
    let every = section.hours("every-h", 1.0..=168.0, 24.0);
    // TOML promises no larger whole number.
    let seed = section.whole("seed", 0..=i64::MAX.unsigned_abs(), "", 1);
    Some(Control { every: every?, seed: seed? })
}

fn thermal(section: &mut Section) -> Option<Thermal> {
    let zones = section.list("zones", |written, _| absolute(written));
    let warm_c = section.number("warm-c", 40.0..=100.0, "°C", 80.0);
    let hot_c = section.number("hot-c", 41.0..=110.0, "°C", 90.0);
    let throttled = section.absolute("throttled");
    let poll = section.seconds("poll-s", 0.5..=60.0, 2.0);
    if let (Some(warm_c), Some(hot_c)) = (warm_c, hot_c)
        && hot_c <= warm_c
    {
        let key = if section.at("hot-c").is_some() { "hot-c" } else { "warm-c" };
        return section.contradiction(key, format!("hot-c = {hot_c} is not above warm-c = {warm_c}"));
    }
    let zones = zones?.unwrap_or_default();
    Some(Thermal { zones, warm_c: warm_c?, hot_c: hot_c?, throttled: throttled?, poll: poll? })
}

fn clock(section: &mut Section) -> Option<ClockTrust> {
    let words = [("ntp", ClockTrust::Ntp), ("always", ClockTrust::Always), ("never", ClockTrust::Never)];
    section.word("trusted", &words, ClockTrust::Ntp)
}

fn daemon(section: &mut Section) -> Option<Daemon> {
    let grace = section.seconds("grace-s", 1.0..=120.0, 10.0);
    let metrics = section.text("metrics", |written| match address(written, "127.0.0.1:9105")? {
        address if !address.ip().is_loopback() => {
            Err("is not an address of this machine alone (127.0.0.1 or [::1])".to_owned())
        }
        address => Ok(address),
    });
    Some(Daemon { grace: grace?, metrics: metrics? })
}

/// An address with a port, as numbers.
fn address(written: &str, such_as: &str) -> Result<SocketAddr, String> {
    match written.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => Err("has no port".to_owned()),
        Ok(address) => Ok(address),
        Err(_) => Err(format!("is not an address and a port, such as {such_as}")),
    }
}

/// `certificate` and `key`, which go together.
fn tls(section: &mut Section) -> Option<Option<Tls>> {
    let (certificate, key) = (section.absolute("certificate"), section.absolute("key"));
    match (certificate?, key?) {
        (Some(certificate), Some(key)) => Some(Some(Tls { certificate, key })),
        (None, None) => Some(None),
        (Some(_), None) => section.contradiction("certificate", "certificate has no meaning without key".to_owned()),
        (None, Some(_)) => section.contradiction("key", "key has no meaning without certificate".to_owned()),
    }
}

fn mirror(section: &mut Section) -> Option<Mirror> {
    let listen = section.text("listen", |written| address(written, "127.0.0.1:8733"));
    let listen = section.required("listen", listen);
    let tls = tls(section);
    let (listen, tls) = (listen?, tls?);
    // What patients' names cross has to be encrypted, and asks who looks.
    if tls.is_none() && !listen.ip().is_loopback() {
        let message = format!("listen = \"{listen}\" is not this machine alone, which needs certificate and key");
        return section.contradiction("listen", message);
    }
    Some(Mirror { listen, tls })
}

fn panel(section: &mut Section) -> Option<Panel> {
    let enabled = section.switch("enabled", false);
    let display = section.text("display", display).map(|written| written.unwrap_or(Attached::Any));
    let size = section.wholes("size", 320..=4096, "pixels");
    let turns = [(0, Rotation::None), (90, Rotation::Right), (180, Rotation::Half), (270, Rotation::Left)];
    let rotation = section.one_of_wholes("rotation", &turns, Rotation::None);
    let scale = section.number("scale", 0.5..=4.0, "pixels", 1.0);
    let language = section.word("language", &Panel::LANGUAGES.map(|code| (code, code)), "en");
    let large_letters = section.switch("large-letters", false);
    let read_first = section.switch("read-first", false);
    let welcome = section.switch("welcome", false);
    let backlight = section.optional_below("backlight", "panel.backlight", backlight);
    let buttons = section.optional_below("buttons", "panel.buttons", buttons);
    let size = match size? {
        Some([width, height]) => Some([u16::try_from(width).ok()?, u16::try_from(height).ok()?]),
        None => None,
    };
    Some(Panel {
        enabled: enabled?,
        display: display?,
        size,
        rotation: rotation?,
        scale: scale?,
        language: language?,
        large_letters: large_letters?,
        read_first: read_first?,
        welcome: welcome?,
        backlight: backlight?,
        buttons: buttons?,
    })
}

fn display(written: &str) -> Result<Attached, String> {
    let of_kernel = |path: &PathBuf| {
        let number = path.strip_prefix("/dev/dri").ok().and_then(|name| name.to_str()?.strip_prefix("card"));
        let number = number.or_else(|| path.to_str()?.strip_prefix("/dev/fb"));
        number.is_some_and(|number| number.parse::<u8>().is_ok())
    };
    match written {
        "auto" => Ok(Attached::Any),
        "off" => Ok(Attached::None),
        path => Some(PathBuf::from(path)).filter(of_kernel).map(Attached::At).ok_or_else(|| {
            "is none of auto, off, a card such as /dev/dri/card1 and a framebuffer such as /dev/fb0".to_owned()
        }),
    }
}

/// A line of a GPIO chip.
fn gpio_line(written: &str) -> Result<GpioLine, String> {
    let of_chip = |chip: &str| !chip.is_empty() && chip.len() <= 31 && chip.bytes().all(|byte| byte.is_ascii_graphic());
    let line = written.rsplit_once(':').filter(|(chip, _)| of_chip(chip)).and_then(|(chip, line)| {
        let line = line.parse().ok().filter(|line| *line < 1024)?;
        Some(GpioLine { chip: chip.to_owned(), line })
    });
    line.ok_or_else(|| "is not a chip and one of its lines, such as gpiochip0:17".to_owned())
}

/// A channel of the board's PWM.
fn channel(section: &mut Section) -> Option<u8> {
    let channel = section.whole_if_any("channel", 0..=3, "");
    section.required("channel", channel).and_then(|channel| u8::try_from(channel).ok())
}

fn backlight(section: &mut Section) -> Option<Backlight> {
    let channel = channel(section);
    let hz = section.whole("frequency-hz", 100..=100_000, "Hz", 1_000);
    let dim_after = section.seconds("dim-after-s", 10.0..=3600.0, 120.0);
    let dim_percent = section.whole("dim-percent", 0..=100, "percent", 20);
    Some(Backlight {
        channel: channel?,
        hz: u32::try_from(hz?).ok()?,
        dim_after: dim_after?,
        dim_percent: u8::try_from(dim_percent?).ok()?,
    })
}

/// What a buzzer is wired to.
enum At {
    Line(GpioLine),
    Pwm(u8),
}

fn buzzer(written: &str) -> Result<At, String> {
    if let Some(channel) = written.strip_prefix("pwm:") {
        let channel = channel.parse().ok().filter(|channel| *channel <= 3);
        return channel.map(At::Pwm).ok_or_else(|| "is not a channel of the PWM, pwm:0 to pwm:3".to_owned());
    }
    gpio_line(written).map(At::Line)
}

fn signals(section: &mut Section) -> Option<Signals> {
    let lamp = section.text("lamp", gpio_line);
    let buzzer = section.text("buzzer", buzzer);
    let hz = section.whole_if_any("tone-hz", 100..=10_000, "Hz");
    let active_low = section.switch("active-low", false);
    let (lamp, buzzer, hz) = (lamp?, buzzer?, hz?);
    let tone = hz.map_or(2_400, |hz| u32::try_from(hz).unwrap_or(u32::MAX));
    let buzzer = match buzzer {
        Some(At::Pwm(channel)) => Some(Buzzer::Tone { channel, hz: tone }),
        _ if hz.is_some() => {
            let message = "tone-hz has no meaning unless buzzer is a channel of the PWM, such as pwm:0";
            return section.contradiction("tone-hz", message.to_owned());
        }
        Some(At::Line(line)) if lamp.as_ref() == Some(&line) => {
            return section.contradiction("buzzer", "buzzer is the line of lamp".to_owned());
        }
        Some(At::Line(line)) => Some(Buzzer::Line(line)),
        None => None,
    };
    if lamp.is_none() && buzzer.is_none() {
        return section.contradiction("lamp", "there is nothing to signal with: lamp or buzzer".to_owned());
    }
    Some(Signals { lamp, buzzer, active_low: active_low? })
}

fn buttons(section: &mut Section) -> Option<Buttons> {
    // With these two everything can be reached and done.
    let next = section.text("next", gpio_line);
    let next = section.required("next", next);
    let press = section.text("press", gpio_line);
    let press = section.required("press", press);
    let previous = section.text("previous", gpio_line);
    let back = section.text("back", gpio_line);
    let wiring = wiring(section);
    let (next, press, previous, back) = (next?, press?, previous?, back?);
    let lines =
        [("next", Some(&next)), ("press", Some(&press)), ("previous", previous.as_ref()), ("back", back.as_ref())];
    for (index, (key, line)) in lines.iter().enumerate() {
        if let Some((before, _)) = lines[..index].iter().find(|(_, before)| line.is_some() && before == line) {
            return section.contradiction(key, format!("{key} is the line of {before}"));
        }
    }
    Some(Buttons { next, press, previous, back, wiring: wiring? })
}
