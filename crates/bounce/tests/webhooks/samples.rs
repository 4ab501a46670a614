//! One event of each sort that a service posts, as whole posts.

use serde_json::{Value, json};
use tidings_domain::Service;

pub fn all() -> Vec<(Service, Value)> {
    let mut all = Vec::new();
    let mut add = |service, posts: Vec<Value>| all.extend(posts.into_iter().map(|post| (service, post)));
    add(Service::Ses, ses());
    add(Service::SendGrid, vec![Value::Array(sendgrid())]);
    add(Service::Mailgun, mailgun());
    add(Service::Postmark, postmark());
    add(Service::SparkPost, vec![Value::Array(sparkpost())]);
    add(Service::Brevo, brevo());
    add(Service::Generic, vec![Value::Array(generic())]);
    all
}

pub fn ses_mail() -> Value {
    json!({
        "timestamp": "2027-01-15T08:00:00.000Z", "source": "b-tok@bounce.example", "messageId": "0102-ses",
        "destination": ["ana@example.org"], "headersTruncated": false,
        "headers": [
            {"name": "From", "value": "News <news@shop.example>"},
            {"name": "Message-ID", "value": "<m-tok@bounce.example>"},
            {"name": "List-Unsubscribe", "value": "<https://t.example/u/x>"},
        ],
        "commonHeaders": {"messageId": "<0102-ses@email.amazonses.com>"},
        "tags": {"tidings": ["TOKEN"], "ses:configuration-set": ["main"]},
    })
}

pub fn ses_bounce(kind: &str, sub: &str, recipient: &Value) -> Value {
    json!({
        "notificationType": "Bounce", "mail": ses_mail(),
        "bounce": {
            "bounceType": kind, "bounceSubType": sub, "bouncedRecipients": [recipient], "feedbackId": "fb-1",
            "timestamp": "2027-01-15T08:00:05.000Z", "reportingMTA": "dsn; a8-1.smtp-out.amazonses.com",
        },
    })
}

fn ses() -> Vec<Value> {
    let person = json!([{"emailAddress": "ana@example.org"}]);
    let failed = json!({"emailAddress": "ana@example.org", "action": "failed", "status": "5.1.1",
        "diagnosticCode": "smtp; 550 5.1.1 <ana@example.org>: user unknown"});
    vec![
        ses_bounce("Permanent", "General", &failed),
        json!({"eventType": "Complaint", "mail": ses_mail(), "complaint": {"complainedRecipients": person,
            "complaintFeedbackType": "abuse", "userAgent": "Loop/1", "feedbackId": "fb-2"}}),
        json!({"eventType": "Delivery", "mail": ses_mail(), "delivery": {"recipients": ["ana@example.org"]}}),
        json!({"eventType": "DeliveryDelay", "mail": ses_mail(), "deliveryDelay": {"delayType": "MailboxFull",
            "delayedRecipients": [{"emailAddress": "ana@example.org", "status": "4.2.2", "diagnosticCode": "452 4.2.2 full"}]}}),
        json!({"eventType": "Reject", "mail": ses_mail(), "reject": {"reason": "Bad content"}}),
        json!({"eventType": "Rendering Failure", "mail": ses_mail(), "failure": {"errorMessage": "no such attribute"}}),
        json!({"eventType": "Subscription", "mail": ses_mail(),
            "subscription": {"newTopicPreferences": {"unsubscribeAll": true}}}),
        json!({"eventType": "Open", "mail": ses_mail(), "open": {"ipAddress": "192.0.2.1"}}),
    ]
}

