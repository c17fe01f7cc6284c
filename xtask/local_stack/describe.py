"""Describes a stack that is deployed on the local stack, and adds what CloudFormation leaves out there, and who charges.

Writes what was made, for tenants.py, the tests and whoever wants to look, as JSON.
"""

import argparse
import json
import os
import pathlib

import boto3


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack-name", required=True)
    options.add_argument("--server-pid", required=True, type=int)
    options.add_argument("--server-log", required=True)
    options.add_argument("--scissors", required=True, help="whoever connects there cuts the functions' connections")
    options.add_argument("--payment-provider", required=True, help="the URL of the provider that charges")
    options.add_argument("--provider-key", required=True, help="the key that it lets the payment gateway in with")
    options.add_argument("--trouble", required=True, help="the URL where the demo asks for trouble")
    options.add_argument("--webhook-receiver", required=True, help="the URL below which a test may receive webhooks")
    options.add_argument("--output", required=True, type=pathlib.Path, help="the JSON file to write")
    given = options.parse_args()
    os.umask(0o077)  # what is written has secrets in it

    cloudformation = boto3.client("cloudformation")
    stack = cloudformation.describe_stacks(StackName=given.stack_name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    # CloudFormation here leaves a table's time to live out.
    dynamodb = boto3.client("dynamodb")
    dynamodb.update_time_to_live(
        TableName=outputs["OperationsTable"],
        TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True},
    )
    secrets = boto3.client("secretsmanager")
    provider = {"url": given.payment_provider, "api_key": given.provider_key}
    secrets.put_secret_value(SecretId=outputs["PaymentProvider"], SecretString=json.dumps(provider))
    receipt_key = secrets.get_secret_value(SecretId=outputs["ReceiptKey"])["SecretString"]
    urls = boto3.client("sqs").list_queues(QueueNamePrefix=f"{given.stack_name}-")["QueueUrls"]
    queues = {url.rsplit("/", 1)[1].removeprefix(f"{given.stack_name}-"): url for url in urls}
    whole = description(given, cloudformation.meta.endpoint_url, outputs, queues, receipt_key)
    given.output.write_text(json.dumps(whole, indent=2) + "\n")


def description(given, endpoint, outputs, queues, receipt_key):
    commands = "-commands.fifo"
    contexts = [name.removesuffix(commands) for name in queues if name.endswith(commands)]
    return {
        "endpoint": endpoint,
        "region": os.environ["AWS_DEFAULT_REGION"],
        "access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "stack_name": given.stack_name,
        "api_url": outputs["ApiUrl"],
        "console_url": outputs["ConsoleUrl"],
        "demo_url": outputs["DemoUrl"],
        "reports_url": outputs["ReportsUrl"],
        "sign_in_url": endpoint,
        "token_url": f"{endpoint}/oauth2/token",
        "user_pool_id": outputs["UserPoolId"],
        "receipt_key": receipt_key,
        "tables": {
            "events": outputs["EventsTable"],
            "operations": outputs["OperationsTable"],
            "read_models": outputs["ReadModelsTable"],
            "registry": outputs["RegistryTable"],
            "parked": outputs["ParkedTable"],
            "guards": outputs["GuardsTable"],
        },
        "contexts": {
            context: {
                "commands": queues[f"{context}-commands.fifo"],
                "dead_letters": queues[f"{context}-dead-letters.fifo"],
                "command_handler": f"{given.stack_name}-{context}-command-handler",
            }
            for context in contexts
        },
        "event_topic": outputs["EventTopic"],
        "redrive": f"{given.stack_name}-redrive",
        "synthetic_check": f"{given.stack_name}-synthetic-check",
        "queues": {
            "read_model_updates": queues["read-model-updates"],
            "read_model_dead_letters": queues["read-model-dead-letters"],
            "read_model_undelivered": queues["read-model-undelivered"],
            "publisher_retries": queues["publisher-retries"],
            "publisher_dead_letters": queues["publisher-dead-letters"],
        },
        "server_pid": given.server_pid,
        "server_log": given.server_log,
        "scissors": given.scissors,
        "payment_provider": given.payment_provider,
        "trouble": given.trouble,
        "webhook_receiver": given.webhook_receiver,
        "outputs": outputs,
    }


if __name__ == "__main__":
    main()
