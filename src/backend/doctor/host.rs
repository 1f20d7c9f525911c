//! The host's side: can colleagues reach this computer?

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout};

use super::internet::{not_asked_for, of_hairpin, of_router, of_survey};
use super::{Exam, Finding, check, late, millis, rate, start};
use crate::backend::opening::{holder, port_failure};
use crate::net::{Bind, ConnectError, Target, Why, connect};
use crate::reach::doctor::{Failed, Step, look_at_firewall, self_test};
use crate::reach::mapping::survey::survey;
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
    /// Where there is no mapping, the router is asked how it stands. Nothing is changed there.
    pub asks_router: bool,
    /// Whom the relay lets in that is started.
    pub guests: Guests,
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
        asks_router,
        guests,
    } = what;
    let addresses = spawn_blocking(addresses).await.unwrap_or_default();
    exam.say(of_addresses(&addresses, port)).await;
    let is_asked = asks_router && matches!(mapping, None | Some(MappingState::Stopped));
    if !is_asked {
        exam.say(of_router(mapping.as_ref())).await;
    }
    let outside = mapping.as_ref().and_then(MappingState::outside);
    let here = addresses.clone();
    exam.check(
        late(check::FIREWALL, "This computer's firewall"),
        async move { look_at_firewall(port, &here, outside.is_some()).await },
    );
    // The rest needs a relay.
    let (found, knocked) = find(port, addresses).await;
    // Where people come in from the internet, once the router has been heard.
    let mut way_in = None;
    if is_asked && matches!(found, Here::At(_)) && is_for_itself(&knocked) {
        exam.say(not_asked_for(port)).await;
    } else if is_asked {
        let (tell, told) = oneshot::channel();
        way_in = Some(told);
        let until = exam.waits_until;
        exam.check(late(check::ROUTER, "The router"), async move {
            let surveyed = survey(port, until).await;
            // Nobody waits for it where no relay runs.
            let _heard = tell.send(surveyed.outside());
            vec![of_survey(&surveyed, port)]
        });
    }
    let mut own = None;
    let found = match found {
        Here::Nobody if starts_relay => match begin(port, guests).await {
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
    match found {
        Here::Nobody => {}
        Here::Hushed => exam.say(hushed(port)).await,
        Here::At(at) => {
            let until = exam.waits_until;
            exam.check(
                late(check::RELAY, "The server on this computer"),
                async move { vec![of_self_test(at, until).await] },
            );
            if own.is_none()
                && let Some(finding) = of_listening(&knocked)
            {
                exam.say(finding).await;
            }
            exam.check(
                late(check::HAIRPIN, "The router's outside address"),
                async move {
                    let outside = match (way_in, mapping) {
                        (Some(told), _) => told.await.ok().flatten(),
                        // A public address of this computer's own is no way around.
                        (None, Some(MappingState::Mapped(mapped))) => Some(mapped.outside),
                        (None, _) => None,
                    };
                    of_hairpin(outside, until).await
                },
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

/// An address with what it is.
fn word(address: &Address) -> String {
    format!("{} ({})", address.ip, address.kind.label())
}

fn of_addresses(addresses: &[Address], port: u16) -> Finding {
    const WHY: &str = "It is what colleagues type into Host.";
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

/// What an address of this computer says at the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knocked {
    Open,
    Refused,
    /// A firewall, or an address that is just going away: for others to say.
    Silent,
}

/// Looks what is on the port, on loopback and on each of these addresses, and what each of them says.
async fn find(port: u16, addresses: Vec<Address>) -> (Here, Vec<(Address, Knocked)>) {
    let local = Target {
        host: "localhost".to_owned(),
        port,
    };
    let (local, knocked) = tokio::join!(
        connect(&local, LOCAL_PATIENCE),
        knock_at_all(addresses, port)
    );
    let vanished = match local {
        Ok(connected) => return (Here::At(connected.address), knocked),
        Err(error) => matches!(error, ConnectError::TimedOut { .. }),
    };
    let open = knocked
        .iter()
        .find(|(_, knocked)| *knocked == Knocked::Open);
    let here = if let Some((address, _)) = open {
        Here::At(SocketAddr::new(address.ip, port))
    } else if vanished && matches!(bind(Bind::All, port), Err(RelayError::Taken(_))) {
        // A port that is free can be had: else somebody has it who could not be heard.
        Here::Hushed
    } else {
        Here::Nobody
    };
    (here, knocked)
}

/// Knocks at all of them side by side, so that many that keep silent take no longer than one.
async fn knock_at_all(addresses: Vec<Address>, port: u16) -> Vec<(Address, Knocked)> {
    let mut knocks = JoinSet::new();
    for (place, address) in addresses.into_iter().enumerate() {
        knocks.spawn(async move {
            let at = SocketAddr::new(address.ip, port);
            let knocked = match timeout(LOCAL_PATIENCE, knock(at)).await {
                Ok(Ok(())) => Knocked::Open,
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    Knocked::Refused
                }
                _ => Knocked::Silent,
            };
            (place, address, knocked)
        });
    }
    let mut all = knocks.join_all().await;
    // Best first, as they came.
    all.sort_by_key(|(place, ..)| *place);
    all.into_iter()
        .map(|(_, address, knocked)| (address, knocked))
        .collect()
}

/// Whether colleagues are turned away at each address that they may use.
fn is_for_itself(knocked: &[(Address, Knocked)]) -> bool {
    let mut theirs = knocked
        .iter()
        .filter(|(address, _)| address.kind.for_colleagues())
        .peekable();
    theirs.peek().is_some() && theirs.all(|(_, knocked)| *knocked == Knocked::Refused)
}

/// Starts a relay for as long as the examination takes, and sees that it can be reached from here.
///
/// # Errors
/// When the port cannot be had.
async fn begin(port: u16, guests: Guests) -> Result<(Relay, Here), Finding> {
    let bound = match bind(Bind::All, port) {
        Ok(bound) => bound,
        Err(error) => {
            let told = spawn_blocking(move || port_trouble(&error)).await;
            return Err(told.unwrap_or_else(|_| no_relay(port)));
        }
    };
    let relay = bound.start(Limits::default(), guests);
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
fn of_listening(knocked: &[(Address, Knocked)]) -> Option<Finding> {
    const WHY: &str = "Colleagues at other addresses find nobody: they see “nobody answers”.";
    let these = |wanted: Knocked| {
        let these = knocked
            .iter()
            .filter(|(address, knocked)| *knocked == wanted && address.kind.for_colleagues());
        these.map(|(address, _)| word(address)).collect::<Vec<_>>()
    };
    let (open, closed) = (these(Knocked::Open), these(Knocked::Refused));
    let finding = match (open.as_slice(), closed.as_slice()) {
        ([], []) => return None,
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
    Some(finding)
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
    #[test]
    fn what_the_addresses_said_is_told() {
        let lan = address("192.168.0.48", AddressKind::Ethernet);
        let vpn = address("10.8.0.2", AddressKind::WiFi);
        let docker = address("172.17.0.1", AddressKind::Docker);
        for (lan_said, vpn_said, verdict, is_alone) in [
            (Knocked::Open, Knocked::Open, Some(Verdict::Good), false),
            (Knocked::Open, Knocked::Refused, Some(Verdict::Note), false),
            (
                Knocked::Refused,
                Knocked::Refused,
                Some(Verdict::Problem),
                true,
            ),
            (
                Knocked::Refused,
                Knocked::Silent,
                Some(Verdict::Problem),
                false,
            ),
            (Knocked::Silent, Knocked::Silent, None, false),
        ] {
            let knocked = [
                (lan.clone(), lan_said),
                (vpn.clone(), vpn_said),
                (docker.clone(), Knocked::Open),
            ];
            let said = of_listening(&knocked).map(|finding| finding.verdict);
            assert_eq!(said, verdict, "{knocked:?}");
            assert_eq!(is_for_itself(&knocked), is_alone, "{knocked:?}");
        }
        assert!(!is_for_itself(&[]), "nothing is known without a network");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn each_address_says_what_is_there_in_their_order() {
        let listener = tokio::net::TcpListener::bind("127.0.0.3:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = (1..=5).map(|last| address(&format!("127.0.0.{last}"), AddressKind::Lan));
        let knocked = knock_at_all(addresses.collect(), port).await;
        let knocked: Vec<_> = knocked
            .iter()
            .map(|(address, knocked)| (address.ip.to_string(), *knocked == Knocked::Open))
            .collect();
        let expected = [1, 2, 3, 4, 5].map(|last| (format!("127.0.0.{last}"), last == 3));
        assert_eq!(knocked, expected);
    }

    #[tokio::test]
    async fn the_relay_for_the_while_lets_in_whom_the_settings_do() {
        let guests = Guests {
            ask: true,
            ..Guests::default()
        };
        let (relay, _) = begin(0, guests.clone()).await.unwrap();
        assert_eq!(relay.guests(), guests);
        relay.stop().await;
    }
}
