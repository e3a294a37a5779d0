//! Which process listens on a port, where the system tells: Linux does, in `/proc`.

use std::fs;
use std::net::SocketAddr;

/// The process that listens on `place`: its id and name.
pub(super) fn port_holder(place: SocketAddr) -> Option<(u32, String)> {
    let inode = listening_inode(place.port())?;
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut holders = ids.filter(|pid| holds(*pid, &wanted));
    let pid = holders.next()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some((pid, name.trim().to_owned()))
}

/// The inode of the listening socket: columns of `/proc/net/tcp` are number, local address, remote
/// address, state (0A is listening), …, inode as the tenth.
fn listening_inode(port: u16) -> Option<u64> {
    let suffix = format!(":{port:04X}");
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(&"0A")) = (columns.get(1), columns.get(3)) else {
                continue;
            };
            if local.ends_with(&suffix) {
                return columns.get(9)?.parse().ok();
            }
        }
    }
    None
}

fn holds(pid: u32, wanted: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.any(|target| target.as_os_str() == wanted)
}
