/// The providers that have names of their own, as their users know them. Sorted. What each is recognised by, and its limits,
/// lies in [`ProviderTable`](crate::ProviderTable), which holds that it has no provider without a label here.
const LABELS: &[(&str, &str)] = &[
    ("apple", "iCloud"),
    ("au", "au (KDDI)"),
    ("barracuda", "Barracuda"),
    ("charter", "Charter Spectrum"),
    ("comcast", "Comcast Xfinity"),
    ("cox", "Cox"),
    ("docomo", "NTT Docomo"),
    ("fastmail", "Fastmail"),
    ("free", "Free"),
    ("godaddy", "GoDaddy"),
    ("google", "Gmail and Google Workspace"),
    ("ionos", "IONOS"),
    ("kpn", "KPN"),
    ("laposte", "La Poste"),
    ("mail-ru", "Mail.ru"),
    ("messagelabs", "Symantec MessageLabs"),
    ("mimecast", "Mimecast"),
    ("ms-365", "Microsoft 365"),
    ("ms-365-dane", "Microsoft 365 (DNSSEC)"),
    ("ms-consumer", "Outlook.com and Hotmail"),
    ("netease", "NetEase (163, 126)"),
    ("netvigator", "Netvigator"),
    ("orange", "Orange"),
    ("proofpoint", "Proofpoint"),
    ("proton", "Proton Mail"),
    ("qq", "QQ and Tencent Exmail"),
    ("rackspace", "Rackspace Email"),
    ("ses-inbound", "Amazon SES"),
    ("sfr", "SFR"),
    ("softbank", "SoftBank"),
    ("t-online", "Telekom (T-Online)"),
    ("tucows", "Tucows (hostedemail)"),
    ("united-internet", "GMX, WEB.DE and mail.com"),
    ("yahoo", "Yahoo and AOL"),
    ("yahoo-jp", "Yahoo! JAPAN"),
    ("yandex", "Yandex"),
    ("zoho", "Zoho Mail"),
];

/// A provider as people know it: `Gmail and Google Workspace`. One that no table knows is named by the domain of its mail
/// servers (`mx:hoster.example`), and that domain is its label.
#[must_use]
pub fn provider_label(name: &str) -> &str {
    match LABELS.binary_search_by_key(&name, |(name, _)| name) {
        Ok(at) => LABELS[at].1,
        Err(_) => name.strip_prefix("mx:").unwrap_or(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_ones_have_names_and_others_their_domain() {
        assert!(LABELS.is_sorted());
        assert_eq!(provider_label("yahoo"), "Yahoo and AOL");
        assert_eq!(provider_label("mx:hoster.example"), "hoster.example");
        assert_eq!(provider_label("ours"), "ours");
    }
}
