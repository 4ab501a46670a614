use chardetng::EncodingDetector;
use encoding_rs::{Encoding, ISO_2022_JP, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How a file's bytes are text, and how many of them are only a byte order mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileEncoding {
    pub encoding: &'static Encoding,
    pub mark_bytes: usize,
}

/// Guesses from a file's first bytes: its byte order mark, the zero bytes that UTF-16 has at every other place, whether it
/// is UTF-8, and else by the frequency of letters.
pub(crate) fn recognise_encoding(sample: &[u8], is_whole: bool) -> FileEncoding {
    if let Some((encoding, mark_bytes)) = Encoding::for_bom(sample) {
        return FileEncoding { encoding, mark_bytes };
    }
    let encoding = utf16_without_mark(sample)
        .unwrap_or_else(|| if is_utf8(sample, is_whole) { UTF_8 } else { guess(sample, is_whole) });
    FileEncoding { encoding, mark_bytes: 0 }
}

/// The encoding that a person names, if the file can be read in it.
pub(crate) fn named_encoding(name: &str) -> Option<&'static Encoding> {
    // ISO-2022-JP switches meaning in mid-text, so that no byte of it can be read alone.
    Encoding::for_label(name.as_bytes()).filter(|e| *e != ISO_2022_JP && *e != REPLACEMENT)
}

fn utf16_without_mark(sample: &[u8]) -> Option<&'static Encoding> {
    let pairs = sample.len() / 2;
    if pairs == 0 {
        return None;
    }
    let zeros = |at: usize| sample.iter().skip(at).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // Addresses, delimiters and line ends are ASCII: most units have one zero byte, always the same one.
    if odd * 2 > pairs && even * 10 < odd {
        Some(UTF_16LE)
    } else if even * 2 > pairs && odd * 10 < even {
        Some(UTF_16BE)
    } else {
        None
    }
}

fn is_utf8(sample: &[u8], is_whole: bool) -> bool {
    match std::str::from_utf8(sample) {
        Ok(_) => true,
        // The sample may end inside a character.
        Err(error) => !is_whole && error.error_len().is_none(),
    }
}

fn guess(sample: &[u8], is_whole: bool) -> &'static Encoding {
    let mut detector = EncodingDetector::new();
    detector.feed(sample, is_whole);
    let found = detector.guess(None, false);
    if found == ISO_2022_JP || found == REPLACEMENT { WINDOWS_1252 } else { found }
}
