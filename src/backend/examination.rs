//! What a check of the connection has found so far: plain values, and the report as text.

use std::fmt::Write;

pub use crate::reach::doctor::Verdict;

/// A check of the connection, under way or done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examination {
    /// The host that is reached for, as `host:port`; none where it is looked at whether this computer
    /// can be reached.
    pub of: Option<String>,
    /// What was found, in the order in which it was.
    pub findings: Vec<Finding>,
    /// More may come.
    pub running: bool,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was looked at, in a word or two: `Firewall`.
    pub check: String,
    /// What is so, as a sentence.
    pub what: String,
    /// Why that matters, as a sentence; empty where that is plain.
    pub why: String,
    /// What to do, as a sentence.
    pub fix: Option<String>,
    /// A command that does it.
    pub command: Option<String>,
}

impl Examination {
    /// One that begins.
    #[must_use]
    pub fn begun(of: Option<String>) -> Self {
        Self {
            of,
            findings: Vec::new(),
            running: true,
        }
    }

    /// What is examined, as a title.
    #[must_use]
    pub fn title(&self) -> String {
        title(self.of.as_deref())
    }

    /// How many findings are such.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        let such = |finding: &&Finding| finding.verdict == verdict;
        self.findings.iter().filter(such).count()
    }

    /// How it stands, as a sentence: `1 problem, 2 notes, 5 good.`
    #[must_use]
    pub fn summary(&self) -> String {
        let [problems, notes, good] =
            [Verdict::Problem, Verdict::Note, Verdict::Good].map(|verdict| self.count(verdict));
        match (problems, notes) {
            _ if self.findings.is_empty() => "Nothing was looked at.".to_owned(),
            (0, 0) => "Everything that was looked at is good.".to_owned(),
            (0, notes) => format!("No problems. {}, {good} good.", many(notes, "note")),
            (problems, 0) => format!("{}, {good} good.", many(problems, "problem")),
            (problems, notes) => {
                let (problems, notes) = (many(problems, "problem"), many(notes, "note"));
                format!("{problems}, {notes}, {good} good.")
            }
        }
    }

    /// The findings, worst first once all are there: what comes in does not push away what is read.
    #[must_use]
    pub fn as_read(&self) -> Vec<&Finding> {
        let mut findings: Vec<_> = self.findings.iter().collect();
        if !self.running {
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        }
        findings
    }

    /// All of it as text, to send to whoever helps.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = format!(
            "{} – Mixdesk {} on {}\n",
            self.title(),
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS
        );
        let unfinished = if self.running { " (still running)" } else { "" };
        // Writing to a text cannot fail.
        let _written = writeln!(text, "{}{unfinished}", self.summary());
        for finding in self.as_read() {
            let Finding {
                verdict,
                check,
                what,
                why,
                fix,
                command,
            } = finding;
            let _written = writeln!(text, "\n[{}] {check}: {what}", verdict.title());
            let whys = (!why.is_empty()).then_some(why);
            let lines = [
                ("Why", whys),
                ("To do", fix.as_ref()),
                ("Command", command.as_ref()),
            ];
            for (name, line) in lines {
                if let Some(line) = line {
                    let _written = writeln!(text, "  {name}: {line}");
                }
            }
        }
        text
    }
}

/// What an examination of `of` is called.
#[must_use]
pub fn title(of: Option<&str>) -> String {
    of.map_or_else(
        || "Can colleagues reach this computer?".to_owned(),
        |of| format!("Connection to {of}"),
    )
}

fn many(number: usize, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{number} {thing}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(verdict: Verdict, check: &str) -> Finding {
        Finding {
            verdict,
            check: check.to_owned(),
            what: format!("{check} was looked at."),
            why: String::new(),
            fix: None,
            command: None,
        }
    }

    #[test]
    fn a_report_has_everything_and_the_worst_first() {
        let mut examination = Examination {
            of: Some("studio:12800".to_owned()),
            findings: vec![
                finding(Verdict::Good, "Name"),
                Finding {
                    why: "Nobody gets in.".to_owned(),
                    fix: Some("Let port 12800 in.".to_owned()),
                    command: Some("ufw allow 12800/tcp".to_owned()),
                    ..finding(Verdict::Problem, "Firewall")
                },
            ],
            running: false,
        };
        let report = examination.report();
        let lines: Vec<_> = report.lines().skip(1).collect();
        assert!(report.starts_with("Connection to studio:12800 – Mixdesk "));
        assert_eq!(
            lines,
            [
                "1 problem, 1 good.",
                "",
                "[Problem] Firewall: Firewall was looked at.",
                "  Why: Nobody gets in.",
                "  To do: Let port 12800 in.",
                "  Command: ufw allow 12800/tcp",
                "",
                "[Good] Name: Name was looked at.",
            ]
        );
        examination.running = true;
        assert_eq!(examination.as_read()[0].check, "Name");
        assert!(examination.report().contains("(still running)"));
    }

    #[test]
    fn it_is_summed_up_in_a_sentence() {
        use Verdict::{Good, Note, Problem};
        for (verdicts, words) in [
            (&[][..], "Nothing was looked at."),
            (&[Good, Good][..], "Everything that was looked at is good."),
            (&[Good, Note][..], "No problems. 1 note, 1 good."),
            (&[Problem, Problem][..], "2 problems, 0 good."),
            (&[Problem, Note, Note][..], "1 problem, 2 notes, 0 good."),
        ] {
            let findings = verdicts.iter().map(|verdict| finding(*verdict, "x"));
            let examination = Examination {
                findings: findings.collect(),
                ..Examination::default()
            };
            assert_eq!(examination.summary(), words);
        }
    }
}
