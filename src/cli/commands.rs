//! What can be typed while `mixdesk host` runs, and what it tells by itself: who waits to be let in.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::print::{self, Printer};
use super::stdin;
use crate::backend::words;
use crate::relay::{Guests, Origin, Relay, Waiting};

/// How long after a change it is told: what changes together is told together.
const TELL_AFTER: Duration = Duration::from_millis(100);
/// Who goes and comes back to wait again is told again after so long.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Addresses that are remembered as told, and are waited for by nobody just now.
const TOLD: usize = 1024;
/// If more wait at once, only how many is told.
const TOLD_AT_ONCE: usize = 8;

/// The commands, as `help` shows them.
const HELP: &str = "\
allow ADDRESS                  let in who waits there, now and later
deny ADDRESS                   turn away who waits there, and do not ask again for 5 minutes
kick CLIENT [REASON]           disconnect somebody
ban ADDRESS [MINUTES] [REASON] let nobody in from there, for so long or for good
unban ADDRESS                  take a ban back
ask on | ask off               whether new addresses have to wait for you
people                         who is connected and who waits
bans                           who is banned
attempts                       who could not connect, and why
help                           this list";

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    Allow(Origin),
    Deny(Origin),
    Kick(String, String),
    Ban(Origin, Option<Duration>, String),
    Unban(Origin),
    Ask(bool),
    People,
    Bans,
    Attempts,
    Help,
}

impl Order {
    /// Reads a line; `None` when it is empty.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let words: Vec<_> = line.split_whitespace().collect();
        let Some((name, rest)) = words.split_first() else {
            return Ok(None);
        };
        Ok(Some(match (name.to_lowercase().as_str(), rest) {
            ("allow", [address]) => Self::Allow(origin(address)?),
            ("deny", [address]) => Self::Deny(origin(address)?),
            ("kick", [client, reason @ ..]) => Self::Kick((*client).to_owned(), reason.join(" ")),
            ("ban", [address, rest @ ..]) => {
                let minutes = rest.first().and_then(|word| word.parse::<u64>().ok());
                let reason = rest.get(usize::from(minutes.is_some())..);
                let time = minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
                Self::Ban(origin(address)?, time, reason.unwrap_or_default().join(" "))
            }
            ("unban", [address]) => Self::Unban(origin(address)?),
            ("ask", ["on"]) => Self::Ask(true),
            ("ask", ["off"]) => Self::Ask(false),
            ("people", []) => Self::People,
            ("bans", []) => Self::Bans,
            ("attempts", []) => Self::Attempts,
            ("help", []) => Self::Help,
            _ => return Err(format!("“{}” is not understood: type help.", line.trim())),
        }))
    }
}

/// An address; that of a client with its port will do.
fn origin(text: &str) -> Result<Origin, String> {
    match text.parse::<SocketAddr>() {
        Ok(client) => Ok(client.ip().into()),
        Err(_) => text.parse().map_err(|error| format!("{error}.")),
    }
}

/// Attends to a relay for as long as it runs: carries out what is typed, tells who waits, and gives
/// what the host decides to `keep`. Never ends, also when nobody types any more.
pub(super) async fn attend(
    relay: &Relay,
    printer: &Printer,
    as_json: bool,
    mut keep: impl FnMut(Guests),
) {
    let mut lines = stdin::lines();
    let mut typing = true;
    let mut bell = relay.guests_bell();
    let (mut told, mut kept) = (Told::default(), relay.guests());
    // At once: somebody may wait since before the bell was there.
    let mut look_at = Some(Instant::now());
    loop {
        let looking = async {
            match look_at {
                Some(then) => tokio::time::sleep_until(then).await,
                None => std::future::pending().await,
            }
        };
        // Whoever reads our output may end, and we host on.
        let _read = tokio::select! {
            line = lines.recv(), if typing => match line {
                Some(line) => answer(relay, printer, &line, as_json),
                None => {
                    typing = false;
                    Ok(())
                }
            },
            changed = bell.changed(), if look_at.is_none() => {
                // The relay is there as long as we hold it.
                changed.unwrap_or_default();
                look_at = Some(Instant::now() + TELL_AFTER);
                Ok(())
            }
            () = looking => {
                look_at = None;
                let guests = relay.guests();
                if guests != kept {
                    keep(guests.clone());
                    kept = guests;
                }
                tell_waiting(relay, printer, &mut told, as_json)
            }
        };
    }
}

/// Who was told to wait.
#[derive(Debug, Default)]
struct Told {
    /// What the programs were told.
    list: Vec<Waiting>,
    /// When people were told of an address, or it was last seen to wait.
    seen: BTreeMap<Origin, Instant>,
}

