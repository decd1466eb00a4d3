//! The acceptor's side of an association (PS3.8 7 and 9.3), over any connection.
//!
//! dicom-ul reads and writes the PDUs. What is answered to who asks for an association is decided here: its own acceptor turns in
//! circles where a connection ends in the middle of a TLS greeting, and copies each piece of pixel data twice.

use std::io::{self, Read, Write};

use dicom_ul::{
    Pdu,
    pdu::{
        AbortRQServiceProviderReason, AbortRQSource, AssociationAC, AssociationRJ, AssociationRJResult,
        AssociationRJServiceUserReason, AssociationRJSource, AssociationRQ, PresentationContextProposed,
        PresentationContextResult, PresentationContextResultReason, UserVariableItem, read_pdu, write_pdu,
    },
};

use crate::object::{IMPLEMENTATION_VERSION_NAME, implementation_class_uid};

/// What a PDU may have after its header: as much as the widest-spread sender sends.
const MOST_PDU: u32 = 131_072;
/// Type, a reserved byte, length (PS3.8 9.3.1).
const PDU_HEADER: usize = 6;
/// The type of a P-DATA-TF PDU (PS3.8 9.3.5).
const P_DATA: u8 = 0x04;
/// DICOM's own application context, the only one (PS3.7 A.2.1).
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
/// What a context is answered with that is not accepted: its transfer syntax means nothing then (PS3.8 9.3.3.2).
const NO_SYNTAX: &str = dicom_dictionary_std::uids::IMPLICIT_VR_LITTLE_ENDIAN;

/// What associations are accepted for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'a> {
    /// What the acceptor is called.
    pub(crate) ae_title: &'a str,
    /// Who may ask; anybody, if nobody is named.
    pub(crate) allowed: &'a [String],
    pub(crate) abstract_syntaxes: &'a [&'a str],
    pub(crate) transfer_syntaxes: &'a [&'a str],
}

/// Why there is no association.
#[derive(Debug)]
pub(crate) enum NoAssociation {
    /// It was asked for by or of somebody else.
    Rejected,
    /// Nobody asked for one as the standard has it, or not in time.
    Broken,
}

/// An accepted association.
pub(crate) struct Accepted<S> {
    stream: S,
    buffer: Box<[u8]>,
    /// How much of the buffer is filled, and how much of that has been handed out.
    filled: usize,
    used: usize,
    agreed: Agreed,
}

/// What was agreed on.
#[derive(Debug, Default)]
pub(crate) struct Agreed {
    /// The accepted contexts, and the transfer syntax of each.
    contexts: Vec<(u8, String)>,
    /// Who asked, by AE title.
    pub(crate) peer: String,
}

impl Agreed {
    /// The transfer syntax of an accepted context.
    pub(crate) fn transfer_syntax(&self, context: u8) -> Option<&str> {
        self.contexts.iter().find(|(id, _)| *id == context).map(|(_, syntax)| &**syntax)
    }
}

/// What came.
pub(crate) enum Arrived<'a> {
    /// Pieces of messages.
    Data(Vec<Piece<'a>>),
    /// The other side is done.
    Release,
    /// The other side gives up.
    Abort,
    /// Something that has no place here.
    Other,
}

/// A presentation data value (PS3.8 9.3.5.1, E.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) context: u8,
    pub(crate) is_command: bool,
    pub(crate) is_last: bool,
    pub(crate) data: &'a [u8],
}

