//! Saving a room to a file of either format.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::{ArchiveError, Format, Heading, Maker, MixdeskWriter, MixerWriter, Origin};
use crate::protocol::{Attributes, Frame};

/// Bytes that are gathered before a write.
const WRITE_BEHIND_BYTES: usize = 64 * 1024;

/// Writes a room to a temporary file in the same folder, which takes the place of the file of that
/// name in [`finish`](Writer::finish). Dropped before, it leaves nothing behind.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    commands: Commands,
    incomplete: bool,
}

#[derive(Debug)]
enum Commands {
    Mixer(MixerWriter<BufWriter<NamedTempFile>>),
    Mixdesk(MixdeskWriter<BufWriter<NamedTempFile>>),
}

/// Starts to save the room `name` to the file `path`. A file that is there stays as it is until
/// [`Writer::finish`]. A [`Format::Mixer`] file does not hold the name.
///
/// # Errors
/// When the folder cannot be written to, or the name or the attributes are too long.
pub fn create(
    path: &Path,
    format: Format,
    name: &str,
    attributes: &Attributes,
) -> Result<Writer, ArchiveError> {
    let file = BufWriter::with_capacity(WRITE_BEHIND_BYTES, temporary(path)?);
    let commands = match format {
        Format::Mixer => Commands::Mixer(MixerWriter::new(file, attributes)?),
        Format::Mixdesk => {
            let heading = Heading {
                room: name.to_owned(),
                attributes: attributes.clone(),
                maker: Maker::this_program(SystemTime::now()),
            };
            Commands::Mixdesk(MixdeskWriter::new(file, &heading)?)
        }
    };
    Ok(Writer {
        path: path.to_owned(),
        commands,
        incomplete: false,
    })
}

impl Writer {
    /// Writes the room's next command. `origin` is kept by [`Format::Mixdesk`] only.
    ///
    /// # Errors
    /// When this is no room command, or too large, or writing fails. The writer can then not be
    /// finished, since the room would lack a command.
    pub fn write(&mut self, frame: &Frame, origin: &Origin) -> Result<(), ArchiveError> {
        if self.incomplete {
            return Err(ArchiveError::Incomplete);
        }
        let written = match &mut self.commands {
            Commands::Mixer(writer) => writer.write(frame),
            Commands::Mixdesk(writer) => writer.write(frame, origin).map(drop),
        };
        self.incomplete = written.is_err();
        written
    }

    /// Brings all to the disk, and only then puts it in the place of the file of that name.
    ///
    /// # Errors
    /// When that fails, or an earlier write did. The file of that name is then as it was.
    pub fn finish(self) -> Result<(), ArchiveError> {
        if self.incomplete {
            return Err(ArchiveError::Incomplete);
        }
        let buffered = match self.commands {
            Commands::Mixer(writer) => writer.into_inner(),
            Commands::Mixdesk(writer) => writer.into_inner(),
        };
        let file = buffered
            .into_inner()
            .map_err(|failed| ArchiveError::Write(failed.into_error()))?;
        file.as_file().sync_all().map_err(ArchiveError::Write)?;
        file.persist(&self.path)
            .map(drop)
            .map_err(|failed| ArchiveError::Write(failed.error))
    }
}

/// A new file beside `path`, because only within one file system can it take its place.
fn temporary(path: &Path) -> Result<NamedTempFile, ArchiveError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".saving");
    // A temporary file is its owner's alone; a saved room is an ordinary file, to be shared as the
    // user's umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(ArchiveError::Write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Ending, open};
    use crate::protocol::Kind;

    fn attributes() -> Attributes {
        Attributes::parse(r#"{"blender_version": "2.93.0", "mixer_version": "1.0.0", "x": 1.0}"#)
            .unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_saved_room_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Saved here.room");
        for (format, name) in [
            (Format::Mixer, "Saved here"),
            (Format::Mixdesk, "The room's own name"),
        ] {
            let mut writer = create(&path, format, "The room's own name", &attributes()).unwrap();
            let frames: Vec<_> = [132, 201, 300, 132]
                .map(|kind| Frame::with_id(Kind(kind), 9, &vec![1; usize::from(kind) * 999]))
                .into();
            for frame in &frames {
                writer.write(frame, &Origin::default()).unwrap();
            }
            writer.finish().unwrap();

            let mut archive = open(&path).unwrap();
            assert_eq!((archive.format(), archive.room()), (format, name));
            assert_eq!(archive.attributes(), &attributes());
            assert_eq!(archive.blender_version().as_deref(), Some("2.93.0"));
            assert_eq!(archive.mixer_version().as_deref(), Some("1.0.0"));
            assert_eq!(archive.maker().is_some(), format == Format::Mixdesk);
            assert_eq!(archive.ending(), None);
            let read: Vec<_> = archive.by_ref().map(|entry| entry.unwrap().frame).collect();
            assert_eq!(read, frames);
            assert_eq!(archive.ending(), Some(Ending::Whole));
            assert_eq!((archive.open_groups(), archive.stray_group_ends()), (2, 0));
            assert_eq!(names(folder.path()), ["Saved here.room"]);
        }
    }

    #[test]
    fn an_unfinished_save_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mixdesk");
        std::fs::write(&path, "from before").unwrap();
        for format in [Format::Mixer, Format::Mixdesk] {
            let mut writer = create(&path, format, "Room", &attributes()).unwrap();
            let large = Frame::new(Kind::MESH, &vec![0; 3 * WRITE_BEHIND_BYTES]);
            writer.write(&large, &Origin::default()).unwrap();
            assert_eq!(names(folder.path()).len(), 2);
            drop(writer);
            assert_eq!(names(folder.path()), ["a.mixdesk"]);
            assert_eq!(std::fs::read(&path).unwrap(), b"from before");
        }
    }

    #[test]
    fn a_room_that_lacks_a_command_is_not_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mixdesk");
        let mut writer = create(&path, Format::Mixdesk, "Room", &attributes()).unwrap();
        let (good, bad) = (Frame::new(Kind::MESH, b""), Frame::new(Kind::CONTENT, b""));
        assert!(matches!(
            writer.write(&bad, &Origin::default()),
            Err(ArchiveError::NotARoomCommand(Kind::CONTENT))
        ));
        assert!(matches!(
            writer.write(&good, &Origin::default()),
            Err(ArchiveError::Incomplete)
        ));
        assert!(matches!(writer.finish(), Err(ArchiveError::Incomplete)));
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("a.mixdesk");
        assert!(matches!(
            create(&path, Format::Mixer, "Room", &attributes()),
            Err(ArchiveError::Write(_))
        ));
        assert!(matches!(open(&path), Err(ArchiveError::Open(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_saved_room_is_as_readable_as_any_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        let (saved, other) = (folder.path().join("a"), folder.path().join("b"));
        let writer = create(&saved, Format::Mixer, "Room", &attributes()).unwrap();
        writer.finish().unwrap();
        std::fs::write(&other, "").unwrap();
        assert_eq!(mode(&saved), mode(&other));
    }
}
