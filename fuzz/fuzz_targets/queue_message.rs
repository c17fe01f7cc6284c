//! What lies in a queue: a command, as the command handler, redrive and the operators read it; or a domain event, as
//! subscribers do. Whoever may send to the queue can put anything there.

#![no_main]

use kernel::cloud_event::CloudEvent;
use kernel::command::{Command, Header};
use kernel::domain_event::RecordedEvent;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = std::str::from_utf8(bytes) else { return };
    if let Some(header) = Header::read(body) {
        let revised = Header::revised(body, 7).expect("an object");
        assert_eq!(Header::read(&revised), Some(Header { revision: 7, ..header }));
    }
    if let Ok(command) = Command::open(bytes, "orders") {
        assert_eq!(Header::read(body), Some(command.header()));
        let again = Command::open(command.event.to_json().as_bytes(), "orders").expect("the same command");
        assert_eq!((again.event, again.stream), (command.event.clone(), command.stream.clone()));
        let data = command.event.json().map(ToOwned::to_owned);
        let revised = Command::revised(command.event.clone(), 3, None).expect("a command");
        let revised = Command::open(revised.to_json().as_bytes(), "orders").expect("a command");
        assert_eq!((revised.revision, revised.event.json()), (3, data.as_deref()));
        // Whether it is decided is the business's; that nothing panics is ours. A panic would be parked, with its stream
        // waiting.
        let context = catalog::context("orders").expect("a context");
        if let Some(aggregate_type) = context.aggregate_type(&command.stream) {
            drop(aggregate_type.empty().decide(&command));
        }
    }
    if let Ok(event) = CloudEvent::from_json(bytes)
        && let Some(recorded) = RecordedEvent::from_cloud_event(&event)
    {
        // Not everything that reads as a domain event could have been published; what could, reads back.
        if recorded.check_publishable().is_ok() {
            fuzz::is_published(&recorded);
        }
        let context = catalog::context(&recorded.stream.context);
        if let Some(aggregate_type) = context.and_then(|context| context.aggregate_type(&recorded.stream)) {
            for read_model in aggregate_type.read_models {
                drop(read_model.project(None, std::slice::from_ref(&recorded)));
            }
        }
    }
});
