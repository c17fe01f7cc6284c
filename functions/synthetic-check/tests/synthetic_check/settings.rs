//! Settings: a missing one is named.

use lambda::settings::Environment;
use lambda::web::WebClient;
use synthetic_check::SyntheticCheck;
use testkit::Aws;

use crate::api::Api;

#[test]
fn what_is_missing_is_named() {
    let good = [("PUBLIC_URL", "https://api.example"), ("CHECK_SECRET", "arn")];
    for missing in good.map(|(name, _)| name) {
        let environment = Environment::of(good.map(|(name, value)| (name, if name == missing { "" } else { value })));
        let web = WebClient::over(Api::good().web);
        let Err(refused) = SyntheticCheck::from_environment(&environment, Aws::new().secrets_manager(), web) else {
            panic!("it starts without {missing}");
        };
        assert!(refused.to_string().contains(missing), "{refused}");
    }
}
