//! From a stream to its read model.
//!
//! **Publisher** (`functions/publisher/src/lib.rs`). The events table's stream is the outbox. Each commit is published,
//! at least once: after a failure the outbox goes back, and what was published comes again.
//!
//! **Updater** (`functions/read-model-updater/src/progress.rs`). Takes an event as "this stream has reached version n",
//! from a queue without order. The document there already: nothing to do. Right before: apply. A gap: read what is
//! missing from the events table. Then write, on condition that the document is still the one that was read.

use crate::protocol::{Guard, Protocol};
use crate::state::{Event, State, Stream, Updater};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    Publish(Stream),
    /// An updater receives the notice of a version.
    Take(usize, Stream, usize),
    Read(usize),
    Write(usize),
    /// Faults, from here on.
    Rewind(Stream),
    LoseWriteAnswer(usize),
    CrashOfUpdater(usize),
}

impl Protocol {
    pub fn projection(&self, state: &State, offers: &mut Vec<Projection>) {
        if !self.publishing {
            return;
        }
        let idle = state.updaters.iter().position(Option::is_none);
        for stream in Stream::ALL {
            let published = state.published[stream as usize];
            if published < state.events[stream as usize].len() {
                offers.push(Projection::Publish(stream));
            }
            if published > 0 && state.left.rewinds > 0 {
                offers.push(Projection::Rewind(stream));
            }
            let mut versions = state.notices[stream as usize].clone();
            versions.dedup();
            if let Some(updater) = idle {
                offers.extend(versions.into_iter().map(|version| Projection::Take(updater, stream, version)));
            }
        }
        for (number, updater) in state.updaters.iter().enumerate() {
            let Some(updater) = updater else { continue };
            let made = updater.made.is_some();
            offers.push(if made { Projection::Write(number) } else { Projection::Read(number) });
            offers.extend((made && state.left.lost_answers > 0).then_some(Projection::LoseWriteAnswer(number)));
            offers.extend((state.left.crashes > 0).then_some(Projection::CrashOfUpdater(number)));
        }
    }

    pub fn project(&self, state: &mut State, action: Projection) {
        match action {
            Projection::Publish(stream) => {
                let commit = &state.events[stream as usize][state.published[stream as usize]];
                for version in commit.first_version..commit.first_version + commit.events.len() {
                    state.notify(stream, version);
                }
                state.published[stream as usize] += 1;
            }
            Projection::Rewind(stream) => {
                state.left.rewinds -= 1;
                state.published[stream as usize] = 0;
            }
            Projection::Take(updater, stream, version) => {
                let notices = &mut state.notices[stream as usize];
                notices.remove(notices.iter().position(|notice| *notice == version).expect("it was offered"));
                state.updaters[updater] = Some(Updater { stream, version, made: None });
            }
            Projection::Read(number) => {
                let Some(updater) = state.updaters[number].take() else { return };
                let stored = &state.read_models[updater.stream as usize];
                if stored.len() >= updater.version {
                    return; // it is there already, and the notice is deleted
                }
                // The event itself, if it is the next one; else all that is missing, as the store has it by now.
                let many = if updater.version == stored.len() + 1 { 1 } else { usize::MAX };
                let missing = state.history(updater.stream).skip(stored.len()).take(many);
                let document = stored.iter().chain(missing).copied().collect();
                state.updaters[number] = Some(Updater { made: Some((stored.len(), document)), ..updater });
            }
            Projection::Write(number) => {
                let Some(Updater { stream, version, made }) = state.updaters[number].take() else { return };
                if !self.write(state, stream, made) {
                    state.updaters[number] = Some(Updater { stream, version, made: None });
                }
            }
            // Written or refused: the updater does not know, and the notice comes again.
            Projection::LoseWriteAnswer(number) => {
                let Some(Updater { stream, version, made }) = state.updaters[number].take() else { return };
                state.left.lost_answers -= 1;
                self.write(state, stream, made);
                state.notify(stream, version);
            }
            Projection::CrashOfUpdater(number) => {
                let Some(Updater { stream, version, .. }) = state.updaters[number].take() else { return };
                state.left.crashes -= 1;
                state.notify(stream, version);
            }
        }
    }

    /// Writes a document unless others were faster.
    fn write(&self, state: &mut State, stream: Stream, made: Option<(usize, Vec<Event>)>) -> bool {
        let stored = &mut state.read_models[stream as usize];
        let Some((from_version, document)) = made else { return false };
        if stored.len() != from_version && self.holds(Guard::ReadModelVersion) {
            return false;
        }
        *stored = document;
        let highest = &mut state.seen.highest[stream as usize];
        *highest = stored.len().max(*highest);
        true
    }
}

impl State {
    fn notify(&mut self, stream: Stream, version: usize) {
        let notices = &mut self.notices[stream as usize];
        notices.push(version);
        notices.sort_unstable();
    }
}
