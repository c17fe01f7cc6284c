//! A patient's onboarding, with the mails that are really sent. Reminders after days are tested in process.

use serde_json::{Value, json};

use crate::api::{Client, fresh, stack, to_order, wait_for};

/// What the local stack has sent to the address: subject and text, in order.
fn mails(address: &str) -> Vec<(String, String)> {
    let url = format!("{}/_ministack/ses/messages", stack()["endpoint"].as_str().expect("an endpoint"));
    let sent: Value = ureq::get(url).call().expect("an answer").body_mut().read_json().expect("JSON");
    let accounts = sent["messages"].as_object().expect("messages by account").values();
    let all = accounts.flat_map(|mails| mails.as_array().expect("mails"));
    let text = |mail: &Value, name: &str| mail[name].as_str().expect("text").to_owned();
    let to_address = all.filter(|mail| mail["To"] == json!([address]));
    to_address.map(|mail| (text(mail, "Subject"), text(mail, "BodyText"))).collect()
}

fn command(ty: &str, patient: &str, data: &Value) -> Value {
    let mut event = to_order(ty, patient, data);
    event["source"] = json!("https://practice.example/front-desk");
    event
}

#[test]
fn a_patient_is_asked_by_mail_for_one_step_after_the_other() {
    let (client, patient) = (Client::of("demo"), fresh("P"));
    let practice = fresh("PR");
    let address = format!("{patient}@patients.example").to_lowercase();
    let enrolment = json!({
        "practice": { "id": practice, "email": "office@practice.example" },
        "contact": { "name": "Ada Beispiel", "email": address },
    });
    // The insurer is faster than the front desk.
    client.succeeded(&client.submit(&command("RecordCoverage", &patient, &json!({ "covered": true }))));
    client.succeeded(&client.submit(&command("EnrollPatient", &patient, &enrolment)));
    let asked = |count: usize| {
        wait_for("a mail", || match mails(&address) {
            sent if sent.len() >= count => Ok(sent),
            sent => Err(format!("{sent:?}")),
        })
    };
    let (subject, text) = &asked(1)[0];
    assert_eq!(subject, "We need your consent");
    assert!(text.starts_with("Dear Ada Beispiel,\n"), "{text}");

    let path = format!("/patients/{patient}");
    wait_for("the mail to be on record", || match client.get(&path) {
        answer if answer.status == 200 && answer.json()["awaited"]["mails"] == 1 => Ok(()),
        answer => Err(answer.text),
    });

    client.succeeded(&client.submit(&command("GiveConsent", &patient, &json!({}))));
    assert_eq!(asked(2)[1].0, "Your first appointment");
    let appointment = json!({ "at": "2027-03-02T09:00:00Z" });
    client.succeeded(&client.submit(&command("ScheduleAppointment", &patient, &appointment)));

    let document = wait_for("the onboarding's end", || {
        let answer = client.get(&path);
        if answer.status == 200 && answer.json()["stage"] == "active" { Ok(answer) } else { Err(answer.text) }
    });
    assert!(!document.text.contains("Beispiel") && !document.text.contains(&address), "{document:?}");
    assert_eq!(
        client.get(&format!("/patients?practice={practice}&stage=active")).expect(200).json()["items"][0]["id"],
        patient
    );
}
