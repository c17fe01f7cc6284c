//! Where commands are decided: on a thread, where a hang is survived.
//!
//! Waking a thread and being woken by it takes longer than most decisions. So streams that are being loaded at the same time
//! are decided together, by one thread. It notes each verdict with its time: whatever it has noted nothing of for too long
//! hangs, and another thread goes on behind it.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::context::{Aggregate, Context};
use kernel::parking::Reason;
use store::Loaded;
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use crate::defect::Defect;
use crate::verdict::{Asked, Verdict, decide_each};

/// What a decision may take. A pure function on a state in memory takes microseconds; one that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a stream that is loaded waits at most for those that are being loaded, to be decided with them.
const GATHERING: Duration = Duration::from_millis(2);

/// How long answers are held back at most, to be given together: each by itself would wake the handler.
const TOGETHER: Duration = Duration::from_millis(5);

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

/// Streams on their way to the thread.
#[derive(Clone, Default)]
pub struct Waiting(Arc<Streams>);

#[derive(Default)]
struct Streams {
    loaded: Mutex<Vec<(Question, Answer)>>,
    /// How many are being loaded.
    loading: AtomicUsize,
    none_is_loading: Notify,
}

/// A stream that is being loaded, until this is dropped.
pub(crate) struct Loading(Arc<Streams>);

impl Drop for Loading {
    fn drop(&mut self) {
        if self.0.loading.fetch_sub(1, Relaxed) == 1 {
            self.0.none_is_loading.notify_one();
        }
    }
}

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

/// Where the thread is.
struct Progress {
    /// By the question's place. One that is decided is `None`.
    answers: Vec<Option<Answer>>,
    /// Of those that are decided; `None` once that has taken long, and each is answered at once.
    held: Option<Vec<(Answer, Vec<Verdict>)>>,
    /// Of the question in hand.
    place: usize,
    verdicts: Vec<Verdict>,
    /// When it came to that question, or to its last verdict.
    since: Instant,
    /// It took too long: another thread goes on behind the question in hand.
    given_up: bool,
}

impl Deciding {
    /// To be called when a stream begins to be loaded whose commands will be decided.
    #[must_use]
    pub(crate) fn loading(&self) -> Option<Loading> {
        let Self::OnAThread(Waiting(streams)) = self else { return None };
        streams.loading.fetch_add(1, Relaxed);
        Some(Loading(Arc::clone(streams)))
    }

    /// Decides commands of one stream, in order, the first one on `base`. Gives a verdict for each of them, or for those up
    /// to the first one that hangs; `None` if nobody is there to decide.
    pub(crate) async fn decide(
        &self,
        context: &'static Context,
        base: &Loaded,
        asked: Vec<Asked>,
    ) -> Option<Vec<Verdict>> {
        let (aggregate, version) = (Arc::clone(&base.aggregate), base.version);
        match self {
            Self::Inline => {
                let mut verdicts = Vec::with_capacity(asked.len());
                let _all = decide_each(context, &aggregate, version, &asked, |verdict| {
                    verdicts.push(verdict);
                    ControlFlow::Continue(())
                });
                Some(verdicts)
            }
            Self::OnAThread(waiting) => waiting.ask(Question { context, aggregate, version, asked }).await,
        }
    }
}

impl Waiting {
    async fn ask(&self, question: Question) -> Option<Vec<Verdict>> {
        let (answer, verdicts) = oneshot::channel();
        let is_first = {
            let mut loaded = lock(&self.0.loaded);
            loaded.push((question, answer));
            loaded.len() == 1
        };
        if is_first {
            // A task of its own, for the stream that began it may be given up while others wait.
            tokio::spawn(self.clone().answer());
        }
        verdicts.await.ok()
    }

