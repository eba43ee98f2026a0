//! What the server does wrong on purpose, per account and device.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Answers an app-state IQ, fetch or patch, `ms` late.
    Delay,
    /// Closes the socket instead of applying a client's patch.
    DropBeforeApply,
    /// Applies a client's patch and closes the socket instead of answering.
    DropAfterApply,
    /// Tells the device nothing about a change.
    WithholdServerSync,
    /// Answers a patch IQ with `code`; a fetch too if the code is 429 or 503.
    Status,
    /// Serves one patch with a snapshot MAC that matches no state, validly signed.
    WrongSnapshotMac,
    /// Serves one patch with a patch MAC that does not match it.
    WrongPatchMac,
    /// Leaves a key share out: the one pushed after pairing, or one asked for.
    WithholdKeyShare,
    /// Refuses a login with `<failure reason>`: `code`, or 503 without one.
    RefuseLogin,
}

/// One fault in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// The code to answer: 400, 409, 429 or 503 for `status`; any for `refuse_login`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// How long to wait, in milliseconds, for `delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// How often it happens; without it, until it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The device it happens to; without it, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<u16>,
}

impl Fault {
    /// A fault that happens to any device until it is deleted.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            code: None,
            ms: None,
            times: None,
            device: None,
        }
    }

    /// The same, happening `times` times.
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// The same, answering `code`.
    pub fn code(self, code: u16) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// The same, taking `ms` milliseconds.
    pub fn ms(self, ms: u64) -> Self {
        Self {
            ms: Some(ms),
            ..self
        }
    }

    /// The same, for one device alone.
    pub fn device(self, device: u16) -> Self {
        Self {
            device: Some(device),
            ..self
        }
    }

    /// Says what is missing or makes no sense, and what to do about it.
    pub fn check(&self) -> Result<(), String> {
        match (self.kind, self.code, self.ms) {
            (FaultKind::Delay, _, None) => {
                return Err("`delay` needs `ms`; send for example `\"ms\": 400`".to_owned());
            }
            (FaultKind::Status, code, _) if !matches!(code, Some(400 | 409 | 429 | 503)) => {
                return Err("`status` needs a `code` of 400, 409, 429 or 503".to_owned());
            }
            (kind, Some(_), _) if !matches!(kind, FaultKind::Status | FaultKind::RefuseLogin) => {
                return Err(
                    "`code` goes with `status` and `refuse_login` only; leave it out".to_owned(),
                );
            }
            (kind, _, Some(_)) if kind != FaultKind::Delay => {
                return Err("`ms` goes with `delay` only; leave it out".to_owned());
            }
            _ => {}
        }
        if self.times == Some(0) {
            return Err(
                "`times` must be at least 1; leave it out for a fault without end".to_owned(),
            );
        }
        Ok(())
    }
}

/// The faults in force for one account.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    last_id: u64,
    active: Vec<(u64, Fault)>,
}

impl Faults {
    /// Puts a fault in force and answers its id.
    pub fn add(&mut self, fault: Fault) -> u64 {
        self.last_id += 1;
        self.active.push((self.last_id, fault));
        self.last_id
    }

    /// Ends one fault, or all with `None`; `false` if there is no such id.
    pub fn remove(&mut self, id: Option<u64>) -> bool {
        let before = self.active.len();
        match id {
            Some(id) => self.active.retain(|(other, _)| *other != id),
            None => self.active.clear(),
        }
        id.is_none() || self.active.len() < before
    }

    /// The faults in force with their ids, oldest first.
    pub fn list(&self) -> &[(u64, Fault)] {
        &self.active
    }

    /// Uses the oldest fitting fault once.
    pub fn take(&mut self, kind: FaultKind, device: u16) -> Option<Fault> {
        self.take_if(kind, device, |_| true)
    }

    /// Uses the oldest fitting fault once that also passes `test`.
    pub fn take_if(
        &mut self,
        kind: FaultKind,
        device: u16,
        test: impl Fn(&Fault) -> bool,
    ) -> Option<Fault> {
        let at = self.active.iter().position(|(_, fault)| {
            fault.kind == kind && fault.device.is_none_or(|only| only == device) && test(fault)
        })?;
        let fault = self.active[at].1.clone();
        match &mut self.active[at].1.times {
            Some(left) if *left > 1 => *left -= 1,
            Some(_) => {
                self.active.remove(at);
            }
            None => {}
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_used_up_by_the_devices_it_is_for() {
        let mut faults = Faults::default();
        let id = faults.add(Fault::new(FaultKind::Status).code(429).times(2).device(3));
        assert_eq!(faults.take(FaultKind::Status, 2), None);
        assert_eq!(faults.take(FaultKind::Delay, 3), None);
        assert_eq!(
            faults
                .take(FaultKind::Status, 3)
                .and_then(|fault| fault.code),
            Some(429)
        );
        assert!(faults.take(FaultKind::Status, 3).is_some());
        assert_eq!(faults.take(FaultKind::Status, 3), None);
        assert!(!faults.remove(Some(id)));
    }

    #[test]
    fn a_fault_without_times_stays_until_deleted() {
        let mut faults = Faults::default();
        let id = faults.add(Fault::new(FaultKind::WithholdServerSync));
        for device in 1..5 {
            assert!(faults.take(FaultKind::WithholdServerSync, device).is_some());
        }
        assert!(faults.remove(Some(id)));
        assert_eq!(faults.take(FaultKind::WithholdServerSync, 1), None);
        assert!(faults.remove(None));
    }

    #[test]
    fn a_test_passes_over_faults_that_do_not_fit() {
        let mut faults = Faults::default();
        faults.add(Fault::new(FaultKind::Status).code(400));
        faults.add(Fault::new(FaultKind::Status).code(503));
        let fetch = |fault: &Fault| matches!(fault.code, Some(429 | 503));
        assert_eq!(
            faults
                .take_if(FaultKind::Status, 1, fetch)
                .and_then(|fault| fault.code),
            Some(503)
        );
    }

    #[test]
    fn senseless_faults_are_refused_with_advice() {
        assert!(Fault::new(FaultKind::Delay).check().is_err());
        assert!(Fault::new(FaultKind::Delay).ms(400).check().is_ok());
        assert!(Fault::new(FaultKind::Status).code(200).check().is_err());
        assert!(Fault::new(FaultKind::Status).code(409).check().is_ok());
        assert!(Fault::new(FaultKind::WrongPatchMac).ms(1).check().is_err());
        assert!(
            Fault::new(FaultKind::WrongPatchMac)
                .times(0)
                .check()
                .is_err()
        );
    }
}
