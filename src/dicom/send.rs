//! C-STORE, the side that sends (PS3.4 B), and the question afterwards whether what was sent is there (C-FIND, PS3.4 C).

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    time::Duration,
};

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries;
use dicom_ul::{
    ClientAssociation, Pdu,
    association::{ClientAssociationOptions, CloseSocket, SyncAssociation},
    pdu::{PDataValue, PDataValueType, PresentationContextResultReason},
};

use crate::{
    dimse::{C_FIND_RQ, C_STORE_RQ, Command, status},
    part10::Part10,
    read::reason,
    scan::value_of,
    tls::{ClientTls, TlsError},
};

/// An archive that takes objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Host and port.
    pub address: String,
    /// Its AE title.
    pub ae_title: String,
    /// The AE title that the device calls itself.
    pub own_ae_title: String,
    /// How long it may take to connect, or to answer.
    pub patience: Duration,
    /// What the connection is secured with; without it it is not. The files are read again for each connection.
    pub tls: Option<ClientTls>,
}

/// Why objects are not in an archive. All but [`SendError::Object`] may pass: try again later.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// What is to be sent is no DICOM object that can be sent as it is.
    #[error("object {number} cannot be sent")]
    Object {
        /// Which of them, from 1.
        number: usize,
    },
    /// The connection cannot be secured.
    #[error("the connection to the archive cannot be secured")]
    Tls(#[from] TlsError),
    /// It cannot be reached, or rejects the association.
    #[error("the archive cannot be reached")]
    Associate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It was lost in the middle.
    #[error("the connection to the archive broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It takes no objects of this class.
    #[error("the archive takes no objects of the class {class}")]
    Class {
        /// SOP Class UID.
        class: String,
    },
    /// It did not take an object.
    #[error("the archive did not take object {number}: status {status:04x}")]
    Status {
        /// Which of them, from 1.
        number: usize,
        /// (0000,0900) Status.
        status: u16,
    },
    /// It took an object and does not know of it when asked.
    #[error("the archive took object {number} and does not know of it")]
    NotThere {
        /// Which of them, from 1.
        number: usize,
    },
}

/// Objects that an archive has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whether it was asked afterwards and knows of each; some archives cannot be asked.
    pub is_verified: bool,
}

/// An object to be sent.
struct Object<'a> {
    file: Part10<'a>,
    class: String,
    /// Study, series, and its own UID.
    uids: [String; 3],
}

/// Study Root Query/Retrieve Information Model: FIND (PS3.4 C.6.2).
const FIND: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;
const SYNTAXES: [&str; 2] = [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN];

/// Sends DICOM files, and asks whether they are there. Sending again what is there changes nothing.
///
/// # Errors
/// [`SendError`] at the first object that is not taken.
pub fn send(files: &[Vec<u8>], to: &Archive) -> Result<Taken, SendError> {
    let objects = (1..).zip(files).map(|(number, file)| Object::of(file).ok_or(SendError::Object { number }));
    let objects: Vec<Object<'_>> = objects.collect::<Result<_, _>>()?;
    let mut options = ClientAssociationOptions::new()
        .calling_ae_title(to.own_ae_title.clone())
        .called_ae_title(to.ae_title.clone())
        .connection_timeout(to.patience)
        .read_timeout(to.patience)
        .write_timeout(to.patience);
    let classes: BTreeSet<&str> = objects.iter().map(|object| object.class.as_str()).chain([FIND]).collect();
    for class in classes {
        // One each: an archive chooses one of a context's, and not always the one that needs no other coding.
        for syntax in SYNTAXES {
            options = options.with_presentation_context(class.to_owned(), vec![syntax.to_owned()]);
        }
    }
    let unreachable = |source| SendError::Associate(reason(&source));
    let Some(tls) = &to.tls else { return over(options.establish(&to.address[..]).map_err(unreachable)?, &objects) };
    // An address of IPv6 stands in brackets; the name in a certificate does not.
    let host = to.address.rsplit_once(':').map_or(&to.address[..], |(host, _)| host.trim_matches(['[', ']']));
    let options = options.tls_config(tls.configuration()?).server_name(host);
    over(options.establish_tls(&to.address[..]).map_err(unreachable)?, &objects)
}

