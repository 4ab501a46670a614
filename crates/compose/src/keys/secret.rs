use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Keys;

const TAG_OCTETS: usize = 16;

/// A sealed value that cannot be opened. It says no more: the value is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the sealed value is damaged, belongs elsewhere, or was sealed with another key")]
    Refused,
}

impl Keys {
    /// Seals a secret for a column. `context` names the place (`workspace 1 route 5 password`): the sealed text opens nowhere else,
    /// so a value copied to another row or tenant stays shut. The same secret at the same place gives the same text.
    #[must_use]
    pub fn seal_secret(&self, context: &str, plain: &str) -> String {
        let ring = self.sealing();
        let mut text = plain.as_bytes().to_vec();
        let tag: [u8; TAG_OCTETS] = ring.at_rest.seal(context.as_bytes(), &mut text);
        URL_SAFE_NO_PAD.encode([&[ring.id][..], &tag, &text].concat())
    }

    /// # Errors
    /// [`SealError::Refused`], whatever the reason.
    pub fn open_secret(&self, context: &str, sealed: &str) -> Result<String, SealError> {
        let octets = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealError::Refused)?;
        let (id, rest) = octets.split_first().ok_or(SealError::Refused)?;
        let (tag, text) = rest.split_first_chunk::<TAG_OCTETS>().ok_or(SealError::Refused)?;
        self.opening(*id)
            .find_map(|ring| {
                let mut text = text.to_vec();
                ring.at_rest.open(context.as_bytes(), tag, &mut text).then_some(text)
            })
            .and_then(|text| String::from_utf8(text).ok())
            .ok_or(SealError::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "workspace 1 route 5 password";

    #[test]
    fn a_secret_comes_back_at_its_place_only() {
        let keys = Keys::new(&[1; 32]);
        for plain in ["", "hunter2", "päss wörd \r\n", &"x".repeat(1000)] {
            let sealed = keys.seal_secret(PLACE, plain);
            assert_eq!(keys.open_secret(PLACE, &sealed).as_deref(), Ok(plain));
            assert_eq!(keys.open_secret("workspace 2 route 5 password", &sealed), Err(SealError::Refused));
            assert_eq!(Keys::new(&[2; 32]).open_secret(PLACE, &sealed), Err(SealError::Refused));
            assert_eq!(Keys::new(&[2; 32]).and_earlier(&[1; 32]).open_secret(PLACE, &sealed).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn every_changed_octet_is_refused() {
        let keys = Keys::new(&[1; 32]);
        let sealed = URL_SAFE_NO_PAD.decode(keys.seal_secret(PLACE, "hunter2")).expect("base 64");
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 0x10;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(keys.open_secret(PLACE, &changed), Err(SealError::Refused), "octet {position}");
        }
        for damage in ["", "A", "not base 64!", "AAAA"] {
            assert_eq!(keys.open_secret(PLACE, damage), Err(SealError::Refused));
        }
    }
}
