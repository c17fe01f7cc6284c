//! What commits cause outside of their streams: commands for other contexts are queued, timers are set or cancelled.
//!
//! A repeat queues the same commands, which their keys make one, and sets the same timers.

use kernel::cloud_event::Invalid;
use kernel::effect::Recorded;
use kernel::system_command::{EffectPlace, SystemCommand};
use kernel::timestamp::Timestamp;
use lambda::telemetry::metric;
use messaging::{SendError, SystemCommands};
use store::StoreError;
use store::event_store::Commit;
use store::timers::{DueCommand, TimerId};
use timers::{TimerError, Timers};

/// Carries out what commits cause.
pub struct Effects {
    pub commands: SystemCommands,
    pub timers: Timers,
}

/// Why an effect was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    #[error("the commit's effects cannot be read")]
    Commit(#[from] StoreError),
    #[error("the commit causes no valid command")]
    Command(#[from] Invalid),
    #[error("a timer was not set or cancelled")]
    Timer(#[from] TimerError),
    #[error("the commands were not queued")]
    Queue(#[from] SendError),
}

impl Effects {
    /// Carries out the effects of these commits, in their order. After an error some are, and some are not.
    pub async fn carry_out(&self, commits: &[Commit], now: Timestamp) -> Result<(), EffectError> {
        let mut commands = Vec::new();
        for commit in commits {
            let effects = commit.effects()?;
            if effects.is_empty() {
                continue;
            }
            let (stream, committed_at) = (commit.stream()?, commit.committed_at());
            for (place, recorded) in effects.iter().enumerate() {
                let at = EffectPlace { stream: &stream, commit_number: commit.commit_number, committed_at, place };
                let command = SystemCommand::of_effect(recorded, at, &self.commands.public_url).transpose()?;
                let timer = |name: &str| TimerId::new(&stream, name, commit.commit_number, place);
                match (&recorded.effect, command) {
                    (Recorded::SetTimer { name, due, .. }, Some(command)) => {
                        self.timers.set(timer(name), *due, DueCommand::of(&command), now).await?;
                        metrics::counter!(metric::TIMERS_SET).increment(1);
                    }
                    (Recorded::CancelTimer { name }, _) => self.timers.cancel(&timer(name)).await?,
                    (_, command) => commands.extend(command),
                }
            }
        }
        self.commands.send_all(&commands).await?;
        let sent = commands.len() as u64;
        if sent > 0 {
            metrics::counter!(metric::SENT).increment(sent);
            tracing::info!(sent, "commands sent on");
        }
        Ok(())
    }
}
