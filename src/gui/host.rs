//! What may stand in the Host and Port fields, in the words shown at the field.
//!
//! The rules are those that connecting uses; this is to help while typing.

use std::net::IpAddr;

use crate::backend::read_host;
pub(crate) use crate::backend::read_port as parse_port;

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

/// Reads the Host field: a name or address, with or without a port (`studio:12900`, `[fe80::1]:12900`).
///
/// # Errors
///
/// What is wrong with it, for the person who types it.
pub(crate) fn parse_host(typed: &str) -> Result<Host, &'static str> {
    let (is_local, port) = read_host(typed)?;
    Ok(Host { is_local, port })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

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
        let caption = |typed| parse_host(typed).map(Host::caption).ok();
        assert_eq!(
            caption("localhost").as_deref(),
            Some("Starts a server on this computer")
        );
        assert_eq!(
            caption("studio").as_deref(),
            Some("Connects to another computer")
        );
        assert_eq!(
            caption("studio:12900").as_deref(),
            Some(
                "Connects to another computer, on port 12900 as Host says. The Port field is not used."
            )
        );
    }
}