    async fn answer(self) {
        let _some_are_late = timeout(GATHERING, self.none_is_loading()).await;
        let (questions, answers): (Vec<_>, Vec<_>) = std::mem::take(&mut *lock(&self.0.loaded)).into_iter().unzip();
        let questions = Arc::new(questions);
        let mut answers: Vec<_> = answers.into_iter().map(Some).collect();
        let mut next = 0;
        while next < questions.len() {
            match answered(&questions, Progress::at(next, answers)).await {
                Some(hung) => (answers, next) = (hung.answers, hung.place + 1),
                None => return,
            }
        }
    }

    async fn none_is_loading(&self) {
        while self.0.loading.load(Relaxed) > 0 {
            self.0.none_is_loading.notified().await;
        }
    }
}

impl Progress {
    fn at(place: usize, answers: Vec<Option<Answer>>) -> Self {
        let held = Some(Vec::new());
        Self { answers, held, place, verdicts: Vec::new(), since: Instant::now(), given_up: false }
    }

    /// The question at this place is in hand. Gives whether somebody waits for it still.
    fn begin(&mut self, place: usize) -> bool {
        self.place = place;
        self.answers[place].as_ref().is_some_and(|answer| !answer.is_closed())
    }

    /// The question in hand has its verdicts.
    fn answer(&mut self) {
        let verdicts = std::mem::take(&mut self.verdicts);
        let Some(answer) = self.answers[self.place].take() else { return };
        match &mut self.held {
            Some(held) => held.push((answer, verdicts)),
            None => give(answer, verdicts),
        }
    }

    /// What is decided so far is answered, and from now on all else at once.
    fn answer_held(&mut self) {
        for (answer, verdicts) in self.held.take().into_iter().flatten() {
            give(answer, verdicts);
        }
    }
}

fn give(answer: Answer, verdicts: Vec<Verdict>) {
    let _given_up_meanwhile = answer.send(verdicts);
}

/// Has a thread answer the questions from the place of `progress` on. Gives the progress back if the thread hangs, with the
/// question in hand answered up to the command that it hangs over.
async fn answered(questions: &Arc<Vec<Question>>, progress: Progress) -> Option<Progress> {
    let (first, progress) = (progress.place, Arc::new(Mutex::new(progress)));
    let (asked, told) = (Arc::clone(questions), Arc::clone(&progress));
    let mut thread = spawn_blocking(move || {
        for (place, question) in asked.iter().enumerate().skip(first) {
            if answer_one(question, place, &told).is_break() {
                return;
            }
        }
    });
    let mut until = Instant::now() + TOGETHER;
    loop {
        let has_ended = timeout_at(until, &mut thread).await.is_ok();
        let mut progress = lock(&progress);
        progress.answer_held();
        if has_ended {
            return None; // all are answered, or the process ends, and nobody will be
        }
        until = progress.since + PATIENCE;
        if Instant::now() < until {
            continue;
        }
        let hung = Defect::new(Reason::Hung, format!("no decision within {PATIENCE:?}"));
        progress.verdicts.push(Verdict::Parked(hung));
        progress.answer();
        progress.given_up = true;
        return Some(Progress::at(progress.place, std::mem::take(&mut progress.answers)));
    }
}

/// Breaks if the thread was given up meanwhile.
fn answer_one(question: &Question, place: usize, progress: &Mutex<Progress>) -> ControlFlow<()> {
    let Question { context, aggregate, version, asked } = question;
    if !step(progress, |progress| progress.begin(place))? {
        return ControlFlow::Continue(());
    }
    decide_each(context, aggregate, *version, asked, |verdict| {
        step(progress, |progress| progress.verdicts.push(verdict))
    })?;
    step(progress, Progress::answer)
}

/// What the thread notes, and when. Breaks if it was given up meanwhile.
fn step<T>(progress: &Mutex<Progress>, note: impl FnOnce(&mut Progress) -> T) -> ControlFlow<(), T> {
    let mut progress = lock(progress);
    if progress.given_up {
        return ControlFlow::Break(());
    }
    let noted = note(&mut progress);
    progress.since = Instant::now();
    ControlFlow::Continue(noted)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