fn sendgrid() -> Vec<Value> {
    let event = |name: &str, more: Value| {
        let mut event = json!({"email": "ana@example.org", "timestamp": 1_800_000_000, "event": name,
            "smtp-id": "<m-tok@bounce.example>", "sg_event_id": format!("id-{name}"), "tidings": "TOKEN"});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    vec![
        event(
            "bounce",
            json!({"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user",
            "bounce_classification": "Invalid Address"}),
        ),
        event("dropped", json!({"reason": "Bounced Address", "status": "5.0.0"})),
        event("deferred", json!({"response": "451 try later", "attempt": "3"})),
        event("delivered", json!({"response": "250 OK"})),
        event("spamreport", json!({})),
        event("group_unsubscribe", json!({"asm_group_id": 7})),
        event("open", json!({"useragent": "x", "category": ["a"]})),
    ]
}

pub fn mailgun_failed(severity: &str, reason: &str, status: &Value) -> Value {
    json!({
        "event": "failed", "id": "mg-1", "timestamp": 1_800_000_000.25, "severity": severity, "reason": reason,
        "recipient": "ana@example.org", "delivery-status": status, "envelope": {"sender": "b-tok@bounce.example"},
        "message": {"headers": {"message-id": "m-tok@bounce.example"}}, "user-variables": {"tidings": "TOKEN"},
    })
}

pub fn mailgun_post(event: &Value) -> Value {
    json!({"signature": {"timestamp": "1800000000", "token": "t", "signature": "00"}, "event-data": event})
}

fn mailgun() -> Vec<Value> {
    let status =
        json!({"code": 550, "message": "5.1.1 no such user", "enhanced-code": "5.1.1", "mx-host": "mx.example.org"});
    let other = |name: &str| json!({"event": name, "id": name, "recipient": "ana@example.org"});
    let mut events =
        vec![mailgun_failed("permanent", "bounce", &status), mailgun_failed("temporary", "generic", &status)];
    events.extend(["complained", "unsubscribed", "delivered", "rejected", "opened"].map(other));
    events.iter().map(mailgun_post).collect()
}

pub fn postmark_bounce(kind: &str, details: &str) -> Value {
    json!({
        "RecordType": "Bounce", "ID": 42, "Type": kind, "TypeCode": 1, "MessageID": "pm-1", "Details": details,
        "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        "Email": "ana@example.org", "From": "news@shop.example", "Metadata": {"tidings": "TOKEN"}, "Inactive": true,
    })
}

fn postmark() -> Vec<Value> {
    let event = |sort: &str| {
        json!({"RecordType": sort, "MessageID": "pm-1", "Recipient": "ana@example.org",
        "ReceivedAt": "2027-01-15T08:00:00Z", "Metadata": {"tidings": "TOKEN"}})
    };
    let complaint =
        json!({"RecordType": "SpamComplaint", "ID": 43, "Type": "SpamComplaint", "Email": "ana@example.org"});
    let change = json!({"RecordType": "SubscriptionChange", "Recipient": "ana@example.org", "SuppressSending": true,
        "SuppressionReason": "ManualSuppression", "Origin": "Recipient", "ChangedAt": "2027-01-15T08:00:00Z"});
    vec![
        postmark_bounce("HardBounce", "smtp;550 5.1.1 user unknown"),
        complaint,
        change,
        event("Delivery"),
        event("Open"),
    ]
}

pub fn sparkpost_event(class: &str, kind: &str, more: Value) -> Value {
    let mut event = json!({"type": kind, "event_id": format!("sp-{kind}"), "rcpt_to": "ana@example.org",
        "raw_rcpt_to": "Ana@example.org", "msg_from": "b-tok@bounce.example", "message_id": "000443",
        "rcpt_meta": {"tidings": "TOKEN"}});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"msys": {class: event}})
}

fn sparkpost() -> Vec<Value> {
    let failed = json!({"bounce_class": "10", "error_code": "550", "raw_reason": "550 5.1.1 no such user"});
    let plain = |class, kind| sparkpost_event(class, kind, json!({}));
    vec![
        sparkpost_event("message_event", "bounce", failed.clone()),
        sparkpost_event("message_event", "out_of_band", failed),
        sparkpost_event("message_event", "delay", json!({"raw_reason": "451 try later", "bounce_class": "20"})),
        sparkpost_event(
            "message_event",
            "policy_rejection",
            json!({"reason": "550 5.7.1 suppressed", "bounce_class": "25"}),
        ),
        sparkpost_event("message_event", "spam_complaint", json!({"fbtype": "abuse"})),
        plain("message_event", "delivery"),
        plain("gen_event", "generation_failure"),
        plain("unsubscribe_event", "list_unsubscribe"),
        plain("track_event", "click"),
    ]
}

pub fn brevo_event(name: &str, reason: &str) -> Value {
    json!({"event": name, "email": "ana@example.org", "id": 5, "ts_event": 1_800_000_000, "reason": reason,
        "message-id": "<m-tok@bounce.example>", "X-Mailin-custom": "shop:4|tidings:TOKEN", "tags": ["a"]})
}

fn brevo() -> Vec<Value> {
    let names = [
        "hard_bounce",
        "soft_bounce",
        "blocked",
        "invalid_email",
        "error",
        "deferred",
        "delivered",
        "spam",
        "unsubscribed",
        "opened",
    ];
    names.iter().map(|name| brevo_event(name, "550 5.1.1 no such user")).collect()
}

pub fn generic_event(name: &str) -> Value {
    json!({"event": name, "id": name, "recipient": "ana@example.org", "diagnostic": "550 5.1.1 no such user",
        "message_id": "<m-tok@bounce.example>", "return_path": "b-tok@bounce.example", "tidings": "TOKEN"})
}

fn generic() -> Vec<Value> {
    ["bounce", "delayed", "delivered", "complaint", "unsubscribe", "open"].map(generic_event).to_vec()
}
