use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Attached, Backlight, Board, Buttons, Buzzer, CameraSource, ClockTrust, Controls, Explanation, GpioLine, HttpCamera,
    KeySource, Panel, Position, Problems, PublicKey, Pull, Rotation, Signals, Wiring, load,
};

/// Every key, each with a value that is not its default.
const FULL: &str = r#"name = "full"
compatible = "raspberrypi,5-model-b"
[paths]
data = "/var/lib/hilum"
runtime = "/run/hilum"
exports = "/media"
trouble = "/run/rescue"
update = "/run/update"
restart = "/run/hilum/restart"
[bundle]
folder = "/usr/share/hilum/bundle"
keys = ["RWQqMStUrSmTsTYuaYJRqHp9avcqRTCw7kWkSMJfGfg16vSg70KNe/xv"]
development-key = true
[engine]
name = "tract"
threads = 3
[key]
source = "file"
credential = "other-key_2.x"
file = "/etc/hilum/data-key"
[access]
auto-lock-s = 60
wrong-pins = 3
wait-s = 30
[camera]
uri = "v4l2:/dev/v4l/by-id/usb-camera-index0"
objective = "20x/0.5"
size = [1280, 720]
rate-hz = 5
exposure-ms = 12.5
white-balance-k = 4500
gain = 3
[camera.pedal]
line = "pinctrl-rp1:24"
active-low = false
pull = "down"
debounce-ms = 20
[share]
folder = "/srv/inbox"
poll-s = 0.5
quiet-s = 0
[receive]
listen = "127.0.0.1:11112"
ae-title = "HILUM"
allow = ["CT1", "PACS"]
folder = "/srv/received"
quiet-s = 1
keep-days = 3
certificate = "/etc/hilum/box.pem"
key = "/etc/hilum/box.key"
authorities = "/etc/hilum/scanners.pem"
[deliver]
archive = "PACS@192.0.2.9:104"
ae-title = "BOX1"
folder = "/srv/results"
forms = ["dicom", "pdf"]
authorities = "/etc/hilum/archive.pem"
[store]
watermark-mb = 1024
retention-days = 365
drafts-days = 0
[worker]
memory-mb = 512
time-s = 30
socket = "/run/hilum/worker.sock"
[case]
time-s = 600
explain = ["gradcam"]
[control]
every-h = 1.5
seed = 7
[thermal]
zones = ["/sys/class/thermal/thermal_zone0/temp"]
throttled = "/sys/throttled"
warm-c = 70
hot-c = 80.5
poll-s = 1
[clock]
trusted = "never"
[daemon]
grace-s = 5
metrics = "[::1]:9105"
[signals]
lamp = "pinctrl-rp1:16"
buzzer = "pwm:1"
tone-hz = 3000
active-low = true
[mirror]
listen = "0.0.0.0:8733"
certificate = "/etc/hilum/mirror.pem"
key = "/etc/hilum/mirror.key"
[panel]
enabled = true
size = [800, 480]
rotation = 270
scale = 0.8
language = "sw"
large-letters = true
read-first = true
welcome = true
display = "/dev/dri/card1"
[panel.backlight]
channel = 2
frequency-hz = 500
dim-after-s = 60
dim-percent = 5
[panel.buttons]
next = "gpiochip0:17"
press = "pinctrl-rp1:22"
previous = "tegra:aon:0"
active-low = false
pull = "down"
debounce-ms = 5
"#;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Loads `board.toml` with the `files` beside it, which are text or anything; `site.toml` is the site, if it is there.
fn load_files(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Result<Board, Problems>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
    let site = folder.path().join("site.toml");
    let board = load(&folder.path().join("board.toml"), site.exists().then_some(site.as_path()));
    (folder, board)
}

/// The problems of several files, one a line; nothing where they are in order.
#[track_caller]
fn check_files(files: &[(&str, &str)], want: &str) {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let (folder, board) = load_files(&files);
    let found = board.err().map_or_else(String::new, |problems| {
        problems.to_string().replace(&format!("{}/", folder.path().display()), "")
    });
    assert_eq!(found, want);
}

/// The problems of a board whose name the site gives, each without the name of its file.
#[track_caller]
fn check(text: &str, want: &str) {
    let want: Vec<String> = want.lines().map(|line| format!("board.toml:{line}")).collect();
    check_files(&[("board.toml", text), ("site.toml", "name = 'x'")], &want.join("\n"));
}

