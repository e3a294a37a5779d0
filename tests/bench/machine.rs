//! What the figures were taken on, and what /proc tells of a process.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Result;

/// The unit of times in /proc/PID/stat: USER_HZ, which Linux fixes at 100.
const TICKS_PER_SECOND: f64 = 100.0;

/// Cores, processor, kernel and the file system that holds `folder`.
pub fn describe(folder: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = first_field("/proc/cpuinfo", "model name").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cores} cores ({processor}), Linux {}, {} on {}",
        kernel.trim(),
        file_system(folder),
        folder.display()
    )
}

fn first_field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The type of the file system that holds `folder`, as in /proc/mounts.
pub fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((Path::new(fields.next()?), fields.next()?))
        })
        .filter(|(mount, _)| folder.starts_with(mount))
        // Of mounts on one point the last is the one that is seen.
        .max_by_key(|(mount, _)| mount.components().count())
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

/// Whether what is written to `folder` is gone after a power loss.
pub fn in_memory(folder: &Path) -> bool {
    matches!(file_system(folder).as_str(), "tmpfs" | "ramfs")
}

/// Resident memory of a process in MB (10^6 bytes).
pub fn resident_mb(pid: u32) -> Result<f64> {
    let file = format!("/proc/{pid}/status");
    let field = first_field(&file, "VmRSS").ok_or("no VmRSS: the process has ended")?;
    let kib: f64 = field.trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// Whether a process has started any child so far: living ones, and page faults of reaped ones.
pub fn has_had_children(pid: u32) -> Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(") ").ok_or("/proc/PID/stat unreadable")?.1;
    // Field 11 of the line, cminflt: no process runs without a page fault.
    let reaped_faults: u64 = after_name.split(' ').nth(8).unwrap_or("0").parse()?;
    Ok(reaped_faults > 0 || !living_children(pid)?.is_empty())
}

/// User and system time of the children that process `pid` has reaped, and of theirs.
pub fn children_cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(") ").ok_or("/proc/PID/stat unreadable")?.1;
    // Fields 16 and 17 of the line, cutime and cstime: sums of exact times, shown in ticks.
    let mut fields = after_name.split(' ').skip(13);
    let mut ticks = || fields.next().unwrap_or("").parse::<u64>();
    Ok((ticks()? + ticks()?) as f64 / TICKS_PER_SECOND)
}

/// The living children of process `pid`, the ones included that it has yet to reap.
pub fn living_children(pid: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let name = entry.file_name();
        let Some(child) = name.to_str().and_then(|text| text.parse::<u32>().ok()) else {
            continue;
        };
        // It may end while we look.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1));
        if parent == Some(pid.to_string().as_str()) {
            children.push(child);
        }
    }
    Ok(children)
}

/// Lets this process open at least `wanted` files; children started before keep their limit.
pub fn raise_file_limit(wanted: u64) -> Result<()> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|current| current < wanted) {
        let current = Some(now.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        let maximum = now.maximum;
        setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
    }
    Ok(())
}
