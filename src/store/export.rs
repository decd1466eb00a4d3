//! What leaves the box: named bytes in one file that says itself whether it is whole.
//!
//! The file is a tar (POSIX.1-1988, ustar) in which nothing is left to chance: no owners, no times, and `SHA256SUMS` over all
//! others as its last entry. Equal contents are equal bytes, so that a reader finds every byte that was changed. It gets its
//! name on the stick only when it was read back from there, and never that of a file that is there already.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Read, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Advice, AtFlags, Mode, OFlags, RenameFlags, fadvise, openat, renameat, renameat_with, unlinkat},
    io::Errno,
};
use sha2::{Digest as _, Sha256};

use crate::{
    StoreFault,
    age::{Recipient, Sealing},
    audit::{Hash, hex},
};

const BLOCK: usize = 512;
/// The name of the last entry.
const SUMS: &str = "SHA256SUMS";
/// Texts up to this length are given to whoever checks a file.
const LONGEST_TEXT: u64 = 64 << 20;
/// So many files of one case may lie in a folder.
const MOST_OF_ONE: u32 = 10_000;
const WRITE: &str = "write the export";
const READ_BACK: &str = "read the export back";

/// The header of an entry. `None` if the name or the size does not fit one.
fn header(name: &str, size: u64) -> Option<[u8; BLOCK]> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
    // Eleven octal digits.
    if name.len() > 100 || !printable || !name.split('/').all(plain) || size >= 1 << 33 {
        return None;
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "00000000000");
    // The sum of all bytes, with spaces where it will stand.
    put(148, "        0");
    put(257, "ustar");
    put(263, "00");
    put(329, "0000000");
    put(337, "0000000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(header)
}

/// How many zeros follow so many bytes.
fn padding(size: u64) -> usize {
    let block = BLOCK as u64;
    usize::try_from((block - size % block) % block).unwrap_or(0)
}

/// Writes the entries of a file.
pub struct Packer<'a> {
    out: &'a mut dyn Write,
    sums: Vec<(String, Hash)>,
}

impl<'a> Packer<'a> {
    /// A file that goes to `out`. Not whole before [`Packer::finish`].
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, sums: Vec::new() }
    }

    /// Adds an entry whose bytes are these parts, one after the other.
    ///
    /// # Errors
    /// [`StoreFault::Disk`] if it cannot be written, if its name is none, or if there is one of that name.
    pub fn add(&mut self, name: &str, parts: &[&[u8]]) -> Result<(), StoreFault> {
        if name == SUMS || self.sums.iter().any(|(taken, _)| taken == name) {
            return Err(StoreFault::Disk { attempt: WRITE, source: io::ErrorKind::InvalidInput.into() });
        }
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        self.sums.push((name.to_owned(), hash.finalize().into()));
        self.entry(name, parts).map_err(StoreFault::disk(WRITE))
    }

    fn entry(&mut self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let size = parts.iter().map(|part| part.len() as u64).sum();
        self.out.write_all(&header(name, size).ok_or(io::ErrorKind::InvalidInput)?)?;
        for part in parts {
            self.out.write_all(part)?;
        }
        self.out.write_all(&[0; BLOCK][..padding(size)])
    }

    /// Adds the sums and ends the file.
    ///
    /// # Errors
    /// [`StoreFault::Disk`]
    pub fn finish(mut self) -> Result<(), StoreFault> {
        let sums = sums_of(&self.sums);
        self.entry(SUMS, &[sums.as_bytes()]).map_err(StoreFault::disk(WRITE))?;
        self.out.write_all(&[0; 2 * BLOCK]).map_err(StoreFault::disk(WRITE))
    }
}

/// As `sha256sum` writes and checks it.
fn sums_of(sums: &[(String, Hash)]) -> String {
    sums.iter().map(|(name, sum)| format!("{}  {name}\n", hex(sum))).collect()
}