#[track_caller]
fn board(text: &str) -> Board {
    load_files(&[("board.toml", text.as_bytes())]).1.unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_default_is_as_promised() {
    let board = board("name = 'x'");
    assert_eq!((board.name.as_str(), &board.compatible, &board.signals), ("x", &None, &None));
    assert_eq!((&board.paths.data, &board.paths.runtime, &board.paths.exports), (&None, &None, &None));
    assert_eq!((&board.bundle.folder, board.bundle.keys.len(), board.bundle.development_key), (&None, 0, false));
    assert_eq!((board.engine.name, board.engine.threads, &board.engine.library), (None, None, &None));
    assert_eq!(board.key, KeySource::Credential { name: "hilum-data-key".to_owned() });
    assert_eq!((board.access.auto_lock.as_secs(), board.access.wrong_pins, board.access.wait.as_secs()), (300, 5, 60));
    assert_eq!((board.camera, board.share, board.mirror, board.receive, board.deliver), (None, None, None, None, None));
    assert_eq!((board.store.watermark_bytes, board.store.retention), (512_000_000, None));
    assert_eq!(board.store.drafts, Some(30 * DAY));
    assert_eq!((board.worker.memory_bytes, board.worker.time.as_secs()), (2_048_000_000, 120));
    assert_eq!(board.worker.socket, None);
    assert_eq!((board.case.time.as_secs(), board.case.explain), (300, vec![Explanation::GradCamPlusPlus]));
    assert_eq!((board.control.every, board.control.seed), (Some(DAY), 1));
    assert_eq!((board.thermal.zones.len(), board.thermal.poll.as_secs()), (0, 2));
    assert!((board.thermal.warm_c, board.thermal.hot_c) == (80.0, 90.0));
    assert_eq!((board.clock, board.daemon.grace.as_secs(), board.daemon.metrics), (ClockTrust::Ntp, 10, None));
    let panel = Panel {
        enabled: false,
        display: Attached::Any,
        size: None,
        rotation: Rotation::None,
        scale: 1.0,
        language: "en",
        large_letters: false,
        read_first: false,
        welcome: false,
        backlight: None,
        buttons: None,
    };
    assert_eq!(board.panel, panel);
}

fn line(chip: &str, line: u32) -> GpioLine {
    GpioLine { chip: chip.to_owned(), line }
}

#[test]
fn every_key_is_heard() {
    let board = board(FULL);
    assert_eq!((board.name.as_str(), board.compatible.as_deref()), ("full", Some("raspberrypi,5-model-b")));
    assert_eq!(board.paths.trouble.as_deref(), Some(Path::new("/run/rescue")));
    assert_eq!(board.paths.update.as_deref(), Some(Path::new("/run/update")));
    assert_eq!(board.paths.restart.as_deref(), Some(Path::new("/run/hilum/restart")));
    assert_eq!(board.paths.data.as_deref(), Some(Path::new("/var/lib/hilum")));
    assert_eq!(board.paths.runtime.as_deref(), Some(Path::new("/run/hilum")));
    assert_eq!(board.paths.exports.as_deref(), Some(Path::new("/media")));
    assert_eq!(board.bundle.folder.as_deref(), Some(Path::new("/usr/share/hilum/bundle")));
    assert_eq!(board.bundle.keys.iter().map(PublicKey::as_str).map(str::len).collect::<Vec<_>>(), [56]);
    assert!(board.bundle.development_key);
    assert_eq!(board.engine.threads.map(usize::from), Some(3));
    assert_eq!(board.key, KeySource::File { path: Some("/etc/hilum/data-key".into()) });
    assert_eq!((board.access.auto_lock.as_secs(), board.access.wrong_pins, board.access.wait.as_secs()), (60, 3, 30));
    let camera = board.camera.expect("a camera");
    assert_eq!(camera.source, CameraSource::V4l2("/dev/v4l/by-id/usb-camera-index0".into()));
    assert_eq!((camera.objective.as_deref(), camera.size, camera.scale), (Some("20x/0.5"), Some([1280, 720]), None));
    let controls = Controls { exposure_ms: Some(12.5), white_balance_k: Some(4500), gain: Some(3) };
    assert!(camera.controls == controls && (camera.rate_hz - 5.0).abs() < 1e-9);
    let pedal = camera.pedal.expect("a pedal");
    assert_eq!(pedal.line, GpioLine { chip: "pinctrl-rp1".to_owned(), line: 24 });
    assert_eq!(pedal.wiring, Wiring { active_low: false, pull: Pull::Down, debounce: Duration::from_millis(20) });
    let share = board.share.expect("a share");
    assert_eq!((share.folder.as_path(), share.poll.as_millis()), (Path::new("/srv/inbox"), 500));
    assert_eq!(share.quiet, Duration::ZERO);
    let deliver = board.deliver.expect("a delivery");
    assert_eq!(deliver.archive, Some(("PACS".to_owned(), "192.0.2.9:104".to_owned())));
    assert_eq!((deliver.ae_title.as_str(), deliver.forms.len()), ("BOX1", 2));
    assert_eq!(deliver.folder.as_deref(), Some(Path::new("/srv/results")));
    let receive = board.receive.expect("a receiver");
    assert_eq!((receive.listen.port(), receive.ae_title.as_str(), receive.allow.len()), (11112, "HILUM", 2));
    assert_eq!(receive.folder.as_deref(), Some(Path::new("/srv/received")));
    assert_eq!(receive.tls.expect("certificate and key").key, Path::new("/etc/hilum/box.key"));
    assert_eq!(receive.authorities.as_deref(), Some(Path::new("/etc/hilum/scanners.pem")));
    assert_eq!((receive.quiet.as_secs(), receive.keep.map(|keep| keep.as_secs())), (1, Some(3 * 86_400)));
    assert_eq!((board.store.watermark_bytes, board.store.retention), (1_024_000_000, Some(365 * DAY)));
    assert_eq!(board.store.drafts, None);
    assert_eq!((board.worker.memory_bytes, board.worker.time.as_secs()), (512_000_000, 30));
    assert_eq!(board.worker.socket.as_deref(), Some(Path::new("/run/hilum/worker.sock")));
    assert_eq!(board.case.time.as_secs(), 600);
    assert_eq!(board.case.explain, [Explanation::GradCam]);
    assert_eq!((board.control.every.map(|every| every.as_secs()), board.control.seed), (Some(5400), 7));
    assert_eq!(board.thermal.throttled.as_deref(), Some(Path::new("/sys/throttled")));
    assert_eq!(board.thermal.zones, [Path::new("/sys/class/thermal/thermal_zone0/temp")]);
    assert!((board.thermal.warm_c, board.thermal.hot_c) == (70.0, 80.5));
    assert_eq!((board.thermal.poll.as_secs(), board.clock), (1, ClockTrust::Never));
    assert_eq!((board.daemon.grace.as_secs(), board.daemon.metrics), (5, "[::1]:9105".parse().ok()));
    let signals = Signals {
        lamp: Some(line("pinctrl-rp1", 16)),
        buzzer: Some(Buzzer::Tone { channel: 1, hz: 3000 }),
        active_low: true,
    };
    assert_eq!(board.signals, Some(signals));
    let mirror = board.mirror.expect("a mirror");
    assert_eq!(mirror.listen, "0.0.0.0:8733".parse().expect("an address"));
    let tls = mirror.tls.expect("a certificate");
    assert_eq!(
        (tls.certificate.as_path(), tls.key.as_path()),
        (Path::new("/etc/hilum/mirror.pem"), Path::new("/etc/hilum/mirror.key"))
    );
    let panel = Panel {
        enabled: true,
        display: Attached::At("/dev/dri/card1".into()),
        size: Some([800, 480]),
        rotation: Rotation::Left,
        scale: 0.8,
        language: "sw",
        large_letters: true,
        read_first: true,
        welcome: true,
        backlight: Some(Backlight { channel: 2, hz: 500, dim_after: Duration::from_secs(60), dim_percent: 5 }),
        buttons: Some(Buttons {
            next: line("gpiochip0", 17),
            press: line("pinctrl-rp1", 22),
            previous: Some(line("tegra:aon", 0)),
            back: None,
            wiring: Wiring { active_low: false, pull: Pull::Down, debounce: Duration::from_millis(5) },
        }),
    };
    assert_eq!(board.panel, panel);
}

#[test]
fn a_panel_is_one_that_there_could_be() {
    for (key, said) in [
        ("size = [1280]", "2:8: size, an array, is not 2 whole numbers"),
        ("size = [1280, 800.5]", "2:8: size, an array, is not 2 whole numbers"),
        ("size = [1280, 80]", "2:8: size, an array, is outside 320 to 4096 pixels"),
        ("rotation = 45", "2:12: rotation = 45 is none of 0, 90, 180, 270"),
        ("rotation = '90'", "2:12: rotation = '90' is not a whole number"),
        ("language = 'de'", "2:12: language = 'de' is none of en, fr, es, pt, sw, th, hi, ar"),
    ] {
        check(&format!("[panel]\n{key}"), said);
    }
    for size in [[320, 320], [4096, 4096]] {
        assert_eq!(board(&format!("name = 'x'\n[panel]\nsize = {size:?}")).panel.size, Some(size));
    }
}

#[test]
fn a_display_is_one_that_there_could_be() {
    for (written, meant) in [
        ("auto", Attached::Any),
        ("off", Attached::None),
        ("/dev/fb0", Attached::At("/dev/fb0".into())),
        ("/dev/dri/card12", Attached::At("/dev/dri/card12".into())),
    ] {
        assert_eq!(board(&format!("name = 'x'\n[panel]\ndisplay = '{written}'")).panel.display, meant);
    }
    let none = "is none of auto, off, a card such as /dev/dri/card1 and a framebuffer such as /dev/fb0";
    for written in ["/dev/dri/renderD128", "/dev/sda", "card0", "/dev/fb", "/dev/dri/card0/../../sda", ""] {
        check(&format!("[panel]\ndisplay = '{written}'"), &format!("2:11: display = '{written}' {none}"));
    }
}

#[test]
fn buttons_have_lines_of_their_own() {
    let none = "is not a chip and one of its lines, such as gpiochip0:17";
    for (keys, said) in [
        ("next = 'gpiochip0'\npress = 'a:1'", format!("2:8: next = 'gpiochip0' {none}")),
        ("next = ':1'\npress = 'a:1'", format!("2:8: next = ':1' {none}")),
        ("next = 'a:1024'\npress = 'a:1'", format!("2:8: next = 'a:1024' {none}")),
        ("next = 17\npress = 'a:1'", "2:8: next = 17 is not a text in quotes".to_owned()),
        ("next = 'a:1'", "1:1: press is missing in [panel.buttons]".to_owned()),
        ("next = 'a:1'\npress = 'a:1'", "3:9: press is the line of next".to_owned()),
        ("next = 'a:1'\npress = 'a:2'\nback = 'a:2'", "4:8: back is the line of press".to_owned()),
        ("next = 'a:1'\npress = 'a:2'\npull = 'high'", "4:8: pull = 'high' is none of up, down, none".to_owned()),
        (
            "next = 'a:1'\npress = 'a:2'\nbuck = 'a:3'",
            "4:1: unknown key buck in [panel.buttons]; did you mean back?".to_owned(),
        ),
    ] {
        check(&format!("[panel.buttons]\n{keys}"), &said);
    }
}

#[test]
fn signals_are_wired_to_something() {
    let nothing = "1:1: there is nothing to signal with: lamp or buzzer";
    let tone = "tone-hz has no meaning unless buzzer is a channel of the PWM, such as pwm:0";
    for (keys, said) in [
        ("active-low = true", nothing.to_owned()),
        ("buzzer = 'pwm:4'", "2:10: buzzer = 'pwm:4' is not a channel of the PWM, pwm:0 to pwm:3".to_owned()),
        ("buzzer = 'a:4'\ntone-hz = 2000", format!("3:11: {tone}")),
        ("lamp = 'a:4'\nbuzzer = 'a:4'", "3:10: buzzer is the line of lamp".to_owned()),
        ("lamp = 'a'", "2:8: lamp = 'a' is not a chip and one of its lines, such as gpiochip0:17".to_owned()),
    ] {
        check(&format!("[signals]\n{keys}"), &said);
    }
    let written = board("name = 'x'\n[signals]\nbuzzer = 'pwm:0'").signals.expect("signals");
    assert_eq!((written.lamp, written.buzzer), (None, Some(Buzzer::Tone { channel: 0, hz: 2_400 })));
    check("[panel.backlight]\ndim-percent = 5", "1:1: channel is missing in [panel.backlight]");
    let machine = "is not a machine such as raspberrypi,5-model-b";
    check("compatible = 'rpi5'", &format!("1:14: compatible = 'rpi5' {machine}"));
}

#[test]
fn a_value_outside_its_range_is_named_with_range_and_unit() {
    check(
        "[receive]\nlisten = '0.0.0.0:104'\nae-title = 'A'",
        "2:10: listen = \"0.0.0.0:104\" is not this machine alone, which needs allow: the AE titles that may send",
    );
    check(
        "[receive]\nlisten = '127.0.0.1:104'\nae-title = 'A title that is too long'",
        "3:12: ae-title = 'A title that is too long' is not an AE title (at most 16 letters)",
    );
    check(
        "[receive]\nlisten = '127.0.0.1:104'\nae-title = 'A'\nauthorities = '/a'",
        "4:15: authorities has no meaning without certificate and key",
    );
    check(
        "[receive]\nlisten = '127.0.0.1:104'\nae-title = 'A'\ncertificate = '/a'",
        "4:15: certificate has no meaning without key",
    );
    for (keys, said) in [
        ("archive = 'PACS'", "2:11: archive = 'PACS' is not an archive, such as PACS@192.0.2.9:104"),
        ("archive = 'PACS@host:0'", "2:11: archive = 'PACS@host:0' is not an archive, such as PACS@192.0.2.9:104"),
        ("folder = '/a'\nforms = ['paper']", "3:10: forms = 'paper' is none of dicom, fhir, pdf"),
        ("archive = 'A@b:1'\nforms = ['pdf']", "3:9: forms has no meaning without folder"),
        ("ae-title = 'A'", "1:1: nothing says where results go: archive or folder"),
        ("folder = '/a'\nauthorities = '/b'", "3:15: authorities has no meaning without archive"),
        ("archive = 'A@b:1'\ncertificate = '/a'\nkey = '/b'", "3:15: certificate has no meaning without authorities"),
    ] {
        check(&format!("[deliver]\n{keys}"), said);
    }
    check("[share]\nfolder = '/a'\npoll-s = 0", "3:10: poll-s = 0 is outside 0.5 to 60 seconds");
    check("[store]\nwatermark-mb = 15", "2:16: watermark-mb = 15 is outside 16 to 1000000 MB");
    check("[access]\nwrong-pins = 0x15", "2:14: wrong-pins = 0x15 is outside 3 to 20");
    check("[thermal]\nhot-c = nan", "2:9: hot-c = nan is outside 41 to 110 °C");
    check(
        "[control]\nseed = 99999999999999999999",
        &format!("2:8: seed = 99999999999999999999 is outside 0 to {}", i64::MAX),
    );
    check("[daemon]\ngrace-s = 1e999", "2:11: grace-s = 1e999 is outside 1 to 120 seconds");
}

/// Both ends of every range are in it, and what is beyond is not.
#[test]
fn ranges_end_where_they_say() {
    let camera = "uri = 'phantom:'\n";
    let share = "folder = '/a'\n";
    let receive = "listen = '127.0.0.1:104'\nae-title = 'A'\n";
    for (section, with, key, low, high, below, above) in [
        ("engine", "", "threads", "0", "64", "-1", "65"),
        ("access", "", "auto-lock-s", "30", "3600", "29.9", "3601"),
        ("access", "", "wrong-pins", "3", "20", "2", "21"),
        ("access", "", "wait-s", "10", "3600", "9", "3601"),
        ("camera", camera, "um-per-px", "0.05", "5", "0.049", "5.1"),
        ("camera", camera, "rate-hz", "0.1", "60", "0", "61"),
        ("share", share, "poll-s", "0.5", "60", "0.4", "60.1"),
        ("share", share, "quiet-s", "0", "600", "-1", "601"),
        ("receive", receive, "quiet-s", "0", "600", "-1", "601"),
        ("receive", receive, "keep-days", "0", "365", "-1", "366"),
        ("store", "", "watermark-mb", "16", "1_000_000", "15", "1000001"),
        ("store", "", "retention-days", "0", "36500", "-1", "36501"),
        ("store", "", "drafts-days", "0", "365", "-1", "366"),
        ("worker", "", "memory-mb", "128", "65536", "127", "65537"),
        ("worker", "", "time-s", "5", "3600", "4", "3601"),
        ("case", "", "time-s", "10", "3600", "9", "3601"),
        ("control", "", "every-h", "1", "168", "0.9", "169"),
        ("control", "", "seed", "0", "9223372036854775807", "-1", "9223372036854775808"),
        ("thermal", "hot-c = 110\n", "warm-c", "40", "100", "39", "101"),
        ("thermal", "warm-c = 40\n", "hot-c", "41", "110", "40", "111"),
        ("thermal", "", "poll-s", "0.5", "60", "0.4", "61"),
        ("daemon", "", "grace-s", "1", "120", "0.9", "121"),
        ("panel", "", "scale", "0.5", "4", "0.4", "4.1"),
        ("panel.buttons", "next = 'a:1'\npress = 'a:2'\n", "debounce-ms", "1", "200", "0", "201"),
    ] {
        let said = |value: &str| {
            let text = format!("name = 'x'\n[{section}]\n{with}{key} = {value}\n");
            load_files(&[("board.toml", text.as_bytes())]).1.map_err(|problems| problems.to_string())
        };
        for inside in [low, high] {
            assert!(said(inside).is_ok(), "{section}.{key} = {inside}: {:?}", said(inside));
        }
        for outside in [below, above] {
            let found = said(outside).expect_err(outside);
            assert!(found.contains(&format!("{key} = {outside} is outside ")) && found.lines().count() == 1, "{found}");
        }
    }
}

#[test]
fn a_control_case_an_hour_at_most_or_none() {
    let (_, board) = load_files(&[("board.toml", b"name = 'x'\n[control]\nevery-h = 0")]);
    assert_eq!(board.expect("in order").control.every, None);
    check("[control]\nevery-h = 0.001", "2:11: every-h = 0.001 is outside 1 to 168 hours, and is not 0");
    check("[control]\nevery-h = -1", "2:11: every-h = -1 is outside 1 to 168 hours, and is not 0");
}

#[test]
fn wrong_types_are_named() {
    check("[access]\nwait-s = \"long\"", "2:10: wait-s = \"long\" is not a number");
    check("[access]\nwrong-pins = 4.0", "2:14: wrong-pins = 4.0 is not a whole number");
    check("[bundle]\ndevelopment-key = \"yes\"", "2:19: development-key = \"yes\" is not true or false");
    check("[paths]\ndata = []", "2:8: data, an array, is not a text in quotes");
    check("[thermal]\nzones = \"/a\"", "2:9: zones = \"/a\" is not an array");
    check("store = 3", "1:9: store is a number, not a section");
    check("[[store]]\n[[store]]", "1:1: store is an array, not a section");
    check("[paths]\ndata = \"\"\"\nsome\nlines\"\"\"", "2:8: data = … (a text) has a control character");
}

/// Whatever a key of a full board says, if it is of the wrong type there is one problem, and it is there.
#[test]
fn a_wrong_type_is_one_problem_at_its_place() {
    for (index, line) in FULL.lines().enumerate() {
        let Some((key, value)) = line.split_once(" = ") else { continue };
        let right = match value.as_bytes()[0] {
            b'"' => "\"seventy\"",
            b'[' => "[]",
            b't' | b'f' => "true",
            _ => "77",
        };
        for wrong in ["1979-05-27", "{ name = 1 }", "true", "77", "\"seventy\"", "[]"] {
            if wrong == right {
                continue;
            }
            let changed = format!("{key} = {wrong}");
            let lines: Vec<&str> =
                FULL.lines().enumerate().map(|(at, line)| if at == index { &changed } else { line }).collect();
            let problems = load_files(&[("board.toml", lines.join("\n").as_bytes())]).1.expect_err(wrong);
            let at: Vec<Option<Position>> = problems.as_slice().iter().map(|problem| problem.at).collect();
            assert_eq!(at, [Some(Position { line: index + 1, column: key.len() + 4 })], "{problems}");
        }
    }
}

#[test]
fn what_nobody_knows_is_unknown() {
    check("[store]\nwatermark = 1", "2:1: unknown key watermark in [store]; did you mean watermark-mb?");
    check("[store]\nretention_days = 1", "2:1: unknown key retention_days in [store]; did you mean retention-days?");
    check("[share]\nfodler = '/a'\nfolder = '/a'", "2:1: unknown key fodler in [share]; did you mean folder?");
    check("[stroe]", "1:2: unknown section [stroe]; did you mean [store]?");
    check("nmae = 'x'", "1:1: unknown key nmae; did you mean name?");
    check("[store]\ncolour = 1", "2:1: unknown key colour in [store]");
    check("[rescue]", "1:2: unknown section [rescue]");
    check("[store]\n\"a\\nb\" = 1", "2:1: unknown key \"a\\nb\" in [store]");
    check("store.other.deep = 1", "1:7: unknown key other in [store]");
    check("[store]\ninherit = 'a'", "2:1: unknown key inherit in [store]");
}

// verifies: REQ-SERVICE-03
#[test]
fn all_problems_come_at_once_in_order() {
    check(
        "[share]\npoll-s = 0\n[store]\nx = 1\nwatermark-mb = 1\n[paths]\ndata = 'a'",
        "1:1: folder is missing in [share]\n\
         2:10: poll-s = 0 is outside 0.5 to 60 seconds\n\
         4:1: unknown key x in [store]\n\
         5:16: watermark-mb = 1 is outside 16 to 1000000 MB\n\
         7:8: data = 'a' is not an absolute path",
    );
}

#[test]
fn what_is_missing_is_said_where_it_belongs() {
    check_files(&[("board.toml", "\n[store]")], "board.toml:1:1: name is missing");
    check("[camera]", "1:1: uri is missing in [camera]");
    check("a = 1\ncamera = { rate-hz = 5 }", "1:1: unknown key a\n2:10: uri is missing in [camera]");
    check_files(
        &[("board.toml", "inherit = 'base.toml'\nname = 'x'"), ("base.toml", "\n[camera]\nrate-hz = 5")],
        "base.toml:2:1: uri is missing in [camera]",
    );
    check_files(
        &[("board.toml", "name = 'x'\n[camera]"), ("site.toml", "\n\n[camera]\nrate-hz = 5")],
        "site.toml:3:1: uri is missing in [camera]",
    );
}

#[test]
fn paths_are_absolute() {
    check("[paths]\ndata = \"data\"", "2:8: data = \"data\" is not an absolute path");
    check("[thermal]\nzones = ['/a', 'b']", "2:16: zones = 'b' is not an absolute path");
    check("[camera]\nuri = 'dir:frames'", "2:7: uri = 'dir:frames' is not dir:/absolute/folder");
    check("[worker]\nsocket = ''", "2:10: socket = '' is not an absolute path");
}

#[test]
fn names_are_names() {
    check_files(&[("board.toml", "name = ' '")], "board.toml:1:8: name = ' ' is not a name of 1 to 64 characters");
    check("[key]\ncredential = '../key'", "2:14: credential = '../key' is not a name of letters, digits, - _ and .");
    check("[key]\ncredential = '..'", "2:14: credential = '..' is not the name of a file");
    check("[key]\nsource = 'tpm'", "2:10: source = 'tpm' is none of credential, pin, file");
    check("[clock]\ntrusted = 'NTP'", "2:11: trusted = 'NTP' is none of ntp, always, never");
    let hash = "0".repeat(64);
    check(
        "[engine]\nname = 'gpu'",
        "2:8: name = 'gpu' is none of auto, tract, tflite, tflite-delegate, litert-gpu, tflitec",
    );
    check("[engine]\nlibrary = 'lib.so'", "2:11: library = 'lib.so' is not an absolute path");
    check("[engine]\nsha256 = 'ab'", "2:10: sha256 = 'ab' is not a SHA-256 (64 hexadecimal digits)");
    check(&format!("[engine]\nsha256 = '{hash}'"), "2:10: sha256 has no meaning without library");
    check("[engine]\nname = 'tract'\nlibrary = '/a'", "3:11: library has no meaning with an engine that is built in");
    check(
        "[engine]\nname = 'tflite-delegate'\ndelegate = '/a'",
        "2:8: name = \"tflite-delegate\" needs delegate and delegate-sha256",
    );
    check(
        "[engine]\ndelegate-options = ['a=b']",
        "2:20: delegate-options has no meaning unless name = \"tflite-delegate\"",
    );
    check("[engine]\ndelegate-options = ['a']", "2:21: delegate-options = 'a' is not an option written as key=value");
}

#[test]
fn cameras_are_chosen_by_a_uri() {
    let of = |uri: &str| board(&format!("name = 'x'\n[camera]\nuri = '{uri}'")).camera.expect("a camera").source;
    let http = |host: &str, port, target: &str, login: Option<(&str, &str)>| {
        let login = login.map(|(name, password)| (name.to_owned(), password.to_owned()));
        CameraSource::Http(HttpCamera { host: host.to_owned(), port, target: target.to_owned(), login })
    };
    assert_eq!(of("phantom:"), CameraSource::Phantom(None));
    assert_eq!(of("phantom:/srv/slide.tif"), CameraSource::Phantom(Some("/srv/slide.tif".into())));
    assert_eq!(of("dir:/a b/c:d"), CameraSource::Folder("/a b/c:d".into()));
    assert_eq!(of("v4l2:/dev/video0"), CameraSource::V4l2("/dev/video0".into()));
    assert_eq!(of("exec: gst-launch-1.0 -q x ! y "), CameraSource::Exec("gst-launch-1.0 -q x ! y".to_owned()));
    assert_eq!(of("http://camera"), http("camera", 80, "/", None));
    assert_eq!(of("http://10.0.0.7:8080/a?b=c#d"), http("10.0.0.7", 8080, "/a?b=c", None));
    assert_eq!(of("http://u:p@@[::1]:81/x"), http("::1", 81, "/x", Some(("u", "p@"))));
    assert!(
        !format!("{:?}", of("http://u:secret@h/")).contains("secret")
            && !of("http://u:secret@h/").name().contains("secret")
    );
    for (uri, why) in [
        ("phantom", "is not v4l2:/dev/video0, http://host/path, exec:command, dir:/absolute/folder or phantom:"),
        ("phantom:1", "is not phantom: or phantom:/absolute/picture"),
        ("v4l2:video0", "is not v4l2:/dev/video0"),
        ("http:camera", "is not http://host[:port]/path"),
        ("http://", "is not http://host[:port]/path"),
        ("http://a:0/", "is not http://host[:port]/path"),
        ("http://a:99999/", "is not http://host[:port]/path"),
        ("http://[::1/", "is not http://host[:port]/path"),
        ("http://a/b c", "has a character that no address has; write it as %XX"),
        ("https://camera/", "is a camera behind TLS, which is not in this version: exec: with curl reads one"),
        ("rtsp://camera/", "is a camera of the kind rtsp:, which is reached by exec: and a command"),
        ("exec: ", "is not exec: and a command"),
    ] {
        check(&format!("[camera]\nuri = '{uri}'"), &format!("2:7: uri = '{uri}' {why}"));
    }
}

#[test]
fn what_a_camera_is_told_goes_together() {
    for (uri, more, why) in [
        ("phantom:", "raw = 'rgb'", "3:7: raw has no meaning unless uri = \"exec:…\""),
        ("exec:a", "raw = 'rgb'", "3:7: raw needs size"),
        (
            "exec:a",
            "raw = 'yuyv'\nsize = [641, 480]",
            "4:8: a picture of the kind yuyv is not an odd number of pixels wide",
        ),
        (
            "exec:a",
            "size = [640, 480]",
            "3:8: size has no meaning unless uri = \"v4l2:…\" or \"phantom:…\", or with raw",
        ),
        ("http://a/", "gain = 1", "3:8: gain has no meaning unless uri = \"v4l2:…\""),
        ("v4l2:/dev/video0", "exposure-ms = 0", "3:15: exposure-ms = 0 is outside 0.1 to 500 milliseconds"),
        (
            "v4l2:/dev/video0",
            "um-per-px = 0.5\nobjective = '20x'",
            "3:13: um-per-px and objective exclude each other: an objective has the scale that was calibrated for it",
        ),
        (
            "v4l2:/dev/video0",
            "objective = '20x;'",
            "3:13: objective = '20x;' is not a name of 1 to 16 letters, digits, spaces, and . - / + ×",
        ),
    ] {
        check(&format!("[camera]\nuri = '{uri}'\n{more}"), why);
    }
}

#[test]
fn public_keys_are_minisign_keys() {
    const GOOD: &str = "RWQqMStUrSmTsTYuaYJRqHp9avcqRTCw7kWkSMJfGfg16vSg70KNe/xv";
    assert_eq!(PublicKey::new(GOOD).as_ref().map(PublicKey::as_str), Some(GOOD));
    for (from, to) in [("RWQ", "RUQ"), ("RWQ", "RWU"), ("RWQ", "rwq"), ("/", "_"), ("v", "="), ("v", ""), ("v", "vv")] {
        assert_eq!(PublicKey::new(&GOOD.replacen(from, to, 1)), None, "{from} {to}");
    }
    assert_eq!((PublicKey::new(""), PublicKey::new("é")), (None, None));
    check(
        &format!("[bundle]\nkeys = [\n  \"{GOOD}\",\n  \"RW\",\n  7,\n]"),
        "4:3: keys = \"RW\" is not a minisign public key (56 characters of base64)\n\
         5:3: keys = 7 is not a text in quotes",
    );
}

#[test]
fn keys_come_from_where_they_can() {
    let of = |text: &str| board(&format!("name = 'x'\n[key]\n{text}")).key;
    assert_eq!(of("credential = 'a'"), KeySource::Credential { name: "a".to_owned() });
    assert_eq!(of("source = 'pin'"), KeySource::Pin);
    assert_eq!(of("source = 'file'\ncredential = 'a'"), KeySource::File { path: None });
    for source in ["credential", "pin"] {
        check(&format!("[key]\nsource = '{source}'\nfile = '/a'"), "3:8: file has no meaning unless source = \"file\"");
    }
}

// verifies: REQ-SERVICE-02
#[test]
fn hot_is_above_warm() {
    check("[thermal]\nwarm-c = 80\nhot-c = 80", "3:9: hot-c = 80 is not above warm-c = 80");
    check("[thermal]\nwarm-c = 95", "2:10: hot-c = 90 is not above warm-c = 95");
    check("[thermal]\nwarm-c = 95\nhot-c = 'x'", "3:9: hot-c = 'x' is not a number");
    board("name = 'x'\n[thermal]\nwarm-c = 80\nhot-c = 80.1");
}

// verifies: REQ-NET-05
#[test]
fn a_mirror_that_others_reach_has_a_certificate() {
    let files = "certificate = '/c.pem'\nkey = '/k.pem'";
    for (address, tls) in [("127.0.0.1:8733", ""), ("[::1]:1", ""), ("127.0.0.1:8733", files), ("0.0.0.0:443", files)] {
        let board = board(&format!("name = 'x'\n[mirror]\nlisten = '{address}'\n{tls}"));
        assert_eq!(board.mirror.map(|mirror| mirror.tls.is_some()), Some(!tls.is_empty()));
    }
    for address in ["0.0.0.0:8733", "192.168.0.7:443", "[::]:8733"] {
        check(
            &format!("[mirror]\nlisten = '{address}'"),
            &format!("2:10: listen = \"{address}\" is not this machine alone, which needs certificate and key"),
        );
    }
    check("[mirror]\nlisten = '0.0.0.0:8733'\nkey = '/k.pem'", "3:7: key has no meaning without certificate");
    check("[mirror]\ncertificate = '/c.pem'\nlisten = '127.0.0.1:1'", "2:15: certificate has no meaning without key");
    check("[mirror]", "1:1: listen is missing in [mirror]");
    check("[mirror]\nlisten = '127.0.0.1:0'", "2:10: listen = '127.0.0.1:0' has no port");
    check(
        "[mirror]\nlisten = 'panel:80'\ncertificate = 'c.pem'",
        "2:10: listen = 'panel:80' is not an address and a port, such as 127.0.0.1:8733\n\
         3:15: certificate = 'c.pem' is not an absolute path",
    );
}

// verifies: REQ-NET-01
#[test]
fn metrics_stay_on_the_machine() {
    check(
        "[daemon]\nmetrics = '0.0.0.0:9105'",
        "2:11: metrics = '0.0.0.0:9105' is not an address of this machine alone (127.0.0.1 or [::1])",
    );
    check("[daemon]\nmetrics = '127.0.0.1:0'", "2:11: metrics = '127.0.0.1:0' has no port");
    for wrong in ["127.0.0.1", "localhost:9105", ":9105"] {
        check(
            &format!("[daemon]\nmetrics = '{wrong}'"),
            &format!("2:11: metrics = '{wrong}' is not an address and a port, such as 127.0.0.1:9105"),
        );
    }
}

#[test]
fn explanations_are_named_once() {
    check("[case]\nexplain = ['gradcam', 'gradcam']", "2:23: explain = 'gradcam' is there already");
    check(
        "[case]\nexplain = ['lime']",
        "2:12: explain = 'lime' is none of gradcam, gradcam++, integrated-gradients, occlusion, saliency, smoothgrad",
    );
    assert_eq!(board("name = 'x'\n[case]\nexplain = []").case.explain, []);
}

#[test]
fn heirs_override_key_by_key() {
    let middle = "inherit = '../base.toml'\nname = 'middle'\n[store]\nwatermark-mb = 200\ndrafts-days = 2";
    let base = "name = 'base'\n[store]\nwatermark-mb = 300\ndrafts-days = 3\nretention-days = 3\n\
                [thermal]\nzones = ['/c', '/d']\nwarm-c = 50";
    let files: [(&str, &[u8]); 4] = [
        ("board.toml", b"inherit = 'below/middle.toml'\n[store]\nwatermark-mb = 100\n[thermal]\nzones = ['/b']"),
        ("below/middle.toml", middle.as_bytes()),
        ("base.toml", base.as_bytes()),
        ("site.toml", b"[store]\nretention-days = 9"),
    ];
    let board = load_files(&files).1.expect("a board");
    assert_eq!(board.name, "middle");
    assert_eq!(board.store.watermark_bytes, 100_000_000);
    assert_eq!((board.store.drafts, board.store.retention), (Some(2 * DAY), Some(9 * DAY)));
    assert_eq!(board.thermal.zones, [Path::new("/b")]);
    assert!((board.thermal.warm_c - 50.0).abs() < 1e-9);
}

#[test]
fn a_problem_is_where_its_value_was_written() {
    check_files(
        &[
            ("board.toml", "inherit = 'base.toml'\n[share]\nfolder = '/a'\n[store]\nwatermark-mb = 15"),
            ("base.toml", "name = 'b'\n[share]\npoll-s = 0\n[store]\nwatermark-mb = 14\nother = 1"),
            ("site.toml", "[share]\nfolder = 'b'"),
        ],
        "board.toml:5:16: watermark-mb = 15 is outside 16 to 1000000 MB\n\
         base.toml:3:10: poll-s = 0 is outside 0.5 to 60 seconds\n\
         base.toml:6:1: unknown key other in [store]\n\
         site.toml:2:10: folder = 'b' is not an absolute path",
    );
}

#[test]
fn inheritance_ends() {
    check_files(
        &[("board.toml", "name = 'x'\ninherit = 'a/b.toml'"), ("a/b.toml", "inherit = '../board.toml'")],
        "a/b.toml:1:1: inherit = '../board.toml' leads back to a file that inherits this one",
    );
    check_files(
        &[("board.toml", " inherit = './board.toml'")],
        "board.toml:1:2: inherit = './board.toml' leads back to a file that inherits this one",
    );
    let names: Vec<String> = (1..=9).map(|number| format!("{number}.toml")).collect();
    let texts: Vec<String> = (2..=10).map(|number| format!("inherit = '{number}.toml'")).collect();
    let mut files = vec![("board.toml", "name = 'x'\ninherit = '1.toml'")];
    files.extend(names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).take(8));
    check_files(&files, "8.toml:1:1: inherit = '9.toml' is one too many: 8 files may be inherited");
    files[8].1 = "";
    check_files(&files, "");
    check("inherit = 7\n[camera]", "1:11: inherit = 7 is not the name of a file");
    check("inherit = ''", "1:11: inherit = '' is not the name of a file");
    check_files(
        &[("board.toml", "name = 'x'"), ("site.toml", "inherit = 'board.toml'")],
        "site.toml:1:1: a site's file cannot inherit",
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let missing = "cannot read it: No such file or directory (os error 2)";
    check_files(&[], &format!("board.toml: {missing}"));
    check_files(
        &[("board.toml", "inherit = 'x/base.toml'\n[camera]\nrate-hz = 0")],
        &format!("board.toml:3:11: rate-hz = 0 is outside 0.1 to 60 Hz\nx/base.toml: {missing}"),
    );
    check_files(&[("board.toml/x", "")], "board.toml: cannot read it: Is a directory (os error 21)");
    let large = format!("name = 'x'\n{}", "#".repeat(1_000_000));
    check_files(&[("board.toml", &large)], "board.toml: is larger than 1 MB");
    check_files(&[("board.toml", &large[..1_000_000])], "");
    let (_folder, board) = load_files(&[("board.toml", b"name = '\xc3\xa9'\n[\xff]")]);
    let problems = board.expect_err("a problem");
    assert!(problems.to_string().ends_with("board.toml:2:2: the text is not UTF-8 from here on"), "{problems}");
}

#[test]
fn columns_count_characters() {
    check("engine = { name = 'tract', é = 1 }", "1:28: invalid unquoted key, expected letters, numbers, `-`, `_`");
    check(
        "engine = { 'größe µm' = 'é', threads = 99 }",
        "1:12: unknown key \"größe µm\" in [engine]\n1:40: threads = 99 is outside 0 to 64",
    );
    check(
        "\u{feff}threads = 1\r\n[engine]\r\n\tthreads = 99\r\n",
        "1:1: unknown key threads\n3:12: threads = 99 is outside 0 to 64",
    );
}

/// A line with a syntax error says that and no more; what may be missing because of it is not called missing.
#[test]
fn several_syntax_errors_come_at_once() {
    check_files(
        &[
            (
                "board.toml",
                "inherit = 'base.toml'\nname = x\n[share]\npoll-s = = 2\nquiet-s = 601\nother = 1\nfolder = '/a\n",
            ),
            ("base.toml", "[store\nwatermark-mb = 512\n[camera]\nrate-hz = 100\n"),
        ],
        "board.toml:2:8: string values must be quoted, expected literal string\n\
         board.toml:4:10: extra `=`, expected nothing\n\
         board.toml:5:11: quiet-s = 601 is outside 0 to 600 seconds\n\
         board.toml:7:13: invalid literal string, expected `'`\n\
         base.toml:1:7: unclosed table, expected `]`\n\
         base.toml:4:11: rate-hz = 100 is outside 0.1 to 60 Hz",
    );
    check("[store]\ndrafts-days = 1\ndrafts-days = 2", "3:1: duplicate key");
}

fn boards() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board");
    let files = fs::read_dir(folder).expect("the boards").map(|entry| entry.expect("an entry").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

// verifies: REQ-BUNDLE-03
#[test]
fn every_board_is_in_order() {
    let mut names = BTreeSet::new();
    for path in boards() {
        let board = load(&path, None).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(board.name.as_str()));
        let is_development = ["sim", "desktop"].contains(&board.name.as_str());
        assert_eq!(board.bundle.development_key, is_development, "{}", board.name);
        assert_eq!(matches!(board.key, KeySource::File { .. }), is_development, "{}", board.name);
        names.insert(board.name);
    }
    let all = ["base", "desktop", "jetson-orin-nano", "qemu-virt", "rpi4", "rpi5", "sim"];
    assert!(names.iter().eq(all), "{names:?}");
}

/// The keys that `base.toml` shows as comments are all there are, and what they show are the defaults.
#[test]
fn the_base_shows_every_key_with_its_default() {
    let path = boards().into_iter().find(|path| path.ends_with("base.toml")).expect("a base");
    let text = fs::read_to_string(&path).expect("a text");
    let lines = text.lines().filter(|line| *line != "#" && !line.starts_with("# "));
    let shown: Vec<&str> = lines.map(|line| line.trim_start_matches('#')).collect();
    let mut all = board(&shown.join("\n"));
    let defaults = load(&path, None).expect("a base");
    // Examples, which have no default.
    let camera = all.camera.take().expect("a camera");
    assert!(matches!(camera.source, CameraSource::V4l2(_)) && (camera.rate_hz - 30.0).abs() < 1e-9);
    let wiring = Wiring { active_low: true, pull: Pull::Up, debounce: Duration::from_millis(10) };
    assert_eq!(camera.pedal.expect("a pedal").wiring, wiring);
    assert_eq!(all.share.take().map(|share| (share.poll.as_secs(), share.quiet.as_secs())), Some((2, 5)));
    let receive = all.receive.take().map(|receive| (receive.quiet.as_secs(), receive.keep.map(|keep| keep.as_secs())));
    assert_eq!(receive, Some((5, Some(14 * 86_400))));
    let deliver = all.deliver.take().map(|deliver| (deliver.ae_title, deliver.forms.len()));
    assert_eq!(deliver, Some(("HILUM".to_owned(), 1)));
    let mirror = all.mirror.take().expect("a mirror");
    assert!(mirror.listen == "127.0.0.1:8733".parse().expect("an address") && mirror.tls.is_some());
    let all_paths = &mut all.paths;
    let paths =
        [&mut all_paths.data, &mut all_paths.runtime, &mut all_paths.exports, &mut all_paths.trouble].map(Option::take);
    let others = [all.bundle.folder.take(), all.worker.socket.take(), all.engine.library.take()];
    assert!(all.engine.sha256.take().is_some());
    assert!(paths.iter().chain(&others).all(Option::is_some) && all.daemon.metrics.take().is_some());
    assert!(all.paths.update.take().is_some() && all.paths.restart.take().is_some() && all.compatible.take().is_some());
    let signals = all.signals.take().expect("signals");
    assert!(signals.lamp.is_some() && signals.buzzer.is_some() && !signals.active_low);
    let light = all.panel.backlight.take().expect("a light");
    assert_eq!((light.hz, light.dim_after.as_secs(), light.dim_percent), (1_000, 120, 20));
    let buttons = all.panel.buttons.take().expect("buttons");
    assert_eq!(buttons.wiring, wiring);
    assert_eq!(all.panel.size.take(), Some(Panel::SIZE));
    assert!(all.thermal.throttled.take().is_some());
    assert_eq!(all, defaults);

    let mut section = "";
    for line in FULL.lines() {
        let key = line.split(" = ").next().expect("a key");
        section = if line.starts_with('[') { line } else { section };
        let from = shown.iter().position(|line| *line == section).unwrap_or_default();
        let within = shown[from..].iter().enumerate().take_while(|(at, line)| *at == 0 || !line.starts_with('['));
        let found = within.map(|(_, line)| line.split(" = ").next()).any(|shown| shown == Some(key));
        // The default source has no file, and a buzzer at a line no tone; comments say so.
        let said = [("[key]", "file"), ("[signals]", "tone-hz")];
        assert!(found || said.contains(&(section, key)), "{section} {key}");
    }
}

/// Thousands of damaged boards: there is always a board or a problem, and every problem is somewhere in its file.
#[test]
fn no_text_is_too_strange() {
    const PIECES: &str = "[ ] [[ ]] { } = . , \" ' \"\"\" ''' \n \r # \\u00 \0 é \u{feff} - 1e999 nan 0x 1979-13-40 a.a.a.a inherit='board.toml'";
    let pieces: Vec<&[u8]> = PIECES.split(' ').map(str::as_bytes).chain([b"\xff".as_slice()]).collect();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("board.toml");
    for _ in 0..4000 {
        let mut bytes = FULL.as_bytes().to_vec();
        for _ in 0..=random(6) {
            let at = random(bytes.len());
            let to = (at + random(40)).min(bytes.len());
            let piece = pieces[random(pieces.len())].iter().copied();
            match random(9) {
                0 | 1 => drop(bytes.drain(at..to)),
                2..=4 => drop(bytes.splice(at..at, piece)),
                5 | 6 => drop(bytes.splice(at..to, piece)),
                7 => bytes.extend(bytes[at..to].to_vec()),
                _ => bytes.truncate(at + 100),
            }
        }
        fs::write(&path, &bytes).expect("a file");
        let Err(problems) = load(&path, None) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.split('\n').collect();
        assert!(!problems.as_slice().is_empty(), "{text}");
        for problem in problems.as_slice() {
            let Position { line, column } = problem.at.expect("a place");
            let characters = lines.get(line - 1).map_or(0, |line| line.chars().count());
            assert!((1..=characters + 1).contains(&column), "{problem}: {text}");
            assert!(!problem.message.contains(char::is_control), "{problem:?}");
        }
    }
}

/// What is nested beyond measure is refused before it fills the stack.
#[test]
fn no_text_is_too_deep() {
    for (before, open, close) in [("name = ", "[", "]"), ("name = ", "{a=", "}"), ("", "a.", "=1"), ("[", "a.", "]")] {
        let text = format!("{before}{}a{}", open.repeat(100_000), close.repeat(100_000));
        assert!(load_files(&[("board.toml", text.as_bytes())]).1.is_err());
    }
}
