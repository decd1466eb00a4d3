//! What the box switches: lamps and buzzers at lines of the kernel's GPIO chips, and lights and tones at the channels of a PWM.

use gpiocdev::{
    Request,
    line::{Offset, Value},
};

use crate::buttons::{NoLine, chip};

/// What something is wired to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wired {
    /// A line of a GPIO chip.
    Line {
        /// The chip's name (gpiochip0) or label (pinctrl-rp1).
        chip: String,
        /// Its line of the chip.
        line: u32,
        /// Whether the line is low while it is on.
        active_low: bool,
    },
    /// A channel of the board's PWM.
    Pwm {
        /// The channel.
        channel: u8,
        /// Its frequency.
        hz: u32,
    },
}

/// Why something cannot be switched.
#[derive(Debug, thiserror::Error)]
pub enum NoOutput {
    /// Its line is not there, or somebody else has it.
    #[error(transparent)]
    Line(#[from] NoLine),
    /// Its channel is not there, or may not be used.
    #[error("the PWM: {0}")]
    Pwm(String),
}

/// A lamp, a buzzer, a light. What is dropped is off.
pub trait Output: Send {
    /// On for so many hundredths of the time; a line knows 0 and more than that alone.
    ///
    /// # Errors
    /// [`NoOutput`] if it is not there any more.
    fn set(&mut self, percent: u8) -> Result<(), NoOutput>;
}

/// Takes what is wired there for this program. It is off at first.
///
/// # Errors
/// [`NoOutput`] if it cannot be had.
pub fn output(wired: &Wired) -> Result<Box<dyn Output>, NoOutput> {
    Ok(match wired {
        Wired::Line { chip, line, active_low } => Box::new(Line::take(chip, *line, *active_low)?),
        Wired::Pwm { channel, hz } => pwm(*channel, *hz)?,
    })
}

struct Line {
    request: Request,
    line: Offset,
}

impl Line {
    fn take(named: &str, line: u32, active_low: bool) -> Result<Self, NoLine> {
        let mut request = Request::builder();
        request.on_chip(chip(named)?).with_consumer("hilum").with_line(line).as_output(Value::Inactive);
        if active_low {
            request.as_active_low();
        }
        Ok(Self { request: request.request()?, line })
    }
}

impl Output for Line {
    fn set(&mut self, percent: u8) -> Result<(), NoOutput> {
        let value = if percent > 0 { Value::Active } else { Value::Inactive };
        self.request.set_value(self.line, value).map_err(|error| NoLine::from(error).into())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The kernel leaves a line as it is when nobody holds it any more.
        drop(self.set(0));
    }
}

#[cfg(feature = "rpi")]
fn pwm(channel: u8, hz: u32) -> Result<Box<dyn Output>, NoOutput> {
    use rppal::pwm::{Channel, Polarity, Pwm};

    struct Rpi(Pwm);

    impl Output for Rpi {
        fn set(&mut self, percent: u8) -> Result<(), NoOutput> {
            let duty = f64::from(percent.min(100)) / 100.0;
            self.0.set_duty_cycle(duty).map_err(|error| NoOutput::Pwm(error.to_string()))
        }
    }

    let number = Channel::try_from(channel).map_err(|error| NoOutput::Pwm(error.to_string()))?;
    // It is switched off when it is dropped.
    let pwm = Pwm::with_frequency(number, f64::from(hz), 0.0, Polarity::Normal, true);
    Ok(Box::new(Rpi(pwm.map_err(|error| NoOutput::Pwm(error.to_string()))?)))
}

#[cfg(not(feature = "rpi"))]
fn pwm(channel: u8, _hz: u32) -> Result<Box<dyn Output>, NoOutput> {
    Err(NoOutput::Pwm(format!("channel {channel}: this program was built without the feature rpi")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let line = Wired::Line { chip: "no-such-chip".to_owned(), line: 3, active_low: false };
        let why = |wired: &Wired| output(wired).map(drop).expect_err("there is none").to_string();
        assert_eq!(why(&line), "there is no chip no-such-chip");
        let said = why(&Wired::Pwm { channel: 3, hz: 1000 });
        assert!(said.starts_with("the PWM: "), "{said}");
    }
}