impl Told {
    /// Those of whom people are to be told now: each once, also when it goes and comes back at once.
    fn new_among(&mut self, waiting: &[Waiting], now: Instant) -> Vec<IpAddr> {
        // Whoever has waited until now was seen until now.
        for waited in &self.list {
            if let Some(seen) = self.seen.get_mut(&Origin::from(waited.address)) {
                *seen = now;
            }
        }
        let is_recent = |seen: &Instant| now.saturating_duration_since(*seen) < TELL_AGAIN;
        self.seen.retain(|_, seen| is_recent(seen));
        let mut new = Vec::new();
        for Waiting { address, .. } in waiting {
            if self.seen.insert(Origin::from(*address), now).is_none() {
                new.push(*address);
            }
        }
        while self.seen.len() > TOLD + waiting.len() {
            let oldest = self.seen.iter().min_by_key(|(_, seen)| **seen);
            let Some(oldest) = oldest.map(|(origin, _)| *origin) else {
                break;
            };
            self.seen.remove(&oldest);
        }
        new
    }
}

/// Tells who waits: in words each once, for programs all of them whenever they change.
fn tell_waiting(
    relay: &Relay,
    printer: &Printer,
    told: &mut Told,
    as_json: bool,
) -> io::Result<()> {
    let waiting = relay.waiting();
    if as_json {
        let now = waiting_json(&waiting);
        let is_new = waiting_json(&told.list) != now;
        told.list = waiting;
        return if is_new {
            printer.json(&json!({"event": "waiting", "waiting": now}))
        } else {
            Ok(())
        };
    }
    let new = told.new_among(&waiting, Instant::now());
    told.list = waiting;
    if new.len() > TOLD_AT_ONCE {
        return printer.line(&format!(
            "{} addresses more wait to be let in. Type “people” to see who does.",
            new.len()
        ));
    }
    new.iter().try_for_each(|address| {
        printer.line(&format!(
            "{address} waits to be let in. Type “allow {address}” or “deny {address}”."
        ))
    })
}

fn answer(relay: &Relay, printer: &Printer, line: &str, as_json: bool) -> io::Result<()> {
    let done = match Order::parse(line) {
        Ok(None) => return Ok(()),
        Ok(Some(order)) => carry_out(relay, order),
        Err(error) => Err(error),
    };
    match done {
        Ok(Answer::Words(text)) if as_json => printer.json(&json!({"event": "done", "text": text})),
        Ok(Answer::Words(text)) => printer.line(&text),
        Ok(Answer::List(_, list)) if as_json => printer.json(&list),
        Ok(Answer::List(lines, _)) => lines.iter().try_for_each(|line| printer.line(line)),
        Err(error) if as_json => printer.json(&json!({"event": "failed", "text": error})),
        Err(error) => {
            printer.note(&error);
            Ok(())
        }
    }
}

/// What an order gives.
enum Answer {
    Words(String),
    /// Lines for people, and the same for programs.
    List(Vec<String>, Value),
}

fn carry_out(relay: &Relay, order: Order) -> Result<Answer, String> {
    Ok(Answer::Words(match order {
        Order::Allow(origin) => {
            relay.allow(origin).map_err(|error| format!("{error}."))?;
            format!("{origin} is let in.")
        }
        Order::Deny(origin) => {
            relay.deny(origin);
            format!("{origin} is not let in.")
        }
        Order::Kick(client, reason) => {
            if !relay.kick(&client, &reason) {
                return Err(format!("Nobody here is {client}: type people."));
            }
            format!("{client} is disconnected.")
        }
        Order::Ban(origin, time, reason) => {
            let ended = relay.ban(origin, time, &reason);
            let ended = ended.map_err(|error| format!("{error}."))?;
            format!("{origin} is banned; {ended} connections from there are ended.")
        }
        Order::Unban(origin) => {
            if !relay.unban(origin) {
                return Err(format!("{origin} is not banned."));
            }
            format!("{origin} is no longer banned.")
        }
        Order::Ask(ask) => {
            relay.ask_before_connecting(ask);
            let how = if ask { "wait for you" } else { "come in" };
            format!("New addresses {how}.")
        }
        Order::People => return Ok(people(relay)),
        Order::Bans => return Ok(bans(relay)),
        Order::Attempts => return Ok(attempts(relay)),
        Order::Help => {
            let lines = HELP.lines().map(str::to_owned).collect();
            return Ok(Answer::List(lines, json!({"event": "help", "text": HELP})));
        }
    }))
}

fn people(relay: &Relay) -> Answer {
    let (people, waiting) = (relay.people(), relay.waiting());
    let mut lines: Vec<_> = people
        .iter()
        .map(|person| {
            let name = print::name(person.name.as_deref().unwrap_or("–"));
            let room = print::name(person.room.as_deref().unwrap_or("–"));
            format!("{:<24} {name:<24} {room}", person.client_id)
        })
        .collect();
    lines.extend(
        waiting
            .iter()
            .map(|waiting| format!("{:<24} waits since {}", waiting.address, ago(waiting.since))),
    );
    if lines.is_empty() {
        lines.push("Nobody is connected.".to_owned());
    }
    let people: Vec<_> = people
        .iter()
        .map(|person| {
            json!({
                "client": person.client_id,
                "address": person.address.to_string(),
                "name": person.name,
                "room": person.room,
            })
        })
        .collect();
    let list = json!({"event": "people", "people": people, "waiting": waiting_json(&waiting)});
    Answer::List(lines, list)
}

