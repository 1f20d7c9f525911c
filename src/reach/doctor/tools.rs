//! Asking the system's own tools, with an end to waiting and to what they may say.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

/// As much as a tool may say: a firewall with a hundred thousand rules says this much.
const OUTPUT_BYTES: u64 = 16 << 20;
/// As much of its complaints as is read.
const COMPLAINT_BYTES: u64 = 4 << 10;
/// Where administrators' tools are, which are often not in the `PATH` of others.
const FOLDERS: [&str; 6] = [
    "/usr/sbin",
    "/sbin",
    "/usr/bin",
    "/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
];

/// What a tool said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its output.
    pub(crate) text: String,
    /// Its complaints.
    pub(crate) complaint: String,
    /// It says that it has done what it was to do.
    pub(crate) is_done: bool,
}

/// Why a tool said nothing of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mute {
    /// It is not on this computer.
    Absent,
    /// It did not end in time.
    Late(Duration),
    /// It said too much.
    TooMuch,
    /// It could not be started or heard.
    Broken(String),
    /// It may not tell this user.
    Forbidden,
    /// It failed, in its own words.
    Failed(String),
}

impl Mute {
    /// Why, as a part of a sentence about the tool.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Absent => "is not on this computer".to_owned(),
            Self::Late(patience) => format!("did not answer within {} s", patience.as_secs_f32()),
            Self::TooMuch => "has more rules than can be looked through here".to_owned(),
            Self::Broken(why) => format!("could not be asked ({why})"),
            Self::Forbidden => "tells its rules to an administrator only".to_owned(),
            Self::Failed(why) if why.is_empty() => "failed without a word".to_owned(),
            Self::Failed(why) => format!("failed (“{why}”)"),
        }
    }
}

/// Asks a tool that changes nothing.
///
/// # Errors
/// Why it said nothing of use.
pub(crate) async fn ask(tool: &str, args: &[&str], patience: Duration) -> Result<Said, Mute> {
    let path = find(tool).ok_or(Mute::Absent)?;
    match timeout(patience, run(&path, args)).await {
        Ok(said) => said,
        Err(_) => Err(Mute::Late(patience)),
    }
}

/// The output of a tool that says that it is done.
///
/// # Errors
/// Why it said nothing of use.
pub(crate) async fn output(tool: &str, args: &[&str], patience: Duration) -> Result<String, Mute> {
    let said = ask(tool, args, patience).await?;
    if said.is_done {
        return Ok(said.text);
    }
    let complaint = said.complaint.to_lowercase();
    let forbidden = [
        "not permitted",
        "permission denied",
        "must be root",
        "need to be root",
    ];
    if forbidden.iter().any(|words| complaint.contains(words)) {
        return Err(Mute::Forbidden);
    }
    let first = said.complaint.lines().chain(said.text.lines()).next();
    Err(Mute::Failed(first.unwrap_or_default().trim().to_owned()))
}

/// Where a tool is. First where the system keeps its own, so that no other of its name is asked.
pub(crate) fn find(tool: &str) -> Option<PathBuf> {
    if Path::new(tool).is_absolute() {
        return Some(PathBuf::from(tool)).filter(|path| path.is_file());
    }
    let system = std::env::var_os("SystemRoot").map(|root| PathBuf::from(root).join("System32"));
    let windows = system.into_iter().flat_map(|folder| {
        let shell = folder.join("WindowsPowerShell").join("v1.0");
        [folder, shell]
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = FOLDERS.iter().map(PathBuf::from).chain(windows);
    folders
        .chain(std::env::split_paths(&path).filter(|folder| folder.is_absolute()))
        .map(|folder| {
            folder
                .join(tool)
                .with_extension(std::env::consts::EXE_EXTENSION)
        })
        .find(|path| path.is_file())
}

async fn run<A: AsRef<OsStr>>(path: &Path, args: &[A]) -> Result<Said, Mute> {
    let mut command = Command::new(path);
    command
        .args(args)
        // Words are compared, so they have to be English where the tool can speak it.
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    #[cfg(windows)]
    {
        /// No console window flashes up.
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        command.creation_flags(CREATE_NO_WINDOW);
    }
    let broken = |error: io::Error| Mute::Broken(error.to_string());
    let mut child = command.spawn().map_err(broken)?;
    let (out, complaint) = (child.stdout.take(), child.stderr.take());
    // A tool that says too much is not heard to its end.
    let out = async {
        let out = read(out, OUTPUT_BYTES).await.map_err(broken)?;
        if out.len() as u64 > OUTPUT_BYTES {
            return Err(Mute::TooMuch);
        }
        Ok(out)
    };
    let complaint = async { read(complaint, COMPLAINT_BYTES).await.map_err(broken) };
    let (out, complaint) = tokio::try_join!(out, complaint)?;
    let status = child.wait().await.map_err(broken)?;
    Ok(Said {
        text: String::from_utf8_lossy(&out).into_owned(),
        complaint: String::from_utf8_lossy(&complaint).into_owned(),
        is_done: status.success(),
    })
}

/// Reads at most one byte more than `limit`.
async fn read(from: Option<impl AsyncRead + Unpin>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(limit + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn tools_are_heard() {
        let said = ask("sh", &["-c", "echo a; echo b >&2; exit 3"], PATIENCE).await;
        let expected = Said {
            text: "a\n".to_owned(),
            complaint: "b\n".to_owned(),
            is_done: false,
        };
        assert_eq!(said, Ok(expected));
        assert_eq!(
            output("sh", &["-c", "echo b >&2; exit 3"], PATIENCE).await,
            Err(Mute::Failed("b".to_owned()))
        );
        assert_eq!(
            output(
                "sh",
                &[
                    "-c",
                    "echo 'Operation not permitted (you must be root)' >&2; exit 1"
                ],
                PATIENCE
            )
            .await,
            Err(Mute::Forbidden)
        );
        assert_eq!(
            ask("mixdesk-no-such-tool", &[], PATIENCE).await,
            Err(Mute::Absent)
        );
    }

    #[tokio::test]
    async fn a_tool_that_hangs_or_floods_is_left() {
        let soon = Duration::from_millis(50);
        assert_eq!(
            ask("sh", &["-c", "sleep 1000"], soon).await,
            Err(Mute::Late(soon))
        );
        assert_eq!(
            ask(
                "sh",
                &["-c", "yes 0123456789012345678901234567890"],
                PATIENCE
            )
            .await,
            Err(Mute::TooMuch)
        );
    }
}
