//! Each call of the whole way failed in turn, and each pair of them: the way ends completed or compensated.

use payment_provider::Mode;

use crate::world::{Failure, World};

const LONG: u32 = 30 * 60;
const SHORT: u32 = 20;

/// How an order may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Paid,
    Declined,
    /// The customer cancels at once.
    Cancelled,
    /// The customer cancels when the money is there.
    CancelledLater,
    /// The provider charges, and says so after the time limit only.
    TooLate,
}

impl Course {
    const ALL: [Self; 5] = [Self::Paid, Self::Declined, Self::Cancelled, Self::CancelledLater, Self::TooLate];

    /// How the order ends.
    fn end(self) -> &'static str {
        if self == Self::Paid { "OrderConfirmed" } else { "OrderCancelled" }
    }

    /// The whole way, with these calls failed. Gives how many calls there were.
    async fn run(self, failing: &[(usize, Failure)]) -> usize {
        let world = World::new();
        world.submit(if self == Self::TooLate { SHORT } else { LONG }).await;
        match self {
            Self::Paid | Self::CancelledLater => {}
            Self::Declined => world.provider.set_mode(None, Mode::Declined),
            Self::Cancelled => drop(world.cancel().await),
            Self::TooLate => world.provider.set_mode(None, Mode::Silent),
        }
        world.fail(failing);
        if self == Self::TooLate {
            world.run_until("PaymentGivenUp").await;
            world.provider.set_mode(None, Mode::Fine);
        }
        if self == Self::CancelledLater {
            world.run_until("ChargeSucceeded").await;
            world.cancel().await;
        }
        world.run().await;
        world.assert_ended(self.end());
        world.calls.lock().expect("not poisoned").made.len()
    }
}

#[tokio::test(start_paused = true)]
async fn each_course_ends_as_it_should() {
    for course in Course::ALL {
        course.run(&[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_each_course_ends_as_it_should() {
    for course in Course::ALL {
        let calls = course.run(&[]).await;
        for failing in 0..calls {
            for failure in [Failure::Refused, Failure::AnswerLost] {
                course.run(&[(failing, failure)]).await;
            }
        }
    }
}

/// The second right after the first, and anywhere later; refused and lost in turn.
#[tokio::test(start_paused = true)]
async fn whichever_two_calls_fail_an_order_is_paid_or_cancelled() {
    const KINDS: [Failure; 2] = [Failure::Refused, Failure::AnswerLost];
    for course in [Course::Paid, Course::CancelledLater] {
        let calls = course.run(&[]).await;
        for first in 0..calls {
            for second in first + 1..=calls {
                course.run(&[(first, KINDS[second % 2]), (second, KINDS[second / 2 % 2])]).await;
            }
        }
    }
}