/// Why a file is not as it was written.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    /// It ends too early.
    #[error("the file ends in entry {0}")]
    Cut(usize),
    /// What should describe an entry does not.
    #[error("entry {0} is damaged, or was not written by this program")]
    Entry(usize),
    /// An entry is not what its sum says, or there are others than there are sums.
    #[error("the entries are not those that SHA256SUMS lists")]
    Sums,
    /// Something follows the end.
    #[error("something follows the end of the file")]
    After,
    /// It cannot be read.
    #[error("cannot read the file")]
    Read(#[source] io::Error),
}

/// An entry of a file that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Its name.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Hash,
}

/// A file that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Its entries, in their order.
    pub entries: Vec<Packed>,
    /// Those that are texts.
    pub texts: BTreeMap<String, Vec<u8>>,
}

/// Reads a file that a [`Packer`] wrote, and finds every byte that was changed.
///
/// # Errors
/// [`Damaged`]
pub fn check(input: &mut dyn Read) -> Result<Contents, Damaged> {
    let mut sums: Vec<(String, Hash)> = Vec::new();
    let mut contents = Contents { entries: Vec::new(), texts: BTreeMap::new() };
    let mut listed = None;
    for index in 1.. {
        let mut block = [0; BLOCK];
        let whole = |read: io::Result<()>| match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Damaged::Cut(index)),
            read => read.map_err(Damaged::Read),
        };
        whole(input.read_exact(&mut block))?;
        if block == [0; BLOCK] {
            whole(input.read_exact(&mut block))?;
            if block != [0; BLOCK] {
                return Err(Damaged::Entry(index));
            }
            break;
        }
        if listed.is_some() {
            return Err(Damaged::Sums);
        }
        let (name, size) = described(&block).ok_or(Damaged::Entry(index))?;
        let mut left = size;
        let mut hash = Sha256::new();
        let is_text = [".json", ".jsonl", ".txt", SUMS].iter().any(|end| name.ends_with(end));
        let mut text = (is_text && size <= LONGEST_TEXT).then(Vec::new);
        let mut buffer = vec![0; 1 << 16];
        while left > 0 {
            let next = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            whole(input.read_exact(&mut buffer[..next]))?;
            hash.update(&buffer[..next]);
            if let Some(text) = &mut text {
                text.extend_from_slice(&buffer[..next]);
            }
            left -= next as u64;
        }
        let zeros = &mut block[..padding(size)];
        whole(input.read_exact(zeros))?;
        if zeros.iter().any(|&byte| byte != 0) {
            return Err(Damaged::Entry(index));
        }
        if name == SUMS {
            listed = text;
            continue;
        }
        let sha256 = hash.finalize().into();
        sums.push((name.clone(), sha256));
        contents.texts.extend(text.map(|text| (name.clone(), text)));
        contents.entries.push(Packed { name, bytes: size, sha256 });
    }
    if listed.as_deref() != Some(sums_of(&sums).as_bytes()) {
        return Err(Damaged::Sums);
    }
    match input.read(&mut [0]) {
        Ok(0) => Ok(contents),
        Ok(_) => Err(Damaged::After),
        Err(error) => Err(Damaged::Read(error)),
    }
}

/// The name and size that a header says, if it is the header that would be written for them.
fn described(block: &[u8; BLOCK]) -> Option<(String, u64)> {
    let name = block[..100].split(|&byte| byte == 0).next()?;
    let name = std::str::from_utf8(name).ok()?.to_owned();
    let size = u64::from_str_radix(std::str::from_utf8(&block[124..135]).ok()?, 8).ok()?;
    (header(&name, size)? == *block).then_some((name, size))
}

/// A folder outside, opened: what happens to its path afterwards does not matter.
#[derive(Debug)]
pub struct Outside {
    folder: File,
}

/// Why a folder is not written to.
#[derive(Debug, thiserror::Error)]
pub enum NoOutside {
    /// It is no folder, or may not be entered.
    #[error("the folder for the export cannot be opened")]
    Folder(#[source] io::Error),
    /// It lies somewhere else than exports may go.
    #[error("exports may not go there: the configuration names another folder for them")]
    Elsewhere,
}

impl Outside {
    /// Opens a folder. Where exports may go to one place only, `within` is that, and links do not lead out of it.
    ///
    /// # Errors
    /// [`NoOutside`]
    pub fn open(folder: &Path, within: Option<&Path>) -> Result<Self, NoOutside> {
        let folder = open_folder(folder)?;
        if let Some(within) = within {
            // Where the two really are, as the kernel has them: a path could change between the look and the opening.
            if !real(&folder)?.starts_with(real(&open_folder(within)?)?) {
                return Err(NoOutside::Elsewhere);
            }
        }
        Ok(Self { folder })
    }

