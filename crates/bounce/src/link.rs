/// Longer ones are no help to a person.
const MAX_LINK_CHARS: usize = 300;

/// The first web address in a reply: a provider that blocks mostly says there how to be let in again.
#[must_use]
pub fn link_in(reply: &str) -> Option<&str> {
    let starts = ["https://", "http://"].iter().filter_map(|scheme| reply.find(scheme)).min()?;
    let rest = &reply[starts..];
    let end = rest.find(|c: char| c.is_whitespace() || c.is_control() || "<>\"'`()[]{}|\\^".contains(c));
    let link = rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', ',', ';', ':', '!']);
    let names_a_host = link.split_once("://").is_some_and(|(_, host)| host.contains('.'));
    (names_a_host && link.len() <= MAX_LINK_CHARS).then_some(link)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_address_ends_where_the_sentence_does() {
        let said = "550 5.7.1 blocked (see https://sender.example/delist?ip=192.0.2.1). Or http://b.example";
        assert_eq!(link_in(said), Some("https://sender.example/delist?ip=192.0.2.1"));
        assert_eq!(link_in("blocked, https://"), None);
        assert_eq!(link_in("blocked"), None);
    }

    proptest! {
        #[test]
        fn whatever_a_peer_says_it_is_an_address_of_the_web_or_nothing(text in "\\PC{0,60}(https?://)?\\PC{0,60}") {
            if let Some(link) = link_in(&text) {
                prop_assert!(link.starts_with("http") && !link.contains(['"', '<', '>', ' ', '\n']));
            }
        }
    }
}
