//! What the mails say. Plain words, and nothing of the patient's health.

use kernel::ids::AggregateId;
use messaging::mail::Mail;

use crate::patient::{Contact, Kind, PatientEnrolled, Reason, Request, Step};

/// The mail for the patient, or for the practice where the request is for its help.
pub fn mail(request: Request, patient: &AggregateId, enrolled: &PatientEnrolled) -> Mail {
    let PatientEnrolled { practice, contact } = enrolled;
    match request.kind {
        Kind::Asking => to_patient(contact, asking(request.step), "Please", request.step),
        Kind::Reminding => to_patient(contact, reminding(request.step), "A reminder: please", request.step),
        Kind::Escalating(reason) => Mail {
            to: practice.email.clone(),
            subject: format!("Patient {patient} needs your help"),
            text: format!(
                "Patient {patient} is missing {missing}. {why}\n\nPlease get in touch with the patient.\n",
                missing = missing(request.step),
                why = why(reason),
            ),
        },
    }
}

fn to_patient(contact: &Contact, subject: &str, please: &str, step: Step) -> Mail {
    Mail {
        to: contact.email.clone(),
        subject: subject.to_owned(),
        text: format!(
            "Dear {name},\n\n{please} {wanted}. Your practice is glad to help.\n\n\
             If you have done so already, there is nothing left to do.\n",
            name = contact.name,
            wanted = wanted(step),
        ),
    }
}

fn asking(step: Step) -> &'static str {
    match step {
        Step::Consent => "We need your consent",
        Step::Insurance => "We need your insurance details",
        Step::Appointment => "Your first appointment",
    }
}

fn reminding(step: Step) -> &'static str {
    match step {
        Step::Consent => "A reminder: we need your consent",
        Step::Insurance => "A reminder: we need your insurance details",
        Step::Appointment => "A reminder: your first appointment",
    }
}

fn wanted(step: Step) -> &'static str {
    match step {
        Step::Consent => "tell your practice that you agree to how it treats your data",
        Step::Insurance => "give your practice the details of your insurance",
        Step::Appointment => "agree with your practice upon your first appointment",
    }
}

fn missing(step: Step) -> &'static str {
    match step {
        Step::Consent => "the consent",
        Step::Insurance => "the insurer's confirmation",
        Step::Appointment => "a first appointment",
    }
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Overdue => "Our reminders had no answer.",
        Reason::Undeliverable => "The address that we have takes no mail.",
        Reason::CoverageDenied => "The insurer does not pay as it stands.",
    }
}
