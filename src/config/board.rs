//! What a board is: checked values. `walk.rs` says every key's range and default.

use std::{fmt, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use hilum_domain::{Form, MicronsPerPixel};

/// A board: everything that differs between machines.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// `name`: what the board is called, on its screen and in its log.
    pub name: String,
    /// `compatible`: what the firmware calls the machines that this board's file is for, the first of the device tree's names
    /// (`raspberrypi,5-model-b`). Without it any machine will do.
    pub compatible: Option<String>,
    /// `[paths]`
    pub paths: Paths,
    /// `[bundle]`
    pub bundle: Bundle,
    /// `[engine]`
    pub engine: Engine,
    /// `[key]`: where the key comes from that seals what is stored.
    pub key: KeySource,
    /// `[access]`
    pub access: Access,
    /// `[camera]`, where the board has one.
    pub camera: Option<Camera>,
    /// `[share]`, where a folder is watched.
    pub share: Option<Share>,
    /// `[receive]`, where scanners and archives may send to the box.
    pub receive: Option<Receive>,
    /// `[deliver]`, where results go out by themselves.
    pub deliver: Option<Deliver>,
    /// `[store]`
    pub store: Store,
    /// `[worker]`
    pub worker: Worker,
    /// `[case]`
    pub case: Case,
    /// `[control]`
    pub control: Control,
    /// `[thermal]`
    pub thermal: Thermal,
    /// `[clock]` `trusted`: when the date is believed.
    pub clock: ClockTrust,
    /// `[daemon]`
    pub daemon: Daemon,
    /// `[signals]`, where the box has a lamp or a buzzer.
    pub signals: Option<Signals>,
    /// `[mirror]`, where the panel is shown to browsers.
    pub mirror: Option<Mirror>,
    /// `[panel]`
    pub panel: Panel,
}

/// Folders. All are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `data`: where cases are kept. Without it the state directory, of the system's service or of the user.
    pub data: Option<PathBuf>,
    /// `runtime`: for sockets, empty after a start. Without it the runtime directory, of the service or of the user.
    pub runtime: Option<PathBuf>,
    /// `exports`: where USB sticks are mounted: exports go below it and nowhere else. Without it they go where whoever asks
    /// says.
    pub exports: Option<PathBuf>,
    /// `trouble`: a file in which the system says why the box must not begin its work; there is none while all is well.
    pub trouble: Option<PathBuf>,
    /// `update`: a file in which the system says what became of the last update of the box that was plugged in.
    pub update: Option<PathBuf>,
    /// `restart`: a file that the daemon makes where a person wants the box to start again; the system looks for it.
    pub restart: Option<PathBuf>,
}

/// The networks, and whose signature on them is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// `folder`: the bundle, absolute. Without it the usual places are searched.
    pub folder: Option<PathBuf>,
    /// `keys`: whose signature is accepted.
    pub keys: Vec<PublicKey>,
    /// `development-key`: the development key, whose secret half is public, is accepted as well.
    pub development_key: bool,
}

/// A minisign public key: the base64 line of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(String);

impl PublicKey {
    /// Characters of the line: 42 bytes, without padding.
    const LENGTH: usize = 56;

    /// `None` unless `base64` is 56 characters for 42 bytes of which the first two, `Ed`, name the algorithm.
    #[must_use]
    pub fn new(base64: &str) -> Option<Self> {
        let sixes = base64.bytes().map(six_bits).collect::<Option<Vec<u32>>>()?;
        let [a, b, c, ..] = sixes[..] else { return None };
        let algorithm = (a << 12 | b << 6 | c) >> 2;
        (sixes.len() == Self::LENGTH && algorithm == u32::from(u16::from_be_bytes(*b"Ed")))
            .then(|| Self(base64.to_owned()))
    }