impl<S: Read + Write> Accepted<S> {
    /// Waits for a request and answers it.
    pub(crate) fn negotiate(stream: S, offer: &Offer<'_>) -> Result<Self, NoAssociation> {
        // Room for a PDU, and for what comes with its end.
        let buffer = vec![0; 2 * (PDU_HEADER + MOST_PDU as usize)].into_boxed_slice();
        let mut new = Self { stream, buffer, filled: 0, used: 0, agreed: Agreed::default() };
        let end = new.fill().map_err(|_| NoAssociation::Broken)?;
        let request = match read_pdu(&new.buffer[..end], MOST_PDU, true) {
            Ok(Some(Pdu::AssociationRQ(request))) => request,
            _ => {
                new.abort();
                return Err(NoAssociation::Broken);
            }
        };
        if let Some(reason) = offer.objection(&request) {
            let source = AssociationRJSource::ServiceUser(reason);
            let refusal = Pdu::AssociationRJ(AssociationRJ { result: AssociationRJResult::Permanent, source });
            // Rejected it is, told or not.
            drop(new.send(&refusal));
            return Err(NoAssociation::Rejected);
        }
        let answers: Vec<_> =
            request.presentation_contexts.into_iter().map(|proposed| offer.answer(proposed)).collect();
        let accepted = answers.iter().filter(|answer| answer.reason == PresentationContextResultReason::Acceptance);
        let contexts = accepted.map(|answer| (answer.id, answer.transfer_syntax.clone())).collect();
        let peer = request.calling_ae_title.trim().to_owned();
        new.agreed = Agreed { contexts, peer };
        let acceptance = Pdu::AssociationAC(AssociationAC {
            protocol_version: 1,
            calling_ae_title: request.calling_ae_title,
            called_ae_title: request.called_ae_title,
            application_context_name: request.application_context_name,
            presentation_contexts: answers,
            user_variables: vec![
                UserVariableItem::MaxLength(MOST_PDU),
                UserVariableItem::ImplementationClassUID(implementation_class_uid()),
                UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION_NAME.to_owned()),
            ],
        });
        new.send(&acceptance).map_err(|_| NoAssociation::Broken)?;
        Ok(new)
    }

    /// Waits for the next PDU; beside it, what was agreed on.
    pub(crate) fn receive(&mut self) -> io::Result<(&Agreed, Arrived<'_>)> {
        let end = self.fill()?;
        let pdu = &self.buffer[..end];
        let arrived = if pdu[0] == P_DATA {
            pieces(&pdu[PDU_HEADER..]).map_or(Arrived::Other, Arrived::Data)
        } else {
            match read_pdu(pdu, MOST_PDU, true) {
                Ok(Some(Pdu::ReleaseRQ)) => Arrived::Release,
                Ok(Some(Pdu::AbortRQ { .. })) => Arrived::Abort,
                _ => Arrived::Other,
            }
        };
        Ok((&self.agreed, arrived))
    }

    /// Sends a PDU.
    pub(crate) fn send(&mut self, pdu: &Pdu) -> io::Result<()> {
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, pdu).map_err(io::Error::other)?;
        self.stream.write_all(&bytes)?;
        self.stream.flush()
    }

    /// Tells the other side that it made no sense.
    pub(crate) fn abort(&mut self) {
        let source = AbortRQSource::ServiceProvider(AbortRQServiceProviderReason::UnexpectedPdu);
        // Nobody waits for an answer.
        drop(self.send(&Pdu::AbortRQ { source }));
    }

    /// Reads until a whole PDU stands at the beginning of the buffer, and returns its length. The one before it is dropped.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.used..self.filled, 0);
        self.filled -= self.used;
        self.used = 0;
        loop {
            if let Some([_, _, length @ ..]) = self.buffer[..self.filled].first_chunk::<PDU_HEADER>() {
                let length = u32::from_be_bytes(*length);
                if length > MOST_PDU {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let end = PDU_HEADER + length as usize;
                if self.filled >= end {
                    self.used = end;
                    return Ok(end);
                }
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Offer<'_> {
    /// Why a request is rejected, if it is (PS3.8 9.3.4).
    fn objection(&self, request: &AssociationRQ) -> Option<AssociationRJServiceUserReason> {
        let is = |uid: &str, other: &str| uid.trim_end_matches(['\0', ' ']) == other;
        // PS3.5 6.2: spaces around an AE title mean nothing.
        if request.protocol_version & 1 == 0 {
            Some(AssociationRJServiceUserReason::NoReasonGiven)
        } else if !is(&request.application_context_name, APPLICATION_CONTEXT) {
            Some(AssociationRJServiceUserReason::ApplicationContextNameNotSupported)
        } else if request.called_ae_title.trim() != self.ae_title {
            Some(AssociationRJServiceUserReason::CalledAETitleNotRecognized)
        } else if !self.allowed.is_empty() && !self.allowed.iter().any(|title| title == request.calling_ae_title.trim())
        {
            Some(AssociationRJServiceUserReason::CallingAETitleNotRecognized)
        } else {
            None
        }
    }

    /// What is answered to a proposed context: the first of its transfer syntaxes that is known.
    fn answer(&self, proposed: PresentationContextProposed) -> PresentationContextResult {
        let plain = |uid: &str| uid.trim_end_matches(['\0', ' ']).to_owned();
        let syntax = proposed.transfer_syntaxes.iter().map(|syntax| plain(syntax));
        let syntax = syntax.into_iter().find(|syntax| self.transfer_syntaxes.contains(&&**syntax));
        let (reason, syntax) = match syntax {
            _ if !self.abstract_syntaxes.contains(&&*plain(&proposed.abstract_syntax)) => {
                (PresentationContextResultReason::AbstractSyntaxNotSupported, None)
            }
            None => (PresentationContextResultReason::TransferSyntaxesNotSupported, None),
            some => (PresentationContextResultReason::Acceptance, some),
        };
        let transfer_syntax = syntax.unwrap_or_else(|| NO_SYNTAX.to_owned());
        PresentationContextResult { id: proposed.id, reason, transfer_syntax }
    }
}

/// The presentation data values of a P-DATA-TF PDU, or nothing if their lengths make no sense.
fn pieces(mut bytes: &[u8]) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let ([context, control], data) = value.split_first_chunk::<2>()?;
        pieces.push(Piece { context: *context, is_command: control & 1 != 0, is_last: control & 2 != 0, data });
        bytes = rest;
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_where_their_lengths_say() {
        let bytes = [0, 0, 0, 4, 1, 3, b'a', b'b', 0, 0, 0, 2, 3, 0];
        let first = Piece { context: 1, is_command: true, is_last: true, data: b"ab" };
        let second = Piece { context: 3, is_command: false, is_last: false, data: b"" };
        assert_eq!(pieces(&bytes), Some(vec![first, second]));
        assert_eq!(pieces(&[]), Some(vec![]));
        for damaged in [&bytes[..5], &bytes[..13], &[0, 0, 0, 1, 1][..], &[0xff, 0xff, 0xff, 0xff, 1, 3][..]] {
            assert_eq!(pieces(damaged), None, "{damaged:?}");
        }
    }

    // verifies: REQ-INPUT-01
    #[test]
    fn bytes_at_random_make_no_association_and_no_panic() {
        /// Reads what is given to it, and takes what is written.
        struct Wire<'a>(&'a [u8]);
        impl Read for Wire<'_> {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                self.0.read(to)
            }
        }
        impl Write for Wire<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let allowed = [];
        let offer = Offer { ae_title: "HILUM", allowed: &allowed, abstract_syntaxes: &[], transfer_syntaxes: &[] };
        for bytes in
            [&[][..], &[1], &[1, 0, 0, 0, 0, 0], &[4, 0, 0, 0, 0, 0], &[1, 0, 0xff, 0xff, 0xff, 0xff], &[9; 40]]
        {
            let refused = Accepted::negotiate(Wire(bytes), &offer);
            assert!(matches!(refused, Err(NoAssociation::Broken)), "{bytes:?}");
        }
    }
}
