//! `hilum support`: one file for whoever is asked for help. It has nothing of a patient: cases have numbers in it, people have
//! roles, and what could name somebody (reports, identities, reasons, names of files) is not read for it at all.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use hilum_config::Board;
use hilum_daemon::{Request, listed};
use hilum_device::{Clock as _, ClockTrust, linux::SystemClock};
use hilum_store::{Packer, Store, StoreFault};
use serde_json::{Value, json};

use crate::{
    Failure,
    files::{writable, write_whole},
    history,
    locate::data_folder,
    socket::Daemon,
    terminal::say,
};

/// So much of the journal, from its end.
const JOURNAL: usize = 2_000_000;
/// A board file may inherit so many others.
const DEEPEST: usize = 9;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    daemon: Daemon,
    /// Where to write it: a tar.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    writable(&arguments.out)?;
    let board = arguments.daemon.files().read();
    let data = board.as_ref().ok().and_then(|board| data_folder(board).ok());
    let mut bytes = Vec::new();
    let mut packer = Packer::new(&mut bytes);
    let fault = |fault: StoreFault| Failure::internal(fault);
    let status = arguments.daemon.ask(&Request::Status);
    let silent = status.as_ref().err().map(ToString::to_string);
    packer.add("support.json", &[&pretty(&about(&board, silent.as_deref()))?]).map_err(fault)?;
    for (name, text) in board_files(arguments) {
        packer.add(&name, &[text.as_bytes()]).map_err(fault)?;
    }
    let (cases, log) = match &status {
        Ok(status) => {
            packer.add("status.json", &[&pretty(status)?]).map_err(fault)?;
            let cases = arguments.daemon.ask(&Request::List).map(|answer| answer["cases"].clone());
            (cases, lines(None, &arguments.daemon))
        }
        Err(_) => offline(data.as_deref(), &arguments.daemon),
    };
    packer.add("cases.json", &[&pretty(&cases.unwrap_or_else(why_not))?]).map_err(fault)?;
    let log = log.unwrap_or_else(|failure| format!("{}\n", why_not(failure)));
    packer.add("log.jsonl", &[log.as_bytes()]).map_err(fault)?;
    for (name, text) in machine(board.as_ref().ok(), data.as_deref()) {
        packer.add(name, &[text.as_bytes()]).map_err(fault)?;
    }
    packer.finish().map_err(fault)?;
    write_whole(&arguments.out, &bytes)?;
    let without = if silent.is_some() { " (no daemon answers: it says so)" } else { "" };
    say(&format!("{}: {} bytes, nothing of a patient{without}", arguments.out.display(), bytes.len()))
}

fn pretty(value: &Value) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec_pretty(value).map_err(Failure::internal)
}

/// What stands for what could not be had.
fn why_not(failure: Failure) -> Value {
    json!({"missing": failure.to_string()})
}

fn about(board: &Result<Board, Failure>, silent: Option<&str>) -> Value {
    let now = SystemClock::new(ClockTrust::Synchronised).now();
    json!({
        "schema": "hilum.support/1",
        "version": env!("CARGO_PKG_VERSION"),
        "architecture": std::env::consts::ARCH,
        "made": {"claimed": now.claimed, "trusted": now.trusted, "boot": now.boot, "since_boot_s": now.since_boot.as_secs()},
        "board": board.as_ref().map_or_else(|failure| json!({"rejected": failure.to_string()}), |board| json!(board.name)),
        "daemon": silent.map_or_else(|| json!("answers"), |why| json!({"silent": why})),
    })
}

/// The board's files with all that they inherit, and the site's. What looks like a secret is left out, wherever it stands.
fn board_files(arguments: &Arguments) -> Vec<(String, String)> {
    let (board, site) = arguments.daemon.files().paths();
    let mut found = Vec::new();
    let mut next = board;
    while let (Some(path), true) = (next.take(), found.len() < DEEPEST) {
        let Ok(text) = fs::read_to_string(&path) else { break };
        let inherited = text.lines().find_map(|line| line.trim().strip_prefix("inherit")?.trim().strip_prefix('='));
        let inherited = inherited.and_then(|name| name.split(['"', '\'']).nth(1)).map(str::to_owned);
        next = inherited.map(|name| path.parent().unwrap_or(Path::new("")).join(name));
        found.push((format!("board/{}.toml", found.len()), redacted(&text)));
    }
    if let Some(text) = site.and_then(|site| fs::read_to_string(site).ok()) {
        found.push(("board/site.toml".to_owned(), redacted(&text)));
    }
    found
}

/// A text of settings without the values that look like secrets.
fn redacted(text: &str) -> String {
    const SECRET: [&str; 7] = ["credential", "secret", "password", "passphrase", "token", "pin", "pins"];
    let line = |line: &str| {
        let Some((key, _)) = line.split_once('=') else { return line.to_owned() };
        // wrong-pins is a number of tries, and no secret.
        let named = key.trim().trim_start_matches('#').trim_matches(['"', '\'']);
        let secret = named != "wrong-pins" && named.split(['-', '_', '.']).any(|word| SECRET.contains(&word.trim()));
        if secret { format!("{key}= (left out)") } else { line.to_owned() }
    };
    text.lines().map(|of| line(of) + "\n").collect()
}

fn lines(store: Option<Store>, daemon: &Daemon) -> Result<String, Failure> {
    let mut log = String::new();
    history::lines(1, store, daemon, &mut |line| {
        log.push_str(line);
        log.push('\n');
        Ok(())
    })?;
    Ok(log)
}

