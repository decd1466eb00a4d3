//! A camera of this machine, by Video4Linux.
//!
//! Motion JPEG first: a USB 2 camera has 30 pictures a second of 1920×1080 only so.

use std::{path::Path, time::Duration};

use v4l::{
    Control, Device, Format, FourCC,
    buffer::{Flags, Type},
    capability::Flags as Capabilities,
    control::Value,
    framesize::{FrameSizeEnum, Stepwise},
    io::{mmap::Stream, traits::CaptureStream as _},
    video::{Capture as _, capture::Parameters},
};

use super::{CameraFault, Layout, MOST_PIXELS, Picture, Wanted, bounded, once::Pictures};

/// Buffers that the kernel fills: one is read, one is filled, two make up for a moment of delay.
const BUFFERS: u32 = 4;

/// Formats in which pictures are taken, best first, and how their pixels lie; nothing for JPEG.
const FORMATS: [(&[u8; 4], Option<Layout>); 5] = [
    (b"MJPG", None),
    (b"JPEG", None),
    (b"YUYV", Some(Layout::Yuyv)),
    (b"RGB3", Some(Layout::Rgb)),
    (b"BGR3", Some(Layout::Bgr)),
];

/// Controls, by their numbers (linux/v4l2-controls.h).
const EXPOSURE_AUTO: u32 = 0x009a_0901;
const EXPOSURE_MANUAL: i64 = 1;
const EXPOSURE_ABSOLUTE: u32 = 0x009a_0902;
const AUTO_WHITE_BALANCE: u32 = 0x0098_090c;
const WHITE_BALANCE_TEMPERATURE: u32 = 0x0098_091a;
const AUTOGAIN: u32 = 0x0098_0912;
const GAIN: u32 = 0x0098_0913;

/// A camera that is on.
pub(super) struct V4l2 {
    stream: Stream<'static>,
    layout: Option<Layout>,
    size: [u32; 2],
    stride: usize,
}

impl V4l2 {
    pub(super) fn open(node: &Path, wanted: &Wanted) -> Result<Self, CameraFault> {
        let device = Device::with_path(node)?;
        let caps = device.query_caps().map_err(|_| CameraFault::Format("it is no camera".to_owned()))?;
        if !caps.capabilities.contains(Capabilities::VIDEO_CAPTURE | Capabilities::STREAMING) {
            return Err(CameraFault::Format("it gives no pictures".to_owned()));
        }
        let (fourcc, layout) = format(&device)?;
        let [width, height] = size(&device, fourcc, wanted.size)?;
        let set = device.set_format(&Format::new(width, height, fourcc))?;
        if set.fourcc != fourcc {
            return Err(CameraFault::Format(format!("{} where {fourcc} was asked for", set.fourcc)));
        }
        bounded(set.width, set.height)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 60")]
        let rate = wanted.rate_hz.ceil() as u32;
        // A camera with one rate may refuse to hear of it.
        if let Err(error) = device.set_params(&Parameters::with_fps(rate.max(1))) {
            tracing::debug!(%error, "the camera keeps its rate");
        }
        control(&device, wanted);
        let stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS)?;
        let least = layout.map_or(0, |layout| layout.row(set.width));
        Ok(Self { stream, layout, size: [set.width, set.height], stride: (set.stride as usize).max(least) })
    }
}

/// The best of a camera's formats.
fn format(device: &Device) -> Result<(FourCC, Option<Layout>), CameraFault> {
    let offered: Vec<FourCC> = device.enum_formats()?.into_iter().map(|format| format.fourcc).collect();
    let known = FORMATS.into_iter().map(|(name, layout)| (FourCC::new(name), layout));
    known.into_iter().find(|(fourcc, _)| offered.contains(fourcc)).ok_or_else(|| {
        let offered: Vec<String> = offered.iter().map(ToString::to_string).collect();
        CameraFault::Format(if offered.is_empty() { "none".to_owned() } else { offered.join(", ") })
    })
}

/// The size that is wanted, or the smallest above it, or the largest there is, of those that are looked at live.
fn size(device: &Device, fourcc: FourCC, wanted: [u32; 2]) -> Result<[u32; 2], CameraFault> {
    let mut sizes = Vec::new();
    for offered in device.enum_framesizes(fourcc).unwrap_or_default() {
        match offered.size {
            FrameSizeEnum::Discrete(size) => sizes.push([size.width, size.height]),
            FrameSizeEnum::Stepwise(steps) => sizes.push(stepped(&steps, wanted)),
        }
    }
    // A driver that lists none sets what is nearest.
    if sizes.is_empty() { Ok(wanted) } else { nearest(&sizes, wanted) }
}

fn stepped(steps: &Stepwise, wanted: [u32; 2]) -> [u32; 2] {
    let on = |wanted: u32, least: u32, most: u32, step: u32| {
        let inside = wanted.clamp(least, most.max(least));
        inside - (inside - least) % step.max(1)
    };
    [
        on(wanted[0], steps.min_width, steps.max_width, steps.step_width),
        on(wanted[1], steps.min_height, steps.max_height, steps.step_height),
    ]
}

