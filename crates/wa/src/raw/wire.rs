//! Protocol buffers, walked field by field without building anything: a
//! snapshot's 100,000 records are looked at, and nearly none is wanted.

/// A field's value, as far as it is needed here.
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The bytes are no message.
#[derive(Debug)]
pub(super) struct Malformed;

/// The fields of a message, in order.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Malformed))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Fixed
            }
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            5 => {
                self.take(4)?;
                Value::Fixed
            }
            _ => return None,
        };
        Some((number, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

/// The last bytes value of this field; empty where there is none.
pub(super) fn bytes(message: &[u8], wanted: u32) -> Result<&[u8], Malformed> {
    let mut found: &[u8] = &[];
    for field in Fields(message) {
        if let (number, Value::Bytes(value)) = field?
            && number == wanted
        {
            found = value;
        }
    }
    Ok(found)
}

/// The `SyncdVersion` in field 1 of a patch or a snapshot; 0 where there is none.
pub(super) fn version(message: &[u8]) -> Result<u64, Malformed> {
    for field in Fields(bytes(message, 1)?) {
        if let (1, Value::Varint(version)) = field? {
            return Ok(version);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use whatsapp_rust::buffa::{Message as _, MessageField};
    use whatsapp_rust::waproto::whatsapp as wa;

    use super::*;

    #[test]
    fn a_patchs_version_is_found_behind_whatever_comes_first() {
        let patch = wa::SyncdPatch {
            version: MessageField::some(wa::SyncdVersion {
                version: Some(300_000),
            }),
            snapshot_mac: Some(vec![1; 32]),
            device_index: Some(3),
            ..Default::default()
        };
        assert_eq!(version(&patch.encode_to_vec()).unwrap(), 300_000);
        assert_eq!(version(&[]).unwrap(), 0);
    }

    #[test]
    fn nothing_malformed_is_believed_or_panics() {
        for bad in [
            &[0x0a, 0x05, 0x01][..],
            &[0xff; 11],
            &[0x0b],
            &[0x09, 1, 2],
            &[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ],
        ] {
            assert!(version(bad).is_err(), "{bad:?}");
        }
    }
}
