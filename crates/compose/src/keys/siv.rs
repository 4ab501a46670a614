use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const BLOCK: usize = 32;

/// HMAC-SHA256 with its key already absorbed: a clone starts after the key's two compressions.
#[derive(Clone)]
pub(super) struct Mac(Hmac<Sha256>);

impl Mac {
    pub(super) fn new(key: &[u8; BLOCK]) -> Self {
        // RFC 2104 §2: HMAC takes a key of any length, so this cannot fail.
        Self(Hmac::new_from_slice(key).expect("HMAC takes any key"))
    }

    /// Of the parts one after the other; who needs their borders marks them.
    pub(super) fn of(&self, parts: &[&[u8]]) -> [u8; BLOCK] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// A pair of keys for one purpose.
pub(super) struct Siv {
    mac: Mac,
    stream: Mac,
}

impl Siv {
    /// Purposes never share a key: what was sealed for one cannot open as another.
    pub(super) fn derive(root: &Mac, purpose: &str) -> Self {
        let key = |use_: &[u8]| Mac::new(&root.of(&[use_, b" of ", purpose.as_bytes()]));
        Self { mac: key(b"mac"), stream: key(b"stream") }
    }

    /// Turns `text` into cipher text in place and returns the tag, of which the caller keeps as many octets as he likes.
    pub(super) fn seal<const TAG: usize>(&self, context: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let tag = self.tag(context, text);
        self.mask(&tag, text);
        tag
    }

    /// Turns cipher text into plain text in place; false when the tag does not fit, and then `text` means nothing.
    #[must_use]
    pub(super) fn open<const TAG: usize>(&self, context: &[u8], tag: &[u8; TAG], text: &mut [u8]) -> bool {
        self.mask(tag, text);
        self.tag::<TAG>(context, text).ct_eq(tag).into()
    }

    fn tag<const TAG: usize>(&self, context: &[u8], text: &[u8]) -> [u8; TAG] {
        const { assert!(TAG >= 10 && TAG <= BLOCK) };
        let length = (context.len() as u64).to_be_bytes();
        let full = self.mac.of(&[&length, context, text]);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&full[..TAG]);
        tag
    }

    fn mask(&self, tag: &[u8], text: &mut [u8]) {
        for (counter, chunk) in (0_u32..).zip(text.chunks_mut(BLOCK)) {
            let stream = self.stream.of(&[tag, &counter.to_be_bytes()]);
            chunk.iter_mut().zip(stream).for_each(|(octet, key)| *octet ^= key);
        }
    }
}