fn nearest(sizes: &[[u32; 2]], wanted: [u32; 2]) -> Result<[u32; 2], CameraFault> {
    let pixels = |size: &[u32; 2]| u64::from(size[0]) * u64::from(size[1]);
    let live = || sizes.iter().filter(|size| pixels(size) <= MOST_PIXELS);
    let enough = live().filter(|size| size[0] >= wanted[0] && size[1] >= wanted[1]).min_by_key(|size| pixels(size));
    match enough.or_else(|| live().max_by_key(|size| pixels(size))) {
        Some(size) => Ok(*size),
        None => {
            let [width, height] = sizes.iter().min_by_key(|size| pixels(size)).copied().unwrap_or_default();
            Err(CameraFault::TooLarge(width, height))
        }
    }
}

/// Sets what is to be set; a camera that has no such control keeps what it has, and the log says so.
fn control(device: &Device, wanted: &Wanted) {
    let mut set = Vec::new();
    if let Some(ms) = wanted.exposure_ms {
        #[expect(clippy::cast_possible_truncation, reason = "at most 5,000 of 100 µs")]
        let hundred_us = (ms * 10.0).round() as i64;
        set.push(("exposure", EXPOSURE_AUTO, Value::Integer(EXPOSURE_MANUAL)));
        set.push(("exposure", EXPOSURE_ABSOLUTE, Value::Integer(hundred_us.max(1))));
    }
    if let Some(kelvin) = wanted.white_balance_k {
        set.push(("white balance", AUTO_WHITE_BALANCE, Value::Boolean(false)));
        set.push(("white balance", WHITE_BALANCE_TEMPERATURE, Value::Integer(kelvin.into())));
    }
    if let Some(gain) = wanted.gain {
        set.push(("gain", AUTOGAIN, Value::Boolean(false)));
        set.push(("gain", GAIN, Value::Integer(gain.into())));
    }
    for (what, id, value) in set {
        if let Err(error) = device.set_control(Control { id, value }) {
            // Not every camera has an automatic to be switched off.
            let is_switch = [EXPOSURE_AUTO, AUTO_WHITE_BALANCE, AUTOGAIN].contains(&id);
            if is_switch {
                tracing::debug!(what, %error, "the camera has no automatic of this");
            } else {
                tracing::warn!(what, %error, "the camera does not take what the board says");
            }
        }
    }
}

impl Pictures for V4l2 {
    fn next(&mut self, patience: Duration) -> Result<Picture, CameraFault> {
        // Without an end a camera that is unplugged is waited for for ever.
        self.stream.set_timeout(patience.min(Duration::from_secs(60)));
        let mut left = BUFFERS;
        loop {
            let (bytes, about) = match self.stream.next() {
                Ok(taken) => taken,
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                    return Err(CameraFault::Stalled(patience));
                }
                Err(error) => return Err(error.into()),
            };
            let used = (about.bytesused as usize).min(bytes.len());
            let whole =
                !about.flags.contains(Flags::ERROR) && is_whole(&bytes[..used], self.layout, self.size, self.stride);
            if whole {
                let bytes = bytes[..used].to_vec();
                return Ok(match self.layout {
                    None => Picture::Jpeg(bytes),
                    Some(layout) => Picture::Raw { layout, size: self.size, stride: self.stride, bytes },
                });
            }
            // The first pictures of many cameras are cut off.
            left = left.checked_sub(1).ok_or(CameraFault::Damaged)?;
        }
    }
}

fn is_whole(bytes: &[u8], layout: Option<Layout>, [width, height]: [u32; 2], stride: usize) -> bool {
    match layout {
        // Some cameras fill up with zeros after the end.
        None => bytes.starts_with(&[0xff, 0xd8]) && bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9]),
        Some(layout) => bytes.len() >= stride * (height as usize).saturating_sub(1) + layout.row(width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_what_is_wanted_or_the_next_above_or_the_largest() {
        let check = |sizes: &[[u32; 2]], want: Result<[u32; 2], &str>| {
            assert_eq!(nearest(sizes, [1920, 1080]).map_err(|fault| fault.code()), want);
        };
        check(&[[640, 480], [1920, 1080], [3840, 2160]], Ok([1920, 1080]));
        check(&[[640, 480], [3840, 2160], [2560, 1440]], Ok([2560, 1440]));
        check(&[[640, 480], [1280, 720]], Ok([1280, 720]));
        check(&[[640, 480], [4000, 3000]], Ok([640, 480]));
        check(&[[4000, 3000]], Err("too-large"));
        let steps = Stepwise {
            min_width: 48,
            max_width: 4096,
            step_width: 16,
            min_height: 32,
            max_height: 800,
            step_height: 2,
        };
        assert_eq!(stepped(&steps, [1925, 1080]), [1920, 800]);
    }

    #[test]
    fn what_is_no_camera_is_named() {
        let wanted = Wanted { size: [640, 480], rate_hz: 30.0, exposure_ms: None, white_balance_k: None, gain: None };
        let code = |node: &str| V4l2::open(Path::new(node), &wanted).err().map(|fault| fault.code());
        assert_eq!(code("/dev/no-such-video"), Some("absent"));
        assert_eq!(code("/dev/null"), Some("no-usable-format"));
    }
}
