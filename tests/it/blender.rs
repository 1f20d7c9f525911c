//! Starting a Blender and following it, played by `fake_blender.sh`.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mixdesk::blender::{Error, Failure, Installation, Launch, Mode, Reason, Running, State, start};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time;

/// Far more than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with the pipes through which a test and the fake Blender wait for each other.
struct Stage {
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for pipe in ["go", "done"] {
            assert!(
                Command::new("mkfifo")
                    .arg(folder.path().join(pipe))
                    .status()
                    .unwrap()
                    .success()
            );
        }
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn start(&self, scenario: &str) -> Running {
        start(&fake(), &launch(scenario), self.path())
            .await
            .unwrap()
    }

    /// Lets the fake Blender go on; waits until it does.
    async fn go(&self) {
        let pipe = self.path().join("go");
        time::timeout(PATIENCE, tokio::fs::write(pipe, "\n"))
            .await
            .unwrap()
            .unwrap();
    }

    /// The folders of starts that are there now.
    fn starts(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap());
        entries
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .map(|entry| entry.path())
            .collect()
    }
}

fn fake() -> Installation {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fake_blender.sh");
    Installation {
        path,
        version: None,
    }
}

fn launch(room: &str) -> Launch {
    Launch {
        host: "127.0.0.1".to_owned(),
        port: 12800,
        room: room.to_owned(),
        user: "Ada Å.".to_owned(),
        mode: Mode::Join,
    }
}

async fn next(running: &mut Running) -> Option<State> {
    time::timeout(PATIENCE, running.next_state())
        .await
        .expect("a state within the time")
}

/// Looks again and again until it is so.
async fn until(is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(PATIENCE, looking)
        .await
        .expect("so within the time");
}

#[tokio::test]
async fn from_the_start_to_the_close_every_state_is_told_once() {
    let stage = Stage::new();
    let mut running = stage.start("story").await;
    assert_eq!(next(&mut running).await, Some(State::Starting));
    stage.go().await;
    let Some(State::Connecting(detail)) = next(&mut running).await else {
        panic!("connecting comes next")
    };
    let (pid, group) = detail.split_once(' ').unwrap();
    assert_eq!(group, "own", "Ctrl-C here must not end Blender");
    stage.go().await;
    assert_eq!(
        next(&mut running).await,
        Some(State::Joined("3 objects".to_owned()))
    );
    stage.go().await;
    assert_eq!(next(&mut running).await, Some(State::Ended));
    assert_eq!(next(&mut running).await, None);

    let is_there = Command::new("kill")
        .args(["-0", pid])
        .output()
        .unwrap()
        .status
        .success();
    assert!(!is_there, "the process was awaited and is no zombie");
    drop(running);
    until(|| stage.starts().is_empty()).await;
}

#[tokio::test]
async fn blender_is_told_the_room_and_gets_the_script() {
    let stage = Stage::new();
    let mut running = stage.start("story").await;
    assert_eq!(next(&mut running).await, Some(State::Starting));
    stage.go().await;
    assert!(matches!(
        next(&mut running).await,
        Some(State::Connecting(_))
    ));
    let arguments = fs::read_to_string(stage.path().join("arguments")).unwrap();
    let arguments: Vec<&str> = arguments.lines().collect();
    assert_eq!((arguments[0], arguments[2]), ("--python", "--"));
    assert!(
        fs::read_to_string(arguments[1])
            .unwrap()
            .contains("import bpy")
    );
    assert_eq!(
        arguments[3..8],
        [
            "--host=127.0.0.1",
            "--port=12800",
            "--room=story",
            "--user=Ada Å.",
            "--mode=join"
        ]
    );
    stage.go().await;
    // It opens the pipe again only then.
    assert!(matches!(next(&mut running).await, Some(State::Joined(_))));
    stage.go().await;
    assert_eq!(next(&mut running).await, Some(State::Ended));
}