    /// Writes a file whole or not at all, and gives it its name only when what lies there was read back and is the same: the
    /// stem and the ending, with a number between them where that name is taken. What has a name already keeps it.
    ///
    /// # Errors
    /// [`StoreFault::Disk`], or what `fill` says: then there is no file that was not there before.
    pub fn deliver<E: From<StoreFault>>(
        &self,
        stem: &str,
        ending: &str,
        recipient: Option<&Recipient>,
        fill: impl FnOnce(&mut Packer<'_>) -> Result<(), E>,
    ) -> Result<Delivered, E> {
        let part = format!("{stem}{ending}.part");
        let delivered = self.written(&part, recipient, fill).and_then(|(sha256, bytes)| {
            let named = || -> io::Result<String> {
                let name = self.named(&part, stem, ending)?;
                self.folder.sync_all().inspect_err(|_| self.removed(&name))?;
                Ok(name)
            };
            Ok(Delivered { name: named().map_err(StoreFault::disk(WRITE))?, bytes, sha256 })
        });
        delivered.inspect_err(|_| self.removed(&part))
    }

    /// Takes a delivery back that turned out not to be wanted.
    pub fn take_back(&self, delivered: &Delivered) {
        self.removed(&delivered.name);
    }

    fn removed(&self, name: &str) {
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            // It may not be there, and the medium may be gone.
            Ok(()) | Err(_) => (),
        }
    }

    /// Gives a file the first of its names that nothing has, and says which.
    fn named(&self, part: &str, stem: &str, ending: &str) -> io::Result<String> {
        for number in 1..=MOST_OF_ONE {
            let name = if number == 1 { format!("{stem}{ending}") } else { format!("{stem}-{number}{ending}") };
            let named = match renameat_with(&self.folder, part, &self.folder, &name, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.named_in_two_steps(part, &name),
                named => named,
            };
            match named {
                Err(Errno::EXIST) => {}
                named => return Ok(named.map(|()| name)?),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where the file system cannot rename without replacing: an empty file takes the name first. Between the two steps a
    /// cut leaves that one, which is no whole file to whoever checks it.
    fn named_in_two_steps(&self, part: &str, name: &str) -> rustix::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        drop(openat(&self.folder, name, flags, Mode::from(0o600))?);
        renameat(&self.folder, part, &self.folder, name).inspect_err(|_| self.removed(name))
    }

    fn written<E: From<StoreFault>>(
        &self,
        part: &str,
        recipient: Option<&Recipient>,
        fill: impl FnOnce(&mut Packer<'_>) -> Result<(), E>,
    ) -> Result<(Hash, u64), E> {
        let disk = StoreFault::disk(WRITE);
        // What an interrupted export left; and a link of that name is not followed, wherever the medium came from.
        self.removed(part);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.folder, part, flags, Mode::from(0o600)).map_err(io::Error::from);
        let mut counted = Counted { file: file.map_err(&disk)?.into(), hash: Sha256::new(), bytes: 0 };
        {
            let mut buffered = BufWriter::with_capacity(1 << 20, &mut counted);
            if let Some(recipient) = recipient {
                let mut sealing = Sealing::new(&mut buffered, recipient).map_err(&disk)?;
                let mut packer = Packer::new(&mut sealing);
                fill(&mut packer)?;
                packer.finish()?;
                sealing.finish().map_err(&disk)?;
            } else {
                let mut packer = Packer::new(&mut buffered);
                fill(&mut packer)?;
                packer.finish()?;
            }
            buffered.flush().map_err(&disk)?;
        }
        let Counted { mut file, hash, bytes } = counted;
        file.sync_all().map_err(&disk)?;
        let sha256: Hash = hash.finalize().into();
        if read_back(&mut file).map_err(StoreFault::disk(READ_BACK))? != sha256 {
            let source = io::Error::other("the medium does not hold what was written");
            return Err(StoreFault::Disk { attempt: READ_BACK, source }.into());
        }
        Ok((sha256, bytes))
    }

    /// Adds a line to a text in the folder.
    ///
    /// # Errors
    /// [`StoreFault::Disk`]
    pub fn add_line(&self, name: &str, line: &str) -> Result<(), StoreFault> {
        let added = || -> io::Result<()> {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file: File = openat(&self.folder, name, flags, Mode::from(0o600))?.into();
            if !file.metadata()?.is_file() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            // The last line may have been cut off.
            let mut last = *b"\n";
            if file.seek(SeekFrom::End(0))? > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            let before = if last == *b"\n" { "" } else { "\n" };
            file.write_all(format!("{before}{line}\n").as_bytes())?;
            file.sync_all()?;
            self.folder.sync_all()
        };
        added().map_err(StoreFault::disk("write the head of the log beside the export"))
    }
}

/// A file that lies outside, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The name that it has there.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// The SHA-256 of the file as it lies there.
    pub sha256: Hash,
}

fn open_folder(path: &Path) -> Result<File, NoOutside> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    opened.map(File::from).map_err(|error| NoOutside::Folder(error.into()))
}

/// Where an opened folder is.
fn real(folder: &File) -> Result<PathBuf, NoOutside> {
    use std::os::fd::AsRawFd as _;
    std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())).map_err(NoOutside::Folder)
}

