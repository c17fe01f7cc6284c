"""Deploys template.yaml on the local stack, with functions that are built already.

What `sam build` and `sam deploy` do for AWS, cut down to what a server on this machine needs: each
function's folder goes to S3 as a zip, the template names the zips, CloudFormation makes the stack.
Writes what was made, for tenants.py, the tests and whoever wants to look, as JSON.
"""

import argparse
import io
import json
import os
import pathlib
import sys
import zipfile

import boto3
import yaml
from botocore.exceptions import WaiterError

API_ID = "waybill"
BUCKET = "artifacts"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--endpoint", required=True, help="URL of the local stack")
    options.add_argument("--template", required=True, type=pathlib.Path)
    options.add_argument("--functions", required=True, type=pathlib.Path, help="folder of <function>/bootstrap")
    options.add_argument("--stack-name", required=True)
    options.add_argument("--server-pid", required=True, type=int)
    options.add_argument("--server-log", required=True)
    options.add_argument("--scissors", required=True, help="whoever connects there cuts the functions' connections")
    options.add_argument("--output", required=True, type=pathlib.Path, help="the JSON file to write")
    given = options.parse_args()

    s3 = boto3.client("s3", endpoint_url=given.endpoint)
    s3.create_bucket(Bucket=BUCKET)

    template = yaml.load(given.template.read_text(), Loader=CloudFormationLoader)
    for binary, function in functions_of(template):
        key = f"{binary}.zip"
        s3.put_object(Bucket=BUCKET, Key=key, Body=zipped(given.functions / binary / "bootstrap"))
        function["Properties"]["CodeUri"] = f"s3://{BUCKET}/{key}"
    s3.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template))

    # The server gives an API the id that this tag names. So its URL is known before there is a stack, and
    # the functions can be told it. A path without a stage means the stage $default.
    api_url = f"{given.endpoint}/_aws/execute-api/{API_ID}"
    outputs = create_stack(
        boto3.client("cloudformation", endpoint_url=given.endpoint),
        StackName=given.stack_name,
        TemplateURL=f"{given.endpoint}/{BUCKET}/template.json",
        Parameters=parameters(
            Stage="local",
            Architecture="x86_64",
            PublicUrl=api_url,
            # Cognito's own host on AWS; here, the server's.
            SignInUrl=given.endpoint,
            RedriveMinutes="1",
        ),
        Tags=[{"Key": "ms-custom-id", "Value": API_ID}],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )

    # CloudFormation here leaves a table's time to live out.
    dynamodb = boto3.client("dynamodb", endpoint_url=given.endpoint)
    for table in ("OperationsTable", "ParkedTable"):
        dynamodb.update_time_to_live(
            TableName=outputs[table],
            TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True},
        )
    secrets = boto3.client("secretsmanager", endpoint_url=given.endpoint)
    receipt_key = secrets.get_secret_value(SecretId=outputs["ReceiptKey"])["SecretString"]
    given.output.write_text(json.dumps(description(given, outputs, receipt_key), indent=2) + "\n")


class CloudFormationLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms (`!Sub`, `!Ref`, …), read as their long forms."""

    def long_form(self, suffix, node):
        if isinstance(node, yaml.ScalarNode):
            value = self.construct_scalar(node)
            if suffix == "GetAtt":
                value = value.split(".", 1)
        elif isinstance(node, yaml.SequenceNode):
            value = self.construct_sequence(node, deep=True)
        else:
            value = self.construct_mapping(node, deep=True)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


CloudFormationLoader.add_multi_constructor("!", CloudFormationLoader.long_form)


def functions_of(node):
    """Every function with its binary's name, those inside an Fn::ForEach included."""
    if isinstance(node, dict):
        if node.get("Type") == "AWS::Serverless::Function":
            yield node["Metadata"]["BuildProperties"]["Binary"], node
        node = list(node.values())
    if isinstance(node, list):
        for member in node:
            yield from functions_of(member)


def zipped(bootstrap):
    buffer = io.BytesIO()
    entry = zipfile.ZipInfo("bootstrap")  # no date: the same binary makes the same zip
    entry.external_attr = 0o755 << 16
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, bootstrap.read_bytes())
    return buffer.getvalue()


def parameters(**values):
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def create_stack(cloudformation, **request):
    name = request["StackName"]
    cloudformation.create_stack(**request)
    try:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )
    except WaiterError:
        for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]:
            if event["ResourceStatus"].endswith("FAILED"):
                reason = event.get("ResourceStatusReason", "no reason given")
                print(f"{event['LogicalResourceId']}: {reason}", file=sys.stderr)
        sys.exit(f"the stack {name} could not be created")
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def description(given, outputs, receipt_key):
    contexts = [key.removesuffix("CommandsQueue") for key in outputs if key.endswith("CommandsQueue")]
    return {
        "endpoint": given.endpoint,
        "region": os.environ["AWS_DEFAULT_REGION"],
        "access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "stack_name": given.stack_name,
        "api_url": outputs["ApiUrl"],
        "console_url": outputs["ConsoleUrl"],
        "sign_in_url": given.endpoint,
        "token_url": f"{given.endpoint}/oauth2/token",
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
                "commands": outputs[f"{context}CommandsQueue"],
                "dead_letters": outputs[f"{context}DeadLettersQueue"],
                "command_handler": f"{given.stack_name}-{context}-command-handler",
            }
            for context in contexts
        },
        "event_topic": outputs["EventTopic"],
        "redrive": f"{given.stack_name}-redrive",
        "queues": {
            "read_model_updates": outputs["ReadModelUpdatesQueue"],
            "read_model_dead_letters": outputs["ReadModelDeadLettersQueue"],
            "subscription_dead_letters": outputs["SubscriptionDeadLettersQueue"],
            "publisher_retries": outputs["PublisherRetriesQueue"],
            "publisher_dead_letters": outputs["PublisherDeadLettersQueue"],
        },
        "server_pid": given.server_pid,
        "server_log": given.server_log,
        "scissors": given.scissors,
        "outputs": outputs,
    }


if __name__ == "__main__":
    main()