    /// The base64 line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What minisign calls the key: the eight bytes after the algorithm as a little-endian number, 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let sixes = self.0.bytes().filter_map(six_bits).flat_map(|six| (0..6).rev().map(move |bit| six >> bit & 1));
        let bits: Vec<u32> = sixes.skip(16).take(64).collect();
        bits.chunks(8).rev().map(|byte| format!("{:02X}", byte.iter().fold(0, |sum, bit| sum << 1 | bit))).collect()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a character of base64 (RFC 4648, section 4) stands for.
fn six_bits(character: u8) -> Option<u32> {
    Some(u32::from(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// What runs the networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// `name`: which engine; `None` (written `auto`) is the fastest that needs no set-up.
    pub name: Option<EngineName>,
    /// `threads`: how many threads it may use; `None` (written 0) is one per core.
    pub threads: Option<NonZeroUsize>,
    /// `library`: the engine's library, absolute; `None` is the first that is found.
    pub library: Option<PathBuf>,
    /// `sha256`: what the library must be; `None` is one that this version knows.
    pub sha256: Option<Sha256>,
    /// `delegate`: a vendor's device, for `tflite-delegate` alone.
    pub delegate: Option<Delegate>,
}

/// The engines of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineName {
    /// `tract`: built in, pure Rust.
    Tract,
    /// `tflite`: TensorFlow Lite with XNNPACK.
    Tflite,
    /// `tflite-delegate`: TensorFlow Lite with a vendor's delegate.
    TfliteDelegate,
    /// `litert-gpu`: LiteRT's GPU accelerator.
    LitertGpu,
    /// `tflitec`: TensorFlow Lite as it was linked when the program was built.
    Tflitec,
}

/// A vendor's delegate for TensorFlow Lite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegate {
    /// `delegate`: its library, absolute.
    pub library: PathBuf,
    /// `delegate-sha256`: what it must be.
    pub sha256: Sha256,
    /// `delegate-options`: each as `key=value`.
    pub options: Vec<(String, String)>,
}

/// A SHA-256 in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sha256(String);

impl Sha256 {
    pub(crate) fn new(written: &str) -> Option<Self> {
        let written = written.to_ascii_lowercase();
        (written.len() == 64 && written.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(Self(written))
    }

    /// Its 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the key comes from that seals what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// `credential`: a credential that the service manager hands over.
    Credential {
        /// `credential`: its name.
        name: String,
    },
    /// `pin`: from what a person enters at the panel.
    Pin,
    /// `file`: a file that lies open. It protects nothing against somebody who takes the disk.
    File {
        /// `file`: the file, absolute. Without it `data-key` in the data folder.
        path: Option<PathBuf>,
    },
}

/// Who may use the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `auto-lock-s`: the panel locks after so long without a touch.
    pub auto_lock: Duration,
    /// `wrong-pins`: after so many wrong PINs a wait begins.
    pub wrong_pins: u32,
    /// `wait-s`: the first wait; each that follows is twice as long.
    pub wait: Duration,
}

/// The microscope's camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// `uri`: where its pictures come from.
    pub source: CameraSource,
    /// `um-per-px`: the scale. Without it a frame has the scale that was calibrated for its objective, or that its source says, or
    /// none.
    pub scale: Option<MicronsPerPixel>,
    /// `objective`: the objective that is in use until a person picks another; scales are calibrated for each.
    pub objective: Option<String>,
    /// `size`: pixels across and down that are asked of a camera that has several sizes.
    pub size: Option<[u32; 2]>,
    /// `rate-hz`: frames per second, at most.
    pub rate_hz: f64,
    /// `raw`: how a command's pixels lie that are no JPEGs; `size` says how many.
    pub raw: Option<RawFormat>,
    /// `exposure-ms`, `white-balance-k`, `gain`
    pub controls: Controls,
    /// `[camera.pedal]`: a pedal or button that takes a field.
    pub pedal: Option<Pedal>,
}

impl Camera {
    /// Whether this can be the name of an objective.
    #[must_use]
    pub fn is_objective(name: &str) -> bool {
        let known = |letter: char| letter.is_alphanumeric() || " .-/+×".contains(letter);
        (1..=16).contains(&name.chars().count()) && name.trim() == name && name.chars().all(known)
    }
}

