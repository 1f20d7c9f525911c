//! The host's side: can colleagues reach this computer?

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::internet::{of_hairpin, of_router, unseen};
use super::{Exam, Finding, check, late, millis, rate, start};
use crate::backend::opening::{holder, port_failure};
use crate::net::{Bind, ConnectError, Target, Why, connect};
use crate::reach::doctor::{Failed, Step, look_at_firewall, self_test};
use crate::reach::{Address, MappingState, addresses};
use crate::relay::{Guests, Limits, Relay, RelayError, bind};

/// How long a port of this computer may take to answer. It does so at once, unless nobody is there: some systems
/// ask a closed port several times before they believe it.
const LOCAL_PATIENCE: Duration = Duration::from_millis(400);
/// How long our temporary relay may take to end.
const END_PATIENCE: Duration = Duration::from_millis(300);

/// What is to be examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostExam {
    /// The port that colleagues connect to.
    pub port: u16,
    /// Where no relay runs, one is started for as long as the examination takes.
    pub starts_relay: bool,
    /// What has become of the mapping when the examination begins; `None` where none is asked for.
    pub mapping: Option<MappingState>,
}

/// Looks whether colleagues can reach this computer. Must be called within a tokio runtime.
#[must_use]
pub fn examine_host(what: HostExam) -> mpsc::Receiver<Finding> {
    start(Instant::now(), |exam| examine(exam, what))
}

async fn examine(mut exam: Exam, what: HostExam) {
    let HostExam {
        port,
        starts_relay,
        mapping,
    } = what;
    let addresses = spawn_blocking(addresses).await.unwrap_or_default();
    exam.say(of_addresses(&addresses, port)).await;
    let from_internet = mapping
        .as_ref()
        .is_some_and(|state| state.outside().is_some());
    let here = addresses.clone();
    exam.check(
        late(check::FIREWALL, "This computer's firewall"),
        async move { look_at_firewall(port, &here, from_internet).await },
    );
    // The rest needs a relay.
    let mut own = None;
    let found = match find(port, &addresses).await {
        Here::Nobody if starts_relay => match begin(port).await {
            Ok((relay, here)) => {
                own = Some(relay);
                exam.say(started(port)).await;
                here
            }
            Err(finding) => {
                exam.say(finding).await;
                Here::Nobody
            }
        },
        Here::Nobody => {
            exam.say(no_relay(port)).await;
            Here::Nobody
        }
        found => found,
    };
    // What another program asks the router, only that program knows.
    let is_others = starts_relay && own.is_none() && !matches!(found, Here::Nobody);
    exam.say(match &mapping {
        None if is_others => unseen(),
        mapping => of_router(mapping.as_ref()),
    })
    .await;
    match found {
        Here::Nobody => {}
        Here::Hushed => exam.say(hushed(port)).await,
        Here::At(at) => {
            let until = exam.waits_until;
            exam.check(
                late(check::RELAY, "The server on this computer"),
                async move { vec![of_self_test(at, until).await] },
            );
            if own.is_none() {
                exam.check(
                    late(check::LISTENING, "Where the server listens"),
                    async move { of_listening(addresses, port).await },
                );
            }
            exam.check(
                late(check::HAIRPIN, "The router's outside address"),
                of_hairpin(mapping),
            );
        }
    }
    exam.finish().await;
    end(own).await;
}

async fn end(own: Option<Relay>) {
    if let Some(relay) = own
        && timeout(END_PATIENCE, relay.stop()).await.is_err()
    {
        tracing::debug!("the temporary relay did not end in time");
    }
}

fn of_addresses(addresses: &[Address], port: u16) -> Finding {
    const WHY: &str = "It is what colleagues type into Host.";
    let word = |address: &Address| format!("{} ({})", address.ip, address.kind.label());
    let mut usable = addresses.iter().filter(|one| one.kind.for_colleagues());
    let Some(best) = usable.next() else {
        let what = match addresses {
            [] => "This computer has no network.".to_owned(),
            others => {
                let others: Vec<_> = others.iter().map(word).collect();
                format!(
                    "This computer has no address for colleagues, only {}.",
                    others.join(", ")
                )
            }
        };
        return Finding::problem(
            check::ADDRESSES,
            what,
            "Only this computer itself can connect, to localhost.",
            "Plug in the network cable, join the Wi-Fi, or start the VPN that your colleagues are in.",
        );
    };
    let others: Vec<_> = usable.map(word).collect();
    let also = if others.is_empty() {
        String::new()
    } else {
        format!(" Also: {}.", others.join(", "))
    };
    let what = format!(
        "Colleagues reach this computer at {}, port {port}.{also}",
        word(best)
    );
    Finding::good(check::ADDRESSES, what, WHY)
}

