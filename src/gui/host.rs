//! What may stand in the Host and Port fields, in the words shown at the field.
//!
//! The backend reads the same text again when it connects; this is only to help while typing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a well-formed Host field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// It is this computer.
    pub(crate) is_local: bool,
    /// It names a port itself, so that the Port field does not count.
    pub(crate) port: Option<u16>,
}

impl Host {
    /// What Connect will do.
    pub(crate) fn caption(self) -> String {
        let mut caption = if self.is_local {
            "Starts a server on this computer".to_owned()
        } else {
            "Connects to another computer".to_owned()
        };
        if let Some(port) = self.port {
            caption.push_str(&format!(
                ", on port {port} as Host says. The Port field is not used."
            ));
        }
        caption
    }
}

const EMPTY: &str = "Type a host name or an address";
const PORT: &str = "Port is a number from 1 to 65535";
const IPV4: &str = "An address is four numbers from 0 to 255, like 192.168.0.48";
const IPV6: &str = "This is no complete IPv6 address";
const NAME: &str = "A host name has only letters, digits, dots and hyphens";

/// Reads the Host field: a name or address, with or without a port (`studio:12900`, `[fe80::1]:12900`).
///
/// # Errors
///
/// What is wrong with it, for the person who types it.
pub(crate) fn parse_host(typed: &str) -> Result<Host, &'static str> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err(EMPTY);
    }
    if let Some(bracketed) = typed.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']').ok_or(IPV6)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if rest.is_empty() => None,
            None => return Err(IPV6),
        };
        return Ok(Host {
            is_local: ipv6(address)?.is_loopback(),
            port,
        });
    }
    if typed.matches(':').count() > 1 {
        return Ok(Host {
            is_local: ipv6(typed)?.is_loopback(),
            port: None,
        });
    }
    let (name, port) = match typed.split_once(':') {
        Some((name, port)) => (name, Some(parse_port(port)?)),
        None => (typed, None),
    };
    Ok(Host {
        is_local: is_local_name(name)?,
        port,
    })
}

/// Reads the Port field.
///
/// # Errors
///
/// What is wrong with it, for the person who types it.
pub(crate) fn parse_port(typed: &str) -> Result<u16, &'static str> {
    let typed = typed.trim();
    if !typed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PORT);
    }
    typed.parse().ok().filter(|port| *port > 0).ok_or(PORT)
}

/// The address as it is typed into Host, with the port only where it must be told.
pub(crate) fn address(ip: IpAddr, port: u16, default_port: u16) -> String {
    if port == default_port {
        return ip.to_string();
    }
    match ip {
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    }
}

fn ipv6(typed: &str) -> Result<Ipv6Addr, &'static str> {
    // A link-local address may carry a zone, `fe80::1%eth0`, that the parser does not know.
    let address = typed
        .split_once('%')
        .map_or(typed, |(address, _zone)| address);
    address.parse().map_err(|_| IPV6)
}

fn is_local_name(name: &str) -> Result<bool, &'static str> {
    if name.is_empty() {
        return Err(EMPTY);
    }
    if name
        .chars()
        .all(|char| char.is_ascii_digit() || char == '.')
    {
        return name
            .parse::<Ipv4Addr>()
            // Not every address of this computer: only those for which Connect starts a server.
            .map(|ip| ip == Ipv4Addr::LOCALHOST)
            .map_err(|_| IPV4);
    }
    // Underscores are in no standard, but in many Windows computer names.
    if !name
        .chars()
        .all(|char| char.is_alphanumeric() || matches!(char, '.' | '-' | '_'))
    {
        return Err(NAME);
    }
    Ok(name.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(is_local: bool, port: Option<u16>) -> Result<Host, &'static str> {
        Ok(Host { is_local, port })
    }

    #[test]
    fn names_and_addresses_are_taken() {
        assert_eq!(parse_host("studio-b.local"), host(false, None));
        assert_eq!(parse_host(" 192.168.0.48 "), host(false, None));
        assert_eq!(parse_host("render_node"), host(false, None));
        assert_eq!(parse_host("fe80::1"), host(false, None));
        assert_eq!(parse_host("fe80::1%eth0"), host(false, None));
    }

    #[test]
    fn this_computer_is_known_by_all_its_names() {
        for typed in ["localhost", "LocalHost", "127.0.0.1", "::1", "[::1]"] {
            assert_eq!(parse_host(typed), host(true, None), "{typed}");
        }
        assert_eq!(parse_host("localhost:12900"), host(true, Some(12900)));
        // As the backend has it: there Connect starts no server.
        assert_eq!(parse_host("127.0.0.2"), host(false, None));
    }

    #[test]
    fn a_host_may_carry_its_port() {
        assert_eq!(parse_host("studio:12900"), host(false, Some(12900)));
        assert_eq!(parse_host("[fe80::1]:12900"), host(false, Some(12900)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(parse_host("  "), Err(EMPTY));
        assert_eq!(parse_host(":12800"), Err(EMPTY));
        assert_eq!(parse_host("192.168.0"), Err(IPV4));
        assert_eq!(parse_host("192.168.0.300"), Err(IPV4));
        assert_eq!(parse_host("studio:port"), Err(PORT));
        assert_eq!(parse_host("studio b"), Err(NAME));
        assert_eq!(parse_host("[fe80::1"), Err(IPV6));
        assert_eq!(parse_host("fe80:::1"), Err(IPV6));
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        assert_eq!(parse_port("12800"), Ok(12800));
        assert_eq!(parse_port(" 1 "), Ok(1));
        assert_eq!(parse_port("65535"), Ok(65535));
        for typed in ["", "0", "65536", "-1", "+1", "12a", "１２"] {
            assert_eq!(parse_port(typed), Err(PORT), "{typed}");
        }
    }

    #[test]
    fn the_port_is_told_only_where_it_must_be() {
        let v4 = IpAddr::V4(Ipv4Addr::new(192, 168, 0, 48));
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        assert_eq!(address(v4, 12800, 12800), "192.168.0.48");
        assert_eq!(address(v4, 12900, 12800), "192.168.0.48:12900");
        assert_eq!(address(v6, 12900, 12800), "[::1]:12900");
    }

    #[test]
    fn the_caption_says_what_connect_does() {
        let caption = |typed| parse_host(typed).map(Host::caption);
        assert_eq!(
            caption("localhost").as_deref(),
            Ok("Starts a server on this computer")
        );
        assert_eq!(
            caption("studio").as_deref(),
            Ok("Connects to another computer")
        );
        assert_eq!(
            caption("studio:12900").as_deref(),
            Ok(
                "Connects to another computer, on port 12900 as Host says. The Port field is not used."
            )
        );
    }
}