/// The SHA-256 of a file as the medium has it, as far as the kernel can be made to ask the medium.
fn read_back(file: &mut File) -> io::Result<Hash> {
    // Advice: a file system without a cache of its own may not take it.
    drop(fadvise(&*file, 0, None, Advice::DontNeed).map_err(io::Error::from));
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// Hashes and counts what goes to a file.
struct Counted {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn filled(packer: &mut Packer<'_>) -> Result<(), StoreFault> {
        packer.add("case.json", &[b"{}"])?;
        packer.add("maps/ct.npy", &[&[7; 600], b"and more"])?;
        packer.add("empty.txt", &[])
    }

    fn packed() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut packer = Packer::new(&mut bytes);
        filled(&mut packer).expect("packed");
        packer.finish().expect("packed");
        bytes
    }

    // verifies: REQ-STORE-07
    #[test]
    fn a_file_says_what_is_in_it_and_every_flipped_bit_is_found() {
        let bytes = packed();
        assert_eq!(packed(), bytes, "the same bytes every time");
        let contents = check(&mut &bytes[..]).expect("whole");
        let names: Vec<(&str, u64)> = contents.entries.iter().map(|of| (of.name.as_str(), of.bytes)).collect();
        assert_eq!(names, [("case.json", 2), ("maps/ct.npy", 608), ("empty.txt", 0)]);
        assert_eq!(contents.texts["case.json"], b"{}");
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            check(&mut &flipped[..]).expect_err(&format!("bit {at}"));
        }
        for end in 0..bytes.len() {
            check(&mut &bytes[..end]).expect_err("cut");
        }
        assert!(matches!(check(&mut &[&bytes[..], b"x"].concat()[..]), Err(Damaged::After)));
    }

    #[test]
    fn names_that_lead_elsewhere_or_stand_twice_are_not_packed() {
        let mut bytes = Vec::new();
        let mut packer = Packer::new(&mut bytes);
        packer.add("a", &[]).expect("packed");
        let long = "x".repeat(101);
        for name in ["a", "", "/a", "a/", "../a", "a/../b", "a b", "ä", SUMS, &long] {
            assert!(matches!(packer.add(name, &[]), Err(StoreFault::Disk { .. })), "{name}");
        }
    }

    // verifies: REQ-STORE-07
    #[test]
    fn a_delivery_is_whole_or_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = Outside::open(folder.path(), None).expect("opened");
        // A medium may have anything on it.
        fs::write(folder.path().join("victim"), b"as it was").expect("written");
        symlink("victim", folder.path().join("a.tar.part")).expect("a link");
        let delivered = outside.deliver("a", ".tar", None, filled).expect("delivered");
        let path = folder.path().join("a.tar");
        assert_eq!(fs::read(&path).expect("there"), packed());
        let (bytes, sha256) = (packed().len() as u64, Sha256::digest(packed()).into());
        assert_eq!(delivered, Delivered { name: "a.tar".into(), bytes, sha256 });
        assert_eq!(fs::read(folder.path().join("victim")).expect("there"), b"as it was");
        let failed = outside.deliver("b", ".tar", None, |packer| {
            packer.add("a", &[&[0; 4 << 20]])?;
            Err(StoreFault::Blob)
        });
        assert!(matches!(failed, Err(StoreFault::Blob)));
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("readable").map(|entry| entry.expect("readable").file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.tar", "victim"]);
    }

    // verifies: REQ-PATIENT-06
    #[test]
    fn what_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = Outside::open(folder.path(), None).expect("opened");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.tar.age"), b"somebody's").expect("written");
        symlink("nowhere", at("a-2.tar.age")).expect("a link");
        fs::create_dir(at("a-3.tar.age")).expect("a folder");
        for wanted in ["a-4.tar.age", "a-5.tar.age"] {
            let delivered = outside.deliver("a", ".tar.age", None, filled).expect("delivered");
            assert_eq!(delivered.name, wanted);
        }
        // Taking one back takes that one.
        let delivered = outside.deliver("a", ".tar.age", None, filled).expect("delivered");
        outside.take_back(&delivered);
        assert!(!at("a-6.tar.age").exists() && at("a-5.tar.age").exists());
        assert_eq!(fs::read(at("a.tar.age")).expect("there"), b"somebody's");
        assert!(at("a-2.tar.age").is_symlink() && !at("nowhere").exists());
        assert!(outside.deliver("a", ".tar.age", None, |_| Err(StoreFault::Blob)).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 5);
    }

    #[test]
    fn a_file_system_that_cannot_say_so_replaces_nothing_either() {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = Outside::open(folder.path(), None).expect("opened");
        let at = |name: &str| folder.path().join(name);
        for (name, body) in [("part", "new"), ("taken", "old")] {
            fs::write(at(name), body).expect("written");
        }
        assert_eq!(outside.named_in_two_steps("part", "taken"), Err(Errno::EXIST));
        assert_eq!(outside.named_in_two_steps("part", "free"), Ok(()));
        assert_eq!(outside.named_in_two_steps("part", "none"), Err(Errno::NOENT));
        let read = |name: &str| fs::read(at(name)).expect("there");
        assert_eq!([read("taken"), read("free")], [b"old", b"new"]);
        assert!(!at("none").exists() && !at("part").exists());
    }

    // verifies: REQ-INPUT-03
    #[test]
    fn exports_go_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let [allowed, inner, other] = ["media", "media/stick", "media2"].map(|name| folder.path().join(name));
        for path in [&allowed, &inner, &other] {
            fs::create_dir(path).expect("made");
        }
        symlink(&other, allowed.join("link")).expect("a link");
        symlink(&inner, other.join("link")).expect("a link");
        for (path, wanted) in [
            (allowed.clone(), true),
            (inner.clone(), true),
            (other.join("link"), true),
            (other.clone(), false),
            (allowed.join("link"), false),
            (allowed.join("../media2"), false),
            (allowed.join("missing"), false),
        ] {
            assert_eq!(Outside::open(&path, Some(&allowed)).is_ok(), wanted, "{}", path.display());
        }
    }

    #[test]
    fn lines_are_added_and_a_cut_one_is_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = Outside::open(folder.path(), None).expect("opened");
        let path = folder.path().join("heads");
        outside.add_line("heads", "one").expect("added");
        fs::write(&path, b"one\ntw").expect("cut");
        outside.add_line("heads", "three").expect("added");
        assert_eq!(fs::read(&path).expect("there"), b"one\ntw\nthree\n");
        fs::remove_file(&path).expect("removed");
        symlink("victim", &path).expect("a link");
        outside.add_line("heads", "four").expect_err("links are not followed");
    }
}
