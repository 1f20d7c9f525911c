//! What becomes of one packet among a firewall's rules, whoever wrote them down and how.
//!
//! Rules that cannot be judged are not guessed: what depends on them is told as possible.

use std::collections::HashMap;
use std::net::IpAddr;

/// Chains within chains are followed this far; the kernel goes no further either.
const DEPTH: usize = 16;
/// Rules that are looked at for one packet. Chains that lead to each other over and over end here.
const STEPS: usize = 200_000;

/// The first packet of a colleague's connection, as the firewall of this computer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Knock {
    /// The interface that it comes in by.
    pub(crate) interface: String,
    /// From where.
    pub(crate) from: IpAddr,
    /// To which address of this computer.
    pub(crate) to: IpAddr,
    /// To which TCP port.
    pub(crate) port: u16,
}

/// Whether a rule is for the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    Yes,
    No,
    /// That cannot be told from here.
    Maybe,
}

impl Fits {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Maybe,
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
        }
    }
}

impl From<bool> for Fits {
    fn from(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }
}

/// What a rule does with a packet that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Accept,
    Block,
    Jump(String),
    Goto(String),
    Return,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) fits: Fits,
    pub(super) act: Act,
    /// How to find it again: its text, or its number.
    pub(super) rule: String,
}

/// Rules in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) steps: Vec<Step>,
    /// What falls through a base chain is blocked.
    pub(super) blocks_the_rest: bool,
}

/// The chains of one table, by name.
pub(super) type Chains = HashMap<String, Chain>;

/// What becomes of the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Passes,
    Blocked(Cause),
    /// Some rules cannot be judged. It is blocked if they turn out that way.
    Perhaps(Cause),
}

/// What blocks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A rule.
    Rule { chain: String, rule: String },
    /// What is done with all that no rule lets in.
    Policy,
}

/// Sends a packet through a base chain.
pub(super) fn walk(chains: &Chains, base: &str) -> Fate {
    let mut walk = Walk {
        chains,
        steps: 0,
        passes: false,
        blocked: None,
    };
    if walk.chain(base, 0) == Way::Through {
        let blocks = chains.get(base).is_some_and(|chain| chain.blocks_the_rest);
        if blocks {
            walk.block(Cause::Policy);
        } else {
            walk.passes = true;
        }
    }
    match (walk.blocked, walk.passes) {
        (None, _) => Fate::Passes,
        (Some(cause), false) => Fate::Blocked(cause),
        (Some(cause), true) => Fate::Perhaps(cause),
    }
}

/// How a packet leaves a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The fate of all is decided.
    Decided,
    /// It goes on behind the chain, or some of them do.
    Through,
}

struct Walk<'a> {
    chains: &'a Chains,
    steps: usize,
    /// It may pass.
    passes: bool,
    /// It may be blocked; what would be the first to do so.
    blocked: Option<Cause>,
}

