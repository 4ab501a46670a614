/// RFC 8461 §3.1.
const MAX_ID_CHARS: usize = 32;

/// The id in a domain's `_mta-sts` records. `None` where there is none, several, or one that is not to be understood: the domain then
/// has no policy (RFC 8461 §3.1).
pub(super) fn policy_id(texts: &[String]) -> Option<String> {
    let mut records = texts.iter().filter(|text| text.starts_with("v=STSv1") && is_ended(text));
    let (record, None) = (records.next()?, records.next()) else { return None };
    let fields = record.split(';').skip(1).filter_map(|field| field.trim().split_once('='));
    let (_, id) = fields.into_iter().find(|(key, _)| key.trim() == "id")?;
    let id = id.trim();
    let is_good = (1..=MAX_ID_CHARS).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    is_good.then(|| id.to_owned())
}

/// `v=STSv10` is another version.
fn is_ended(text: &str) -> bool {
    text["v=STSv1".len()..].trim_start().starts_with(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(texts: &[&str]) -> Option<String> {
        policy_id(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn one_record_of_this_version_with_an_id() {
        assert_eq!(id(&["v=STSv1; id=20160831085700Z;"]).as_deref(), Some("20160831085700Z"));
        assert_eq!(id(&["v=spf1 -all", "v=STSv1;id=1"]).as_deref(), Some("1"));
        assert_eq!(id(&["v=STSv1 ; x=y ; id = a1 "]).as_deref(), Some("a1"));
        for none in [
            &[][..],
            &["v=STSv1; id=1", "v=STSv1; id=2"],
            &["v=STSv2; id=1"],
            &["v=STSv10; id=1"],
            &["v=STSv1"],
            &["v=STSv1;"],
            &["v=STSv1; id=;"],
            &["v=STSv1; id=a-b;"],
            &["v=STSv1; id=123456789012345678901234567890123;"],
            &["é"],
        ] {
            assert_eq!(id(none), None, "{none:?}");
        }
    }
}
