use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_16BE, UTF_16LE};

/// Bytes read from the file at once.
const READ_BYTES: usize = 256 * 1024;

/// The file's bytes from one place on, in a form in which ASCII is ASCII: UTF-16 becomes UTF-8 on the way, all else stays.
/// Knows the place in the file of what it shows, so that reading can go on there.
pub(crate) struct Source<R> {
    file: R,
    utf16: Option<Decoder>,
    buffer: Vec<u8>,
    start: usize,
    raw: Vec<u8>,
    offset: u64,
    is_end: bool,
}

impl<R: Read> Source<R> {
    /// `file` stands at `offset`, past any byte order mark.
    pub fn new(file: R, encoding: &'static Encoding, offset: u64) -> Self {
        let wide = encoding == UTF_16LE || encoding == UTF_16BE;
        let utf16 = wide.then(|| encoding.new_decoder_without_bom_handling());
        let raw = vec![0; READ_BYTES];
        Self { file, utf16, buffer: Vec::with_capacity(2 * READ_BYTES), start: 0, raw, offset, is_end: false }
    }

    /// What is read and not yet consumed.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The file ends with [`Self::bytes`].
    pub fn is_end(&self) -> bool {
        self.is_end
    }

    /// Place in the file of the first of [`Self::bytes`].
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads more.
    ///
    /// # Errors
    /// The file's.
    pub fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let read = loop {
            match self.file.read(&mut self.raw) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.is_end = read == 0;
        match &mut self.utf16 {
            None => self.buffer.extend_from_slice(&self.raw[..read]),
            Some(decoder) => decode(decoder, &self.raw[..read], self.is_end, &mut self.buffer),
        }
        Ok(())
    }

    /// How many bytes of the file the first `bytes` of [`Self::bytes`] are.
    pub fn raw_bytes(&self, bytes: usize) -> u64 {
        match self.utf16 {
            None => bytes as u64,
            // A character of four bytes in UTF-8 has two units in UTF-16, every other one; so has what was damaged.
            Some(_) => {
                let units = |b: &u8| u64::from(*b & 0xC0 != 0x80) + u64::from(*b >= 0xF0);
                2 * self.bytes()[..bytes].iter().map(units).sum::<u64>()
            }
        }
    }

    pub fn consume(&mut self, bytes: usize) {
        self.offset += self.raw_bytes(bytes);
        self.start += bytes;
    }
}

fn decode(decoder: &mut Decoder, mut raw: &[u8], is_end: bool, buffer: &mut Vec<u8>) {
    let mut text = [0; 16 * 1024];
    loop {
        let (result, read, written, _) = decoder.decode_to_utf8(raw, &mut text, is_end);
        buffer.extend_from_slice(&text[..written]);
        raw = &raw[read..];
        if matches!(result, CoderResult::InputEmpty) {
            return;
        }
    }
}
