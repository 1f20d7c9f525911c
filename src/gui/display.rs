//! Whether a window can be opened here, found out before trying: the window system's own error
//! would name neither the library that is missing nor the package that has it.

/// Whether a window can be opened here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Display {
    /// As far as can be told beforehand.
    Ready,
    /// There is none: a server, or a remote shell.
    Absent,
    /// There is one, but the system lacks libraries that are needed to draw on it.
    Lacking(Vec<Lack>),
}

/// A system library that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The library's file.
    pub library: &'static str,
    /// The package that has it in Debian and Ubuntu.
    pub debian: &'static str,
    /// The package that has it in Fedora.
    pub fedora: &'static str,
    /// The package that has it in Arch Linux.
    pub arch: &'static str,
}

impl Lack {
    /// What is missing and how to get it, as a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self {
            library,
            debian,
            fedora,
            arch,
        } = self;
        format!(
            "The system library {library} is missing. It comes with the package {debian} (Debian, Ubuntu), \
             {fedora} (Fedora) or {arch} (Arch Linux)."
        )
    }
}

/// Looks whether a window can be opened here.
#[must_use]
pub fn display() -> Display {
    #[cfg(target_os = "linux")]
    return linux::display(
        |name| std::env::var_os(name).is_some_and(|value| !value.is_empty()),
        linux::loads,
    );
    #[cfg(not(target_os = "linux"))]
    return Display::Ready;
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Display, Lack};

    const fn lack(
        library: &'static str,
        debian: &'static str,
        fedora: &'static str,
        arch: &'static str,
    ) -> Lack {
        Lack {
            library,
            debian,
            fedora,
            arch,
        }
    }

    const X11: [Lack; 5] = [
        lack("libX11.so.6", "libx11-6", "libX11", "libx11"),
        lack("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb", "libx11"),
        lack("libXcursor.so.1", "libxcursor1", "libXcursor", "libxcursor"),
        lack("libXi.so.6", "libxi6", "libXi", "libxi"),
        lack(
            "libxkbcommon-x11.so.0",
            "libxkbcommon-x11-0",
            "libxkbcommon-x11",
            "libxkbcommon-x11",
        ),
    ];
    const WAYLAND: [Lack; 2] = [
        lack(
            "libwayland-client.so.0",
            "libwayland-client0",
            "libwayland-client",
            "wayland",
        ),
        lack(
            "libwayland-egl.so.1",
            "libwayland-egl1",
            "libwayland-egl",
            "wayland",
        ),
    ];
    const BOTH: [Lack; 2] = [
        lack(
            "libxkbcommon.so.0",
            "libxkbcommon0",
            "libxkbcommon",
            "libxkbcommon",
        ),
        lack("libEGL.so.1", "libegl1", "libglvnd-egl", "libglvnd"),
    ];

    /// `is_set`: whether an environment variable says something. `loads`: whether a library is there.
    pub(super) fn display(is_set: impl Fn(&str) -> bool, loads: impl Fn(&str) -> bool) -> Display {
        let (x11, wayland) = (
            is_set("DISPLAY"),
            is_set("WAYLAND_DISPLAY") || is_set("WAYLAND_SOCKET"),
        );
        let missing = |wanted: &[Lack]| -> Vec<Lack> {
            wanted
                .iter()
                .copied()
                .filter(|lack| !loads(lack.library))
                .collect()
        };
        let of = |own: &[Lack]| [missing(own), missing(&BOTH)].concat();
        let ways = [x11.then(|| of(&X11)), wayland.then(|| of(&WAYLAND))];
        // One of two ways is enough; of two that both lack something, the shorter list is the better advice.
        match ways.into_iter().flatten().min_by_key(Vec::len) {
            None => Display::Absent,
            Some(missing) if missing.is_empty() => Display::Ready,
            Some(missing) => Display::Lacking(missing),
        }
    }

    /// Whether the system's loader finds a library.
    pub(super) fn loads(library: &str) -> bool {
        // SAFETY: loading a library runs its initialisers. These are the system's own window libraries,
        // found by the system's loader under their public names, and the same ones that the window's
        // code loads and uses in this process a moment later; their initialisers are made to be run in
        // any program. Nothing is called in them here, and no symbol outlives the handle.
        #[expect(
            unsafe_code,
            reason = "there is no other way to ask the loader; see SAFETY"
        )]
        let loaded = unsafe { libloading::Library::new(library) };
        loaded.is_ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn no_variable_means_no_display() {
            assert_eq!(display(|_| false, |_| true), Display::Absent);
            assert_eq!(display(|name| name == "DISPLAY", |_| true), Display::Ready);
            assert_eq!(
                display(|name| name == "WAYLAND_DISPLAY", |_| true),
                Display::Ready
            );
        }

        #[test]
        fn a_missing_library_is_named_with_its_package() {
            let lacking = display(
                |name| name == "DISPLAY",
                |library| library != "libxkbcommon-x11.so.0",
            );
            let Display::Lacking(lacks) = lacking else {
                panic!("{lacking:?}")
            };
            assert_eq!(lacks.len(), 1);
            let sentence = lacks[0].sentence();
            assert!(
                sentence.contains("libxkbcommon-x11.so.0")
                    && sentence.contains("libxkbcommon-x11-0"),
                "{sentence}"
            );
        }

        #[test]
        fn one_way_that_works_is_enough() {
            assert_eq!(
                display(|_| true, |library| library != "libX11.so.6"),
                Display::Ready
            );
            assert!(
                matches!(display(|_| true, |_| false), Display::Lacking(lacks) if lacks.len() == 4)
            );
        }

        #[test]
        fn the_loader_is_really_asked() {
            assert!(loads("libc.so.6"));
            assert!(!loads("libmixdesk-does-not-exist.so.1"));
        }
    }
}
