//! The disk as the store needs it: small enough to be simulated, fault by fault.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, Mode, OFlags, access};

use super::journal::temporary_name as journal_temporary;
use super::{StoreError, io_error};

/// Tells one file from another, whatever their names are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
}

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// An open file that is written at offsets.
pub trait DiskFile: Send {
    /// Which file it is.
    fn id(&self) -> io::Result<FileId>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written so far survive power loss.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Sets the length.
    fn set_len(&mut self, length: u64) -> io::Result<()>;
}

/// One folder.
pub trait Disk: Send + Sync {
    /// Opens a file for writing, making it when it is missing.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Which file has this name; `None` when there is none.
    fn id(&self, name: &str) -> io::Result<Option<FileId>>;
    /// The whole content of a file; `None` when it does not exist.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// The same of a file that anybody may have put there: an error when it has more than
    /// `bytes_max` bytes, or is a link or anything else than a file.
    fn read_small(&self, name: &str, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        match self.read(name)? {
            Some(bytes) if bytes.len() > bytes_max => Err(too_large(bytes_max)),
            read => Ok(read),
        }
    }
    /// Writes a new file (or an old one anew) and syncs it.
    fn write_synced(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Renames; the target is replaced in one step.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Deletes a file if it exists.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes renames and new files survive power loss.
    fn sync_folder(&self) -> io::Result<()>;
}

/// At most so many bytes of an ordinary file; `None` when there is none.
fn read_file(path: &Path, flags: OFlags, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    // Opening a pipe of this name must not wait until somebody writes into it.
    let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => return Err(no_ordinary_file()),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(no_ordinary_file());
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// An ordinary file, as it is; with `create` it is made when it is missing.
fn open_for_writing(path: &Path, create: bool) -> io::Result<File> {
    // Nor must this wait until somebody reads from a pipe.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .mode(FILE_MODE)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(no_ordinary_file())
    }
}

fn no_ordinary_file() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "it is no ordinary file")
}

fn too_large(bytes_max: usize) -> io::Error {
    let words = format!("it has more than {bytes_max} bytes");
    io::Error::new(io::ErrorKind::FileTooLarge, words)
}

/// A real folder.
pub struct FolderDisk {
    folder: PathBuf,
}

impl FolderDisk {
    /// Uses `folder`, which is made when it is missing, for this user only.
    pub fn new(folder: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Titles of private issues are in these files: readable for their user alone.
const FILE_MODE: u32 = 0o600;

impl Disk for FolderDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = open_for_writing(&self.path(name), true)?;
        Ok(Box::new(RealFile(file)))
    }

