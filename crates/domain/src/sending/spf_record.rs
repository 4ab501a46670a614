//! The record that says who may send in a return path's name (RFC 7208). Here only its shape is judged; whether it lets an address
//! through is for who can ask DNS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::judged::Judged;
use super::tags::short;

/// What to publish for a return path's domain that has none. Without a known address the server's name stands for it.
#[must_use]
pub fn suggested_spf(addresses: &[IpAddr], server: &str) -> String {
    let mut terms: Vec<String> = addresses
        .iter()
        .map(|ip| match ip {
            IpAddr::V4(ip) => format!("ip4:{ip}"),
            IpAddr::V6(ip) => format!("ip6:{ip}"),
        })
        .collect();
    if terms.is_empty() {
        terms.push(format!("a:{server}"));
    }
    format!("v=spf1 {} ~all", terms.join(" "))
}

/// Whether one of these texts, and only one, is an SPF record of good form. The record comes back when it is.
pub fn judge_spf(found: &[String]) -> Result<&str, Judged> {
    let records: Vec<&String> = found.iter().filter(|text| is_spf(text)).collect();
    let [record] = records[..] else {
        return Err(match records.len() {
            0 => Judged::missing("There is no SPF record."),
            n => Judged::several(format!("There are {n} SPF records: receivers then take none. Make one of them.")),
        });
    };
    match record.split(' ').skip(1).filter(|term| !term.is_empty()).try_for_each(check_term) {
        Ok(()) => Ok(record),
        Err(why) => Err(Judged::broken(format!("The record cannot be read: {why}."))),
    }
}

fn is_spf(text: &str) -> bool {
    text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("v=spf1"))
        && matches!(text.as_bytes().get(6), None | Some(b' '))
}

/// RFC 7208 §4.6.1, as far as a person can get it wrong.
fn check_term(term: &str) -> Result<(), String> {
    let bare = term.strip_prefix(['+', '-', '~', '?']).unwrap_or(term);
    let end = bare.find([':', '/', '=']).unwrap_or(bare.len());
    let (name, rest) = bare.split_at(end);
    let argument = rest.strip_prefix(':').unwrap_or_default();
    let unknown = || Err(format!("“{}” is nothing that SPF knows", short(term)));
    if rest.starts_with('=') {
        // A modifier; unknown ones are ignored by receivers too.
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        return if is_name && bare == term { Ok(()) } else { unknown() };
    }
    match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Ok(()),
        "include" | "exists" if !argument.is_empty() => Ok(()),
        "a" | "mx" | "ptr" if rest.is_empty() || rest.starts_with('/') || !argument.is_empty() => Ok(()),
        "ip4" if is_network::<Ipv4Addr>(argument, 32) => Ok(()),
        "ip6" if is_network::<Ipv6Addr>(argument, 128) => Ok(()),
        "ip4" | "ip6" => Err(format!("“{}” names no address", short(term))),
        _ => unknown(),
    }
}

fn is_network<T: std::str::FromStr>(text: &str, longest: u8) -> bool {
    match text.split_once('/') {
        Some((ip, prefix)) => ip.parse::<T>().is_ok() && prefix.parse::<u8>().is_ok_and(|bits| bits <= longest),
        None => text.parse::<T>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RecordState as S;
    use super::*;

    fn state(found: &[&str]) -> S {
        let found: Vec<String> = found.iter().map(|t| (*t).to_owned()).collect();
        judge_spf(&found).map_or_else(|judged| judged.state, |_| S::Good)
    }

    #[test]
    fn one_record_of_good_form() {
        let good = "v=spf1 ip4:192.0.2.1 ip4:198.51.100.0/24 ip6:2001:db8::/32 a mx a:mail.shop.example mx/24 include:_spf.relay.example exists:%{i}.x.example ~all";
        assert_eq!(state(&[good, "other"]), S::Good);
        assert_eq!(state(&["V=SPF1 redirect=_spf.shop.example"]), S::Good);
        assert_eq!(state(&["v=spf1"]), S::Good);
        assert_eq!(state(&["v=spf10 -all"]), S::Missing);
        assert_eq!(state(&[]), S::Missing);
        assert_eq!(state(&[good, good]), S::Several);
        for broken in [
            "ip4:300.1.1.1",
            "ip4:1.2.3.4/33",
            "ipv4:1.2.3.4",
            "include",
            "alll",
            "all:x",
            "-redirect=x",
            "=x",
            "1.2.3.4",
        ] {
            assert_eq!(state(&[&format!("v=spf1 {broken} -all")]), S::Broken, "{broken}");
        }
    }

    #[test]
    fn what_is_suggested_is_of_good_form() {
        let ips = ["192.0.2.7".parse().expect("an address"), "2001:db8::7".parse().expect("an address")];
        assert_eq!(suggested_spf(&ips, "mail.shop.example"), "v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 ~all");
        assert_eq!(suggested_spf(&[], "mail.shop.example"), "v=spf1 a:mail.shop.example ~all");
        assert_eq!(state(&[&suggested_spf(&ips, "")]), S::Good);
    }

    proptest! {
        #[test]
        fn nothing_that_stands_in_dns_does_harm(rest in any::<String>()) {
            if let Err(judged) = judge_spf(&[format!("v=spf1 {rest}")]) {
                prop_assert!(judged.detail.chars().count() < 200 && !judged.detail.chars().any(char::is_control));
            }
        }
    }
}