/// A pedal or button that takes a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pedal {
    /// `line`: its line.
    pub line: GpioLine,
    /// How the line is wired.
    pub wiring: Wiring,
}

/// How the lines of buttons are wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wiring {
    /// `active-low`: whether a line is low while its button is pressed.
    pub active_low: bool,
    /// `pull`: what holds the lines at rest.
    pub pull: Pull,
    /// `debounce-ms`: what is shorter is no press.
    pub debounce: Duration,
}

/// Where a camera's pictures come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraSource {
    /// `phantom:`: a stage that moves a slide: this picture, or one that is drawn on this machine.
    Phantom(Option<PathBuf>),
    /// `dir:/absolute/folder`: the images of a folder, one a frame.
    Folder(PathBuf),
    /// `v4l2:/dev/video0`: a camera of this machine.
    V4l2(PathBuf),
    /// `http://host[:port]/path`: a stream of JPEGs (multipart/x-mixed-replace), or one JPEG each time.
    Http(HttpCamera),
    /// `exec:command`: what this command of the shell writes to its standard output.
    Exec(String),
}

impl CameraSource {
    /// What it is called where a calibration is kept: the URI without name and password.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Phantom(None) => "phantom:".to_owned(),
            Self::Phantom(Some(slide)) => format!("phantom:{}", slide.display()),
            Self::Folder(folder) => format!("dir:{}", folder.display()),
            Self::V4l2(node) => format!("v4l2:{}", node.display()),
            Self::Http(HttpCamera { host, port, target, .. }) => format!("http://{host}:{port}{target}"),
            Self::Exec(command) => format!("exec:{command}"),
        }
    }
}

/// A camera on a network.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpCamera {
    /// A name or an address, an IPv6 one without brackets.
    pub host: String,
    /// 80 where the URI has none.
    pub port: u16,
    /// Path and query.
    pub target: String,
    /// Name and password, where the URI has them.
    pub login: Option<(String, String)>,
}

impl fmt::Debug for HttpCamera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the password.
        write!(f, "HttpCamera({}:{})", self.host, self.port)
    }
}

/// How pixels that are not compressed lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawFormat {
    /// `rgb`: three bytes a pixel.
    Rgb,
    /// `bgr`: the same, blue first.
    Bgr,
    /// `yuyv`: two pixels in four bytes, BT.601.
    Yuyv,
}

/// What a camera is set to. What is not said it keeps as it is, which for most is automatic.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Controls {
    /// `exposure-ms`
    pub exposure_ms: Option<f64>,
    /// `white-balance-k`
    pub white_balance_k: Option<u32>,
    /// `gain`, in the camera's own steps.
    pub gain: Option<u32>,
}

/// A folder where others leave exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// `folder`: the folder, absolute.
    pub folder: PathBuf,
    /// `poll-s`: how often it is looked into.
    pub poll: Duration,
    /// `quiet-s`: how long an export must have rested before it is taken.
    pub quiet: Duration,
}

/// What a scanner or an archive may send to (C-STORE).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    /// `listen`: where. An address that others reach names who may send.
    pub listen: SocketAddr,
    /// `ae-title`: what they must call.
    pub ae_title: String,
    /// `allow`: the AE titles of those who may send; anybody may, if nobody is named.
    pub allow: Vec<String>,
    /// `folder`: where it goes, absolute: the box's own, that nobody else writes to. Without it `received` in the data folder.
    pub folder: Option<PathBuf>,
    /// `quiet-s`: how long a series must have rested before it is taken.
    pub quiet: Duration,
    /// `keep-days`: what came longer ago is removed; `None`: never.
    pub keep: Option<Duration>,
    /// `certificate` and `key`: connections are secured with these, and others not taken.
    pub tls: Option<Tls>,
    /// `authorities`: the certificates of those who may connect, or of who signed them (PEM, absolute).
    pub authorities: Option<PathBuf>,
}

