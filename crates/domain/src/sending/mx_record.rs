use super::judged::Judged;

/// Whether the domain of the return paths takes mail: bounces go there. `hosts` are the names of its MX records, the root for
/// a null MX (RFC 7505).
#[must_use]
pub fn judge_bounce_mx(hosts: &[String], ours: &str) -> Judged {
    if hosts.is_empty() {
        return Judged::missing("There is no MX record: bounces find no way back.");
    }
    if hosts.iter().all(String::is_empty) {
        return Judged::wrong("The domain says that it takes no mail (null MX): bounces find no way back.");
    }
    if ours.is_empty() || hosts.iter().any(|host| host.eq_ignore_ascii_case(ours)) {
        return Judged::good();
    }
    // A mailbox that is fetched, or a name of ours that only the operator knows: not wrong, but worth a look.
    Judged::good_but(format!("Bounces go to {}: make sure that Tidings gets them from there.", hosts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::RecordState as S;
    use super::*;

    #[test]
    fn bounces_need_a_way_back() {
        let hosts = |all: &[&str]| all.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>();
        assert_eq!(judge_bounce_mx(&[], "mail.example").state, S::Missing);
        assert_eq!(judge_bounce_mx(&hosts(&[""]), "mail.example").state, S::Wrong);
        assert_eq!(judge_bounce_mx(&hosts(&["MAIL.example"]), "mail.example"), Judged::good());
        let elsewhere = judge_bounce_mx(&hosts(&["mx.other.example"]), "mail.example");
        assert!(elsewhere.state == S::Good && elsewhere.detail.contains("mx.other.example"));
    }
}
