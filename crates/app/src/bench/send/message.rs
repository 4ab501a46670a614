//! What the bench sends, and to whom.

use std::fmt::Write as _;
use std::path::Path;

use tidings_store::CampaignDetails;

pub fn bare_message() -> Vec<u8> {
    let mut message = b"From: bench@sender.example\r\nSubject: floor\r\n\r\n".to_vec();
    while message.len() < 10_000 {
        message.extend_from_slice(b"The quick brown fox jumps over the lazy dog, and then does it once more.\r\n");
    }
    message
}

pub fn details() -> CampaignDetails {
    CampaignDetails {
        name: "Bench".to_owned(),
        from_name: "Bench".to_owned(),
        from_email: "bench@sender.example".to_owned(),
        subject: "News for {{ first_name | default(\"you\") }}".to_owned(),
        preview_text: "A message of ten kilobytes".to_owned(),
        ..CampaignDetails::default()
    }
}

/// About so many bytes, with ten merge tags and ten links.
pub fn html(bytes: usize) -> String {
    let mut html = String::from(
        "<!doctype html><html><body><p>Dear {{ first_name | default(\"friend\") }} {{ last_name }} of {{ city }},</p>",
    );
    for number in 0..10 {
        let _ = write!(
            html,
            "<p><a href=\"https://shop.example/offer/{number}\">Offer {number} for {{{{ plan }}}}</a></p>"
        );
    }
    while html.len() < bytes {
        html.push_str(
            "<p>The quick brown fox jumps over the lazy dog, and then does it once more for good measure.</p>\n",
        );
    }
    html.push_str("<p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a> {{ postal_address }}</p></body></html>");
    html
}

pub fn write_people(file: &Path, count: u32) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    writeln!(out, "email,first_name,last_name,city,plan")?;
    for number in 0..count {
        writeln!(out, "person{number}@bench.example,Ana{number},Silva,Lisbon,gold")?;
    }
    out.flush()?;
    Ok(())
}
