use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Keys, Ring, base32};

/// 80 bits: a guess succeeds once in 10^24, and the endpoints are rate-limited.
const TAG_OCTETS: usize = 10;
const DELIVERY_OCTETS: usize = 8;
const CLICK_OCTETS: usize = DELIVERY_OCTETS + 2;
/// Longer text is refused before anything is decoded.
const MAX_TOKEN_OCTETS: usize = 64;

/// What a token lets its bearer do. Each kind has keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    Open,
    Click,
    Unsubscribe,
    View,
    /// The return path's local part.
    Bounce,
    /// The Message-ID's left side, which comes back in bounces that quote nothing else.
    MessageId,
    /// The local part of the address that an unsubscribe mail goes to (RFC 2369).
    UnsubscribeMail,
    /// A URL that an e-mail service posts to; it names the webhook, not a delivery.
    Webhook,
}

impl TokenKind {
    pub(super) const COUNT: usize = 8;
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Open,
        Self::Click,
        Self::Unsubscribe,
        Self::View,
        Self::Bounce,
        Self::MessageId,
        Self::UnsubscribeMail,
        Self::Webhook,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Click => "click",
            Self::Unsubscribe => "unsubscribe",
            Self::View => "view",
            Self::Bounce => "bounce",
            Self::MessageId => "message id",
            Self::UnsubscribeMail => "unsubscribe mail",
            Self::Webhook => "webhook",
        }
    }

    /// Mail systems may lower the case of what stands in an address; URLs keep it and are shorter in base 64.
    const fn is_in_address(self) -> bool {
        matches!(self, Self::Bounce | Self::MessageId | Self::UnsubscribeMail)
    }
}

impl Keys {
    /// The token of one delivery: 26 characters for a URL, 31 lower-case ones for an address.
    #[must_use]
    pub fn seal(&self, kind: TokenKind, delivery: i64) -> String {
        self.seal_octets(kind, delivery.to_be_bytes())
    }

    /// The delivery that a token names; None when it was not sealed here, for this kind, exactly like this.
    #[must_use]
    pub fn open(&self, kind: TokenKind, token: &str) -> Option<i64> {
        self.open_octets::<DELIVERY_OCTETS>(kind, token).map(i64::from_be_bytes)
    }

    /// The token of one link of one delivery; the link is its position in the revision's links.
    #[must_use]
    pub fn seal_click(&self, delivery: i64, link: u16) -> String {
        let mut octets = [0; CLICK_OCTETS];
        octets[..DELIVERY_OCTETS].copy_from_slice(&delivery.to_be_bytes());
        octets[DELIVERY_OCTETS..].copy_from_slice(&link.to_be_bytes());
        self.seal_octets(TokenKind::Click, octets)
    }

    /// The delivery and the link's position.
    #[must_use]
    pub fn open_click(&self, token: &str) -> Option<(i64, u16)> {
        let octets = self.open_octets::<CLICK_OCTETS>(TokenKind::Click, token)?;
        let (delivery, link) = octets.split_first_chunk::<DELIVERY_OCTETS>()?;
        Some((i64::from_be_bytes(*delivery), u16::from_be_bytes(link.try_into().ok()?)))
    }

    fn seal_octets<const N: usize>(&self, kind: TokenKind, mut octets: [u8; N]) -> String {
        let ring = self.sealing();
        let tag: [u8; TAG_OCTETS] = ring.tokens[kind as usize].seal(&[], &mut octets);
        let mut sealed = [0; 1 + TAG_OCTETS + CLICK_OCTETS];
        sealed[0] = ring.id;
        sealed[1..=TAG_OCTETS].copy_from_slice(&tag);
        sealed[1 + TAG_OCTETS..][..N].copy_from_slice(&octets);
        let sealed = &sealed[..1 + TAG_OCTETS + N];
        if kind.is_in_address() { base32::encode(sealed) } else { URL_SAFE_NO_PAD.encode(sealed) }
    }

