//! What clients read.

use kernel::projection::{Happening, Projection};
use serde_json::json;

use super::*;
use crate::projection::{Document, PatientView};

fn read(events: &[Event]) -> Document {
    let read = events.iter().zip(1_u64..).fold(None, |document, (event, version)| {
        let aggregate = AggregateId::parse("P-1").expect("an id");
        PatientView::project(document, event, &Happening { aggregate, version, time: day(version - 1) })
    });
    read.expect("a document")
}

#[test]
fn a_patient_reads_as_the_onboarding_stands_without_personal_data() {
    let patient = read(&[
        enrolled(),
        awaited(Step::Consent, day(0)),
        NotificationRecorded { request: 2, delivered: true }.into(),
        reminded(Step::Consent, 1),
        escalated(Step::Consent, Reason::Overdue),
    ]);
    let json = serde_json::to_value(&patient).expect("JSON");
    assert_eq!(
        json,
        json!({
            "id": "P-1",
            "stage": "enrolled",
            "practice": "PR-1",
            "enrolledAt": "2026-01-01T00:00:00.000Z",
            "coverage": "unknown",
            "awaited": {
                "step": "consent",
                "since": "2026-01-01T00:00:00.000Z",
                "reminders": 1,
                "mails": 1,
                "escalated": "overdue"
            },
            "createdAt": "2026-01-01T00:00:00.000Z",
            "updatedAt": "2026-01-05T00:00:00.000Z"
        })
    );
    assert_eq!(serde_json::from_value::<Document>(json).expect("a document"), patient);
}

#[test]
fn patients_are_listed_by_practice_and_stage_and_counted_by_stage() {
    let steps = [
        (consented(), "expected"),
        (enrolled(), "expected"),
        (awaited(Step::Insurance, day(0)), "consented"),
        (denied(), "consented"),
        (given_up(Step::Insurance), "given-up"),
        (confirmed(), "given-up"),
        (awaited(Step::Appointment, day(0)), "insured"),
        (scheduled(), "insured"),
        (completed(), "active"),
        (withdrawn(), "withdrawn"),
    ];
    for upto in 1..=steps.len() {
        let events: Vec<_> = steps[..upto].iter().map(|(event, _)| event.clone()).collect();
        let (patient, stage) = (read(&events), steps[upto - 1].1);
        let listing = PatientView::listing(&patient);
        let practice = if upto == 1 { "" } else { "PR-1" };
        assert_eq!((listing.owner.as_str(), listing.state.as_str(), listing.time), (practice, stage, day(0)));
        let tallies = PatientView::tallies(&patient);
        assert_eq!(tallies.iter().map(|tally| (tally.name.as_str(), tally.amount)).collect::<Vec<_>>(), [(stage, 1)]);
        assert!(PatientView::STATES.contains(&stage));
    }
}
