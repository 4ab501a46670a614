//! What one message costs: `cargo bench -p tidings-compose`. CPU time of one thread; the best of several rounds, because a
//! machine that does other work can only make it slower.

use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use tidings_compose::{Content, Keys, Mailer, Origin, Recipient, Site, freeze};
use tidings_domain::UnixMs;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
const ROUNDS: usize = 5;
const MESSAGES: usize = 4_000;

fn main() {
    for (name, html_bytes, links) in [("10 kB, 10 links", 10_000, 10), ("50 kB, 50 links", 50_000, 50)] {
        let content = content(html_bytes, links);
        let frozen = freeze(&content).expect("a good draft");
        let keys = Arc::new(Keys::new(&[9; 32]));
        let mailer = Mailer::compile(&frozen, Origin { workspace: 1, campaign: 1 }, &site(), Arc::clone(&keys))
            .expect("it compiles");
        let size = mailer.message(&recipient(0), UnixMs(0)).expect("a message").data.len();
        let message = best(|n| drop(black_box(mailer.message(&recipient(n), UnixMs(1_795_429_805_000)))));
        let preview = best(|n| drop(black_box(mailer.preview(&recipient(n)))));
        let tokens = best(|n| (0..links + 4).for_each(|link| drop(black_box(keys.seal_click(n, link as u16)))));
        println!(
            "{name}: {message:.1} µs for a message of {size} bytes; rendering alone {preview:.1} µs; its tokens alone {tokens:.1} µs"
        );
        let freezing = best_of(20, |_| drop(black_box(freeze(&content))));
        println!("{name}: {freezing:.0} µs to freeze");
    }
}

fn best(work: impl Fn(i64)) -> f64 {
    best_of(MESSAGES, work)
}

fn best_of(times: usize, work: impl Fn(i64)) -> f64 {
    let round = |_| {
        let started = cpu_ns();
        (0..times as i64).for_each(&work);
        (cpu_ns() - started) / 1e3 / times as f64
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

/// Nanoseconds that this thread has run; where the kernel does not say it, nanoseconds that have passed.
fn cpu_ns() -> f64 {
    let ran = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = ran.and_then(|text| text.split(' ').next().and_then(|ns| ns.parse().ok()));
    ran.unwrap_or_else(|| START.elapsed().as_secs_f64() * 1e9)
}

fn content(html_bytes: usize, links: usize) -> Content {
    let block = "<tr><td class=\"text\" style=\"padding:16px 24px;font-family:Helvetica,Arial,sans-serif;color:#333\">Grüße! New in this season, \
                 picked for people in {{ city | default(\"your town\") }} who love a walk on the beach.</td></tr>\n";
    let mut html = String::from("<html><body><table>");
    for link in 0..links {
        html += &format!(
            "<tr><td><a href=\"https://shop.example/{link}?c={{{{ city }}}}\">Look, {{{{ first_name | default(\"you\") }}}}</a></td></tr>\n"
        );
    }
    while html.len() < html_bytes {
        html += block;
    }
    html += "<p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a> {{ postal_address }}</p></table></body></html>";
    Content {
        subject: "{{ first_name | default(\"Friend\") }}, spring is here".into(),
        from_name: "Ana's Shop".into(),
        from_email: "news@shop.example".into(),
        html,
        track_opens: true,
        track_clicks: true,
        postal_address: "1 Main Street\nOslo".into(),
        list_name: "News".into(),
        ..Content::default()
    }
}

fn site() -> Site {
    Site {
        public_url: "https://mail.shop.example".into(),
        bounce_domain: "bounce.shop.example".into(),
        takes_unsubscribe_mails: false,
        list_id_host: "lists.shop.example".into(),
    }
}

fn recipient(delivery: i64) -> Recipient {
    Recipient {
        delivery,
        email: "ana.silva@example.org".into(),
        first_name: "Ana".into(),
        last_name: "Silva".into(),
        attributes: r#"{"city": "Porto", "plan": "gold"}"#.into(),
    }
}