/// Sends over an association, and ends it.
fn over<S: Read + Write + CloseSocket>(
    association: ClientAssociation<S>,
    objects: &[Object<'_>],
) -> Result<Taken, SendError>
where
    ClientAssociation<S>: SyncAssociation<S>,
{
    let mut sender = Sender { association, message: 0 };
    let taken = sender.all(objects);
    // What it took it took, whether it says goodbye or not.
    drop(match taken {
        Ok(_) => sender.association.release(),
        Err(_) => sender.association.abort(),
    });
    taken
}

impl<'a> Object<'a> {
    fn of(file: &'a [u8]) -> Option<Self> {
        let file = Part10::open(file).ok().filter(|file| file.transfer_syntax == SYNTAXES[0])?;
        let text = |tag| {
            let value = String::from_utf8(value_of(file.data_set(), file.coding, tag)?).ok()?;
            Some(value.trim_end_matches(['\0', ' ']).to_owned()).filter(|value| !value.is_empty())
        };
        let class = text(tags::SOP_CLASS_UID)?;
        let uids = [text(tags::STUDY_INSTANCE_UID)?, text(tags::SERIES_INSTANCE_UID)?, text(tags::SOP_INSTANCE_UID)?];
        Some(Self { file, class, uids })
    }

    /// Its data set in another coding than its own.
    fn implicit(&self) -> Option<Vec<u8>> {
        let explicit = entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
        let object = InMemDicomObject::read_dataset_with_ts(self.file.data_set(), &explicit).ok()?;
        let mut bytes = Vec::new();
        object.write_dataset_with_ts(&mut bytes, &entries::IMPLICIT_VR_LITTLE_ENDIAN.erased()).ok()?;
        Some(bytes)
    }
}

struct Sender<S> {
    association: ClientAssociation<S>,
    message: u16,
}

impl<S: Read + Write + CloseSocket> Sender<S>
where
    ClientAssociation<S>: SyncAssociation<S>,
{
    fn all(&mut self, objects: &[Object<'_>]) -> Result<Taken, SendError> {
        for (number, object) in (1..).zip(objects) {
            let (context, implicit) =
                self.context(&object.class).ok_or_else(|| SendError::Class { class: object.class.clone() })?;
            let recoded = if implicit { Some(object.implicit().ok_or(SendError::Object { number })?) } else { None };
            let data = recoded.as_deref().unwrap_or(object.file.data_set());
            let command =
                self.request(C_STORE_RQ, &object.class).with_text(tags::AFFECTED_SOP_INSTANCE_UID, &object.uids[2]);
            self.put(context, &command, data)?;
            let status = self.answer()?.0;
            if status != status::SUCCESS && !status::WARNINGS.contains(&status) {
                return Err(SendError::Status { number, status });
            }
        }
        let Some((context, implicit)) = self.context(FIND) else { return Ok(Taken { is_verified: false }) };
        for (number, object) in (1..).zip(objects) {
            let command = self.request(C_FIND_RQ, FIND);
            self.put(context, &command, &question(&object.uids, implicit))?;
            let mut found = 0;
            loop {
                let (status, with) = self.answer()?;
                if !status::PENDING.contains(&status) {
                    // One that fails to answer may be one that cannot be asked at this level.
                    if found == 0 && status != status::SUCCESS {
                        return Ok(Taken { is_verified: false });
                    }
                    break;
                }
                found += usize::from(with);
            }
            if found == 0 {
                return Err(SendError::NotThere { number });
            }
        }
        Ok(Taken { is_verified: true })
    }

    /// The context that was agreed on for a class, and whether its coding has implicit VR.
    fn context(&self, class: &str) -> Option<(u8, bool)> {
        SYNTAXES.into_iter().find_map(|syntax| {
            let agreed = self.association.presentation_contexts().iter().find(|agreed| {
                agreed.abstract_syntax == class
                    && agreed.transfer_syntax.trim_end_matches('\0') == syntax
                    && agreed.reason == PresentationContextResultReason::Acceptance
            })?;
            Some((agreed.id, syntax == uids::IMPLICIT_VR_LITTLE_ENDIAN))
        })
    }

    fn request(&mut self, field: u16, class: &str) -> Command {
        self.message += 1;
        Command::request(field, class, self.message, true)
            // (0000,0700) Priority: medium.
            .with_number(tags::PRIORITY, 0)
    }

    fn put(&mut self, context: u8, command: &Command, data: &[u8]) -> Result<(), SendError> {
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data: command.bytes(),
        };
        self.association.send(&Pdu::PData { data: vec![value] }).map_err(broken)?;
        let mut writer = self.association.send_pdata(context);
        writer.write_all(data).map_err(broken)?;
        writer.finish().map_err(broken)
    }

    /// The status of an answer, and whether a data set came with it.
    fn answer(&mut self) -> Result<(u16, bool), SendError> {
        let (mut bytes, mut response) = (Vec::new(), None::<Command>);
        loop {
            let values = match self.association.receive().map_err(broken)? {
                Pdu::PData { data } => data,
                other => return Err(SendError::Broken(other.short_description().to_string().into())),
            };
            for value in values {
                match (value.value_type, &response) {
                    (PDataValueType::Command, None) => {
                        bytes.extend(value.data);
                        if value.is_last {
                            response = Command::read(&bytes);
                        }
                    }
                    (PDataValueType::Data, Some(response)) if value.is_last => {
                        return Ok((response.number(tags::STATUS).unwrap_or(u16::MAX), true));
                    }
                    (PDataValueType::Data, Some(_)) => {}
                    _ => return Err(SendError::Broken("an answer that makes no sense".into())),
                }
            }
            match &response {
                Some(response) if !response.has_data_set() => {
                    return Ok((response.number(tags::STATUS).unwrap_or(u16::MAX), false));
                }
                Some(_) => {}
                // A command set that goes on and on is none.
                None if bytes.len() > 16_384 => return Err(SendError::Broken("an answer without an end".into())),
                None => {}
            }
        }
    }
}

fn broken(source: impl std::error::Error) -> SendError {
    SendError::Broken(reason(&source))
}

/// The identifier of a C-FIND for one object (PS3.4 C.4.1).
fn question([study, series, instance]: &[String; 3], implicit: bool) -> Vec<u8> {
    let element = |tag, vr, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    let identifier = InMemDicomObject::from_element_iter([
        element(tags::SOP_INSTANCE_UID, VR::UI, instance),
        element(tags::QUERY_RETRIEVE_LEVEL, VR::CS, "IMAGE"),
        element(tags::STUDY_INSTANCE_UID, VR::UI, study),
        element(tags::SERIES_INSTANCE_UID, VR::UI, series),
    ]);
    let mut bytes = Vec::new();
    let written = if implicit {
        identifier.write_dataset_with_ts(&mut bytes, &entries::IMPLICIT_VR_LITTLE_ENDIAN.erased())
    } else {
        identifier.write_dataset_with_ts(&mut bytes, &entries::EXPLICIT_VR_LITTLE_ENDIAN.erased())
    };
    written.expect("four short texts");
    bytes
}
