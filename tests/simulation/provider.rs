//! The payment provider, and how it is reached: like anything else, it may refuse, be down, or be unheard.

use std::sync::Arc;

use http::{Response, StatusCode};
use payment_provider::{Mode, Provider, Reply};
use serde_json::json;
use testkit::{Aws, Fault, Web};
use tokio::time::sleep;

use crate::chaos::Chaos;
use crate::world::TENANTS;

const API_KEY: &str = "key";

pub fn secret() -> String {
    Aws::secret_arn("provider")
}

pub fn credentials() -> String {
    json!({ "url": "https://pay.example", "api_key": API_KEY }).to_string()
}

/// One that charges most customers.
pub fn open() -> Arc<Provider> {
    let provider = Provider::new(API_KEY);
    for tenant in TENANTS {
        for nth in (3..50).step_by(10) {
            provider.set_mode(Some(&format!("{tenant}-{nth}")), Mode::Declined);
        }
    }
    Arc::new(provider)
}

/// The way there. A request that is not answered is not made again below the function.
pub fn web(provider: &Arc<Provider>, chaos: &Arc<Chaos>) -> Web {
    let (provider, chaos) = (Arc::clone(provider), Arc::clone(chaos));
    Web::answering(move |request| {
        let answer = || match provider.answer(request) {
            Reply::Now(answer) | Reply::After(_, answer) => Some(answer),
            Reply::Never => None,
        };
        match chaos.ask_provider(request) {
            Fault::None => answer(),
            Fault::Refuse { .. } => {
                let refused = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
                Some(refused.body(String::new()).expect("an answer"))
            }
            Fault::Hang => None,
            Fault::HangAfter => answer().and(None),
            Fault::Late(time) => {
                let (provider, request) = (Arc::clone(&provider), request.clone());
                tokio::spawn(async move {
                    sleep(time).await;
                    provider.answer(&request);
                });
                None
            }
            other => panic!("{other:?} is no fault of the provider's"),
        }
    })
}
