//! Where commands are decided: on a thread, where a hang is survived.
//!
//! Waking a thread and being woken by it takes longer than most decisions. So one thread decides for all streams that are
//! loaded at the same moment, and tells each verdict with its time: whatever it has told nothing of for too long hangs.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use kernel::context::{Aggregate, Context};
use kernel::parking::Reason;
use store::Loaded;
use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::{Instant, timeout_at};

use crate::defect::Defect;
use crate::verdict::{Asked, Verdict, decide_each};

/// What a decision may take. A pure function on a state in memory takes microseconds; one that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where commands are decided.
#[derive(Clone)]
pub enum Deciding {
    /// On a thread, where a panic ends and a hang holds nobody up.
    ///
    /// A thread that hangs cannot be ended: it goes on until the environment does.
    OnAThread(Waiting),
    /// Where the handler runs: a panic still ends there, but a hang holds up everything. For simulations, which repeat
    /// exactly only without threads.
    Inline,
}

/// Streams that wait for the thread.
#[derive(Clone, Default)]
pub struct Waiting(Arc<Mutex<Vec<(Question, Answer)>>>);

type Answer = oneshot::Sender<Vec<Verdict>>;

/// The commands of one stream.
struct Question {
    context: &'static Context,
    aggregate: Arc<dyn Aggregate>,
    version: u64,
    asked: Vec<Asked>,
}

impl Default for Deciding {
    fn default() -> Self {
        Self::OnAThread(Waiting::default())
    }
}

impl Deciding {
    /// Decides commands of one stream, in order, the first one on `base`. Gives a verdict for each of them, or for those up
    /// to the first one that hangs.
    pub(crate) async fn decide(&self, context: &'static Context, base: &Loaded, asked: Vec<Asked>) -> Vec<Verdict> {
        let (aggregate, version) = (Arc::clone(&base.aggregate), base.version);
        match self {
            Self::Inline => {
                let mut verdicts = Vec::with_capacity(asked.len());
                decide_each(context, &aggregate, version, &asked, |verdict| verdicts.push(verdict));
                verdicts
            }
            Self::OnAThread(waiting) => waiting.ask(Question { context, aggregate, version, asked }).await,
        }
    }
}

impl Waiting {
    async fn ask(&self, question: Question) -> Vec<Verdict> {
        let (answer, verdicts) = oneshot::channel();
        let is_first = {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((question, answer));
            waiting.len() == 1
        };
        if is_first {
            // A task of its own, for the stream that began it may be given up while others wait.
            tokio::spawn(self.clone().answer());
        }
        verdicts.await.unwrap_or_default() // nobody answers once the process ends
    }

    async fn answer(self) {
        // What has arrived besides is looked at first, and may be another stream.
        yield_now().await;
        let waiting = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let (questions, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        let questions = Arc::new(questions);
        let mut answers = answers.into_iter();
        while answers.len() > 0 {
            let first = questions.len() - answers.len();
            for (verdicts, answer) in verdicts_from(&questions, first).await.into_iter().zip(&mut answers) {
                let _given_up_meanwhile = answer.send(verdicts);
            }
        }
    }
}

/// The verdicts on each question from the `first` on, or up to the first one over which the thread hangs. It hangs if it
/// tells nothing for too long.
async fn verdicts_from(questions: &Arc<Vec<Question>>, first: usize) -> Vec<Vec<Verdict>> {
    let (tell, told) = mpsc::channel();
    let asked = Arc::clone(questions);
    let mut thread = spawn_blocking(move || {
        for (place, question) in asked.iter().enumerate().skip(first) {
            let Question { context, aggregate, version, asked } = question;
            decide_each(context, aggregate, *version, asked, |verdict| {
                let _nobody_waits_any_more = tell.send((place, verdict, Instant::now()));
            });
        }
    });
    let mut verdicts: Vec<Vec<Verdict>> = questions[first..].iter().map(|_| Vec::new()).collect();
    let mut since = Instant::now();
    loop {
        let end = timeout_at(since + PATIENCE, &mut thread).await;
        let mut goes_on = false;
        for (place, verdict, at) in told.try_iter() {
            verdicts[place - first].push(verdict);
            since = at;
            goes_on = true;
        }
        let open =
            verdicts.iter().zip(&questions[first..]).position(|(known, question)| known.len() < question.asked.len());
        let Some(open) = open else { return verdicts };
        let defect = match end {
            Err(_) if goes_on => continue,
            Err(_) => Defect::new(Reason::Hung, format!("no decision within {PATIENCE:?}")),
            Ok(_) => Defect::new(Reason::Panicked, "the decision was cancelled".to_owned()),
        };
        verdicts[open].push(Verdict::Parked(defect));
        verdicts.truncate(open + 1);
        return verdicts;
    }
}
