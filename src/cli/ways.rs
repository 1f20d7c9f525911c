//! The ways to the session that the terminal hosts: shown as they change.

use std::io;

use serde_json::json;

use super::print::Printer;
use crate::backend::{Surroundings, as_typed};
use crate::reach::{Address, MappingState};

/// What was told of the ways here.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    printer: &'a Printer,
    port: u16,
    as_json: bool,
    addresses: Vec<Address>,
    mapping: Option<MappingState>,
    invite: Option<String>,
}

impl<'a> Ways<'a> {
    /// Tells the ways at the start.
    pub(super) fn tell(
        printer: &'a Printer,
        port: u16,
        as_json: bool,
        surroundings: &Surroundings,
    ) -> io::Result<Self> {
        let addresses = surroundings.addresses().to_vec();
        if as_json {
            printer.json(
                &json!({"event": "hosting", "port": port, "addresses": objects(&addresses)}),
            )?;
        } else {
            printer.line(&format!("Hosting on port {port}."))?;
            in_words(printer, &addresses, port)?;
            printer.line("Press Ctrl-C to stop, type help for what else you can do.")?;
        }
        let mut ways = Self {
            printer,
            port,
            as_json,
            addresses,
            mapping: None,
            invite: None,
        };
        ways.tell_changes(surroundings)?;
        Ok(ways)
    }

    /// Tells what has changed.
    pub(super) fn tell_changes(&mut self, surroundings: &Surroundings) -> io::Result<()> {
        if self.addresses != surroundings.addresses() {
            self.addresses = surroundings.addresses().to_vec();
            if self.as_json {
                self.printer
                    .json(&json!({"event": "addresses", "addresses": objects(&self.addresses)}))?;
            } else {
                self.printer
                    .line("This computer's addresses have changed.")?;
                in_words(self.printer, &self.addresses, self.port)?;
            }
        }
        let mapping = surroundings.mapping();
        if self.mapping != mapping {
            self.mapping = mapping;
            if let Some(state) = &self.mapping {
                self.tell_mapping(state)?;
            }
        }
        let invite = surroundings.invite().map(|invite| invite.to_string());
        if self.invite != invite {
            self.invite = invite;
            match &self.invite {
                Some(invite) if self.as_json => {
                    self.printer
                        .json(&json!({"event": "invite", "invite": invite}))?;
                }
                Some(invite) => self.printer.line(&format!("Invite: {invite}"))?,
                None => {}
            }
        }
        Ok(())
    }

    fn tell_mapping(&self, state: &MappingState) -> io::Result<()> {
        if self.as_json {
            let by_hand = state.by_hand().map(|by_hand| {
                json!({
                    "protocol": "TCP",
                    "outside": by_hand.outside,
                    "inside": by_hand.inside.to_string(),
                })
            });
            return self.printer.json(&json!({
                "event": "internet",
                "asking": *state == MappingState::Asking,
                "outside": state.outside().map(|outside| outside.to_string()),
                "what": state.words(),
                "advice": state.advice(),
                "by_hand": by_hand,
            }));
        }
        let advice = state
            .advice()
            .map_or_else(String::new, |advice| format!(" {advice}"));
        self.printer
            .line(&format!("Internet: {}{advice}", state.words()))
    }
}

fn objects(addresses: &[Address]) -> Vec<serde_json::Value> {
    let object = |address: &Address| {
        json!({
            "address": address.ip.to_string(),
            "label": address.kind.label(),
            "for_colleagues": address.kind.for_colleagues(),
        })
    };
    addresses.iter().map(object).collect()
}

fn in_words(printer: &Printer, addresses: &[Address], port: u16) -> io::Result<()> {
    let best = addresses
        .first()
        .filter(|address| address.kind.for_colleagues());
    match best {
        Some(best) => printer.line(&format!(
            "Give this address to your colleagues: {}",
            as_typed((best.ip, port).into())
        ))?,
        None => {
            printer.line("No network was found: only this computer can connect, to localhost.")?;
        }
    }
    for address in addresses {
        printer.line(&format!(
            "  {:<40} {}",
            address.ip.to_string(),
            address.kind.label()
        ))?;
    }
    Ok(())
}
