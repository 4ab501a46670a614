/// Names of mail hosts and domains, and the provider whose rules hold there. The names on the right are those of the
/// provider table; that table matches MX hosts.
const HOSTS: [(&str, &str); 39] = [
    ("google.com", "google"),
    ("googlemail.com", "google"),
    ("gmail.com", "google"),
    ("olc.protection.outlook.com", "ms-consumer"),
    ("hotmail.com", "ms-consumer"),
    ("outlook.com", "ms-consumer"),
    ("live.com", "ms-consumer"),
    ("msn.com", "ms-consumer"),
    ("protection.outlook.com", "ms-365"),
    ("prod.outlook.com", "ms-365"),
    ("mx.microsoft", "ms-365-dane"),
    ("yahoodns.net", "yahoo"),
    ("yahoo.com", "yahoo"),
    ("yahoo.co.uk", "yahoo"),
    ("yahoo.fr", "yahoo"),
    ("yahoo.de", "yahoo"),
    ("aol.com", "yahoo"),
    ("yahoo.co.jp", "yahoo-jp"),
    ("icloud.com", "apple"),
    ("me.com", "apple"),
    ("mac.com", "apple"),
    ("apple.com", "apple"),
    ("comcast.net", "comcast"),
    ("gmx.net", "united-internet"),
    ("web.de", "united-internet"),
    ("kundenserver.de", "ionos"),
    ("t-online.de", "t-online"),
    ("orange.fr", "orange"),
    ("wanadoo.fr", "orange"),
    ("qq.com", "qq"),
    ("163.com", "netease"),
    ("126.com", "netease"),
    ("netease.com", "netease"),
    ("mimecast.com", "mimecast"),
    ("docomo.ne.jp", "docomo"),
    ("ezweb.ne.jp", "au"),
    ("au.com", "au"),
    ("cox.net", "cox"),
    ("secureserver.net", "godaddy"),
];

/// The provider behind a host or domain, by the longest name that fits on a label's border. Empty when unknown.
pub(super) fn provider_of(host: &str) -> &'static str {
    let host = host.trim_matches(['[', ']', '(', ')', '.', ' ']);
    // Amazon's hosts for incoming mail, one for each region.
    if host.starts_with("inbound-smtp.") && host.ends_with(".amazonaws.com") {
        return "ses-inbound";
    }
    let fits = |name: &str| {
        let start = host.len().checked_sub(name.len());
        let tail = start.and_then(|s| Some((s, host.get(s..)?)));
        tail.is_some_and(|(s, t)| t.eq_ignore_ascii_case(name) && (s == 0 || host.as_bytes()[s - 1] == b'.'))
    };
    HOSTS.iter().filter(|(name, _)| fits(name)).max_by_key(|(name, _)| name.len()).map_or("", |(_, p)| p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_on_the_right_is_a_provider_of_the_table() {
        let table = tidings_domain::ProviderTable::builtin().unwrap();
        for (host, provider) in HOSTS {
            assert!(table.provider(provider).is_some(), "{host}: there is no provider {provider}");
        }
    }

    #[test]
    fn the_longest_name_on_a_labels_border_wins() {
        assert_eq!(provider_of("gmail-smtp-in.l.GOOGLE.com."), "google");
        assert_eq!(provider_of("x.olc.protection.outlook.com"), "ms-consumer");
        assert_eq!(provider_of("acme.mail.protection.outlook.com"), "ms-365");
        assert_eq!(provider_of("notgoogle.com"), "");
        assert_eq!(provider_of("mta.mail.yahoo.co.jp"), "yahoo-jp");
        assert_eq!(provider_of("é"), "");
    }
}