    fn open_octets<const N: usize>(&self, kind: TokenKind, token: &str) -> Option<[u8; N]> {
        if token.len() > MAX_TOKEN_OCTETS {
            return None;
        }
        let sealed = if kind.is_in_address() { base32::decode(token)? } else { URL_SAFE_NO_PAD.decode(token).ok()? };
        let (id, rest) = sealed.split_first()?;
        let (tag, text) = rest.split_first_chunk::<TAG_OCTETS>()?;
        let text: [u8; N] = text.try_into().ok()?;
        self.opening(*id).find_map(|ring| open_with(ring, kind, tag, text))
    }
}

fn open_with<const N: usize>(
    ring: &Ring,
    kind: TokenKind,
    tag: &[u8; TAG_OCTETS],
    mut text: [u8; N],
) -> Option<[u8; N]> {
    ring.tokens[kind as usize].open(&[], tag, &mut text).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(&[7; 32])
    }

    #[test]
    fn a_token_names_its_delivery() {
        for delivery in [0, 1, 41, i64::from(i32::MAX), i64::MAX, -1] {
            for kind in TokenKind::ALL {
                let token = keys().seal(kind, delivery);
                assert_eq!(keys().open(kind, &token), Some(delivery));
                assert_eq!(token.len(), if kind.is_in_address() { 31 } else { 26 });
            }
            assert_eq!(keys().open_click(&keys().seal_click(delivery, 513)), Some((delivery, 513)));
        }
    }

    #[test]
    fn a_token_of_one_kind_never_opens_as_another() {
        for sealed in TokenKind::ALL {
            for opened in TokenKind::ALL {
                let found = keys().open(opened, &keys().seal(sealed, 5));
                assert_eq!(found.is_some(), sealed == opened, "{sealed:?} as {opened:?}");
            }
        }
        assert_eq!(keys().open(TokenKind::Click, &keys().seal_click(5, 0)), None, "another length");
    }

    #[test]
    fn every_changed_character_is_refused() {
        for kind in [TokenKind::Unsubscribe, TokenKind::Bounce] {
            let token = keys().seal(kind, 77);
            for position in 0..token.len() {
                for other in "0aAbQwzZ-_9v\0 ".chars() {
                    let mut changed: Vec<char> = token.chars().collect();
                    let same = if kind.is_in_address() {
                        changed[position].eq_ignore_ascii_case(&other)
                    } else {
                        changed[position] == other
                    };
                    changed[position] = other;
                    let changed: String = changed.into_iter().collect();
                    assert_eq!(keys().open(kind, &changed).is_some(), same, "{changed}");
                }
            }
            for cut in 0..token.len() {
                assert_eq!(keys().open(kind, &token[..cut]), None);
            }
            assert_eq!(keys().open(kind, &format!("{token}0")), None);
        }
    }

    #[test]
    fn every_changed_octet_is_refused() {
        let sealed = URL_SAFE_NO_PAD.decode(keys().seal_click(9, 3)).expect("base 64");
        for position in 0..sealed.len() {
            for change in 1..=255_u8 {
                let mut changed = sealed.clone();
                changed[position] ^= change;
                assert_eq!(keys().open_click(&URL_SAFE_NO_PAD.encode(changed)), None, "octet {position}");
            }
        }
    }

    #[test]
    fn an_address_token_survives_a_change_of_case() {
        let token = keys().seal(TokenKind::Bounce, 12);
        assert_eq!(token, token.to_lowercase());
        assert_eq!(keys().open(TokenKind::Bounce, &token.to_uppercase()), Some(12));
    }

    #[test]
    fn a_new_secret_opens_what_the_earlier_one_sealed() {
        let token = keys().seal(TokenKind::View, 3);
        assert_eq!(Keys::new(&[8; 32]).open(TokenKind::View, &token), None);
        let both = Keys::new(&[8; 32]).and_earlier(&[7; 32]);
        assert_eq!(both.open(TokenKind::View, &token), Some(3));
        assert_ne!(both.seal(TokenKind::View, 3), token);
    }

    #[test]
    fn neighbours_have_nothing_in_common() {
        let (one, two) = (keys().seal(TokenKind::Open, 1), keys().seal(TokenKind::Open, 2));
        let same = one.bytes().zip(two.bytes()).skip(2).filter(|(a, b)| a == b).count();
        assert!(same <= 4, "{one} {two}");
    }
}
