//! AWS clients: made once, at start, over one shared HTTPS client.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::settings::{BadSetting, Environment};

/// How long a call may take while a client waits for its answer.
pub const WITH_A_CLIENT_WAITING: Duration = Duration::from_secs(3);

/// How long one may take in the background.
pub const IN_THE_BACKGROUND: Duration = Duration::from_secs(8);

/// Which root certificates are trusted: `amazon`, those that AWS's endpoints have, which is what is meant if it is not
/// set; or `system`, all of the system's, or of the file that `SSL_CERT_FILE` names. Reading those takes longer than all
/// else of a start.
const TRUSTED_ROOTS: &str = "TRUSTED_ROOTS";

/// PEM.
const AMAZON_ROOTS: &[u8] = include_bytes!("../amazon_roots.pem");

/// The connection to AWS.
pub struct Aws(SdkConfig);

impl Aws {
    /// Region and credentials come from where Lambda puts them; `AWS_ENDPOINT_URL` leads elsewhere than AWS.
    ///
    /// `patience` is for one call with its retries. An attempt that takes half of it is given up and made again: AWS's own
    /// answers come in milliseconds, and every call Waybill makes is safe to repeat, but for mails. So nobody need watch
    /// besides whether an answer's bytes come too slowly, as the SDK would.
    pub async fn connect(environment: &Environment, patience: Duration) -> Result<Self, BadSetting> {
        seed_randomness();
        let tls = TlsContext::builder().with_trust_store(trusted_roots(environment)?).build();
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.expect("nothing in it can be wrong"))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(patience / 2)
            .operation_timeout(patience)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Ok(Self(config.load().await))
    }

    /// The WebSocket connections of the API and stage at this URL.
    pub fn connections(&self, url: &str) -> aws_sdk_apigatewaymanagement::Client {
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(&self.0).endpoint_url(url).build();
        aws_sdk_apigatewaymanagement::Client::from_conf(config)
    }

    pub fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::new(&self.0)
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.0)
    }

    pub fn streams(&self) -> aws_sdk_dynamodbstreams::Client {
        aws_sdk_dynamodbstreams::Client::new(&self.0)
    }

    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.0)
    }

    /// A mail may be sent twice where an attempt is made again: SES knows no repeat.
    pub fn ses(&self) -> aws_sdk_sesv2::Client {
        aws_sdk_sesv2::Client::new(&self.0)
    }

    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.0)
    }

    pub fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.0)
    }
}

/// Has this thread's random numbers begin at a number of the operating system's. By itself, `fastrand` takes the time since the
/// machine's start: two environments that start alike could draw the same ids, holders of leases, and tokens of the SDK.
fn seed_randomness() {
    fastrand::seed(RandomState::new().hash_one(0));
}

fn trusted_roots(environment: &Environment) -> Result<TrustStore, BadSetting> {
    let amazon = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    environment.one_of(TRUSTED_ROOTS, [("amazon", amazon), ("system", TrustStore::default())])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// The certificates of a PEM file, as DER.
    fn certificates(pem: &str) -> BTreeSet<Vec<u8>> {
        let rest = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
        let base64 = rest.map(|text| text.split("-----END").next().unwrap_or_default());
        base64.map(|text| STANDARD.decode(text.replace('\n', "")).expect("base64")).collect()
    }

    #[test]
    fn the_roots_are_those_that_amazon_has_in_mozillas_list() {
        let has = |der: &[u8], name: &str| der.windows(name.len()).any(|bytes| bytes == name.as_bytes());
        let of_amazon =
            |der: &[u8]| has(der, "Amazon Root CA") || has(der, "Starfield Services Root Certificate Authority - G2");
        let listed = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| der.to_vec());
        let expected: BTreeSet<_> = listed.filter(|der| of_amazon(der)).collect();
        assert_eq!(certificates(str::from_utf8(AMAZON_ROOTS).expect("text")), expected);
    }

    #[tokio::test]
    async fn other_roots_are_trusted_on_request_alone() {
        let chosen = |roots| Environment::of([(TRUSTED_ROOTS, roots)]);
        for roots in ["", "amazon", "system"] {
            assert!(Aws::connect(&chosen(roots), IN_THE_BACKGROUND).await.is_ok(), "{roots}");
        }
        let refused = Aws::connect(&chosen("all"), IN_THE_BACKGROUND).await.err().map(|error| error.to_string());
        let why = "the environment variable TRUSTED_ROOTS is all, and must be `amazon` or `system`";
        assert_eq!(refused.as_deref(), Some(why));
    }
}