/// Cases and log where no daemon runs: from a copy of the database, so that the store stays as it is for whoever looks into
/// what is wrong with it.
fn offline(data: Option<&Path>, daemon: &Daemon) -> (Result<Value, Failure>, Result<String, Failure>) {
    let opened = || -> Result<(tempfile::TempDir, Store), Failure> {
        let folder = data.ok_or_else(|| Failure::Usage("nothing says where records are kept".to_owned()))?;
        let copy = tempfile::tempdir().map_err(Failure::internal)?;
        for name in ["hilum.db", "hilum.db-wal", "copy/hilum.db", "copy/hilum.db-wal"] {
            let (from, to) = (folder.join("store").join(name), copy.path().join(name));
            if from.exists() {
                fs::create_dir_all(to.parent().unwrap_or(copy.path())).map_err(Failure::internal)?;
                fs::copy(from, to).map_err(Failure::internal)?;
            }
        }
        if !Store::is_in(copy.path()) {
            return Err(Failure::Usage("there is no store".to_owned()));
        }
        // Numbers and states are not sealed.
        let now = SystemClock::new(ClockTrust::Synchronised).now();
        let (store, _) = Store::open(copy.path(), 0, &now)?;
        Ok((copy, store))
    };
    let opened = match opened() {
        Ok(opened) => opened,
        Err(failure) => {
            let why = failure.to_string();
            return (Err(failure), Err(Failure::Usage(why)));
        }
    };
    let (_copy, store) = opened;
    let cases = store.list().map(|cases| listed(&cases)).map_err(Failure::from);
    (cases, lines(Some(store), daemon))
}

/// The machine, as far as it can be asked.
fn machine(board: Option<&Board>, data: Option<&Path>) -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_else(|error| format!("missing: {error}\n"));
    let cpu = read("/proc/cpuinfo");
    let models = ["model name", "Model", "Hardware", "CPU implementer", "CPU part", "Revision"];
    let cpu: Vec<&str> = cpu.lines().filter(|line| models.iter().any(|model| line.starts_with(model))).collect();
    let mut found = vec![
        ("machine/kernel.txt", read("/proc/version")),
        ("machine/uptime.txt", read("/proc/uptime")),
        ("machine/meminfo.txt", read("/proc/meminfo")),
        ("machine/cpu.txt", cpu.join("\n") + "\n"),
        ("machine/thermal.txt", thermal(board)),
        ("machine/journal.txt", journal()),
    ];
    if let Some(data) = data {
        found.push(("machine/disk.txt", disk(data)));
        found.push(("machine/mount.txt", mount(data, &read("/proc/self/mountinfo"))));
    }
    found
}

fn thermal(board: Option<&Board>) -> String {
    let class = fs::read_dir("/sys/class/thermal").into_iter().flatten().flatten();
    let mut zones: Vec<PathBuf> = class.map(|zone| zone.path().join("temp")).filter(|zone| zone.is_file()).collect();
    zones.extend(board.into_iter().flat_map(|board| board.thermal.zones.clone()));
    zones.sort();
    zones.dedup();
    let line = |zone: &PathBuf| {
        let kind = fs::read_to_string(zone.with_file_name("type")).unwrap_or_default();
        let value = fs::read_to_string(zone).unwrap_or_else(|error| format!("missing: {error}"));
        format!("{} {} {}\n", zone.display(), kind.trim(), value.trim())
    };
    zones.iter().map(line).collect()
}

fn disk(data: &Path) -> String {
    match rustix::fs::statvfs(data) {
        Ok(disk) => {
            let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
            format!(
                "bytes {}\nfree {}\ninodes {}\ninodes free {}\n",
                bytes(disk.f_blocks),
                bytes(disk.f_bavail),
                disk.f_files,
                disk.f_favail
            )
        }
        Err(error) => format!("missing: {error}\n"),
    }
}

/// The line of the mount that the data folder lies on.
fn mount(data: &Path, mounts: &str) -> String {
    let data = fs::canonicalize(data).unwrap_or_else(|_| data.to_owned());
    let at = |line: &str| line.split(' ').nth(4).map(PathBuf::from).filter(|point| data.starts_with(point));
    let longest = mounts.lines().filter_map(|line| Some((at(line)?.as_os_str().len(), line)));
    longest.max_by_key(|(length, _)| *length).map(|(_, line)| format!("{line}\n")).unwrap_or_default()
}

/// What the daemon said, from its unit's journal. It has nothing of a patient.
fn journal() -> String {
    let words = ["--unit", "hilum", "--no-pager", "--output", "short-iso", "--lines", "20000", "--quiet"];
    let asked = Command::new("journalctl").args(words).stdin(Stdio::null()).output();
    match asked {
        Ok(said) => {
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            let from = text.len().saturating_sub(JOURNAL);
            let from = (from..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
            text[from..].to_owned()
        }
        Err(error) => format!("missing: {error}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_left_out() {
        let text = "[key]\nsource = \"credential\"\ncredential = \"s3\"\n#password='s3'\nadmin-pin = 1234\n\
                    [access]\nwrong-pins = 5\nauto-lock-s = 300\n";
        let wanted = "[key]\nsource = \"credential\"\ncredential = (left out)\n#password= (left out)\n\
                      admin-pin = (left out)\n[access]\nwrong-pins = 5\nauto-lock-s = 300\n";
        assert_eq!(redacted(text), wanted);
    }

    #[test]
    fn the_mount_is_the_nearest_one() {
        let mounts = "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n23 22 8:2 / /proc ro - proc proc rw\n";
        assert_eq!(mount(Path::new("/proc/1"), mounts), format!("{}\n", mounts.lines().nth(1).expect("two")));
    }
}