/// Where results go by themselves: the structured report, the segmentation and the page to an archive, files to a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliver {
    /// `archive`: AE title, and host with port.
    pub archive: Option<(String, String)>,
    /// `ae-title`: what the box calls itself to the archive.
    pub ae_title: String,
    /// `folder`: the outgoing folder, absolute.
    pub folder: Option<PathBuf>,
    /// `forms`: what goes into the folder.
    pub forms: Vec<Form>,
    /// `authorities`: the certificate of the archive, or of who signed it (PEM, absolute); the connection is secured then.
    pub authorities: Option<PathBuf>,
    /// `certificate` and `key`: what the box shows to an archive that asks for it.
    pub tls: Option<Tls>,
}

/// How much is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// `watermark-mb`: no new case is taken while less of the disk is free. In bytes (1 MB is 1 000 000 of them).
    pub watermark_bytes: u64,
    /// `retention-days`: how long a finished case is kept; `None` (written 0) is for ever.
    pub retention: Option<Duration>,
    /// `drafts-days`: how long an abandoned draft is kept; `None` (written 0) is for ever.
    pub drafts: Option<Duration>,
}

/// The limits of the process that parses what comes from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// `memory-mb`: it may not have more memory. In bytes (1 MB is 1 000 000 of them).
    pub memory_bytes: u64,
    /// `time-s`: it may not take longer.
    pub time: Duration,
    /// `socket`: the socket, absolute, whose connections the service manager answers with a worker each. Without it the
    /// daemon starts workers itself.
    pub socket: Option<PathBuf>,
}

/// How a case is assessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// `time-s`: an assessment that takes longer counts as hung.
    pub time: Duration,
    /// `explain`: which explanations are made, each at most once.
    pub explain: Vec<Explanation>,
}

/// A method that says where a branch looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explanation {
    /// `gradcam`
    GradCam,
    /// `gradcam++`
    GradCamPlusPlus,
    /// `integrated-gradients`
    IntegratedGradients,
    /// `occlusion`
    Occlusion,
    /// `saliency`
    Saliency,
    /// `smoothgrad`
    SmoothGrad,
}

/// Cases with a known answer, by which the device checks itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// `every-h`: how often there is one; `None` (written 0) is never.
    pub every: Option<Duration>,
    /// `seed`: from which it is drawn.
    pub seed: u64,
}

/// What is done about heat.
#[derive(Debug, Clone, PartialEq)]
pub struct Thermal {
    /// `zones`: absolute paths of files that hold a temperature in thousandths of a degree Celsius; the hottest counts.
    pub zones: Vec<PathBuf>,
    /// `warm-c`: from here work is slowed, in °C.
    pub warm_c: f64,
    /// `hot-c`: from here work stops, in °C. Above `warm_c`.
    pub hot_c: f64,
    /// `throttled`: a file whose hexadecimal number says in its lowest four bits that the board is slowed down now, because its
    /// power supply is weak or it is too warm (Raspberry Pi). Absolute.
    pub throttled: Option<PathBuf>,
    /// `poll-s`: how often the zones are read.
    pub poll: Duration,
}

/// When the date is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockTrust {
    /// `ntp`: while something keeps the clock in step: the kernel says so, or, where it may not be asked, systemd-timesyncd.
    Ntp,
    /// `always`
    Always,
    /// `never`
    Never,
}

/// The daemon itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// `grace-s`: how long a part may take to stop before it is left behind.
    pub grace: Duration,
    /// `metrics`: where metrics are served, on this machine only. Without it they are not.
    pub metrics: Option<SocketAddr>,
}

/// The panel in a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// `listen`: where it is served. An address that others reach has [`tls`](Self::tls).
    pub listen: SocketAddr,
    /// `certificate` and `key`: with them it is served with TLS, to whoever logs in.
    pub tls: Option<Tls>,
}

/// What the box proves itself with. Both files are PEM, and absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// `certificate`: its certificate, and those above it in their order.
    pub certificate: PathBuf,
    /// `key`: its private key.
    pub key: PathBuf,
}

