//! What is known of a patient, as words on the command line.

use hilum_domain::{Age, Metadata, Sex, Smoking, Specimen};

#[derive(clap::Args)]
pub(crate) struct Patient {
    /// Age in years.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = age)]
    age: Option<Age>,
    /// female or male.
    #[arg(long)]
    sex: Option<Sex>,
    /// never, former or current.
    #[arg(long)]
    smoking: Option<Smoking>,
    /// biopsy, cytology or resection.
    #[arg(long)]
    specimen: Option<Specimen>,
}

impl Patient {
    pub(crate) const fn metadata(&self) -> Metadata {
        Metadata { age: self.age, sex: self.sex, smoking: self.smoking, specimen: self.specimen }
    }
}

fn age(text: &str) -> Result<Age, String> {
    let years: f64 = text.parse().map_err(|_| "expected a number of years".to_owned())?;
    Age::from_years(years).map_err(|error| error.to_string())
}