    fn id(&self, name: &str) -> io::Result<Option<FileId>> {
        match std::fs::metadata(self.path(name)) {
            Ok(metadata) => Ok(Some(FileId::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        read_file(&self.path(name), OFlags::empty(), u64::MAX)
    }

    fn read_small(&self, name: &str, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let enough = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        let read = read_file(&self.path(name), OFlags::NOFOLLOW, enough.saturating_add(1))?;
        match read {
            Some(bytes) if bytes.len() > bytes_max => Err(too_large(bytes_max)),
            read => Ok(read),
        }
    }

    fn write_synced(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = open_for_writing(&self.path(name), true)?;
        file.set_len(0)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        std::fs::read_dir(&self.folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn id(&self) -> io::Result<FileId> {
        self.0.metadata().map(|metadata| FileId::of(&metadata))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

/// Whether this user may change the files of the state, which are not touched.
///
/// # Errors
/// What cannot be opened for writing, the folder itself included.
pub fn check_writable(files: &StateFiles) -> Result<(), StoreError> {
    let allowed = access(&files.folder, Access::WRITE_OK | Access::EXEC_OK);
    let allowed = allowed.map_err(io::Error::from);
    allowed.map_err(io_error("write to", "the state folder"))?;
    let journal = files.journal();
    for name in [
        files.lock(),
        files.snapshot(),
        files.snapshot_temporary(),
        journal_temporary(&journal),
        journal,
    ] {
        match open_for_writing(&files.folder.join(&name), false) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("write to", &name)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The names of all files of one state file `X.json`.
#[derive(Clone, Debug)]
pub struct StateFiles {
    /// The folder they are in.
    pub folder: PathBuf,
    stem: String,
    extension: String,
}

impl StateFiles {
    /// Names beside `state_file`; a path without a file name is refused.
    pub fn new(state_file: &Path) -> io::Result<Self> {
        let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason.to_owned());
        let stem = state_file.file_stem().and_then(|stem| stem.to_str());
        let stem = stem.ok_or_else(|| invalid("STATE_FILE_PATH must name a file"))?;
        if state_file.is_dir() {
            return Err(invalid("STATE_FILE_PATH names a folder, not a file"));
        }
        let folder = match state_file.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let extension = state_file
            .extension()
            .and_then(|extension| extension.to_str());
        Ok(Self {
            folder,
            stem: stem.to_owned(),
            extension: extension.unwrap_or("json").to_owned(),
        })
    }

    /// The snapshot.
    pub fn snapshot(&self) -> String {
        format!("{}.{}", self.stem, self.extension)
    }

    /// The snapshot while it is being written.
    pub fn snapshot_temporary(&self) -> String {
        format!("{}.{}.new", self.stem, self.extension)
    }

    /// The current journal.
    pub fn journal(&self) -> String {
        format!("{}.journal.jsonl", self.stem)
    }

    /// A cut journal whose first change has this number.
    pub fn old_journal(&self, first_seq: u64) -> String {
        format!("{}.journal-{first_seq:012}.jsonl", self.stem)
    }

    /// A history file.
    pub fn history(&self, number: u32) -> String {
        format!("{}.history-{number:06}.jsonl", self.stem)
    }

    /// The catalogue, a cache that may be deleted.
    pub fn catalogue(&self) -> String {
        format!("{}.catalogue.json", self.stem)
    }

    /// What one owner hands to the next about pull requests; it may be deleted.
    pub fn standings(&self) -> String {
        format!("{}.pulls.json", self.stem)
    }

    /// The lock.
    pub fn lock(&self) -> String {
        format!("{}.lock", self.stem)
    }

    /// First change numbers of the cut journals among `names`, ascending.
    pub fn old_journals(&self, names: &[String]) -> Vec<u64> {
        let prefix = format!("{}.journal-", self.stem);
        let number = |name: &String| {
            name.strip_prefix(&prefix)?
                .strip_suffix(".jsonl")?
                .parse()
                .ok()
        };
        let mut found: Vec<u64> = names.iter().filter_map(number).collect();
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_anybody_may_have_put_there_is_read_only_if_it_is_small_and_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FolderDisk::new(folder.path()).unwrap();
        let path = |name: &str| folder.path().join(name);
        let problem = |name: &str| disk.read_small(name, 4).unwrap_err().kind();
        assert_eq!(disk.read_small("none", 4).unwrap(), None);
        std::fs::write(path("small"), "1234").unwrap();
        assert_eq!(disk.read_small("small", 4).unwrap(), Some(b"1234".to_vec()));
        std::fs::write(path("large"), "12345").unwrap();
        assert_eq!(problem("large"), io::ErrorKind::FileTooLarge);
        std::os::unix::fs::symlink(path("small"), path("link")).unwrap();
        assert_eq!(problem("link"), io::ErrorKind::Unsupported);
        std::fs::create_dir(path("folder")).unwrap();
        assert_eq!(problem("folder"), io::ErrorKind::Unsupported);
        // It would never end.
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        assert_eq!(problem("zero"), io::ErrorKind::Unsupported);
        let pipe = path("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert_eq!(problem("pipe"), io::ErrorKind::Unsupported);
    }

    #[test]
    fn writing_waits_for_no_reader_of_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FolderDisk::new(folder.path()).unwrap();
        let files = StateFiles::new(&folder.path().join("st.json")).unwrap();
        assert!(check_writable(&files).is_ok());
        for name in [
            journal_temporary(&files.journal()),
            files.snapshot_temporary(),
        ] {
            let pipe = folder.path().join(&name);
            let made = std::process::Command::new("mkfifo").arg(&pipe).status();
            assert!(made.unwrap().success());
            let written = disk.write_synced(&name, b"x").unwrap_err();
            assert_eq!(written.kind(), io::ErrorKind::Unsupported);
            let opened = disk.open(&name).err().map(|error| error.kind());
            assert_eq!(opened, Some(io::ErrorKind::Unsupported));
            let found = check_writable(&files).unwrap_err();
            assert!(found.to_string().contains(&name), "{found}");
            assert!(found.suggestion().contains("move"), "{found}");
            disk.remove(&name).unwrap();
        }
        // What was longer is cut.
        disk.write_synced("file", b"long").unwrap();
        disk.write_synced("file", b"s").unwrap();
        assert_eq!(disk.read("file").unwrap(), Some(b"s".to_vec()));
    }
}