#[tokio::test]
async fn a_failure_is_told_with_its_reason_while_blender_goes_on() {
    let stage = Stage::new();
    let mut running = stage.start("failing").await;
    assert_eq!(next(&mut running).await, Some(State::Starting));
    let failure = Failure {
        reason: Reason::AddonMissing,
        detail: "Blender 3.4.1".to_owned(),
    };
    assert_eq!(next(&mut running).await, Some(State::Failed(failure)));
    stage.go().await;
    assert_eq!(next(&mut running).await, Some(State::Ended));
}

#[tokio::test]
async fn what_was_told_just_before_the_end_is_not_lost() {
    let stage = Stage::new();
    let mut running = stage.start("hasty").await;
    assert_eq!(next(&mut running).await, Some(State::Starting));
    let failure = Failure {
        reason: Reason::NoRelay,
        detail: "127.0.0.1:9".to_owned(),
    };
    assert_eq!(next(&mut running).await, Some(State::Failed(failure)));
    assert_eq!(next(&mut running).await, Some(State::Ended));
}

#[tokio::test]
async fn a_crash_is_a_failure_with_the_last_words() {
    let stage = Stage::new();
    let mut running = stage.start("crashing").await;
    assert_eq!(next(&mut running).await, Some(State::Starting));
    let Some(State::Failed(failure)) = next(&mut running).await else {
        panic!("a failure comes next")
    };
    assert_eq!(failure.reason, Reason::Crashed);
    assert!(
        failure.detail.contains('3') && failure.detail.contains("Unable to open a display"),
        "{failure:?}"
    );
    assert_eq!(next(&mut running).await, Some(State::Ended));
    assert_eq!(next(&mut running).await, None);
    assert!(
        fs::read_to_string(running.log())
            .unwrap()
            .contains("First words")
    );
}

#[tokio::test]
async fn closing_blender_early_is_no_failure() {
    let stage = Stage::new();
    let mut running = stage.start("closing").await;
    assert_eq!(next(&mut running).await, Some(State::Starting));
    assert_eq!(next(&mut running).await, Some(State::Ended));
}

#[tokio::test]
async fn a_status_that_is_no_status_is_passed_over() {
    let stage = Stage::new();
    let mut running = stage.start("noisy").await;
    assert_eq!(next(&mut running).await, Some(State::Starting));
    let status = running.log().with_file_name("status.json");
    until(|| fs::metadata(&status).is_ok()).await;
    stage.go().await;
    until(|| fs::metadata(&status).is_ok_and(|meta| meta.len() > 64 * 1024)).await;
    stage.go().await;
    assert_eq!(
        next(&mut running).await,
        Some(State::Waiting("heard".to_owned()))
    );
    stage.go().await;
    assert_eq!(next(&mut running).await, Some(State::Ended));
}

#[test]
fn blender_outlives_the_program_that_started_it() {
    let stage = Stage::new();
    let program = Runtime::new().unwrap();
    let running = program.block_on(stage.start("lasting"));
    drop(program);
    drop(running);
    Runtime::new().unwrap().block_on(stage.go());
    assert_eq!(
        fs::read_to_string(stage.path().join("done")).unwrap(),
        "still here\n"
    );
}

#[tokio::test]
async fn a_start_that_cannot_be_says_why() {
    let stage = Stage::new();
    let gone = Installation {
        path: stage.path().join("nowhere/blender"),
        version: None,
    };
    let error = start(&gone, &launch("story"), stage.path())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");

    let text = stage.path().join("blender");
    fs::write(&text, "").unwrap();
    let not_a_program = Installation {
        path: text.clone(),
        version: None,
    };
    let error = start(&not_a_program, &launch("story"), stage.path())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Start { .. }), "{error}");
    assert_eq!(stage.starts(), [] as [PathBuf; 0], "nothing is left behind");

    let error = start(&fake(), &launch("story"), &text).await.unwrap_err();
    assert!(matches!(error, Error::Folder { .. }), "{error}");
}