/// What is on the port of this computer.
enum Here {
    /// Something takes connections there.
    At(SocketAddr),
    /// Something has the port, and packets to it vanish.
    Hushed,
    Nobody,
}

/// Looks what is on the port: on loopback, or on one of these addresses only.
async fn find(port: u16, addresses: &[Address]) -> Here {
    let local = Target {
        host: "localhost".to_owned(),
        port,
    };
    let vanished = match connect(&local, LOCAL_PATIENCE).await {
        Ok(connected) => return Here::At(connected.address),
        Err(error) => matches!(error, ConnectError::TimedOut { .. }),
    };
    for address in addresses {
        let at = SocketAddr::new(address.ip, port);
        if matches!(timeout(LOCAL_PATIENCE, knock(at)).await, Ok(Ok(()))) {
            return Here::At(at);
        }
    }
    // A port that is free can be had: else somebody has it who could not be heard.
    if vanished && matches!(bind(Bind::All, port), Err(RelayError::Taken(_))) {
        Here::Hushed
    } else {
        Here::Nobody
    }
}

/// Starts a relay for as long as the examination takes, and sees that it can be reached from here.
///
/// # Errors
/// When the port cannot be had.
async fn begin(port: u16) -> Result<(Relay, Here), Finding> {
    let bound = match bind(Bind::All, port) {
        Ok(bound) => bound,
        Err(error) => {
            let told = spawn_blocking(move || port_trouble(&error)).await;
            return Err(told.unwrap_or_else(|_| no_relay(port)));
        }
    };
    let relay = bound.start(Limits::default(), Guests::default());
    let at = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), relay.address().port());
    let here = match timeout(LOCAL_PATIENCE, knock(at)).await {
        Ok(_) => Here::At(at),
        Err(_) => Here::Hushed,
    };
    Ok((relay, here))
}

/// Connects to an address of this computer, if that works as somebody whom no relay counts among its guests.
async fn knock(at: SocketAddr) -> io::Result<()> {
    if let SocketAddr::V4(_) = at {
        let socket = TcpSocket::new_v4()?;
        let connected = match socket.bind((Ipv4Addr::LOCALHOST, 0).into()) {
            Ok(()) => socket.connect(at).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Err(error),
            // Not all systems go from there to there.
            Err(_) => {}
        }
    }
    TcpStream::connect(at).await.map(drop)
}

async fn of_self_test(at: SocketAddr, until: Instant) -> Finding {
    const WHY: &str =
        "What works from here works for colleagues too, once they get through to this computer.";
    let target = Target {
        host: at.ip().to_string(),
        port: at.port(),
    };
    let failed = match self_test(&target, until).await {
        Ok(passed) => {
            let what = format!(
                "A server answers on port {}, and has passed a self-test: a room was made and joined, {} bytes were \
                 compared, both guests left and the room is gone, all in {} (round trip {}, {}).",
                at.port(),
                passed.compared_bytes,
                millis(passed.took),
                millis(passed.round_trip),
                rate(passed.bytes_a_second)
            );
            return Finding::good(check::RELAY, what, WHY);
        }
        Err(failed) => failed,
    };
    match &failed {
        Failed::Stuck(Step::Enter)
        | Failed::Connection(
            Why::NotMixer(..) | Why::Silent(_) | Why::ClosedEarly(_) | Why::Nonsense(..),
        ) => {
            let port = at.port();
            let name = spawn_blocking(move || holder(port)).await.ok().flatten();
            let by = name.map_or_else(String::new, |name| format!(" ({name})"));
            Finding::problem(
                check::PORT,
                format!(
                    "Port {port} on this computer is taken by another program{by}, or by a server that hangs. {failed}"
                ),
                "Mixdesk cannot host on a port that another program has, and colleagues reach that program instead.",
                "End that program, or host on another port and tell your colleagues its number.",
            )
        }
        Failed::Told(..) => Finding::note(
            check::RELAY,
            format!(
                "A server answers on port {}, and did not let the self-test in. {failed}",
                at.port()
            ),
            "Whether rooms work could not be tried. Guests may be told the same.",
        )
        .fix("Let this computer in, or make space, then look again."),
        _ => Finding::problem(
            check::RELAY,
            format!(
                "A server answers on port {}, but does not work. {failed}",
                at.port()
            ),
            "Colleagues who connect would meet the same.",
            "Stop hosting and host again. If it stays so, the log says more.",
        ),
    }
}

