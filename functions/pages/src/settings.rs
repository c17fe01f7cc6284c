//! The function's settings, from environment variables.

use lambda::settings::{BadSetting, Environment, invalid};

use crate::sign_in::origin;
use crate::{Demo, Pages, SignIn};

/// The pages' client at the identity provider, and the base of `/oauth2/authorize`, `/oauth2/token` and `/oauth2/revoke`
/// there. Without them nobody can sign in, and the API is as it is.
const CLIENT_ID: &str = "SIGN_IN_CLIENT_ID";
const URL: &str = "SIGN_IN_URL";
/// `true`: there is a demo.
const DEMO: &str = "DEMO";
/// Where clients connect to, if anywhere.
const WEBSOCKET_URL: &str = "WEBSOCKET_URL";
/// What makes trouble on a local stack.
const TROUBLE_URL: &str = "TROUBLE_URL";

impl Pages {
    pub fn from_environment(environment: &Environment) -> Result<Self, BadSetting> {
        Ok(Self { sign_in: sign_in(environment)?, demo: demo(environment)?, public_url: environment.public_url()? })
    }
}

fn sign_in(environment: &Environment) -> Result<Option<SignIn>, BadSetting> {
    let Some((client, url)) = environment.optional(CLIENT_ID).zip(environment.optional(URL)) else { return Ok(None) };
    let sign_in = SignIn::new(client, url);
    sign_in.map(Some).ok_or_else(|| invalid(URL, "must be an https address without a query"))
}

fn demo(environment: &Environment) -> Result<Option<Demo>, BadSetting> {
    if environment.optional(DEMO).is_none_or(|demo| demo != "true") {
        return Ok(None);
    }
    let speaks_to = |name: &'static str, schemes: &[&str]| match environment.optional(name) {
        None => Ok(None),
        Some(url) => origin(url, schemes)
            .map(|origin| Some(origin.to_owned()))
            .ok_or_else(|| invalid(name, format!("must be an address of {}, without a query", schemes.join(" or ")))),
    };
    Ok(Some(Demo {
        sockets: speaks_to(WEBSOCKET_URL, &["wss", "ws"])?,
        trouble: speaks_to(TROUBLE_URL, &["https", "http"])?,
    }))
}