impl Walk<'_> {
    fn block(&mut self, cause: Cause) {
        self.blocked.get_or_insert(cause);
    }

    /// What becomes of the packets that come into a chain: one for each way that the rules which cannot be
    /// judged may turn out.
    fn chain(&mut self, name: &str, depth: usize) -> Way {
        let Some(chain) = self.chains.get(name) else {
            return Way::Through;
        };
        if depth > DEPTH {
            return Way::Through;
        }
        // Some have left already, undecided.
        let mut some_left = false;
        for step in &chain.steps {
            self.steps += 1;
            if self.steps > STEPS {
                return Way::Through;
            }
            let way = match &step.act {
                _ if step.fits == Fits::No => continue,
                Act::Accept => {
                    self.passes = true;
                    Way::Decided
                }
                Act::Block => {
                    self.block(Cause::Rule {
                        chain: name.to_owned(),
                        rule: step.rule.clone(),
                    });
                    Way::Decided
                }
                Act::Jump(to) if self.chain(to, depth + 1) == Way::Through => continue,
                Act::Jump(_) => Way::Decided,
                Act::Goto(to) => self.chain(to, depth + 1),
                Act::Return => Way::Through,
            };
            if way == Way::Through {
                some_left = true;
            }
            if step.fits == Fits::Yes {
                return if some_left { Way::Through } else { way };
            }
        }
        Way::Through
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(fits: Fits, act: Act) -> Step {
        Step {
            fits,
            act,
            rule: "r".to_owned(),
        }
    }

    fn fate(chains: &[(&str, &[(Fits, Act)])], blocks_the_rest: bool) -> Fate {
        let chains = chains.iter().map(|(name, steps)| {
            let steps = steps.iter().map(|(fits, act)| step(*fits, act.clone()));
            let chain = Chain {
                steps: steps.collect(),
                blocks_the_rest: blocks_the_rest && *name == "base",
            };
            ((*name).to_owned(), chain)
        });
        walk(&chains.collect(), "base")
    }

    fn rule(chain: &str) -> Cause {
        Cause::Rule {
            chain: chain.to_owned(),
            rule: "r".to_owned(),
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        use Act::{Accept, Block};
        use Fits::{Maybe, No, Yes};
        assert_eq!(fate(&[("base", &[])], false), Fate::Passes);
        assert_eq!(fate(&[("base", &[])], true), Fate::Blocked(Cause::Policy));
        let accepted: &[_] = &[(No, Block), (Yes, Accept), (Yes, Block)];
        assert_eq!(fate(&[("base", accepted)], true), Fate::Passes);
        let blocked: &[_] = &[(No, Accept), (Yes, Block), (Yes, Accept)];
        assert_eq!(
            fate(&[("base", blocked)], false),
            Fate::Blocked(rule("base"))
        );
        let unsure: &[_] = &[(Maybe, Accept)];
        assert_eq!(
            fate(&[("base", unsure)], true),
            Fate::Perhaps(Cause::Policy)
        );
        assert_eq!(fate(&[("base", unsure)], false), Fate::Passes);
        let unsure: &[_] = &[(Maybe, Block), (Yes, Accept)];
        assert_eq!(fate(&[("base", unsure)], true), Fate::Perhaps(rule("base")));
        let unsure: &[_] = &[(Maybe, Block), (Yes, Block)];
        assert_eq!(fate(&[("base", unsure)], true), Fate::Blocked(rule("base")));
    }

    #[test]
    fn chains_lead_to_chains_and_back() {
        use Act::{Accept, Block, Return};
        use Fits::{Maybe, Yes};
        let jump = || Act::Jump("sub".to_owned());
        let goto = || Act::Goto("sub".to_owned());
        let base = |act: Act| vec![(Yes, act), (Yes, Block)];
        let returns: &[_] = &[(Yes, Return), (Yes, Accept)];
        let accepts: &[_] = &[(Yes, Accept)];
        let may_return: &[_] = &[(Maybe, Return), (Yes, Accept)];
        for (act, sub, expected) in [
            (jump(), returns, Fate::Blocked(rule("base"))),
            (jump(), accepts, Fate::Passes),
            (jump(), may_return, Fate::Perhaps(rule("base"))),
            // Behind `goto` the caller is not gone on with: its policy counts.
            (goto(), returns, Fate::Passes),
            (goto(), accepts, Fate::Passes),
        ] {
            let chains: &[(&str, &[_])] = &[("base", &base(act)), ("sub", sub)];
            assert_eq!(fate(chains, false), expected, "{chains:?}");
        }
        let maybe: &[_] = &[(Maybe, jump()), (Yes, Block)];
        assert_eq!(
            fate(&[("base", maybe), ("sub", accepts)], false),
            Fate::Perhaps(rule("base"))
        );
    }

    #[test]
    fn circles_end() {
        let many = vec![(Fits::Yes, Act::Jump("base".to_owned())); 40];
        assert_eq!(fate(&[("base", &many)], false), Fate::Passes);
    }
}