/// Whether it listens on all addresses that colleagues may use.
async fn of_listening(addresses: Vec<Address>, port: u16) -> Vec<Finding> {
    const WHY: &str = "Colleagues at other addresses find nobody: they see “nobody answers”.";
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for address in addresses
        .into_iter()
        .filter(|one| one.kind.for_colleagues())
    {
        let at = SocketAddr::new(address.ip, port);
        let word = format!("{} ({})", address.ip, address.kind.label());
        match timeout(LOCAL_PATIENCE, knock(at)).await {
            Ok(Ok(())) => open.push(word),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => closed.push(word),
            // A firewall, or an address that is just going away: for others to say.
            _ => {}
        }
    }
    let finding = match (open.as_slice(), closed.as_slice()) {
        ([], []) => return Vec::new(),
        (_, []) => Finding::good(
            check::LISTENING,
            format!("The server listens on {}.", open.join(", ")),
            WHY,
        ),
        ([], _) => Finding::problem(
            check::LISTENING,
            "The server listens for this computer only, not for colleagues.",
            WHY,
            "Host without “--bind”, which makes it listen on one address only.",
        ),
        _ => Finding::note(
            check::LISTENING,
            format!(
                "The server listens on {} only, not on {}.",
                open.join(", "),
                closed.join(", ")
            ),
            WHY,
        )
        .fix("If colleagues are to use the others as well, host without “--bind”."),
    };
    vec![finding]
}

fn hushed(port: u16) -> Finding {
    Finding::problem(
        check::RELAY,
        format!(
            "A program listens on port {port} of this computer, but not even this computer itself can connect to it."
        ),
        "Something drops all packets to that port, and nothing but this computer's own firewall is in between. Nobody \
         else gets in either.",
        "See what is said of the firewall. Once the port is open there, look again.",
    )
}

fn started(port: u16) -> Finding {
    Finding::note(
        check::PORT,
        format!(
            "No server runs on port {port} of this computer, so one was started for as long as this examination \
             takes."
        ),
        "Without a server nobody can connect.",
    )
    .fix("Host when your colleagues are to come: press Connect, or run “mixdesk host”.")
}

fn no_relay(port: u16) -> Finding {
    Finding::problem(
        check::RELAY,
        format!("No server runs on port {port} of this computer."),
        "Without a server nobody can connect: colleagues see “nobody answers”.",
        "Host first: press Connect, or run “mixdesk host”.",
    )
}

/// Why no relay can be started. Looks through all programs for the one that holds the port.
fn port_trouble(error: &RelayError) -> Finding {
    let failure = port_failure(error);
    Finding::problem(
        check::PORT,
        failure.what,
        "Without its port Mixdesk cannot host.",
        failure.advice,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::doctor::Verdict;
    use crate::reach::AddressKind;

    fn address(ip: &str, kind: AddressKind) -> Address {
        Address {
            ip: ip.parse().unwrap(),
            kind,
            interface: "eth0".to_owned(),
        }
    }

    #[test]
    fn addresses_for_colleagues_are_told_first() {
        let lan = address("192.168.0.48", AddressKind::Ethernet);
        let docker = address("172.17.0.1", AddressKind::Docker);
        let finding = of_addresses(&[lan, docker.clone()], 12_800);
        assert_eq!(finding.verdict, Verdict::Good);
        assert_eq!(
            finding.what,
            "Colleagues reach this computer at 192.168.0.48 (Ethernet), port 12800."
        );
        for none in [&[][..], &[docker]] {
            assert_eq!(of_addresses(none, 12_800).verdict, Verdict::Problem);
        }
    }
}
