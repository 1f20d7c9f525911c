//! The layers of the program: imports go strictly downward.

use std::path::{Path, PathBuf};

/// A folder of `src/` and what it may import of the others, from the bottom up.
const MAY_IMPORT: [(&str, &[&str]); 11] = [
    ("protocol", &[]),
    ("net", &["protocol"]),
    ("archive", &["protocol"]),
    ("relay", &["protocol", "net", "archive"]),
    ("session", &["protocol", "net", "archive"]),
    ("reach", &["protocol", "net"]),
    ("blender", &[]),
    (
        "backend",
        &[
            "protocol", "net", "archive", "relay", "session", "reach", "blender",
        ],
    ),
    ("gui", &["backend"]),
    (
        "cli",
        &[
            "protocol", "net", "archive", "relay", "session", "reach", "blender", "backend",
        ],
    ),
    ("main.rs", &["cli", "gui", "backend"]),
];

/// Crates that only some folders may name.
const CRATES: [(&str, &[&str]); 6] = [
    (
        "tokio",
        &[
            "net", "relay", "session", "reach", "blender", "backend", "cli",
        ],
    ),
    (
        "tokio_util",
        &[
            "net", "relay", "session", "reach", "blender", "backend", "cli",
        ],
    ),
    ("socket2", &["net", "reach"]),
    ("egui", &["gui"]),
    ("eframe", &["gui"]),
    ("rfd", &["backend"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .flat_map(|entry| sources(&entry.unwrap().path()))
        .collect()
}

/// Words of the code, comments left out.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether `code` names a path that starts with `start`.
fn names(code: &str, start: &str) -> bool {
    code.match_indices(start).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn imports_go_downward() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (folder, allowed) in MAY_IMPORT {
        for path in sources(&src.join(folder)) {
            let code = code(&path);
            for (other, _) in MAY_IMPORT {
                let imported = ["crate", "mixdesk"]
                    .iter()
                    .any(|root| names(&code, &format!("{root}::{other}")));
                if imported && other != folder && !allowed.contains(&other) {
                    wrong.push(format!("{} must not know {other}", path.display()));
                }
            }
            for (name, allowed) in CRATES {
                if names(&code, &format!("{name}::")) && !allowed.contains(&folder) {
                    wrong.push(format!("{} must not use {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "layers are broken:\n{}", wrong.join("\n"));
}

#[test]
fn every_folder_is_in_the_table() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(src).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "lib.rs" || MAY_IMPORT.iter().any(|(folder, _)| *folder == name),
            "src/{name} has no place among the layers"
        );
    }
}

#[test]
fn the_search_finds_what_it_looks_for() {
    assert!(names("use crate::gui::App;", "crate::gui"));
    assert!(names("let x = tokio::spawn(y);", "tokio::"));
    assert!(!names("use mytokio::x;", "tokio::"));
    assert!(!names("a::tokio::b", "tokio::"));
}