/// The attached screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// `enabled`: whether there is one.
    pub enabled: bool,
    /// `display`: which display.
    pub display: Attached,
    /// `size`: pixels across and down, before the rotation, of a display that has such a mode. Others have their own, and
    /// where there is none it is [`Panel::SIZE`].
    pub size: Option<[u16; 2]>,
    /// `rotation`: by how many degrees, clockwise, what is shown has to be turned for whoever stands before it.
    pub rotation: Rotation,
    /// `scale`: pixels for each of a panel of 150 dpi.
    pub scale: f64,
    /// `language`: the code (ISO 639-1) of the language until a person picks another; one of [`Panel::LANGUAGES`].
    pub language: &'static str,
    /// `large-letters`: letters a quarter larger, until a person picks the others.
    pub large_letters: bool,
    /// `read-first`: a person says what they see before they are shown the result.
    pub read_first: bool,
    /// `welcome`: a box that nobody has set up yet asks for language and PIN before anything else.
    pub welcome: bool,
    /// `[panel.backlight]`, where the display's light can be dimmed.
    pub backlight: Option<Backlight>,
    /// `[panel.buttons]`, where the box has buttons.
    pub buttons: Option<Buttons>,
}

/// Which display the panel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// `auto`: whichever is plugged in.
    Any,
    /// `off`: none, and no hands at this machine either.
    None,
    /// This one: /dev/dri/cardN or /dev/fbN.
    At(PathBuf),
}

/// Buttons on the box, which move the focus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buttons {
    /// `next`: goes to the next thing that can be touched.
    pub next: GpioLine,
    /// `press`: touches it.
    pub press: GpioLine,
    /// `previous`: goes to the one before.
    pub previous: Option<GpioLine>,
    /// `back`: goes back a page.
    pub back: Option<GpioLine>,
    /// How the lines are wired.
    pub wiring: Wiring,
}

/// What a box says without its screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signals {
    /// `lamp`: a lamp of which the pattern says how the box is.
    pub lamp: Option<GpioLine>,
    /// `buzzer`: sounds when a field was taken, or was not, and when there is a result.
    pub buzzer: Option<Buzzer>,
    /// `active-low`: whether a line is low while its lamp is lit.
    pub active_low: bool,
}

/// What sounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Buzzer {
    /// One with a tone of its own, at a line that switches it (`gpiochip0:19`).
    Line(GpioLine),
    /// One that has the tone of a PWM channel (`pwm:0`).
    Tone {
        /// The channel.
        channel: u8,
        /// `tone-hz`
        hz: u32,
    },
}

/// A display's light at a PWM channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlight {
    /// `channel`
    pub channel: u8,
    /// `frequency-hz`
    pub hz: u32,
    /// `dim-after-s`: it is dimmed after so long without a touch.
    pub dim_after: Duration,
    /// `dim-percent`: how bright it is then.
    pub dim_percent: u8,
}

/// A line of a GPIO chip, as `gpiochip0:17`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpioLine {
    /// The chip's name (gpiochip0), or its label (pinctrl-rp1), which stays the same from kernel to kernel.
    pub chip: String,
    /// Which of its lines.
    pub line: u32,
}

/// What holds a line at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// `up`: a resistor in the chip, to the supply.
    Up,
    /// `down`: a resistor in the chip, to ground.
    Down,
    /// `none`: nothing in the chip.
    None,
}

impl Panel {
    /// Pixels across and down, before the rotation, where neither a display nor the board says how many.
    pub const SIZE: [u16; 2] = [1280, 800];

    /// The languages of the panel, by their codes.
    pub const LANGUAGES: [&'static str; 8] = ["en", "fr", "es", "pt", "sw", "th", "hi", "ar"];
}

/// By how much a display is turned, clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// `0`
    None,
    /// `90`
    Right,
    /// `180`
    Half,
    /// `270`
    Left,
}

impl Rotation {
    /// Whether width and height change places.
    #[must_use]
    pub const fn is_quarter(self) -> bool {
        matches!(self, Self::Right | Self::Left)
    }
}
