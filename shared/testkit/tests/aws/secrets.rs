use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use testkit::{Aws, Fault, Service};

#[tokio::test(start_paused = true)]
async fn a_secret_is_what_was_put_last_and_knows_since_when() {
    let aws = Aws::new();
    let arn = Aws::secret_arn("key");
    let get = || aws.secrets_manager().get_secret_value().secret_id(&arn).send();
    aws.put_secret(&arn, "first");
    let first = get().await.expect("a secret");
    tokio::time::advance(std::time::Duration::from_hours(1)).await;
    aws.put_secret(&arn, "second");
    let second = get().await.expect("a secret");

    assert_eq!((first.secret_string(), second.secret_string()), (Some("first"), Some("second")));
    assert_ne!(first.version_id(), second.version_id());
    let created = |secret: &aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput| {
        secret.created_date().expect("a date").secs()
    };
    assert_eq!(created(&second) - created(&first), 3600);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_secret_is_refused_and_faults_reach_it_as_any_service() {
    let aws = Aws::new();
    let arn = Aws::secret_arn("key");
    let get = || aws.secrets_manager().get_secret_value().secret_id(&arn).send();
    let refused = get().await.expect_err("no such secret");
    assert_eq!(refused.code(), Some("ResourceNotFoundException"));

    aws.put_secret(&arn, "text");
    aws.inject(|attempt| match attempt.service {
        Service::SecretsManager => Fault::Throttle,
        _ => Fault::None,
    });
    let refused = get().await.expect_err("throttled");
    assert_eq!(refused.code(), Some("ThrottlingException"));
}
