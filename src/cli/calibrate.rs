//! `hilum calibrate`: the scale of each objective, the white field, and which objective is in use.

use std::path::{Path, PathBuf};

use hilum_daemon::Request;
use hilum_imaging::micrometer::Ruling;
use hilum_intake::read_fields;
use serde_json::{Value, json};

use crate::{
    Failure,
    case::absolute,
    socket::{To, print, word},
};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Find the scale of an objective on the stage micrometer that is under the camera, and use it from now on.
    Scale {
        /// What the objective is called, such as 20x.
        #[arg(long, value_name = "NAME")]
        objective: String,
        /// The distance of neighbouring lines, in µm.
        #[arg(long, value_name = "F", default_value_t = 10.0, allow_hyphen_values = true)]
        pitch_um: f64,
        /// A picture that this camera took of a stage micrometer, instead of what it sees now.
        #[arg(long, value_name = "FILE")]
        image: Option<PathBuf>,
        #[command(flatten)]
        to: To,
    },
    /// Take what the camera sees, clear glass, as the white field of the objective in use: the light is made even from then on.
    White {
        /// Forget it.
        #[arg(long)]
        forget: bool,
        #[command(flatten)]
        to: To,
    },
    /// Use another objective.
    Use {
        /// Its name.
        objective: String,
        #[command(flatten)]
        to: To,
    },
    /// What is calibrated.
    List {
        #[command(flatten)]
        to: To,
    },
    /// Measure a picture of a stage micrometer; keeps nothing and needs no daemon.
    Measure {
        /// The picture.
        image: PathBuf,
        /// The distance of neighbouring lines, in µm.
        #[arg(long, value_name = "F", default_value_t = 10.0, allow_hyphen_values = true)]
        pitch_um: f64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Scale { objective, pitch_um, image, to } => {
            let path = image.as_deref().map(absolute).transpose()?;
            let request = Request::Scale { objective: objective.clone(), pitch_um: *pitch_um, path };
            print(&to.daemon.ask(&request)?, to.json, found)
        }
        Command::White { forget, to } => {
            print(&to.daemon.ask(&Request::White { forget: *forget })?, to.json, |answer| {
                let objective = named(answer);
                match answer["largest-gain"].as_f64() {
                    Some(gain) => {
                        format!("{objective}: white field kept, the darkest part is made {gain:.2} times brighter")
                    }
                    None => format!("{objective}: no white field"),
                }
            })
        }
        Command::Use { objective, to } => {
            let request = Request::Objective { objective: objective.clone() };
            print(&to.daemon.ask(&request)?, to.json, |answer| format!("{} is in use", named(answer)))
        }
        Command::List { to } => print(&to.daemon.ask(&Request::Optics)?, to.json, listed),
        Command::Measure { image, pitch_um, json } => measure(image, *pitch_um, *json),
    }
}

fn measure(image: &Path, pitch_um: f64, json: bool) -> Result<(), Failure> {
    if !(pitch_um.is_finite() && pitch_um > 0.0) {
        return Err(Failure::Usage("--pitch-um is a number above 0".to_owned()));
    }
    if image.is_dir() {
        return Err(Failure::Usage("measure takes one picture, not a folder".to_owned()));
    }
    let field = read_fields(&[image.to_owned()], None)?.remove(0);
    let ruling = Ruling::find(&field.image)
        .map_err(|no| Failure::Said { exit: 2, why: format!("this is no stage micrometer that can be read: {no}") })?;
    let answer = json!({
        "um-per-px": pitch_um / ruling.period_px, "size": [field.image.width(), field.image.height()],
        "period-px": ruling.period_px, "lines": ruling.lines, "angle-deg": ruling.angle_deg,
        "relative-error": ruling.relative_error, "quality": ruling.quality,
    });
    print(&answer, json, found)
}

fn named(answer: &Value) -> &str {
    match word(answer, "objective") {
        "" => "the objective without a name",
        name => name,
    }
}

fn number(answer: &Value, key: &str) -> f64 {
    answer[key].as_f64().unwrap_or(f64::NAN)
}

fn found(answer: &Value) -> String {
    let what = answer["objective"].as_str().map_or(String::new(), |objective| format!("{objective}: "));
    format!(
        "{what}{:.4} µm per pixel ({} lines, {:.2} pixels apart, ±{:.2}%)",
        number(answer, "um-per-px"),
        answer["lines"],
        number(answer, "period-px"),
        100.0 * number(answer, "relative-error"),
    )
}

fn listed(answer: &Value) -> String {
    let mut lines = vec![format!("camera {}", word(answer, "camera"))];
    let used = word(answer, "objective");
    for scale in answer["calibrated"].as_array().into_iter().flatten() {
        let name = word(scale, "objective");
        let mark = if name == used { " (in use)" } else { "" };
        let white = if scale["white"] == true { ", white field" } else { "" };
        lines.push(format!(
            "{name}{mark}: {:.4} µm per pixel at {}×{}, {}{white}",
            number(scale, "um-per-px"),
            scale["size"][0],
            scale["size"][1],
            word(scale, "claimed"),
        ));
    }
    if answer["fixed"] == true {
        lines.push("the board says the scale".to_owned());
    } else if lines.len() == 1 {
        lines.push("nothing is calibrated".to_owned());
    }
    if !used.is_empty()
        && !answer["calibrated"].as_array().is_some_and(|all| all.iter().any(|one| one["objective"] == used))
    {
        lines.push(format!("{used} is in use and not calibrated: its fields have no scale, and are refused"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_without_a_scale_is_told() {
        let none = json!({"camera": "v4l2:/dev/video0", "objective": "20x", "objectives": ["20x"], "fixed": false, "calibrated": []});
        let said = listed(&none);
        assert!(
            said.contains("nothing is calibrated")
                && said.ends_with("20x is in use and not calibrated: its fields have no scale, and are refused"),
            "{said}"
        );
        let one = json!({"camera": "v4l2:/dev/video0", "objective": "20x", "fixed": false, "calibrated": [{"objective": "20x", "um-per-px": 0.5, "size": [1920, 1080], "claimed": "2026-01-05T10:00:00Z", "white": true}]});
        assert_eq!(
            listed(&one),
            "camera v4l2:/dev/video0\n20x (in use): 0.5000 µm per pixel at 1920×1080, 2026-01-05T10:00:00Z, white field"
        );
    }
}