fn waiting_json(waiting: &[Waiting]) -> Vec<Value> {
    let waiting = waiting.iter().map(|waiting| {
        json!({
            "address": waiting.address.to_string(),
            "since": seconds(waiting.since),
            "connections": waiting.connections,
        })
    });
    waiting.collect()
}

fn bans(relay: &Relay) -> Answer {
    let bans = relay.bans();
    let mut lines: Vec<_> = bans
        .iter()
        .map(|ban| {
            let time = ban.until.map_or_else(
                || "for good".to_owned(),
                |until| {
                    format!(
                        "for {}",
                        words::span(until.duration_since(SystemTime::now()).unwrap_or_default())
                    )
                },
            );
            format!("{:<24} {time:<12} {}", ban.address.to_string(), ban.reason)
        })
        .collect();
    if lines.is_empty() {
        lines.push("Nobody is banned.".to_owned());
    }
    let bans: Vec<_> = bans
        .iter()
        .map(|ban| {
            json!({
                "address": ban.address,
                "until": ban.until.map(seconds),
                "reason": ban.reason,
            })
        })
        .collect();
    Answer::List(lines, json!({"event": "bans", "bans": bans}))
}

fn attempts(relay: &Relay) -> Answer {
    let attempts = relay.attempts();
    let mut lines: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            let times = match attempt.count {
                1 => String::new(),
                count => format!(" ({count} times)"),
            };
            format!(
                "{:<24} {:<12} {}{times}",
                attempt.address,
                ago(attempt.at),
                attempt.why
            )
        })
        .collect();
    if lines.is_empty() {
        lines.push("Nobody has failed to connect.".to_owned());
    }
    let attempts: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            json!({
                "at": seconds(attempt.at),
                "address": attempt.address.to_string(),
                "why": attempt.why.to_string(),
                "count": attempt.count,
            })
        })
        .collect();
    Answer::List(lines, json!({"event": "attempts", "attempts": attempts}))
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn ago(time: SystemTime) -> String {
    format!("{} ago", words::span(time.elapsed().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Order {
        Order::parse(line).unwrap().unwrap()
    }

    #[test]
    fn what_may_be_typed() {
        let origin = |text: &str| text.parse::<Origin>().unwrap();
        let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
        for (line, order) in [
            ("allow 192.0.2.1\n", Order::Allow(origin("192.0.2.1"))),
            ("  DENY 2001:db8::7 ", Order::Deny(origin("2001:db8::/64"))),
            (
                "kick 192.0.2.1:5 too  loud",
                Order::Kick("192.0.2.1:5".into(), "too loud".into()),
            ),
            (
                "ban 192.0.2.1:5",
                Order::Ban(origin("192.0.2.1"), None, String::new()),
            ),
            (
                "ban [2001:db8::7]:5 15",
                Order::Ban(origin("2001:db8::1"), minutes(15), String::new()),
            ),
            (
                "ban 192.0.2.1 15 2 much",
                Order::Ban(origin("192.0.2.1"), minutes(15), "2 much".into()),
            ),
            (
                "ban 192.0.2.1 too much",
                Order::Ban(origin("192.0.2.1"), None, "too much".into()),
            ),
            ("unban 192.0.2.1", Order::Unban(origin("192.0.2.1"))),
            ("ask on", Order::Ask(true)),
            ("people", Order::People),
            ("help", Order::Help),
        ] {
            assert_eq!(parse(line), order, "{line}");
        }
        assert_eq!(Order::parse(" \n"), Ok(None));
        let forever = format!("ban 192.0.2.1 {}", u64::MAX);
        assert!(matches!(parse(&forever), Order::Ban(_, Some(_), _)));
    }

    #[test]
    fn who_comes_back_at_once_is_told_once() {
        let waiting = |number: u32, since: u64| Waiting {
            address: IpAddr::from(number.to_be_bytes()),
            since: UNIX_EPOCH + Duration::from_secs(since),
            connections: 1,
        };
        let (mut told, mut now) = (Told::default(), Instant::now());
        let ada = waiting(0xc000_0201, 0);
        assert_eq!(
            told.new_among(std::slice::from_ref(&ada), now),
            [ada.address]
        );
        for since in 1..100 {
            now += Duration::from_secs(1);
            assert!(told.new_among(&[], now).is_empty());
            let again = waiting(0xc000_0201, since);
            assert!(told.new_among(&[again], now).is_empty());
        }
        now += TELL_AGAIN;
        let later = [ada, waiting(0xc000_0202, 200)];
        assert_eq!(told.new_among(&later, now).len(), 2);
        // Nor does it grow with the addresses that somebody has.
        for number in 0..5000 {
            now += Duration::from_millis(1);
            assert_eq!(told.new_among(&[waiting(number, 300)], now).len(), 1);
        }
        assert!(told.seen.len() <= TOLD + 1);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (line, words) in [
            ("dance", "type help"),
            ("allow", "type help"),
            ("ask maybe", "type help"),
            ("people now", "type help"),
            ("allow studio", "“studio” is no address"),
            ("ban 192.0.2.300 5", "is no address"),
        ] {
            let error = Order::parse(line).unwrap_err();
            assert!(error.contains(words) && error.ends_with('.'), "{error}");
        }
    }
}
