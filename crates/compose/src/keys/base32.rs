//! Base 32 with the "extended hex" alphabet (RFC 4648 §7) in lower case and without padding: survives a mail system that changes
//! the case of a local part, and sorts like its octets.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

pub(super) fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity((octets.len() * 8).div_ceil(5));
    let (mut pending, mut bits) = (0_u32, 0);
    for octet in octets {
        pending = (pending << 8) | u32::from(*octet);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(digit(pending >> bits));
        }
        pending &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(digit(pending << (5 - bits)));
    }
    text
}

/// None for a strange character, a length no encoding has, or bits beyond the last octet: a value has one spelling.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() * 5 / 8);
    let (mut pending, mut bits) = (0_u32, 0);
    for character in text.bytes() {
        pending = (pending << 5) | value(character)?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            octets.push(u8::try_from(pending >> bits).ok()?);
            pending &= (1 << bits) - 1;
        }
    }
    (bits < 5 && pending == 0).then_some(octets)
}

fn digit(bits: u32) -> char {
    char::from(ALPHABET[(bits & 31) as usize])
}

fn value(character: u8) -> Option<u32> {
    match character.to_ascii_lowercase() {
        digit @ b'0'..=b'9' => Some(u32::from(digit - b'0')),
        letter @ b'a'..=b'v' => Some(u32::from(letter - b'a') + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back() {
        for length in 0..40_u8 {
            let octets: Vec<u8> = (0..length).map(|n| n.wrapping_mul(37) ^ 0xa5).collect();
            let text = encode(&octets);
            assert_eq!(decode(&text), Some(octets.clone()));
            assert_eq!(decode(&text.to_uppercase()), Some(octets));
        }
    }

    #[test]
    fn a_value_has_one_spelling() {
        assert_eq!(encode(b"\xff"), "vs");
        assert_eq!(decode("vs"), Some(vec![0xff]));
        for wrong in ["vt", "v", "vs0", "vw", "v-", "é"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
