//! From the command line to the table.

use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Args;
use crate::machine;
use crate::rows::{self, Row};
use crate::server::{self, Side};
use crate::table::{self, Entry};

/// Sockets of the largest row, and some more.
const OPEN_FILES: u64 = 4096;

pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    let result = if args.bare_fan_out {
        crate::bare::run().map(|never| match never {})
    } else if args.bench {
        run(&args)
    } else {
        // All that a test could find out is that this starts.
        println!("Nothing is measured here: `cargo bench` does that.");
        Ok(())
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The bench failed: {error}.");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    raise_open_files()?;
    end_children_with_us()?;
    let chosen = choose(&args.rows)?;
    let mut sides = vec![Side::Bare];
    if !args.without_ours {
        sides.push(Side::Ours);
    }
    if let Some(command) = &args.against {
        sides.push(Side::Other(command.clone()));
    }
    let facts = machine::facts();
    println!("{facts}");
    if let Some(command) = &args.against {
        println!("other: {command}");
    }
    if args.quick {
        println!("--quick: too small and too short to judge by");
    }
    let (mut entries, mut disturbed) = (Vec::new(), Vec::new());
    for row in chosen {
        eprintln!("{}", row.name());
        let before = machine::Work::so_far();
        let measured = rows::measure(row.as_ref(), &sides, args);
        for entry in &measured {
            eprintln!("{}", entry.progress());
        }
        entries.extend(measured);
        if let (Some(before), Some(after)) = (before, machine::Work::so_far()) {
            let others = after.of_others_since(before);
            if others > 0.05 {
                disturbed.push(format!("{} {:.0} %", row.name(), others * 100.0));
            }
        }
    }
    println!("load after: {}", machine::load());
    if !disturbed.is_empty() {
        println!(
            "other programs took of the machine, in row: {}",
            disturbed.join(", ")
        );
    }
    println!("median of the rounds (least–most)\n");
    println!("{}", table::markdown(&entries, &sides));
    println!("÷ is the median of the rounds' ratios, not the ratio of the medians");
    println!(
        "what is beside a quiet room stands for other computers: it runs where nobody else wants a core"
    );
    if let Some(path) = &args.json {
        let entries: Vec<_> = entries.iter().map(Entry::json).collect();
        let all = json!({
            "machine": facts,
            "quick": args.quick,
            "against": args.against,
            "disturbed": disturbed,
            "lines": entries,
        });
        std::fs::write(path, format!("{all:#}\n"))
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    // What another relay cannot do is a result.
    let ours = [Side::Bare, Side::Ours];
    match entries.iter().find_map(|entry| entry.failed(&ours)) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

fn choose(names: &[String]) -> Result<Vec<Box<dyn Row>>, String> {
    let mut rows = rows::all();
    let known: Vec<_> = rows.iter().map(|row| row.name()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "there is no row “{unknown}”, but {}",
            known.join(", ")
        ));
    }
    rows.retain(|row| names.is_empty() || names.iter().any(|name| name == row.name()));
    Ok(rows)
}

fn raise_open_files() -> Result<(), String> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < OPEN_FILES) {
        limit.current = Some(
            limit
                .maximum
                .map_or(OPEN_FILES, |most| most.min(OPEN_FILES)),
        );
        setrlimit(Resource::Nofile, limit)
            .map_err(|error| format!("no {OPEN_FILES} connections are allowed: {error}"))?;
    }
    Ok(())
}

/// The processes that are measured have groups of their own, which Ctrl-C in a terminal does not reach.
fn end_children_with_us() -> Result<(), String> {
    const INTERRUPTED: i32 = 130;
    let runtime = crate::reader::runtime()?;
    let failed = |error| format!("Ctrl-C cannot be listened for: {error}");
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt()).map_err(failed)?,
            signal(SignalKind::terminate()).map_err(failed)?,
        )
    };
    std::thread::Builder::new()
        .name("Ctrl-C".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            server::end_all();
            std::process::exit(INTERRUPTED);
        })
        .map_err(failed)?;
    Ok(())
}
