//! Recognising peers that speak something else, by their first bytes.

/// A protocol that is not Mixer's, as told by the first bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A web browser or another HTTP client or server.
    Http,
    /// A TLS hello, such as `https://` sends.
    Tls,
    /// An SSH greeting.
    Ssh,
    /// Something that is not known here.
    Unknown,
}

impl Foreign {
    /// Guesses from the first bytes of a stream whose first header made no sense.
    #[must_use]
    pub fn guess(first: &[u8]) -> Self {
        const HTTP: [&[u8]; 9] = [
            b"GET ",
            b"POST ",
            b"PUT ",
            b"HEAD ",
            b"OPTIONS ",
            b"DELETE ",
            b"PATCH ",
            b"CONNECT ",
            b"HTTP/",
        ];
        if HTTP.iter().any(|start| first.starts_with(start)) || first.starts_with(b"PRI * HTTP") {
            Self::Http
        } else if matches!(first, [0x15 | 0x16, 0x03, ..]) {
            Self::Tls
        } else if first.starts_with(b"SSH-") {
            Self::Ssh
        } else {
            Self::Unknown
        }
    }

    /// What it spoke, in words that fit after "it spoke".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Http => "HTTP (a web browser or web server)",
            Self::Tls => "TLS (an encrypted connection, such as https)",
            Self::Ssh => "SSH",
            Self::Unknown => "something that is not Mixer",
        }
    }
}
